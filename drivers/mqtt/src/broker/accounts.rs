//! Who is known: accounts by credentials, and the inbox of the device behind each.

use bytes::Bytes;
use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    net::SocketAddr,
    sync::{Arc, Mutex, RwLock, Weak},
    task::{Poll, Waker},
};
use types::Fault;

use super::{Publish, client::Client, held, limits, topic};
use crate::wire::Reason;

/// What a device may do at the broker, and by which credentials it is known. At least one of `client_id` and `username`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The client must use this id.
    pub client_id: Option<String>,
    /// The client must give this user name. Alone, without a password, it is a token.
    pub username: Option<String>,
    /// The client must give this password.
    pub password: Option<String>,
    /// Filters that cover what it may publish. Its own topics below `v1/devices/me/` need no right.
    pub publish: Vec<String>,
    /// Filters that cover what it may subscribe to.
    pub subscribe: Vec<String>,
}

impl std::fmt::Debug for Account {
    // Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Account { client_id, username, publish, subscribe, .. } = self;
        write!(f, "Account {{ {client_id:?} {username:?} publish: {publish:?} subscribe: {subscribe:?} }}")
    }
}

/// What the device behind an account sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Its client connected.
    Online {
        /// Where it came from.
        from: SocketAddr,
        /// The id it used.
        client_id: String,
    },
    /// Its client is gone.
    Offline {
        /// In words.
        reason: &'static str,
    },
    /// Its client published.
    Message(Arc<Publish>),
}

/// What a client may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) publish: Vec<String>,
    pub(crate) subscribe: Vec<String>,
}

/// What became of a message for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handed {
    /// With QoS 1 and 2 by this ticket: to be acknowledged when [`Entry::settled`] has reached it.
    Taken(u64),
    /// There is no room: QoS 0 is dropped then, and for QoS 1 and 2 the connection waits until [`Entry::has_room`] before
    /// it acknowledges.
    Full,
    /// The account was dismissed: what is not dropped must not be acknowledged.
    Closed,
}

/// An account that was admitted.
pub(crate) struct Entry {
    pub(crate) account: Account,
    pub(crate) rights: Arc<Rights>,
    /// The client that is connected for it.
    pub(crate) client: Mutex<Option<Arc<Client>>>,
    /// The client that was last connected for it: a device has one session.
    pub(crate) last: Mutex<Weak<Client>>,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    queue: VecDeque<Seen>,
    bytes: usize,
    dropped: u64,
    closed: bool,
    /// Messages of QoS 1 and 2 that were ever taken in: the ticket of the newest.
    taken: u64,
    /// The newest ticket whose rows, like those of all before, are durable or were refused.
    settled: u64,
    /// The newest ticket whose rows were refused.
    refused: u64,
    /// The connection, when it waits for tickets.
    unsettled: Option<Waker>,
    /// For people who look at the device.
    recent: VecDeque<Arc<Publish>>,
    /// The device, when it waits.
    waker: Option<Waker>,
    /// Connections that wait for room.
    room: Vec<Waker>,
}

impl Inbox {
    fn pop(&mut self) -> Option<Seen> {
        let seen = self.queue.pop_front()?;
        if let Seen::Message(publish) = &seen {
            self.bytes -= publish.weight();
        }
        Some(seen)
    }

    fn keep(&mut self, publish: &Arc<Publish>) {
        if publish.payload.len() > limits::RECENT_BYTES_MAX {
            return;
        }
        if self.recent.len() >= limits::RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(publish.clone());
    }

    fn is_full_for(&self, weight: usize) -> bool {
        !self.queue.is_empty()
            && (self.queue.len() >= limits::INBOX_MESSAGES_MAX
                || self.bytes + weight > limits::INBOX_BYTES_MAX)
    }

    /// Makes room by dropping the oldest message of QoS 0.
    fn shed(&mut self) -> bool {
        let is_shed = |seen: &Seen| matches!(seen, Seen::Message(publish) if publish.qos == 0);
        let Some(at) = self.queue.iter().position(is_shed) else { return false };
        if let Some(Seen::Message(publish)) = self.queue.remove(at) {
            self.bytes -= publish.weight();
            self.dropped += 1;
        }
        true
    }
}

