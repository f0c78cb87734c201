//! One client: its session, and the link to its connection while there is one.
//!
//! Publishers write encoded packets straight into the buffer of the receiver's link, under one short lock a batch; the
//! receiver's connection takes the whole buffer at once and writes it with one call. Publishers wait for a receiver that
//! is full; one that does not keep [`super::pace`] lags, and what does not fit is dropped and counted until it has caught up.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
    time::Duration,
};

use super::{
    Publish, buffers, limits,
    link::{Link, Moment, Put, Run, Terms},
    pace::Judged,
    session::{Delivery, Resend, Session},
    shared::Testament,
    subscriptions::Target,
};
use crate::wire::{self, Reason, first};

/// A client and its session; lives as long as the session.
pub(crate) struct Client {
    /// Of this process, for telling clients apart cheaply.
    pub(crate) number: u64,
    /// Whose client id: ids of different accounts do not touch each other.
    pub(crate) key: Box<str>,
    /// When something was last received, in ms of the broker's time.
    pub(crate) heard_ms: AtomicU64,
    /// Publishers had better wait; a hint that needs no lock, see [`Client::has_room`].
    full: AtomicBool,
    state: Mutex<State>,
}

/// What is behind the client's lock.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) session: Session,
    pub(crate) link: Option<Link>,
    /// Counts connections: a connection that finds another number was taken over.
    pub(crate) generation: u64,
    /// How long the session outlives its connection.
    pub(crate) expiry_s: u32,
    /// When a session without connection ends.
    pub(crate) ends: Option<Duration>,
    /// Waits for its delay.
    pub(crate) will: Option<(Duration, Box<Testament>)>,
    /// Was taken out of the table: whoever still holds it must look up a new one.
    pub(crate) is_over: bool,
}

/// What a connection finds when it looks.
pub(crate) enum Turn {
    /// The buffer was exchanged for one with these bytes in it.
    Write,
    /// Nothing to do; the waker is kept.
    Idle,
    /// The connection must end.
    Cut(Reason),
}

