//! Shows what is at a node: its value, the type that a point would have, its status. Without an address, the first
//! variables below Objects.

use opcua::types::*;
use sdk::{Candidate, Inspect, Inspection, RawCell};
use types::{Fault, Value, ValueType};

use crate::{
    address::{Address, Node, Target},
    config::Config,
    facts::{Facts, read, value_of},
    fault::{self, Trouble},
    pages::first_variables,
    probe::visit,
    session, value,
};

/// Reads one node, or the first ones.
pub(crate) async fn inspect(inspect: Inspect) -> Result<Inspection, Fault> {
    let config = Config::parse(&inspect.config).map_err(fault::first)?;
    let text = inspect.address.trim();
    let given = match text {
        "" => None,
        text => Some(Address::parse(text).map_err(|error| error.fault(text))?),
    };
    let cells = usize::from(inspect.cells.clamp(1, Inspect::CELLS_MAX));
    let asked = async {
        let (_, mut link) = visit(&inspect.reach, &config).await?;
        let wire = link.wire.clone();
        let shown = link.pump.during(async {
            let facts = Facts::read(&wire, &config).await?;
            let wanted = match given {
                Some(address) => vec![named(&address, &facts, text)?],
                None => {
                    let found = first_variables(&wire, cells).await?;
                    found
                        .into_iter()
                        .map(|node| (Node::of(&node, &facts.namespaces), None, value_of(node)))
                        .collect()
                }
            };
            let asked: Vec<ReadValueId> = wanted.iter().map(|(_, _, asked)| asked.clone()).collect();
            let values = read(&wire, &asked, facts.limits.read).await?;
            let mut inspection = Inspection { raw: Vec::new(), candidates: Vec::new() };
            for ((node, element, _), data) in wanted.iter().zip(&values) {
                show(&mut inspection, node, *element, data, cells);
            }
            Ok(inspection)
        });
        let shown = shown.await?;
        session::close(link).await;
        Ok(shown)
    };
    asked.await.map_err(|trouble: Trouble| trouble.fault(&config))
}

fn named(address: &Address, facts: &Facts, text: &str) -> Result<(Node, Option<u32>, ReadValueId), Trouble> {
    let refuse = |reason: &str, next: &str| {
        let detail = format!("`{text}` cannot be read: {reason}; {next}");
        Trouble::Person(Fault::new("opcua.address", detail).arg("address", text).arg("reason", reason))
    };
    let Target::Value { node, element } = &address.target else {
        return Err(refuse("it is a method", "call it by writing to a point with this address"));
    };
    let Some(id) = node.resolve(&facts.namespaces) else {
        return Err(refuse("the server has no such namespace", "browse the server and choose a node"));
    };
    let index_range = element.map_or(NumericRange::None, NumericRange::Index);
    Ok((node.clone(), *element, ReadValueId { index_range, ..value_of(id) }))
}

/// Arrays are shown element by element, as far as there is room.
fn show(to: &mut Inspection, node: &Node, element: Option<u32>, data: &DataValue, cells: usize) {
    let status = data.status.unwrap_or(StatusCode::Good);
    let mut cell = |element: Option<u32>, native: Option<Value>, kind: String| {
        let address = |value_type| {
            Address { target: Target::Value { node: node.clone(), element }, value_type }.to_string()
        };
        let value_type = native.as_ref().map_or(ValueType::F64, Value::value_type);
        let text = native.as_ref().map_or_else(|| status.to_string(), Value::to_string);
        to.raw.push(RawCell {
            address: address(value_type),
            hex: None,
            text: Some(if status.is_good() { text } else { format!("{text} ({status})") }),
            time: data.source_timestamp.as_ref().and_then(value::time),
        });
        if let Some(native) = native {
            let json = native.to_json();
            to.candidates.push(Candidate {
                address: address(value_type),
                reading: kind,
                value_type,
                value: json,
                plausible: !status.is_bad(),
            });
        }
    };
    match &data.value {
        Some(Variant::Array(array)) if element.is_none() => {
            for (index, one) in (0..).zip(array.values.iter().take(cells)) {
                cell(Some(index), value::native(one), kind(one));
            }
        }
        Some(variant) => cell(element, value::native(variant), kind(variant)),
        None => cell(element, None, String::new()),
    }
}

fn kind(variant: &Variant) -> String {
    variant.scalar_type_id().map_or_else(String::new, |id| format!("{id:?}"))
}
