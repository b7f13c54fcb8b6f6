//! The generation loop, end to end on tiny models: streaming, stopping, limits, seeds, aborts, reuse of the cache,
//! queueing, and requests that are wrong.

mod common;
#[path = "common/gguf.rs"]
mod gguf;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pollster::block_on;
use serde_json::{Value, json};
use tabmind::cancel::Cancel;
use tabmind::generate::{Event, FinishReason, Outcome};
use tabmind::model::Model;
use tabmind::request::{LoadOptions, Request, parse};
use tabmind::source::{FileSource, MemorySource, Source};
use tabmind::{ErrorKind, Result};

/// A prompt of so many tokens: one for each byte.
const LONG: usize = 200;

fn load(source: Box<dyn Source>, options: &str) -> Model {
    let options: LoadOptions = parse(options).unwrap();
    block_on(Model::load(vec![source], &options, &Cancel::never(), &mut |_| {})).unwrap()
}

/// The model of `tests/common/gguf.rs`, fresh.
fn tiny() -> Model {
    tiny_with("{}")
}

fn tiny_with(options: &str) -> Model {
    load(Box::new(MemorySource::new(gguf::byte_model().build())), options)
}

/// Its id of the end of a text.
fn eos() -> u32 {
    tiny().tokenizer().eos().unwrap()
}

/// Digits and signs that no merge joins: as many tokens as bytes.
fn text(len: usize) -> String {
    (0..len).map(|i| char::from(b"0123456789+-*/"[i * i % 14])).collect()
}

fn request(params: Value) -> Request {
    Request::parse(&json!({ "kind": "completion", "params": params }).to_string()).unwrap()
}

/// Greedy, 24 tokens, going on after an end of text; `more` is added or overrides.
fn greedy(prompt: &str, more: Value) -> Request {
    let mut params = json!({ "prompt": prompt, "temperature": 0, "max_tokens": 24, "ignore_eos": true });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request(params)
}

/// Runs a request; what its events add up to must be its outcome.
fn run_with(model: &Model, request: &Request, cancel: &Cancel) -> Result<Outcome> {
    let mut events = Vec::new();
    let outcome = block_on(model.generate(request, cancel, &mut |event| events.push(event)))?;
    let Some(Event::Start { prompt_tokens, cached_tokens }) = events.first() else {
        panic!("the first event is the start")
    };
    assert_eq!((*prompt_tokens, *cached_tokens), (outcome.prompt_tokens, outcome.cached_tokens));
    for choice in &outcome.choices {
        let (mut text, mut ids, mut logprobs, mut finished) = (String::new(), Vec::new(), Vec::new(), None);
        for event in &events {
            match event {
                Event::Delta { index, delta } if *index == choice.index => {
                    assert_eq!(finished, None, "nothing follows the end");
                    assert!(
                        !delta.text.is_empty() || !delta.token_ids.is_empty(),
                        "a delta carries something"
                    );
                    text.push_str(&delta.text);
                    ids.extend(&delta.token_ids);
                    logprobs.extend(delta.logprobs.clone().unwrap_or_default());
                }
                Event::Finish { index, finish_reason } if *index == choice.index => {
                    finished = Some(*finish_reason)
                }
                _ => {}
            }
        }
        assert_eq!((&text, &ids, finished), (&choice.text, &choice.token_ids, Some(choice.finish_reason)));
        assert_eq!(logprobs, choice.logprobs.clone().unwrap_or_default());
    }
    Ok(outcome)
}

fn run(model: &Model, request: &Request) -> Outcome {
    run_with(model, request, &Cancel::never()).unwrap()
}

/// Ids, text and reason of the only answer.
fn answer(model: &Model, request: &Request) -> (Vec<u32>, String, FinishReason) {
    let choice = run(model, request).choices.remove(0);
    (choice.token_ids, choice.text, choice.finish_reason)
}

#[test]
fn text_is_that_of_the_ids() {
    let model = tiny();
    for seed in 0..20 {
        let (ids, text, _) = answer(
            &model,
            &request(json!({ "prompt": "x", "seed": seed, "max_tokens": 40, "ignore_eos": true })),
        );
        assert_eq!(ids.len(), 40);
        assert_eq!(
            text,
            model.tokenizer().decode(&ids, true),
            "seed {seed}: whatever bytes come, whole characters leave"
        );
    }
}