impl Entry {
    fn new(account: Account) -> Entry {
        let rights = Rights { publish: account.publish.clone(), subscribe: account.subscribe.clone() };
        Entry {
            account,
            rights: Arc::new(rights),
            client: Mutex::default(),
            last: Mutex::default(),
            inbox: Mutex::default(),
        }
    }

    /// Hands a message to the device.
    pub(crate) fn put(&self, publish: &Arc<Publish>) -> Handed {
        let mut inbox = held(&self.inbox);
        if inbox.closed {
            return Handed::Closed;
        }
        let weight = publish.weight();
        while inbox.is_full_for(weight) {
            if publish.qos > 0 && !inbox.shed() {
                return Handed::Full;
            }
            if publish.qos == 0 && !inbox.shed() {
                inbox.dropped += 1;
                return Handed::Full;
            }
        }
        inbox.keep(publish);
        inbox.bytes += weight;
        inbox.taken += u64::from(publish.qos > 0);
        let ticket = inbox.taken;
        inbox.queue.push_back(Seen::Message(publish.clone()));
        let waker = inbox.waker.take();
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
        Handed::Taken(ticket)
    }

    /// The newest ticket. A connection that begins is answerable for those behind it.
    pub(crate) fn newest_ticket(&self) -> u64 {
        held(&self.inbox).taken
    }

    /// How far tickets are settled, for a connection that began after ticket `since`; keeps its waker.
    ///
    /// # Errors
    /// [`Reason::QUOTA`] when rows of the connection's own messages could not be stored: none behind them may be
    /// acknowledged either, and the client sends them all again.
    pub(crate) fn settled(&self, since: u64, waker: &Waker) -> Result<u64, Reason> {
        let mut inbox = held(&self.inbox);
        if inbox.refused > since {
            return Err(Reason::QUOTA);
        }
        inbox.unsettled = Some(waker.clone());
        Ok(inbox.settled)
    }

