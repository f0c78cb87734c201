//! What a device answers: its register map over the living plant.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use driver_modbus::address::Address;
use driver_modbus::pdu::{Exception, Table};
use driver_modbus::sim::Registers;
use driver_modbus::value::{Encoding, decode, encode};
use types::{Value, ValueType};

use crate::entries::Link;
use crate::manifest::{Hole, Manifest, ManifestError, Row};
use crate::plant::{Plant, Refused};

/// The plant, shared by the clock and the servers.
pub(crate) type SharedPlant = Arc<Mutex<Plant>>;

/// One device's registers.
pub(crate) struct RegisterMap {
    rows: Vec<(Row, Address)>,
    holes: Vec<Hole>,
    /// First and last address that the device knows, by table.
    known: BTreeMap<Table, (u16, u16)>,
}

impl RegisterMap {
    pub(crate) fn new(rows: Vec<Row>, holes: Vec<Hole>) -> RegisterMap {
        let placed = |row: Row| row.register.map(|at| (row, at));
        let rows: Vec<(Row, Address)> = rows.into_iter().filter_map(placed).collect();
        let mut known = BTreeMap::new();
        for (_, at) in &rows {
            let (first, last) = cells(*at);
            let (low, high) = known.entry(at.table).or_insert((first, last));
            *low = first.min(*low);
            *high = last.max(*high);
        }
        RegisterMap { rows, holes, known }
    }

    /// All cells come from one moment of the plant. Cells between rows read 0; holes and what lies outside are refused.
    fn read(&self, plant: &Plant, table: Table, start: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let beyond_first = count.checked_sub(1).ok_or(Exception::ILLEGAL_VALUE)?;
        let last = start.checked_add(beyond_first).ok_or(Exception::ILLEGAL_ADDRESS)?;
        let known = self.known.get(&table).is_some_and(|(low, high)| *low <= start && last <= *high);
        let in_hole = |(of, from, to): &Hole| *of == table && start <= *to && *from <= last;
        if !known || self.holes.iter().any(in_hole) {
            return Err(Exception::ILLEGAL_ADDRESS);
        }
        let mut out = vec![0; usize::from(count)];
        for (row, place) in self.rows.iter().filter(|(_, place)| place.table == table) {
            let (first, end) = cells(*place);
            if end < start || last < first {
                continue;
            }
            let words = words(row, *place, plant).ok_or(Exception::DEVICE_FAILURE)?;
            for (at, word) in (first..).zip(words) {
                if (start..=last).contains(&at) {
                    out[usize::from(at - start)] = word;
                }
            }
        }
        Ok(out)
    }

    /// Takes exactly one set-point: the machines have none that belong together.
    fn write(&self, plant: &mut Plant, table: Table, start: u16, words: &[u16]) -> Result<(), Exception> {
        let aimed = |(row, place): &&(Row, Address)| {
            row.property.write.is_some() && place.table == table && place.start == start
        };
        let (row, place) = self.rows.iter().find(aimed).ok_or(Exception::ILLEGAL_ADDRESS)?;
        if words.len() != usize::from(place.encoding.cells()) {
            return Err(Exception::ILLEGAL_ADDRESS);
        }
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let raw = decode(&bytes, place.encoding, place.order).ok().and_then(|v| v.as_f64());
        let shown = raw.ok_or(Exception::ILLEGAL_VALUE)? * row.gain.unwrap_or(1.0);
        let value = row.unit.convert(shown, row.simulated).ok_or(Exception::DEVICE_FAILURE)?;
        plant.write(&row.asset, &row.property.key, settled(value)).map_err(|refused| match refused {
            Refused::OutOfRange => Exception::ILLEGAL_VALUE,
            Refused::Unknown => Exception::DEVICE_FAILURE,
        })
    }
}

