//! How many bytes zlib makes of a text at its default level.
//!
//! Other compressors, and other versions of the same library, need not agree on a length to the byte, and which one a build
//! gets can depend on the features of its other dependencies. The zlib attack divides by this number, so the search of
//! zlib's level 6 is done here: hash chains, lazy matching, blocks, and the choice between stored, fixed and dynamic codes.
//! Nothing is written, lengths are counted.

use super::trees::{Block, Counter};

/// Zlib's window and what it keeps free at its end.
const WINDOW: usize = 1 << 15;
const MAX_DISTANCE: usize = WINDOW - (LONGEST + SHORTEST + 1);
const SHORTEST: usize = 3;
const LONGEST: usize = 258;
/// A match of three bytes that is further away costs more than it saves.
const TOO_FAR: usize = 4096;
/// Level 6: a good match shortens the search, a lazy one ends the waiting, a nice one is taken, and the chain is cut.
const GOOD: usize = 8;
const LAZY: usize = 16;
const NICE: usize = 128;
const CHAIN: usize = 128;
const HASH_BITS: u32 = 15;
const NONE: u32 = 0;

/// The length in bytes of `zlib.compress(data)`: two bytes of header, deflate at level 6, four bytes of checksum. Equal to
/// zlib 1.2.x and 1.3.x with their default memory level.
#[must_use]
pub fn zlib_length(data: &[u8]) -> usize {
    let mut search =
        Search { data, head: vec![NONE; 1 << HASH_BITS], previous: vec![NONE; data.len().min(WINDOW)] };
    let mut counter = Counter::default();
    let mut block = Block::default();
    let mut at = 0;
    let mut block_start = 0;
    let (mut length, mut start) = (SHORTEST - 1, 0);
    let mut waiting = false;
    while at < data.len() {
        let ahead = data.len() - at;
        let candidate = if ahead >= SHORTEST { search.insert(at) } else { NONE };
        let (before, before_start) = (length, start);
        length = SHORTEST - 1;
        if candidate != NONE && before < LAZY && at - candidate as usize <= MAX_DISTANCE {
            (length, start) = search.longest(at, candidate, before, before_start);
            if length == SHORTEST && at - start > TOO_FAR {
                length = SHORTEST - 1;
            }
        }
        if before >= SHORTEST && length <= before {
            // The match that was found one byte ago stands.
            let last_insert = (at + ahead).checked_sub(SHORTEST);
            let full = block.matched(before, at - 1 - before_start);
            for place in at + 1..at + before - 1 {
                if last_insert.is_some_and(|last| place <= last) {
                    search.insert(place);
                }
            }
            at += before - 1;
            waiting = false;
            length = SHORTEST - 1;
            if full {
                counter.flush(&mut block, at - block_start, false);
                block_start = at;
            }
        } else if waiting {
            if block.literal(data[at - 1]) {
                counter.flush(&mut block, at - block_start, false);
                block_start = at;
            }
            at += 1;
        } else {
            waiting = true;
            at += 1;
        }
    }
    if waiting {
        block.literal(data[at - 1]);
    }
    counter.flush(&mut block, at - block_start, true);
    2 + counter.bytes() + 4
}

struct Search<'a> {
    data: &'a [u8],
    /// The last place with a hash; place 0 cannot be told from none and is never found, as in zlib.
    head: Vec<u32>,
    /// The place before with the same hash, in a ring of one window.
    previous: Vec<u32>,
}

impl Search<'_> {
    /// Notes a place; the last one with the same hash of three bytes.
    fn insert(&mut self, at: usize) -> u32 {
        let byte = |i: usize| usize::from(self.data[at + i]);
        let hash = ((byte(0) << 10) ^ (byte(1) << 5) ^ byte(2)) & ((1 << HASH_BITS) - 1);
        let before = self.head[hash];
        self.previous[at % WINDOW] = before;
        self.head[hash] = at as u32;
        before
    }

    /// The longest match that beats `best`, and where it begins; along a chain that is cut.
    fn longest(&self, at: usize, candidate: u32, mut best: usize, mut start: usize) -> (usize, usize) {
        let scan = &self.data[at..];
        let most = scan.len().min(LONGEST);
        let nice = NICE.min(scan.len());
        let limit = at.saturating_sub(MAX_DISTANCE);
        let mut chain = if best >= GOOD { CHAIN / 4 } else { CHAIN };
        let mut place = candidate as usize;
        loop {
            // Beyond the end nothing can be longer than what is there.
            if best >= most {
                break;
            }
            let found = &self.data[place..];
            if found[best] == scan[best] && found[best - 1] == scan[best - 1] {
                let length = scan[..most].iter().zip(found).take_while(|(a, b)| a == b).count();
                if length > best {
                    (best, start) = (length, place);
                    if length >= nice {
                        break;
                    }
                }
            }
            place = self.previous[place % WINDOW] as usize;
            chain -= 1;
            if place <= limit || chain == 0 {
                break;
            }
        }
        (best.min(scan.len()), start)
    }
}
