//! Several tokens in flight on the GPU: whatever was begun with ahead, texts are those of one token at a time.

mod common;
#[path = "common/gguf.rs"]
mod gguf;
#[path = "common/gpu.rs"]
mod gpu;

use std::cell::Cell;

use pollster::block_on;
use serde_json::{Value, json};
use tabmind::cancel::Cancel;
use tabmind::engine::{Pick, SequenceId};
use tabmind::files::ModelFiles;
use tabmind::generate::Choice;
use tabmind::kernels::draw::Draw;
use tabmind::model::Model;
use tabmind::network::{Backend, Blueprint, Executor, Network};
use tabmind::request::{LoadOptions, Request, parse};
use tabmind::source::{FileSource, MemorySource, Source};
use tabmind::spec::Spec;
use tabmind::{ErrorKind, Result};

/// Tokens ahead.
const AHEAD: usize = 4;
/// Of a run's description; a token that the host knows is written besides.
const RUN_BYTES: usize = 36;

fn model(file: Vec<u8>, ahead: usize, more: Value) -> Model {
    let mut options = json!({ "backend": "webgpu", "tokensInFlight": ahead });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let options: LoadOptions = parse(&options.to_string()).unwrap();
    let source: Box<dyn Source> = Box::new(MemorySource::new(file));
    block_on(Model::load(vec![source], &options, &Cancel::never(), &mut |_| {})).unwrap()
}

fn tiny(ahead: usize) -> Model {
    model(gguf::byte_model().build(), ahead, json!({}))
}

/// A continuation of `prompt` of 24 tokens; `more` is added or overrides.
fn request(prompt: &str, more: Value) -> Request {
    let mut params = json!({ "prompt": prompt, "max_tokens": 24, "ignore_eos": true });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Request::parse(&json!({ "kind": "completion", "params": params }).to_string()).unwrap()
}

fn run(model: &Model, request: &Request, cancel: &Cancel) -> Result<Vec<Choice>> {
    block_on(model.generate(request, cancel, &mut |_| {})).map(|outcome| outcome.choices)
}

/// Answers to `requests`, one after the other; errors as their kinds.
fn answers(model: &Model, requests: &[Request]) -> Vec<Result<Vec<Choice>, ErrorKind>> {
    requests.iter().map(|request| run(model, request, &Cancel::never()).map_err(|e| e.kind())).collect()
}

#[test]
fn texts_are_those_of_one_token_at_a_time() {
    if !gpu::is_there() {
        return;
    }
    let (alone, ahead) = (tiny(0), tiny(AHEAD));
    let settings = [
        json!({ "temperature": 0 }),
        json!({ "temperature": 0, "max_tokens": 1 }),
        json!({ "seed": 1, "n": 3 }),
        json!({ "seed": 2, "top_k": 5, "temperature": 2 }),
        json!({ "seed": 3, "top_p": 0.7, "min_p": 0.02 }),
        json!({ "seed": 4, "ignore_eos": false, "logit_bias": { "97": 3 } }),
        json!({ "seed": 5, "logprobs": 2 }),
        json!({ "seed": 6, "frequency_penalty": 1 }),
        json!({ "seed": 7, "response_format": { "type": "regex", "regex": "[a-f]{3,9} [0-9]+;" } }),
    ];
    let requests: Vec<_> = settings.into_iter().map(|more| request("12 34 56", more)).collect();
    assert_eq!(answers(&ahead, &requests), answers(&alone, &requests));
    for more in [json!({ "temperature": 0 }), json!({ "seed": 1, "top_k": 5 })] {
        for (model, bytes) in [(&alone, RUN_BYTES + 4), (&ahead, RUN_BYTES)] {
            run(model, &request("12 34 56", more.clone()), &Cancel::never()).unwrap();
            assert_eq!(model.run_cost().unwrap().bytes_written, bytes, "for the last token of {more}");
        }
    }
}

