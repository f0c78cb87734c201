//! One point as bytes: the same form on disk and in memory, about 130 bytes for a typical point.
//!
//! Layout, version 1 (integers little-endian, `varint` is LEB128, `text` is a varint length and UTF-8):
//! version u8 · object 16 · flags u16 · [device 16] · [asset 16] · revision varint · value type u8 · period varint ·
//! name text · address text · unit text · [zh text] · [en text] · [gain f64, offset f64] · [low f64, high f64] ·
//! [min f64, max f64, per minute varint, [step f64]] · [count varint, (zig-zag value varint, zh text, en text)…].
//! A flag says whether the part in brackets is there. Frozen: a change of layout is a new version byte.

use std::collections::BTreeMap;

use types::{Label, ObjectId, Point, Scaling, ValueType, WritePolicy};

const VERSION: u8 = 1;
const OBJECT_AT: usize = 1;
const FLAGS_AT: usize = 17;
const OPTIONAL_AT: usize = 19;
const ID_BYTES: usize = 16;

const DEVICE: u16 = 1;
const ASSET: u16 = 1 << 1;
const ZH: u16 = 1 << 2;
const EN: u16 = 1 << 3;
const SCALING: u16 = 1 << 4;
const RANGE: u16 = 1 << 5;
const WRITE: u16 = 1 << 6;
const STEP: u16 = 1 << 7;
const STATES: u16 = 1 << 8;

/// Why bytes are not a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowError {
    #[error("it was written by a newer version (row format {0}, this version knows {known})", known = VERSION)]
    Newer(u8),
    #[error("it is damaged")]
    Damaged,
}

/// Bytes that were checked to be a point.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Row(Box<[u8]>);

impl Row {
    /// No point: what an unused number holds. Takes no memory.
    pub(crate) fn vacant() -> Row {
        Row(Box::default())
    }

