//! What a server says of itself once a session is there, and reading within the limits it names.

use opcua::types::*;

use crate::{config::Config, fault::Trouble, wire::Wire};

/// Nodes of a request while the server does not say what it bears.
const OPERATIONS_UNKNOWN: usize = 500;
/// Nodes of a request when the server bears any number.
const OPERATIONS_MAX: usize = 1_000;

/// What a server says of itself once a session is there.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) namespaces: Vec<String>,
    pub(crate) limits: Limits,
    /// How far the server's clock is ahead of ours, in ns.
    ahead_ns: i64,
}

/// The most nodes of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) read: usize,
    pub(crate) browse: usize,
    pub(crate) monitor: usize,
}

impl Facts {
    /// Reads them.
    pub(crate) async fn read(wire: &Wire, config: &Config) -> Result<Facts, Trouble> {
        let ids = [
            VariableId::Server_NamespaceArray,
            VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
            VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
            VariableId::Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
            VariableId::Server_ServerStatus_CurrentTime,
        ];
        let nodes: Vec<ReadValueId> = ids.into_iter().map(|id| value_of(id.into())).collect();
        let values = read(wire, &nodes, nodes.len()).await?;
        let namespaces = values.first().and_then(|data| data.value.as_ref()).map(texts).unwrap_or_default();
        let limit = |at: usize| match (config.operations_per_request, values.get(at).and_then(number)) {
            (0, None) => OPERATIONS_UNKNOWN,
            (0, Some(0)) => OPERATIONS_MAX,
            (0, Some(limit)) => limit.min(OPERATIONS_MAX),
            (own, Some(limit)) if limit > 0 => limit.min(own as usize),
            (own, _) => own as usize,
        };
        let limits = Limits { read: limit(1), browse: limit(2), monitor: limit(3) };
        let theirs = match values.get(4).and_then(|data| data.value.as_ref()) {
            Some(Variant::DateTime(theirs)) => crate::value::time(theirs),
            _ => None,
        };
        let ahead_ns = theirs.map_or(0, |theirs| theirs.0.saturating_sub(wire.clock().now().0));
        Ok(Facts { namespaces, limits, ahead_ns })
    }

    /// A time of ours by the server's clock, which the source times of its values follow.
    pub(crate) fn their_time(&self, ours: types::Time) -> types::Time {
        types::Time(ours.0.saturating_add(self.ahead_ns))
    }
}

fn texts(variant: &Variant) -> Vec<String> {
    let Variant::Array(array) = variant else { return Vec::new() };
    array.values.iter().map(|value| value.to_string()).collect()
}

fn number(data: &DataValue) -> Option<usize> {
    match data.value.as_ref().filter(|_| !data.status.is_some_and(|status| status.is_bad()))? {
        Variant::UInt32(limit) => Some(*limit as usize),
        _ => None,
    }
}

/// Asks for the value of a node.
pub(crate) fn value_of(node: NodeId) -> ReadValueId {
    attribute_of(node, AttributeId::Value)
}

/// Asks for an attribute of a node.
pub(crate) fn attribute_of(node_id: NodeId, attribute: AttributeId) -> ReadValueId {
    ReadValueId {
        node_id,
        attribute_id: attribute as u32,
        index_range: NumericRange::None,
        data_encoding: QualifiedName::null(),
    }
}

/// Reads any number of attributes, so many at a time; fewer when the server finds that too many.
pub(crate) async fn read(
    wire: &Wire,
    nodes: &[ReadValueId],
    at_once: usize,
) -> Result<Vec<DataValue>, Trouble> {
    let mut values = Vec::with_capacity(nodes.len());
    let mut at_once = at_once.max(1);
    while values.len() < nodes.len() {
        let end = nodes.len().min(values.len() + at_once);
        let some = &nodes[values.len()..end];
        let request = ReadRequest {
            request_header: RequestHeader::dummy(),
            max_age: 0.0,
            timestamps_to_return: TimestampsToReturn::Both,
            nodes_to_read: Some(some.to_vec()),
        };
        match wire.call(request).await {
            Ok(response) => {
                let mut results = response.results.unwrap_or_default();
                results.resize(some.len(), bad(StatusCode::BadUnknownResponse));
                values.append(&mut results);
            }
            Err(trouble) if is_too_much(&trouble) && some.len() > 1 => at_once = some.len().div_ceil(2),
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(values)
}

fn bad(status: StatusCode) -> DataValue {
    DataValue { status: Some(status), ..DataValue::null() }
}

/// The server bears less than it says, or says nothing.
pub(crate) fn is_too_much(trouble: &Trouble) -> bool {
    matches!(
        trouble,
        Trouble::Refused {
            status: StatusCode::BadTooManyOperations
                | StatusCode::BadEncodingLimitsExceeded
                | StatusCode::BadRequestTooLarge
                | StatusCode::BadResponseTooLarge,
            ..
        }
    )
}
