//! Answers with a form: schemas, expressions and grammars, compiled for a byte vocabulary and enforced in whole
//! generations.

mod common;
#[path = "common/gguf.rs"]
mod gguf;

use pollster::block_on;
use serde_json::{Value, json};
use tabmind::cancel::Cancel;
use tabmind::constraint::{Compiler, ConstraintSource};
use tabmind::generate::{Choice, FinishReason, Outcome};
use tabmind::gguf::{Parsed, parse_header};
use tabmind::model::Model;
use tabmind::request::{LoadOptions, Request, parse};
use tabmind::source::MemorySource;
use tabmind::tokenizer::Tokenizer;
use tabmind::{ErrorKind, Result};

fn tiny() -> Model {
    let source = Box::new(MemorySource::new(gguf::byte_model().build()));
    let options: LoadOptions = parse("{}").unwrap();
    block_on(Model::load(vec![source], &options, &Cancel::never(), &mut |_| {})).unwrap()
}

/// Its vocabulary.
fn tokenizer() -> Tokenizer {
    let file = gguf::byte_model().build();
    let Parsed::Whole(header) = parse_header(&file, None).unwrap() else { panic!("the file is whole") };
    Tokenizer::from_gguf(&header.metadata).unwrap()
}

/// A completion with this form, at a temperature at which random weights say anything.
fn generate(model: &Model, format: &Value, more: &Value) -> Result<Outcome> {
    let mut params =
        json!({ "prompt": "0", "temperature": 1.5, "max_tokens": 100, "response_format": format });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let request = Request::parse(&json!({ "kind": "completion", "params": params }).to_string())?;
    block_on(model.generate(&request, &Cancel::never(), &mut |_| {}))
}

fn only(outcome: Outcome) -> Choice {
    let [choice] = <[Choice; 1]>::try_from(outcome.choices).unwrap();
    choice
}

fn schema(schema: Value) -> Value {
    json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": schema, "strict": true } })
}

#[test]
fn every_form_is_kept_whatever_the_model_would_say() {
    let model = tiny();
    for seed in 0..common::soak(20) {
        let text = |format: Value| {
            let choice = only(generate(&model, &format, &json!({ "seed": seed })).unwrap());
            assert_eq!(choice.finish_reason, FinishReason::Stop, "{format}: {:?}", choice.text);
            choice.text
        };
        let number = text(json!({ "type": "regex", "regex": "[1-9][0-9]{2}(cm|mm)" }));
        assert!(number.len() == 5 && number.ends_with('m'), "{number:?}");
        let sum = text(json!({ "type": "grammar", "grammar": "start: /[0-9]/ (\"+\" /[0-9]/){1,3}" }));
        assert!(sum.split('+').all(|digit| digit.len() == 1) && sum.contains('+'), "{sum:?}");
        let object = text(schema(json!({
            "type": "object",
            "properties": { "colour": { "enum": ["red", "blue"] }, "on": { "type": "boolean" } },
            "required": ["colour", "on"],
            "additionalProperties": false,
        })));
        let object: Value = serde_json::from_str(&object).unwrap();
        assert!(object["colour"].is_string() && object["on"].is_boolean(), "{object}");
    }
}

#[test]
fn what_must_follow_needs_no_pass_and_no_mask() {
    let model = tiny();
    let outcome = generate(&model, &schema(json!({ "const": "certainly" })), &json!({})).unwrap();
    let timings = outcome.timings.constraint.unwrap();
    assert_eq!((timings.masks, timings.forced_tokens), (0, 11));
    let choice = only(outcome);
    assert_eq!((choice.text.as_str(), choice.finish_reason), ("\"certainly\"", FinishReason::Stop));
    assert_eq!(choice.token_ids.len(), 11);
}

#[test]
fn an_answer_that_is_cut_off_says_length() {
    let model = tiny();
    for (max_tokens, expected) in [(5, FinishReason::Length), (11, FinishReason::Stop)] {
        let limit = json!({ "max_tokens": max_tokens });
        let choice = only(generate(&model, &schema(json!({ "const": "certainly" })), &limit).unwrap());
        assert_eq!((choice.finish_reason, choice.token_ids.len()), (expected, max_tokens));
    }
}

#[test]
fn errors_name_the_field_and_leave_the_model_usable() {
    let model = tiny();
    let unsupported = ErrorKind::UnsupportedSchema;
    let invalid = ErrorKind::InvalidRequest;
    let cases = [
        (json!({ "type": "regex" }), invalid, "response_format.regex"),
        (json!({ "type": "regex", "regex": "(" }), invalid, "response_format.regex"),
        (json!({ "type": "regex", "regex": "a", "grammar": "b" }), invalid, "response_format.grammar"),
        (json!({ "type": "grammar", "grammar": "begin: \"a\"" }), invalid, "response_format.grammar"),
        (json!({ "type": "xml" }), invalid, "response_format.type"),
        (json!({ "type": "json_schema" }), invalid, "response_format.json_schema"),
        (schema(json!({ "type": "string", "not": {} })), unsupported, "response_format.json_schema.schema"),
    ];
    for (format, kind, word) in cases {
        let error = generate(&model, &format, &json!({})).unwrap_err();
        assert_eq!(error.kind(), kind, "{format}: {error}");
        assert!(error.detail().contains(word), "{format}: {error}");
    }
    generate(&model, &json!({ "type": "text" }), &json!({})).unwrap();
}

