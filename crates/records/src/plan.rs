//! From a [`Query`] to byte ranges over one index table: checked names, bounds, order and place to go on. Pure.

use types::{Cursor, Direction, Filter, Index, IndexValue, ObjectId, OrgId, Query};

use crate::{RecordsError, key, limits};

/// A part of one index: `from <= value < to`, or exactly `from` when `equal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) index: String,
    pub(crate) equal: bool,
    pub(crate) from: Option<Vec<u8>>,
    pub(crate) to: Option<Vec<u8>>,
}

/// Where the last page ended: its last value in the order's index (empty when ordered by id) and its last id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) value: Vec<u8>,
    pub(crate) id: ObjectId,
}

/// A question ready to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) org: OrgId,
    pub(crate) collection: String,
    pub(crate) ranges: Vec<Range>,
    /// Index and direction; by id, ascending, without one.
    pub(crate) order: Option<(String, Direction)>,
    pub(crate) after: Option<Place>,
    pub(crate) limit: usize,
    fingerprint: [u8; 8],
}

/// Filters in one query.
const FILTERS_MAX: usize = 16;

/// How many items a page may hold.
pub(crate) fn limit(asked: usize) -> usize {
    if asked == 0 { Query::LIMIT_DEFAULT } else { asked.min(Query::LIMIT_MAX) }
}

impl Plan {
    pub(crate) fn new(
        org: OrgId,
        collection: &str,
        indexes: &[Index],
        query: &Query,
    ) -> Result<Plan, RecordsError> {
        limits::name("collection", collection)?;
        if query.filters.len() > FILTERS_MAX {
            return Err(RecordsError::Limit {
                what: "the number of filters in a query",
                found: query.filters.len() as u64,
                limit: FILTERS_MAX as u64,
                action: "filter by fewer indexes",
            });
        }
        let declared = |name: &str| match indexes.iter().any(|index| index.name == name) {
            true => Ok(name.to_string()),
            false => {
                let known: Vec<_> = indexes.iter().map(|index| index.name).collect();
                Err(RecordsError::Invalid(format!(
                    "{collection} has no index `{name}`: use one of [{}]",
                    known.join(", ")
                )))
            }
        };
        let ranges = query
            .filters
            .iter()
            .map(|filter| {
                let index = declared(index_of(filter))?;
                range(index, filter)
            })
            .collect::<Result<Vec<_>, RecordsError>>()?;
        let order = query.order.map(|(index, direction)| Ok((declared(index)?, direction))).transpose()?;
        let fingerprint = fingerprint(org, collection, &ranges, &order);
        let after = query.after.as_ref().map(|cursor| read_place(cursor, fingerprint)).transpose()?;
        let limit = limit(query.limit);
        Ok(Plan { org, collection: collection.into(), ranges, order, after, limit, fingerprint })
    }

    /// The cursor of a page that ended here.
    pub(crate) fn cursor(&self, value: &[u8], id: ObjectId) -> Cursor {
        Cursor(hex(&[&self.fingerprint[..], &id.bytes(), value].concat()))
    }
}

fn index_of(filter: &Filter) -> &'static str {
    match filter {
        Filter::Equal(index, _) | Filter::Between(index, ..) | Filter::StartsWith(index, _) => index,
    }
}

fn range(index: String, filter: &Filter) -> Result<Range, RecordsError> {
    let (equal, from, to) = match filter {
        Filter::Equal(_, value) => (true, Some(limits::index_value(value)?), None),
        Filter::StartsWith(_, prefix) => {
            let from = limits::index_value(&IndexValue::Text(prefix.clone()))?;
            let to = key::after_prefix(&from);
            (false, Some(from), to)
        }
        Filter::Between(_, from, to) => {
            let from = from.as_ref().map(limits::index_value).transpose()?;
            let to = to.as_ref().map(limits::index_value).transpose()?;
            // An open end stops at its kind: values of another kind are neither above nor below.
            let kind = from.as_ref().or(to.as_ref()).map(|bytes| bytes[..1].to_vec());
            if let (Some(from), Some(to)) = (&from, &to)
                && from[0] != to[0]
            {
                return Err(RecordsError::Invalid(format!(
                    "the two ends for `{index}` are of different kinds: use two numbers, two texts, two ids or two times"
                )));
            }
            let to = to.or_else(|| kind.as_deref().and_then(key::after_prefix));
            (false, from.or(kind), to)
        }
    };
    Ok(Range { index, equal, from, to })
}

