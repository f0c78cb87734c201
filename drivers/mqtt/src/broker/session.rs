//! The session of one client: what it subscribed to, what is on its way to it, what it sent with QoS 2.
//!
//! Plain data with transitions, apart from the connection, which comes and goes: nothing here knows sockets, locks or a
//! clock. That is what makes it ready to be kept on disk; now it lives in memory.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{Publish, limits};
use crate::wire::control::Options;

/// A subscription as the client asked for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Subscription {
    pub(crate) options: Options,
    /// Sent along with what matches.
    pub(crate) id: Option<u32>,
}

/// A message on its way to one client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) publish: Arc<Publish>,
    /// The lower one of publisher and subscription.
    pub(crate) qos: u8,
    /// As this client sees it.
    pub(crate) retain: bool,
    /// Of the subscriptions that matched.
    pub(crate) ids: Option<Arc<[u32]>>,
}

/// How far an exchange of QoS 1 or 2 got.
#[derive(Debug, Clone, PartialEq)]
enum Stage {
    /// Sent; PUBACK or PUBREC is owed by the client.
    Sent(Delivery),
    /// PUBREC came: the message must not be sent again; PUBREL is owed by us until PUBCOMP.
    Release,
}

#[derive(Debug, Clone, PartialEq)]
struct Flight {
    /// Counts up; what is sent again keeps its order.
    order: u64,
    stage: Stage,
}

/// What to send again when the client is back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resend {
    /// With DUP.
    Publish(u16, Delivery),
    /// PUBREL.
    Release(u16),
}

/// What to answer to a PUBREC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// PUBREL.
    Release,
    /// Nothing: the client refused the message, the exchange is over.
    Refused,
    /// PUBREL with "no such packet id".
    Unknown,
}

/// The state of one client that outlives its connections.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Session {
    /// By filter, with `$share/…` where it is shared.
    pub(crate) subscriptions: BTreeMap<Box<str>, Subscription>,
    /// Exchanges on their way out: the packet id is the place plus one, so ids in use never collide.
    flights: Vec<Option<Flight>>,
    free: Vec<u16>,
    order: u64,
    /// Waiting for a free place in flight.
    queue: VecDeque<Delivery>,
    queue_bytes: usize,
    /// QoS 2 packet ids that the client sent and has not released. They never expire with their message.
    incoming: BTreeSet<u16>,
}

impl Session {
    /// Takes a message of QoS 1 or 2 for sending; false when the bound is reached and it is dropped.
    pub(crate) fn offer(&mut self, delivery: Delivery) -> bool {
        let weight = delivery.publish.weight();
        if self.queue.len() >= limits::QUEUE_MESSAGES_MAX
            || (self.queue_bytes + weight > limits::QUEUE_BYTES_MAX && !self.queue.is_empty())
        {
            return false;
        }
        self.queue_bytes += weight;
        self.queue.push_back(delivery);
        true
    }

    /// The next message to send, with its packet id, while fewer than `window` are in flight. What expired while it
    /// waited is passed over and counted in `expired`.
    pub(crate) fn next(&mut self, window: u16, now: Duration, expired: &mut u64) -> Option<(u16, Delivery)> {
        while self.in_flight() < usize::from(window) {
            let delivery = self.queue.pop_front()?;
            self.queue_bytes -= delivery.publish.weight();
            if delivery.publish.is_expired(now) {
                *expired += 1;
                continue;
            }
            return Some((self.send(delivery.clone()), delivery));
        }
        None
    }

    fn send(&mut self, delivery: Delivery) -> u16 {
        let flight = Some(Flight { order: self.order, stage: Stage::Sent(delivery) });
        self.order += 1;
        match self.free.pop() {
            Some(place) => {
                self.flights[usize::from(place)] = flight;
                place + 1
            }
            None => {
                self.flights.push(flight);
                // The window is a u16, so the number of places is.
                self.flights.len() as u16
            }
        }
    }

    fn flight(&mut self, id: u16) -> Option<&mut Flight> {
        self.flights.get_mut(usize::from(id).checked_sub(1)?)?.as_mut()
    }

    fn end(&mut self, id: u16) {
        self.flights[usize::from(id) - 1] = None;
        self.free.push(id - 1);
        if self.free.len() == self.flights.len() && self.flights.len() > limits::FLIGHT_PLACES_KEPT {
            (self.flights, self.free) = (Vec::new(), Vec::new());
        }
    }

