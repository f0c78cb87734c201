//! Booleans: eight a byte, or the lengths of their runs.

use super::{
    Effort, id,
    ints::{put_ints, take_ints},
    number::keep_smaller,
};
use crate::codec::{Cursor, Malformed, put_varint};

/// Appends booleans.
pub(super) fn put_bools(out: &mut Vec<u8>, values: &[bool], effort: Effort) {
    let began = out.len();
    let Some(first) = values.first() else {
        out.push(id::EMPTY);
        return;
    };
    out.push(id::BOOL_BITS);
    out.extend(values.chunks(8).map(|c| c.iter().rev().fold(0, |byte, b| byte << 1 | u8::from(*b))));
    let changes = values.windows(2).filter(|pair| pair[0] != pair[1]).count();
    if changes < values.len() / 4 || values.len() < 32 {
        let mut lengths: Vec<i64> = values.chunk_by(|a, b| a == b).map(|run| run.len() as i64).collect();
        lengths.pop();
        let mut other = vec![if *first { id::BOOL_RUNS_TRUE } else { id::BOOL_RUNS_FALSE }];
        put_varint(&mut other, lengths.len() as u64);
        if !lengths.is_empty() {
            put_ints(&mut other, &lengths, effort);
        }
        keep_smaller(out, began, &mut other);
    }
}

/// Reads booleans.
pub(super) fn take_bools(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<bool>, Malformed> {
    let mut value = match cursor.u8()? {
        id::EMPTY if rows == 0 => return Ok(Vec::new()),
        id::BOOL_BITS => {
            let bits = cursor.bytes(rows.div_ceil(8))?;
            return Ok((0..rows).map(|i| bits[i / 8] >> (i % 8) & 1 == 1).collect());
        }
        id::BOOL_RUNS_FALSE => false,
        id::BOOL_RUNS_TRUE => true,
        _ => return Err(Malformed("unknown codec of booleans")),
    };
    let changes = match usize::try_from(cursor.varint()?) {
        Ok(changes) if changes <= rows => changes,
        _ => return Err(Malformed("there are more runs than rows")),
    };
    let lengths = if changes == 0 { Vec::new() } else { take_ints(cursor, changes)? };
    let mut values = Vec::with_capacity(rows);
    for len in lengths {
        match usize::try_from(len) {
            Ok(len) if len <= rows - values.len() => values.resize(values.len() + len, value),
            _ => return Err(Malformed("runs exceed the rows")),
        }
        value = !value;
    }
    values.resize(rows, value);
    Ok(values)
}