#[test]
fn max_tokens_is_exact() {
    let model = tiny();
    let (all, whole, _) = answer(&model, &greedy("12", json!({})));
    for count in [1, 2, 7, 24] {
        let (ids, text, reason) = answer(&model, &greedy("12", json!({ "max_tokens": count })));
        assert_eq!((ids.as_slice(), reason), (&all[..count], FinishReason::Length));
        assert!(whole.starts_with(text.trim_end_matches(char::REPLACEMENT_CHARACTER)));
    }
}

#[test]
fn stop_strings_end_the_answer_wherever_tokens_do() {
    let model = tiny();
    let prompt = text(9);
    // Letters only, so that every token is text of its own.
    let bias: serde_json::Map<String, Value> = (0..=255u32)
        .filter(|id| !(*id as u8).is_ascii_lowercase())
        .map(|id| (id.to_string(), json!(-100)))
        .chain([(eos().to_string(), json!(-100))])
        .collect();
    let params = json!({ "logit_bias": bias, "temperature": 1, "seed": 3 });
    let (ids, whole, _) = answer(&model, &greedy(&prompt, params.clone()));
    let pieces: Vec<String> =
        ids.iter().map(|&id| model.tokenizer().token_text(id).replace('\u{120}', " ")).collect();
    assert_eq!(pieces.concat(), whole, "letters and words");
    let mut across = 0;
    for (start, length) in (0..whole.len() - 4).flat_map(|start| [(start, 1), (start, 2), (start, 4)]) {
        let stop = &whole[start..start + length];
        let expected = &whole[..whole.find(stop).unwrap()];
        let mut more = params.clone();
        more["stop"] = json!(["never said", stop]);
        let (found_ids, found, reason) = answer(&model, &greedy(&prompt, more));
        assert_eq!((found.as_str(), reason), (expected, FinishReason::Stop), "stop {stop:?} in {whole:?}");
        assert!(ids.starts_with(&found_ids), "the same tokens up to the stop");
        let said: String = pieces[..found_ids.len()].concat();
        assert!(
            said.contains(stop) && !pieces[..found_ids.len() - 1].concat().contains(stop),
            "not a token more than needed"
        );
        across += usize::from(!pieces[found_ids.len() - 1].contains(stop));
    }
    assert!(across > 10, "{across} stop strings lie across tokens");
    let mut more = params;
    more["stop"] = json!("never said");
    let (_, found, reason) = answer(&model, &greedy(&prompt, more));
    assert_eq!((found, reason), (whole, FinishReason::Length), "what was held back is shown in the end");
}

#[test]
fn the_context_is_filled_exactly() {
    const CONTEXT: usize = 48;
    let roomy = tiny();
    let model = tiny_with(&json!({ "contextLength": CONTEXT }).to_string());
    assert_eq!(model.info().context_length, CONTEXT);
    for prompt in [1, CONTEXT - 3, CONTEXT - 1] {
        // Each token but the last takes a place.
        let most = CONTEXT - prompt + 1;
        let (ids, _, reason) = answer(&model, &greedy(&text(prompt), json!({ "max_tokens": 1000 })));
        assert_eq!((ids.len(), reason), (most, FinishReason::Length), "after {prompt} tokens");
        let (same, ..) = answer(&roomy, &greedy(&text(prompt), json!({ "max_tokens": most })));
        assert_eq!(ids, same, "the end of the context changes nothing before it");
    }
    for prompt in [CONTEXT, CONTEXT + 1, 5 * CONTEXT] {
        let error = run_with(&model, &greedy(&text(prompt), json!({})), &Cancel::never()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContextOverflow);
        assert!(
            error.detail().contains(&prompt.to_string()) && error.detail().contains(&CONTEXT.to_string()),
            "{error}"
        );
        assert!(error.hint().is_some());
    }
    assert_eq!(
        answer(&model, &greedy("1", json!({}))),
        answer(&tiny(), &greedy("1", json!({}))),
        "the model stays usable"
    );
}

#[test]
fn a_context_longer_than_the_trained_one_is_refused() {
    let options: LoadOptions = parse(r#"{"contextLength": 257}"#).unwrap();
    let source: Box<dyn Source> = Box::new(MemorySource::new(gguf::byte_model().build()));
    let error = block_on(Model::load(vec![source], &options, &Cancel::never(), &mut |_| {})).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.detail().contains("257") && error.detail().contains("256"), "{error}");
}

