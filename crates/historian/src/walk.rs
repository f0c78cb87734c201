//! A segment, point by point: what compaction reads.

use std::{collections::VecDeque, sync::Arc};

use types::{PointId, Time};

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
    Rows(Rows),
}

impl Piece {
    /// First time of the rows.
    pub(crate) fn first(&self) -> Time {
        match self {
            Piece::Chunk(chunk) => chunk.first,
            Piece::Rows(rows) => rows.times.first().copied().unwrap_or(Time::MAX),
        }
    }
    pub(crate) fn rows(self, segment: &Segment) -> Result<Rows, Failure> {
        match self {
            Piece::Rows(rows) => Ok(rows),
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
    shared: Vec<(Chunk, usize)>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(segment: &'a Arc<Segment>, kind: Kind, rank: usize) -> Result<Walk<'a>, Failure> {
        let blocks = segment.blocks(kind).ok_or_else(|| Failure::Damaged {
            segment: segment.entry.number,
            damage: segment.damage("its index is damaged", None),
        })?;
        Ok(Walk { segment, rank, blocks: blocks.into(), chunks: VecDeque::new(), shared: Vec::new() })
    }

    /// The next point.
    pub(crate) fn next_point(&mut self) -> Result<Option<PointId>, Failure> {
        loop {
            let open = self.shared.iter().map(|(chunk, at)| chunk.owners[*at].point).min();
            while self.chunks.is_empty()
                && let Some(block) = self.blocks.pop_front()
            {
                let chunks = self.segment.index_block(&block);
                self.chunks = chunks.map_err(|failure| failed(self.segment, failure, None))?.into();
            }
            let is_due = |chunk: &&ChunkEntry| {
                chunk.is_of_several() && open.is_none_or(|point| chunk.point <= point)
            };
            let Some(chunk) = self.chunks.front().filter(is_due) else {
                let next = self.chunks.front().map(|chunk| chunk.point);
                return Ok([open, next].into_iter().flatten().min());
            };
            self.shared.push((read(self.segment, chunk)?, 0));
            self.chunks.pop_front();
        }
    }

    /// The next rows if they are of a point that no earlier one is left of.
    pub(crate) fn take_of(&mut self, point: PointId) -> Result<Option<Piece>, Failure> {
        if self.next_point()? != Some(point) {
            return Ok(None);
        }
        if let Some(chunk) = self.chunks.pop_front_if(|chunk| chunk.point == point) {
            return Ok(Some(Piece::Chunk(chunk)));
        }
        let Some(open) = self.shared.iter().position(|(chunk, at)| chunk.owners[*at].point == point) else {
            return Ok(None);
        };
        let (chunk, at) = &mut self.shared[open];
        let rows = chunk.rows.slice(chunk.range(*at));
        *at += 1;
        if *at == chunk.owners.len() {
            self.shared.swap_remove(open);
        }
        Ok(Some(Piece::Rows(rows)))
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
