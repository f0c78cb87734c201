//! Classes of integers as bits: each takes about as many as it is rare (tANS, as zstd has it, of four states in turn).
//!
//! ```text
//! counts = length varint · per class from 0, until they add up to 2^log: count + 1 as a number of n bits: n - 1 zeros,
//!          a one, and all bits but its highest; lowest first, filled up to a byte
//! steps  = length varint · four states of log bits, then per row the bits of its step; lowest first, filled up to a byte
//! ```
//!
//! The table has 2^log places. The classes are laid on them in order, each as often as it counts, every
//! 5/8 · 2^log + 3 places round. Of the places of a class that counts c, the j-th (as they were laid when log is below 10,
//! else as they stand) is x = c + j: it takes n = log - ilog2(x) bits, and leads to place (x << n) - 2^log + those bits.
//! Row i is the class of the place that state i mod 4 is at, which then takes its step.

use super::{
    bits::mask,
    stream::{BitReader, BitWriter, put_counted, take_counted},
};
use crate::codec::{Cursor, Malformed};

/// The most classes there are.
pub(super) const CLASSES: usize = 256;
/// Logarithms of the sizes that a table may have.
pub(super) const LOGS: std::ops::RangeInclusive<u32> = 5..=11;
const PLACES: usize = 1 << 11;
/// From this size on, a table is worth the time that it takes to have x rise with the places: bits come out one part in
/// a hundred fewer.
const LOG_RISING: u32 = 10;
/// States that take turns, so that a processor follows several at once: the bits of all fit into one load.
const STATES: usize = 4;

/// How often each class counts, of 2^log.
pub(super) struct Counts {
    log: u32,
    of: [u16; CLASSES],
    /// One more than the highest class.
    classes: usize,
}

impl Counts {
    /// Counts in proportion to how often classes were met, of which there are to be less than 2^log.
    pub(super) fn new(met: &[u32; CLASSES], log: u32) -> Counts {
        let rows = met.iter().map(|n| u64::from(*n)).sum::<u64>().max(1);
        let (mut of, mut left) = ([0u16; CLASSES], 1i64 << log);
        for (count, met) in of.iter_mut().zip(met).filter(|(_, met)| **met > 0) {
            *count = (((u64::from(*met) << log) + rows / 2) / rows).max(1) as u16;
            left -= i64::from(*count);
        }
        // What rounding left or took too much: the most frequent ones feel it least.
        while left != 0 {
            let Some(most) = of.iter_mut().max_by_key(|count| **count) else { break };
            let change = left.max(-i64::from(*most / 8 + 1));
            *most = (i64::from(*most) + change) as u16;
            left -= change;
        }
        let classes = met.iter().rposition(|n| *n > 0).map_or(0, |last| last + 1);
        Counts { log, of, classes }
    }
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        let mut writer = BitWriter::new(&mut bytes);
        for count in &self.of[..self.classes] {
            let number = u64::from(*count) + 1;
            let after = number.ilog2();
            writer.put(1 << after, after + 1);
            writer.put(number & mask(after), after);
        }
        writer.end();
        put_counted(out, &bytes);
    }
    pub(super) fn take(cursor: &mut Cursor<'_>, log: u32) -> Result<Counts, Malformed> {
        let mut reader = BitReader::new(take_counted(cursor)?);
        let (mut of, mut left, mut classes) = ([0u16; CLASSES], 1u64 << log, 0);
        while left > 0 {
            let near = reader.peek();
            let after = near.trailing_zeros();
            let Some(count) = of.get_mut(classes).filter(|_| after <= *LOGS.end()) else {
                return Err(Malformed("counts of classes do not add up"));
            };
            let number = (1 << after) + (near >> (after + 1) & mask(after));
            reader.skip(2 * after + 1);
            left = left.checked_sub(number - 1).ok_or(Malformed("counts of classes do not add up"))?;
            *count = (number - 1) as u16;
            classes += 1;
        }
        reader.end()?;
        Ok(Counts { log, of, classes })
    }
    /// Classes that count.
    pub(super) fn met(&self) -> impl Iterator<Item = u8> + '_ {
        (0..self.classes).filter(|class| self.of[*class] > 0).map(|class| class as u8)
    }
    /// Lays the classes on the table: calls back with each place, its class, how often that counts and its x.
    fn lay(&self, mut place: impl FnMut(usize, u8, u16, u16)) {
        if self.log < LOG_RISING {
            return self.lay_round(|at, class, x| place(at, class, self.of[usize::from(class)], x));
        }
        let (mut laid, mut next) = (vec![0; 1 << self.log], self.of);
        self.lay_round(|at, class, _| laid[at] = class);
        for (at, class) in laid.into_iter().enumerate() {
            let x = &mut next[usize::from(class)];
            place(at, class, self.of[usize::from(class)], *x);
            *x += 1;
        }
    }
    /// Lays the classes on the table, with an x for each place in the order in which they are laid.
    fn lay_round(&self, mut place: impl FnMut(usize, u8, u16)) {
        let size = 1usize << self.log;
        let (step, mut at) = (size / 8 * 5 + 3, 0);
        for class in self.met() {
            let count = self.of[usize::from(class)];
            for x in count..2 * count {
                place(at, class, x);
                at = (at + step) & (size - 1);
            }
        }
    }

    /// Appends the steps of classes, all of which count.
    pub(super) fn put_steps(&self, out: &mut Vec<u8>, classes: &[u8]) {
        let size = 1usize << self.log;
        let (mut begins, mut sum) = ([0u16; CLASSES], 0);
        for (begin, count) in begins.iter_mut().zip(&self.of) {
            *begin = sum;
            sum += count;
        }
        let mut to = [0u16; PLACES];
        self.lay(|at, class, count, x| {
            to[usize::from(begins[usize::from(class)] + x - count) % PLACES] = at as u16;
        });
        // From the end, since each step is known only by where it leads.
        let mut states = [size as u32; STATES];
        let mut steps = vec![(0u16, 0u8); classes.len()];
        for ((row, class), step) in classes.iter().enumerate().zip(&mut steps).rev() {
            let (state, class) = (&mut states[row % STATES], usize::from(*class));
            let count = u32::from(self.of[class]);
            let mut n = state.ilog2() - count.ilog2();
            n -= u32::from(*state >> n < count);
            *step = ((*state & mask(n) as u32) as u16, n as u8);
            let x = (*state >> n) - count;
            *state = size as u32 + u32::from(to[(u32::from(begins[class]) + x) as usize % PLACES]);
        }
        let mut bytes = Vec::with_capacity(classes.len());
        let mut writer = BitWriter::new(&mut bytes);
        states.iter().for_each(|state| writer.put(u64::from(*state) - size as u64, self.log));
        steps.iter().for_each(|(bits, n)| writer.put(u64::from(*bits), u32::from(*n)));
        writer.end();
        put_counted(out, &bytes);
    }
}

