//! Acknowledgements to a client: each when what came of its message is durable, in the order in which messages came.

use std::{collections::VecDeque, task::Waker};

use super::connection::Connection;
use crate::wire::{self, PublishView, Reason, first};

/// A message that is acknowledged when its rows are durable.
pub(super) struct Unsettled {
    /// 0 when it only waits for its turn.
    ticket: u64,
    packet_id: u16,
    qos: u8,
    reason: Reason,
}

/// What is known of a QoS 2 packet id.
pub(super) enum Standing {
    New,
    /// It waits for the disk: its PUBREC comes.
    Unsettled,
    /// PUBREC was sent.
    Taken,
}

impl Connection {
    /// Whether a QoS 2 packet came before.
    pub(super) fn standing(&self, id: u16) -> Result<Standing, Reason> {
        let state = self.client.lock();
        if state.generation != self.generation {
            return Err(Reason::TAKEN_OVER);
        }
        if state.session.is_taken(id) {
            return Ok(Standing::Taken);
        }
        let unsettled = self.unsettled.iter().filter(|one| one.qos == 2);
        if unsettled.clone().any(|one| one.packet_id == id) {
            return Ok(Standing::Unsettled);
        }
        if state.session.incoming() + unsettled.count() >= self.desk.policy.receive_max.into() {
            return Err(Reason::RECEIVE_MAX);
        }
        Ok(Standing::New)
    }

    /// Acknowledges by QoS: when `ticket` is settled, and in the order in which messages came (MQTT 5, 4.6).
    pub(super) fn acknowledge(
        &mut self,
        view: &PublishView<'_>,
        reason: Reason,
        ticket: Option<u64>,
    ) -> Result<(), Reason> {
        let PublishView { qos, packet_id, .. } = *view;
        match (qos, ticket) {
            (0, _) => Ok(()),
            (_, None) if self.unsettled.is_empty() => self.put_ack(qos, packet_id, reason),
            _ => {
                self.unsettled.push_back(Unsettled {
                    ticket: ticket.unwrap_or_default(),
                    packet_id,
                    qos,
                    reason,
                });
                Ok(())
            }
        }
    }

    /// A QoS 2 exchange is the session's from here on. A PUBREC that refuses ends it (MQTT 5, 4.3.3).
    fn put_ack(&mut self, qos: u8, packet_id: u16, reason: Reason) -> Result<(), Reason> {
        if qos == 2 && reason.0 < Reason::UNSPECIFIED.0 {
            let mut state = self.client.lock();
            if state.generation != self.generation {
                return Err(Reason::TAKEN_OVER);
            }
            state.session.take(packet_id);
        }
        let first = if qos == 2 { first::PUBREC } else { first::PUBACK };
        wire::put_ack(self.version, first, packet_id, reason, &mut self.replies);
        Ok(())
    }

    /// Acknowledges what is durable by now.
    pub(super) fn settle_tickets(&mut self, waker: &Waker) -> Result<(), Reason> {
        let Some(account) = self.by.account.clone().filter(|_| !self.unsettled.is_empty()) else {
            return Ok(());
        };
        let settled = account.settled(self.since_ticket, waker)?;
        while let Some(one) = self.unsettled.pop_front_if(|one| one.ticket <= settled) {
            self.put_ack(one.qos, one.packet_id, one.reason)?;
        }
        if self.unsettled.is_empty() {
            // An idle connection holds no buffers.
            self.unsettled = VecDeque::new();
        }
        Ok(())
    }
}
