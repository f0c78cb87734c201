//! Streams of bits of any widths, lowest first, filled up with zeros to a byte.

use super::bits::mask;
use crate::codec::{Cursor, Malformed, put_varint};

/// Bits that [`BitReader::peek`] has at least.
pub(super) const NEAR: u32 = 57;

/// Appends bits.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    held: u64,
    bits: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> BitWriter<'a> {
        BitWriter { out, held: 0, bits: 0 }
    }
    /// Appends a number of so many bits, at most 64.
    pub(super) fn put(&mut self, number: u64, width: u32) {
        self.held |= number << self.bits;
        if self.bits + width < u64::BITS {
            self.bits += width;
            return;
        }
        self.out.extend_from_slice(&self.held.to_le_bytes());
        // A shift by 64 would be none.
        self.held = number.checked_shr(u64::BITS - self.bits).unwrap_or(0);
        self.bits = self.bits + width - u64::BITS;
    }
    pub(super) fn end(self) {
        let bytes = self.held.to_le_bytes();
        self.out.extend_from_slice(&bytes[..self.bits.div_ceil(8) as usize]);
    }
}

/// Reads bits; past their end there are zeros, and [`BitReader::end`] refuses.
#[derive(Clone, Copy)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader { bytes, at: 0 }
    }
    /// At least [`NEAR`] of the next bits.
    pub(super) fn peek(&self) -> u64 {
        let word = match self.bytes.get(self.at / 8..).and_then(|rest| rest.first_chunk()) {
            Some(word) => u64::from_le_bytes(*word),
            None => self.last(),
        };
        word >> (self.at % 8)
    }
    /// What is left when it is less than a word.
    #[cold]
    fn last(&self) -> u64 {
        let rest = self.bytes.get(self.at / 8..).unwrap_or(&[]);
        rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }
    pub(super) fn skip(&mut self, bits: u32) {
        self.at += bits as usize;
    }
    /// The next bits, at most 64.
    pub(super) fn take(&mut self, width: u32) -> u64 {
        let low = self.peek() & mask(width.min(NEAR));
        self.skip(width.min(NEAR));
        if width <= NEAR {
            return low;
        }
        let high = self.peek() & mask(width - NEAR);
        self.skip(width - NEAR);
        low | high << NEAR
    }
    /// Refuses when more was read than there was, or less.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.at.div_ceil(8) == self.bytes.len() {
            Ok(())
        } else {
            Err(Malformed("bits do not end where they should"))
        }
    }
}

/// Appends bytes, their number before them.
pub(super) fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads bytes, their number before them.
pub(super) fn take_counted<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Malformed> {
    let len = cursor.count()?;
    cursor.bytes(len)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::made::Noise, *};

    #[test]
    fn bits_of_any_width_come_back() {
        let mut noise = Noise(9);
        let numbers: Vec<(u64, u32)> = (0..5000)
            .map(|_| {
                let width = (noise.bits() % 65) as u32;
                (noise.bits() & mask(width), width)
            })
            .collect();
        let mut out = Vec::new();
        let mut writer = BitWriter::new(&mut out);
        numbers.iter().for_each(|(number, width)| writer.put(*number, *width));
        writer.end();
        let mut reader = BitReader::new(&out);
        for (number, width) in &numbers {
            assert_eq!(reader.take(*width), *number, "{width} bits");
        }
        assert_eq!(reader.end(), Ok(()));
        reader.take(64);
        assert!(reader.end().is_err());
    }
}
