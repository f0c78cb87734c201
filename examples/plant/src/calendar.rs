//! The works calendar: tariff periods 尖峰平谷 and breaks, from `data/calendar.toml`.

use serde::Deserialize;
use types::{Time, Zone};

/// A price period of the electricity tariff. The numbers are the ones the meter shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// 尖.
    Sharp = 0,
    /// 峰.
    Peak = 1,
    /// 平.
    Flat = 2,
    /// 谷.
    Valley = 3,
}

/// A calendar that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CalendarError {
    #[error("`{0}` is not a time of day: write it as 08:30, at most 24:00")]
    TimeOfDay(String),
    #[error("the tariff from {0} does not cover the day: let each period start where the one before ends")]
    Gap(Time),
    #[error("there is no tariff: add a [[tariffs]] table")]
    Empty,
    #[error("{0}: correct data/calendar.toml")]
    Toml(#[from] toml::de::Error),
}

/// Minutes since local midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct Minute(u32);

impl TryFrom<String> for Minute {
    type Error = CalendarError;
    fn try_from(text: String) -> Result<Minute, CalendarError> {
        let parts =
            text.split_once(':').and_then(|(h, m)| Some((h.parse::<u32>().ok()?, m.parse::<u32>().ok()?)));
        match parts {
            Some((hour, minute)) if minute < 60 && hour * 60 + minute <= 1_440 => {
                Ok(Minute(hour * 60 + minute))
            }
            _ => Err(CalendarError::TimeOfDay(text)),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    from: Minute,
    to: Minute,
    period: Period,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tariff {
    valid_from: Time,
    spans: Vec<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Break {
    from: Minute,
    to: Minute,
}

/// Tariffs by date, and when nobody works.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calendar {
    zone: Zone,
    tariffs: Vec<Tariff>,
    breaks: Vec<Break>,
}

/// What the calendar says about an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    pub(crate) period: Period,
    pub(crate) working: bool,
    /// Share of the local day gone, 0 to 1.
    pub(crate) day: f64,
}

impl Calendar {
    pub(crate) fn parse(text: &str) -> Result<Calendar, CalendarError> {
        let mut calendar: Calendar = toml::from_str(text)?;
        calendar.tariffs.sort_by_key(|tariff| tariff.valid_from);
        if calendar.tariffs.is_empty() {
            return Err(CalendarError::Empty);
        }
        for tariff in &calendar.tariffs {
            let end =
                tariff.spans.iter().try_fold(Minute(0), |at, span| (span.from == at).then_some(span.to));
            if end != Some(Minute(1_440)) {
                return Err(CalendarError::Gap(tariff.valid_from));
            }
        }
        Ok(calendar)
    }

    pub(crate) fn at(&self, at: Time) -> Moment {
        let seconds = at.since(self.zone.start_of_day(at)).as_secs_f64();
        let minute = Minute((seconds / 60.0) as u32);
        // Before the first tariff the first one holds; `parse` made sure that there is one.
        let tariff = self.tariffs.iter().rev().find(|t| t.valid_from <= at).or(self.tariffs.first());
        let span = tariff.and_then(|tariff| tariff.spans.iter().find(|span| minute < span.to));
        Moment {
            period: span.map_or(Period::Flat, |span| span.period),
            working: !self.breaks.iter().any(|pause| (pause.from..pause.to).contains(&minute)),
            day: seconds / 86_400.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar() -> Calendar {
        Calendar::parse(include_str!("../data/calendar.toml")).unwrap()
    }

    #[test]
    fn periods_follow_local_time_and_the_date() {
        let calendar = calendar();
        let period = |at: &str| calendar.at(at.parse().unwrap()).period;
        // 03:00 in Shanghai is 19:00 UTC of the day before.
        assert_eq!(period("2026-11-20T19:00:00Z"), Period::Valley);
        assert_eq!(period("2026-11-21T11:30:00Z"), Period::Sharp);
        assert_eq!(period("2026-11-21T02:30:00Z"), Period::Peak);
        // The older tariff knows no sharp period.
        assert_eq!(period("2025-11-21T11:30:00Z"), Period::Peak);
    }

    #[test]
    fn breaks_stop_work() {
        let calendar = calendar();
        assert!(!calendar.at("2026-11-21T04:05:00Z".parse().unwrap()).working, "12:05 is lunch");
        assert!(calendar.at("2026-11-21T05:05:00Z".parse().unwrap()).working);
    }

    #[test]
    fn a_tariff_with_a_gap_is_refused() {
        let text = "zone = \"Asia/Shanghai\"\nbreaks = []\n[[tariffs]]\nvalid_from = \"2026-01-01T00:00:00Z\"\n\
                    spans = [{ from = \"00:00\", to = \"23:00\", period = \"flat\" }]";
        assert!(matches!(Calendar::parse(text), Err(CalendarError::Gap(_))));
        assert!(Calendar::parse(&text.replace("23:00", "24:00")).is_ok());
        let message = Calendar::parse(&text.replace("23:00", "25:00")).unwrap_err().to_string();
        assert!(message.contains("25:00"), "{message}");
    }
}