#[test]
fn seeds_decide() {
    let model = tiny();
    let with = |seed: i64| request(json!({ "prompt": "5", "seed": seed, "max_tokens": 20 }));
    for seed in [0, 1, -1, i64::MAX] {
        assert_eq!(answer(&model, &with(seed)), answer(&tiny(), &with(seed)), "seed {seed} on another model");
    }
    assert_ne!(answer(&model, &with(1)), answer(&model, &with(2)));
    let unseeded = request(json!({ "prompt": "5", "max_tokens": 20 }));
    assert_ne!(answer(&model, &unseeded), answer(&model, &unseeded), "without a seed chance decides");
}

#[test]
fn several_answers_are_those_of_successive_seeds() {
    let model = tiny();
    let several = run(
        &model,
        &request(json!({ "prompt": text(50), "seed": 9, "max_tokens": 10, "n": 4, "ignore_eos": true })),
    );
    assert_eq!(several.choices.len(), 4);
    assert_eq!(several.timings.completion_tokens, 40);
    for (index, choice) in several.choices.iter().enumerate() {
        let alone = run(
            &tiny(),
            &request(json!({ "prompt": text(50), "seed": 9 + index, "max_tokens": 10, "ignore_eos": true })),
        );
        assert_eq!(
            (choice.index, &choice.text, &choice.token_ids),
            (index, &alone.choices[0].text, &alone.choices[0].token_ids)
        );
    }
}

#[test]
fn logit_bias_and_the_end_of_text() {
    let model = tiny();
    let eos = eos().to_string();
    let biased = |bias: Value, more: Value| {
        let mut params = json!({ "prompt": "7", "temperature": 0, "max_tokens": 6, "logit_bias": bias });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer(&model, &request(params))
    };
    let first = answer(&model, &greedy("7", json!({}))).0[0];
    assert_ne!(biased(json!({ first.to_string(): -100 }), json!({})).0.first(), Some(&first), "forbidden");
    assert_eq!(
        biased(json!({ "97": 100 }), json!({ "seed": 1 })).1,
        tiny().tokenizer().token_text(97).repeat(6),
        "forced"
    );
    assert_eq!(
        biased(json!({ &eos: 100 }), json!({})),
        (vec![], String::new(), FinishReason::Stop),
        "the end of text ends"
    );
    let (ids, text, reason) = biased(json!({ &eos: 100 }), json!({ "ignore_eos": true }));
    assert_eq!(
        (ids.len(), text.as_str(), reason),
        (6, "", FinishReason::Length),
        "or is ignored, and never shown"
    );
}

#[test]
fn an_echo_comes_first() {
    let model = tiny();
    let (ids, plain, _) = answer(&model, &greedy("12 34", json!({})));
    let echoed = answer(&model, &greedy("12 34", json!({ "echo": true })));
    assert_eq!(echoed, (ids, format!("12 34{plain}"), FinishReason::Length));
    let by_ids =
        greedy("", json!({ "prompt": model.tokenizer().encode("12 34", Default::default()).unwrap() }));
    assert_eq!(answer(&model, &by_ids).1, plain, "a prompt may be ids");
}

/// A flag that is raised at the `checks`-th look at it.
fn raised_after(checks: usize) -> Cancel {
    let left = Cell::new(checks);
    Cancel::new(move || {
        let now = left.get();
        left.set(now.saturating_sub(1));
        now == 0
    })
}

#[test]
fn after_an_abort_the_next_call_is_right() {
    let model = tiny();
    let calls = [
        greedy(&text(LONG), json!({})),
        greedy(&text(LONG / 2), json!({ "temperature": 1, "seed": 4 })),
        greedy("abc", json!({})),
    ];
    let expected: Vec<_> = calls.iter().map(|call| answer(&tiny(), call)).collect();
    let looks = Rc::new(Cell::new(0));
    let count = Rc::clone(&looks);
    run_with(
        &tiny(),
        &calls[0],
        &Cancel::new(move || {
            count.set(count.get() + 1);
            false
        }),
    )
    .unwrap();
    // One look in the queue, several in the prefill, one for each of the 24 tokens.
    assert!(looks.get() > 1 + 2 + 24 && looks.get() < 200, "{} looks", looks.get());
    for checks in 0..looks.get() {
        // It begins as none before it, so that nothing of it is cached and the abort can fall into the prefill.
        let aborted = greedy(&(format!("{checks:03}") + &text(LONG - 3)), json!({}));
        let error = run_with(&model, &aborted, &raised_after(checks)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Aborted, "after {checks} looks");
        let next = checks % calls.len();
        assert_eq!(answer(&model, &calls[next]), expected[next], "the call after an abort at look {checks}");
    }
}

