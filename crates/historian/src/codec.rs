//! Columns as bytes: shared by log records, chunks and the snapshot of latest values. Little-endian, no padding.
//!
//! ```text
//! varint       = LEB128 of a u64 · zigzag = varint of (v << 1) ^ (v >> 63)
//! type         = u8: 0 no value, 1 bool, 2 i64, 3 u64, 4 f32, 5 f64, 6 string (UTF-8), 7 bytes
//! times        = zigzag a row, the wrapping difference from the one before, the first from 0
//! values       = of numbers: as they are in memory · of bool: eight a byte, the first lowest · of string, bytes: each length
//!                varint, bytes · of no value: nothing
//! quality runs = count varint, 0 when all are Good · per run: rows varint · status code u32
//! sections     = count varint · per section: type · rows varint · points: zigzag a row, the difference from the one before
//!                · times · values · quality runs
//! value        = type · values of one row
//! ```
//!
//! Frozen.
//! Readers take bytes from anywhere: every length is checked against what is left before memory is asked for.

use std::sync::Arc;

use types::{PointId, Quality, QualityRun, QualityRuns, Section, Time, Value, ValueType, Values};

/// Bytes that are not what the format says; the text says what does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

const TYPES: [Option<ValueType>; 8] = [
    None,
    Some(ValueType::Bool),
    Some(ValueType::I64),
    Some(ValueType::U64),
    Some(ValueType::F32),
    Some(ValueType::F64),
    Some(ValueType::String),
    Some(ValueType::Bytes),
];

