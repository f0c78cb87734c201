//! Makes the demo's organisation and enters the simulated plant into the plant model, as an engineer would.

use access::{LinkFor, Role, Secret};
use sdk::{DoorInput, DoorState};
use std::{collections::HashMap, time::Duration};
use types::{CataloguedPoint, Fault, ObjectId, OrgId, Query};

use crate::node::Node;

mod rules;

const ACTOR: &str = "demo";
/// The driver whose door the demo opens.
const BROKER: &str = "mqtt";
/// A door that is not open after so long will not be.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Where a device is, in its driver's config.
const PLACES: [&str; 2] = ["port", "endpoint_url"];

/// One-time link tokens.
pub(crate) struct Links {
    pub(crate) engineer: Secret,
    pub(crate) admin: Secret,
}

/// The demo's organisation.
pub(crate) async fn organisation(node: &Node) -> Result<OrgId, String> {
    if let Some((org, _)) = node.access.organisations().into_iter().next() {
        return Ok(org);
    }
    let org = node.access.create_organisation(ACTOR, "演示工厂 Demo Works").await.map_err(text)?;
    node.runtime.start_apps(org);
    Ok(org)
}

/// Opens the broker on this machine at a port, 0 for a free one, and gives the port. What else people set stays.
pub(crate) async fn open_broker(node: &Node, org: OrgId, port: u16) -> Result<u16, String> {
    let broker = async || {
        let doors = node.runtime.doors(org).await.map_err(text)?;
        doors.into_iter().find(|door| door.id == BROKER).ok_or("this build has no MQTT broker".to_string())
    };
    let mut config = broker().await?.setting.config;
    config["listen"] = format!("127.0.0.1:{port}").into();
    node.runtime.set_door(org, ACTOR, BROKER, DoorInput { enabled: true, config }).await.map_err(texts)?;
    let clock = node.runtime.clock();
    let open = async {
        loop {
            let door = broker().await?;
            let local = |address: &String| {
                address.parse().ok().filter(|a: &std::net::SocketAddr| a.ip().is_loopback())
            };
            match (door.state, door.listening.iter().find_map(local), door.fault) {
                (DoorState::Open, Some(address), _) => return Ok(address.port()),
                (_, _, Some(fault)) => {
                    return Err(format!("{fault}; or choose another port with --mqtt-port"));
                }
                _ => clock.sleep(LOOK_EVERY).await,
            }
        }
    };
    clock.timeout(OPEN_WITHIN, open).await.unwrap_or(Err("the MQTT broker does not open: see the log".into()))
}

/// Everything there, once; at a later start only what moved.
pub(crate) async fn provision(
    node: &Node,
    org: OrgId,
    ports: &example_plant::Ports,
) -> Result<Links, String> {
    let model = example_plant::model(ports).map_err(|e| e.to_string())?;
    let devices = all_devices(node, org).await?;
    if devices.is_empty() {
        enter(node, org, model).await.map_err(texts)?;
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
fn texts(faults: Vec<Fault>) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
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
    let planned: HashMap<String, types::Device> =
        model.devices.into_iter().map(|d| (d.device.name.clone(), d.device)).collect();
    for mut device in devices {
        let Some(planned) = planned.get(&device.body.name).filter(|p| p.driver == device.body.driver) else {
            continue;
        };
        let before = device.body.config.clone();
        for place in PLACES {
            if let Some(now) = planned.config.get(place) {
                device.body.config[place] = now.clone();
            }
        }
        if device.body.config != before {
            node.plant.update_device(org, ACTOR, device.id, None, device.body).await.map_err(texts)?;
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
    let points: Vec<CataloguedPoint> = plant.create_points(org, ACTOR, points.collect()).await?;
    rules::enter(node, org, &points, model.rules).await
}