/// Without the last bits that a conversion leaves, so that 0.55 MPa is 5.5 bar and not just below.
fn settled(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn cells(place: Address) -> (u16, u16) {
    (place.start, place.start.saturating_add(place.encoding.cells().saturating_sub(1)))
}

fn words(row: &Row, place: Address, plant: &Plant) -> Option<Vec<u16>> {
    let value = plant.read(&row.asset, &row.property.key)?;
    encode(&native(row, place.encoding, value)?, place.encoding, place.order).ok()
}

/// The simulated value as the register holds it; numbers beyond its width stop at its ends, as in a real device.
pub(crate) fn native(row: &Row, encoding: Encoding, value: Value) -> Option<Value> {
    let wanted = encoding.value_type();
    let as_it_is = row.gain.is_none() && row.unit.code == row.simulated.code;
    if as_it_is && value.value_type() == wanted && wanted != ValueType::U64 {
        return Some(value);
    }
    let bits = u32::from(encoding.cells()) * 16;
    let unsigned_max = u64::MAX >> (64 - bits.min(64));
    if as_it_is && let (Value::U64(count), ValueType::U64) = (&value, wanted) {
        return Some(Value::U64((*count).min(unsigned_max)));
    }
    let shown = row.simulated.convert(value.as_f64()?, row.unit)?;
    let raw = shown / row.gain.unwrap_or(1.0);
    Some(match (encoding, wanted) {
        (Encoding::Number(_), ValueType::F32) => Value::F32(raw as f32),
        (Encoding::Number(_), ValueType::F64) => Value::F64(raw),
        // A float becomes an integer by saturating, so the clamp only has to know the width.
        (Encoding::Number(_), ValueType::U64) => Value::U64((raw.round() as u64).min(unsigned_max)),
        (Encoding::Number(_), ValueType::I64) => {
            let max = (unsigned_max / 2) as i64;
            Value::I64((raw.round() as i64).clamp(-max - 1, max))
        }
        _ => return None,
    })
}

/// The devices behind one TCP port, by unit id.
pub(crate) struct Endpoint {
    plant: SharedPlant,
    units: BTreeMap<u8, RegisterMap>,
}

impl Endpoint {
    pub(crate) fn new(manifest: &Manifest, key: &str, plant: SharedPlant) -> Result<Endpoint, ManifestError> {
        let mut units = BTreeMap::new();
        for device in &manifest.devices {
            if let Link::Modbus { endpoint, unit_id, .. } = &device.link
                && endpoint == key
            {
                units.insert(*unit_id, RegisterMap::new(manifest.rows(device)?, manifest.holes(device)?));
            }
        }
        Ok(Endpoint { plant, units })
    }

    fn unit(&self, unit: u8) -> Result<&RegisterMap, Exception> {
        self.units.get(&unit).ok_or(Exception::GATEWAY_TARGET)
    }
}

impl Registers for Endpoint {
    fn answers(&self, unit: u8) -> bool {
        self.units.contains_key(&unit)
    }
    fn read(&self, unit: u8, table: Table, start: u16, count: u16) -> Result<Vec<u16>, Exception> {
        // A panic elsewhere leaves a plant between two steps, which is still readable.
        let plant = self.plant.lock().unwrap_or_else(PoisonError::into_inner);
        self.unit(unit)?.read(&plant, table, start, count)
    }
    fn write(&self, unit: u8, table: Table, start: u16, values: &[u16]) -> Result<(), Exception> {
        let mut plant = self.plant.lock().unwrap_or_else(PoisonError::into_inner);
        self.unit(unit)?.write(&mut plant, table, start, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::DeviceEntry;
    use proptest::prelude::*;
    use std::time::Duration;
    use types::Unit;

    fn plant() -> SharedPlant {
        let mut plant = Plant::new(21);
        let start: types::Time = "2026-11-21T02:00:00Z".parse().unwrap();
        for second in 1..1_200 {
            plant.step(Duration::from_secs(1), start.plus(Duration::from_secs(second)));
        }
        Arc::new(Mutex::new(plant))
    }

    /// Endpoint, unit id and entry of every device of registers.
    fn units(manifest: &Manifest) -> Vec<(&str, u8, &DeviceEntry)> {
        let unit = |device: &'_ DeviceEntry| match &device.link {
            Link::Modbus { unit_id, .. } => Some(*unit_id),
            _ => None,
        };
        let found = |device| Some((DeviceEntry::endpoint(device)?, unit(device)?, device));
        manifest.devices.iter().filter_map(found).collect()
    }

    /// A second opinion on what the words say, from the notation alone, sharing nothing with the driver.
    fn decoded(words: &[u16], notation: &str) -> Result<f64, String> {
        let said: Vec<&str> = notation.split_whitespace().collect();
        let mut words = words.to_vec();
        match said.as_slice() {
            [_bit] => return Ok(f64::from(words[0])),
            [_, "string", length, order @ ..] => {
                let pair = |w: u16| if order.contains(&"ba") { w.to_le_bytes() } else { w.to_be_bytes() };
                let bytes: Vec<u8> = words.into_iter().flat_map(pair).collect();
                let text = String::from_utf8(bytes[..length.parse::<usize>().unwrap()].to_vec()).unwrap();
                return Err(text.trim_end_matches('\0').to_string());
            }
            [.., "cdab"] => words.reverse(),
            _ => {}
        }
        let bits = words.iter().fold(0_u64, |all, word| all << 16 | u64::from(*word));
        Ok(match said[1] {
            "uint16" | "uint32" | "uint64" => bits as f64,
            "int16" => f64::from(bits as u16 as i16),
            "int32" => f64::from(bits as u32 as i32),
            "float32" => f64::from(f32::from_bits(bits as u32)),
            "float64" => f64::from_bits(bits),
            other => panic!("the second opinion knows no {other}"),
        })
    }

    #[test]
    fn every_row_serves_the_physical_value() {
        let manifest = Manifest::load().unwrap();
        let shared = plant();
        let mut rows_seen = 0;
        for (key, unit_id, device) in units(&manifest) {
            let endpoint = Endpoint::new(&manifest, key, shared.clone()).unwrap();
            for row in manifest.rows(device).unwrap() {
                let at = row.register.unwrap();
                let words = endpoint.read(unit_id, at.table, at.start, at.encoding.cells());
                let words = words.unwrap_or_else(|e| panic!("{} {}: {e}", device.key, row.address));
                let truth = shared.lock().unwrap().read(&row.asset, &row.property.key);
                let truth = truth.unwrap_or_else(|| panic!("{}.{}", row.asset, row.property.key));
                rows_seen += 1;
                match (decoded(&words, &row.address), truth) {
                    (Err(text), Value::String(truth)) => assert_eq!(text, *truth),
                    (Ok(raw), truth) => {
                        let gain = row.gain.unwrap_or(1.0);
                        let truth = row.simulated.convert(truth.as_f64().unwrap(), row.unit).unwrap();
                        let float = row.address.contains("float");
                        let allowed = if float { truth.abs() * 1e-6 } else { 0.500_001 * gain };
                        assert!((raw * gain - truth).abs() <= allowed, "{}: {raw} for {truth}", row.name);
                    }
                    (text, truth) => panic!("{}: {text:?} for {truth:?}", row.name),
                }
            }
        }
        assert!(rows_seen > 150, "{rows_seen}");
    }

    #[test]
    fn holes_are_refused_and_gaps_read_zero() {
        let manifest = Manifest::load().unwrap();
        let lathes = Endpoint::new(&manifest, "lathes", plant()).unwrap();
        let read = |start, count| lathes.read(1, Table::InputRegisters, start, count);
        assert_eq!(read(5, 4), Ok(vec![0; 4]), "a gap");
        assert_eq!(read(30, 1), Err(Exception::ILLEGAL_ADDRESS));
        assert_eq!(read(24, 20), Err(Exception::ILLEGAL_ADDRESS), "across a hole");
        assert_eq!(read(69, 1).map(|words| words.len()), Ok(1), "the last register");
        assert_eq!(read(69, 2), Err(Exception::ILLEGAL_ADDRESS), "past the end");
        assert_eq!(read(u16::MAX, 2), Err(Exception::ILLEGAL_ADDRESS));
        assert_eq!(lathes.read(3, Table::InputRegisters, 0, 1), Err(Exception::GATEWAY_TARGET));
        assert!(lathes.answers(2) && !lathes.answers(3));
    }

    #[test]
    fn writes_reach_set_points_only_whole_and_in_range() {
        let manifest = Manifest::load().unwrap();
        let shared = plant();
        let holding = Table::HoldingRegisters;
        let water = Endpoint::new(&manifest, "water", shared.clone()).unwrap();
        let [high, low] = [1_400.0_f32.to_bits() >> 16, 1_400.0_f32.to_bits() & 0xFFFF].map(|w| w as u16);
        assert_eq!(water.write(1, holding, 40, &[low, high]), Ok(()));
        assert_eq!(shared.lock().unwrap().read("pump1", "speed_setpoint"), Some(Value::F64(1_400.0)));
        assert_eq!(water.write(1, holding, 40, &[low]), Err(Exception::ILLEGAL_ADDRESS), "half a float");
        assert_eq!(water.write(1, holding, 0, &[low, high]), Err(Exception::ILLEGAL_ADDRESS), "read-only");
        assert_eq!(water.read(1, holding, 40, 0), Err(Exception::ILLEGAL_VALUE), "nothing");
        assert_eq!(water.write(1, holding, 40, &[0, 0x7FC0]), Err(Exception::ILLEGAL_VALUE), "not a number");
        let compressors = Endpoint::new(&manifest, "compressors", shared.clone()).unwrap();
        // 0.550 MPa, the lowest the controller takes, which is 5.5 bar.
        assert_eq!(compressors.write(2, holding, 40, &[550]), Ok(()));
        assert_eq!(shared.lock().unwrap().read("comp2", "pressure_setpoint"), Some(Value::F64(5.5)));
        assert_eq!(compressors.write(2, holding, 40, &[549]), Err(Exception::ILLEGAL_VALUE));
    }

    #[test]
    fn a_register_that_is_too_small_stops_at_its_end() {
        let manifest = Manifest::load().unwrap();
        let device = manifest.devices.iter().find(|device| device.key == "washer").unwrap();
        let row = |name: &str| manifest.rows(device).unwrap().into_iter().find(|r| r.name == name).unwrap();
        let held = |name: &str, value| {
            let row = row(name);
            native(&row, row.register.unwrap().encoding, value)
        };
        assert_eq!(held("power", Value::F64(1e9)), Some(Value::I64(32_767)));
        assert_eq!(held("power", Value::F64(-1e9)), Some(Value::I64(-32_768)));
        assert_eq!(held("cycle_time", Value::F64(-1.0)), Some(Value::U64(0)));
        assert_eq!(held("infeed_parts", Value::U64(70_000)), Some(Value::U64(65_535)));
        assert_eq!(held("power", Value::String("x".into())), None);
        assert_eq!(row("power").unit.code, Unit::parse("kW").unwrap().code);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_request_makes_it_panic_or_answer_another_count(
            table in 0..4_usize, start: u16, count: u16, words in proptest::collection::vec(any::<u16>(), 0..8)
        ) {
            let manifest = Manifest::load().unwrap();
            let shared = Arc::new(Mutex::new(Plant::new(1)));
            for (key, unit_id, _) in units(&manifest) {
                let endpoint = Endpoint::new(&manifest, key, shared.clone()).unwrap();
                for start in [start, start % 256] {
                    if let Ok(read) = endpoint.read(unit_id, Table::ALL[table], start, count % 300) {
                        prop_assert_eq!(read.len(), usize::from(count % 300));
                    }
                    let _taken_or_not = endpoint.write(unit_id, Table::ALL[table], start, &words);
                }
            }
        }
    }
}
