//! What a run of the door gives its broker, and the counts that it shows.

use bytes::Bytes;

/// What the door's configuration says to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Filters that clients without credentials may publish to.
    pub anonymous_publish: Vec<String>,
    /// Filters that clients without credentials may subscribe to.
    pub anonymous_subscribe: Vec<String>,
    /// Filters that nobody may subscribe to, nor to narrower ones.
    pub deny: Vec<String>,
    /// QoS 1 and 2 messages that we take from one client at once.
    pub receive_max: u16,
    /// The longest keep alive; 0 leaves it to the client.
    pub keep_alive_max_s: u16,
    /// The longest packet that we take, in bytes.
    pub packet_bytes_max: u32,
    /// Let unknown clients in to be looked at, without any effect; else refuse them.
    pub quarantine: bool,
}

/// What a run of the door gives its connections.
pub struct Desk {
    /// Time.
    pub clock: sdk::Clock,
    /// Names for clients that have none.
    pub ids: sdk::Ids,
    /// What is allowed.
    pub policy: Policy,
    /// Whom nobody knows yet.
    pub arrivals: sdk::Arrivals,
    /// Makes a device for a client that a template vouches for; true when the client is known now.
    pub enrol: Option<Box<dyn Enrol>>,
}

/// Makes devices of clients that a template vouches for.
pub trait Enrol: Send + Sync {
    /// Judges the credentials of an unknown client; true when a device was made for them and they are an account now.
    fn enrol<'a>(
        &'a self,
        client_id: &'a str,
        username: Option<&'a str>,
        password: Option<&'a Bytes>,
    ) -> sdk::BoxFuture<'a, bool>;
}

/// Counts of a broker since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct View {
    /// Connected now.
    pub clients: u64,
    /// Sessions, connected or kept.
    pub sessions: u64,
    /// Connected now and unknown.
    pub quarantined: u64,
    /// Retained messages.
    pub retained: u64,
    /// Messages that came in.
    pub messages_in: u64,
    /// Messages handed to clients.
    pub messages_out: u64,
    /// Messages dropped because a client or a device did not keep up, or because they expired.
    pub dropped: u64,
    /// Connections that were refused.
    pub refused: u64,
    /// Messages and subscriptions that were not allowed.
    pub denied: u64,
}
