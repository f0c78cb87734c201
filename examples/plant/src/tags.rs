//! What a device of named values gives and takes: all properties of its machine, in the units of the asset type.

use std::sync::PoisonError;
use std::time::Duration;

use driver_opcua::sim as opcua;
use sdk::Clock;
use types::{Time, Value};

use crate::manifest::Row;
use crate::plant::Refused;
use crate::registers::SharedPlant;

/// How often a server's values follow the plant, and the plant what clients wrote.
const MIRROR_EVERY: Duration = Duration::from_millis(200);
/// How often what did not change is shown again. The server's library puts a change aside that comes within the sampling
/// interval of the one before, and remembers it only when the value is touched again: a last change would never arrive.
const SHOW_AGAIN_EVERY: Duration = Duration::from_secs(1);

/// The named values of one device.
#[derive(Clone)]
pub(crate) struct Tags {
    plant: SharedPlant,
    rows: Vec<Row>,
}

impl Tags {
    /// Of these rows; those that the plant does not know are left out.
    pub(crate) fn new(mut rows: Vec<Row>, plant: SharedPlant) -> Tags {
        {
            let plant = plant.lock().unwrap_or_else(PoisonError::into_inner);
            rows.retain(|row| plant.read(&row.asset, &row.property.key).is_some());
        }
        Tags { plant, rows }
    }

    /// All of them, in the order of the rows, from one moment of the plant.
    fn all(&self) -> Vec<(String, Value)> {
        // A panic elsewhere leaves a plant between two steps, which is still readable.
        let plant = self.plant.lock().unwrap_or_else(PoisonError::into_inner);
        let value = |row: &Row| Some((row.name.clone(), plant.read(&row.asset, &row.property.key)?));
        self.rows.iter().filter_map(value).collect()
    }

    fn set(&self, name: &str, value: f64) -> Result<(), Refused> {
        let aimed = |row: &&Row| row.name == name && row.property.write.is_some();
        let row = self.rows.iter().find(aimed).ok_or(Refused::Unknown)?;
        let mut plant = self.plant.lock().unwrap_or_else(PoisonError::into_inner);
        plant.write(&row.asset, &row.property.key, value)
    }
}

/// As an OPC UA server shows them, in a folder of the machine.
impl Tags {
    fn node_name(row: &Row) -> String {
        format!("{}/{}", row.asset, row.name)
    }

    pub(crate) fn nodes(&self) -> Vec<opcua::Node> {
        let node = |(row, (_, value)): (&Row, (String, Value))| opcua::Node {
            name: Tags::node_name(row),
            value,
            unit: row.unit.code.into(),
            writable: row.property.write.is_some(),
        };
        self.rows.iter().zip(self.all()).map(node).collect()
    }

    /// Keeps plant and server alike; never ends.
    pub(crate) async fn mirror(&self, server: &opcua::Plant, clock: &Clock) {
        let mut shown = self.all();
        let mut show_again_at = clock.monotonic() + SHOW_AGAIN_EVERY;
        loop {
            clock.sleep(MIRROR_EVERY).await;
            self.take_writes(server, &shown);
            let now = self.all();
            let again = clock.monotonic() >= show_again_at;
            for ((row, (_, value)), (_, before)) in self.rows.iter().zip(&now).zip(&shown) {
                let node = Tags::node_name(row);
                // What a client has just written is not written over.
                if value != before || (again && server.get(&node).as_ref() == Some(value)) {
                    server.set(&node, value);
                }
            }
            if again {
                show_again_at = clock.monotonic() + SHOW_AGAIN_EVERY;
            }
            shown = now;
        }
    }

    /// What a client wrote goes to the machine; what the machine refuses is shown as it was.
    fn take_writes(&self, server: &opcua::Plant, shown: &[(String, Value)]) {
        for (row, (name, before)) in
            self.rows.iter().zip(shown).filter(|(row, _)| row.property.write.is_some())
        {
            let node = Tags::node_name(row);
            let Some(written) = server.get(&node).filter(|written| written != before) else { continue };
            let taken = written.as_f64().is_some_and(|value| self.set(name, value).is_ok());
            if !taken {
                server.set(&node, before);
            }
        }
    }
}

impl driver_mqtt::sim::Machine for Tags {
    fn values(&mut self, _: Time) -> Vec<(String, Value)> {
        self.all()
    }
    fn take(&mut self, name: &str, raw: &str) -> Result<(), String> {
        let value = raw.trim().parse().map_err(|_| format!("`{raw}` is no number"))?;
        self.set(name, value).map_err(|refused| match refused {
            Refused::Unknown => format!("there is no set-point `{name}`"),
            Refused::OutOfRange => format!("{value} is outside what the machine takes"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::Link;
    use crate::manifest::Manifest;
    use crate::plant::Plant;
    use driver_mqtt::sim::Machine;
    use std::sync::{Arc, Mutex};

    #[test]
    fn every_row_is_served_under_its_address_with_the_physical_value() {
        let manifest = Manifest::load().unwrap();
        let plant: SharedPlant = Arc::new(Mutex::new(Plant::new(5)));
        let now: Time = "2026-11-21T02:00:00Z".parse().unwrap();
        plant.lock().unwrap().step(Duration::from_secs(1), now);
        let mut seen = 0;
        for device in manifest.devices.iter().filter(|d| !matches!(d.link, Link::Modbus { .. })) {
            let rows = manifest.rows(device).unwrap();
            let mut tags = Tags::new(rows.clone(), plant.clone());
            let served: Vec<(String, Value)> = match &device.link {
                Link::Opcua { .. } => {
                    tags.nodes().into_iter().map(|n| (format!("s={}", n.name), n.value)).collect()
                }
                _ => tags.values(now).into_iter().map(|(name, v)| (format!("telemetry:{name}"), v)).collect(),
            };
            assert_eq!(served.len(), rows.len(), "{}", device.key);
            for (row, (place, value)) in rows.iter().zip(served) {
                let truth = plant.lock().unwrap().read(&row.asset, &row.property.key);
                let at = row.address.split(' ').next().unwrap();
                assert!(at == place || at.ends_with(&format!(";{place}")), "{at} for {place}");
                assert_eq!((Some(&value), value.value_type()), (truth.as_ref(), row.value_type), "{at}");
                seen += 1;
            }
        }
        assert!(seen >= 2 * 18 + 4 * 20, "{seen}");
    }

    #[test]
    fn set_points_are_taken_in_range_and_nothing_else_is() {
        let manifest = Manifest::load().unwrap();
        let plant: SharedPlant = Arc::new(Mutex::new(Plant::new(5)));
        let device = manifest.devices.iter().find(|device| device.key == "mill2").unwrap();
        let mut tags = Tags::new(manifest.rows(device).unwrap(), plant.clone());
        assert_eq!(tags.take("feed_override", "75"), Ok(()));
        assert_eq!(plant.lock().unwrap().read("mill2", "feed_override"), Some(Value::F64(75.0)));
        for (name, raw) in [("feed_override", "500"), ("feed_override", "fast"), ("power", "1"), ("", "1")] {
            assert!(tags.take(name, raw).is_err(), "{name} {raw}");
        }
        assert_eq!(plant.lock().unwrap().read("mill2", "feed_override"), Some(Value::F64(75.0)));
    }
}
