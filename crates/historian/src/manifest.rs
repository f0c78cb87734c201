//! The manifest: the only authority on which segments exist, how far each source got and where the log starts.
//!
//! ```text
//! MANIFEST   = copy · copy        two equal copies: a damaged one is healed by the other
//! copy       = header (format.rs, magic SINEWMAN, file number = generation) · block
//! block 1    = next file number u64 · log start lsn u64 · number of the latest-values file u64 (0: none)
//!            · count varint · per segment: number u64 · bytes u64 · rows u64 · first time i64 · last time i64
//!            · count varint · per source: id u32 · epoch u32 · next sequence u64
//! block 2    = next file number u64 · log start lsn u64 · number of the latest-values file u64 · next order u64
//!            · count varint · per segment: number u64 · format u8 · bytes u64 · rows u64 · replaced rows u64 · first time i64
//!              · last time i64 · order from u64 · order to u64 · settled order u64 · last replaced i64
//!              · days of its window u32 (0: none) · first day zigzag
//!            · count varint · per file that may be removed: number u64
//!            · count varint · per source: id u32 · epoch u32 · next sequence u64
//!            · count varint · per deletion: order u64 · before lsn u64 · recorded i64 · scope · who text · why text
//!            · count varint · per hold: number u64 · since i64 · scope · who text · why text
//! scope      = from i64 · to i64 · count varint · per point: id less the one before varint
//! text       = length varint · UTF-8
//! ```
//!
//! Where two segments' spans meet, their orders do not: the one of the higher order was written later, and its rows win.
//! A deletion hides what is in segments of a lower order, unless they have settled it: moved the rows to those that were
//! replaced. It is replaced as a whole: written beside, synced, renamed,
//! directory synced.

use std::{io, path::Path};

use types::{PointId, SourceId, Time};

use crate::{
    codec::{Cursor, Malformed, put_bytes, put_varint, put_zigzag},
    deletion::{Deletion, Hold, Scope},
    disk::{Disk, write_beside},
    format::{
        HEADER_BYTES, HeaderError, MANIFEST, VERSION, begin_block, end_block, put_header, take_block,
        take_header,
    },
    query::{SourceState, Sources},
};

/// Name of the manifest inside a store.
pub(crate) const NAME: &str = "MANIFEST";

/// Whole days that a segment keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Window {
    /// Days since 1970-01-01.
    pub(crate) first_day: i64,
    pub(crate) days: u32,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    pub(crate) number: u64,
    pub(crate) format: u32,
    pub(crate) bytes: u64,
    /// Rows that are current as far as this segment knows.
    pub(crate) rows: u64,
    /// Rows that were replaced or deleted.
    pub(crate) history_rows: u64,
    /// Source time of the oldest row.
    pub(crate) first: Time,
    /// Source time of the newest row.
    pub(crate) last: Time,
    /// See the module; both inclusive.
    pub(crate) order: (u64, u64),
    /// Deletions up to this order have been applied to its rows.
    pub(crate) settled: u64,
    /// When the last of its replaced rows was replaced; the earliest instant without any.
    pub(crate) last_replaced: Time,
    /// `None`: straight from memory.
    pub(crate) window: Option<Window>,
}

impl SegmentEntry {
    /// Of a segment without rows yet.
    pub(crate) fn new(number: u64, format: u32, order: (u64, u64), window: Option<Window>) -> SegmentEntry {
        SegmentEntry {
            number,
            format,
            bytes: 0,
            rows: 0,
            history_rows: 0,
            first: Time::MAX,
            last: Time::MIN,
            order,
            settled: 0,
            last_replaced: Time::MIN,
            window,
        }
    }
    /// Whether a deletion came after its rows and has not been applied to them.
    pub(crate) fn is_hidden_by(&self, deletion: &Deletion) -> bool {
        self.order.1 < deletion.order && self.settled < deletion.order
    }
    /// Whether both hold rows of some time.
    pub(crate) fn meets(&self, other: &SegmentEntry) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// What the store consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) store_id: [u8; 16],
    /// The version that the store is written in.
    pub(crate) format: u32,
    pub(crate) generation: u64,
    pub(crate) next_number: u64,
    /// Rows of smaller lsn are in segments.
    pub(crate) log_start: u64,
    /// 0: none.
    pub(crate) latest_number: u64,
    pub(crate) next_order: u64,
    /// By order.
    pub(crate) segments: Vec<SegmentEntry>,
    /// Segments that are not needed and may still be there.
    pub(crate) obsolete: Vec<u64>,
    pub(crate) sources: Sources,
    pub(crate) deletions: Vec<Deletion>,
    pub(crate) holds: Vec<Hold>,
}

