//! The address notation: a place in one of four tables, and what is held there. `40001 float32 cdab`.
//!
//! Two ways to count live side by side in this trade, so they look different here and cannot be mixed up. Digits
//! alone, and `4x1`, are the register numbers of manuals and start at 1; `hr:0` is what goes over the wire and starts
//! at 0. Canonical is the manual's way with 5 digits up to number 9999 and 6 beyond.

use sdk::AddressFacts;
use std::fmt;
use types::Fault;

use crate::{
    pdu::{READ_REGISTERS_MAX, Table},
    value::{Encoding, Number, Order},
};

/// The longest text an address may hold.
pub const TEXT_CHARACTERS_MAX: u8 = (READ_REGISTERS_MAX * 2) as u8;
/// The last register number that 5 digits can write.
const FIVE_DIGITS_MAX: u32 = 9_999;

/// A place and what is held there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    /// Which table.
    pub table: Table,
    /// First cell, as on the wire, from 0.
    pub start: u16,
    /// What the cells hold.
    pub encoding: Encoding,
    /// In which order.
    pub order: Order,
}

/// Why a text is no address. Every message ends with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are the documentation")]
pub enum AddressError {
    #[error("the address is empty: write a register such as `40001 uint16` or `hr:0 uint16`")]
    Empty,
    #[error(
        "`{0}` is no register: write a register number of 5 or 6 digits such as 40001, 4x1, or a table and \
         an address from 0 such as hr:0 (tables: co, di, ir, hr)"
    )]
    Place(String),
    #[error("`{0}` counts from 1, so there is no register 0: write {1} for the first one, or {2}:0")]
    Zero(String, String, &'static str),
    #[error("`{0}` is beyond the last register: addresses end at 65535 ({1})")]
    Beyond(String, String),
    #[error("`{0}` could be counted from 0 or from 1: write hr:{0} (from 0) or 4x{0} (from 1)")]
    NoTable(String),
    #[error(
        "register numbers start with 0, 1, 3 or 4, not with {0}: 0 coils, 1 discrete inputs, 3 input registers, 4 holding registers"
    )]
    Digit(char),
    #[error("bit `{0}` is not one of 0 to 15: bits count from the lowest, 0")]
    Bit(String),
    #[error("a bit is a bool: leave out `{0}`")]
    BitType(String),
    #[error("{0} hold single bits: leave out `{1}`, or take a register table (3xxxx, 4xxxx)")]
    CoilType(&'static str, String),
    #[error(
        "`{0}` is no type: write one of bool, int16, uint16, int32, uint32, int64, uint64, float32, float64, bcd16, bcd32, string"
    )]
    Type(String),
    #[error("bool in a register needs the bit: write {0}.0 for its lowest bit")]
    WhichBit(String),
    #[error("`{0}` is no byte order: write one of abcd, cdab, badc, dcba (for one register ab or ba)")]
    Order(String),
    #[error("how long is the text? write string and the number of characters, such as `string 16`")]
    TextLength,
    #[error("a text of {0} characters is not possible: write 1 to {max}", max = TEXT_CHARACTERS_MAX)]
    TextRange(String),
    #[error(
        "`{0}` is left over: write the register, its type and its byte order, such as `40001 float32 cdab`"
    )]
    LeftOver(String),
}

impl AddressError {
    /// As a message by code.
    pub fn fault(&self, text: &str) -> Fault {
        let shown: String = text.chars().take(60).collect();
        Fault::new("modbus.address", self.to_string()).arg("address", shown).arg("reason", self.to_string())
    }
}