    pub(crate) fn is_vacant(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn encode(object: ObjectId, revision: u64, point: &Point) -> Row {
        let flags = [
            (DEVICE, point.device.is_some()),
            (ASSET, point.asset.is_some()),
            (ZH, !point.label.zh.is_empty()),
            (EN, !point.label.en.is_empty()),
            (SCALING, point.scaling.is_some()),
            (RANGE, point.range.is_some()),
            (WRITE, point.write.is_some()),
            (STEP, point.write.is_some_and(|write| write.step.is_some())),
            (STATES, !point.states.is_empty()),
        ];
        let flags = flags.iter().filter(|(_, set)| *set).fold(0, |all, (flag, _)| all | flag);
        let mut to = Vec::with_capacity(160);
        to.push(VERSION);
        to.extend(object.bytes());
        to.extend(u16::to_le_bytes(flags));
        for id in [point.device, point.asset].into_iter().flatten() {
            to.extend(id.bytes());
        }
        put_varint(&mut to, revision);
        to.push(value_type_code(point.value_type));
        put_varint(&mut to, u64::from(point.period_ms));
        for text in [&point.name, &point.address, &point.unit] {
            put_text(&mut to, text);
        }
        for text in [&point.label.zh, &point.label.en].into_iter().filter(|text| !text.is_empty()) {
            put_text(&mut to, text);
        }
        if let Some(scaling) = point.scaling {
            put_floats(&mut to, &[scaling.gain, scaling.offset]);
        }
        if let Some(range) = point.range {
            put_floats(&mut to, &range);
        }
        if let Some(write) = point.write {
            put_floats(&mut to, &[write.min, write.max]);
            put_varint(&mut to, u64::from(write.per_minute));
            put_floats(&mut to, write.step.as_slice());
        }
        if !point.states.is_empty() {
            put_varint(&mut to, point.states.len() as u64);
            for (value, label) in &point.states {
                put_varint(&mut to, value.cast_unsigned() << 1 ^ (value >> 63).cast_unsigned());
                put_text(&mut to, &label.zh);
                put_text(&mut to, &label.en);
            }
        }
        // Exactly as long as needed: shrinking the vector would leave holes between a million rows.
        Row(to.as_slice().into())
    }

    /// Takes stored bytes; they are read through once, so that every later reading succeeds.
    pub(crate) fn from_stored(bytes: Vec<u8>) -> Result<Row, RowError> {
        match bytes.first() {
            Some(&VERSION) => {}
            Some(&newer) if newer > VERSION => return Err(RowError::Newer(newer)),
            _ => return Err(RowError::Damaged),
        }
        read(&bytes).ok_or(RowError::Damaged)?;
        Ok(Row(bytes.as_slice().into()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Revision and content; `None` only when vacant.
    pub(crate) fn decode(&self) -> Option<(u64, Point)> {
        read(&self.0)
    }

    pub(crate) fn object(&self) -> Option<ObjectId> {
        self.id_at(OBJECT_AT)
    }

    pub(crate) fn device(&self) -> Option<ObjectId> {
        if self.flags() & DEVICE == 0 { None } else { self.id_at(OPTIONAL_AT) }
    }

    pub(crate) fn asset(&self) -> Option<ObjectId> {
        let after_device = if self.flags() & DEVICE == 0 { 0 } else { ID_BYTES };
        if self.flags() & ASSET == 0 { None } else { self.id_at(OPTIONAL_AT + after_device) }
    }

    /// Read in place: what every stored row is checked by.
    pub(crate) fn value_type(&self) -> Option<ValueType> {
        let ids = [DEVICE, ASSET].into_iter().filter(|flag| self.flags() & flag != 0).count();
        let mut from = Reader(self.0.get(OPTIONAL_AT + ids * ID_BYTES..)?);
        from.varint()?;
        value_type_of(from.byte()?)
    }

    /// Name and both labels, read in place: what a search looks at.
    pub(crate) fn texts(&self) -> Option<[&str; 3]> {
        let flags = self.flags();
        let ids = [DEVICE, ASSET].into_iter().filter(|flag| flags & flag != 0).count();
        let mut from = Reader(self.0.get(OPTIONAL_AT + ids * ID_BYTES..)?);
        from.varint()?;
        from.byte()?;
        from.varint()?;
        let name = from.str()?;
        let _address_and_unit = (from.str()?, from.str()?);
        let zh = if flags & ZH == 0 { "" } else { from.str()? };
        let en = if flags & EN == 0 { "" } else { from.str()? };
        Some([name, zh, en])
    }

    fn flags(&self) -> u16 {
        let bytes = self.0.get(FLAGS_AT..OPTIONAL_AT).and_then(|at| <[u8; 2]>::try_from(at).ok());
        bytes.map_or(0, u16::from_le_bytes)
    }

    fn id_at(&self, at: usize) -> Option<ObjectId> {
        let bytes = self.0.get(at..at + ID_BYTES)?;
        <[u8; ID_BYTES]>::try_from(bytes).ok().map(ObjectId::from_bytes)
    }
}

fn value_type_code(value_type: ValueType) -> u8 {
    match value_type {
        ValueType::Bool => 0,
        ValueType::I64 => 1,
        ValueType::U64 => 2,
        ValueType::F32 => 3,
        ValueType::F64 => 4,
        ValueType::String => 5,
        ValueType::Bytes => 6,
    }
}

fn value_type_of(code: u8) -> Option<ValueType> {
    const ALL: [ValueType; 7] = [
        ValueType::Bool,
        ValueType::I64,
        ValueType::U64,
        ValueType::F32,
        ValueType::F64,
        ValueType::String,
        ValueType::Bytes,
    ];
    ALL.get(usize::from(code)).copied()
}

fn put_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    put_varint(to, text.len() as u64);
    to.extend(text.as_bytes());
}

fn put_floats(to: &mut Vec<u8>, values: &[f64]) {
    to.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// Reads from the front; `None` at the first thing that does not fit.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }
    fn id(&mut self) -> Option<ObjectId> {
        self.take(ID_BYTES)?.try_into().ok().map(ObjectId::from_bytes)
    }
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                return None;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
    fn str(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.varint()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }
    fn text(&mut self) -> Option<String> {
        self.str().map(str::to_string)
    }
    fn float(&mut self) -> Option<f64> {
        self.take(8)?.try_into().ok().map(f64::from_le_bytes)
    }
}

fn read(bytes: &[u8]) -> Option<(u64, Point)> {
    let mut from = Reader(bytes.get(FLAGS_AT..)?);
    let flags = u16::from_le_bytes(from.take(2)?.try_into().ok()?);
    let has = |flag| flags & flag != 0;
    let device = if has(DEVICE) { Some(from.id()?) } else { None };
    let asset = if has(ASSET) { Some(from.id()?) } else { None };
    let revision = from.varint()?;
    let value_type = value_type_of(from.byte()?)?;
    let period_ms = u32::try_from(from.varint()?).ok()?;
    let (name, address, unit) = (from.text()?, from.text()?, from.text()?);
    let label = Label {
        zh: if has(ZH) { from.text()? } else { String::new() },
        en: if has(EN) { from.text()? } else { String::new() },
    };
    let scaling =
        if has(SCALING) { Some(Scaling { gain: from.float()?, offset: from.float()? }) } else { None };
    let range = if has(RANGE) { Some([from.float()?, from.float()?]) } else { None };
    let write = if has(WRITE) { Some(read_write(&mut from, has(STEP))?) } else { None };
    let states = if has(STATES) { read_states(&mut from)? } else { BTreeMap::new() };
    let point = Point {
        name,
        label,
        device,
        address,
        asset,
        value_type,
        unit,
        scaling,
        range,
        states,
        period_ms,
        write,
    };
    from.0.is_empty().then_some((revision, point))
}

fn read_write(from: &mut Reader<'_>, stepped: bool) -> Option<WritePolicy> {
    let (min, max) = (from.float()?, from.float()?);
    let per_minute = u32::try_from(from.varint()?).ok()?;
    let step = if stepped { Some(from.float()?) } else { None };
    Some(WritePolicy { min, max, step, per_minute })
}

fn read_states(from: &mut Reader<'_>) -> Option<BTreeMap<i64, Label>> {
    let mut states = BTreeMap::new();
    for _ in 0..from.varint()? {
        let folded = from.varint()?;
        let value = (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed();
        states.insert(value, Label { zh: from.text()?, en: from.text()? });
    }
    Some(states)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Point {
        Point {
            name: "discharge_pressure".into(),
            label: Label::both("排气压力", "Discharge pressure"),
            device: Some(ObjectId::from_bytes([2; 16])),
            address: "40001 float32 cdab".into(),
            asset: Some(ObjectId::from_bytes([3; 16])),
            value_type: ValueType::F64,
            unit: "bar".into(),
            scaling: Some(Scaling { gain: 0.1, offset: -1.0 }),
            range: Some([0.0, 16.0]),
            states: [(-1, Label::plain("fault")), (i64::MIN, Label::both("停机", ""))].into(),
            period_ms: 1_000,
            write: Some(WritePolicy { min: 4.0, max: 9.5, step: Some(0.5), per_minute: 6 }),
        }
    }

    fn bare() -> Point {
        Point {
            name: "n".into(),
            label: Label::default(),
            device: None,
            address: String::new(),
            asset: None,
            value_type: ValueType::Bool,
            unit: "1".into(),
            scaling: None,
            range: None,
            states: BTreeMap::new(),
            period_ms: 10,
            write: None,
        }
    }

    #[test]
    fn every_field_survives() {
        let object = ObjectId::from_bytes([1; 16]);
        for (revision, point) in [(1, full()), (u64::MAX, bare())] {
            let row = Row::from_stored(Row::encode(object, revision, &point).bytes().to_vec()).unwrap();
            assert_eq!(row.object(), Some(object));
            assert_eq!((row.device(), row.asset()), (point.device, point.asset));
            assert_eq!(row.value_type(), Some(point.value_type));
            let Label { zh, en } = &point.label;
            assert_eq!(row.texts(), Some([point.name.as_str(), zh, en]));
            assert_eq!(row.decode(), Some((revision, point)));
        }
    }

    #[test]
    fn version_1_is_frozen() {
        let hex = |row: &Row| row.bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let frozen = include_str!("../tests/fixtures/row.v1.hex");
        let rows = [full(), bare()].map(|point| hex(&Row::encode(ObjectId::from_bytes([1; 16]), 7, &point)));
        assert_eq!(rows.as_slice(), frozen.lines().collect::<Vec<_>>());
    }

    #[test]
    fn damaged_bytes_are_refused_and_never_panic() {
        let sound = Row::encode(ObjectId::from_bytes([1; 16]), 7, &full()).bytes().to_vec();
        for cut in 0..sound.len() {
            assert!(Row::from_stored(sound[..cut].to_vec()).is_err(), "cut at {cut}");
        }
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 0xff;
            let _ = Row::from_stored(bytes)
                .map(|row| (row.decode(), row.device(), row.asset(), row.value_type()));
        }
        let mut newer = sound;
        newer[0] = 2;
        assert!(matches!(Row::from_stored(newer), Err(RowError::Newer(2))));
    }
}
