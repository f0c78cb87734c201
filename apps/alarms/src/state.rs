//! Where one alarm stands, after ISA-18.2 / IEC 62682: independent bits, the one state they add up to, and what every
//! stimulus does to them. Pure.
//!
//! The bits are kept and the state is derived, so hiding an alarm (shelved, suppressed, out of service) never loses
//! what the process did meanwhile: it comes back to the state that process and acknowledgement imply.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{Fault, Time};

/// The longest a shelf may last: what nobody looks at for a week is taken out of service, with a permit.
pub const SHELF_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Conditions that may suppress one alarm at the same time.
pub const SUPPRESSORS_MAX: usize = 8;

/// The states of ISA-18.2, by their letters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A: nothing to do.
    Normal,
    /// B: the condition holds and nobody has acknowledged it.
    Unacknowledged,
    /// C: the condition holds and somebody takes care.
    Acknowledged,
    /// D: the condition is over and nobody acknowledged it.
    Returned,
    /// E: the condition is over, but the alarm stays until it is reset; not acknowledged.
    LatchedUnacknowledged,
    /// F: the condition is over, acknowledged, waiting for its reset.
    LatchedAcknowledged,
    /// G: put aside by an operator, for a time and a reason.
    Shelved,
    /// H: suppressed by design: a condition of the plant makes it meaningless.
    Suppressed,
    /// I: taken out of service, usually for maintenance.
    OutOfService,
}

impl State {
    /// Every state, in the order of the letters.
    pub const ALL: [State; 9] = [
        State::Normal,
        State::Unacknowledged,
        State::Acknowledged,
        State::Returned,
        State::LatchedUnacknowledged,
        State::LatchedAcknowledged,
        State::Shelved,
        State::Suppressed,
        State::OutOfService,
    ];

    /// The letter in the state diagram of the standard.
    pub const fn letter(self) -> char {
        (b'A' + self as u8) as char
    }
    /// As the API and the index write it.
    pub const fn name(self) -> &'static str {
        match self {
            State::Normal => "normal",
            State::Unacknowledged => "unacknowledged",
            State::Acknowledged => "acknowledged",
            State::Returned => "returned",
            State::LatchedUnacknowledged => "latched_unacknowledged",
            State::LatchedAcknowledged => "latched_acknowledged",
            State::Shelved => "shelved",
            State::Suppressed => "suppressed",
            State::OutOfService => "out_of_service",
        }
    }
    /// Kept from the operator's list: G, H and I.
    pub const fn is_hidden(self) -> bool {
        matches!(self, State::Shelved | State::Suppressed | State::OutOfService)
    }
    /// On the operator's list: B to F.
    pub const fn is_shown(self) -> bool {
        !self.is_hidden() && !matches!(self, State::Normal)
    }
}

/// Everything that the state depends on. Each bit is independent; any combination is exactly one [`State`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bits {
    /// The condition holds.
    pub active: bool,
    /// There is nothing that still waits for an acknowledgement.
    pub acked: bool,
    /// Raised by a latching rule and not reset since.
    pub latched: bool,
    /// Shelved until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shelved_until: Option<Time>,
    /// What suppresses it by design; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppressed_by: Vec<String>,
    /// Taken out of service.
    pub out_of_service: bool,
}

impl Default for Bits {
    fn default() -> Bits {
        Bits {
            active: false,
            acked: true,
            latched: false,
            shelved_until: None,
            suppressed_by: Vec::new(),
            out_of_service: false,
        }
    }
}

/// What may happen to an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stimulus<'a> {
    /// The condition came true and stayed so for the on-delay.
    Raise {
        /// The rule latches.
        latching: bool,
    },
    /// The condition was false for the off-delay.
    Clear,
    /// An operator takes notice.
    Acknowledge,
    /// An operator lets go of what is latched.
    Reset,
    /// An operator puts it aside.
    Shelve {
        /// Until when.
        until: Time,
    },
    /// An operator brings it back early.
    Unshelve,
    /// Time ran out on the shelf.
    ShelfExpired,
    /// A condition of the plant makes it meaningless.
    Suppress {
        /// Which condition.
        by: &'a str,
    },
    /// That condition is over.
    Unsuppress {
        /// Which condition.
        by: &'a str,
    },
    /// Maintenance takes it away.
    TakeOutOfService,
    /// Maintenance gives it back.
    ReturnToService,
}

