//! Samples as plain little-endian columns in a folder, ordered by point and time: what every program can read.
//! `TYPE.points` u32, `TYPE.times` i64 ns, `TYPE.values`, `TYPE.quality` u32; TYPE is bool (a byte), i64, f32 or f64.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};
use types::{Quality, Values};

use crate::{Failure, data::Series};

const TYPES: [&str; 4] = ["bool", "i64", "f32", "f64"];

pub(crate) fn write(folder: &Path, all: &[Series]) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    for name in TYPES {
        let of_type: Vec<&Series> =
            all.iter().filter(|series| type_of(&series.values) == Some(name)).collect();
        if of_type.is_empty() {
            continue;
        }
        let column = |ending: &str, bytes: &dyn Fn(&Series, &mut Vec<u8>)| -> std::io::Result<()> {
            let mut file = BufWriter::new(File::create(folder.join(format!("{name}.{ending}")))?);
            let mut buffer = Vec::new();
            for series in &of_type {
                buffer.clear();
                bytes(series, &mut buffer);
                file.write_all(&buffer)?;
            }
            file.flush()
        };
        column("points", &|series, out| {
            out.extend(std::iter::repeat_n(series.point.to_le_bytes(), series.times.len()).flatten());
        })?;
        column("times", &|series, out| out.extend(series.times.iter().flat_map(|time| time.to_le_bytes())))?;
        column("values", &|series, out| values(&series.values, out))?;
        column("quality", &|series, out| {
            out.extend((0..series.times.len()).flat_map(|row| series.quality(row).0.to_le_bytes()));
        })?;
    }
    Ok(())
}

fn type_of(values: &Values) -> Option<&'static str> {
    match values {
        Values::Bool(_) => Some("bool"),
        Values::I64(_) => Some("i64"),
        Values::F32(_) => Some("f32"),
        Values::F64(_) => Some("f64"),
        _ => None,
    }
}

fn values(values: &Values, out: &mut Vec<u8>) {
    match values {
        Values::Bool(v) => out.extend(v.iter().map(|on| u8::from(*on))),
        Values::I64(v) => out.extend(v.iter().flat_map(|value| value.to_le_bytes())),
        Values::F32(v) => out.extend(v.iter().flat_map(|value| value.to_le_bytes())),
        Values::F64(v) => out.extend(v.iter().flat_map(|value| value.to_le_bytes())),
        _ => {}
    }
}

/// # Errors
/// A column is missing or too short.
pub(crate) fn read(folder: &Path) -> Result<Vec<Series>, Failure> {
    let mut all = Vec::new();
    for name in TYPES.into_iter().filter(|name| folder.join(format!("{name}.points")).exists()) {
        let column = |ending: &str| std::fs::read(folder.join(format!("{name}.{ending}")));
        let points: Vec<u32> = words(&column("points")?).map(u32::from_le_bytes).collect();
        let times: Vec<i64> = words(&column("times")?).map(i64::from_le_bytes).collect();
        let quality: Vec<u32> = words(&column("quality")?).map(u32::from_le_bytes).collect();
        let cells = column("values")?;
        let width = cells.len() / points.len().max(1);
        if times.len() != points.len()
            || quality.len() != points.len()
            || cells.len() % points.len().max(1) != 0
        {
            return Err(format!("{}: the columns of {name} are not equally long", folder.display()).into());
        }
        let mut start = 0;
        for of_point in points.chunk_by(|a, b| a == b) {
            let rows = start..start + of_point.len();
            let cells = &cells[rows.start * width..rows.end * width];
            let values = match name {
                "bool" => Values::Bool(cells.iter().map(|cell| *cell != 0).collect()),
                "i64" => Values::I64(words(cells).map(i64::from_le_bytes).collect()),
                "f32" => Values::F32(words(cells).map(f32::from_le_bytes).collect()),
                _ => Values::F64(words(cells).map(f64::from_le_bytes).collect()),
            };
            let is_bad = |row: &usize| Quality(quality[*row]).is_bad();
            let bad = rows.clone().filter(is_bad).map(|row| row - rows.start).map(|row| row..row + 1);
            let (point, bad) = (of_point[0], bad.collect());
            all.push(Series { point, times: times[rows.clone()].to_vec(), values, bad });
            start = rows.end;
        }
    }
    Ok(all)
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks::<N>().0.iter().copied()
}
