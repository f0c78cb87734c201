//! Which point a field of a series goes to. In memory: what is not here is looked up by its name, and made when it is not
//! there either.
//!
//! A point's name is worked out from the series, so nothing has to be remembered: `cpu,host=web-01 usage_idle=1` goes to
//! the point `cpu.host.web-01.usage_idle`. Where a part holds anything but letters, digits, `_` and `-`, or the whole is
//! too long, a checksum of the exact names is put behind, so that two series never share a point.

use std::collections::HashMap;

use types::{PointId, ValueType};

use crate::line::Names;

/// Characters of a point's name, see `plant`.
const NAME_CHARS_MAX: usize = 100;
/// Series remembered of an organisation, each by the bytes of its key; beyond, all are looked up anew.
pub(crate) const SERIES_MAX: usize = 2_000_000;

/// A field that has a point.
pub(crate) struct Field {
    /// As it stands in lines.
    pub(crate) name: Box<[u8]>,
    pub(crate) point: PointId,
    pub(crate) value_type: ValueType,
}

/// The series of an organisation that were seen since the node started.
#[derive(Default)]
pub(crate) struct Book {
    by_key: HashMap<Box<[u8]>, Vec<Field>>,
}

impl Book {
    /// The known fields of a series, by its key as it stands in lines.
    pub(crate) fn fields(&self, key: &[u8]) -> &[Field] {
        self.by_key.get(key).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn learn(&mut self, key: &[u8], field: Field) {
        if self.by_key.len() >= SERIES_MAX {
            self.by_key.clear();
        }
        let fields = self.by_key.entry(key.into()).or_default();
        fields.retain(|known| known.name != field.name);
        fields.push(field);
    }

    pub(crate) fn forget_all(&mut self) {
        self.by_key.clear();
    }
}

/// The place of a field among those of its series: most lines name their fields in the order of the line before, so the
/// one after the last is looked at first.
pub(crate) fn find<'b>(fields: &'b [Field], next: &mut usize, name: &[u8]) -> Option<&'b Field> {
    let at = match fields.get(*next) {
        Some(field) if *field.name == *name => *next,
        _ => fields.iter().position(|field| *field.name == *name)?,
    };
    *next = at + 1;
    Some(&fields[at])
}

/// The name and the label of the point that a field of a series goes to.
pub(crate) fn point_name(names: &Names, field: &str) -> (String, String) {
    let tags = names.tags.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let parts: Vec<&str> = [names.measurement.as_str()].into_iter().chain(tags).chain([field]).collect();
    let mut is_exact = true;
    let mut plain = String::new();
    for part in &parts {
        if !plain.is_empty() {
            plain.push('.');
        }
        for found in part.chars() {
            let sound = found.is_alphanumeric() || matches!(found, '_' | '-');
            is_exact &= sound;
            plain.push(if sound { found } else { '_' });
        }
    }
    if plain.chars().count() > NAME_CHARS_MAX {
        is_exact = false;
    }
    if !is_exact {
        let sum = format!("-{:016x}", checksum(&parts));
        plain = plain.chars().take(NAME_CHARS_MAX - sum.len()).collect::<String>() + &sum;
    }
    (plain, label(names, field))
}

/// As the line has it, for people.
fn label(names: &Names, field: &str) -> String {
    let tags = names.tags.iter().map(|(name, value)| format!(",{name}={value}"));
    let whole = format!("{}{} {field}", names.measurement, tags.collect::<String>());
    let whole: String = whole.chars().filter(|found| !found.is_control()).take(NAME_CHARS_MAX).collect();
    whole.trim().to_string()
}

/// FNV-1a, 64 bits, over the parts with a byte between them that UTF-8 never has.
fn checksum(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(measurement: &str, tags: &[(&str, &str)], field: &str) -> String {
        let tags = tags.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        point_name(&Names { measurement: measurement.into(), tags }, field).0
    }

    #[test]
    fn names_are_plain_where_they_can_be_and_never_shared() {
        assert_eq!(name("cpu", &[("host", "web-01")], "usage_idle"), "cpu.host.web-01.usage_idle");
        assert_eq!(name("测量", &[("站", "3号")], "温度"), "测量.站.3号.温度");
        let dotted = name("cpu", &[("host", "10.0.0.7")], "usage");
        assert!(dotted.starts_with("cpu.host.10_0_0_7.usage-") && dotted.len() == 24 + 16, "{dotted}");
        let others = [
            name("cpu", &[("host", "10_0_0_7")], "usage"),
            name("cpu", &[("host", "10 0 0 7")], "usage"),
            name("cpu.host", &[], "usage"),
            name("cpu", &[], "host.usage"),
            name(&"x".repeat(150), &[], "a"),
            name(&"x".repeat(150), &[], "b"),
        ];
        let all: std::collections::HashSet<&String> = others.iter().chain([&dotted]).collect();
        assert_eq!(all.len(), 7);
        assert!(all.iter().all(|name| name.chars().count() <= NAME_CHARS_MAX));
    }

    #[test]
    fn fields_are_found_in_any_order() {
        let field = |name: &[u8], point| Field {
            name: name.into(),
            point: PointId(point),
            value_type: ValueType::F64,
        };
        let fields = [field(b"a", 1), field(b"b", 2), field(b"c", 3)];
        let mut next = 0;
        let found: Vec<_> = [b"a", b"b", b"c", b"b", b"a", b"x"]
            .iter()
            .map(|name| find(&fields, &mut next, *name).map(|field| field.point.0))
            .collect();
        assert_eq!(found, [Some(1), Some(2), Some(3), Some(2), Some(1), None]);
    }
}