#[test]
fn too_much_is_an_error_that_says_so() {
    let model = tiny();
    let chain = (0..3000).map(|n| {
        (format!("d{n}"), json!({ "properties": { "next": { "$ref": format!("#/$defs/d{}", n + 1) } } }))
    });
    let chain: serde_json::Map<String, Value> = chain.chain([("d3000".into(), json!({}))]).collect();
    let wide: serde_json::Map<String, Value> =
        (0..20_000).map(|n| (format!("p{n}"), json!({ "type": "string" }))).collect();
    let needs: serde_json::Map<String, Value> = (0..16).map(|n| (format!("d{n}"), json!(["x"]))).collect();
    let nested =
        (0..110).fold(json!({ "type": "null" }), |nested, _| json!({ "type": "array", "items": nested }));
    let grammar = |grammar: &str| json!({ "type": "grammar", "grammar": grammar });
    let regex = |regex: &str| json!({ "type": "regex", "regex": regex });
    let (unsupported, invalid) = (ErrorKind::UnsupportedSchema, ErrorKind::InvalidRequest);
    let cases = [
        (schema(json!({ "$ref": "#/$defs/d0", "$defs": chain })), unsupported, "too long a chain"),
        (schema(json!({ "type": "object", "properties": wide })), unsupported, "too large"),
        (schema(json!({ "type": "object", "dependentRequired": needs })), unsupported, "too large"),
        (schema(nested), unsupported, "too"),
        (schema(json!({ "title": "x".repeat(1 << 20) })), unsupported, "bytes are too many"),
        (schema(json!({ "$ref": "#" })), unsupported, "without end"),
        (
            schema(json!({ "required": ["a"], "type": "object", "properties": { "a": { "$ref": "#" } } })),
            unsupported,
            "without end",
        ),
        (
            schema(json!({ "type": "array", "minItems": 1, "items": { "$ref": "#" } })),
            unsupported,
            "without end",
        ),
        (schema(json!({ "type": "integer", "minimum": 3, "maximum": 2 })), unsupported, "Unsatisfiable"),
        (schema(json!({ "type": "string", "pattern": "^a$", "minLength": 3 })), unsupported, "Unsatisfiable"),
        (schema(json!({ "type": "string", "pattern": "(x+x+)+y", "minLength": 200 })), unsupported, "Unable"),
        (schema(json!(false)), unsupported, "Unsatisfiable"),
        (regex(&("(".repeat(5000) + &")".repeat(5000))), invalid, "response_format.regex"),
        (regex("[a&&b]"), invalid, "no text can go on"),
        (grammar("start: start"), invalid, "no text can go on"),
        (grammar(&format!("start: {}\"a\"{}", "(".repeat(3000), ")".repeat(3000))), invalid, "deeply nested"),
        (grammar("start: <|nothing|>"), invalid, "unknown special token"),
        (grammar("start: %json { \"minLength\": \"é\" }"), invalid, "%json"),
    ];
    for (format, kind, word) in cases {
        let name = format.to_string().chars().take(80).collect::<String>();
        let error = generate(&model, &format, &json!({})).expect_err(&name);
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.detail().contains(word), "{name}: {error}");
        assert!(error.detail().len() < 1000, "{name}: a message for a person");
    }
    generate(&model, &json!({ "type": "text" }), &json!({})).unwrap();
}

#[test]
fn what_explodes_is_held_in_check() {
    let model = tiny();
    let pattern = |pattern: &str| schema(json!({ "type": "string", "pattern": pattern }));
    let cases = [
        json!({ "type": "regex", "regex": "(a|b)*a(a|b){200}" }),
        json!({ "type": "regex", "regex": "((a{1,1000}){1,1000}){1,1000}" }),
        json!({ "type": "regex", "regex": r"(\p{L}{1,50}\p{N}{1,50}){1,50}" }),
        json!({ "type": "grammar", "grammar": "start: s\ns: s s s | s s | \"a\" | " }),
        pattern("^(a|b)*a(a|b){200}$"),
        pattern("^((a{1,100}){1,100}){1,100}$"),
        schema(
            json!({ "type": "array", "minItems": 99_999, "items": { "type": "array", "minItems": 99_999 } }),
        ),
        schema(json!({ "enum": (0..20_000).map(|n| format!("value {n}")).collect::<Vec<_>>() })),
    ];
    for format in cases {
        let begun = std::time::Instant::now();
        let result = generate(&model, &format, &json!({}));
        let name = format.to_string().chars().take(80).collect::<String>();
        assert!(begun.elapsed().as_secs() < 20, "{name} took {:?}", begun.elapsed());
        if let Err(error) = result {
            assert!(
                matches!(error.kind(), ErrorKind::UnsupportedSchema | ErrorKind::InvalidRequest),
                "{name}: {error}"
            );
        }
    }
}

