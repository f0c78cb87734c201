//! What a server offers, streamed level by level: folders, values with type and range, methods with their object.
//!
//! Memory is bounded by the folders that are still to be opened and those that were; values are sent and forgotten.

use opcua::types::*;
use sdk::{Browse, BrowsedKind, BrowsedNode};
use std::collections::{HashMap, HashSet, VecDeque};
use types::{Fault, ValueType};

use crate::{
    address::{Address, Node, Target},
    config::Config,
    facts::{Facts, attribute_of, read, value_of},
    fault::{self, Trouble},
    pages::{below, first_page, next_page, pages, release},
    probe::visit,
    session, value,
    wire::Wire,
};

/// Steps from a data type up to the built-in one it is made of.
const TYPE_DEPTH_MAX: usize = 8;

/// Streams what is below a node.
pub(crate) async fn browse(browse: Browse) -> Result<(), Fault> {
    let config = Config::parse(&browse.config).map_err(fault::first)?;
    let asked = async {
        let (_, mut link) = visit(&browse.reach, &config).await?;
        let wire = link.wire.clone();
        let walked = link.pump.during(async {
            let facts = Facts::read(&wire, &config).await?;
            let root = match browse.at.trim() {
                "" => None,
                at => Some(start(at, &facts)?),
            };
            Walk::new(&wire, &facts, &browse).run(root).await
        });
        walked.await?;
        session::close(link).await;
        Ok(())
    };
    asked.await.map_err(|trouble: Trouble| trouble.fault(&config))
}

fn start(at: &str, facts: &Facts) -> Result<NodeId, Trouble> {
    let address = Address::parse(at).map_err(|error| Trouble::Person(error.fault(at)))?;
    let (Target::Value { node, .. } | Target::Method { object: node, .. }) = &address.target;
    node.resolve(&facts.namespaces).ok_or_else(|| {
        let detail = format!("the server has no namespace for `{at}`: browse from the root");
        Trouble::Person(Fault::new("opcua.address", detail).arg("address", at).arg("reason", "namespace"))
    })
}

struct Walk<'a> {
    wire: &'a Wire,
    facts: &'a Facts,
    browse: &'a Browse,
    /// Folders to open: each with the address that its children name as parent.
    open: VecDeque<(NodeId, Option<String>)>,
    /// Folders that were opened or wait; a server may hold circles.
    seen: HashSet<NodeId>,
    types: HashMap<NodeId, Option<ValueType>>,
    sent: usize,
}