/// Why a stimulus changes nothing. Each has a message code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are the documentation")]
pub enum Refusal {
    #[error("the alarm is active already: there is nothing more to raise")]
    AlreadyActive,
    #[error("the alarm is not active: there is nothing to clear")]
    NotActive,
    #[error("there is nothing to acknowledge: the alarm is normal")]
    NothingToAcknowledge,
    #[error("the alarm is already acknowledged: reload the list to see by whom")]
    AlreadyAcknowledged,
    #[error("the alarm is {}: bring it back to the list first", .0.name())]
    Hidden(State),
    #[error("the condition still holds: a latched alarm is reset after it cleared")]
    StillActive,
    #[error("the alarm is not acknowledged: acknowledge it, then reset it")]
    Unacknowledged,
    #[error("the alarm is not latched: there is nothing to reset")]
    NotLatched,
    #[error("the shelf must end after now and within {} days: choose another time", SHELF_MAX.as_secs() / 86_400)]
    ShelfEnd,
    #[error("the alarm is not shelved: there is nothing to bring back")]
    NotShelved,
    #[error("the shelf still lasts: unshelve it to bring it back early")]
    ShelfLasts,
    #[error("this condition suppresses the alarm already")]
    AlreadySuppressed,
    #[error("{SUPPRESSORS_MAX} conditions suppress this alarm already: end one of them first")]
    TooManySuppressors,
    #[error("this condition does not suppress the alarm: look up what does")]
    NotSuppressed,
    #[error("the alarm is already out of service")]
    AlreadyOutOfService,
    #[error("the alarm is in service: there is nothing to give back")]
    InService,
}

impl Refusal {
    /// The message code, without the app's prefix.
    pub const fn code(self) -> &'static str {
        match self {
            Refusal::AlreadyActive => "alarms.already-active",
            Refusal::NotActive => "alarms.not-active",
            Refusal::NothingToAcknowledge => "alarms.nothing-to-acknowledge",
            Refusal::AlreadyAcknowledged => "alarms.already-acknowledged",
            Refusal::Hidden(_) => "alarms.hidden",
            Refusal::StillActive => "alarms.still-active",
            Refusal::Unacknowledged => "alarms.unacknowledged",
            Refusal::NotLatched => "alarms.not-latched",
            Refusal::ShelfEnd => "alarms.shelf-end",
            Refusal::NotShelved => "alarms.not-shelved",
            Refusal::ShelfLasts => "alarms.shelf-lasts",
            Refusal::AlreadySuppressed => "alarms.already-suppressed",
            Refusal::TooManySuppressors => "alarms.too-many-suppressors",
            Refusal::NotSuppressed => "alarms.not-suppressed",
            Refusal::AlreadyOutOfService => "alarms.already-out-of-service",
            Refusal::InService => "alarms.in-service",
        }
    }
    /// As a message by code.
    pub fn fault(self) -> Fault {
        let fault = Fault::new(self.code(), self.to_string());
        match self {
            Refusal::Hidden(state) => fault.arg("state", state.name()),
            Refusal::ShelfEnd => fault.arg("days", SHELF_MAX.as_secs() / 86_400),
            Refusal::TooManySuppressors => fault.arg("limit", SUPPRESSORS_MAX),
            _ => fault,
        }
    }
}

impl Bits {
    /// The one state. What hides an alarm outranks what it hides; of those, the firmest first.
    pub fn state(&self) -> State {
        if self.out_of_service {
            return State::OutOfService;
        }
        if !self.suppressed_by.is_empty() {
            return State::Suppressed;
        }
        if self.shelved_until.is_some() {
            return State::Shelved;
        }
        match (self.active, self.acked, self.latched) {
            (true, false, _) => State::Unacknowledged,
            (true, true, _) => State::Acknowledged,
            (false, false, false) => State::Returned,
            (false, false, true) => State::LatchedUnacknowledged,
            (false, true, true) => State::LatchedAcknowledged,
            (false, true, false) => State::Normal,
        }
    }

