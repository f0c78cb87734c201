//! Registers to values and back: widths, byte and word order, BCD, text. Pure; integers never pass through a float.

use std::fmt;
use types::{Quality, Value, ValueType};

/// In which order a device sends the bytes of a value. `ABCD` is big-endian throughout, as the protocol has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// High word first, high byte first.
    #[default]
    Abcd,
    /// Low word first, high byte first.
    Cdab,
    /// High word first, low byte first.
    Badc,
    /// Low word first, low byte first.
    Dcba,
}

impl Order {
    /// All four.
    pub const ALL: [Order; 4] = [Order::Abcd, Order::Cdab, Order::Badc, Order::Dcba];

    /// Its name in addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Order::Abcd => "abcd",
            Order::Cdab => "cdab",
            Order::Badc => "badc",
            Order::Dcba => "dcba",
        }
    }
    const fn swaps_words(self) -> bool {
        matches!(self, Order::Cdab | Order::Dcba)
    }
    const fn swaps_bytes(self) -> bool {
        matches!(self, Order::Badc | Order::Dcba)
    }
    /// From wire order to high byte first, or back: both are the same exchange.
    fn apply(self, bytes: &mut [u8]) {
        if self.swaps_words() {
            let words = bytes.len() / 2;
            for i in 0..words / 2 {
                let j = words - 1 - i;
                bytes.swap(2 * i, 2 * j);
                bytes.swap(2 * i + 1, 2 * j + 1);
            }
        }
        if self.swaps_bytes() {
            bytes.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        }
    }
}

/// What the cells at an address hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// A coil or a discrete input.
    Coil,
    /// One bit of a register, 0 the lowest.
    Bit(u8),
    /// A number.
    Number(Number),
    /// So many characters, one a byte, filled up with NUL or blanks.
    Text(u8),
}

/// Kinds of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Number {
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Uint64,
    Float32,
    Float64,
    /// Four decimal digits in one register.
    Bcd16,
    /// Eight decimal digits in two registers.
    Bcd32,
}

impl Number {
    /// All of them.
    pub const ALL: [Number; 10] = [
        Number::Int16,
        Number::Uint16,
        Number::Int32,
        Number::Uint32,
        Number::Int64,
        Number::Uint64,
        Number::Float32,
        Number::Float64,
        Number::Bcd16,
        Number::Bcd32,
    ];

    /// Its name in addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Number::Int16 => "int16",
            Number::Uint16 => "uint16",
            Number::Int32 => "int32",
            Number::Uint32 => "uint32",
            Number::Int64 => "int64",
            Number::Uint64 => "uint64",
            Number::Float32 => "float32",
            Number::Float64 => "float64",
            Number::Bcd16 => "bcd16",
            Number::Bcd32 => "bcd32",
        }
    }
    /// Registers it takes.
    pub const fn registers(self) -> u16 {
        match self {
            Number::Int16 | Number::Uint16 | Number::Bcd16 => 1,
            Number::Int32 | Number::Uint32 | Number::Float32 | Number::Bcd32 => 2,
            Number::Int64 | Number::Uint64 | Number::Float64 => 4,
        }
    }
    const fn value_type(self) -> ValueType {
        match self {
            Number::Int16 | Number::Int32 | Number::Int64 => ValueType::I64,
            Number::Uint16 | Number::Uint32 | Number::Uint64 | Number::Bcd16 | Number::Bcd32 => {
                ValueType::U64
            }
            Number::Float32 => ValueType::F32,
            Number::Float64 => ValueType::F64,
        }
    }
}

impl Encoding {
    /// Cells it takes: coils of a bit table, registers otherwise.
    pub const fn cells(self) -> u16 {
        match self {
            Encoding::Coil | Encoding::Bit(_) => 1,
            Encoding::Number(number) => number.registers(),
            Encoding::Text(characters) => (characters as u16).div_ceil(2),
        }
    }
    /// The native type, before scaling.
    pub const fn value_type(self) -> ValueType {
        match self {
            Encoding::Coil | Encoding::Bit(_) => ValueType::Bool,
            Encoding::Number(number) => number.value_type(),
            Encoding::Text(_) => ValueType::String,
        }
    }
}

/// A value that the cells cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoesNotFit {
    /// What was to be written.
    pub value: String,
    /// What the cells hold.
    pub wanted: String,
}

impl fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not fit {}", self.value, self.wanted)
    }
}