    /// The rows of all messages up to a ticket are durable, or were refused.
    pub(crate) fn settle(&self, ticket: u64, stored: bool) {
        let mut inbox = held(&self.inbox);
        inbox.settled = inbox.settled.max(ticket);
        if !stored {
            inbox.refused = inbox.refused.max(ticket);
        }
        let waker = inbox.unsettled.take();
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The account was dismissed: nobody hears what is put in.
    pub(crate) fn is_closed(&self) -> bool {
        held(&self.inbox).closed
    }

    /// Tells the device that its client came or left. Never dropped: there is one at most for each connection.
    pub(crate) fn tell(&self, seen: Seen) {
        let mut inbox = held(&self.inbox);
        if inbox.closed {
            return;
        }
        // A client that comes and goes while nobody reads: the older news is of no more use.
        if inbox.queue.len() >= 2 * limits::INBOX_MESSAGES_MAX {
            inbox.pop();
            inbox.dropped += 1;
        }
        inbox.queue.push_back(seen);
        let waker = inbox.waker.take();
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether a connection that found it full may go on; keeps its waker if not.
    pub(crate) fn has_room(&self, waker: &Waker) -> bool {
        let mut inbox = held(&self.inbox);
        if inbox.closed || !inbox.is_full_for(0) {
            return true;
        }
        if !inbox.room.iter().any(|kept| kept.will_wake(waker)) {
            inbox.room.push(waker.clone());
        }
        false
    }

    /// The next thing seen.
    pub(crate) async fn next(&self) -> Seen {
        poll_fn(|cx| {
            let mut inbox = held(&self.inbox);
            let Some(seen) = inbox.pop() else {
                inbox.waker = Some(cx.waker().clone());
                return Poll::Pending;
            };
            let below = inbox.queue.len() <= limits::INBOX_MESSAGES_MAX / 2
                && inbox.bytes <= limits::INBOX_BYTES_MAX / 2;
            let room = if below { std::mem::take(&mut inbox.room) } else { Vec::new() };
            drop(inbox);
            room.into_iter().for_each(Waker::wake);
            Poll::Ready(seen)
        })
        .await
    }

    /// Messages that were dropped because the device did not take them in time.
    pub(crate) fn dropped(&self) -> u64 {
        held(&self.inbox).dropped
    }

    fn close(&self) {
        let mut inbox = held(&self.inbox);
        inbox.closed = true;
        let room = std::mem::take(&mut inbox.room);
        drop(inbox);
        room.into_iter().for_each(Waker::wake);
    }

    /// The newest messages, oldest first.
    fn recent(&self) -> Vec<Arc<Publish>> {
        held(&self.inbox).recent.iter().cloned().collect()
    }
}

impl Account {
    /// Whether these are its credentials.
    pub(crate) fn fits(&self, client_id: &str, username: Option<&str>, password: Option<&Bytes>) -> bool {
        self.client_id.as_deref().is_none_or(|wanted| client_id == wanted)
            && self.username.as_deref().is_none_or(|wanted| username == Some(wanted))
            && self.password.as_ref().is_none_or(|secret| {
                let name = username.unwrap_or_default();
                password.is_some_and(|given| crate::claim::proves(secret, client_id, name, given))
            })
    }
}

/// What a client's credentials say.
pub(crate) enum Judged {
    Known(Arc<Entry>),
    /// Known by name, but the secret is wrong.
    Wrong,
    Unknown,
}

/// All accounts.
#[derive(Default)]
pub(crate) struct Accounts(RwLock<Table>);

#[derive(Default)]
struct Table {
    by_client_id: HashMap<String, Arc<Entry>>,
    /// Those that take any client id.
    by_username: HashMap<String, Arc<Entry>>,
}

impl Accounts {
    pub(crate) fn admit(&self, account: Account) -> Result<Arc<Entry>, Fault> {
        check(&account)?;
        let entry = Arc::new(Entry::new(account));
        let mut table = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Table { by_client_id, by_username } = &mut *table;
        let (place, name) = match (&entry.account.client_id, &entry.account.username) {
            (Some(client_id), _) => (by_client_id, client_id.clone()),
            (None, Some(username)) => (by_username, username.clone()),
            (None, None) => {
                let detail = "a device at the broker needs a client id or a user name: enter one";
                return Err(Fault::new("mqtt.no-credentials", detail));
            }
        };
        if place.contains_key(&name) {
            let detail =
                format!("another device already uses `{name}` at the broker: give each device its own");
            return Err(Fault::new("mqtt.credentials-taken", detail).arg("name", name));
        }
        place.insert(name, entry.clone());
        Ok(entry)
    }

    pub(crate) fn dismiss(&self, entry: &Arc<Entry>) {
        let mut table = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        table.by_client_id.retain(|_, kept| !Arc::ptr_eq(kept, entry));
        table.by_username.retain(|_, kept| !Arc::ptr_eq(kept, entry));
        drop(table);
        entry.close();
    }

    /// Whose credentials these are. The client id goes first: it is the narrower one.
    pub(crate) fn judge(&self, client_id: &str, username: Option<&str>, password: Option<&Bytes>) -> Judged {
        let table = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = table.by_client_id.get(client_id).or_else(|| table.by_username.get(username?));
        match found {
            Some(entry) if entry.account.fits(client_id, username, password) => Judged::Known(entry.clone()),
            Some(_) => Judged::Wrong,
            None => Judged::Unknown,
        }
    }

    /// The newest messages of an account, oldest first; none when it was not admitted.
    pub(crate) fn recent(&self, account: &Account) -> Vec<Arc<Publish>> {
        let table = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = match (&account.client_id, &account.username) {
            (Some(client_id), _) => table.by_client_id.get(client_id),
            (None, Some(username)) => table.by_username.get(username),
            (None, None) => None,
        };
        found.map(|entry| entry.recent()).unwrap_or_default()
    }

    pub(crate) fn dropped(&self) -> u64 {
        let table = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        table.by_client_id.values().chain(table.by_username.values()).map(|entry| entry.dropped()).sum()
    }
}

fn check(account: &Account) -> Result<(), Fault> {
    for filter in account.publish.iter().chain(&account.subscribe) {
        if !topic::is_filter(filter) {
            let detail = format!("`{filter}` is no topic filter: write one such as plant/line-1/#");
            return Err(Fault::new("mqtt.filter", detail).arg("filter", filter.clone()));
        }
    }
    Ok(())
}