/// The byte that names a type on disk; 0 is a row without a value.
pub(crate) fn type_byte(of: Option<ValueType>) -> u8 {
    TYPES.iter().position(|t| *t == of).map_or(0, |at| at as u8)
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

pub(crate) fn put_zigzag(out: &mut Vec<u8>, v: i64) {
    put_varint(out, ((v << 1) ^ (v >> 63)) as u64);
}

/// Times as wrapping differences, the first against 0.
pub(crate) fn put_times(out: &mut Vec<u8>, times: &[Time]) {
    let mut before = 0;
    for time in times {
        put_zigzag(out, time.0.wrapping_sub(before));
        before = time.0;
    }
}

/// Fixed width raw, booleans eight a byte, text and bytes with their length before them.
pub(crate) fn put_values(out: &mut Vec<u8>, values: &Values) {
    match values {
        Values::Absent(_) => {}
        Values::Bool(v) => {
            out.extend(v.chunks(8).map(|c| c.iter().rev().fold(0, |byte, b| byte << 1 | u8::from(*b))));
        }
        Values::I64(v) => v.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
        Values::U64(v) => v.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
        Values::F32(v) => v.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
        Values::F64(v) => v.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
        Values::String(v) => v.iter().for_each(|x| put_bytes(out, x.as_bytes())),
        Values::Bytes(v) => v.iter().for_each(|x| put_bytes(out, x)),
    }
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Runs; a count of 0 means all Good.
pub(crate) fn put_quality(out: &mut Vec<u8>, runs: &QualityRuns) {
    put_varint(out, runs.0.len() as u64);
    for run in &runs.0 {
        put_varint(out, u64::from(run.rows));
        out.extend_from_slice(&run.quality.0.to_le_bytes());
    }
}

/// One value with its type, as a column of one row; `None` is one byte.
pub(crate) fn put_value(out: &mut Vec<u8>, value: Option<&Value>) {
    out.push(type_byte(value.map(Value::value_type)));
    match value {
        None => {}
        Some(Value::Bool(v)) => out.push(u8::from(*v)),
        Some(Value::I64(v)) => out.extend_from_slice(&v.to_le_bytes()),
        Some(Value::U64(v)) => out.extend_from_slice(&v.to_le_bytes()),
        Some(Value::F32(v)) => out.extend_from_slice(&v.to_le_bytes()),
        Some(Value::F64(v)) => out.extend_from_slice(&v.to_le_bytes()),
        Some(Value::String(v)) => put_bytes(out, v.as_bytes()),
        Some(Value::Bytes(v)) => put_bytes(out, v),
    }
}

/// The sections of a batch.
pub(crate) fn put_sections(out: &mut Vec<u8>, sections: &[Section]) {
    put_varint(out, sections.len() as u64);
    for section in sections {
        out.push(type_byte(section.values.value_type()));
        put_varint(out, section.len() as u64);
        let mut before = 0;
        for point in &section.points {
            put_zigzag(out, i64::from(point.0) - before);
            before = i64::from(point.0);
        }
        put_times(out, &section.times);
        put_values(out, &section.values);
        put_quality(out, &section.quality);
    }
}

/// Bytes not read yet.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Cursor<'a> {
        Cursor { rest }
    }
    pub(crate) fn bytes(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Malformed("bytes end too early"))?;
        self.rest = rest;
        Ok(taken)
    }
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed("bytes end too early"))?;
        self.rest = rest;
        Ok(*taken)
    }
    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }
    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }
    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }
    pub(crate) fn time(&mut self) -> Result<Time, Malformed> {
        self.array().map(|bytes| Time(i64::from_le_bytes(bytes)))
    }
    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut v = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                break;
            }
            v |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(v);
            }
        }
        Err(Malformed("a number is longer than 64 bits"))
    }
    pub(crate) fn zigzag(&mut self) -> Result<i64, Malformed> {
        self.varint().map(|v| (v >> 1) as i64 ^ -((v & 1) as i64))
    }
    /// A count of things that take at least one byte each, so that it can never ask for more memory than was sent.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        match usize::try_from(self.varint()?) {
            Ok(n) if n <= self.rest.len() => Ok(n),
            _ => Err(Malformed("a count exceeds the bytes that follow")),
        }
    }
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed("bytes are left over")) }
    }

    pub(crate) fn value_type(&mut self) -> Result<Option<ValueType>, Malformed> {
        TYPES.get(usize::from(self.u8()?)).copied().ok_or(Malformed("unknown value type"))
    }
    pub(crate) fn times(&mut self, rows: usize) -> Result<Vec<Time>, Malformed> {
        let mut before = 0i64;
        (0..rows)
            .map(|_| {
                before = before.wrapping_add(self.zigzag()?);
                Ok(Time(before))
            })
            .collect()
    }
    pub(crate) fn values(&mut self, of: Option<ValueType>, rows: usize) -> Result<Values, Malformed> {
        Ok(match of {
            None => Values::Absent(rows),
            Some(ValueType::Bool) => {
                let bits = self.bytes(rows.div_ceil(8))?;
                Values::Bool((0..rows).map(|i| bits[i / 8] >> (i % 8) & 1 == 1).collect())
            }
            Some(ValueType::I64) => Values::I64(self.fixed(rows, i64::from_le_bytes)?),
            Some(ValueType::U64) => Values::U64(self.fixed(rows, u64::from_le_bytes)?),
            Some(ValueType::F32) => Values::F32(self.fixed(rows, f32::from_le_bytes)?),
            Some(ValueType::F64) => Values::F64(self.fixed(rows, f64::from_le_bytes)?),
            Some(ValueType::String) => Values::String(
                (0..rows)
                    .map(|_| {
                        let text = std::str::from_utf8(self.counted()?);
                        text.map(Arc::from).map_err(|_| Malformed("text is not UTF-8"))
                    })
                    .collect::<Result<_, _>>()?,
            ),
            Some(ValueType::Bytes) => {
                Values::Bytes((0..rows).map(|_| self.counted().map(Arc::from)).collect::<Result<_, _>>()?)
            }
        })
    }
    fn fixed<const N: usize, T>(&mut self, rows: usize, read: fn([u8; N]) -> T) -> Result<Vec<T>, Malformed> {
        let bytes = self.bytes(rows.checked_mul(N).ok_or(Malformed("too many rows"))?)?;
        Ok(bytes.as_chunks().0.iter().map(|chunk| read(*chunk)).collect())
    }
    fn counted(&mut self) -> Result<&'a [u8], Malformed> {
        let n = self.count()?;
        self.bytes(n)
    }
    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        let text = std::str::from_utf8(self.counted()?);
        text.map(String::from).map_err(|_| Malformed("text is not UTF-8"))
    }
    pub(crate) fn value(&mut self) -> Result<Option<Value>, Malformed> {
        let of = self.value_type()?;
        Ok(self.values(of, 1)?.get(0))
    }
    pub(crate) fn quality(&mut self, rows: usize) -> Result<QualityRuns, Malformed> {
        let (runs, mut covered) = (self.count()?, 0u64);
        let mut quality = QualityRuns(Vec::with_capacity(runs));
        for _ in 0..runs {
            let rows = u32::try_from(self.varint()?).map_err(|_| Malformed("a quality run is too long"))?;
            covered += u64::from(rows);
            quality.0.push(QualityRun { rows, quality: Quality(self.u32()?) });
        }
        if runs > 0 && covered != rows as u64 {
            return Err(Malformed("quality runs do not cover the rows"));
        }
        Ok(quality)
    }
    pub(crate) fn sections(&mut self) -> Result<Vec<Section>, Malformed> {
        (0..self.count()?).map(|_| self.section()).collect()
    }
    fn section(&mut self) -> Result<Section, Malformed> {
        let of = self.value_type()?;
        let rows = self.count()?;
        let mut before = 0i64;
        let points = (0..rows)
            .map(|_| {
                before = before.wrapping_add(self.zigzag()?);
                u32::try_from(before).map(PointId).map_err(|_| Malformed("a point id exceeds 32 bits"))
            })
            .collect::<Result<_, _>>()?;
        let times = self.times(rows)?;
        let values = self.values(of, rows)?;
        let quality = self.quality(rows)?;
        Ok(Section { points, times, values, quality })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_edges_come_back() {
        for v in [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put_zigzag(&mut out, v);
            let mut cursor = Cursor::new(&out);
            assert_eq!(cursor.zigzag(), Ok(v));
            assert_eq!(cursor.end(), Ok(()));
        }
        assert!(Cursor::new(&[0xff; 11]).varint().is_err());
        assert!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).varint().is_err());
    }

    #[test]
    fn every_type_comes_back_bit_by_bit() {
        for values in [
            Values::Absent(9),
            Values::Bool(vec![true, false, true, true, false, false, true, false, true]),
            Values::I64(vec![i64::MIN, 0, i64::MAX]),
            Values::U64(vec![0, u64::MAX]),
            Values::F32(vec![0.1, f32::INFINITY, -0.0]),
            Values::F64(vec![f64::MIN_POSITIVE, -1.5]),
            Values::String(vec!["".into(), "3 号泵".into()]),
            Values::Bytes(vec![[].as_slice().into(), [0, 255].as_slice().into()]),
        ] {
            let rows = values.len();
            let section = Section {
                points: (0..rows as u32).map(|i| PointId(u32::MAX - i)).collect(),
                times: (0..rows as i64)
                    .map(|i| Time(if i % 2 == 0 { i64::MIN } else { i64::MAX - i }))
                    .collect(),
                values,
                quality: QualityRuns(vec![QualityRun { rows: rows as u32, quality: Quality::BAD }]),
            };
            let mut out = Vec::new();
            put_sections(&mut out, std::slice::from_ref(&section));
            let mut cursor = Cursor::new(&out);
            assert_eq!(cursor.sections(), Ok(vec![section]));
            assert_eq!(cursor.end(), Ok(()));
            for cut in 0..out.len() {
                assert!(Cursor::new(&out[..cut]).sections().is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_count_cannot_ask_for_more_than_was_sent() {
        let mut out = Vec::new();
        put_varint(&mut out, 1);
        out.push(5);
        put_varint(&mut out, u64::MAX);
        assert!(Cursor::new(&out).sections().is_err());
    }
}
