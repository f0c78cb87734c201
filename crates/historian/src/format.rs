//! What all files of a store have in common: how they begin, how a block is framed, how they are named.
//!
//! Every file begins with a header of 44 bytes: magic (8 bytes), format version u32, shard u32, store id (16 bytes),
//! file number u64, crc32c u32 of the 40 bytes before. A block is: length u32 of the body, crc32c u32 of the body,
//! body. All numbers are little-endian. Format versions 1 and 2 are frozen: a later release reads them for good, and what
//! it adds gets ids of its own. The manifest's version is the store's: a store keeps the version it has until its owner
//! confirms a later one, so that the release before can still open it.
//!
//! Files are named by number and kind: `000000000012.seg`.

use crate::codec::{Cursor, Malformed};

/// The format version that new stores get.
pub const VERSION: u32 = 2;
/// The earliest version that this release reads, and writes where a store has it.
pub(crate) const VERSION_MIN: u32 = 1;
/// The one shard of today; the field is there so that more can come without a new format.
pub(crate) const SHARD: u32 = 1;
/// Bytes of a file header.
pub(crate) const HEADER_BYTES: usize = 44;
/// Bytes before the body of a block.
pub(crate) const FRAME_BYTES: usize = 8;

/// Which kind of file, by its first eight bytes.
pub(crate) const LOG: [u8; 8] = *b"SINEWLOG";
pub(crate) const SEGMENT: [u8; 8] = *b"SINEWSEG";
pub(crate) const LATEST: [u8; 8] = *b"SINEWLS2";
/// The same in stores of format version 1.
pub(crate) const LATEST_V1: [u8; 8] = *b"SINEWLST";
pub(crate) const MANIFEST: [u8; 8] = *b"SINEWMAN";

/// Why a header was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("format version {0} is later than this release")]
    Newer(u32),
    #[error("it is another file than its name says, or of another store")]
    Foreign,
}

/// The first bytes of a file.
pub(crate) fn put_header(out: &mut Vec<u8>, magic: [u8; 8], version: u32, store_id: [u8; 16], number: u64) {
    let start = out.len();
    out.extend_from_slice(&magic);
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&SHARD.to_le_bytes());
    out.extend_from_slice(&store_id);
    out.extend_from_slice(&number.to_le_bytes());
    let crc = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// What a header says.
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) store_id: [u8; 16],
    pub(crate) number: u64,
}

/// Checks a header.
pub(crate) fn take_header(bytes: &[u8], magic: [u8; 8]) -> Result<Header, HeaderError> {
    let header = bytes.get(..HEADER_BYTES).ok_or(Malformed("the file header is cut off"))?;
    let (fields, crc) = header.split_at(HEADER_BYTES - 4);
    if crc32c::crc32c(fields).to_le_bytes() != crc {
        return Err(Malformed("the checksum of the file header does not fit").into());
    }
    let mut cursor = Cursor::new(fields);
    if cursor.array()? != magic {
        return Err(Malformed("the file is of another kind").into());
    }
    let version = match cursor.u32()? {
        known @ VERSION_MIN..=VERSION => known,
        later if later > VERSION => return Err(HeaderError::Newer(later)),
        _ => return Err(Malformed("unknown format version").into()),
    };
    if cursor.u32()? != SHARD {
        return Err(Malformed("unknown shard").into());
    }
    Ok(Header { version, store_id: cursor.array()?, number: cursor.u64()? })
}

/// As [`take_header`], for the store and file that are expected.
pub(crate) fn check_header(
    bytes: &[u8],
    magic: [u8; 8],
    store_id: [u8; 16],
    number: u64,
) -> Result<(), HeaderError> {
    let header = take_header(bytes, magic)?;
    if header.store_id != store_id || header.number != number {
        return Err(HeaderError::Foreign);
    }
    Ok(())
}

/// Starts a block; returns where it began, for [`end_block`].
pub(crate) fn begin_block(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; FRAME_BYTES]);
    out.len() - FRAME_BYTES
}

/// Writes length and checksum over what was put since [`begin_block`].
pub(crate) fn end_block(out: &mut [u8], began: usize) {
    let body = &out[began + FRAME_BYTES..];
    let (len, crc) = (body.len() as u32, crc32c::crc32c(body));
    out[began..began + 4].copy_from_slice(&len.to_le_bytes());
    out[began + 4..began + FRAME_BYTES].copy_from_slice(&crc.to_le_bytes());
}

/// The body of the block at the start of `bytes`, checked.
pub(crate) fn take_block(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let mut cursor = Cursor::new(bytes);
    let (len, crc) = (cursor.u32()?, cursor.u32()?);
    let body = cursor.bytes(len as usize)?;
    if crc32c::crc32c(body) != crc {
        return Err(Malformed("the checksum does not fit"));
    }
    Ok(body)
}

/// The name of a numbered file; `kind` is `log`, `seg` or `latest`.
pub(crate) fn file_name(number: u64, kind: &str) -> String {
    format!("{number:012}.{kind}")
}

/// The number in a name made by [`file_name`].
pub(crate) fn file_number(name: &str, kind: &str) -> Option<u64> {
    let number = name.strip_suffix(kind)?.strip_suffix('.')?.parse().ok()?;
    (file_name(number, kind) == name).then_some(number)
}
