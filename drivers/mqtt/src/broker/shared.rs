//! What all connections of a broker share: the table of clients, the index of subscriptions, retained messages, counts.

mod telling;

use bytes::Bytes;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::Waker,
    time::Duration,
};

use super::{
    Account, Publish, Seen,
    accounts::{Accounts, Entry, Rights},
    client::{Client, State},
    desk::View,
    held, limits,
    link::{Moment, Put, Terms},
    realm::{self, Realm},
    retained::Retained,
    session::Session,
    subscriptions::Subscriptions,
};
use crate::wire::{Reason, control::Connect};

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) messages_in: AtomicU64,
    pub(crate) messages_out: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) clients: AtomicU64,
}

/// On whose behalf something is done.
#[derive(Clone)]
pub(crate) struct By {
    pub(crate) rights: Arc<Rights>,
    pub(crate) account: Option<Arc<Entry>>,
    /// Key in the list of arrivals: it may do nothing.
    pub(crate) stranger: Option<Arc<str>>,
}

/// A will with the rights of who left it.
pub(crate) struct Testament {
    pub(crate) will: crate::wire::control::Will,
    pub(crate) by: By,
}

/// An unknown client that was let in.
struct Stranger {
    client: Weak<Client>,
    client_id: String,
    username: Option<String>,
    password: Option<Bytes>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Shared {
    pub(super) clients: Mutex<HashMap<Box<str>, Arc<Client>>>,
    pub(crate) subscriptions: RwLock<Subscriptions>,
    /// Counts changes of the index: what was looked up before one is looked up again.
    pub(crate) epoch: AtomicU64,
    pub(crate) retained: Mutex<Retained>,
    pub(crate) accounts: Accounts,
    strangers: Mutex<HashMap<u64, Stranger>>,
    pub(super) stalled: Mutex<Vec<Weak<Client>>>,
    pub(crate) counts: Counts,
    out_bytes: AtomicUsize,
    numbers: AtomicU64,
    pub(super) now_ms: AtomicU64,
    pub(super) wall_ns: AtomicI64,
}

/// A connection that was let in.
pub(crate) struct Attached {
    pub(crate) client: Arc<Client>,
    pub(crate) generation: u64,
    pub(crate) session_present: bool,
}

impl Shared {
    pub(crate) fn moment(&self) -> Moment {
        let crowded = self.out_bytes.load(Relaxed) > limits::OUT_BYTES_TOTAL;
        let (out_high, out_max) = match crowded {
            true => (limits::OUT_BYTES_SMALL, limits::OUT_BYTES_CROWDED),
            false => (limits::OUT_BYTES_HIGH, limits::OUT_BYTES_MAX),
        };
        Moment { now: self.now(), out_high, out_max, others: false }
    }

    /// Enters what became of messages for one client.
    pub(crate) fn enter(&self, client: &Arc<Client>, put: Put) {
        if put.bytes > 0 {
            self.out_bytes.fetch_add(put.bytes, Relaxed);
        }
        if put.taken > 0 {
            self.counts.messages_out.fetch_add(put.taken, Relaxed);
        }
        if put.dropped > 0 {
            self.counts.dropped.fetch_add(put.dropped, Relaxed);
        }
        if put.first_full {
            held(&self.stalled).push(Arc::downgrade(client));
        }
    }

    /// Bytes that left a buffer, or never will.
    pub(crate) fn freed(&self, bytes: usize) {
        self.out_bytes.fetch_sub(bytes, Relaxed);
    }

