//! Points to requests: binds addresses to the shared planner. Pure.

use sdk::{
    BoundPoint,
    poll::{Block, Limits, Span},
};
use types::{Quality, Value};

use crate::{
    address::Address,
    config::Config,
    pdu::{Request, Table, unpack_bits},
    value,
};

/// Bits are a sixteenth of a register, so the gap that is worth reading over is as much wider.
const BITS_PER_REGISTER: u32 = 16;

/// The addresses of a device's points, by item; `None` where the notation is wrong.
pub(crate) fn bind(points: &[BoundPoint]) -> Vec<Option<Address>> {
    points.iter().map(|point| Address::parse(&point.address).ok()).collect()
}

/// What each address needs.
pub(crate) fn spans(addresses: &[Option<Address>]) -> Vec<Span> {
    let span = |(item, address): (u32, &Option<Address>)| {
        let address = address.as_ref()?;
        let (start, len) = (u32::from(address.start), u32::from(address.encoding.cells()));
        Some(Span { area: area(address.table), start, len, item })
    };
    (0..).zip(addresses).filter_map(span).collect()
}

/// What one request to a table may hold.
pub(crate) fn limits(config: &Config, area: u32) -> Limits {
    let gap = if config.fill_gaps { u32::from(config.gap_max) } else { 0 };
    let one_item = config.one_request_per_point;
    match table(area).is_bits() {
        true => Limits { span_max: config.bits_max.into(), gap_max: gap * BITS_PER_REGISTER, one_item },
        false => Limits { span_max: config.registers_max.into(), gap_max: gap, one_item },
    }
}

/// The request that reads a block.
pub(crate) fn request(block: &Block) -> Request {
    Request::Read { table: table(block.area), start: block.start as u16, count: block.len as u16 }
}

/// The value at an address in the data of a block.
pub(crate) fn value_in(address: &Address, block: &Block, data: &[u8]) -> Result<Value, Quality> {
    let offset =
        u32::from(address.start).checked_sub(block.start).ok_or(Quality::BAD_CONFIGURATION)? as usize;
    if address.table.is_bits() {
        return unpack_bits(data).nth(offset).map(Value::Bool).ok_or(Quality::BAD_CONFIGURATION);
    }
    let len = usize::from(address.encoding.cells()) * 2;
    let bytes = data.get(offset * 2..offset * 2 + len).ok_or(Quality::BAD_CONFIGURATION)?;
    value::decode(bytes, address.encoding, address.order)
}

fn area(table: Table) -> u32 {
    Table::ALL.iter().position(|t| *t == table).unwrap_or_default() as u32
}

fn table(area: u32) -> Table {
    Table::ALL.get(area as usize).copied().unwrap_or(Table::HoldingRegisters)
}