#[test]
fn a_shared_beginning_is_not_computed_again() {
    let model = tiny();
    let (one, two) = (text(120), text(100) + "abc");
    let first = run(&model, &greedy(&one, json!({})));
    assert_eq!((first.prompt_tokens, first.cached_tokens), (120, 0));
    let same = run(&model, &greedy(&one, json!({})));
    assert_eq!(same.cached_tokens, 119, "all but the last token, whose logits are wanted");
    assert_eq!(same.choices, first.choices);
    let other = run(&model, &greedy(&two, json!({})));
    assert_eq!((other.prompt_tokens, other.cached_tokens, other.timings.prompt_tokens), (103, 100, 3));
    assert_eq!(other.choices, run(&tiny(), &greedy(&two, json!({}))).choices);
    let (ids, ..) = answer(&model, &greedy(&one, json!({})));
    let mut conversation = model.tokenizer().encode(&one, Default::default()).unwrap();
    conversation.extend(&ids);
    let grown = run(&model, &greedy("", json!({ "prompt": conversation })));
    assert_eq!(
        grown.cached_tokens,
        120 + 23,
        "the answer's tokens are cached but for the last, which was never run"
    );
    assert_eq!(grown.choices, run(&tiny(), &greedy("", json!({ "prompt": conversation }))).choices);
    assert_eq!(
        model.cached_tokens(),
        Some(143 + 126 + 167),
        "the first answer, the other conversation, and what became of the first"
    );
}

#[test]
fn requests_wait_for_each_other() {
    let model = tiny();
    let (a, b) = (greedy(&text(40), json!({})), greedy("other", json!({})));
    let b_begun = Cell::new(false);
    let mut b_events = |event: Event| b_begun.set(b_begun.get() || matches!(event, Event::Start { .. }));
    let never = Cancel::never();
    let mut waiting = pin!(model.generate(&b, &never, &mut b_events));
    let polls = RefCell::new(0);
    let mut a_events = |_: Event| {
        // In the middle of the first request the second one asks, and is told to wait.
        let poll = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(poll, Poll::Pending) && !b_begun.get(), "the second request waits");
        assert_eq!(model.cached_tokens(), None, "a request runs");
        *polls.borrow_mut() += 1;
    };
    let first = block_on(model.generate(&a, &never, &mut a_events)).unwrap();
    assert!(*polls.borrow() > 20, "asked at every event");
    let second = block_on(waiting).unwrap();
    assert_eq!(first.choices, run(&tiny(), &a).choices);
    assert_eq!(second.choices, run(&tiny(), &b).choices);
}

/// Recurrent states cannot be cut back: every request must come out as on a fresh model, in whatever order.
#[test]
fn recurrent_models_start_afresh() {
    let Some(folder) = common::assets("arch") else { return };
    for name in ["lfm2", "qwen35"] {
        let fresh = || load(Box::new(FileSource::open(&folder.join(format!("{name}.gguf"))).unwrap()), "{}");
        let model = fresh();
        let common = text(60);
        let requests = [
            greedy(&common, json!({})),
            greedy(&(common.clone() + "and on"), json!({})),
            greedy("short", json!({})),
            greedy(&common[..30], json!({})),
        ];
        let expected: Vec<_> = requests.iter().map(|request| answer(&fresh(), request)).collect();
        for step in 0..12 {
            let index = step * 7 % 4;
            if step % 3 == 2 {
                assert!(run_with(&model, &requests[0], &raised_after(1 + step)).is_err());
            }
            assert_eq!(answer(&model, &requests[index]), expected[index], "{name}, step {step}");
        }
        let several = run(&model, &greedy(&common, json!({ "n": 2 })));
        assert!(
            several.choices.iter().all(|choice| choice.token_ids == expected[0].0),
            "{name}: both answers are greedy"
        );
        let mut conversation = model.tokenizer().encode(&common, Default::default()).unwrap();
        conversation.extend(&expected[0].0);
        let grown = greedy("", json!({ "prompt": conversation }));
        run(&model, &requests[0]);
        let outcome = run(&model, &grown);
        assert!(outcome.cached_tokens > 80, "{name}: a conversation that goes on is not computed again");
        assert_eq!(outcome.choices, run(&fresh(), &grown).choices, "{name}");
    }
}

