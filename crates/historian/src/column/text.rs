//! Texts and bytes: lengths apart, then all bytes one after the other, as they are or through zstd; or a dictionary.

use std::collections::HashMap;

use super::{
    Effort, id,
    ints::{put_ints, take_ints},
    number::{keep_smaller, named},
};
use crate::codec::{Cursor, Malformed, put_varint};

/// The most bytes that one zstd frame holds: what a reader may be asked to take memory for.
const FRAME_BYTES_MAX: usize = 16 << 20;
/// Below this, a frame costs what it saves.
const FRAME_BYTES_MIN: usize = 48;
const LEVEL_HOT: i32 = 1;
const LEVEL_COLD: i32 = 9;

/// Appends texts.
pub(super) fn put_texts(out: &mut Vec<u8>, texts: &[&[u8]], effort: Effort) {
    let began = out.len();
    let mut places = Vec::with_capacity(texts.len());
    let (mut known, mut distinct) = (HashMap::new(), Vec::new());
    for text in texts {
        places.push(*known.entry(*text).or_insert_with(|| {
            distinct.push(*text);
            distinct.len() as i64 - 1
        }));
        if distinct.len() > texts.len() / 2 {
            break;
        }
    }
    if texts.len() > 1 && places.len() == texts.len() && distinct.len() <= texts.len() / 2 {
        out.push(id::DICTIONARY);
        put_varint(out, distinct.len() as u64);
        put_block(out, &distinct, effort);
        put_ints(out, &places, effort);
        if effort == Effort::Hot {
            return;
        }
    }
    let mut other = Vec::new();
    put_block(&mut other, texts, effort);
    keep_smaller(out, began, &mut other);
}

fn put_block(out: &mut Vec<u8>, texts: &[&[u8]], effort: Effort) {
    let began = out.len();
    let lengths: Vec<i64> = texts.iter().map(|text| text.len() as i64).collect();
    let joined = texts.concat();
    if (FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&joined.len()) {
        let level = if effort == Effort::Hot { LEVEL_HOT } else { LEVEL_COLD };
        if let Ok(frame) = zstd::bulk::compress(&joined, level)
            && frame.len() < joined.len()
        {
            out.push(id::TEXT_ZSTD);
            put_ints(out, &lengths, effort);
            put_varint(out, frame.len() as u64);
            out.extend_from_slice(&frame);
        }
    }
    if out.len() == began {
        out.push(id::TEXT_PLAIN);
        put_ints(out, &lengths, effort);
        out.extend_from_slice(&joined);
    }
}

/// Reads texts; `make` says what each becomes.
pub(super) fn take_texts<T: Clone>(
    cursor: &mut Cursor<'_>,
    rows: usize,
    make: fn(&[u8]) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let id = cursor.u8()?;
    if id != id::DICTIONARY {
        return take_block(cursor, id, rows, make);
    }
    let entries = match usize::try_from(cursor.varint()?) {
        Ok(entries) if entries <= rows => entries,
        _ => return Err(Malformed("a dictionary has more entries than rows")),
    };
    let inner = cursor.u8()?;
    let entries = take_block(cursor, inner, entries, make)?;
    named(&entries, &take_ints(cursor, rows)?)
}

fn take_block<T>(
    cursor: &mut Cursor<'_>,
    id: u8,
    rows: usize,
    make: fn(&[u8]) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    if id != id::TEXT_PLAIN && id != id::TEXT_ZSTD {
        return Err(Malformed("unknown codec of texts"));
    }
    let lengths = take_ints(cursor, rows)?;
    let add = |sum: usize, len: &i64| sum.checked_add(usize::try_from(*len).ok()?);
    let total = lengths.iter().try_fold(0, add).ok_or(Malformed("a text has no possible length"))?;
    let unpacked;
    let mut joined = if id == id::TEXT_PLAIN {
        cursor.bytes(total)?
    } else {
        let len = cursor.count()?;
        let frame = cursor.bytes(len)?;
        if total > FRAME_BYTES_MAX {
            return Err(Malformed("texts are longer than a frame may hold"));
        }
        unpacked =
            zstd::bulk::decompress(frame, total).map_err(|_| Malformed("a zstd frame cannot be read"))?;
        &unpacked
    };
    if joined.len() != total {
        return Err(Malformed("texts are not as long as they should be"));
    }
    lengths
        .into_iter()
        .map(|len| {
            let (text, rest) = joined.split_at(len as usize);
            joined = rest;
            make(text)
        })
        .collect()
}
