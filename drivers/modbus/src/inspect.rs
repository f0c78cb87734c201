//! Shows registers raw and in every plausible reading, so that a person who knows the value finds its type and order.

use sdk::{BoxFuture, Candidate, DeviceCounters, Inspect, Inspection, RawCell};
use std::sync::Arc;
use types::{Fault, Value};

use crate::{
    address::Address,
    config::Config,
    fault, find,
    pdu::{Exception, Reply, Request, Table, registers, unpack_bits},
    session::Session,
    value::{self, Encoding, Number, Order},
};

/// Numbers of this size are what machines measure; zero is too.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = 1e-4..=1e7;
/// The longest text that is looked for, in registers.
const TEXT_REGISTERS_MAX: usize = 16;
/// Shorter texts are mostly numbers that look like letters.
const TEXT_SURE_CHARACTERS: usize = 4;

/// Reads `inspect.cells` cells from an address and decodes them. Without an address it looks for the first registers
/// that answer.
pub(crate) async fn inspect(inspect: Inspect) -> Result<Inspection, Fault> {
    let config = Config::parse(&inspect.config).map_err(fault::first)?;
    let given = match inspect.address.trim() {
        "" => None,
        text => Some(Address::parse(text).map_err(|error| error.fault(text))?),
    };
    let counters = Arc::new(DeviceCounters::default());
    let opened = Session::open(&config, &inspect.reach, counters).await;
    let mut session = opened.map_err(|trouble| trouble.fault(&config))?;
    let (table, start) = match given {
        Some(address) => (address.table, address.start),
        None => find::first_run(&mut session, &config, &inspect.reach.clock).await?,
    };
    let count = inspect.cells.clamp(1, Inspect::CELLS_MAX);
    let end = start.saturating_add(count - 1);
    let mut reader = Reader { session, config, table, cells: Vec::new() };
    reader.read(start, end - start + 1).await?;
    Ok(show(table, start, &reader.cells))
}

struct Reader {
    session: Session,
    config: Config,
    table: Table,
    /// In order; `None` where the device has nothing.
    cells: Vec<Option<u16>>,
}

impl Reader {
    /// Reads a span, or its halves when the device refuses it.
    fn read(&mut self, start: u16, count: u16) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let cap = if self.table.is_bits() { self.config.bits_max } else { self.config.registers_max };
            if count <= cap {
                let request = Request::Read { table: self.table, start, count };
                let asked = self.session.ask_one(&request).await;
                match asked.map_err(|trouble| trouble.fault(&self.config))?.1 {
                    Reply::Data(data) if self.table.is_bits() => {
                        let bits = unpack_bits(&data).take(usize::from(count));
                        self.cells.extend(bits.map(|bit| Some(u16::from(bit))));
                        return Ok(());
                    }
                    Reply::Data(data) => {
                        self.cells.extend(registers(&data).map(Some));
                        return Ok(());
                    }
                    Reply::Refused(Exception::ILLEGAL_ADDRESS | Exception::ILLEGAL_VALUE) if count == 1 => {
                        self.cells.push(None);
                        return Ok(());
                    }
                    Reply::Refused(Exception::ILLEGAL_ADDRESS | Exception::ILLEGAL_VALUE)
                    | Reply::Written => {}
                    Reply::Refused(exception) => {
                        let what = format!("reading {}", Address::cell_name(self.table, start));
                        return Err(fault::refusal(exception, &what, &self.config));
                    }
                }
            }
            let left = count.div_ceil(2);
            self.read(start, left).await?;
            match count - left {
                0 => Ok(()),
                right => self.read(start + left, right).await,
            }
        })
    }
}

/// Every reading of every cell. Pure.
fn show(table: Table, start: u16, cells: &[Option<u16>]) -> Inspection {
    let at = |i: usize| start.saturating_add(i as u16);
    let hex = |cell: &Option<u16>| {
        cell.map(|word| if table.is_bits() { format!("{word:02x}") } else { format!("{word:04x}") })
    };
    let raw = cells
        .iter()
        .enumerate()
        .map(|(i, cell)| RawCell {
            address: Address::cell_name(table, at(i)),
            hex: hex(cell),
            ..RawCell::default()
        })
        .collect();
    let mut candidates = Vec::new();
    for i in 0..cells.len() {
        let words: Vec<u16> = cells[i..].iter().map_while(|cell| *cell).collect();
        let place = Address { table, start: at(i), encoding: Encoding::Coil, order: Order::Abcd };
        let mut readings = readings(place, &words);
        readings.sort_by_key(|r| (!r.candidate.plausible, r.rank, r.digits));
        candidates.extend(readings.into_iter().map(|r| r.candidate));
    }
    Inspection { raw, candidates }
}

/// A candidate with what decides its place in the list.
struct Reading {
    rank: u8,
    digits: usize,
    candidate: Candidate,
}

fn readings(place: Address, words: &[u16]) -> Vec<Reading> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    if bytes.is_empty() {
        return Vec::new();
    }
    if place.table.is_bits() {
        return reading(place, &bytes[1..2]).into_iter().collect();
    }
    let mut found = Vec::new();
    for number in Number::ALL {
        let orders: &[Order] = if number.registers() == 1 { &[Order::Abcd] } else { &Order::ALL };
        for order in orders {
            let address = Address { encoding: Encoding::Number(number), order: *order, ..place };
            if let Some(bytes) = bytes.get(..usize::from(number.registers()) * 2) {
                found.extend(reading(address, bytes));
            }
        }
    }
    for order in [Order::Abcd, Order::Badc] {
        found.extend(text_reading(place, &bytes, order));
    }
    found
}

