//! Browse requests: the first page, the next, giving a continuation point back.

use opcua::types::*;
use std::collections::{HashSet, VecDeque};

use crate::{facts::is_too_much, fault::Trouble, wire::Wire};

/// References of one answer.
const PAGE_MAX: u32 = 1_000;

/// Objects, variables and methods below a node.
pub(crate) fn below() -> BrowseDescription {
    BrowseDescription {
        node_id: NodeId::null(),
        browse_direction: BrowseDirection::Forward,
        reference_type_id: ReferenceTypeId::HierarchicalReferences.into(),
        include_subtypes: true,
        node_class_mask: NodeClass::Object as u32 | NodeClass::Variable as u32 | NodeClass::Method as u32,
        result_mask: BrowseDescriptionResultMask::all().bits(),
    }
}

pub(crate) async fn first_page(
    wire: &Wire,
    node: &NodeId,
    how: BrowseDescription,
) -> Result<BrowseResult, Trouble> {
    let pages = pages(wire, std::slice::from_ref(node), how).await?;
    pages
        .into_iter()
        .next()
        .ok_or(Trouble::Refused { service: "Browse", status: StatusCode::BadUnknownResponse })
}

/// The first page of each node, in order.
pub(crate) async fn pages(
    wire: &Wire,
    nodes: &[NodeId],
    how: BrowseDescription,
) -> Result<Vec<BrowseResult>, Trouble> {
    let mut results = Vec::with_capacity(nodes.len());
    let mut at_once = nodes.len().max(1);
    while results.len() < nodes.len() {
        let some = &nodes[results.len()..nodes.len().min(results.len() + at_once)];
        let of = |node: &NodeId| BrowseDescription { node_id: node.clone(), ..how.clone() };
        let request = BrowseRequest {
            request_header: RequestHeader::dummy(),
            view: ViewDescription::default(),
            requested_max_references_per_node: PAGE_MAX,
            nodes_to_browse: Some(some.iter().map(of).collect()),
        };
        match wire.call(request).await {
            Ok(response) => {
                let mut came = response.results.unwrap_or_default();
                came.resize(some.len(), BrowseResult::default());
                results.append(&mut came);
            }
            Err(trouble) if is_too_much(&trouble) && some.len() > 1 => at_once = some.len().div_ceil(2),
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(results)
}

pub(crate) async fn next_page(wire: &Wire, continuation: ByteString) -> Result<BrowseResult, Trouble> {
    let request = BrowseNextRequest {
        request_header: RequestHeader::dummy(),
        release_continuation_points: false,
        continuation_points: Some(vec![continuation]),
    };
    let refused = |status| Trouble::Refused { service: "BrowseNext", status };
    let page = wire.call(request).await?.results.into_iter().flatten().next();
    match page {
        Some(page) if !page.status_code.is_bad() => Ok(page),
        Some(page) => Err(refused(page.status_code)),
        None => Err(refused(StatusCode::BadUnknownResponse)),
    }
}

/// Gives a continuation point back; servers have few of them.
pub(crate) async fn release(wire: &Wire, continuation: ByteString) -> Result<(), Trouble> {
    if continuation.is_null_or_empty() {
        return Ok(());
    }
    let request = BrowseNextRequest {
        request_header: RequestHeader::dummy(),
        release_continuation_points: true,
        continuation_points: Some(vec![continuation]),
    };
    wire.call(request).await.map(drop)
}

/// The first variables below Objects that are not the server's own, breadth first.
pub(crate) async fn first_variables(wire: &Wire, most: usize) -> Result<Vec<NodeId>, Trouble> {
    /// Folders that are opened in search of them.
    const FOLDERS_MAX: usize = 200;
    let mut open = VecDeque::from([NodeId::objects_folder_id()]);
    let mut seen = HashSet::from([NodeId::objects_folder_id()]);
    let mut found = Vec::new();
    for _ in 0..FOLDERS_MAX {
        let Some(folder) = open.pop_front() else { break };
        let page = first_page(wire, &folder, below()).await?;
        release(wire, page.continuation_point).await?;
        for reference in page.references.unwrap_or_default() {
            let id = reference.node_id.node_id;
            match reference.node_class {
                NodeClass::Variable if found.len() < most => found.push(id),
                NodeClass::Object if id != ObjectId::Server && seen.insert(id.clone()) => {
                    open.push_back(id);
                }
                _ => {}
            }
        }
        if found.len() >= most {
            break;
        }
    }
    Ok(found)
}
