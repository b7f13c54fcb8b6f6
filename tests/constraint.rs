//! Answers with a form: schemas, expressions and grammars, compiled for a byte vocabulary and enforced in whole
//! generations.

mod common;
#[path = "common/gguf.rs"]
mod gguf;

use pollster::block_on;
use serde_json::{Value, json};
use tabmind::cancel::Cancel;
use tabmind::generate::{Choice, FinishReason, Outcome};
use tabmind::model::Model;
use tabmind::request::{LoadOptions, Request, parse};
use tabmind::source::MemorySource;
use tabmind::{ErrorKind, Result};

fn tiny() -> Model {
    let source = Box::new(MemorySource::new(gguf::byte_model().build()));
    let options: LoadOptions = parse("{}").unwrap();
    block_on(Model::load(vec![source], &options, &Cancel::never(), &mut |_| {})).unwrap()
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