/// Probabilities are those of `score`, before bias and penalties, for tokens that were drawn as for those of an echo.
#[test]
fn probabilities_are_the_models_own() {
    let model = tiny();
    let scored = |ids: &[u32]| {
        let prompt = parse(&json!(ids).to_string()).unwrap();
        block_on(model.score(&prompt, &Cancel::never())).unwrap().logprobs
    };
    for more in [
        json!({}),
        json!({ "temperature": 1.5, "seed": 2, "logit_bias": { "97": 5 }, "presence_penalty": 1 }),
    ] {
        let mut more = more;
        more["logprobs"] = json!(3);
        let choice = run(&model, &greedy("12 34", more.clone())).choices.remove(0);
        let prompt = model.tokenizer().encode("12 34", Default::default()).unwrap();
        let all = [prompt.clone(), choice.token_ids.clone()].concat();
        let expected = scored(&all);
        let found = choice.logprobs.unwrap();
        assert_eq!(found.len(), choice.token_ids.len());
        for ((found, id), expected) in found.iter().zip(&choice.token_ids).zip(&expected[prompt.len() - 1..])
        {
            assert!(
                (found.chosen.logprob.unwrap() - expected).abs() < 1e-4,
                "{found:?}, {expected} expected"
            );
            assert_eq!(found.chosen.bytes, model.tokenizer().token_bytes(*id));
            let top: Vec<f32> = found.top_logprobs.iter().map(|top| top.logprob.unwrap()).collect();
            assert!(
                top.len() == 3 && top.is_sorted_by(|a, b| a >= b) && top[0] >= expected - 1e-4,
                "{top:?}"
            );
        }
        more["echo"] = json!(true);
        let echoed = run(&model, &greedy("12 34", more)).choices.remove(0).logprobs.unwrap();
        assert_eq!(echoed[0].chosen.logprob, None);
        assert_eq!(echoed.len(), all.len());
        for (found, expected) in echoed[1..].iter().zip(&expected) {
            assert!((found.chosen.logprob.unwrap() - expected).abs() < 1e-4);
        }
    }
    assert_eq!(run(&model, &greedy("12", json!({}))).choices[0].logprobs, None, "only if asked for");
}