/// The value in `bytes`, registers as they came; exactly [`Encoding::cells`] of them, a coil being one byte.
/// The quality says why there is none.
pub fn decode(bytes: &[u8], encoding: Encoding, order: Order) -> Result<Value, Quality> {
    match encoding {
        Encoding::Coil => bytes.first().map(|b| Value::Bool(b & 1 == 1)).ok_or(Quality::BAD_CONFIGURATION),
        Encoding::Bit(bit) => {
            let word = u16::from_be_bytes(ordered(bytes, order)?);
            Ok(Value::Bool(word >> (bit & 15) & 1 == 1))
        }
        Encoding::Number(number) => decode_number(bytes, number, order),
        Encoding::Text(characters) => decode_text(bytes, characters, order),
    }
}

fn decode_number(bytes: &[u8], number: Number, order: Order) -> Result<Value, Quality> {
    Ok(match number {
        Number::Int16 => Value::I64(i64::from(i16::from_be_bytes(ordered(bytes, order)?))),
        Number::Uint16 => Value::U64(u64::from(u16::from_be_bytes(ordered(bytes, order)?))),
        Number::Int32 => Value::I64(i64::from(i32::from_be_bytes(ordered(bytes, order)?))),
        Number::Uint32 => Value::U64(u64::from(u32::from_be_bytes(ordered(bytes, order)?))),
        Number::Int64 => Value::I64(i64::from_be_bytes(ordered(bytes, order)?)),
        Number::Uint64 => Value::U64(u64::from_be_bytes(ordered(bytes, order)?)),
        Number::Float32 => Value::F32(f32::from_be_bytes(ordered(bytes, order)?)),
        Number::Float64 => Value::F64(f64::from_be_bytes(ordered(bytes, order)?)),
        Number::Bcd16 => Value::U64(from_bcd(&ordered::<2>(bytes, order)?)?),
        Number::Bcd32 => Value::U64(from_bcd(&ordered::<4>(bytes, order)?)?),
    })
}

fn decode_text(bytes: &[u8], characters: u8, order: Order) -> Result<Value, Quality> {
    let mut bytes = bytes.to_vec();
    if order.swaps_bytes() {
        bytes.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
    }
    bytes.truncate(usize::from(characters));
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    // Text in another character set is not guessed at: a wrong serial number is worse than none.
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| Quality::BAD_OUT_OF_RANGE)?;
    Ok(Value::String(text.trim_end().into()))
}

/// `N` bytes, high byte first. A wrong length is a fault of the map, not of the device.
fn ordered<const N: usize>(bytes: &[u8], order: Order) -> Result<[u8; N], Quality> {
    let mut array = <[u8; N]>::try_from(bytes).map_err(|_| Quality::BAD_CONFIGURATION)?;
    order.apply(&mut array);
    Ok(array)
}

fn from_bcd(bytes: &[u8]) -> Result<u64, Quality> {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).try_fold(0, |number, digit| {
        if digit > 9 { Err(Quality::BAD_OUT_OF_RANGE) } else { Ok(number * 10 + u64::from(digit)) }
    })
}

fn to_bcd(number: u64, digits: u32) -> u64 {
    (0..digits).fold(0, |bcd, i| bcd | (number / 10u64.pow(i) % 10) << (4 * i))
}

/// The registers that hold `value`, which must be of the encoding's native type.
pub fn encode(value: &Value, encoding: Encoding, order: Order) -> Result<Vec<u16>, DoesNotFit> {
    let wrong = || DoesNotFit {
        value: value.to_string(),
        wanted: match encoding {
            Encoding::Coil | Encoding::Bit(_) => "bool".into(),
            Encoding::Number(number) => number.name().into(),
            Encoding::Text(characters) => format!("{characters} characters of text"),
        },
    };
    let mut bytes = match (encoding, value) {
        (Encoding::Coil | Encoding::Bit(_), Value::Bool(on)) => vec![0, u8::from(*on)],
        (Encoding::Number(number), value) => encode_number(value, number).ok_or_else(wrong)?,
        (Encoding::Text(characters), Value::String(text)) if text.len() <= usize::from(characters) => {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(usize::from(encoding.cells()) * 2, 0);
            bytes
        }
        _ => return Err(wrong()),
    };
    match encoding {
        Encoding::Text(_) if order.swaps_bytes() => {
            bytes.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        }
        Encoding::Number(_) => order.apply(&mut bytes),
        _ => {}
    }
    Ok(crate::pdu::registers(&bytes).collect())
}

