//! How long zlib would make a text, against zlib itself.

use llm_neurons::membership::baselines::zlib_length;

/// Text whose regularity grows with `kind`: bytes of a linear congruence, folded onto fewer and fewer values.
fn text(kind: u64, length: usize) -> Vec<u8> {
    let mut state = 12345 + kind;
    let mut out: Vec<u8> = Vec::with_capacity(length);
    while out.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = (state >> 33) as usize;
        let n = out.len();
        match kind {
            0 => out.push(draw as u8),
            1 => out.push(b'a' + (draw % 26) as u8),
            // Copies of earlier stretches, from near and far.
            2 if n > 100 && !draw.is_multiple_of(3) => {
                let from = draw / 8 % (n - 40);
                let take = 3 + draw % 37;
                let copy = out[from..from + take].to_vec();
                out.extend(copy);
            }
            2 => out.push(b'a' + (draw % 8) as u8),
            3 => out.push(if draw.is_multiple_of(50) { b'x' } else { b'y' }),
            _ => {
                let words: [&str; 8] = ["the ", "neuron ", "read ", "a ", "book ", "and ", "forgot ", "it. "];
                out.extend_from_slice(words[draw % 8].as_bytes());
            }
        }
    }
    out.truncate(length);
    out
}

#[test]
fn lengths_are_those_of_zlib() {
    // zlib 1.2.13, len(zlib.compress(text(kind, length))), for kind 0 to 4 and these lengths.
    let lengths = [0, 1, 2, 3, 10, 100, 259, 600, 5_000, 40_000, 300_000];
    let wanted: [[usize; 11]; 5] = ZLIB;
    for (kind, row) in wanted.iter().enumerate() {
        for (length, bytes) in lengths.iter().zip(row) {
            assert_eq!(zlib_length(&text(kind as u64, *length)), *bytes, "kind {kind}, length {length}");
        }
    }
}

const ZLIB: [[usize; 11]; 5] = [
    [8, 9, 10, 11, 18, 111, 270, 611, 5011, 40_021, 300_101],
    [8, 9, 10, 11, 18, 84, 178, 387, 3126, 25_323, 190_568],
    [8, 9, 10, 11, 18, 65, 87, 126, 651, 5830, 71_618],
    [8, 9, 10, 11, 11, 19, 27, 46, 223, 1377, 9907],
    [8, 9, 10, 11, 18, 62, 98, 159, 822, 5614, 41_116],
];
