//! What the plant model tells others. An example of each event stands in `events/`; payloads only ever gain members.
//! A device's configuration is never told: it may hold what only the device's page may show.

use serde_json::json;
use types::{Asset, AssetType, Device, EventDraft, ObjectId, Stored};

/// Points named in one event; more are told in further events of the same transaction.
pub(crate) const POINTS_PER_EVENT_MAX: usize = 5_000;

pub(crate) fn asset(name: &'static str, id: ObjectId, asset: &Asset) -> EventDraft {
    let payload = json!({"kind": asset.kind, "name": asset.name, "parent": asset.parent});
    EventDraft { name, object: id, payload }
}

pub(crate) fn asset_type(name: &'static str, id: ObjectId, body: &AssetType) -> EventDraft {
    EventDraft { name, object: id, payload: json!({"key": body.key, "name": body.name}) }
}

pub(crate) fn device(name: &'static str, id: ObjectId, device: &Device) -> EventDraft {
    let payload = json!({
        "name": device.name,
        "driver": device.driver,
        "enabled": device.enabled,
        "writes_enabled": device.writes_enabled,
        "source": device.source,
    });
    EventDraft { name, object: id, payload }
}

/// About the device, or about the first point when there is no device.
pub(crate) fn points(name: &'static str, device: Option<ObjectId>, points: &[ObjectId]) -> Vec<EventDraft> {
    let draft = |points: &[ObjectId]| EventDraft {
        name,
        object: device.unwrap_or(points[0]),
        payload: json!({"device": device, "points": points}),
    };
    points.chunks(POINTS_PER_EVENT_MAX).map(draft).collect()
}

/// Which members of a device a change touched: enough for an audit, without what they hold.
pub(crate) fn device_changed(before: &Stored<Device>, after: &Device) -> EventDraft {
    let was = &before.body;
    let members = [
        ("name", was.name != after.name),
        ("config", was.config != after.config),
        ("enabled", was.enabled != after.enabled),
        ("writes_enabled", was.writes_enabled != after.writes_enabled),
        ("limits", was.limits != after.limits),
    ];
    let changed: Vec<_> = members.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name).collect();
    let mut draft = device("device.changed.v1", before.id, after);
    draft.payload["changed"] = json!(changed);
    draft
}
