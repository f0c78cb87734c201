//! Instants and zones. Storage is UTC; a calendar always takes a [`Zone`].

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr, time::Duration};

/// An instant: nanoseconds since 1970-01-01T00:00:00Z. Reaches from 1677 to 2262. Travels as RFC 3339 text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct Time(pub i64);

/// A text that is no instant or no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("`{0}` is not a time: write it as 2026-11-20T08:30:00Z")]
    NotRfc3339(String),
    /// Not in the IANA database that is compiled in.
    #[error("`{0}` is not a time zone: write an IANA name such as Asia/Shanghai")]
    UnknownZone(String),
}

impl Time {
    /// The earliest instant.
    pub const MIN: Time = Time(i64::MIN);
    /// The latest instant.
    pub const MAX: Time = Time(i64::MAX);

    /// From milliseconds since 1970, saturating.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Time(ms.saturating_mul(1_000_000))
    }
    /// Milliseconds since 1970, rounded down.
    pub const fn unix_ms(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
    /// Nanoseconds since 1970.
    pub const fn unix_ns(self) -> i64 {
        self.0
    }
    /// This instant moved forward, saturating.
    pub fn plus(self, by: Duration) -> Self {
        Time(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }
    /// This instant moved back, saturating.
    pub fn minus(self, by: Duration) -> Self {
        Time(self.0.saturating_sub(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }
    /// Time passed since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(at) => at.fmt(f),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}
impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for Time {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let wrong = || TimeError::NotRfc3339(text.chars().take(60).collect());
        let at: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        i64::try_from(at.as_nanosecond()).map(Time).map_err(|_| wrong())
    }
}
impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A time zone by its IANA name, checked against the compiled-in database.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct Zone(String);

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Zone("UTC".into())
    }
    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.0
    }
    /// The first instant of the local day that holds `at`.
    pub fn start_of_day(&self, at: Time) -> Time {
        let day = |at: Time| -> Option<Time> {
            let zone = jiff::tz::TimeZone::get(&self.0).ok()?;
            let local = jiff::Timestamp::from_nanosecond(i128::from(at.0)).ok()?.to_zoned(zone);
            let start = local.start_of_day().ok()?;
            i64::try_from(start.timestamp().as_nanosecond()).ok().map(Time)
        };
        day(at).unwrap_or(at)
    }
}
impl TryFrom<String> for Zone {
    type Error = TimeError;
    fn try_from(name: String) -> Result<Self, TimeError> {
        match jiff::tz::TimeZone::get(&name) {
            Ok(_) => Ok(Zone(name)),
            Err(_) => Err(TimeError::UnknownZone(name.chars().take(60).collect())),
        }
    }
}
impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip_keeps_nanoseconds() {
        let at: Time = "2026-11-20T08:30:00.000000001Z".parse().unwrap();
        assert_eq!(at.0 % 1_000, 1);
        assert_eq!(at.to_string().parse(), Ok(at));
        assert!("yesterday".parse::<Time>().is_err());
    }

    #[test]
    fn a_day_starts_at_local_midnight() {
        let zone = Zone::try_from("Asia/Shanghai".to_string()).unwrap();
        let at: Time = "2026-11-20T17:00:00Z".parse().unwrap();
        assert_eq!(zone.start_of_day(at).to_string(), "2026-11-20T16:00:00Z");
        assert!(Zone::try_from("Mars/Base".to_string()).is_err());
    }
}