/// A token that ends the answer is no text: not inside a string, and not before the text is complete.
#[test]
fn special_tokens_are_never_text() {
    let model = tiny();
    let compiler = Compiler::new(std::sync::Arc::new(tokenizer()));
    let eos = model.tokenizer().eos().unwrap() as usize;
    let mut constraint =
        compiler.compile(&ConstraintSource::JsonSchema(json!({ "type": "string" })), "schema").unwrap();
    for (text, may_end) in [("\"<|endo", false), ("ftext|>", false), ("\"", true)] {
        for id in model.tokenizer().encode_continuing(text).unwrap() {
            constraint.commit(id).unwrap();
        }
        let mut logits = vec![0.0; model.tokenizer().vocab_size()];
        constraint.restrict(&mut logits, true).unwrap();
        assert_eq!(logits[eos].is_finite(), may_end, "after {text}");
    }
    assert!(constraint.is_complete());
}

#[test]
fn forced_tokens_are_those_the_model_would_write() {
    let tokenizer = tokenizer();
    let compiler = Compiler::new(std::sync::Arc::new(tokenizer));
    let source = ConstraintSource::JsonSchema(json!({ "const": "and the other" }));
    let mut constraint = compiler.compile(&source, "schema").unwrap();
    let forced = constraint.forced().unwrap();
    assert_eq!(forced, self::tokenizer().encode_continuing("\"and the other\"").unwrap());
    assert!(forced.len() < 13, "words are single tokens");
    assert!(constraint.is_complete());
}

/// One answer after the other under the same form, and the same answers to the same seeds.
#[test]
fn a_form_can_be_asked_for_again() {
    let model = tiny();
    let format = json!({ "type": "regex", "regex": "[a-z]{5,9}" });
    let texts = |seed: u64| -> Vec<String> {
        let outcome = generate(&model, &format, &json!({ "n": 3, "seed": seed })).unwrap();
        outcome.choices.into_iter().map(|choice| choice.text).collect()
    };
    let first = texts(1);
    assert_ne!(first, texts(2));
    assert_eq!(first, texts(1));
    assert!(first.iter().all(|text| (5..10).contains(&text.len())), "{first:?}");
}

#[test]
fn the_order_of_properties_is_the_schemas() {
    let model = tiny();
    let one_and_two = |first: &str, second: &str| {
        let properties = json!({ first: { "const": 1 }, second: { "const": 1 } });
        let format = schema(
            json!({ "type": "object", "properties": properties, "required": ["a", "b"], "additionalProperties": false }),
        );
        let text = only(generate(&model, &format, &json!({})).unwrap()).text;
        text.find('a') < text.find('b')
    };
    assert_eq!([one_and_two("a", "b"), one_and_two("b", "a"), one_and_two("a", "b")], [true, false, true]);
}

/// The mask of a vocabulary of 49,152 tokens, under schemas from the wild.
#[test]
fn masks_are_quick() {
    let Some(tokens) = common::assets("tokenizers/smollm2/tokenizer.json") else { return };
    let Some(bench) = common::assets("json_schema/schema-bench.jsonl") else { return };
    let tokenizer = Tokenizer::from_json(&std::fs::read(tokens).unwrap(), None).unwrap();
    let compiler = Compiler::new(std::sync::Arc::new(tokenizer));
    let (mut masks, mut compiled) = (Vec::new(), Vec::new());
    let mut noise = gguf::noise(7, 1 << 20).into_iter().cycle();
    for line in std::fs::read_to_string(bench).unwrap().lines().step_by(9) {
        let group: Value = serde_json::from_str(line).unwrap();
        let source = ConstraintSource::JsonSchema(group["schema"].clone());
        let Ok(mut constraint) = compiler.compile(&source, "schema") else { continue };
        compiled.push(constraint.timings().compile_ms);
        while constraint.timings().masks < 60 && !constraint.is_complete() {
            let mut logits: Vec<f32> = noise.by_ref().take(49_152).collect();
            let before = constraint.timings().mask_ms;
            constraint.restrict(&mut logits, false).unwrap();
            masks.push(constraint.timings().mask_ms - before);
            constraint.commit(tabmind::kernels::argmax::argmax(&logits)).unwrap();
            constraint.forced().unwrap();
        }
    }
    let mut at = |share: f64| {
        masks.sort_by(f64::total_cmp);
        masks[(masks.len() as f64 * share) as usize]
    };
    let (median, slow, slowest) = (at(0.5), at(0.99), at(0.9999));
    compiled.sort_by(f64::total_cmp);
    let compile = compiled[compiled.len() / 2];
    println!(
        "median {median:.3} ms, 99 % below {slow:.3} ms, slowest {slowest:.3} ms; schemas compile in {compile:.1} ms"
    );
    assert!(masks.len() > 1000 && median <= 1.0, "{} masks, median {median} ms", masks.len());
}
