//! Subscriptions at the server: making them, asking for what was missed, moving them into another session.

use opcua::types::*;
use std::time::Duration;
use types::Quality;

use crate::{
    config::{Config, Report},
    facts::{Limits, is_too_much},
    fault::Trouble,
    value,
    wire::Wire,
};

/// How often a server says that it is there when nothing changes.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long a server keeps a subscription that nobody asks for.
const LIFETIME: Duration = Duration::from_secs(60);
/// Values of one notification; the server sends the rest right after.
const NOTIFICATIONS_MAX: u32 = 10_000;
/// Messages asked for again after a break. More do not fit a server's memory anyhow.
const REPUBLISHED_MAX: usize = 1_000;
/// Values a server keeps of one point, whatever period and publishing interval are.
const QUEUE_MAX: u32 = 10_000;

/// One subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: u32,
    /// Items of the device.
    pub(crate) items: Vec<u32>,
    /// The longest silence of a server that is well.
    pub(crate) keep_alive: Duration,
    /// Of the newest message; `None` before the first.
    pub(crate) sequence: Option<u32>,
    /// When it was last heard of, on the steady clock.
    pub(crate) heard: Duration,
}

/// What to watch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Watch {
    pub(crate) item: u32,
    pub(crate) node: NodeId,
    pub(crate) range: NumericRange,
    pub(crate) period_ms: u32,
}

/// What the server said to one item.
pub(crate) enum Watched {
    Yes,
    /// It may be read, but not watched.
    NotWatchable,
    /// It cannot be had.
    Refused(Quality),
}

/// Makes a subscription without items.
pub(crate) async fn create(wire: &Wire, config: &Config) -> Result<Subscription, Trouble> {
    let interval_ms = f64::from(config.publishing_interval_ms);
    let count = |span: Duration| ((span.as_secs_f64() * 1e3 / interval_ms).ceil() as u32).max(1);
    let keep_alive_count = count(KEEP_ALIVE);
    let request = CreateSubscriptionRequest {
        request_header: RequestHeader::dummy(),
        requested_publishing_interval: interval_ms,
        requested_lifetime_count: count(LIFETIME).max(3 * keep_alive_count),
        requested_max_keep_alive_count: keep_alive_count,
        max_notifications_per_publish: NOTIFICATIONS_MAX,
        publishing_enabled: true,
        priority: 0,
    };
    let response = wire.call(request).await?;
    let silence_ms =
        response.revised_publishing_interval * f64::from(response.revised_max_keep_alive_count.max(1));
    Ok(Subscription {
        id: response.subscription_id,
        items: Vec::new(),
        keep_alive: Duration::from_millis(silence_ms.clamp(100.0, 3_600_000.0) as u64),
        sequence: None,
        heard: wire.clock().monotonic(),
    })
}

