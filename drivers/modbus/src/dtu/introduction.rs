//! Finding out who dialled in: listens to a stranger until it has said its name, or goes by its address.

use sdk::Stream;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::io::AsyncReadExt;

use super::{
    door::{Shared, count},
    registration::{Judgement, Registered},
};

/// Bytes that a DTU may send before it has said who it is.
const STRANGER_BYTES_MAX: usize = 1_024;
/// Bytes of a stranger that are kept to be shown.
const SHOWN_BYTES_MAX: usize = 256;
/// A packet without an end of its own ends with so much silence.
const SILENCE: Duration = Duration::from_millis(300);
/// A DTU whose address stands in a device's config gets so long to say a better name.
const NAMELESS_AFTER: Duration = Duration::from_secs(2);

/// The id of a DTU that says no better one.
fn address_id(from: IpAddr) -> String {
    format!("ip:{}", from.to_canonical())
}

/// Finding out who is there.
pub(super) struct Introduction<'a> {
    shared: &'a Shared,
    from: SocketAddr,
    address_id: String,
    began: Duration,
    /// Since the last silence.
    bytes: Vec<u8>,
    /// The first ones of all, to be shown.
    first: Vec<u8>,
    total: usize,
    /// It said something that nobody understands.
    puzzling: bool,
}

impl Introduction<'_> {
    pub(super) fn new(shared: &Shared, from: SocketAddr) -> Introduction<'_> {
        Introduction {
            shared,
            from,
            address_id: address_id(from.ip()),
            began: shared.clock.monotonic(),
            bytes: Vec::new(),
            first: Vec::new(),
            total: 0,
            puzzling: false,
        }
    }

    /// Listens until it is clear who is there; `None` when the other side left or said too much. Whoever says nothing
    /// that is understood goes by its address. Also gives the packet, or else the first bytes.
    pub(super) async fn meet(mut self, stream: &mut dyn Stream) -> io::Result<Option<(Registered, Vec<u8>)>> {
        let clock = self.shared.clock.clone();
        let ends = self.began + self.shared.config.registration_timeout();
        let mut space = [0; 128];
        // When the bytes so far are taken as all there are.
        let mut silent_at = None;
        loop {
            let look_at = self.next_look(clock.monotonic()).min(ends);
            let next = silent_at.map_or(look_at, |at: Duration| at.min(look_at));
            tokio::select! {
                biased;
                read = stream.read(&mut space) => {
                    let came = &space[..read?];
                    self.total += came.len();
                    if came.is_empty() || self.total > STRANGER_BYTES_MAX {
                        self.dismiss(came.is_empty());
                        return Ok(None);
                    }
                    let shown = SHOWN_BYTES_MAX.saturating_sub(self.first.len()).min(came.len());
                    self.first.extend_from_slice(&came[..shown]);
                    self.bytes.extend_from_slice(came);
                    silent_at = Some(clock.monotonic() + SILENCE);
                }
                () = clock.sleep_until(next) => {}
            }
            let now = clock.monotonic();
            let silent = silent_at.is_some_and(|at| at <= now);
            if let Some(registered) = self.judge(silent) {
                return Ok(Some((registered, self.bytes)));
            }
            if silent {
                silent_at = None;
            }
            if now >= ends || (self.is_nameless(now) && self.shared.dtus.is_wanted(&self.address_id)) {
                let by_address = Registered { id: self.address_id, raw_id: Vec::new(), bytes: 0 };
                return Ok(Some((by_address, self.first)));
            }
        }
    }

    /// It had time to say a name, or said something else.
    fn is_nameless(&self, now: Duration) -> bool {
        self.puzzling || now.saturating_sub(self.began) >= NAMELESS_AFTER
    }

    /// When to look next whether a device wants it by its address.
    fn next_look(&self, now: Duration) -> Duration {
        let looks = now.saturating_sub(self.began).as_millis() / NAMELESS_AFTER.as_millis();
        self.began + NAMELESS_AFTER * u32::try_from(looks + 1).unwrap_or(u32::MAX)
    }

    fn judge(&mut self, silent: bool) -> Option<Registered> {
        let nobody = &self.shared.nobody;
        self.bytes.drain(..nobody.leading(&self.bytes));
        if self.bytes.is_empty() {
            return None;
        }
        let registrations = &self.shared.patterns.registrations;
        let as_it_is = registrations.judge(&self.bytes, false);
        let judgement = match (as_it_is, nobody.first_in(&self.bytes)) {
            (Judgement::Known(registered), _) => Judgement::Known(registered),
            // A heartbeat behind it ends a packet as well as silence does.
            (_, Some(at)) => registrations.judge(&self.bytes[..at], true),
            (_, None) => registrations.judge(&self.bytes, silent),
        };
        match judgement {
            Judgement::Known(registered) => {
                if self.puzzling {
                    self.shared.arrivals.settled(&self.address_id);
                }
                Some(registered)
            }
            Judgement::Unknown if silent => {
                self.puzzling = true;
                self.shared.knock(&self.address_id, self.from, &self.first);
                self.bytes.clear();
                None
            }
            Judgement::Unknown | Judgement::Wait => None,
        }
    }

    /// Shows who left without a name that is understood, or was sent away.
    fn dismiss(&self, left: bool) {
        if !left {
            count(&self.shared.counts.dismissed);
        }
        if !self.first.is_empty() && !self.puzzling {
            self.shared.knock(&self.address_id, self.from, &self.first);
        }
    }
}
