//! Conversations that go on where they were left: what is reused is what a cold run computes, whatever came between.

mod common;
#[path = "common/gguf.rs"]
mod gguf;

use pollster::block_on;
use tabmind::cancel::Cancel;
use tabmind::files::ModelFiles;
use tabmind::network::{Backend, Network, Parking};
use tabmind::prefix_cache::PrefixCache;
use tabmind::source::{FileSource, MemorySource, Source};

fn network(source: Box<dyn Source>, parking: Parking) -> Network {
    let parts = [source];
    let table = block_on(ModelFiles::read(&parts)).unwrap().table;
    let mut network =
        block_on(Network::load(&table, &parts, Backend::Naive, None, &Cancel::never(), &mut |_| {})).unwrap();
    network.parking = parking;
    network
}

fn tiny(tokens: usize) -> Network {
    network(Box::new(MemorySource::new(gguf::byte_model().build())), Parking { tokens, overhead: 0 })
}

/// Tokens that follow from `seed`.
fn tokens(seed: u64, count: usize) -> Vec<u32> {
    gguf::noise(seed, count).iter().map(|value| ((value + 1.0) * 100.0) as u32).collect()
}

/// Answers `prompt` with `answer`; returns how much was reused, and the logits after the prompt.
fn turn(cache: &mut PrefixCache, network: &mut Network, prompt: &[u32], answer: &[u32]) -> (usize, Vec<f32>) {
    let reused = block_on(cache.begin(prompt, network)).unwrap();
    if !network.can_rewind() {
        let rest = &prompt[reused..prompt.len() - 1];
        if !rest.is_empty() {
            block_on(cache.active().extend(network, rest, rest.len())).unwrap();
        }
        block_on(cache.park(network)).unwrap();
    }
    let rest = &prompt[cache.active().len()..];
    let logits = block_on(cache.active().extend(network, rest, rest.len() - 1)).unwrap().to_vec();
    for token in answer {
        block_on(cache.active().extend(network, &[*token], 0)).unwrap();
    }
    (reused, logits)
}

fn cold(network: &mut Network, prompt: &[u32]) -> Vec<f32> {
    let mut cache = block_on(PrefixCache::open(network)).unwrap();
    turn(&mut cache, network, prompt, &[]).1
}

#[test]
fn conversations_that_alternate_are_all_kept() {
    let mut network = tiny(1000);
    let mut cache = block_on(PrefixCache::open(&mut network)).unwrap();
    let system = tokens(1, 30);
    let mut conversations: Vec<Vec<u32>> =
        (2..5).map(|seed| [system.clone(), tokens(seed, 10)].concat()).collect();
    for round in 0..4 {
        for (index, prompt) in conversations.iter_mut().enumerate() {
            let answer = tokens(100 * round + index as u64, 7);
            let (reused, logits) = turn(&mut cache, &mut network, prompt, &answer);
            // At first the system prompt is shared, later all that was said.
            let expected = match (round, index) {
                (0, 0) => 0,
                (0, _) => 30,
                _ => prompt.len() - 5,
            };
            assert_eq!(reused, expected, "round {round}, conversation {index}");
            assert_eq!(logits, cold(&mut network, prompt), "round {round}, conversation {index}");
            prompt.extend(answer);
            prompt.extend(tokens(7 * round + index as u64, 5));
        }
    }
}

#[test]
fn an_answer_that_is_repeated_parks_nothing() {
    let mut network = tiny(1000);
    let mut cache = block_on(PrefixCache::open(&mut network)).unwrap();
    let prompt = tokens(1, 40);
    for seed in 0..5 {
        let answer = tokens(seed, 20);
        let (reused, _) = turn(&mut cache, &mut network, &prompt, &answer);
        assert_eq!((reused, cache.len()), (if seed == 0 { 0 } else { 39 }, 60));
    }
}

#[test]
fn the_least_recently_used_goes_first_and_memory_is_bounded() {
    const ROOM: usize = 100;
    let mut network = tiny(ROOM);
    let mut cache = block_on(PrefixCache::open(&mut network)).unwrap();
    let prompts: Vec<Vec<u32>> = (1..6).map(|seed| tokens(seed, 40)).collect();
    for prompt in &prompts {
        assert_eq!(turn(&mut cache, &mut network, prompt, &[]).0, 0);
        assert!(cache.len() <= ROOM + 40);
    }
    // Active is 4; parked are 2 and 3, and there is no room for a third.
    assert_eq!(turn(&mut cache, &mut network, &prompts[2], &[]).0, 39);
    assert_eq!(turn(&mut cache, &mut network, &prompts[0], &[]).0, 0, "dropped long ago");
    assert_eq!(
        turn(&mut cache, &mut network, &prompts[3], &[]).0,
        0,
        "the least recently used of 3, 4 and 2"
    );
    assert_eq!(turn(&mut cache, &mut network, &prompts[2], &[]).0, 39);
    network.parking.tokens = 39;
    assert_eq!(turn(&mut cache, &mut network, &prompts[1], &[]).0, 0);
    assert_eq!(
        turn(&mut cache, &mut network, &prompts[1], &[]).0,
        39,
        "without room one conversation still goes on"
    );
}

/// Any order of conversations, branches, aborts in prompt or answer, and any room: the logits are those of a cold run.
#[test]
fn whatever_came_before_a_prompt_it_is_computed_right() {
    let mut models = vec![("llama", tiny(0))];
    if let Some(folder) = common::assets("arch") {
        for name in ["lfm2", "qwen35"] {
            let source = FileSource::open(&folder.join(format!("{name}.gguf"))).unwrap();
            models.push((name, network(Box::new(source), Parking { tokens: 0, overhead: 0 })));
        }
    }
    for (name, mut network) in models {
        for room in [0, 50, 120, 1000] {
            network.parking = Parking { tokens: room, overhead: 3 };
            let mut cache = block_on(PrefixCache::open(&mut network)).unwrap();
            let mut total = 0;
            for step in 0..40u64 {
                // A tree of prompts: branches after 20 and 35 tokens.
                let branch = |level: u64| step.wrapping_mul(0x9e37_79b9).wrapping_shr(level as u32 * 3) % 2;
                let prompt =
                    [tokens(1, 20), tokens(2 + branch(1), 15), tokens(4 + branch(2), 5 + branch(3) as usize)]
                        .concat();
                if step % 7 == 3 {
                    // Aborted within the prompt.
                    let reused = block_on(cache.begin(&prompt, &mut network)).unwrap();
                    block_on(cache.active().extend(&mut network, &prompt[reused..prompt.len() - 1], 0))
                        .unwrap();
                    continue;
                }
                if step % 11 == 5 {
                    block_on(cache.begin_anew(&mut network)).unwrap();
                }
                let (reused, logits) = turn(&mut cache, &mut network, &prompt, &tokens(step, 4));
                assert_eq!(
                    logits,
                    cold(&mut network, &prompt),
                    "{name}, room {room}, step {step}, {reused} reused"
                );
                assert!(cache.len() <= room + 60, "{name}: {} tokens with room for {room}", cache.len());
                total += reused;
            }
            assert!(total > 100 || room < 120, "{name}, room {room}: {total} reused");
        }
    }
}
