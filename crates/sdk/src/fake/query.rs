//! Lists: filters, order, pages. Pure but for the places that cursors name.

use std::mem::discriminant;
use types::{Cursor, Direction, Fault, Filter, Index, IndexValue, ObjectId, OrgId, Page, Query, Stored};

use super::{limits, records::Documents};

/// Where pages ended. A cursor is the number of one of them.
#[derive(Default)]
pub(super) struct Places(Vec<Place>);

struct Place {
    asked: Asked,
    spot: Spot,
}

/// A document's value in the order's index, and its id.
type Spot = (Option<IndexValue>, ObjectId);

/// What makes two pages belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    org: OrgId,
    collection: &'static str,
    filters: Vec<Filter>,
    order: Option<(&'static str, Direction)>,
}

/// A question that was checked.
#[derive(Clone)]
pub(super) struct Asked {
    question: Question,
    after: Option<Cursor>,
    limit: usize,
}

impl Asked {
    pub(super) fn new(
        org: OrgId,
        collection: &'static str,
        indexes: &[Index],
        query: Query,
    ) -> Result<Asked, Fault> {
        let Query { filters, order, after, limit } = query;
        limits::name("collection", collection)?;
        limits::filters(filters.len())?;
        let declared = |name: &str| match indexes.iter().any(|index| index.name == name) {
            true => Ok(()),
            false => {
                let known: Vec<_> = indexes.iter().map(|index| index.name).collect();
                let known = known.join(", ");
                Err(limits::invalid(format!("{collection} has no index `{name}`: use one of [{known}]")))
            }
        };
        for filter in &filters {
            declared(index_of(filter))?;
            check(filter)?;
        }
        order.map(|(index, _)| declared(index)).transpose()?;
        let limit = if limit == 0 { Query::LIMIT_DEFAULT } else { limit.min(Query::LIMIT_MAX) };
        Ok(Asked { question: Question { org, collection, filters, order }, after, limit })
    }

    /// The answer.
    pub(super) fn page(
        self,
        documents: &Documents,
        places: &mut Places,
    ) -> Result<Page<Stored<serde_json::Value>>, Fault> {
        let after = self.after.as_ref().map(|cursor| places.find(cursor, &self.question)).transpose()?;
        let Question { collection, filters, order, .. } = &self.question;
        let value = |id: ObjectId, index: &str| {
            documents.entries.get(&(*collection, id)).and_then(|entries| Some(&entries.get(index)?.1))
        };
        let bodies = documents.bodies.iter().filter(|((of, _), _)| of == collection);
        let wanted = bodies.filter(|((_, id), _)| filters.iter().all(|f| holds(f, value(*id, index_of(f)))));
        let mut found: Vec<(Spot, &Stored<serde_json::Value>)> = wanted
            .filter_map(|((_, id), stored)| match order {
                None => Some(((None, *id), stored)),
                Some((index, _)) => Some(((Some(value(*id, index)?.clone()), *id), stored)),
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let descending = matches!(order, Some((_, Direction::Descending)));
        if descending {
            found.reverse();
        }
        if let Some(place) = after {
            found.retain(|(spot, _)| if descending { *spot < place } else { *spot > place });
        }
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let items = found.iter().map(|(_, stored)| (*stored).clone()).collect();
        let last = found.pop().filter(|_| more);
        Ok(Page { items, next: last.map(|(spot, _)| places.keep(Place { asked: self, spot })) })
    }
}

impl Places {
    fn keep(&mut self, place: Place) -> Cursor {
        self.0.push(place);
        Cursor(format!("place-{}", self.0.len() - 1))
    }

    fn find(&self, cursor: &Cursor, question: &Question) -> Result<Spot, Fault> {
        let number = cursor.0.strip_prefix("place-").and_then(|number| number.parse::<usize>().ok());
        let place = number.and_then(|number| self.0.get(number));
        place.filter(|place| place.asked.question == *question).map(|place| place.spot.clone()).ok_or_else(|| {
            limits::invalid(
                "the cursor belongs to another query: repeat the query without it, or with its first filters and order"
                    .into(),
            )
        })
    }
}

fn index_of(filter: &Filter) -> &'static str {
    match filter {
        Filter::Equal(index, _) | Filter::Between(index, ..) | Filter::StartsWith(index, _) => index,
    }
}

fn check(filter: &Filter) -> Result<(), Fault> {
    match filter {
        Filter::Equal(_, value) => limits::index_value(value),
        Filter::StartsWith(_, prefix) => limits::index_value(&IndexValue::Text(prefix.clone())),
        Filter::Between(index, from, to) => {
            from.iter().chain(to).try_for_each(limits::index_value)?;
            match (from, to) {
                (Some(from), Some(to)) if discriminant(from) != discriminant(to) => {
                    Err(limits::invalid(format!(
                        "the two ends for `{index}` are of different kinds: use two numbers, two texts, two ids or two times"
                    )))
                }
                _ => Ok(()),
            }
        }
    }
}

fn holds(filter: &Filter, value: Option<&IndexValue>) -> bool {
    let Some(value) = value else { return false };
    match filter {
        Filter::Equal(_, wanted) => value == wanted,
        Filter::StartsWith(_, prefix) => matches!(value, IndexValue::Text(text) if text.starts_with(prefix)),
        // An open end stops at its kind: values of another kind are neither above nor below.
        Filter::Between(_, from, to) => {
            let same_kind = |end: &IndexValue| discriminant(end) == discriminant(value);
            from.as_ref().is_none_or(|from| same_kind(from) && from <= value)
                && to.as_ref().is_none_or(|to| same_kind(to) && value < to)
        }
    }
}