    /// Lets a connection have its session. One that it takes over finds out by itself.
    pub(crate) fn attach(
        &self,
        key: &str,
        connect: &Connect,
        session_expiry_s: u32,
        terms: Terms,
    ) -> Result<Attached, Reason> {
        loop {
            let client = self.client(key)?;
            let mut state = client.lock();
            if state.is_over {
                self.forget(&client);
                continue;
            }
            let now = self.now();
            let expired = state.ends.is_some_and(|at| at <= now);
            let session_present = state.generation > 0 && !connect.clean_start && !expired;
            let mut wills: Vec<Box<Testament>> = Vec::new();
            let delayed = state.will.take();
            if !session_present {
                self.clear(&client, &mut state);
                wills.extend(delayed.map(|(_, will)| will));
            }
            state.expiry_s = session_expiry_s;
            let was_connected = state.link.is_some();
            let (wakers, will, freed) = state.attach(terms, self.moment());
            self.freed(freed);
            self.out_bytes.fetch_add(state.out_len(), Relaxed);
            // The connection before was lost without DISCONNECT (MQTT 5, 3.1.4): its will is due, unless it waits for a
            // client that has come back.
            wills.extend(will.filter(|will| will.will.delay_s == 0 || !session_present));
            let generation = state.generation;
            drop(state);
            client.heard_ms.store(self.now_ms.load(Relaxed), Relaxed);
            wakers.into_iter().for_each(Waker::wake);
            wills.into_iter().for_each(|will| self.execute(&client, &will));
            if !was_connected {
                self.counts.clients.fetch_add(1, Relaxed);
            }
            return Ok(Attached { client, generation, session_present });
        }
    }

    fn client(&self, key: &str) -> Result<Arc<Client>, Reason> {
        let mut clients = held(&self.clients);
        if let Some(client) = clients.get(key) {
            return Ok(client.clone());
        }
        if clients.len() >= limits::SESSIONS_MAX {
            return Err(Reason::UNAVAILABLE);
        }
        let client = Arc::new(Client::new(self.numbers.fetch_add(1, Relaxed), key));
        clients.insert(key.into(), client.clone());
        Ok(client)
    }

    /// Takes a session that is over out of the table.
    pub(super) fn forget(&self, client: &Arc<Client>) {
        let mut clients = held(&self.clients);
        if clients.get(&client.key).is_some_and(|kept| Arc::ptr_eq(kept, client)) {
            clients.remove(&client.key);
        }
    }

    /// Empties a session, and takes its subscriptions out of the index.
    fn clear(&self, client: &Arc<Client>, state: &mut State) {
        let session = std::mem::take(&mut state.session);
        self.unsubscribe(client, &session);
    }

    fn unsubscribe(&self, client: &Arc<Client>, session: &Session) {
        if session.subscriptions.is_empty() {
            return;
        }
        let mut index = self.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
        for filter in session.subscriptions.keys() {
            index.remove(filter, client);
        }
        drop(index);
        self.epoch.fetch_add(1, Relaxed);
    }

