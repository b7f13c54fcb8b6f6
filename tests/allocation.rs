//! A steady-state token of the CPU engine allocates nothing, and a thousand of them do not grow memory.

mod common;
#[path = "common/heap.rs"]
mod heap;

use std::path::Path;

use pollster::block_on;
use tabmind::cancel::Cancel;
use tabmind::gguf::Gguf;
use tabmind::network::{Backend, Network};
use tabmind::source::{FileSource, Source};

#[global_allocator]
static ALLOCATOR: heap::Counting = heap::Counting;

/// Allocations of each of `steps` tokens after the first few, one after the other, with no more than `window` of context.
fn allocations(path: &Path, steps: usize) -> usize {
    let parts: Vec<Box<dyn Source>> = vec![Box::new(FileSource::open(path).unwrap())];
    let gguf = block_on(Gguf::read(&parts)).unwrap();
    let cancel = Cancel::never();
    let mut network =
        block_on(Network::load(&gguf, &parts, Backend::Cpu, None, &cancel, &mut |_| {})).unwrap();
    let context = network.context_length;
    let sequence = block_on(network.open(context)).unwrap();
    let mut step = |n: usize| {
        let token = u32::try_from(n * 7 % network.spec.vocab).unwrap();
        block_on(network.run(sequence, &[token], n % context, 0)).unwrap();
    };
    (0..4).for_each(&mut step);
    let before = heap::allocations();
    (4..4 + steps).for_each(&mut step);
    heap::allocations() - before
}

#[test]
fn counting_can_fail() {
    let before = heap::allocations();
    drop(std::hint::black_box(vec![0u8; 100]));
    assert_eq!(heap::allocations() - before, 1);
}

#[test]
fn a_token_allocates_nothing_in_any_architecture() {
    let Some(folder) = common::assets("arch") else { return };
    let mut models: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    models.retain(|path| path.extension().is_some_and(|extension| extension == "gguf"));
    models.sort();
    assert!(models.len() >= 51);
    let failures: Vec<String> = models
        .iter()
        .filter_map(|path| match allocations(path, 8) {
            0 => None,
            count => Some(format!("{}: {count} in 8 tokens", path.file_stem().unwrap().display())),
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_thousand_tokens_allocate_nothing() {
    let Some(folder) = common::assets("weights") else { return };
    assert_eq!(allocations(&folder.join("stories260K/stories260K.gguf"), 1000), 0);
}