    /// An exchange that cannot take place after all.
    pub(crate) fn drop_flight(&mut self, id: u16) {
        if self.flight(id).is_some() {
            self.end(id);
        }
    }

    /// PUBACK came; false when nothing waits for it.
    pub(crate) fn acked(&mut self, id: u16) -> bool {
        match self.flight(id) {
            Some(Flight { stage: Stage::Sent(delivery), .. }) if delivery.qos == 1 => {
                self.end(id);
                true
            }
            _ => false,
        }
    }

    /// PUBREC came.
    pub(crate) fn received(&mut self, id: u16, refused: bool) -> Received {
        match self.flight(id) {
            Some(flight) => match &flight.stage {
                Stage::Sent(delivery) if delivery.qos == 2 && refused => {
                    self.end(id);
                    Received::Refused
                }
                Stage::Sent(delivery) if delivery.qos == 2 => {
                    flight.stage = Stage::Release;
                    Received::Release
                }
                Stage::Release => Received::Release,
                Stage::Sent(_) => Received::Unknown,
            },
            None => Received::Unknown,
        }
    }

    /// PUBCOMP came; false when nothing waits for it.
    pub(crate) fn completed(&mut self, id: u16) -> bool {
        match self.flight(id) {
            Some(Flight { stage: Stage::Release, .. }) => {
                self.end(id);
                true
            }
            _ => false,
        }
    }

    /// Ends exchanges of commands that expired before they arrived.
    pub(crate) fn drop_stale(&mut self, now: Duration) {
        let is_stale = |flight: &Flight| match &flight.stage {
            Stage::Sent(delivery) => delivery.publish.is_command && delivery.publish.is_expired(now),
            Stage::Release => false,
        };
        for id in 1..=self.flights.len() as u16 {
            if self.flight(id).is_some_and(|flight| is_stale(flight)) {
                self.end(id);
            }
        }
    }

    /// Everything whose end is owed, in the order it was first sent.
    pub(crate) fn resume(&self) -> Vec<Resend> {
        let mut all: Vec<(u64, Resend)> = (1..)
            .zip(&self.flights)
            .filter_map(|(id, flight)| {
                let flight = flight.as_ref()?;
                let again = match &flight.stage {
                    Stage::Sent(delivery) => Resend::Publish(id, delivery.clone()),
                    Stage::Release => Resend::Release(id),
                };
                Some((flight.order, again))
            })
            .collect();
        all.sort_by_key(|(order, _)| *order);
        all.into_iter().map(|(_, again)| again).collect()
    }

    /// A QoS 2 message came: true when it is new, false when it is the same again.
    pub(crate) fn take(&mut self, id: u16) -> bool {
        self.incoming.insert(id)
    }

    /// The same packet id is in use by a QoS 2 exchange that the client began.
    pub(crate) fn is_taken(&self, id: u16) -> bool {
        self.incoming.contains(&id)
    }

    /// PUBREL came; false when nothing waits for it.
    pub(crate) fn release(&mut self, id: u16) -> bool {
        self.incoming.remove(&id)
    }

    /// QoS 2 exchanges that the client began and has not ended.
    pub(crate) fn incoming(&self) -> usize {
        self.incoming.len()
    }

    /// Exchanges on their way out.
    pub(crate) fn in_flight(&self) -> usize {
        self.flights.len() - self.free.len()
    }

    /// So full that publishers had better wait.
    pub(crate) fn is_filling(&self) -> bool {
        self.queue.len() >= limits::QUEUE_MESSAGES_MAX / 2 || self.queue_bytes >= limits::QUEUE_BYTES_MAX / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use types::Time;

    fn delivery(name: &str, qos: u8) -> Delivery {
        let publish = Publish::new("a", Bytes::copy_from_slice(name.as_bytes()), qos, Time(0));
        Delivery { publish: Arc::new(publish), qos, retain: false, ids: None }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Offer(u8),
        Send,
        PubAck(u16),
        PubRec(u16, bool),
        PubComp(u16),
        Reconnect,
    }

    fn step() -> impl Strategy<Value = Step> {
        let id = 0_u16..8;
        prop_oneof![
            (1_u8..=2).prop_map(Step::Offer),
            Just(Step::Send),
            id.clone().prop_map(Step::PubAck),
            (id.clone(), any::<bool>()).prop_map(|(id, refused)| Step::PubRec(id, refused)),
            id.prop_map(Step::PubComp),
            Just(Step::Reconnect),
        ]
    }

    /// What the standard says of one exchange, written down anew.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Owed {
        Ack,
        Rec,
        Comp,
    }

