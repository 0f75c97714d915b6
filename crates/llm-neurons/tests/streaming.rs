//! Statistics over a corpus: shards add up to the whole, to the last count, and memory does not grow with the text.

use std::sync::{Mutex, MutexGuard, PoisonError};

use llm_neurons::language::{ActivationCounter, ActivationStats, LanguageReader};
use llm_neurons::planted::{self, PlantedLanguages};
use peak_alloc::PeakAlloc;
use tensor_backend::Backend;
use tensor_backend::harness::run;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

/// One test at a time, so that the peak is that test's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const WINDOW: usize = 64;
const BATCH: usize = 8;

/// Windows `from` to `to` of every language, `BATCH` at a time.
fn counted(planted: &PlantedLanguages, from: usize, to: usize) -> ActivationStats {
    let mut counter = ActivationCounter::new(&planted.model, planted.languages()).unwrap();
    for k in 0..planted.languages() {
        let text = planted.text(k, to * WINDOW).split_off(from * WINDOW);
        assert_eq!(counter.observe_stream(k, text, WINDOW, BATCH).unwrap(), to - from);
    }
    counter.stats().unwrap()
}

#[test]
fn shards_of_equal_batches_merge_to_the_same_counts() {
    let _alone = alone();
    run(Backend::Cpu, |on| {
        let planted = planted::languages(on.device(), 5).unwrap();
        let whole = counted(&planted, 0, 48);
        // Cut where a batch ends; merged in another order.
        let shards = [counted(&planted, 16, 40), counted(&planted, 40, 48), counted(&planted, 0, 16)];
        let mut merged = ActivationStats::empty(2, 256, planted.languages()).unwrap();
        shards.iter().for_each(|shard| merged.merge(shard).unwrap());
        assert_eq!(merged, whole);
        // A reader that holds nothing back counts the same.
        let mut reader = LanguageReader::new(&planted.model, planted.languages(), 0, WINDOW * BATCH).unwrap();
        for k in 0..planted.languages() {
            let text = planted.text(k, 48 * WINDOW);
            reader.read(k, text.chunks_exact(WINDOW).map(|w| Ok(w.to_vec()))).unwrap();
        }
        let (stats, held_back) = reader.finish().unwrap();
        assert_eq!(stats, whole);
        assert!(held_back.iter().all(Vec::is_empty));
    });
}

#[test]
fn what_is_held_back_is_not_counted() {
    let _alone = alone();
    run(Backend::Cpu, |on| {
        let planted = planted::languages(on.device(), 5).unwrap();
        let mut reader = LanguageReader::new(&planted.model, planted.languages(), 3, WINDOW * BATCH).unwrap();
        for k in 0..planted.languages() {
            let text = planted.text(k, 45 * WINDOW);
            reader.read(k, text.chunks_exact(WINDOW).map(|w| Ok(w.to_vec()))).unwrap();
        }
        assert_eq!(reader.windows(), [45; 4]);
        let (stats, held_back) = reader.finish().unwrap();
        for k in 0..planted.languages() {
            // Windows 1, 11 and 21 from 0; the fourth would be one too many.
            let text = planted.text(k, 45 * WINDOW);
            let wanted: Vec<Vec<u32>> =
                [1, 11, 21].map(|i| text[i * WINDOW..(i + 1) * WINDOW].to_vec()).to_vec();
            assert_eq!(held_back[k], wanted);
            assert_eq!(stats.tokens()[k], 42 * WINDOW as i64);
        }
    });
}

#[test]
fn memory_does_not_grow_with_the_corpus() {
    let _alone = alone();
    run(Backend::Cpu, |on| {
        let planted = planted::languages(on.device(), 5).unwrap();
        let base = planted.text(0, 8 * WINDOW);
        // Text is made as it is asked for.
        let most = |windows: usize| {
            let mut counter = ActivationCounter::new(&planted.model, planted.languages()).unwrap();
            let endless = base.iter().copied().cycle();
            PEAK.reset_peak_usage();
            let before = PEAK.current_usage();
            counter.observe_stream(0, endless.take(windows * WINDOW), WINDOW, BATCH).unwrap();
            assert_eq!(counter.stats().unwrap().tokens()[0], (windows * WINDOW) as i64);
            PEAK.peak_usage() - before
        };
        most(2 * BATCH); // what is set up once
        let (short, long) = (most(4 * BATCH), most(80 * BATCH));
        // One more activation tensor of a batch kept for each batch would be 76 times 512 x 256 x 4 bytes.
        assert!(long < short + (1 << 18), "{short} bytes for 4 batches, {long} for 80");
    });
}
