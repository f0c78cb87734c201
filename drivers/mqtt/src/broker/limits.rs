//! Every bound of the broker, by name.

use std::time::Duration;

/// Connections at once.
pub const CONNECTIONS_MAX: usize = 50_000;
/// Connections that have not said CONNECT yet.
pub const HANDSHAKES_MAX: usize = 1_024;
/// From the first byte of TLS to CONNECT.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest CONNECT, in bytes.
pub const CONNECT_BYTES_MAX: usize = 128 * 1_024;
/// Sessions, connected and kept.
pub const SESSIONS_MAX: usize = 100_000;
/// The longest client id, in bytes.
pub const CLIENT_ID_BYTES_MAX: usize = 256;
/// A session that nobody comes back to is forgotten after this, whatever was asked for.
pub const SESSION_EXPIRY_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Subscriptions of one client.
pub const SUBSCRIPTIONS_MAX: usize = 256;
/// Unknown clients that are let in to be looked at.
pub const STRANGERS_MAX: usize = 256;

/// Messages of QoS 1 and 2 that wait for one client.
pub const QUEUE_MESSAGES_MAX: usize = 10_000;
/// Bytes of them.
pub const QUEUE_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Messages of QoS 1 and 2 on their way to one client, whatever it allows.
pub const FLIGHT_MAX: u16 = 1_000;
/// Places in flight that an idle client keeps.
pub const FLIGHT_PLACES_KEPT: usize = 32;
/// Encoded bytes ready for one client: above it publishers wait a moment, and then lose QoS 0.
pub const OUT_BYTES_HIGH: usize = 1_024 * 1_024;
/// Encoded bytes ready for one client: with so many, QoS 0 is dropped even while publishers wait. One read of a publisher
/// or one packet may go beyond it.
pub const OUT_BYTES_MAX: usize = 2 * OUT_BYTES_HIGH;
/// Encoded bytes ready for all clients together: above it [`OUT_BYTES_SMALL`] is the mark at which publishers wait, and
/// [`OUT_BYTES_CROWDED`] the bound.
pub const OUT_BYTES_TOTAL: usize = 96 * 1_024 * 1_024;
/// See [`OUT_BYTES_TOTAL`].
pub const OUT_BYTES_SMALL: usize = 64 * 1_024;
/// See [`OUT_BYTES_TOTAL`]. Room for some publishers that put at the same time, so that who keeps pace loses nothing
/// because of those who do not.
pub const OUT_BYTES_CROWDED: usize = 4 * OUT_BYTES_SMALL;
/// Ticks that publishers wait for one client without its draining [`OUT_BYTES_HIGH`], before it counts as lagging and
/// loses messages instead.
pub const STALL_TICKS: u32 = 2;
/// The same when nobody else gets the messages: it slows down only its own publishers.
pub const STALL_TICKS_ALONE: u32 = 20;
/// How long a client that lagged must lose nothing before publishers wait for it again; doubled each time.
pub const PROBATION: Duration = Duration::from_secs(1);
/// Bound of the doublings of [`PROBATION`].
pub const PROBATION_DOUBLINGS_MAX: u32 = 6;

/// Retained messages.
pub const RETAINED_MAX: usize = 100_000;
/// Bytes of them.
pub const RETAINED_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// Messages that wait for the device behind an account.
pub const INBOX_MESSAGES_MAX: usize = 4_096;
/// Bytes of them.
pub const INBOX_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Messages of one client that may wait for the disk before they are acknowledged; then nothing more is read from it.
pub const UNSETTLED_MAX: usize = 8_192;

/// A message of our own to a device is void after this.
pub const COMMAND_LIFE: Duration = Duration::from_secs(10);

/// Newest messages of an account that are kept for people who look.
pub const RECENT_MAX: usize = 64;
/// Longer messages are not kept for them.
pub const RECENT_BYTES_MAX: usize = 16 * 1_024;

/// How long a client that was cut may take to read why.
pub const LINGER: Duration = Duration::from_secs(2);
/// What it may still send meanwhile, in bytes.
pub const LINGER_BYTES_MAX: usize = 1_024 * 1_024;

/// Topic aliases of one client that we keep.
pub const ALIASES_IN_MAX: u16 = 64;
/// Topic aliases that we make one client keep.
pub const ALIASES_OUT_MAX: u16 = 16;
/// Topics of one publisher whose subscribers are remembered.
pub const ROUTES_MAX: usize = 256;

/// How often the clock is looked at: resolution of keep alive, expiry and stalls.
pub const TICK: Duration = Duration::from_millis(100);
/// Every so many ticks all sessions are looked at.
pub const TICKS_A_SWEEP: u32 = 5;
/// Messages of one topic that are handed on at once, so that a publisher notices when a receiver is full.
pub const BATCH_MESSAGES_MAX: usize = 256;
/// Read at most this much at once.
pub const READ_BYTES: usize = 64 * 1_024;
/// Reads of one connection before others have their turn.
pub const READS_A_TURN: u32 = 4;
