//! The noun of this app and its rules. Pure.

use serde::{Deserialize, Serialize};
use types::{Document, Fault, Index, IndexValue, Time, codes};

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Shown name.
    pub name: String,
    /// By when; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// It was due and nobody took care. Set by the app; what a caller writes here is ignored.
    #[serde(default)]
    #[schema(read_only)]
    pub expired: bool,
}

impl Entry {
    /// The longest name.
    pub const NAME_CHARS_MAX: usize = 100;
    /// The index of what may still fall due.
    pub(crate) const DUE: &'static str = "due";

    /// As it is stored: checked, and without what only the app may set.
    pub fn checked(self) -> Result<Entry, Fault> {
        let name = self.name.trim().to_string();
        if name.is_empty() || name.chars().count() > Entry::NAME_CHARS_MAX {
            let reason = format!("a name has 1 to {} characters", Entry::NAME_CHARS_MAX);
            let detail = format!("{reason}; correct it and try again");
            return Err(Fault::new(codes::INVALID, detail).arg("reason", reason).at("/name"));
        }
        Ok(Entry { name, due: self.due, expired: false })
    }

    /// Whether it fell due by now.
    pub fn falls_due(&self, now: Time) -> bool {
        !self.expired && self.due.is_some_and(|due| due <= now)
    }
}

impl Document for Entry {
    const COLLECTION: &'static str = "@ident@_entries";
    const INDEXES: &'static [Index] = &[Index::on(Entry::DUE)];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        // An expired entry leaves the index: the task asks only for what it still has to do.
        vec![self.due.filter(|_| !self.expired).map(IndexValue::Time)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, due: Option<Time>) -> Entry {
        Entry { name: name.into(), due, expired: true }
    }

    #[test]
    fn a_name_is_trimmed_and_checked() {
        assert_eq!(entry(" pump ", None).checked().unwrap(), Entry { name: "pump".into(), due: None, expired: false });
        for bad in ["", "  ", &"x".repeat(101)] {
            assert_eq!(entry(bad, None).checked().unwrap_err().path.as_deref(), Some("/name"));
        }
    }

    #[test]
    fn it_falls_due_once_at_its_time() {
        let waiting = entry("a", Some(Time(10))).checked().unwrap();
        assert!(!waiting.falls_due(Time(9)) && waiting.falls_due(Time(10)));
        assert!(!Entry { expired: true, ..waiting }.falls_due(Time(11)));
        assert!(!entry("a", None).checked().unwrap().falls_due(Time::MAX));
    }
}