impl<'a> Walk<'a> {
    fn new(wire: &'a Wire, facts: &'a Facts, browse: &'a Browse) -> Walk<'a> {
        let (open, seen, types) = (VecDeque::new(), HashSet::new(), HashMap::new());
        Walk { wire, facts, browse, open, seen, types, sent: 0 }
    }

    async fn run(&mut self, root: Option<NodeId>) -> Result<(), Trouble> {
        let parent = root.as_ref().map(|_| self.browse.at.trim().to_string());
        let root = root.unwrap_or_else(NodeId::objects_folder_id);
        self.seen.insert(root.clone());
        self.open.push_back((root, parent));
        while let Some((folder, parent)) = self.open.pop_front() {
            let mut page = first_page(self.wire, &folder, below()).await?;
            loop {
                let more = page.continuation_point.clone();
                let found = page.references.take().unwrap_or_default();
                let room = Browse::NODES_MAX.saturating_sub(self.sent);
                let full = found.len() >= room;
                let left =
                    !self.send(&folder, parent.as_deref(), found.into_iter().take(room).collect()).await?;
                if left || full {
                    return release(self.wire, more).await;
                }
                if more.is_null_or_empty() {
                    break;
                }
                page = next_page(self.wire, more).await?;
            }
        }
        Ok(())
    }

    /// Sends one page; `false` when nobody listens any more.
    async fn send(
        &mut self,
        folder: &NodeId,
        parent: Option<&str>,
        found: Vec<ReferenceDescription>,
    ) -> Result<bool, Trouble> {
        let facts = self.values(&found).await?;
        let mut nodes = Vec::with_capacity(found.len());
        for (reference, value) in found.into_iter().zip(facts) {
            let id = reference.node_id.node_id.clone();
            let node = Node::of(&id, &self.facts.namespaces);
            let browsed = BrowsedNode {
                address: String::new(),
                parent: parent.map(str::to_string),
                name: shown_name(&reference),
                kind: BrowsedKind::Folder,
                value_type: None,
                writable: false,
                facts: Vec::new(),
            };
            nodes.push(match reference.node_class {
                NodeClass::Variable => {
                    let value = value.unwrap_or_default();
                    let value_type = value.value_type.unwrap_or(ValueType::F64);
                    let target = Target::Value { node, element: None };
                    BrowsedNode {
                        address: Address { target, value_type }.to_string(),
                        kind: BrowsedKind::Value,
                        value_type: value.value_type,
                        writable: value.writable,
                        facts: value.facts,
                        ..browsed
                    }
                }
                NodeClass::Method => {
                    let object = Node::of(folder, &self.facts.namespaces);
                    let target = Target::Method { object, method: node };
                    let address = Address { target, value_type: ValueType::String }.to_string();
                    BrowsedNode { address, kind: BrowsedKind::Method, writable: true, ..browsed }
                }
                _ => {
                    let address = node.to_string();
                    if self.browse.deep && self.seen.len() < Browse::NODES_MAX && self.seen.insert(id.clone())
                    {
                        self.open.push_back((id, Some(address.clone())));
                    }
                    BrowsedNode { address, ..browsed }
                }
            });
        }
        self.sent += nodes.len();
        for some in nodes.chunks(Browse::BATCH_NODES_MAX) {
            if self.browse.out.send(some.to_vec()).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Type, access, unit and range of the variables among `found`; `None` for the others.
    async fn values(&mut self, found: &[ReferenceDescription]) -> Result<Vec<Option<Variable>>, Trouble> {
        let ids: Vec<NodeId> = found
            .iter()
            .filter(|reference| reference.node_class == NodeClass::Variable)
            .map(|reference| reference.node_id.node_id.clone())
            .collect();
        const ATTRIBUTES: [AttributeId; 3] =
            [AttributeId::DataType, AttributeId::UserAccessLevel, AttributeId::ValueRank];
        let asked: Vec<ReadValueId> = ids
            .iter()
            .flat_map(|id| ATTRIBUTES.map(|attribute| attribute_of(id.clone(), attribute)))
            .collect();
        let answers = read(self.wire, &asked, self.facts.limits.read).await?;
        let mut variables = Vec::with_capacity(ids.len());
        for attributes in answers.chunks(ATTRIBUTES.len()) {
            let value = |at: usize| attributes.get(at).and_then(|data| data.value.as_ref());
            let data_type = match value(0) {
                Some(Variant::NodeId(id)) => Some((**id).clone()),
                _ => None,
            };
            let value_type = match &data_type {
                Some(id) => self.value_type(id).await?,
                None => None,
            };
            let access = match value(1) {
                Some(Variant::Byte(bits)) => *bits,
                _ => 0,
            };
            let mut facts = Vec::new();
            if let Some(id) = &data_type {
                let named = VariantScalarTypeId::try_from(id).map(|of| format!("{of:?}"));
                facts.push(("data_type".to_string(), named.unwrap_or_else(|_| id.to_string())));
            }
            if let Some(Variant::Int32(rank)) = value(2)
                && *rank >= 0
            {
                facts.push(("array".to_string(), rank.to_string()));
            }
            // Bits of AccessLevelType (OPC 10000-3, 8.57): 1 is CurrentWrite, 2 HistoryRead.
            if access & 0b100 != 0 {
                facts.push(("history".to_string(), "true".to_string()));
            }
            variables.push(Variable { value_type, writable: access & 0b10 != 0, facts });
        }
        let analog = |reference: &&ReferenceDescription| is_analog(&reference.type_definition.node_id);
        let analog: Vec<NodeId> = found.iter().filter(analog).map(|r| r.node_id.node_id.clone()).collect();
        let mut ranges = self.ranges(&analog).await?;
        let mut described = ids.into_iter().zip(variables);
        let mut of = |reference: &ReferenceDescription| {
            if reference.node_class != NodeClass::Variable {
                return None;
            }
            let (id, mut variable) = described.next()?;
            variable.facts.append(&mut ranges.remove(&id).unwrap_or_default());
            Some(variable)
        };
        Ok(found.iter().map(&mut of).collect())
    }

    /// The built-in type that a data type is made of: up the tree of types, remembered.
    async fn value_type(&mut self, data_type: &NodeId) -> Result<Option<ValueType>, Trouble> {
        let mut path = Vec::new();
        let mut at = data_type.clone();
        let found = loop {
            if let Some(known) = self.types.get(&at) {
                break *known;
            }
            if at.namespace == 0
                && let Identifier::Numeric(number) = at.identifier
                && let Some(value_type) = value::value_type(number)
            {
                break Some(value_type);
            }
            path.push(at.clone());
            if path.len() > TYPE_DEPTH_MAX {
                break None;
            }
            let up = BrowseDescription {
                browse_direction: BrowseDirection::Inverse,
                reference_type_id: ReferenceTypeId::HasSubtype.into(),
                node_class_mask: NodeClass::DataType as u32,
                ..below()
            };
            let above = first_page(self.wire, &at, up).await?.references.unwrap_or_default();
            match above.into_iter().next() {
                Some(above) => at = above.node_id.node_id,
                None => break None,
            }
        };
        self.types.extend(path.into_iter().map(|id| (id, found)));
        Ok(found)
    }

    /// EURange and EngineeringUnits of analog variables.
    async fn ranges(&self, nodes: &[NodeId]) -> Result<HashMap<NodeId, Vec<(String, String)>>, Trouble> {
        let mut asked = Vec::new();
        let mut whose = Vec::new();
        for some in nodes.chunks(self.facts.limits.browse.max(1)) {
            let properties = BrowseDescription {
                reference_type_id: ReferenceTypeId::HasProperty.into(),
                node_class_mask: NodeClass::Variable as u32,
                ..below()
            };
            let pages = pages(self.wire, some, properties).await?;
            for (node, page) in some.iter().zip(pages) {
                for property in page.references.unwrap_or_default() {
                    if ["EURange", "EngineeringUnits"].contains(&property.browse_name.name.as_ref()) {
                        asked.push(value_of(property.node_id.node_id));
                        whose.push(node.clone());
                    }
                }
            }
        }
        let values = read(self.wire, &asked, self.facts.limits.read).await?;
        let mut facts: HashMap<NodeId, Vec<(String, String)>> = HashMap::new();
        for (node, data) in whose.into_iter().zip(values) {
            let Some(Variant::ExtensionObject(object)) = &data.value else { continue };
            let of_node = facts.entry(node).or_default();
            if let Some(range) = object.inner_as::<Range>() {
                of_node.push(("range".into(), format!("{} … {}", range.low, range.high)));
            } else if let Some(unit) = object.inner_as::<EUInformation>() {
                of_node.push(("unit".into(), unit.display_name.text.as_ref().to_string()));
            }
        }
        Ok(facts)
    }
}

#[derive(Default)]
struct Variable {
    value_type: Option<ValueType>,
    writable: bool,
    facts: Vec<(String, String)>,
}

fn shown_name(reference: &ReferenceDescription) -> String {
    let display = reference.display_name.text.as_ref();
    if display.is_empty() { reference.browse_name.name.as_ref().to_string() } else { display.to_string() }
}

/// BaseAnalogType and what is made of it (OPC 10000-8, 5.3.2), by number.
fn is_analog(type_definition: &NodeId) -> bool {
    let number = match type_definition.identifier {
        Identifier::Numeric(number) if type_definition.namespace == 0 => number,
        _ => return false,
    };
    [2_368, 15_318, 17_497, 17_570].contains(&number)
}
