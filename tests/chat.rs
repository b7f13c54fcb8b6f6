//! Chats, end to end on a random model: thoughts, calls of tools that keep to their schemas whatever the model would
//! rather say, and requests that are wrong.

mod common;
#[path = "common/gguf.rs"]
mod gguf;

use pollster::block_on;
use serde_json::{Map, Value, json};
use tabmind::cancel::Cancel;
use tabmind::chat::Conversation;
use tabmind::generate::{Choice, Event, FinishReason, Outcome};
use tabmind::model::Model;
use tabmind::request::{LoadOptions, Request};
use tabmind::source::{MemorySource, Source};
use tabmind::{ErrorKind, Result};

const TEMPLATE: &str = "{% if tools %}tools: {% for tool in tools %}{{ tool | tojson }}{% endfor %}\n{% endif %}\
    {% for m in messages %}{{ m.role }}: {{ m.content }}{% for call in m.tool_calls or [] %}\
    <tool_call>{{ call.function.arguments.city }}</tool_call>{% endfor %}\n{% endfor %}assistant: \
    {% if enable_thinking %}<think>\n{% endif %}";

/// A random model that was told about tools and thoughts: their markers are tokens.
fn chatty(template: &str) -> Model {
    let mut file = gguf::byte_model_with(&["<tool_call>", "</tool_call>", "<think>", "</think>"]);
    file.str("tokenizer.chat_template", template);
    let parts: Vec<Box<dyn Source>> = vec![Box::new(MemorySource::new(file.build()))];
    block_on(Model::load(parts, &LoadOptions::default(), &Cancel::never(), &mut |_| {})).unwrap()
}

fn tools() -> Value {
    json!([
        { "type": "function", "function": { "name": "get_weather", "description": "Weather.", "parameters": {
            "type": "object",
            "properties": {
                "city": { "type": "string", "maxLength": 5 },
                "unit": { "type": "string", "enum": ["celsius", "fahrenheit"] },
            },
            "required": ["city", "unit"],
            "additionalProperties": false,
        } } },
        { "type": "function", "function": { "name": "now" } },
    ])
}