    /// A connection ended. `expiry_s` replaces what CONNECT said; `leaves_will` is false after a normal DISCONNECT.
    pub(crate) fn detach(
        &self,
        client: &Arc<Client>,
        generation: u64,
        expiry_s: Option<u32>,
        leaves_will: bool,
        reason: Reason,
    ) {
        let mut state = client.lock();
        if state.generation != generation || state.link.is_none() {
            return;
        }
        let now = self.now();
        if let Some(expiry_s) = expiry_s {
            state.expiry_s = expiry_s;
        }
        let account = state.link.as_ref().and_then(|link| link.account.clone());
        let (wakers, will, freed) = state.detach();
        self.freed(freed);
        self.counts.clients.fetch_sub(1, Relaxed);
        let mut due = None;
        if let Some(will) = will.filter(|_| leaves_will) {
            let delay_s = will.will.delay_s.min(state.expiry_s);
            if delay_s == 0 {
                due = Some(will);
            } else {
                state.will = Some((now + Duration::from_secs(delay_s.into()), will));
            }
        }
        let over = state.expiry_s == 0;
        if over {
            self.end(client, &mut state);
        } else {
            let span = Duration::from_secs(state.expiry_s.into()).min(limits::SESSION_EXPIRY_MAX);
            state.ends = Some(now + span);
        }
        drop(state);
        if over {
            self.forget(client);
        }
        wakers.into_iter().for_each(Waker::wake);
        if let Some(will) = due {
            self.execute(client, &will);
        }
        held(&self.strangers).remove(&client.number);
        if let Some(account) = account {
            let mut current = held(&account.client);
            if current.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, client)) {
                *current = None;
                account.tell(Seen::Offline { reason: reason.text() });
            }
        }
    }

    pub(super) fn end(&self, client: &Arc<Client>, state: &mut State) {
        state.is_over = true;
        self.clear(client, state);
    }

    /// Publishes a will.
    pub(super) fn execute(&self, client: &Arc<Client>, testament: &Testament) {
        let will = &testament.will;
        let now = self.now();
        let expires = will.properties.as_ref().and_then(|p| p.expiry_s);
        let publish = Arc::new(Publish {
            topic: will.topic.as_str().into(),
            payload: will.payload.clone(),
            qos: will.qos,
            retain: will.retain,
            properties: will.properties.clone(),
            received: self.wall(),
            expires: expires.map(|s| now + Duration::from_secs(s.into())),
            is_command: false,
        });
        self.publish(client, &testament.by, &publish);
    }

    /// An account's client is connected: one from elsewhere has to go.
    pub(crate) fn greet(
        &self,
        client: &Arc<Client>,
        account: &Arc<Entry>,
        from: SocketAddr,
        client_id: &str,
    ) {
        let before = held(&account.client).replace(client.clone());
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, client)) {
            before.cut(Reason::TAKEN_OVER);
        }
        let last = std::mem::replace(&mut *held(&account.last), Arc::downgrade(client)).upgrade();
        if let Some(last) = last.filter(|last| !Arc::ptr_eq(last, client)) {
            self.retire(&last);
        }
        account.tell(Seen::Online { from, client_id: client_id.into() });
        // The account may have been dismissed since it was judged: whoever dismisses it closes it first and then cuts the
        // client that it finds, so one of us two sees the other.
        if account.is_closed() {
            client.cut(Reason::ADMINISTRATIVE);
        }
    }

    /// Ends a session as soon as nobody is connected to it. Devices that make up a new client id each time would leave one
    /// behind at every connection.
    fn retire(&self, client: &Client) {
        let mut state = client.lock();
        state.expiry_s = 0;
        if state.link.is_none() {
            state.ends = Some(self.now());
        }
    }

    /// Keeps an unknown client in mind; false when there are too many.
    pub(crate) fn has_room_for_stranger(&self) -> bool {
        held(&self.strangers).len() < limits::STRANGERS_MAX
    }

    pub(crate) fn remember_stranger(&self, client: &Arc<Client>, connect: &Connect) {
        let stranger = Stranger {
            client: Arc::downgrade(client),
            client_id: connect.client_id.clone(),
            username: connect.username.clone(),
            password: connect.password.clone(),
        };
        held(&self.strangers).insert(client.number, stranger);
    }

    /// Cuts unknown clients whose credentials are known now.
    pub(crate) fn cut_strangers(&self, account: &Account) {
        let fits = |stranger: &Stranger| {
            account.fits(&stranger.client_id, stranger.username.as_deref(), stranger.password.as_ref())
        };
        let known: Vec<Arc<Client>> = held(&self.strangers)
            .values()
            .filter(|stranger| fits(stranger))
            .filter_map(|stranger| stranger.client.upgrade())
            .collect();
        known.iter().for_each(|client| client.cut(Reason::ADMINISTRATIVE));
        // It came before its account was known, and was let in without one.
        let anonymous = account
            .client_id
            .as_deref()
            .and_then(|id| held(&self.clients).get(realm::key(Realm::Anonymous, id).as_str()).cloned());
        anonymous.iter().for_each(|client| client.cut(Reason::ADMINISTRATIVE));
    }

    pub(crate) fn cut_all(&self) {
        let clients: Vec<Arc<Client>> = held(&self.clients).values().cloned().collect();
        clients.iter().for_each(|client| client.cut(Reason::SHUTTING_DOWN));
    }

    pub(crate) fn view(&self) -> View {
        let load = |count: &AtomicU64| count.load(Relaxed);
        View {
            clients: load(&self.counts.clients),
            sessions: held(&self.clients).len() as u64,
            quarantined: held(&self.strangers).len() as u64,
            retained: held(&self.retained).len() as u64,
            messages_in: load(&self.counts.messages_in),
            messages_out: load(&self.counts.messages_out),
            dropped: load(&self.counts.dropped) + self.accounts.dropped(),
            refused: load(&self.counts.refused),
            denied: load(&self.counts.denied),
        }
    }
}

#[cfg(test)]
mod tests;
