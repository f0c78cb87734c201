//! Streams of floats: digits of decimals, ordered bits, pco, or as they are.

use super::{
    Effort,
    decimal::{Scale, join, scale, split},
    id,
    ints::{each_ints, put_ints, take_ints},
    number::{Float, keep_smaller},
    pcodec,
};
use crate::codec::{Cursor, Malformed, put_varint};

/// Values tried to see whether pco is worth its time.
const TRIAL_ROWS: usize = 512;
/// pco's own default; above it, time rises steeply for next to nothing.
const PCO_LEVEL: usize = 8;
/// pco's level for that and for what follows from it.
const PCO_LEVEL_HOT: usize = 4;
/// Fewer values than this are not worth pco's metadata.
const PCO_ROWS_MIN: usize = 32;

/// Appends floats in the smallest of the ways that the effort allows.
pub(super) fn put_floats<F: Float>(out: &mut Vec<u8>, values: &[F], effort: Effort) {
    if values.is_empty() {
        out.push(id::EMPTY);
        return;
    }
    let began = out.len();
    if let Some(narrower) = F::as_narrower(values) {
        out.push(id::FLOAT_NARROW);
        put_floats(out, &narrower, effort);
    }
    let mut other = Vec::new();
    if let Some(scale) = scale(values) {
        put_decimal(&mut other, values, scale, effort);
        keep_smaller(out, began, &mut other);
    }
    // Digits that take this little are digits indeed: their bits cannot do better.
    let enough = match effort {
        Effort::Hot => values.len() * F::BYTES / 2,
        Effort::Cold => values.len() * F::BYTES / 4,
    };
    if out.len() == began || out.len() - began > enough {
        put_undivided(&mut other, values, effort);
        keep_smaller(out, began, &mut other);
    }
}

fn put_decimal<F: Float>(out: &mut Vec<u8>, values: &[F], scale: Scale, effort: Effort) {
    let (digits, apart) = split(values, scale);
    out.push(id::FLOAT_DECIMAL);
    out.push(scale.byte());
    put_varint(out, apart.len() as u64);
    if !apart.is_empty() {
        put_ints(out, &apart, effort);
        put_undivided(out, &apart.iter().map(|at| values[*at as usize]).collect::<Vec<_>>(), effort);
    }
    put_ints(out, &digits, effort);
}

/// Appends floats without a look at their decimals.
fn put_undivided<F: Float>(out: &mut Vec<u8>, values: &[F], effort: Effort) {
    let began = out.len();
    out.push(id::FLOAT_BITS);
    put_ints(out, &values.iter().map(|v| v.rank()).collect::<Vec<_>>(), effort);
    let mut other = Vec::new();
    if values.len() >= PCO_ROWS_MIN && (effort == Effort::Cold || promises(values)) {
        let level = if effort == Effort::Cold { PCO_LEVEL } else { PCO_LEVEL_HOT };
        other.push(id::FLOAT_PCO);
        if pcodec::put_pco(&mut other, values, level) {
            keep_smaller(out, began, &mut other);
        }
    }
    if out.len() - began > values.len() * F::BYTES {
        out.truncate(began);
        out.push(id::FLOAT_PLAIN);
        out.extend(values.iter().flat_map(|v| v.bits().to_le_bytes().into_iter().take(F::BYTES)));
    }
}

/// Whether pco halves a few of the values.
fn promises<F: Float>(values: &[F]) -> bool {
    let trial = &values[..values.len().min(TRIAL_ROWS)];
    let mut bytes = Vec::new();
    trial.len() == TRIAL_ROWS
        && pcodec::put_pco(&mut bytes, trial, PCO_LEVEL_HOT)
        && bytes.len() * 2 < trial.len() * F::BYTES
}

/// Reads floats of the codec named.
pub(super) fn take_floats<F: Float>(
    cursor: &mut Cursor<'_>,
    id: u8,
    rows: usize,
) -> Result<Vec<F>, Malformed> {
    if id != id::FLOAT_DECIMAL {
        return take_undivided(cursor, id, rows);
    }
    let scale = Scale::from_byte(cursor.u8()?).ok_or(Malformed("unknown scale of decimals"))?;
    let apart = match usize::try_from(cursor.varint()?) {
        Ok(apart) if apart <= rows => apart,
        _ => return Err(Malformed("more decimals stay apart than there are rows")),
    };
    if apart == 0 {
        return take_digits(cursor, scale, rows);
    }
    let places = take_ints(cursor, apart)?;
    let inner = cursor.u8()?;
    let exact: Vec<F> = take_undivided(cursor, inner, apart)?;
    let mut values: Vec<F> = take_digits(cursor, scale, rows)?;
    for (at, v) in places.into_iter().zip(exact) {
        let place = usize::try_from(at).ok().and_then(|at| values.get_mut(at));
        *place.ok_or(Malformed("a decimal stays apart outside of the rows"))? = v;
    }
    Ok(values)
}

fn take_digits<F: Float>(cursor: &mut Cursor<'_>, scale: Scale, rows: usize) -> Result<Vec<F>, Malformed> {
    let inner = cursor.u8()?;
    let mut values = Vec::with_capacity(rows);
    each_ints(cursor, inner, rows, &mut |digits| join(&mut values, digits, scale))?;
    Ok(values)
}

fn take_undivided<F: Float>(cursor: &mut Cursor<'_>, id: u8, rows: usize) -> Result<Vec<F>, Malformed> {
    match id {
        id::EMPTY if rows == 0 => Ok(Vec::new()),
        id::FLOAT_BITS => {
            let inner = cursor.u8()?;
            let mut values = Vec::with_capacity(rows);
            each_ints(cursor, inner, rows, &mut |part| {
                part.widen(|part| values.extend(part.iter().map(|rank| F::from_rank(*rank))))
            })?;
            Ok(values)
        }
        id::FLOAT_PCO => pcodec::take_pco(cursor, rows),
        id::FLOAT_PLAIN => {
            let bytes = cursor.bytes(rows.checked_mul(F::BYTES).ok_or(Malformed("too many rows"))?)?;
            let number = |bytes: &[u8]| {
                let mut bits = [0; 8];
                bits[..F::BYTES].copy_from_slice(bytes);
                F::from_bits(u64::from_le_bytes(bits))
            };
            Ok(bytes.chunks_exact(F::BYTES).map(number).collect())
        }
        _ => Err(Malformed("unknown codec of floats")),
    }
}
