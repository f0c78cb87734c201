//! The MQTT broker: sessions, routing, accounts. Versions 3.1, 3.1.1 and 5, over any stream of bytes.
//!
//! ```text
//! bytes ─► connection ─► wire ─► route (cached per publisher) ─► client's buffer or queue ─► its connection ─► bytes
//!                                        └─► inbox of the account's device
//! ```
//! Sessions and retained messages are in memory. Absent on purpose: bridges, WebSocket, `$SYS` topics, enhanced
//! authentication; a device has one connection and needs none of them.

mod accounts;
mod buffers;
mod client;
mod connect;
mod connection;
mod desk;
mod incoming;
pub mod limits;
mod link;
mod pace;
mod realm;
mod retained;
mod route;
mod session;
mod settling;
mod shared;
pub(crate) mod strangers;
mod subscribing;
mod subscriptions;
mod time;
pub mod topic;

use bytes::Bytes;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use types::{Fault, Time};

use crate::wire::Properties;

pub use accounts::{Account, Seen};
pub use desk::{Desk, Enrol, Policy, View};

/// Locks; a thread that panicked while holding it has left nothing half done that others could not bear.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A message as it was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    /// Where to.
    pub topic: Arc<str>,
    /// The message.
    pub payload: Bytes,
    /// 0, 1 or 2, as the publisher sent it.
    pub qos: u8,
    /// To be kept for later subscribers.
    pub retain: bool,
    /// MQTT 5 only.
    pub properties: Option<Box<Properties>>,
    /// When it came here.
    pub received: Time,
    /// In the broker's time; nobody gets it later than this.
    pub(crate) expires: Option<Duration>,
    /// A command to a machine: an exchange that a lost connection cut is not taken up again after it has expired. The
    /// standard would have it sent again however late (4.4); a machine must not start because its cable was mended.
    pub(crate) is_command: bool,
}

impl Publish {
    /// A message of our own.
    pub fn new(topic: &str, payload: Bytes, qos: u8, received: Time) -> Publish {
        Publish {
            topic: topic.into(),
            payload,
            qos: qos.min(2),
            retain: false,
            properties: None,
            received,
            expires: None,
            is_command: false,
        }
    }

    /// Bytes it holds, for bounds.
    pub(crate) fn weight(&self) -> usize {
        /// The struct itself and what stands around it in a queue.
        const AROUND: usize = 160;
        AROUND + self.topic.len() + self.payload.len() + self.properties.as_ref().map_or(0, |p| p.weight())
    }

    pub(crate) fn is_expired(&self, now: Duration) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Seconds left; at least one, as an exchange that began goes on.
    pub(crate) fn expiry_left_s(&self, now: Duration) -> Option<u32> {
        let left = self.expires?.saturating_sub(now);
        Some(u32::try_from(left.as_secs()).unwrap_or(u32::MAX).max(1))
    }
}

/// The broker of one organisation: what the door's listener and the devices share.
#[derive(Clone, Default)]
pub struct Broker(Arc<shared::Shared>);

impl Broker {
    /// Without clients; nobody listens for it yet.
    pub fn new() -> Broker {
        Broker::default()
    }

    /// Makes credentials known. A client that was waiting as unknown with them is cut, so that it comes back as known.
    ///
    /// # Errors
    /// `mqtt.no-credentials`, `mqtt.credentials-taken`, `mqtt.filter`.
    pub fn admit(&self, account: Account) -> Result<Admitted, Fault> {
        let entry = self.0.accounts.admit(account)?;
        self.0.cut_strangers(&entry.account);
        let ticket = entry.newest_ticket();
        Ok(Admitted { shared: self.0.clone(), entry, ticket })
    }

    /// The newest messages of an account, oldest first, for people who look; none when it was not admitted.
    pub fn recent(&self, account: &Account) -> Vec<Arc<Publish>> {
        self.0.accounts.recent(account)
    }

    /// Counts, for people.
    pub fn view(&self) -> View {
        self.0.view()
    }

    /// Serves one connection until it ends. `desk` is of the run of the door that accepted it.
    /// `permit` is given back when the client has said who it is, or was refused.
    pub async fn serve(
        &self,
        desk: Arc<Desk>,
        stream: Box<dyn sdk::Stream>,
        from: std::net::SocketAddr,
        permit: Option<tokio::sync::OwnedSemaphorePermit>,
    ) {
        connect::serve(self.0.clone(), desk, stream, from, permit).await;
    }

    /// Whether these are the credentials of an account.
    pub(crate) fn knows(&self, client_id: &str, username: Option<&str>, password: Option<&Bytes>) -> bool {
        matches!(self.0.accounts.judge(client_id, username, password), accounts::Judged::Known(_))
    }

    /// Keeps the broker's time: keep alive, expiry, delayed wills, stalls. Runs beside the listener, and never ends.
    pub async fn keep_time(&self, desk: &Desk) {
        self.0.keep_time(desk).await;
    }

    /// Ends every connection, such as when the listener goes away.
    pub fn cut_all(&self) {
        self.0.cut_all();
    }
}

/// Credentials that are known for as long as this lives; dropping it cuts the client.
pub struct Admitted {
    shared: Arc<shared::Shared>,
    entry: Arc<accounts::Entry>,
    /// Of the newest message that [`Admitted::next`] gave out.
    ticket: u64,
}

impl Admitted {
    /// What the client does. Cancel safe.
    pub async fn next(&mut self) -> Seen {
        let seen = self.entry.next().await;
        // Messages of QoS 1 and 2 come out as they went in, and none of them is shed: counting them numbers them.
        self.ticket += u64::from(matches!(&seen, Seen::Message(publish) if publish.qos > 0));
        seen
    }

    /// Names all messages that were given out so far, for [`Admitted::settle`].
    pub fn ticket(&self) -> u64 {
        self.ticket
    }

    /// What came of all messages up to a ticket is durable: they are acknowledged to the client now. Or it could not be
    /// stored: the client is cut, so that it sends them again.
    pub fn settle(&self, ticket: u64, stored: bool) {
        self.entry.settle(ticket, stored);
    }

    /// Publishes to this client only, if it is connected and subscribed to a matching filter. What has not left after
    /// [`limits::COMMAND_LIFE`] is not sent any more.
    ///
    /// # Errors
    /// `mqtt.offline`, `mqtt.not-subscribed`, `mqtt.full`, `mqtt.topic`.
    pub async fn send(&self, topic: &str, payload: Bytes, qos: u8) -> Result<(), Fault> {
        self.shared.send_to(&self.entry, topic, payload, qos)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.shared.accounts.dismiss(&self.entry);
        if let Some(client) = held(&self.entry.client).take() {
            client.cut(crate::wire::Reason::ADMINISTRATIVE);
        }
    }
}