impl Client {
    pub(crate) fn new(number: u64, key: &str) -> Client {
        Client {
            number,
            key: key.into(),
            heard_ms: AtomicU64::new(0),
            full: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a run of packets on.
    pub(crate) fn put_run(
        &self,
        run: &Run<'_>,
        ids: Option<&[u32]>,
        moment: Moment,
        wakers: &mut Vec<Waker>,
    ) -> Put {
        let mut state = self.lock();
        let Some(link) = &mut state.link else { return Put::default() };
        let mut put = Put::default();
        let before = link.out.len();
        let as_it_is = run.version == link.version && ids.is_none() && link.aliases.is_none();
        if !link.has_space(moment) {
            put.dropped = run.count;
        } else if as_it_is && run.longest <= link.packet_bytes_max {
            link.make_buffer();
            link.out.extend_from_slice(run.packets);
            put.taken = run.count;
        } else {
            link.make_buffer();
            link.put_each(run, ids.unwrap_or_default(), &mut put);
        }
        put.bytes = link.out.len() - before;
        self.after_put(&mut state, moment, &mut put, wakers);
        put
    }

    /// Sends messages on, each with the lower QoS of itself and the subscription.
    pub(crate) fn put(
        &self,
        messages: &[Arc<Publish>],
        target: &Target,
        moment: Moment,
        wakers: &mut Vec<Waker>,
    ) -> Put {
        let deliveries = messages.iter().map(|publish| Delivery {
            publish: publish.clone(),
            qos: publish.qos.min(target.qos),
            retain: publish.retain && target.retain_as_published,
            ids: target.ids.clone(),
        });
        self.put_deliveries(deliveries, moment, wakers)
    }

    /// Sends messages on as they are.
    pub(crate) fn put_deliveries(
        &self,
        deliveries: impl Iterator<Item = Delivery>,
        moment: Moment,
        wakers: &mut Vec<Waker>,
    ) -> Put {
        let mut state = self.lock();
        let mut put = Put::default();
        let before = state.link.as_ref().map_or(0, |link| link.out.len());
        for delivery in deliveries {
            if delivery.qos > 0 {
                if state.session.offer(delivery) {
                    put.taken += 1
                } else {
                    put.dropped += 1
                }
                continue;
            }
            let Some(link) = &mut state.link else { continue };
            if !link.has_space(moment) {
                put.dropped += 1;
                continue;
            }
            link.make_buffer();
            if link.encode(0, &delivery, false, moment.now) { put.taken += 1 } else { put.dropped += 1 }
        }
        state.pump(moment, &mut put);
        put.bytes = state.link.as_ref().map_or(0, |link| link.out.len() - before);
        self.after_put(&mut state, moment, &mut put, wakers);
        put
    }

    fn after_put(&self, state: &mut State, moment: Moment, put: &mut Put, wakers: &mut Vec<Waker>) {
        let filling = state.session.is_filling();
        let Some(link) = &mut state.link else { return };
        if !link.out.is_empty() && link.writing == 0 {
            wakers.extend(link.waker.take());
        }
        if put.dropped > 0 {
            link.pace.dropped(moment.now);
        }
        if filling || link.out.len() >= moment.out_high {
            put.first_full = link.pace.filled(moment.others);
            put.full = !link.pace.is_lagging();
            self.full.store(put.full, Relaxed);
        }
    }

    /// Whether publishers had better wait with what they have.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Relaxed)
    }

    /// The connection of `generation` wrote all it took, the last `drained` bytes since it was here. Gives it the next
    /// buffer, or keeps its waker.
    #[expect(
        clippy::too_many_arguments,
        reason = "called at one place, for each batch: a struct would only rename them"
    )]
    pub(crate) fn turn(
        &self,
        generation: u64,
        waker: &Waker,
        drained: usize,
        to: &mut Vec<u8>,
        moment: Moment,
        put: &mut Put,
        wakers: &mut Vec<Waker>,
    ) -> Turn {
        let mut state = self.lock();
        if state.generation != generation {
            return Turn::Cut(Reason::TAKEN_OVER);
        }
        let before = state.link.as_ref().map_or(0, |link| link.out.len());
        state.pump(moment, put);
        let filling = state.session.is_filling();
        let Some(link) = &mut state.link else { return Turn::Cut(Reason::UNSPECIFIED) };
        put.bytes += link.out.len() - before;
        if let Some(reason) = link.cut {
            return Turn::Cut(reason);
        }
        link.pace.drained(drained);
        if !filling {
            self.full.store(false, Relaxed);
            wakers.append(&mut link.room);
        }
        if link.out.is_empty() {
            match filling {
                true => link.pace.blocked(),
                false => link.pace.caught_up(moment.now),
            }
            link.writing = 0;
            link.keep_waker(waker);
            return Turn::Idle;
        }
        link.writing = link.out.len();
        if to.is_empty() {
            std::mem::swap(to, &mut link.out);
        } else {
            to.extend_from_slice(&link.out);
            link.out.clear();
        }
        Turn::Write
    }

    /// Keeps the waker of a connection whose socket takes no more after `drained` bytes: it is woken when it is cut.
    pub(crate) fn keep_waker(&self, generation: u64, waker: &Waker, drained: usize) -> Option<Reason> {
        let mut state = self.lock();
        if state.generation != generation {
            return Some(Reason::TAKEN_OVER);
        }
        let link = state.link.as_mut()?;
        link.pace.drained(drained);
        link.pace.blocked();
        link.keep_waker(waker);
        link.cut
    }

    /// Whether what its own connection lines up for it would neither be dropped nor push out what others send.
    pub(crate) fn takes_more(&self) -> bool {
        let state = self.lock();
        !state.session.is_filling()
            && state.link.as_ref().is_some_and(|link| link.out.len() < limits::OUT_BYTES_SMALL)
    }

    /// Whether a connection is there.
    pub(crate) fn is_connected(&self) -> bool {
        self.lock().link.is_some()
    }

    /// Whether a publisher that found it full may go on; keeps its waker if not.
    pub(crate) fn has_room(&self, waker: &Waker, out_high: usize) -> bool {
        let mut state = self.lock();
        let filling = state.session.is_filling();
        let link = match &mut state.link {
            Some(link) if !link.pace.is_lagging() && (filling || link.out.len() >= out_high) => link,
            _ => {
                self.full.store(false, Relaxed);
                return true;
            }
        };
        if !link.room.iter().any(|kept| kept.will_wake(waker)) {
            link.room.push(waker.clone());
        }
        false
    }

    /// Looks whether it keeps pace; true while somebody must look again.
    pub(crate) fn judge(&self, moment: Moment, wakers: &mut Vec<Waker>) -> bool {
        let mut state = self.lock();
        let filling = state.session.is_filling();
        let Some(link) = &mut state.link else { return false };
        match link.pace.judge(filling || link.out.len() >= moment.out_high, moment.now) {
            Judged::Over => false,
            Judged::Watch => {
                // Its connection gets a turn before the next look: only what it could not do counts against it.
                wakers.extend(link.waker.take());
                true
            }
            Judged::Lags => {
                self.full.store(false, Relaxed);
                wakers.append(&mut link.room);
                false
            }
        }
    }

    /// Ends the connection, if there is one.
    pub(crate) fn cut(&self, reason: Reason) {
        let waker = {
            let mut state = self.lock();
            let Some(link) = &mut state.link else { return };
            link.cut.get_or_insert(reason);
            link.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl State {
    /// A connection begins: what is owed goes out first. Returns what is to be woken of the one before, and its will.
    pub(crate) fn attach(
        &mut self,
        terms: Terms,
        moment: Moment,
    ) -> (Vec<Waker>, Option<Box<Testament>>, usize) {
        let (wakers, will, freed) = self.detach();
        self.generation += 1;
        self.ends = None;
        let mut link = Link::new(terms);
        self.session.drop_stale(moment.now);
        for again in self.session.resume() {
            link.make_buffer();
            match again {
                Resend::Publish(id, delivery) => {
                    link.encode(id, &delivery, true, moment.now);
                }
                Resend::Release(id) => {
                    wire::put_ack(link.version, first::PUBREL, id, Reason::SUCCESS, &mut link.out);
                }
            }
        }
        self.link = Some(link);
        (wakers, will, freed)
    }

    /// A connection ended: whom to wake, its will, and how many bytes never left.
    pub(crate) fn detach(&mut self) -> (Vec<Waker>, Option<Box<Testament>>, usize) {
        let Some(mut link) = self.link.take() else { return Default::default() };
        let mut wakers = std::mem::take(&mut link.room);
        wakers.extend(link.waker.take());
        let freed = link.out.len();
        buffers::give(link.out);
        (wakers, link.will, freed)
    }

    /// Bytes that wait to be written.
    pub(crate) fn out_len(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.out.len())
    }

    /// Sends queued messages as far as the client and the buffer allow.
    fn pump(&mut self, moment: Moment, put: &mut Put) {
        let Some(link) = &mut self.link else { return };
        while link.out.len() < moment.out_high {
            let Some((id, delivery)) = self.session.next(link.window, moment.now, &mut put.dropped) else {
                return;
            };
            link.make_buffer();
            if !link.encode(id, &delivery, false, moment.now) {
                // Longer than the client takes: as if it had been delivered (MQTT 5, 3.1.2.11.4).
                self.session.drop_flight(id);
                put.dropped += 1;
            }
        }
    }
}
