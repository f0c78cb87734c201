//! When a value was true, by what the message says of it. Pure.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{Quality, Time};
use utoipa::ToSchema;

use crate::json;

/// How far ahead of us a device's clock may be before its stamps are not believed.
pub(crate) const AHEAD_MAX: Duration = Duration::from_secs(300);
/// 2000-01-01T00:00:00Z: a stamp before it comes from a clock that was never set.
const EARLIEST: Time = Time(946_684_800_000_000_000);

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TimeUnit {
    /// Seconds since 1970, fractions allowed.
    S,
    /// Milliseconds since 1970.
    Ms,
    /// Microseconds since 1970.
    Us,
    /// Nanoseconds since 1970.
    Ns,
    /// Text such as 2026-11-20T08:30:00Z.
    Rfc3339,
}

/// The time of a reading and how far it can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Source time where it is believed, else when the message came.
    pub(crate) time: Time,
    /// Good, or Uncertain when the device's own time was not believed.
    pub(crate) quality: Quality,
    /// Why not.
    pub(crate) doubt: Option<String>,
}

impl Stamp {
    /// When the message came.
    pub(crate) fn received(at: Time) -> Stamp {
        Stamp { time: at, quality: Quality::GOOD, doubt: None }
    }

    /// By a checked piece of JSON. What is not believed is replaced by the time of arrival: a row in the far future
    /// would stand before every true one that follows.
    pub(crate) fn said(raw: &str, unit: TimeUnit, received: Time) -> Stamp {
        let shown: String = raw.chars().take(60).collect();
        let doubt = match read(raw, unit) {
            None => format!("the time `{shown}` cannot be read"),
            Some(time) if time < EARLIEST => format!("the time `{shown}` lies before 2000"),
            Some(time) if time > received.plus(AHEAD_MAX) => {
                format!("the time `{shown}` lies more than {} s ahead", AHEAD_MAX.as_secs())
            }
            Some(time) => return Stamp { time, quality: Quality::GOOD, doubt: None },
        };
        Stamp { time: received, quality: Quality::UNCERTAIN, doubt: Some(doubt) }
    }
}

fn read(raw: &str, unit: TimeUnit) -> Option<Time> {
    let text = match json::string(raw) {
        Some(text) => text,
        None => raw.into(),
    };
    let digits = match unit {
        TimeUnit::Rfc3339 => return text.trim().parse().ok(),
        TimeUnit::S => 9,
        TimeUnit::Ms => 6,
        TimeUnit::Us => 3,
        TimeUnit::Ns => 0,
    };
    decimal(text.trim(), digits).map(Time)
}

/// A decimal number times ten to the `shift`, cut off below one. Not over a float: a nanosecond of today has 19 digits.
fn decimal(text: &str, shift: usize) -> Option<i64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        // An exponent: so coarse that a float says it all.
        let float: f64 = text.parse().ok()?;
        let shifted = float * 10f64.powi(i32::try_from(shift).ok()?);
        return (shifted.abs() < 9e18).then_some(if negative { -shifted } else { shifted } as i64);
    }
    let fraction = &fraction[..fraction.len().min(shift)];
    let number: i64 = format!("{whole}{fraction:0<shift$}").parse().ok()?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_795_000_000_000_000_000);

    #[test]
    fn every_unit_says_the_same_instant() {
        let at = Time(1_794_999_999_123_000_000);
        for (raw, unit) in [
            ("1794999999.123", TimeUnit::S),
            ("\"1794999999123\"", TimeUnit::Ms),
            ("1794999999123", TimeUnit::Ms),
            ("1794999999123000", TimeUnit::Us),
            ("1794999999123000000", TimeUnit::Ns),
            ("\"2026-11-18T19:06:39.123+08:00\"", TimeUnit::Rfc3339),
        ] {
            let stamp = Stamp::said(raw, unit, NOW);
            assert_eq!((stamp.time, stamp.quality), (at, Quality::GOOD), "{raw}: {:?}", stamp.doubt);
        }
        assert_eq!(decimal("1.79e9", 9), Some(1_790_000_000_000_000_000));
    }

    #[test]
    fn what_is_not_plausible_is_not_believed() {
        for (raw, part) in [
            ("0", "before 2000"),
            ("4000000000", "ahead"),
            ("\"soon\"", "cannot be read"),
            ("null", "cannot be read"),
            ("99999999999999999999999", "cannot be read"),
        ] {
            let stamp = Stamp::said(raw, TimeUnit::S, NOW);
            assert_eq!((stamp.time, stamp.quality), (NOW, Quality::UNCERTAIN), "{raw}");
            assert!(stamp.doubt.unwrap().contains(part), "{raw}");
        }
        assert!(
            Stamp::said("1795000200", TimeUnit::S, NOW).quality.is_good(),
            "a clock may be a little fast"
        );
    }
}