/// Adds items; one answer for each, in order.
pub(crate) async fn watch(
    wire: &Wire,
    config: &Config,
    limits: &Limits,
    subscription: &mut Subscription,
    items: &[Watch],
) -> Result<Vec<Watched>, Trouble> {
    let mut answers = Vec::with_capacity(items.len());
    let mut at_once = limits.monitor.max(1);
    while answers.len() < items.len() {
        let some = &items[answers.len()..items.len().min(answers.len() + at_once)];
        let request = CreateMonitoredItemsRequest {
            request_header: RequestHeader::dummy(),
            subscription_id: subscription.id,
            timestamps_to_return: TimestampsToReturn::Both,
            items_to_create: Some(some.iter().map(|item| wanted(config, item)).collect()),
        };
        match wire.call(request).await {
            Ok(response) => {
                let results = response.results.unwrap_or_default();
                for (at, item) in some.iter().enumerate() {
                    let status =
                        results.get(at).map_or(StatusCode::BadUnknownResponse, |result| result.status_code);
                    let answer = verdict(status);
                    if matches!(answer, Watched::Yes) {
                        subscription.items.push(item.item);
                    }
                    answers.push(answer);
                }
            }
            Err(trouble) if is_too_much(&trouble) && some.len() > 1 => at_once = some.len().div_ceil(2),
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(answers)
}

fn verdict(status: StatusCode) -> Watched {
    match status {
        status if !status.is_bad() => Watched::Yes,
        StatusCode::BadTooManyMonitoredItems
        | StatusCode::BadMonitoringModeInvalid
        | StatusCode::BadMonitoredItemFilterUnsupported
        | StatusCode::BadFilterNotAllowed
        | StatusCode::BadNotSupported
        | StatusCode::BadNotImplemented
        | StatusCode::BadServiceUnsupported
        | StatusCode::BadOutOfMemory
        | StatusCode::BadResourceUnavailable
        | StatusCode::BadIndexRangeInvalid
        | StatusCode::BadIndexRangeNoData => Watched::NotWatchable,
        status => Watched::Refused(value::quality(status)),
    }
}

fn wanted(config: &Config, item: &Watch) -> MonitoredItemCreateRequest {
    let filter = match config.report {
        // Servers without filters take this one as no filter at all.
        Report::Change => ExtensionObject::null(),
        Report::EveryTimestamp => ExtensionObject::from_message(DataChangeFilter {
            trigger: DataChangeTrigger::StatusValueTimestamp,
            deadband_type: 0,
            deadband_value: 0.0,
        }),
    };
    // Twice what one publishing interval can bring, so that nothing between two hand-overs is lost.
    let samples = 2 * config.publishing_interval_ms.div_ceil(item.period_ms.max(1));
    MonitoredItemCreateRequest {
        item_to_monitor: ReadValueId {
            node_id: item.node.clone(),
            attribute_id: AttributeId::Value as u32,
            index_range: item.range.clone(),
            data_encoding: QualifiedName::null(),
        },
        monitoring_mode: MonitoringMode::Reporting,
        requested_parameters: MonitoringParameters {
            client_handle: item.item,
            sampling_interval: f64::from(item.period_ms),
            filter,
            queue_size: config.queue_size.max(samples).min(QUEUE_MAX),
            discard_oldest: true,
        },
    }
}

/// Lets go of subscriptions; that the server may not know them any more is no fault.
pub(crate) async fn delete(wire: &Wire, ids: Vec<u32>) -> Result<(), Trouble> {
    if ids.is_empty() {
        return Ok(());
    }
    let request =
        DeleteSubscriptionsRequest { request_header: RequestHeader::dummy(), subscription_ids: Some(ids) };
    match wire.call(request).await {
        Err(trouble) if trouble.is_loss() => Err(trouble),
        _ => Ok(()),
    }
}

/// Takes subscriptions of another session into this one; those that came along.
pub(crate) async fn transfer(wire: &Wire, ids: Vec<u32>) -> Result<Vec<u32>, Trouble> {
    if ids.is_empty() {
        return Ok(ids);
    }
    let request = TransferSubscriptionsRequest {
        request_header: RequestHeader::dummy(),
        subscription_ids: Some(ids.clone()),
        send_initial_values: true,
    };
    match wire.call(request).await {
        Ok(response) => {
            let results = response.results.unwrap_or_default();
            let came = |(id, result): (u32, TransferResult)| (!result.status_code.is_bad()).then_some(id);
            Ok(ids.into_iter().zip(results).filter_map(came).collect())
        }
        Err(trouble) if trouble.is_loss() => Err(trouble),
        // Many controllers do not know this service.
        Err(_) => Ok(Vec::new()),
    }
}

/// What came of asking for missed messages.
pub(crate) enum Missed {
    /// These, oldest first; there are no more.
    Messages(Vec<NotificationMessage>),
    /// The subscription itself is gone.
    Gone,
}

/// Asks for the messages from `first` on, up to but not including `end` when that is known.
pub(crate) async fn missed(wire: &Wire, id: u32, first: u32, end: Option<u32>) -> Result<Missed, Trouble> {
    let mut messages = Vec::new();
    let mut sequence = first;
    while messages.len() < REPUBLISHED_MAX && Some(sequence) != end {
        let request = RepublishRequest {
            request_header: RequestHeader::dummy(),
            subscription_id: id,
            retransmit_sequence_number: sequence,
        };
        match wire.call(request).await {
            Ok(response) => messages.push(response.notification_message),
            Err(Trouble::Refused { status: StatusCode::BadSubscriptionIdInvalid, .. }) => {
                return Ok(Missed::Gone);
            }
            Err(Trouble::Refused { status, .. }) if is_session(status) => {
                return Err(Trouble::Refused { service: "Republish", status });
            }
            // Not kept, or never sent; servers without this service end here too.
            Err(Trouble::Refused { .. }) => break,
            Err(trouble) => return Err(trouble),
        }
        sequence = next(sequence);
    }
    Ok(Missed::Messages(messages))
}

/// The sequence number after another (OPC 10000-4, 7.10: 0 is left out).
pub(crate) const fn next(sequence: u32) -> u32 {
    match sequence.wrapping_add(1) {
        0 => 1,
        next => next,
    }
}

/// Whether a sequence number comes after another, over the end of the numbers too.
pub(crate) const fn is_after(sequence: u32, last: u32) -> bool {
    sequence.wrapping_sub(last).cast_signed() > 0
}

/// The session is gone, whatever the connection is.
pub(crate) fn is_session(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BadSessionIdInvalid | StatusCode::BadSessionClosed | StatusCode::BadSessionNotActivated
    )
}