/// Where the text ends while tokens are in flight, the next request gets the answer that it gets alone.
#[test]
fn after_an_early_end_the_next_request_is_right() {
    if !gpu::is_there() {
        return;
    }
    let model = tiny(AHEAD);
    let whole = run(&tiny(0), &request("12 34", json!({ "seed": 8 })), &Cancel::never()).unwrap().remove(0);
    let followers = [
        request("12 34", json!({ "seed": 9 })),
        request("12 34", json!({ "temperature": 0 })),
        request("something else", json!({ "seed": 10 })),
    ];
    let expected: Vec<_> =
        followers.iter().map(|next| answers(&tiny(0), std::slice::from_ref(next))).collect();
    let letters: Vec<&str> = whole.text.split("").filter(|text| !text.is_empty()).collect();
    for (index, stop) in letters.iter().enumerate() {
        let stopped = run(&model, &request("12 34", json!({ "seed": 8, "stop": stop })), &Cancel::never());
        let end = whole.text.find(stop).unwrap();
        assert_eq!(stopped.unwrap()[0].text, whole.text[..end], "up to {stop:?}");
        let next = index % followers.len();
        assert_eq!(answers(&model, &followers[next..=next]), expected[next], "after a stop at {stop:?}");
    }
    for checks in 0..24u32 {
        let left = Cell::new(checks);
        let cancel = Cancel::new(move || left.replace(left.get().saturating_sub(1)) == 0);
        let aborted = run(&model, &request("12 34", json!({ "seed": 8 })), &cancel);
        assert_eq!(aborted.map_err(|error| error.kind()), Err(ErrorKind::Aborted), "after {checks} looks");
        let next = checks as usize % followers.len();
        assert_eq!(answers(&model, &followers[next..=next]), expected[next], "after {checks} looks");
    }
}

#[test]
fn the_context_is_filled_exactly() {
    if !gpu::is_there() {
        return;
    }
    let bytes = gguf::byte_model().build();
    let [alone, ahead] = [0, 16].map(|count| model(bytes.clone(), count, json!({ "contextLength": 40 })));
    let requests: Vec<_> = (20..40)
        .map(|length| request(&"7".repeat(length), json!({ "temperature": 0, "max_tokens": 100 })))
        .collect();
    assert_eq!(answers(&ahead, &requests), answers(&alone, &requests));
}