/// Wrong requests: the JSON of the parameters, and what the message must name.
#[test]
fn wrong_requests_name_the_field() {
    let model = tiny();
    let many = vec!["x"; 65];
    let cases = [
        (json!({}), "prompt"),
        (json!({ "prompt": 7 }), "prompt"),
        (json!({ "prompt": [-1] }), "prompt"),
        (json!({ "prompt": "" }), "prompt is empty"),
        (json!({ "prompt": [5, 264] }), "token id 264"),
        (json!({ "prompt": "x", "tempersture": 1 }), "tempersture"),
        (json!({ "prompt": "x", "messages": [] }), "messages"),
        (json!({ "prompt": "x", "temperature": -1 }), "temperature is -1"),
        (json!({ "prompt": "x", "temperature": 101 }), "temperature is 101"),
        (json!({ "prompt": "x", "temperature": "hot" }), "temperature"),
        (json!({ "prompt": "x", "top_p": 1.5 }), "top_p is 1.5"),
        (json!({ "prompt": "x", "top_p": -0.1 }), "top_p is -0.1"),
        (json!({ "prompt": "x", "min_p": 2 }), "min_p is 2"),
        (json!({ "prompt": "x", "top_k": -1 }), "top_k"),
        (json!({ "prompt": "x", "top_k": 1.5 }), "top_k"),
        (json!({ "prompt": "x", "repetition_penalty": 0 }), "repetition_penalty is 0"),
        (json!({ "prompt": "x", "presence_penalty": 3 }), "presence_penalty is 3"),
        (json!({ "prompt": "x", "frequency_penalty": -3 }), "frequency_penalty is -3"),
        (json!({ "prompt": "x", "max_tokens": 0 }), "max_tokens is 0"),
        (json!({ "prompt": "x", "max_tokens": -5 }), "max_tokens"),
        (json!({ "prompt": "x", "max_tokens": "5" }), "max_tokens"),
        (json!({ "prompt": "x", "n": 0 }), "n is 0"),
        (json!({ "prompt": "x", "n": 129 }), "n is 129"),
        (json!({ "prompt": "x", "seed": 0.5 }), "seed"),
        (json!({ "prompt": "x", "stop": 5 }), "stop"),
        (json!({ "prompt": "x", "stop": "" }), "stop holds an empty"),
        (json!({ "prompt": "x", "stop": ["a", ""] }), "stop holds an empty"),
        (json!({ "prompt": "x", "stop": many }), "stop holds 65"),
        (json!({ "prompt": "x", "logit_bias": { "264": 1 } }), "logit_bias has the key \"264\""),
        (json!({ "prompt": "x", "logit_bias": { "the": 1 } }), "logit_bias has the key \"the\""),
        (json!({ "prompt": "x", "logit_bias": { "5": 101 } }), "logit_bias[5] is 101"),
        (json!({ "prompt": "x", "logit_bias": [1] }), "logit_bias"),
        (json!({ "prompt": "x", "ignore_eos": "yes" }), "ignore_eos"),
        (json!({ "prompt": "x", "echo": 1 }), "echo"),
        (json!({ "prompt": "x", "logprobs": 21 }), "logprobs is 21"),
        (json!({ "prompt": "x", "logprobs": true }), "logprobs"),
        (json!({ "prompt": "x", "tools": [] }), "tools"),
    ];
    for (params, words) in cases {
        let json = json!({ "kind": "completion", "params": params }).to_string();
        let outcome = Request::parse(&json).and_then(|request| run_with(&model, &request, &Cancel::never()));
        let error = outcome.err().unwrap_or_else(|| panic!("{params} is accepted"));
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{params}: {error}");
        assert!(error.detail().contains(words), "{params}: {:?} does not say {words:?}", error.detail());
    }
    for (json, words) in [
        ("", "kind"),
        ("{", "kind"),
        ("[]", "kind"),
        (r#"{"kind": "poem", "params": {}}"#, "poem"),
        (r#"{"kind": "chat", "params": {"messages": [], "prompt": "x"}}"#, "prompt"),
    ] {
        let error = Request::parse(json).err().unwrap_or_else(|| panic!("{json} is accepted"));
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{json}: {error}");
        assert!(error.detail().contains(words), "{json}: {error}");
    }
    assert_eq!(
        answer(&model, &greedy("1", json!({}))),
        answer(&tiny(), &greedy("1", json!({}))),
        "the model stays usable"
    );
}

#[test]
fn wrong_load_options_name_the_field() {
    for (json, words) in [
        (r#"{"contextLength": 0}"#, "contextLength"),
        (r#"{"contextLength": -1}"#, "contextLength"),
        (r#"{"contextLength": "long"}"#, "contextLength"),
        (r#"{"contextlength": 5}"#, "contextlength"),
        (r#"{"backend": "tpu"}"#, "backend"),
        (r#"{"tokensInFlight": 17}"#, "tokensInFlight is 17"),
        (r#"{"tokensInFlight": -1}"#, "tokensInFlight"),
        (r#"{"tokensInFlight": 0.5}"#, "tokensInFlight"),
    ] {
        let source: Box<dyn Source> = Box::new(MemorySource::new(gguf::byte_model().build()));
        let outcome = parse::<LoadOptions>(json).and_then(|options| {
            block_on(Model::load(vec![source], &options, &Cancel::never(), &mut |_| {})).map(drop)
        });
        let error = outcome.err().unwrap_or_else(|| panic!("{json} is accepted"));
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{json}: {error}");
        assert!(error.detail().contains(words), "{json}: {error}");
    }
}

/// An abort while the weights stream in.
#[test]
fn loading_can_be_aborted() {
    let options: LoadOptions = parse("{}").unwrap();
    for checks in [0, 1, 3] {
        let source: Box<dyn Source> = Box::new(MemorySource::new(gguf::byte_model().build()));
        let error =
            block_on(Model::load(vec![source], &options, &raised_after(checks), &mut |_| {})).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Aborted, "after {checks} looks");
    }
}