impl Address {
    /// Reads the notation; case does not matter.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let text = text.to_ascii_lowercase();
        let mut words = text.split_whitespace();
        let place = words.next().ok_or(AddressError::Empty)?;
        let (place, bit) = match place.split_once('.') {
            Some((place, bit)) => (place, Some(parse_bit(bit)?)),
            None => (place, None),
        };
        let (table, start) = parse_place(place)?;
        let (encoding, order) = parse_type(table, start, bit, &mut words)?;
        if let Some(word) = words.next() {
            return Err(AddressError::LeftOver(shorten(word)));
        }
        if u32::from(start) + u32::from(encoding.cells()) > 0x1_0000 {
            return Err(AddressError::Beyond(shorten(&text), "take a shorter type".into()));
        }
        Ok(Address { table, start, encoding, order })
    }

    /// What the address says by itself.
    pub fn facts(&self) -> AddressFacts {
        AddressFacts {
            canonical: self.to_string(),
            value_type: self.encoding.value_type(),
            writable: self.table.is_writable(),
        }
    }

    /// The canonical name of a cell alone, such as `40001`.
    pub fn cell_name(table: Table, start: u16) -> String {
        let number = u32::from(start) + 1;
        let digit = leading_digit(table);
        if number <= FIVE_DIGITS_MAX { format!("{digit}{number:04}") } else { format!("{digit}{number:05}") }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Address::cell_name(self.table, self.start))?;
        match self.encoding {
            Encoding::Coil => Ok(()),
            Encoding::Bit(bit) => write!(f, ".{bit}"),
            Encoding::Number(number) if number.registers() == 1 => {
                write!(f, " {}{}", number.name(), single_order(self.order))
            }
            Encoding::Number(number) => write!(f, " {} {}", number.name(), self.order.name()),
            Encoding::Text(characters) => write!(f, " string {characters}{}", single_order(self.order)),
        }
    }
}

/// Within one register only the bytes can change places, and that they do not needs no word.
const fn single_order(order: Order) -> &'static str {
    match order {
        Order::Abcd | Order::Cdab => "",
        Order::Badc | Order::Dcba => " ba",
    }
}

const fn leading_digit(table: Table) -> char {
    match table {
        Table::Coils => '0',
        Table::DiscreteInputs => '1',
        Table::InputRegisters => '3',
        Table::HoldingRegisters => '4',
    }
}

const fn short_name(table: Table) -> &'static str {
    match table {
        Table::Coils => "co",
        Table::DiscreteInputs => "di",
        Table::InputRegisters => "ir",
        Table::HoldingRegisters => "hr",
    }
}

fn table_of_digit(digit: char) -> Result<Table, AddressError> {
    Table::ALL.into_iter().find(|t| leading_digit(*t) == digit).ok_or(AddressError::Digit(digit))
}

fn parse_place(place: &str) -> Result<(Table, u16), AddressError> {
    let wrong = || AddressError::Place(shorten(place));
    if let Some((name, address)) = place.split_once(':') {
        let table = Table::ALL.into_iter().find(|t| short_name(*t) == name).ok_or_else(wrong)?;
        let address = match address.strip_prefix("0x") {
            Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok(),
            None if address.bytes().all(|b| b.is_ascii_digit()) => address.parse::<u32>().ok(),
            _ => None,
        };
        let start = u16::try_from(address.ok_or_else(wrong)?);
        return Ok((
            table,
            start.map_err(|_| AddressError::Beyond(shorten(place), format!("{name}:65535")))?,
        ));
    }
    if let Some((digit, number)) = place.split_once('x') {
        let mut digits = digit.chars();
        let (Some(digit), None) = (digits.next(), digits.next()) else { return Err(wrong()) };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        return numbered(place, table_of_digit(digit)?, number);
    }
    if place.is_empty() || !place.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    match place.len() {
        5 | 6 => {
            let (digit, number) = place.split_at(1);
            numbered(place, table_of_digit(digit.chars().next().unwrap_or('0'))?, number)
        }
        _ => Err(AddressError::NoTable(shorten(place))),
    }
}

/// A register number, from 1.
fn numbered(place: &str, table: Table, number: &str) -> Result<(Table, u16), AddressError> {
    let beyond = || AddressError::Beyond(shorten(place), format!("{}65536", leading_digit(table)));
    let number: u32 = number.parse().map_err(|_| beyond())?;
    match number.checked_sub(1) {
        None => Err(AddressError::Zero(shorten(place), Address::cell_name(table, 0), short_name(table))),
        Some(start) => Ok((table, u16::try_from(start).map_err(|_| beyond())?)),
    }
}