/// A token after which logits are no numbers: the runs behind it are not asked, and nothing of them stays.
#[test]
fn what_follows_no_number_is_not_believed() {
    if !gpu::is_there() {
        return;
    }
    let greedy = request("12 34", json!({ "temperature": 0 }));
    let ids = run(&tiny(0), &greedy, &Cancel::never()).unwrap().remove(0).token_ids;
    let broken = ids[7] as usize;
    let mut file = gguf::byte_model();
    let (.., bytes) = file.tensors.iter_mut().find(|tensor| tensor.0 == "token_embd.weight").unwrap();
    bytes[broken * 32 * 4..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let requests = [greedy, request("12 34", json!({ "seed": 1 })), request("99", json!({ "seed": 2 }))];
    let expected = answers(&model(file.build(), 0, json!({})), &requests);
    assert_eq!(expected[0], Err(ErrorKind::NumericError));
    assert_eq!(answers(&model(file.build(), AHEAD, json!({})), &requests), expected);
}

fn network(source: Box<dyn Source>, ahead: usize) -> Network {
    let parts = [source];
    let table = block_on(ModelFiles::read(&parts)).unwrap().table;
    let spec = Spec::read(&table).unwrap();
    let mut blueprint = block_on(Blueprint::draw(spec, &table, &parts, Some(64))).unwrap();
    blueprint.tokens_in_flight = ahead;
    let cancel = Cancel::never();
    let gpu = block_on(Executor::open(Backend::Gpu)).unwrap();
    block_on(Network::build(blueprint, &table, &parts, gpu, &cancel, &mut |_| {})).unwrap()
}

fn tiny_network(ahead: usize) -> Network {
    network(Box::new(MemorySource::new(gguf::byte_model().build())), ahead)
}

/// The token to follow `tokens` at `position`, with all that may be in flight behind it.
fn step(network: &mut Network, sequence: SequenceId, tokens: &[u32], position: usize) -> u32 {
    let ahead = [Pick::Likeliest; AHEAD];
    block_on(network.run_to_pick(sequence, tokens, position, Pick::Likeliest, &ahead)).unwrap()
}

#[test]
fn a_token_in_flight_costs_what_a_token_costs() {
    if !gpu::is_there() {
        return;
    }
    let mut network = tiny_network(AHEAD);
    assert_eq!(network.tokens_ahead(), AHEAD);
    let sequence = block_on(network.open(64)).unwrap();
    let mut token = step(&mut network, sequence, &[49, 50, 51], 0);
    let layers = network.spec.layers.len();
    for position in 3..12 {
        token = step(&mut network, sequence, &[token], position);
        let cost = network.run_cost().unwrap();
        assert_eq!((cost.created, cost.readbacks, cost.bytes_read), (0, 1, 4), "{cost:?}");
        assert_eq!(cost.bytes_written, RUN_BYTES, "the token never left the GPU");
        assert!(cost.dispatches > layers && cost.dispatches <= 6 * layers + 5, "{cost:?}");
    }
    step(&mut network, sequence, &[token ^ 1], 12);
    assert_eq!(network.run_cost().unwrap().bytes_written, RUN_BYTES + 4, "another token than the chosen one");
}

/// Another token, position or choice than the one that was begun with; logits of the same sequence.
#[test]
fn whoever_wants_something_else_gets_it() {
    if !gpu::is_there() {
        return;
    }
    let draw = |fraction| Pick::Drawn(Draw { temperature: 1.5, top_k: 0, min_p: 0.0, top_p: 1.0, fraction });
    let found = [0, AHEAD].map(|ahead| {
        let mut network = tiny_network(ahead);
        let sequence = block_on(network.open(64)).unwrap();
        let mut found = Vec::new();
        for seed in 0..12u32 {
            let token = step(&mut network, sequence, &[40 + seed, 50, 51], 0);
            found.push(step(&mut network, sequence, &[token ^ 1], 3));
            found.push(step(&mut network, sequence, &[*found.last().unwrap()], 3));
            let picks = [draw(0.3), draw(0.6), draw(0.9)];
            let begun = block_on(network.run_to_pick(sequence, &[token], 4, picks[0], &picks[1..])).unwrap();
            found.push(block_on(network.run_to_pick(sequence, &[begun], 5, picks[2], &[])).unwrap());
            step(&mut network, sequence, &[token], 4);
            let logits = block_on(network.run(sequence, &[token], 3, 0)).unwrap();
            found.extend(logits.iter().map(|logit| logit.to_bits()));
        }
        found
    });
    assert!(found[0] == found[1]);
}

/// What is in flight belongs to a sequence as it was: not to one that took its number, nor to another's copy.
#[test]
fn a_sequence_that_is_closed_or_copied_over_takes_nothing() {
    if !gpu::is_there() {
        return;
    }
    let found = [0, AHEAD].map(|ahead| {
        let mut network = tiny_network(ahead);
        let mut found = Vec::new();
        for seed in 0..12 {
            let other = block_on(network.open(64)).unwrap();
            step(&mut network, other, &[90 + seed, 60, 61], 0);
            let sequence = block_on(network.open(64)).unwrap();
            let token = step(&mut network, sequence, &[40 + seed, 50, 51], 0);
            network.copy(other, sequence, 3).unwrap();
            found.push(step(&mut network, sequence, &[token], 3));
            let token = step(&mut network, sequence, &[40 + seed, 50, 51], 0);
            network.close(sequence);
            assert_eq!(block_on(network.open(64)).unwrap(), sequence, "the number is free again");
            found.push(step(&mut network, sequence, &[token], 3));
            network.close(sequence);
            network.close(other);
        }
        found
    });
    assert_eq!(found[0], found[1]);
}

/// Embeddings of each layer, experts, windows, quantised tables; and recurrent states, with which nothing gets ahead.
#[test]
fn architectures_write_the_same() {
    let Some(folder) = common::assets("arch").filter(|_| gpu::is_there()) else { return };
    for name in ["gemma4", "gemma3-256-Q4_K_M", "qwen3moe", "mistral-swa", "lfm2", "qwen35"] {
        let [alone, ahead] = [0, AHEAD].map(|ahead| {
            let file = FileSource::open(&folder.join(format!("{name}.gguf"))).unwrap();
            let mut network = network(Box::new(file), ahead);
            let is_recurrent = matches!(name, "lfm2" | "qwen35");
            assert_eq!(network.tokens_ahead(), if is_recurrent { 0 } else { ahead }, "{name}");
            let sequence = block_on(network.open(64)).unwrap();
            let mut tokens = vec![step(&mut network, sequence, &[3, 4, 5], 0)];
            for position in 3..12 {
                tokens.push(step(&mut network, sequence, &tokens[position - 3..], position));
            }
            tokens
        });
        assert_eq!(ahead, alone, "{name}");
    }
}