/// A place of the table.
#[derive(Clone, Copy, Default)]
struct Place {
    next: u16,
    bits: u8,
    class: u8,
}

/// Reads classes.
pub(super) struct Steps<'a> {
    table: Vec<Place>,
    states: [usize; STATES],
    reader: BitReader<'a>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(counts: &Counts, cursor: &mut Cursor<'a>) -> Result<Steps<'a>, Malformed> {
        let mut table = vec![Place::default(); 1 << counts.log];
        counts.lay(|at, class, count, x| {
            // Of x and what it counts, which is less than twice as much, the logarithms differ by at most one.
            let log = u32::from(count.max(1)).ilog2();
            let bits = counts.log - log - u32::from(x >> log > 1);
            let next = (u32::from(x) << bits) - (1 << counts.log);
            table[at] = Place { next: next as u16, bits: bits as u8, class };
        });
        let mut reader = BitReader::new(take_counted(cursor)?);
        let states = [(); STATES].map(|()| reader.take(counts.log) as usize);
        Ok(Steps { table, states, reader })
    }
    /// Reads as many classes as there are places, which must be a multiple of four unless they are the last.
    pub(super) fn take(&mut self, classes: &mut [u8]) {
        let (fours, rest) = classes.as_chunks_mut::<STATES>();
        let (mut states, mut reader) = (self.states, self.reader);
        for four in fours {
            let (near, mut taken) = (reader.peek(), 0);
            for (class, state) in four.iter_mut().zip(&mut states) {
                let place = self.table[*state];
                *class = place.class;
                *state = usize::from(place.next) + ((near >> taken) as usize & ((1 << place.bits) - 1));
                taken += u32::from(place.bits);
            }
            reader.skip(taken);
        }
        for (class, state) in rest.iter_mut().zip(&mut states) {
            let place = self.table[*state];
            *class = place.class;
            *state = usize::from(place.next) + reader.take(u32::from(place.bits)) as usize;
        }
        (self.states, self.reader) = (states, reader);
    }
    /// Refuses when more bits were read than there were, or less.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        self.reader.end()
    }
}