impl Manifest {
    /// Of a store without rows.
    pub(crate) fn new(store_id: [u8; 16]) -> Manifest {
        Manifest {
            store_id,
            format: VERSION,
            generation: 1,
            next_number: 1,
            log_start: 1,
            latest_number: 0,
            next_order: 1,
            segments: Vec::new(),
            obsolete: Vec::new(),
            sources: Sources::new(),
            deletions: Vec::new(),
            holds: Vec::new(),
        }
    }

    /// Whether a deletion still hides anything that is not settled, or the snapshot of latest values, which knows segments
    /// up to an order, was made without it.
    pub(crate) fn needs(&self, deletion: &Deletion, latest_order: u64) -> bool {
        let hides = |segment: &SegmentEntry| {
            segment.is_hidden_by(deletion)
                && deletion.scope.meets(segment.first, Time(segment.last.0.saturating_add(1)))
        };
        let is_known = deletion.order <= latest_order;
        !is_known || self.log_start < deletion.before_lsn || self.segments.iter().any(hides)
    }

    /// Brings segments into the order that [`Manifest::segments`] promises.
    pub(crate) fn sort(&mut self) {
        self.segments.sort_by_key(|segment| (segment.order.1, segment.number));
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_header(&mut out, MANIFEST, self.format, self.store_id, self.generation);
        let began = begin_block(&mut out);
        for number in [self.next_number, self.log_start, self.latest_number] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        if self.format > 1 {
            out.extend_from_slice(&self.next_order.to_le_bytes());
        }
        put_varint(&mut out, self.segments.len() as u64);
        for segment in &self.segments {
            self.put_segment(&mut out, segment);
        }
        if self.format > 1 {
            put_varint(&mut out, self.obsolete.len() as u64);
            self.obsolete.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        }
        put_varint(&mut out, self.sources.len() as u64);
        for (source, state) in &self.sources {
            out.extend_from_slice(&source.0.to_le_bytes());
            out.extend_from_slice(&state.epoch.to_le_bytes());
            out.extend_from_slice(&state.next_sequence.to_le_bytes());
        }
        if self.format > 1 {
            self.put_marks(&mut out);
        }
        end_block(&mut out, began);
        out.extend_from_within(..);
        out
    }

