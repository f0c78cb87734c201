//! Makes the demo's organisation and enters the simulated plant into the plant model, as an engineer would.

use access::{LinkFor, Role, Secret};
use std::collections::HashMap;
use types::{Fault, ObjectId, OrgId, Query};

use crate::node::Node;

const ACTOR: &str = "demo";

/// One-time link tokens.
pub(crate) struct Links {
    pub(crate) engineer: Secret,
    pub(crate) admin: Secret,
}

/// Everything there, once; at a later start only what moved.
pub(crate) async fn provision(node: &Node, ports: &example_plant::Ports) -> Result<Links, String> {
    let model = example_plant::model(ports).map_err(|e| e.to_string())?;
    let org = match node.access.organisations().into_iter().next() {
        Some((org, _)) => org,
        None => node.access.create_organisation(ACTOR, "演示工厂 Demo Works").await.map_err(text)?,
    };
    let devices = all_devices(node, org).await?;
    if devices.is_empty() {
        enter(node, org, model)
            .await
            .map_err(|faults| faults.iter().map(text_ref).collect::<Vec<_>>().join("\n"))?;
    } else {
        follow_ports(node, org, devices, model).await?;
    }
    let engineer = node.access.create_link(org, ACTOR, LinkFor::Demo(Role::Engineer)).await.map_err(text)?;
    let admin = node.access.create_link(org, ACTOR, LinkFor::Demo(Role::Admin)).await.map_err(text)?;
    Ok(Links { engineer, admin })
}

fn text(fault: Fault) -> String {
    fault.to_string()
}
fn text_ref(fault: &Fault) -> String {
    fault.to_string()
}

async fn all_devices(node: &Node, org: OrgId) -> Result<Vec<types::Stored<types::Device>>, String> {
    let all = Query { limit: Query::LIMIT_MAX, ..Query::default() };
    Ok(node.plant.devices(org, all).await.map_err(text)?.items)
}

/// The plant may listen elsewhere than last time.
async fn follow_ports(
    node: &Node,
    org: OrgId,
    devices: Vec<types::Stored<types::Device>>,
    model: example_plant::Model,
) -> Result<(), String> {
    let configs: HashMap<String, serde_json::Value> =
        model.devices.into_iter().map(|d| (d.device.name, d.device.config)).collect();
    for mut device in devices {
        let Some(config) = configs.get(&device.body.name) else { continue };
        if device.body.config["port"] != config["port"] {
            device.body.config["port"] = config["port"].clone();
            let changed = node.plant.update_device(org, ACTOR, device.id, None, device.body).await;
            changed.map_err(|faults| faults.iter().map(text_ref).collect::<Vec<_>>().join("\n"))?;
        }
    }
    Ok(())
}

async fn enter(node: &Node, org: OrgId, model: example_plant::Model) -> Result<(), Vec<Fault>> {
    let plant = &node.plant;
    let mut types: HashMap<String, ObjectId> = HashMap::new();
    for asset_type in model.types {
        let made = plant.create_asset_type(org, ACTOR, asset_type).await?;
        types.insert(made.body.key, made.id);
    }
    let mut places: HashMap<String, ObjectId> = HashMap::new();
    for place in model.places {
        let mut asset = place.asset;
        asset.parent = place.parent.and_then(|key| places.get(&key).copied());
        asset.asset_type = place.asset_type.and_then(|key| types.get(&key).copied());
        let made = plant.create_asset(org, ACTOR, asset).await?;
        places.insert(place.key, made.id);
    }
    let mut devices: HashMap<String, ObjectId> = HashMap::new();
    for device in model.devices {
        let made = plant.create_device(org, ACTOR, device.device).await?;
        devices.insert(device.key, made.id);
    }
    let points = model.points.into_iter().map(|entry| {
        let mut point = entry.point;
        point.device = devices.get(&entry.device).copied();
        point.asset = places.get(&entry.asset).copied();
        point
    });
    plant.create_points(org, ACTOR, points.collect()).await?;
    Ok(())
}
