//! A segment, point by point: what compaction reads.

use std::{collections::VecDeque, ops::Range, rc::Rc, sync::Arc};

use types::{PointId, Time, ValueType};

use crate::{
    chunk::{Chunk, ChunkEntry, Kind, Want},
    compact::Failure,
    index::TopEntry,
    rows::Rows,
    segment::{ReadFailure, Segment},
};

/// Rows of one point.
pub(crate) enum Piece {
    /// All rows of a chunk, which is not read yet.
    Chunk(ChunkEntry),
    /// Its part of a chunk that several points share.
    Part(Rc<Chunk>, Range<usize>),
}

impl Piece {
    /// First time of the rows.
    pub(crate) fn first(&self) -> Time {
        match self {
            Piece::Chunk(chunk) => chunk.first,
            Piece::Part(chunk, range) => chunk.rows.times[range.start],
        }
    }
    /// Last time of the rows.
    pub(crate) fn last(&self) -> Time {
        match self {
            Piece::Chunk(chunk) => chunk.last,
            Piece::Part(chunk, range) => chunk.rows.times[range.end - 1],
        }
    }
    /// The type of rows from a shared chunk.
    pub(crate) fn shared_type(&self) -> Option<Option<ValueType>> {
        match self {
            Piece::Chunk(_) => None,
            Piece::Part(chunk, _) => Some(chunk.rows.values.value_type()),
        }
    }
    /// How many rows there are from a shared chunk.
    pub(crate) fn shared_rows(&self) -> usize {
        match self {
            Piece::Chunk(_) => 0,
            Piece::Part(_, range) => range.len(),
        }
    }
    pub(crate) fn rows(self, segment: &Segment) -> Result<Rows, Failure> {
        match self {
            Piece::Part(chunk, range) => Ok(chunk.rows.slice(range)),
            Piece::Chunk(entry) => Ok(read(segment, &entry)?.rows),
        }
    }
}

fn read(segment: &Segment, entry: &ChunkEntry) -> Result<Chunk, Failure> {
    segment.chunk(entry, Want::Known).map_err(|failure| failed(segment, failure, Some(entry)))
}

/// Chunks of one kind of a segment, point by point: one index block in memory, and the shared chunks that the walk is
/// in, of which there is one a type.
pub(crate) struct Walk<'a> {
    pub(crate) segment: &'a Arc<Segment>,
    pub(crate) rank: usize,
    blocks: VecDeque<TopEntry>,
    chunks: VecDeque<ChunkEntry>,
    /// With the owner that comes next.
    shared: Vec<(Rc<Chunk>, usize)>,
    /// What [`Walk::next_point`] found, until something is taken.
    next: Option<PointId>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(segment: &'a Arc<Segment>, kind: Kind, rank: usize) -> Result<Walk<'a>, Failure> {
        let blocks = segment.blocks(kind).ok_or_else(|| Failure::Damaged {
            segment: segment.entry.number,
            damage: segment.damage("its index is damaged", None),
        })?;
        Ok(Walk {
            segment,
            rank,
            blocks: blocks.into(),
            chunks: VecDeque::new(),
            shared: Vec::new(),
            next: None,
        })
    }

    /// The next point.
    pub(crate) fn next_point(&mut self) -> Result<Option<PointId>, Failure> {
        if self.next.is_none() {
            self.next = self.find_next()?;
        }
        Ok(self.next)
    }

    fn find_next(&mut self) -> Result<Option<PointId>, Failure> {
        loop {
            let open = self.shared.iter().map(|(chunk, at)| chunk.owners[*at].point).min();
            while self.chunks.is_empty()
                && let Some(block) = self.blocks.pop_front()
            {
                let chunks = self.segment.index_block(&block);
                self.chunks = chunks.map_err(|failure| failed(self.segment, failure, None))?.into();
            }
            let is_due =
                |chunk: &&ChunkEntry| chunk.is_of_several() && open.is_none_or(|point| chunk.point <= point);
            let Some(chunk) = self.chunks.front().filter(is_due) else {
                let next = self.chunks.front().map(|chunk| chunk.point);
                return Ok([open, next].into_iter().flatten().min());
            };
            self.shared.push((Rc::new(read(self.segment, chunk)?), 0));
            self.chunks.pop_front();
        }
    }

    /// The next rows if they are of a point that no earlier one is left of.
    pub(crate) fn take_of(&mut self, point: PointId) -> Result<Option<Piece>, Failure> {
        if self.next_point()? != Some(point) {
            return Ok(None);
        }
        self.next = None;
        if let Some(chunk) = self.chunks.pop_front_if(|chunk| chunk.point == point) {
            return Ok(Some(Piece::Chunk(chunk)));
        }
        let Some(open) = self.shared.iter().position(|(chunk, at)| chunk.owners[*at].point == point) else {
            return Ok(None);
        };
        let (chunk, at) = &mut self.shared[open];
        let piece = Piece::Part(chunk.clone(), chunk.range(*at));
        *at += 1;
        if *at == chunk.owners.len() {
            self.shared.swap_remove(open);
        }
        Ok(Some(piece))
    }
}

fn failed(segment: &Segment, failure: ReadFailure, chunk: Option<&ChunkEntry>) -> Failure {
    match failure {
        ReadFailure::Io(error) => Failure::Io(error),
        ReadFailure::Damaged(cause) => {
            let damage = segment.damage(cause.to_string(), chunk);
            Failure::Damaged { segment: segment.entry.number, damage }
        }
    }
}