    fn put_segment(&self, out: &mut Vec<u8>, s: &SegmentEntry) {
        out.extend_from_slice(&s.number.to_le_bytes());
        if self.format == 1 {
            for number in [s.bytes, s.rows, s.first.0 as u64, s.last.0 as u64] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            return;
        }
        out.push(s.format as u8);
        let (first, last) = (s.first.0 as u64, s.last.0 as u64);
        for number in [s.bytes, s.rows, s.history_rows, first, last, s.order.0, s.order.1, s.settled] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&s.last_replaced.0.to_le_bytes());
        let window = s.window.unwrap_or(Window { first_day: 0, days: 0 });
        out.extend_from_slice(&window.days.to_le_bytes());
        put_zigzag(out, window.first_day);
    }

    /// Deletions and holds.
    fn put_marks(&self, out: &mut Vec<u8>) {
        put_varint(out, self.deletions.len() as u64);
        for deletion in &self.deletions {
            out.extend_from_slice(&deletion.order.to_le_bytes());
            out.extend_from_slice(&deletion.before_lsn.to_le_bytes());
            out.extend_from_slice(&deletion.recorded.0.to_le_bytes());
            put_scope(out, &deletion.scope);
            put_bytes(out, deletion.who.as_bytes());
            put_bytes(out, deletion.why.as_bytes());
        }
        put_varint(out, self.holds.len() as u64);
        for hold in &self.holds {
            out.extend_from_slice(&hold.number.to_le_bytes());
            out.extend_from_slice(&hold.since.0.to_le_bytes());
            put_scope(out, &hold.scope);
            put_bytes(out, hold.who.as_bytes());
            put_bytes(out, hold.why.as_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Manifest, HeaderError> {
        let header = take_header(bytes, MANIFEST)?;
        let format = header.version;
        let mut cursor = Cursor::new(take_block(&bytes[HEADER_BYTES..])?);
        let (next_number, log_start, latest_number) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let later = format > 1;
        let count_of = |cursor: &mut Cursor<'_>| if later { cursor.count() } else { Ok(0) };
        let next_order = if later { cursor.u64()? } else { 0 };
        let segments: Vec<_> = (0..cursor.count()? as u64)
            .map(|place| take_segment(&mut cursor, format, place))
            .collect::<Result<_, Malformed>>()?;
        let obsolete = (0..count_of(&mut cursor)?).map(|_| cursor.u64()).collect::<Result<_, Malformed>>()?;
        let sources = (0..cursor.count()?)
            .map(|_| {
                let source = SourceId(cursor.u32()?);
                Ok((source, SourceState { epoch: cursor.u32()?, next_sequence: cursor.u64()? }))
            })
            .collect::<Result<_, Malformed>>()?;
        let deletions = (0..count_of(&mut cursor)?)
            .map(|_| take_deletion(&mut cursor))
            .collect::<Result<_, Malformed>>()?;
        let holds =
            (0..count_of(&mut cursor)?).map(|_| take_hold(&mut cursor)).collect::<Result<_, Malformed>>()?;
        cursor.end()?;
        Ok(Manifest {
            store_id: header.store_id,
            format,
            generation: header.number,
            next_number,
            log_start,
            latest_number,
            next_order: if later { next_order } else { segments.len() as u64 + 1 },
            segments,
            obsolete,
            sources,
            deletions,
            holds,
        })
    }

    /// From the bytes of the file; the flag says that one of the copies is damaged.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Manifest, bool), HeaderError> {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        match (Manifest::decode(first), Manifest::decode(second)) {
            (Ok(manifest), Ok(copy)) => Ok((manifest.clone(), manifest != copy)),
            (Ok(manifest), Err(_)) | (Err(_), Ok(manifest)) => Ok((manifest, true)),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// Replaces the file, durably.
    pub(crate) fn store(&self, disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(NAME);
        let temporary = write_beside(disk, &path, &self.encode()).map_err(StoreError::Before)?;
        disk.rename(&temporary, &path).and_then(|()| disk.sync_dir(dir)).map_err(StoreError::During)
    }
}

fn put_scope(out: &mut Vec<u8>, scope: &Scope) {
    out.extend_from_slice(&scope.from.0.to_le_bytes());
    out.extend_from_slice(&scope.to.0.to_le_bytes());
    put_varint(out, scope.points.len() as u64);
    let mut before = 0;
    for point in &scope.points {
        put_varint(out, u64::from(point.0 - before));
        before = point.0;
    }
}

fn take_scope(cursor: &mut Cursor<'_>) -> Result<Scope, Malformed> {
    let (from, to, mut before) = (cursor.time()?, cursor.time()?, 0u64);
    let points = (0..cursor.count()?)
        .map(|_| {
            before = before.saturating_add(cursor.varint()?);
            u32::try_from(before).map(PointId).map_err(|_| Malformed("a point id exceeds 32 bits"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Scope { points, from, to })
}

/// `place` counts the segments before it: in format 1, that is its order.
fn take_segment(cursor: &mut Cursor<'_>, format: u32, place: u64) -> Result<SegmentEntry, Malformed> {
    let number = cursor.u64()?;
    if format == 1 {
        let (bytes, rows) = (cursor.u64()?, cursor.u64()?);
        let (first, last) = (cursor.time()?, cursor.time()?);
        return Ok(SegmentEntry {
            bytes,
            rows,
            first,
            last,
            ..SegmentEntry::new(number, 1, (place + 1, place + 1), None)
        });
    }
    let format = u32::from(cursor.u8()?);
    let (bytes, rows, history_rows) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
    let (first, last) = (cursor.time()?, cursor.time()?);
    let order = (cursor.u64()?, cursor.u64()?);
    let (settled, last_replaced) = (cursor.u64()?, cursor.time()?);
    let (days, first_day) = (cursor.u32()?, cursor.zigzag()?);
    let window = (days > 0).then_some(Window { first_day, days });
    Ok(SegmentEntry {
        number,
        format,
        bytes,
        rows,
        history_rows,
        first,
        last,
        order,
        settled,
        last_replaced,
        window,
    })
}

fn take_deletion(cursor: &mut Cursor<'_>) -> Result<Deletion, Malformed> {
    let (order, before_lsn, recorded) = (cursor.u64()?, cursor.u64()?, cursor.time()?);
    let scope = take_scope(cursor)?;
    Ok(Deletion { scope, recorded, who: cursor.text()?, why: cursor.text()?, order, before_lsn })
}

fn take_hold(cursor: &mut Cursor<'_>) -> Result<Hold, Malformed> {
    let (number, since) = (cursor.u64()?, cursor.time()?);
    let scope = take_scope(cursor)?;
    Ok(Hold { number, scope, since, who: cursor.text()?, why: cursor.text()? })
}

/// Why a manifest was not replaced.
pub(crate) enum StoreError {
    /// The old one stands.
    Before(io::Error),
    /// After a crash either may stand: nothing that one of them names may go.
    During(io::Error),
}

impl StoreError {
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            StoreError::Before(error) | StoreError::During(error) => error,
        }
    }
}
