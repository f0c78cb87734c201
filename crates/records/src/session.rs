//! The narrow waist between what the store does (`ops`) and the two engines: one statement, its arguments, its rows.
//!
//! Every operation is written once, over [`Session`], in the SQL that SQLite and PostgreSQL share. SQLite answers at
//! once, so its futures are ready at the first poll.

use std::future::Future;

use crate::RecordsError;
use types::{ObjectId, OrgId};

/// An argument of a statement. Three types are enough: keys and encoded values are bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arg<'a> {
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// A column of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// One row, read from left to right.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) std::vec::IntoIter<Cell>);

impl Row {
    pub(crate) fn new(cells: Vec<Cell>) -> Row {
        Row(cells.into_iter())
    }
    pub(crate) fn int(&mut self) -> Result<i64, RecordsError> {
        match self.0.next() {
            Some(Cell::Int(value)) => Ok(value),
            other => Err(unexpected("a number", other)),
        }
    }
    pub(crate) fn count(&mut self) -> Result<u64, RecordsError> {
        let value = self.int()?;
        u64::try_from(value).map_err(|_| unexpected("a count", Some(Cell::Int(value))))
    }
    pub(crate) fn text(&mut self) -> Result<String, RecordsError> {
        match self.0.next() {
            Some(Cell::Text(value)) => Ok(value),
            other => Err(unexpected("text", other)),
        }
    }
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, RecordsError> {
        match self.0.next() {
            Some(Cell::Bytes(value)) => Ok(value),
            other => Err(unexpected("bytes", other)),
        }
    }
    pub(crate) fn object(&mut self) -> Result<ObjectId, RecordsError> {
        self.key().map(ObjectId::from_bytes)
    }
    pub(crate) fn org(&mut self) -> Result<OrgId, RecordsError> {
        self.key().map(OrgId::from_bytes)
    }
    fn key(&mut self) -> Result<[u8; 16], RecordsError> {
        let bytes = self.bytes()?;
        <[u8; 16]>::try_from(bytes).map_err(|bytes| unexpected("an id", Some(Cell::Bytes(bytes))))
    }
}

fn unexpected(wanted: &str, found: Option<Cell>) -> RecordsError {
    RecordsError::Corrupt {
        place: "a row of the store".into(),
        reason: format!("expected {wanted}, found {found:?}"),
    }
}

/// A connection inside a transaction, or reading.
pub(crate) trait Session: Send {
    /// Runs one statement. Parameters are `$1`, `$2`, … in the order of their first use.
    fn query(
        &mut self,
        sql: &str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = Result<Vec<Row>, RecordsError>> + Send;
}

/// Something the store does, in one transaction when it writes.
pub(crate) trait Operation: Send + Sync + 'static {
    /// What it answers.
    type Output: Send + 'static;
    /// Whether it must go through the writer.
    const WRITES: bool;
    /// Does it; may be run again when the engine asks for another try.
    fn run<S: Session>(&self, on: &mut S) -> impl Future<Output = Result<Self::Output, RecordsError>> + Send;
}
