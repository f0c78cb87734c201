//! Point numbers by object id, in 5 to 11 bytes a point: a hash table that holds numbers only and asks the catalogue
//! for the ids. A plain map of ids to numbers would take 25 to 45 bytes.

use types::ObjectId;

/// No number: the catalogue would not fit in memory long before it is given.
const VACANT: u32 = u32::MAX;
/// Places of the smallest table; always a power of two.
const PLACES_MIN: usize = 16;

/// Open addressing with linear probing; at most three quarters full; removal closes the gap. Each call takes a
/// function that tells the id of a number in the table.
#[derive(Default)]
pub(crate) struct ObjectIndex {
    places: Vec<u32>,
    used: usize,
}

impl ObjectIndex {
    pub(crate) fn find(&self, object: ObjectId, id_of: impl Fn(u32) -> Option<ObjectId>) -> Option<u32> {
        self.place(object, id_of).map(|place| self.places[place])
    }

    /// Adds a number whose object is not in the table.
    pub(crate) fn insert(&mut self, object: ObjectId, number: u32, id_of: impl Fn(u32) -> Option<ObjectId>) {
        if (self.used + 1) * 4 > self.places.len() * 3 {
            let larger = (self.places.len() * 2).max(PLACES_MIN);
            let old = std::mem::replace(&mut self.places, vec![VACANT; larger]);
            for number in old.into_iter().filter(|number| *number != VACANT) {
                if let Some(object) = id_of(number) {
                    self.put(object, number);
                }
            }
        }
        self.put(object, number);
        self.used += 1;
    }

    pub(crate) fn remove(&mut self, object: ObjectId, id_of: impl Fn(u32) -> Option<ObjectId>) {
        let Some(mut gap) = self.place(object, &id_of) else { return };
        let mut place = gap;
        loop {
            place = self.next(place);
            let number = self.places[place];
            if number == VACANT {
                break;
            }
            // Moves into the gap unless it would come to stand before its home.
            let home = id_of(number).map_or(place, |object| self.home(object));
            let reach = self.distance(home, place);
            if reach >= self.distance(gap, place) {
                self.places[gap] = number;
                gap = place;
            }
        }
        self.places[gap] = VACANT;
        self.used -= 1;
    }

    fn place(&self, object: ObjectId, id_of: impl Fn(u32) -> Option<ObjectId>) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let mut place = self.home(object);
        while self.places[place] != VACANT {
            if id_of(self.places[place]) == Some(object) {
                return Some(place);
            }
            place = self.next(place);
        }
        None
    }

    fn put(&mut self, object: ObjectId, number: u32) {
        let mut place = self.home(object);
        while self.places[place] != VACANT {
            place = self.next(place);
        }
        self.places[place] = number;
    }

    /// The second half of a UUIDv7 is random; the multiplication (Fibonacci hashing) spreads ids that are not.
    fn home(&self, object: ObjectId) -> usize {
        let bytes = object.bytes();
        let half =
            |from: usize| bytes[from..from + 8].iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        let mixed = (half(8) ^ half(0).rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize & (self.places.len() - 1)
    }

    fn next(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    /// Steps from one place on to another, around the end.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.places.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn id(number: u32) -> ObjectId {
        // Few different homes, so that runs grow long and wrap around.
        let mut bytes = [0; 16];
        bytes[15] = (number % 5) as u8;
        bytes[..4].copy_from_slice(&(number << 8).to_be_bytes());
        ObjectId::from_bytes(bytes)
    }

    #[test]
    fn it_does_what_a_map_does() {
        let (mut index, mut map) = (ObjectIndex::default(), HashMap::new());
        let id_of = |number: u32| Some(id(number));
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = (state >> 40) as u32 % 200;
            if map.remove(&id(number)).is_some() {
                index.remove(id(number), id_of);
            } else {
                map.insert(id(number), number);
                index.insert(id(number), number, id_of);
            }
            let asked = (state >> 20) as u32 % 200;
            assert_eq!(index.find(id(asked), id_of), map.get(&id(asked)).copied());
            assert_eq!(index.used, map.len());
        }
        index.remove(id(1_000), id_of);
        assert_eq!(index.used, map.len());
    }
}
