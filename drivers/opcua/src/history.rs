//! Gaps filled from the server's own history (OPC 10000-11: raw values, continuation points), slowly and within bounds.

use opcua::types::*;
use sdk::{BoundPoint, Outbox};
use std::{sync::Arc, time::Duration};
use types::{Section, Time};

use crate::{
    facts::{Limits, attribute_of, read},
    fault::Trouble,
    rows::Gap,
    subscription::Watch,
    value,
    wire::Wire,
};

/// Values of one answer.
const PAGE_ROWS: u32 = 1_000;
/// Values of one gap; the newest gap matters most, so what is older than these many is left out.
const GAP_ROWS_MAX: usize = 100_000;
/// How far back a gap is filled.
const SPAN_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Fills gaps one after the other. That a server has no history, or none of a node, is no fault.
pub(crate) async fn fill(
    wire: Arc<Wire>,
    limits: Limits,
    outbox: Outbox,
    gaps: Vec<(Gap, Watch, BoundPoint)>,
) {
    let ended = async {
        let asked: Vec<ReadValueId> = gaps
            .iter()
            .map(|(_, watch, _)| attribute_of(watch.node.clone(), AttributeId::Historizing))
            .collect();
        let kept = read(&wire, &asked, limits.read).await?;
        for ((gap, watch, point), kept) in gaps.iter().zip(kept) {
            if kept.value == Some(Variant::Boolean(true)) {
                one(&wire, &outbox, gap, watch, point).await?;
            }
        }
        Ok::<(), Trouble>(())
    };
    if let Err(trouble) = ended.await {
        tracing::debug!(?trouble, "gaps were not filled from the server's history");
    }
}

async fn one(
    wire: &Wire,
    outbox: &Outbox,
    gap: &Gap,
    watch: &Watch,
    point: &BoundPoint,
) -> Result<(), Trouble> {
    let from = gap.from.max(gap.to.minus(SPAN_MAX));
    let mut continuation = ByteString::null();
    let mut rows = 0;
    loop {
        let done = rows >= GAP_ROWS_MAX;
        let response = wire.call(request(watch, from, gap.to, continuation, done)).await?;
        let Some(result) = response.results.into_iter().flatten().next().filter(|_| !done) else {
            return Ok(());
        };
        if result.status_code.is_bad() {
            return Ok(());
        }
        let Some(history) = result.history_data.into_inner_as::<HistoryData>() else { return Ok(()) };
        let values = history.data_values.unwrap_or_default();
        rows += values.len();
        let sections = sections(&values, gap, point, from, element(watch));
        if !sections.is_empty()
            && let Err(fault) = outbox.backfill(sections).await
        {
            tracing::warn!(%fault, "rows from the server's history were not stored");
            return Ok(());
        }
        continuation = result.continuation_point;
        if continuation.is_null_or_empty() {
            return Ok(());
        }
    }
}

fn request(
    watch: &Watch,
    from: Time,
    to: Time,
    continuation_point: ByteString,
    release: bool,
) -> HistoryReadRequest {
    let details = ReadRawModifiedDetails {
        is_read_modified: false,
        start_time: value::date_time(from),
        end_time: value::date_time(to),
        num_values_per_node: PAGE_ROWS,
        return_bounds: false,
    };
    HistoryReadRequest {
        request_header: RequestHeader::dummy(),
        history_read_details: ExtensionObject::from_message(details),
        timestamps_to_return: TimestampsToReturn::Both,
        release_continuation_points: release,
        nodes_to_read: Some(vec![HistoryReadValueId {
            node_id: watch.node.clone(),
            index_range: watch.range.clone(),
            data_encoding: QualifiedName::null(),
            continuation_point,
        }]),
    }
}

fn element(watch: &Watch) -> Option<u32> {
    match watch.range {
        NumericRange::Index(index) => Some(index),
        _ => None,
    }
}

/// The rows that lie inside the gap: its ends are stored already.
fn sections(
    values: &[DataValue],
    gap: &Gap,
    point: &BoundPoint,
    from: Time,
    element: Option<u32>,
) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for data in values {
        let Some(time) = data.source_timestamp.as_ref().and_then(value::time) else { continue };
        if time <= from || time >= gap.to {
            continue;
        }
        let data = value::element_of(data, element);
        let (value, quality) = value::shown(&data, point.scaling, point.value_type);
        let of = value.as_ref().map(types::Value::value_type);
        let at = sections.iter().position(|section| section.values.value_type() == of).unwrap_or_else(|| {
            sections.push(Section::empty(of));
            sections.len() - 1
        });
        sections[at].push(point.id, time, value, quality);
    }
    sections
}
