//! Buffers that are lent: an idle connection holds none.
//!
//! Each thread keeps a few, so that a busy connection gets back the memory that was just written and is still in the
//! cache, without asking the allocator.

use std::cell::RefCell;

use super::limits;

/// Buffers that one thread keeps.
const KEPT_MAX: usize = 8;
/// Larger ones are given back to the allocator.
const KEPT_BYTES_MAX: usize = limits::OUT_BYTES_MAX + 64 * 1_024;
/// A new buffer begins with this.
const FIRST_BYTES: usize = 256;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; limits::READ_BYTES].into());
}

/// An empty buffer.
pub(crate) fn take() -> Vec<u8> {
    KEPT.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(FIRST_BYTES))
}

/// Gives a buffer back.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() > 0 && buffer.capacity() <= KEPT_BYTES_MAX {
        buffer.clear();
        KEPT.with_borrow_mut(|kept| {
            if kept.len() < KEPT_MAX {
                kept.push(buffer);
            }
        });
    }
}

/// Lends this thread's read buffer of [`limits::READ_BYTES`]; not to be called inside itself.
pub(crate) fn reading<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    READ.with_borrow_mut(|buffer| work(buffer))
}