fn encode_number(value: &Value, number: Number) -> Option<Vec<u8>> {
    Some(match (number, value) {
        (Number::Int16, Value::I64(v)) => i16::try_from(*v).ok()?.to_be_bytes().to_vec(),
        (Number::Uint16, Value::U64(v)) => u16::try_from(*v).ok()?.to_be_bytes().to_vec(),
        (Number::Int32, Value::I64(v)) => i32::try_from(*v).ok()?.to_be_bytes().to_vec(),
        (Number::Uint32, Value::U64(v)) => u32::try_from(*v).ok()?.to_be_bytes().to_vec(),
        (Number::Int64, Value::I64(v)) => v.to_be_bytes().to_vec(),
        (Number::Uint64, Value::U64(v)) => v.to_be_bytes().to_vec(),
        (Number::Float32, Value::F32(v)) => v.to_be_bytes().to_vec(),
        (Number::Float64, Value::F64(v)) => v.to_be_bytes().to_vec(),
        (Number::Bcd16, Value::U64(v)) if *v <= 9_999 => (to_bcd(*v, 4) as u16).to_be_bytes().to_vec(),
        (Number::Bcd32, Value::U64(v)) if *v <= 99_999_999 => (to_bcd(*v, 8) as u32).to_be_bytes().to_vec(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(registers: &[u16]) -> Vec<u8> {
        registers.iter().flat_map(|r| r.to_be_bytes()).collect()
    }

    #[test]
    fn orders_as_their_names_say() {
        // 0x41_48_00_00 is 12.5; A=41 B=48 C=00 D=00, so take a value with four different bytes.
        let value = Value::F32(f32::from_be_bytes([0xA0 & 0x3F, 0xB1, 0xC2, 0xD3]));
        let float = Encoding::Number(Number::Float32);
        let sent = |order| wire(&encode(&value, float, order).unwrap());
        assert_eq!(sent(Order::Abcd), [0x20, 0xB1, 0xC2, 0xD3]);
        assert_eq!(sent(Order::Cdab), [0xC2, 0xD3, 0x20, 0xB1]);
        assert_eq!(sent(Order::Badc), [0xB1, 0x20, 0xD3, 0xC2]);
        assert_eq!(sent(Order::Dcba), [0xD3, 0xC2, 0xB1, 0x20]);
        let long = Value::U64(0x0102_0304_0506_0708);
        let sent = |order| wire(&encode(&long, Encoding::Number(Number::Uint64), order).unwrap());
        assert_eq!(sent(Order::Cdab), [7, 8, 5, 6, 3, 4, 1, 2]);
        assert_eq!(sent(Order::Badc), [2, 1, 4, 3, 6, 5, 8, 7]);
        assert_eq!(sent(Order::Dcba), [8, 7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn bcd_bits_and_text() {
        let bcd = |bytes: &[u8]| decode(bytes, Encoding::Number(Number::Bcd16), Order::Abcd);
        assert_eq!(bcd(&[0x12, 0x34]), Ok(Value::U64(1234)));
        assert_eq!(bcd(&[0x12, 0x3A]), Err(Quality::BAD_OUT_OF_RANGE));
        assert_eq!(decode(&[0, 8], Encoding::Bit(3), Order::Abcd), Ok(Value::Bool(true)));
        assert_eq!(decode(&[0, 8], Encoding::Bit(3), Order::Badc), Ok(Value::Bool(false)));
        let text = |bytes: &[u8], order| decode(bytes, Encoding::Text(5), order);
        assert_eq!(text(b"PM500x", Order::Abcd), Ok(Value::String("PM500".into())));
        assert_eq!(text(b"MP05\0\0", Order::Badc), Ok(Value::String("PM50".into())));
        assert_eq!(text(&[0xC3, 0x28, 0, 0, 0, 0], Order::Abcd), Err(Quality::BAD_OUT_OF_RANGE));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let number = |n| Encoding::Number(n);
        for (value, encoding) in [
            (Value::I64(32_768), number(Number::Int16)),
            (Value::U64(65_536), number(Number::Uint16)),
            (Value::U64(10_000), number(Number::Bcd16)),
            (Value::F64(1.0), number(Number::Float32)),
            (Value::String("123456".into()), Encoding::Text(5)),
            (Value::I64(1), Encoding::Coil),
        ] {
            let refused = encode(&value, encoding, Order::Abcd).unwrap_err();
            assert!(refused.to_string().contains("does not fit"), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn every_pattern_survives_the_round_trip(bytes in prop::collection::vec(any::<u8>(), 8), which in 0..10usize, order in 0..4usize) {
            let (number, order) = (Number::ALL[which], Order::ALL[order]);
            let encoding = Encoding::Number(number);
            let bytes = &bytes[..usize::from(encoding.cells()) * 2];
            if let Ok(value) = decode(bytes, encoding, order) {
                prop_assert_eq!(value.value_type(), encoding.value_type());
                prop_assert_eq!(wire(&encode(&value, encoding, order).unwrap()), bytes);
            }
        }

        #[test]
        fn any_length_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..12), which in 0..10usize) {
            let _ = decode(&bytes, Encoding::Number(Number::ALL[which]), Order::Dcba);
            let _ = decode(&bytes, Encoding::Bit(200), Order::Abcd);
            let _ = decode(&bytes, Encoding::Text(9), Order::Badc);
        }
    }
}