    /// The bits after a stimulus, or why it changes nothing.
    pub fn after(&self, stimulus: Stimulus<'_>, now: Time) -> Result<Bits, Refusal> {
        let mut next = self.clone();
        match stimulus {
            Stimulus::Raise { .. } if self.active => return Err(Refusal::AlreadyActive),
            Stimulus::Raise { latching } => {
                (next.active, next.acked, next.latched) = (true, false, self.latched || latching);
            }
            Stimulus::Clear if !self.active => return Err(Refusal::NotActive),
            Stimulus::Clear => {
                next.active = false;
                // What went by while it was hidden asks nobody for anything; the journal keeps it.
                next.acked |= self.state().is_hidden() && !self.latched;
            }
            Stimulus::Acknowledge => {
                self.may_acknowledge()?;
                next.acked = true;
            }
            Stimulus::Reset => {
                self.may_reset()?;
                next.latched = false;
            }
            Stimulus::Shelve { until } => {
                self.refuse_hidden()?;
                if until <= now || until.since(now) > SHELF_MAX {
                    return Err(Refusal::ShelfEnd);
                }
                next.shelved_until = Some(until);
            }
            Stimulus::Unshelve => next.shelved_until = self.off_the_shelf(|_| true)?,
            Stimulus::ShelfExpired => next.shelved_until = self.off_the_shelf(|until| until <= now)?,
            Stimulus::Suppress { by } => next.suppressed_by = self.suppressed_also(by)?,
            Stimulus::Unsuppress { by } => {
                next.suppressed_by.retain(|one| one != by);
                if next.suppressed_by.len() == self.suppressed_by.len() {
                    return Err(Refusal::NotSuppressed);
                }
            }
            Stimulus::TakeOutOfService if self.out_of_service => return Err(Refusal::AlreadyOutOfService),
            Stimulus::TakeOutOfService => next.out_of_service = true,
            Stimulus::ReturnToService if !self.out_of_service => return Err(Refusal::InService),
            Stimulus::ReturnToService => next.out_of_service = false,
        }
        Ok(next)
    }

    fn refuse_hidden(&self) -> Result<(), Refusal> {
        let state = self.state();
        if state.is_hidden() { Err(Refusal::Hidden(state)) } else { Ok(()) }
    }

    /// Only what an operator can see can be acknowledged.
    fn may_acknowledge(&self) -> Result<(), Refusal> {
        self.refuse_hidden()?;
        match self.state() {
            State::Normal => Err(Refusal::NothingToAcknowledge),
            _ if self.acked => Err(Refusal::AlreadyAcknowledged),
            _ => Ok(()),
        }
    }

    fn may_reset(&self) -> Result<(), Refusal> {
        self.refuse_hidden()?;
        match self.state() {
            _ if !self.latched => Err(Refusal::NotLatched),
            _ if self.active => Err(Refusal::StillActive),
            State::LatchedUnacknowledged => Err(Refusal::Unacknowledged),
            _ => Ok(()),
        }
    }

    fn off_the_shelf(&self, may_end: impl Fn(Time) -> bool) -> Result<Option<Time>, Refusal> {
        match self.shelved_until {
            None => Err(Refusal::NotShelved),
            Some(until) if !may_end(until) => Err(Refusal::ShelfLasts),
            Some(_) => Ok(None),
        }
    }

    fn suppressed_also(&self, by: &str) -> Result<Vec<String>, Refusal> {
        let mut all = self.suppressed_by.clone();
        match all.binary_search_by(|one| one.as_str().cmp(by)) {
            Ok(_) => Err(Refusal::AlreadySuppressed),
            Err(_) if all.len() >= SUPPRESSORS_MAX => Err(Refusal::TooManySuppressors),
            Err(place) => {
                all.insert(place, by.to_string());
                Ok(all)
            }
        }
    }
}
