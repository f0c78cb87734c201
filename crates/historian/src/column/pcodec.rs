//! pco, as one chunk of one page. Its own file header is left out: the id of our codec stands for it.
//!
//! ```text
//! pco = length varint · chunk metadata · page     pco format 4.1, "wrapped"; the page holds all rows
//! ```

use std::cell::RefCell;

use pco::{
    ChunkConfig, DecompressorScratch, PagingSpec,
    data_types::Number,
    metadata::DeltaEncoding,
    wrapped::{FileCompressor, FileDecompressor},
};

use crate::codec::{Cursor, Malformed, put_varint};

/// The file header of the only pco format that our codec ids stand for.
const VERSION: [u8; 2] = [4, 1];
/// The widest window to look back in that a writer of ours makes.
const WINDOW_LOG_MAX: u32 = 15;
/// pco's number for a dictionary, in the lowest 4 bits of its metadata; 25 bits with the entries follow.
const DICTIONARY: u32 = 4;

const WRONG: Malformed = Malformed("a pco page cannot be read");

thread_local! {
    /// Buffers of a fixed size that pco fills anew for each page: making them takes as long as a short page.
    static SCRATCH: RefCell<DecompressorScratch> = RefCell::default();
}

/// Appends values, or nothing and `false` when pco refuses or has come to write another format.
pub(super) fn put_pco<T: Number>(out: &mut Vec<u8>, values: &[T], level: usize) -> bool {
    match compress(values, level) {
        Some(bytes) => {
            put_varint(out, bytes.len() as u64);
            out.extend_from_slice(&bytes);
            true
        }
        None => false,
    }
}

fn compress<T: Number>(values: &[T], level: usize) -> Option<Vec<u8>> {
    let file = FileCompressor::default();
    if file.write_header(Vec::new()).ok()? != VERSION {
        return None;
    }
    let config = ChunkConfig::default()
        .with_compression_level(level)
        .with_paging_spec(PagingSpec::Exact(vec![values.len()]));
    let mut chunk = file.chunk_compressor(values, &config).ok()?;
    let bytes = chunk.write_meta(Vec::new()).ok()?;
    chunk.write_page(0, bytes).ok()
}

/// Reads values; what pco would ask memory for is held to what `rows` justify.
pub(super) fn take_pco<T: Number>(cursor: &mut Cursor<'_>, rows: usize) -> Result<Vec<T>, Malformed> {
    let len = cursor.count()?;
    let bytes = cursor.bytes(len)?;
    let head = bytes.first_chunk().map_or(0, |head| u32::from_le_bytes(*head));
    if head & 0xf == DICTIONARY && (head >> 4 & 0x1ff_ffff) as usize > rows {
        return Err(WRONG);
    }
    let (file, _) = FileDecompressor::new(VERSION.as_slice()).map_err(|_| WRONG)?;
    let (chunk, rest) = file.chunk_decompressor::<T, _>(bytes).map_err(|_| WRONG)?;
    match &chunk.meta().delta_encoding {
        DeltaEncoding::Lookback { config, .. } if config.window_n_log > WINDOW_LOG_MAX => return Err(WRONG),
        _ => {}
    }
    let mut values = vec![T::default(); rows];
    SCRATCH.with_borrow_mut(|scratch| {
        let mut page = chunk.page_decompressor_with_scratch(rest, rows, scratch).map_err(|_| WRONG)?;
        let progress = page.read(&mut values).map_err(|_| WRONG)?;
        if progress.n_processed != rows || !progress.finished || !page.into_src().is_empty() {
            return Err(WRONG);
        }
        Ok(values)
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::made::{Noise, depth},
        *,
    };

    fn read_as_all(bytes: &[u8], rows: usize) {
        fn read<T: Number>(bytes: &[u8], rows: usize) {
            let read = take_pco::<T>(&mut Cursor::new(bytes), rows);
            assert!(read.is_err() || read.is_ok_and(|values| values.len() == rows));
        }
        read::<u16>(bytes, rows);
        read::<u32>(bytes, rows);
        read::<u64>(bytes, rows);
        read::<f32>(bytes, rows);
        read::<f64>(bytes, rows);
    }

    #[test]
    fn made_up_pages_do_no_harm() {
        let mut noise = Noise(5);
        for _ in 0..30_000 * depth() {
            let mut page: Vec<u8> = (0..noise.bits() % 250).map(|_| noise.bits() as u8).collect();
            if let Some(head) = page.first_mut() {
                // Modes are 0 to 4; of the plain one, the kind of differences follows, 0 to 3.
                *head = (noise.bits() % 4) as u8 * 16 + [0, 0, 0, 1, 2, 3, 4][noise.bits() as usize % 7];
            }
            // Few set bits make for few bins, and so for pages that get further.
            let sparse = noise.bits() % 3;
            page.iter_mut().skip(1).for_each(|byte| (0..sparse).for_each(|_| *byte &= noise.bits() as u8));
            let mut bytes = Vec::new();
            put_varint(&mut bytes, page.len() as u64);
            bytes.extend(page);
            read_as_all(&bytes, [0, 1, 2, 7, 100, 255, 256, 257, 600][noise.bits() as usize % 9]);
        }
    }

    #[test]
    fn damaged_pages_do_no_harm() {
        let mut noise = Noise(6);
        let series: [Vec<u64>; 4] = [
            (0..600).map(|i| i * 1000 + noise.bits() % 7).collect(),
            (0..600).map(|i| [3, 70_000, 1 << 40, 5, 9][i * i % 5]).collect(),
            (0..600).map(|_| noise.bits() >> (noise.bits() % 64)).collect(),
            (0..600).map(|i| (i % 37) * (i % 37) * 977).collect(),
        ];
        for values in &series {
            let floats: Vec<f64> = values.iter().map(|v| *v as f64 / 10.0).collect();
            let small: Vec<u16> = values.iter().map(|v| *v as u16).collect();
            let mut written = [const { Vec::new() }; 3];
            assert!(put_pco(&mut written[0], values, 8) && put_pco(&mut written[1], &floats, 8));
            assert!(put_pco(&mut written[2], &small, 8));
            for bytes in written {
                for at in 0..bytes.len() {
                    let mut wrong = bytes.clone();
                    wrong[at] ^= 1 << (noise.bits() % 8);
                    read_as_all(&wrong, [600, 600, 1, 5000][at % 4]);
                    wrong[at] = noise.bits() as u8;
                    read_as_all(&wrong, 600);
                    read_as_all(&bytes[..at], 600);
                }
            }
        }
    }
}
