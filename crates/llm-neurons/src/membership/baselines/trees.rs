//! Deflate's blocks: how many bits their codes take.

/// Symbols in one block at most.
const FULL: usize = (1 << 14) - 1;
const END_OF_BLOCK: usize = 256;
const CODES: usize = 286;
const DISTANCES: usize = 30;
const LENGTHS: usize = 19;
/// In which order the lengths of the length code are written.
const ORDER: [usize; LENGTHS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// Extra bits of the three repeat codes among the lengths: they are the symbols 16, 17 and 18.
const REPEATS: [u64; 3] = [2, 3, 7];

/// The symbols of a block, counted.
pub(super) struct Block {
    codes: [u32; CODES],
    distances: [u32; DISTANCES],
    symbols: usize,
    /// Bits of lengths and distances beyond their codes.
    extra: u64,
}

impl Default for Block {
    fn default() -> Self {
        let mut codes = [0; CODES];
        codes[END_OF_BLOCK] = 1;
        Self { codes, distances: [0; DISTANCES], symbols: 0, extra: 0 }
    }
}

impl Block {
    /// One byte as it is; whether the block is full now.
    pub(super) fn literal(&mut self, byte: u8) -> bool {
        self.codes[usize::from(byte)] += 1;
        self.symbols += 1;
        self.symbols == FULL
    }

    /// A match of 3 to 258 bytes at a distance of at least 1; whether the block is full now.
    pub(super) fn matched(&mut self, length: usize, distance: usize) -> bool {
        let (code, bits) = length_code(length);
        self.codes[code] += 1;
        let (far, far_bits) = distance_code(distance);
        self.distances[far] += 1;
        self.extra += bits + far_bits;
        self.symbols += 1;
        self.symbols == FULL
    }
}

/// Symbol and extra bits of a length: groups of four codes, each group with twice the step of the one before.
fn length_code(length: usize) -> (usize, u64) {
    let rest = length - 3;
    match rest {
        0..8 => (257 + rest, 0),
        255 => (285, 0),
        _ => {
            let bits = rest.ilog2() as usize - 2;
            (257 + 4 * bits + (rest >> bits), bits as u64)
        }
    }
}

/// Symbol and extra bits of a distance: groups of two.
fn distance_code(distance: usize) -> (usize, u64) {
    let rest = distance - 1;
    if rest < 4 {
        return (rest, 0);
    }
    let bits = rest.ilog2() as usize - 1;
    (2 * bits + (rest >> bits), bits as u64)
}

/// The stream so far.
#[derive(Default)]
pub(super) struct Counter {
    bits: u64,
}

impl Counter {
    /// Adds a block of `stored` source bytes in the shortest of its three forms, as zlib judges them, and empties it.
    pub(super) fn flush(&mut self, block: &mut Block, stored: usize, last: bool) {
        let block = std::mem::take(block);
        let codes = code_lengths(&block.codes, 15);
        let distances = code_lengths(&block.distances, 15);
        let dynamic = weigh(&block.codes, &codes)
            + weigh(&block.distances, &distances)
            + block.extra
            + header_bits(&codes, &distances);
        let fixed = block.codes.iter().enumerate().map(|(i, n)| u64::from(*n) * fixed_length(i)).sum::<u64>()
            + 5 * block.distances.iter().map(|n| u64::from(*n)).sum::<u64>()
            + block.extra;
        let bytes = |bits: u64| (bits + 3 + 7) >> 3;
        let (dynamic_bytes, fixed_bytes) = (bytes(dynamic), bytes(fixed));
        let best = dynamic_bytes.min(fixed_bytes);
        self.bits += 3;
        if stored as u64 + 4 <= best {
            self.bits = self.bits.next_multiple_of(8) + 8 * (4 + stored as u64);
        } else {
            // Equal bytes: the fixed code is taken, even where the other has fewer bits.
            self.bits += if fixed_bytes <= dynamic_bytes { fixed } else { dynamic };
        }
        if last {
            self.bits = self.bits.next_multiple_of(8);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        (self.bits / 8) as usize
    }
}

fn weigh(counts: &[u32], lengths: &[u8]) -> u64 {
    counts.iter().zip(lengths).map(|(n, bits)| u64::from(*n) * u64::from(*bits)).sum()
}

/// Bits of a symbol in deflate's fixed code.
fn fixed_length(symbol: usize) -> u64 {
    match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    }
}

/// What describing two codes takes: their lengths, run-length coded, in a third code.
fn header_bits(codes: &[u8], distances: &[u8]) -> u64 {
    let mut counts = [0_u32; LENGTHS];
    count_runs(codes, &mut counts);
    count_runs(distances, &mut counts);
    let lengths = code_lengths(&counts, 7);
    let written = ORDER.iter().rposition(|i| lengths[*i] != 0).unwrap_or(0).max(3) + 1;
    let extra: u64 = counts[16..].iter().zip(REPEATS).map(|(n, bits)| u64::from(*n) * bits).sum();
    5 + 5 + 4 + 3 * written as u64 + weigh(&counts, &lengths) + extra
}

/// Runs of lengths up to the last one that is used, as zlib cuts them.
fn count_runs(lengths: &[u8], counts: &mut [u32; LENGTHS]) {
    let end = lengths.iter().rposition(|l| *l != 0).map_or(1, |last| last + 1);
    let limits = |next: Option<u8>, current: Option<u8>| match next {
        Some(0) => (138, 3),
        _ if next == current => (6, 3),
        _ => (7, 4),
    };
    let mut before = None;
    let (mut most, mut least) = limits(lengths.first().copied(), None);
    let mut run = 0;
    for n in 0..end {
        let current = lengths[n];
        let next = if n + 1 < end { Some(lengths[n + 1]) } else { None };
        run += 1;
        if run < most && next == Some(current) {
            continue;
        }
        if run < least {
            counts[usize::from(current)] += run;
        } else if current != 0 {
            if before != Some(current) {
                counts[usize::from(current)] += 1;
            }
            counts[16] += 1;
        } else if run <= 10 {
            counts[17] += 1;
        } else {
            counts[18] += 1;
        }
        run = 0;
        before = Some(current);
        (most, least) = limits(next, Some(current));
    }
}

/// Lengths of zlib's Huffman code, none above `most` bits. Ties are broken as zlib does, since the lengths themselves
/// are coded.
fn code_lengths(counts: &[u32], most: usize) -> Vec<u8> {
    let symbols = counts.len();
    let mut weight: Vec<u32> = counts.to_vec();
    weight.resize(2 * symbols + 1, 0);
    let mut depth = vec![0_u8; 2 * symbols + 1];
    let mut parent = vec![0_usize; 2 * symbols + 1];
    // The heap begins at 1.
    let mut heap = vec![0_usize];
    heap.extend((0..symbols).filter(|i| counts[*i] > 0));
    let mut last = heap.last().copied().filter(|_| heap.len() > 1);
    // A code has at least two symbols, whether they occur or not.
    while heap.len() < 3 {
        let node = match last {
            None => 0,
            Some(symbol @ (0 | 1)) => symbol + 1,
            Some(_) => 0,
        };
        last = Some(last.map_or(node, |symbol| symbol.max(node)));
        weight[node] = 1;
        heap.push(node);
    }
    let last = last.unwrap_or(0);
    for k in (1..=(heap.len() - 1) / 2).rev() {
        sink(&mut heap, k, &weight, &depth);
    }
    // Nodes as they left the heap, two by two, and the root.
    let mut left: Vec<usize> = Vec::with_capacity(2 * symbols);
    let mut node = symbols;
    loop {
        let least = pop(&mut heap, &weight, &depth);
        let second = heap[1];
        left.extend([least, second]);
        weight[node] = weight[least] + weight[second];
        depth[node] = depth[least].max(depth[second]).saturating_add(1);
        parent[least] = node;
        parent[second] = node;
        heap[1] = node;
        sink(&mut heap, 1, &weight, &depth);
        node += 1;
        if heap.len() < 3 {
            break;
        }
    }
    // The root, which is no one's child, stays at 0.
    let mut lengths = vec![0_usize; 2 * symbols + 1];
    let mut with_length = vec![0_usize; most + 1];
    let mut overflow = 0_i64;
    for n in left.iter().rev().copied() {
        let bits = lengths[parent[n]] + 1;
        overflow += i64::from(bits > most);
        lengths[n] = bits.min(most);
        if n <= last {
            with_length[lengths[n]] += 1;
        }
    }
    if overflow > 0 {
        while overflow > 0 {
            let mut bits = most - 1;
            while with_length[bits] == 0 {
                bits -= 1;
            }
            with_length[bits] -= 1;
            with_length[bits + 1] += 2;
            with_length[most] -= 1;
            overflow -= 2;
        }
        let mut leaves = left.iter().copied().filter(|n| *n <= last);
        for bits in (1..=most).rev() {
            leaves.by_ref().take(with_length[bits]).for_each(|n| lengths[n] = bits);
        }
    }
    (0..symbols).map(|i| if weight[i] > 0 { lengths[i] as u8 } else { 0 }).collect()
}

fn lighter(a: usize, b: usize, weight: &[u32], depth: &[u8]) -> bool {
    weight[a] < weight[b] || (weight[a] == weight[b] && depth[a] <= depth[b])
}

fn sink(heap: &mut [usize], mut k: usize, weight: &[u32], depth: &[u8]) {
    let node = heap[k];
    let end = heap.len() - 1;
    let mut child = 2 * k;
    while child <= end {
        if child < end && lighter(heap[child + 1], heap[child], weight, depth) {
            child += 1;
        }
        if lighter(node, heap[child], weight, depth) {
            break;
        }
        heap[k] = heap[child];
        k = child;
        child *= 2;
    }
    heap[k] = node;
}

fn pop(heap: &mut Vec<usize>, weight: &[u32], depth: &[u8]) -> usize {
    let top = heap[1];
    if let Some(end) = heap.pop()
        && heap.len() > 1
    {
        heap[1] = end;
        sink(heap, 1, weight, depth);
    }
    top
}