    proptest! {
        #[test]
        fn every_exchange_ends_once_and_nothing_is_forgotten(steps in prop::collection::vec(step(), 0..200)) {
            const WINDOW: u16 = 5;
            let mut session = Session::default();
            let mut owed: BTreeMap<u16, Owed> = BTreeMap::new();
            let (mut offered, mut sent) = (0_u32, 0_u32);
            for step in steps {
                match step {
                    Step::Offer(qos) => {
                        prop_assert!(session.offer(delivery(&offered.to_string(), qos)));
                        offered += 1;
                    }
                    Step::Send => match session.next(WINDOW, Duration::ZERO, &mut 0) {
                        Some((id, next)) => {
                            prop_assert!(owed.len() < WINDOW.into() && id > 0);
                            prop_assert_eq!(&next.publish.payload, &Bytes::from(sent.to_string()), "in order");
                            sent += 1;
                            let now = if next.qos == 1 { Owed::Ack } else { Owed::Rec };
                            prop_assert_eq!(owed.insert(id, now), None, "an id in use is not given again");
                        }
                        None => prop_assert!(owed.len() == usize::from(WINDOW) || sent == offered),
                    },
                    Step::PubAck(id) => {
                        let right = owed.get(&id) == Some(&Owed::Ack);
                        prop_assert_eq!(session.acked(id), right);
                        if right {
                            owed.remove(&id);
                        }
                    }
                    Step::PubRec(id, refused) => {
                        let answer = session.received(id, refused);
                        match owed.get(&id).copied() {
                            Some(Owed::Rec) if refused => {
                                prop_assert_eq!(answer, Received::Refused);
                                owed.remove(&id);
                            }
                            Some(Owed::Rec | Owed::Comp) => {
                                prop_assert_eq!(answer, Received::Release);
                                owed.insert(id, Owed::Comp);
                            }
                            _ => prop_assert_eq!(answer, Received::Unknown),
                        }
                    }
                    Step::PubComp(id) => {
                        let right = owed.get(&id) == Some(&Owed::Comp);
                        prop_assert_eq!(session.completed(id), right);
                        if right {
                            owed.remove(&id);
                        }
                    }
                    Step::Reconnect => {
                        let again: BTreeMap<u16, Owed> = session.resume().into_iter().map(|resend| match resend {
                            Resend::Publish(id, d) if d.qos == 1 => (id, Owed::Ack),
                            Resend::Publish(id, _) => (id, Owed::Rec),
                            Resend::Release(id) => (id, Owed::Comp),
                        }).collect();
                        prop_assert_eq!(&again, &owed);
                    }
                }
                prop_assert_eq!(session.in_flight(), owed.len());
            }
        }
    }

    #[test]
    fn what_is_sent_again_keeps_its_order_though_ids_are_used_again() {
        let mut session = Session::default();
        let send = |session: &mut Session, name: &str| {
            assert!(session.offer(delivery(name, 1)));
            session.next(10, Duration::ZERO, &mut 0).unwrap().0
        };
        let first = send(&mut session, "first");
        send(&mut session, "second");
        assert!(session.acked(first));
        assert_eq!(send(&mut session, "third"), first);
        let names: Vec<Bytes> = session
            .resume()
            .into_iter()
            .map(|resend| match resend {
                Resend::Publish(_, d) => d.publish.payload.clone(),
                Resend::Release(_) => Bytes::new(),
            })
            .collect();
        assert_eq!(names, ["second", "third"]);
    }

    #[test]
    fn the_queue_is_bounded_in_number_and_bytes() {
        let mut session = Session::default();
        for _ in 0..limits::QUEUE_MESSAGES_MAX {
            assert!(session.offer(delivery("x", 1)));
        }
        assert!(!session.offer(delivery("x", 1)) && session.is_filling());
        let mut session = Session::default();
        let large = "x".repeat(limits::QUEUE_BYTES_MAX + 1);
        // One larger than the bound passes when it is alone: a bound must not make a packet undeliverable.
        assert!(session.offer(delivery(&large, 1)));
        assert!(!session.offer(delivery("x", 1)));
        session.next(1, Duration::ZERO, &mut 0).unwrap();
        assert!(session.offer(delivery("x", 1)) && !session.is_filling());
    }
}
