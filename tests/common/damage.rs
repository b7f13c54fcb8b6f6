//! Damages files at random and sees what happens: never a panic, never more memory than a budget.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use tabmind::Result;

use crate::{common, heap};

/// Loads whatever `bytes` are; fails on a panic, or if it takes more than `most` bytes of memory.
pub fn survives(
    bytes: &[u8],
    most: usize,
    run: impl Fn(&[u8]) -> Result<()>,
) -> std::result::Result<(), String> {
    let before = heap::in_use();
    heap::reset_peak();
    let outcome = catch_unwind(AssertUnwindSafe(|| run(bytes)));
    let taken = heap::peak().saturating_sub(before);
    match outcome {
        Err(_) => Err("a panic".into()),
        Ok(Err(error)) if error.detail().is_empty() => Err(format!("{:?} without a message", error.kind())),
        Ok(_) if taken > most => Err(format!("{taken} bytes are taken for a file of {}", bytes.len())),
        Ok(_) => Ok(()),
    }
}

/// One change of a file; positions are fractions of its length.
#[derive(Debug, Clone)]
enum Damage {
    Flip(f64, u8),
    Cut(f64),
    /// A number of 1, 2, 4 or 8 bytes replaced by an extreme one.
    Extreme(f64, u8, usize),
    /// A range overwritten by another.
    Splice(f64, f64, usize),
    /// A range taken out.
    Remove(f64, usize),
}

const EXTREMES: &[u64] = &[
    0,
    1,
    2,
    3,
    7,
    31,
    0x7f,
    0xff,
    0xffff,
    1 << 16,
    1 << 20,
    1 << 24,
    1 << 28,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 32,
    1 << 40,
    1 << 62,
    u64::MAX >> 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// Damage in the first `reach` of a file, where its header is.
fn damage(reach: f64) -> impl Strategy<Value = Damage> {
    let place = move || 0.0..reach;
    prop_oneof![
        (place(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (0.0..1.0f64).prop_map(Damage::Cut),
        (place(), 0..4u8, 0..EXTREMES.len()).prop_map(|(at, width, which)| Damage::Extreme(at, width, which)),
        (place(), 0.0..1.0f64, 1..64usize).prop_map(|(to, from, len)| Damage::Splice(to, from, len)),
        (place(), 1..64usize).prop_map(|(at, len)| Damage::Remove(at, len)),
    ]
}

fn damaged(mut bytes: Vec<u8>, all: &[Damage]) -> Vec<u8> {
    for damage in all {
        let len = bytes.len();
        let at = |fraction: f64| ((fraction * len as f64) as usize).min(len.saturating_sub(1));
        match *damage {
            _ if len == 0 => {}
            Damage::Flip(place, bit) => bytes[at(place)] ^= 1 << bit,
            Damage::Cut(place) => bytes.truncate(at(place)),
            Damage::Extreme(place, width, which) => {
                let number = EXTREMES[which].to_le_bytes();
                let count = (1 << width).min(len - at(place));
                bytes[at(place)..][..count].copy_from_slice(&number[..count]);
            }
            Damage::Splice(to, from, count) => {
                let count = count.min(len - at(to)).min(len - at(from));
                bytes.copy_within(at(from)..at(from) + count, at(to));
            }
            Damage::Remove(place, count) => drop(bytes.drain(at(place)..(at(place) + count).min(len))),
        }
    }
    bytes
}

/// Runs `cases` damaged copies of `file`; returns how many of them were accepted.
pub fn fuzz(
    file: &[u8],
    reach: f64,
    cases: u32,
    budget: fn(usize) -> usize,
    run: impl Fn(&[u8]) -> Result<()>,
) -> u32 {
    let config =
        ProptestConfig { cases: common::soak(cases), failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let loaded = Cell::new(0);
    let outcome = runner.run(&prop::collection::vec(damage(reach), 1..4), |all| {
        let bytes = damaged(file.to_vec(), &all);
        survives(&bytes, budget(file.len()), |bytes| run(bytes).inspect(|()| loaded.set(loaded.get() + 1)))
            .map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    loaded.get()
}