/// The run of printable characters that starts here, if any.
fn text_reading(place: Address, bytes: &[u8], order: Order) -> Option<Reading> {
    let mut bytes = bytes[..bytes.len().min(TEXT_REGISTERS_MAX * 2)].to_vec();
    if order == Order::Badc {
        bytes.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
    }
    let characters = bytes.iter().take_while(|b| (0x20..0x7F).contains(*b)).count();
    let blank = bytes[..characters].iter().all(|b| *b == b' ');
    if characters < 2 || blank {
        return None;
    }
    let encoding = Encoding::Text(u8::try_from(characters).ok()?);
    let value = Value::String(std::str::from_utf8(&bytes[..characters]).ok()?.trim_end().into());
    Some(candidate(Address { encoding, order, ..place }, value))
}

fn reading(address: Address, bytes: &[u8]) -> Option<Reading> {
    value::decode(bytes, address.encoding, address.order).ok().map(|value| candidate(address, value))
}

fn candidate(address: Address, value: Value) -> Reading {
    let number = value.as_f64();
    let plausible = number.is_none_or(|v| v == 0.0 || PLAUSIBLE.contains(&v.abs()));
    let digits = value.to_string().bytes().filter(u8::is_ascii_digit).count();
    let rank = match (address.encoding, number) {
        (Encoding::Number(Number::Float32), Some(v)) if v != 0.0 => 0,
        (Encoding::Number(Number::Float64), Some(v)) if v != 0.0 => 1,
        (Encoding::Text(characters), _) if usize::from(characters) >= TEXT_SURE_CHARACTERS => 2,
        (Encoding::Number(Number::Int16 | Number::Uint16) | Encoding::Coil | Encoding::Bit(_), _) => 3,
        (Encoding::Number(Number::Int32 | Number::Uint32), _) => 4,
        (Encoding::Number(_), _) => 5,
        (Encoding::Text(_), _) => 6,
    };
    let reading = match address.encoding {
        Encoding::Coil | Encoding::Bit(_) => "bool".to_string(),
        Encoding::Number(number) if number.registers() == 1 => number.name().to_string(),
        Encoding::Number(number) => format!("{} {}", number.name(), address.order.name().to_uppercase()),
        Encoding::Text(_) if address.order == Order::Badc => "string BA".to_string(),
        Encoding::Text(_) => "string".to_string(),
    };
    let candidate = Candidate {
        address: address.to_string(),
        reading,
        value_type: value.value_type(),
        value: value.to_json(),
        plausible,
    };
    Reading { rank, digits, candidate }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(words: &[u16]) -> (String, String) {
        let cells: Vec<Option<u16>> = words.iter().copied().map(Some).collect();
        let shown = show(Table::HoldingRegisters, 0, &cells);
        let first = shown.candidates.iter().find(|c| c.address.starts_with("40001")).unwrap();
        (first.address.clone(), first.value.to_string())
    }

    #[test]
    fn what_a_machine_says_comes_first() {
        let float = |v: f32| {
            let b = v.to_bits();
            [(b >> 16) as u16, b as u16]
        };
        let [high, low] = float(20.5);
        assert_eq!(best(&[high, low]), ("40001 float32 abcd".into(), "20.5".into()));
        assert_eq!(best(&[low, high]), ("40001 float32 cdab".into(), "20.5".into()));
        let [high, low] = float(49.98);
        assert_eq!(best(&[low.swap_bytes(), high.swap_bytes()]).0, "40001 float32 dcba");
        assert_eq!(best(&[215, 1013]).1, "\"215\"");
        assert_eq!(
            best(
                b"PM5350".chunks(2).map(|c| u16::from_be_bytes([c[0], c[1]])).collect::<Vec<_>>().as_slice()
            )
            .1,
            "\"PM5350\""
        );
    }

    #[test]
    fn a_hole_ends_every_reading_over_it() {
        let shown = show(Table::HoldingRegisters, 9, &[Some(1), None, Some(2)]);
        assert_eq!(shown.raw[1], RawCell { address: "40011".into(), ..RawCell::default() });
        assert!(shown.candidates.iter().all(|c| !c.reading.contains("32") && !c.reading.contains("64")));
        let bits = show(Table::Coils, 0, &[Some(1), Some(0)]);
        assert_eq!(bits.candidates.len(), 2);
        assert_eq!((bits.candidates[0].address.as_str(), bits.raw[0].hex.as_deref()), ("00001", Some("01")));
    }

    #[test]
    fn every_candidate_is_an_address_that_reads_the_same() {
        let words = [0x5041, 0x3132, 0x41A4, 0x0000, 0x1234, 0xFFFF];
        let cells: Vec<Option<u16>> = words.iter().copied().map(Some).collect();
        for candidate in show(Table::InputRegisters, 0, &cells).candidates {
            let address = Address::parse(&candidate.address).unwrap();
            assert_eq!(address.to_string(), candidate.address);
            let from = usize::from(address.start);
            let bytes: Vec<u8> = words[from..from + usize::from(address.encoding.cells())]
                .iter()
                .flat_map(|w| w.to_be_bytes())
                .collect();
            assert_eq!(
                value::decode(&bytes, address.encoding, address.order).unwrap().to_json(),
                candidate.value
            );
        }
    }
}