fn parse_bit(bit: &str) -> Result<u8, AddressError> {
    let plain = !bit.is_empty() && bit.bytes().all(|b| b.is_ascii_digit());
    bit.parse().ok().filter(|n| plain && *n <= 15).ok_or_else(|| AddressError::Bit(shorten(bit)))
}

fn parse_type<'a>(
    table: Table,
    start: u16,
    bit: Option<u8>,
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<(Encoding, Order), AddressError> {
    let name = words.next();
    if table.is_bits() {
        let tables = if table == Table::Coils { "coils" } else { "discrete inputs" };
        return match (name, bit) {
            (None | Some("bool"), None) => Ok((Encoding::Coil, Order::Abcd)),
            (_, Some(bit)) => Err(AddressError::CoilType(tables, format!(".{bit}"))),
            (Some(name), None) => Err(AddressError::CoilType(tables, shorten(name))),
        };
    }
    match (bit, name) {
        (Some(bit), None | Some("bool")) => return Ok((Encoding::Bit(bit), Order::Abcd)),
        (Some(_), Some(name)) => return Err(AddressError::BitType(shorten(name))),
        (None, Some("bool")) => return Err(AddressError::WhichBit(Address::cell_name(table, start))),
        (None, Some("string")) => {
            let length = words.next().ok_or(AddressError::TextLength)?;
            let characters = length.parse().ok().filter(|n| (1..=TEXT_CHARACTERS_MAX).contains(n));
            let encoding =
                Encoding::Text(characters.ok_or_else(|| AddressError::TextRange(shorten(length)))?);
            return Ok((encoding, parse_order(1, words.next())?));
        }
        _ => {}
    }
    let number = parse_number(name.unwrap_or("uint16"))?;
    Ok((Encoding::Number(number), parse_order(number.registers(), words.next())?))
}

fn parse_number(name: &str) -> Result<Number, AddressError> {
    // What other tools call them.
    let name = match name {
        "word" | "u16" => "uint16",
        "short" | "i16" => "int16",
        "dword" | "u32" => "uint32",
        "dint" | "i32" => "int32",
        "float" | "real" | "f32" => "float32",
        "double" | "lreal" | "f64" => "float64",
        "u64" => "uint64",
        "i64" => "int64",
        "bcd" => "bcd16",
        name => name,
    };
    Number::ALL.into_iter().find(|n| n.name() == name).ok_or_else(|| AddressError::Type(shorten(name)))
}

fn parse_order(registers: u16, word: Option<&str>) -> Result<Order, AddressError> {
    Ok(match (registers, word) {
        (_, None | Some("abcd")) | (1, Some("ab" | "cdab")) | (4, Some("abcdefgh")) => Order::Abcd,
        (1, Some("ba" | "badc" | "dcba")) | (_, Some("badc")) | (4, Some("badcfehg")) => Order::Badc,
        (_, Some("cdab")) | (4, Some("ghefcdab")) => Order::Cdab,
        (_, Some("dcba")) | (4, Some("hgfedcba")) => Order::Dcba,
        (_, Some(word)) => return Err(AddressError::Order(shorten(word))),
    })
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_cases_hold() {
        let mut checked = 0;
        for line in include_str!("../tests/cases/addresses.txt").lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (input, wanted) = line.split_once("=>").expect("input => outcome");
            let (input, wanted) = (input.trim(), wanted.trim());
            match (Address::parse(input), wanted.strip_prefix('!')) {
                (Ok(address), None) => {
                    assert_eq!(address.to_string(), wanted, "{input}");
                    assert_eq!(Address::parse(wanted), Ok(address), "canonical is stable: {wanted}");
                }
                (Err(error), Some(hint)) => {
                    assert!(error.to_string().contains(hint.trim()), "{input}: {error}");
                }
                (got, _) => panic!("{input}: wanted {wanted}, got {got:?}"),
            }
            checked += 1;
        }
        assert!(checked > 50, "{checked} cases");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,40}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
            }
        }

        #[test]
        fn what_looks_like_an_address_is_stable(text in "(hr:|ir:|co:|4x|3|4|0x)?[0-9]{1,6}(\\.[0-9]{1,2})?( (int16|uint32|float64|string|bool))?( (cdab|ba|8|300))?") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
            }
        }
    }
}