fn request(more: &Value) -> Result<Request> {
    let mut params = json!({ "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 100 });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Request::parse(&json!({ "kind": "chat", "params": params }).to_string())
}

/// Runs a chat; what its events add up to must be its outcome.
fn ask(model: &Model, more: &Value) -> Result<Outcome> {
    let mut events = Vec::new();
    let outcome =
        block_on(model.generate(&request(more)?, &Cancel::never(), &mut |event| events.push(event)))?;
    for choice in &outcome.choices {
        let (mut text, mut reasoning, mut calls) = (String::new(), String::new(), Vec::<[String; 3]>::new());
        for event in &events {
            let Event::Delta { index, delta } = event else { continue };
            if *index == choice.index {
                text.push_str(&delta.text);
                reasoning.push_str(&delta.reasoning);
                for call in &delta.tool_calls {
                    if let (Some(id), Some(name)) = (&call.id, &call.name) {
                        assert_eq!(call.index, calls.len());
                        calls.push([id.clone(), name.clone(), String::new()]);
                    }
                    calls[call.index][2].push_str(&call.arguments);
                }
            }
        }
        let whole: Vec<_> =
            choice.tool_calls.iter().map(|c| [c.id.clone(), c.name.clone(), c.arguments.clone()]).collect();
        assert_eq!((&text, &reasoning, &calls), (&choice.text, &choice.reasoning, &whole));
    }
    Ok(outcome)
}

fn answer(model: &Model, more: &Value) -> Choice {
    ask(model, more).unwrap().choices.remove(0)
}

/// Whether a call is one of `tools()`.
fn check(name: &str, arguments: &str) {
    let arguments: Map<String, Value> =
        serde_json::from_str(arguments).unwrap_or_else(|e| panic!("{arguments}: {e}"));
    match name {
        "now" => assert!(arguments.is_empty(), "{arguments:?}"),
        "get_weather" => {
            assert!(arguments["city"].as_str().unwrap().chars().count() <= 5, "{arguments:?}");
            assert!(
                ["celsius", "fahrenheit"].contains(&arguments["unit"].as_str().unwrap()),
                "{arguments:?}"
            );
            assert_eq!(arguments.len(), 2);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_call_that_is_required_is_made() {
    let model = chatty(TEMPLATE);
    for seed in 0..20 {
        let params = json!({ "tools": tools(), "tool_choice": "required", "seed": seed, "temperature": 1.5, "parallel_tool_calls": false });
        let choice = answer(&model, &params);
        assert_eq!(
            (choice.finish_reason, choice.text.as_str()),
            (FinishReason::ToolCalls, ""),
            "seed {seed}"
        );
        assert_eq!(choice.tool_calls.len(), 1);
        check(&choice.tool_calls[0].name, &choice.tool_calls[0].arguments);
        assert!(
            choice.tool_calls[0].id.len() == 9
                && choice.tool_calls[0].id.chars().all(|c| c.is_ascii_alphanumeric())
        );
    }
    let named = json!({ "type": "function", "function": { "name": "now" } });
    let choice = answer(
        &model,
        &json!({ "tools": tools(), "tool_choice": named, "n": 2, "parallel_tool_calls": false }),
    );
    assert_eq!(choice.tool_calls[0].name, "now");
    let cut = answer(&model, &json!({ "tools": tools(), "tool_choice": "required", "max_tokens": 12 }));
    assert_eq!(cut.finish_reason, FinishReason::Length, "what is cut off does not claim to be a call");
}

/// The model begins a call of itself, because that token is made likely; from then on the grammar holds.
#[test]
fn a_call_that_was_begun_keeps_to_the_schema() {
    let model = chatty(TEMPLATE);
    let open = model.tokenizer().token_id("<tool_call>").unwrap().to_string();
    let mut calls = 0;
    for seed in 0..10 {
        let params = json!({ "tools": tools(), "seed": seed, "temperature": 1.5, "logit_bias": { &open: 100 }, "max_tokens": 150 });
        let choice = answer(&model, &params);
        let complete = match choice.finish_reason {
            FinishReason::Length => choice.tool_calls.split_last().map_or(&[][..], |(_, complete)| complete),
            _ => &choice.tool_calls,
        };
        complete.iter().for_each(|call| check(&call.name, &call.arguments));
        calls += complete.len();
        let single = answer(
            &model,
            &json!({ "tools": tools(), "seed": seed, "logit_bias": { &open: 100 }, "parallel_tool_calls": false }),
        );
        assert_eq!((single.finish_reason, single.tool_calls.len()), (FinishReason::ToolCalls, 1));
        let none =
            answer(&model, &json!({ "tools": tools(), "tool_choice": "none", "logit_bias": { &open: 100 } }));
        assert!(none.tool_calls.is_empty(), "calls are off");
    }
    assert!(calls > 10, "{calls} calls");
}

#[test]
fn thoughts_are_apart() {
    let model = chatty(TEMPLATE);
    let close = model.tokenizer().token_id("</think>").unwrap().to_string();
    let mut both = 0;
    for seed in 0..20 {
        let params = json!({ "enable_thinking": true, "seed": seed, "logit_bias": { &close: 2 } });
        let outcome = ask(&model, &params).unwrap();
        let choice = &outcome.choices[0];
        assert!(!choice.reasoning.contains("</think>"));
        let closing = choice.token_ids.iter().position(|id| id.to_string() == close);
        assert_eq!(choice.reasoning_tokens, closing.map_or(choice.token_ids.len(), |at| at + 1));
        both += usize::from(!choice.reasoning.is_empty() && !choice.text.is_empty());
        let off = answer(&model, &json!({ "enable_thinking": false, "seed": seed }));
        assert_eq!((off.reasoning.as_str(), off.reasoning_tokens), ("", 0));
    }
    assert!(both > 5, "{both} answers with thoughts");
    // The form that was asked for is that of the answer, not of the thoughts before it.
    let mut thought = 0;
    for seed in 0..10 {
        let params = json!({ "enable_thinking": true, "seed": seed, "logit_bias": { &close: 4 }, "max_tokens": 200,
            "response_format": { "type": "regex", "regex": "(yes|no)" } });
        let choice = answer(&model, &params);
        if choice.finish_reason == FinishReason::Stop {
            assert!(["yes", "no"].contains(&choice.text.as_str()), "{choice:?}");
            thought += usize::from(!choice.reasoning.is_empty());
        }
    }
    assert!(thought > 2, "{thought} answers after thoughts");
}

/// What templates leave out is written into the text, and what they take is given to them.
#[test]
fn calls_and_tools_reach_the_prompt() {
    let messages = json!([
        { "role": "user", "content": "hi" },
        { "role": "assistant", "content": null, "tool_calls": [
            { "id": "a", "type": "function", "function": { "name": "get_weather", "arguments": "{\"city\": \"Rome\"}" } },
        ] },
        { "role": "tool", "tool_call_id": "a", "content": "sunny" },
    ]);
    let render = |template: &str| {
        let (messages, tools) = (&messages, &tools());
        let conversation = Conversation {
            messages,
            tools: Some(tools),
            documents: None,
            enable_thinking: None,
            add_generation_prompt: false,
        };
        chatty(template).apply_chat_template(&conversation)
    };
    let text = render(TEMPLATE).unwrap();
    assert!(
        text.contains("<tool_call>Rome</tool_call>") && text.contains("\"description\": \"Weather.\""),
        "{text}"
    );
    let left_out = render("{{ tools | length }}{% for m in messages %}{{ m.content }}|{% endfor %}").unwrap();
    assert_eq!(
        left_out,
        "2hi|<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Rome\"}}\n</tool_call>|sunny|"
    );
    let lfm2 = render("List of tools: {% for m in messages %}{{ m.content }}|{% endfor %}").unwrap();
    assert!(lfm2.contains("<|tool_call_start|>[get_weather(city=\"Rome\")]<|tool_call_end|>"), "{lfm2}");
    let phi4 = render(
        "<|tool|>{% for message in messages %}{{ message['role'] }}{{ message['tools'] }}{% endfor %}",
    );
    let phi4 = phi4.unwrap();
    assert!(phi4.starts_with("<|tool|>system[{\"type\":\"function\""), "{phi4}");
    let smollm3 = render("{{ xml_tools | length }}").unwrap();
    assert_eq!(smollm3, "2");
    let texts = render("{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.arguments + '' }}{% endfor %}{% endfor %}{{ tools | length }}").unwrap();
    assert_eq!(texts, "{\"city\": \"Rome\"}2", "a template that joins texts gets the text");
    let error = render("{% for m in messages %}{{ m.content }}{% endfor %}").unwrap_err();
    assert!(error.detail().contains("tools") && error.kind() == ErrorKind::InvalidRequest, "{error}");
    let counted = chatty(TEMPLATE).count_tokens(&messages, Some(&tools())).unwrap();
    assert!(counted > chatty(TEMPLATE).count_tokens(&messages, None).unwrap() + 200);
}

#[test]
fn wrong_chats_name_the_field() {
    let model = chatty(TEMPLATE);
    let said = |message: Value| json!({ "messages": [message] });
    let called = |call: Value| said(json!({ "role": "assistant", "content": null, "tool_calls": call }));
    let cases = [
        (said(json!({ "role": "tool", "content": "x" })), "messages[0].tool_call_id"),
        (
            said(json!({ "role": "user", "content": "x", "tool_calls": [] })),
            "messages[0].tool_calls: only assistant",
        ),
        (called(json!([])), "messages[0].tool_calls: an array"),
        (called(json!("x")), "messages[0].tool_calls: an array"),
        (called(json!([{}])), "messages[0].tool_calls[0].id"),
        (called(json!([{ "id": "a" }])), "messages[0].tool_calls[0].function.name"),
        (
            called(json!([{ "id": "a", "function": { "name": "b", "arguments": "{" } }])),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (json!({ "tools": [{ "type": "function", "function": { "name": "" } }] }), "tools[0].function.name"),
        (json!({ "tool_choice": "required" }), "tool_choice"),
        (json!({ "top_logprobs": 2 }), "top_logprobs"),
        (json!({ "logprobs": true, "top_logprobs": 21 }), "top_logprobs is 21"),
        (
            json!({ "tools": tools(), "response_format": { "type": "json_object" } }),
            "response_format and tools",
        ),
        (json!({ "documents": {} }), "documents"),
        (json!({ "enable_thinking": "yes" }), "enable_thinking"),
    ];
    for (params, words) in cases {
        let error = ask(&model, &params).expect_err(&params.to_string());
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{params}: {error}");
        assert!(error.detail().contains(words), "{params}: {:?} does not say {words:?}", error.detail());
    }
    assert!(ask(&model, &json!({})).is_ok(), "the model stays usable");
}