/// FNV-1a over what makes two pages belong together: a mix-up of cursors is told, not an attack stopped. A cursor holds
/// no right: whatever it says, the query stays within its organisation.
fn fingerprint(
    org: OrgId,
    collection: &str,
    ranges: &[Range],
    order: &Option<(String, Direction)>,
) -> [u8; 8] {
    let text = format!("{org} {collection} {ranges:?} {order:?}");
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step).to_be_bytes()
}

fn read_place(cursor: &Cursor, fingerprint: [u8; 8]) -> Result<Place, RecordsError> {
    let wrong = || {
        RecordsError::Invalid(
            "the cursor belongs to another query: repeat the query without it, or with its first filters and order"
                .into(),
        )
    };
    let bytes = unhex(&cursor.0).ok_or_else(wrong)?;
    let (print, rest) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
    let (id, value) = rest.split_first_chunk::<16>().ok_or_else(wrong)?;
    if *print != fingerprint || value.len() > limits::INDEX_VALUE_BYTES_MAX {
        return Err(wrong());
    }
    Ok(Place { value: value.to_vec(), id: ObjectId::from_bytes(*id) })
}

/// A cursor over all organisations: where to go on, and how far it came there.
pub(crate) fn join_org(org: OrgId, inner: Option<Cursor>) -> Cursor {
    Cursor(hex(&org.bytes()) + &inner.map_or(String::new(), |cursor| cursor.0))
}

/// The parts of [`join_org`].
pub(crate) fn split_org(cursor: &Cursor) -> Result<(OrgId, Option<Cursor>), RecordsError> {
    let wrong = || RecordsError::Invalid("the cursor belongs to another query: start without it".into());
    let (org, inner) = cursor.0.split_at_checked(32).ok_or_else(wrong)?;
    let org = unhex(org).and_then(|bytes| bytes.try_into().ok()).map(OrgId::from_bytes).ok_or_else(wrong)?;
    Ok((org, (!inner.is_empty()).then(|| Cursor(inner.to_string()))))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let digit = |at: u8| char::from(at).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INDEXES: &[Index] = &[Index::on("name"), Index::on("size")];
    const ORG: OrgId = OrgId::from_bytes([7; 16]);

    fn plan(query: &Query) -> Result<Plan, RecordsError> {
        Plan::new(ORG, "things", INDEXES, query)
    }

    #[test]
    fn a_cursor_goes_on_only_in_its_own_query() {
        let by_size = Query { order: Some(("size", Direction::Descending)), ..Query::default() };
        let id = ObjectId::from_bytes([3; 16]);
        let cursor = plan(&by_size).unwrap().cursor(b"\x01abc", id);
        let next = plan(&Query { after: Some(cursor.clone()), ..by_size.clone() }).unwrap();
        assert_eq!(next.after, Some(Place { value: b"\x01abc".to_vec(), id }));
        let by_name = Query { order: Some(("name", Direction::Descending)), after: Some(cursor), ..by_size };
        assert!(matches!(plan(&by_name), Err(RecordsError::Invalid(_))));
    }

    #[test]
    fn undeclared_indexes_and_mixed_ends_are_refused() {
        let equal = Query { filters: vec![Filter::Equal("colour", IndexValue::Int(1))], ..Query::default() };
        assert!(plan(&equal).unwrap_err().to_string().ends_with("use one of [name, size]"));
        let ends = Filter::Between("size", Some(IndexValue::Int(1)), Some(IndexValue::Text("x".into())));
        assert!(plan(&Query { filters: vec![ends], ..Query::default() }).is_err());
    }

    proptest! {
        #[test]
        fn foreign_cursors_never_panic(text in ".{0,80}") {
            let cursor = Cursor(text);
            let _ = split_org(&cursor);
            let refused = plan(&Query { after: Some(cursor), ..Query::default() }).is_err();
            prop_assert!(refused);
        }
    }
}
