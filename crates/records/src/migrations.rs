//! The format on disk as numbered steps forward. A step that has landed is never edited; the next one is added below.

use crate::RecordsError;

/// One step in the two dialects.
pub(crate) struct Migration {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// Step `n` is at `n - 1`.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    sqlite: include_str!("migrations/0001.sqlite.sql"),
    postgres: include_str!("migrations/0001.postgres.sql"),
}];

/// The steps still to do, with their numbers, for a store at format `found`.
pub(crate) fn pending(found: u64) -> Result<impl Iterator<Item = (u64, &'static Migration)>, RecordsError> {
    let known = MIGRATIONS.len() as u64;
    if found > known {
        return Err(RecordsError::Newer { found, known });
    }
    Ok((1..).zip(MIGRATIONS).filter(move |(number, _)| *number > found))
}
