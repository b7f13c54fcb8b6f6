//! How models write thoughts and calls of tools: taken apart whatever the pieces are, and enforced as a grammar.

mod common;
#[path = "common/gguf.rs"]
mod gguf;

use std::sync::Arc;

use serde_json::{Value, json};
use tabmind::ErrorKind;
use tabmind::chat::calls::{
    AnswerParser, Body, CALL_FORMATS, CallFormat, CallPart, Grammar, Part, of_template,
};
use tabmind::chat::tools::{ToolChoice, Tools};
use tabmind::constraint::{Compiler, ConstraintSource};
use tabmind::files::ModelFiles;
use tabmind::source::{MemorySource, Source};
use tabmind::tokenizer::Tokenizer;

fn format(name: &str) -> &'static CallFormat {
    CALL_FORMATS.iter().find(|format| format.name == name).unwrap()
}

fn tools() -> Tools {
    let given = json!([
        { "type": "function", "function": { "name": "get_weather", "parameters": {
            "type": "object",
            "properties": { "city": { "type": "string" }, "unit": { "type": "string", "enum": ["celsius", "fahrenheit"] } },
            "required": ["city"],
            "additionalProperties": false,
        } } },
        { "type": "function", "function": { "name": "add", "parameters": {
            "type": "object",
            "properties": { "a": { "type": "integer" }, "b": { "type": "array", "items": { "type": "boolean" } } },
            "additionalProperties": false,
        } } },
        { "type": "function", "function": { "name": "now" } },
    ]);
    Tools::read(Some(&given), None, None).unwrap().unwrap()
}

/// What came out: content, thoughts, and calls as name and arguments.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    content: String,
    reasoning: String,
    calls: Vec<(String, String)>,
    ids: Vec<Option<String>>,
}

fn add(answer: &mut Answer, parts: Vec<Part>) {
    for part in parts {
        match part {
            Part::Content(text) => answer.content.push_str(&text),
            Part::Reasoning(text) => answer.reasoning.push_str(&text),
            Part::Call(CallPart::Name { name, id }) => {
                answer.calls.push((name, String::new()));
                answer.ids.push(id);
            }
            Part::Call(CallPart::Arguments(text)) => answer.calls.last_mut().unwrap().1.push_str(&text),
        }
    }
}

/// Reads `text` in pieces of every size; all must come out alike.
fn read(format: Option<&'static CallFormat>, prompt: &str, text: &str) -> Answer {
    let tools = tools();
    let characters: Vec<char> = text.chars().collect();
    let mut first = None;
    for size in (1..=characters.len().max(1)).rev() {
        let mut parser = AnswerParser::new(format.map(|format| (format, &tools)), prompt);
        let mut answer = Answer::default();
        for piece in characters.chunks(size) {
            add(&mut answer, parser.push(&piece.iter().collect::<String>()));
        }
        add(&mut answer, parser.finish());
        let first = first.get_or_insert_with(|| Answer { ..read_once(format, &tools, prompt, text) });
        assert_eq!(&answer, first, "{text:?} in pieces of {size}");
    }
    first.unwrap()
}

fn read_once(format: Option<&'static CallFormat>, tools: &Tools, prompt: &str, text: &str) -> Answer {
    let mut parser = AnswerParser::new(format.map(|format| (format, tools)), prompt);
    let mut answer = Answer::default();
    add(&mut answer, parser.push(text));
    add(&mut answer, parser.finish());
    answer
}

/// Prompt, answer, thoughts, content.
#[test]
fn thoughts_are_told_from_the_answer() {
    let cases = [
        ("", "Hello.", "", "Hello."),
        ("", "<think>\nadd\n</think>\n\n4.", "add", "4."),
        ("", "\n <think>a b</think>c", "a b", "c"),
        ("<think>\n", "add up\n\n</think>\n4.", "add up", "4."),
        ("<think>\n\n</think>\n\n", "4.", "", "4."),
        ("", "Use <think> in HTML.", "", "Use <think> in HTML."),
        ("", "<thin", "", "<thin"),
        ("", "<think>never ends", "never ends", ""),
        ("", "<think></think>\n4", "", "4"),
        ("", "[THINK]Hm.[/THINK]Yes.", "Hm.", "Yes."),
        ("", "<|channel>thought\nHm.<channel|>Yes.", "Hm.", "Yes."),
        ("", "<think>a < b, </thin air</think>so", "a < b, </thin air", "so"),
        ("", "  two spaces", "", "  two spaces"),
        ("", "", "", ""),
    ];
    for (prompt, text, reasoning, content) in cases {
        let answer = read(None, prompt, text);
        assert_eq!(
            (answer.reasoning.as_str(), answer.content.as_str()),
            (reasoning, content),
            "{prompt:?} {text:?}"
        );
    }
}

/// Format, answer, content, calls.
type CallCase = (&'static str, &'static str, &'static str, Vec<(&'static str, &'static str)>);

#[test]
fn calls_are_told_from_the_answer() {
    let zurich = ("get_weather", r#"{"city": "Zürich"}"#);
    let packed = ("get_weather", r#"{"city":"Zürich"}"#);
    let cases: Vec<CallCase> = vec![
        (
            "hermes",
            "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Zürich\"}}\n</tool_call>",
            "",
            vec![zurich],
        ),
        (
            "hermes",
            "I look.\n<tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call>\n<tool_call>\n{\"name\":\"now\",\"arguments\":{}}\n</tool_call>",
            "I look.\n",
            vec![("now", "{}"), ("now", "{}")],
        ),
        (
            "hermes",
            "<think>Hm</think>\n<tool_call>{\"arguments\": {\"city\": \"Zürich\"}, \"name\": \"get_weather\"}</tool_call>",
            "",
            vec![zurich],
        ),
        ("hermes", "<tool_call>{\"name\": \"now\"}</tool_call>Done.", "Done.", vec![("now", "{}")]),
        (
            "hermes",
            "<tool_call>{\"name\": \"now\", \"arguments\": \"{\\\"a\\\": 1}\"}",
            "",
            vec![("now", "{\"a\": 1}")],
        ),
        (
            "hermes",
            "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"a}\\\"</tool_call>\"}}</tool_call>",
            "",
            vec![("get_weather", "{\"city\": \"a}\\\"</tool_call>\"}")],
        ),
        ("hermes", "<tool_call>that is how", "<tool_call>that is how", vec![]),
        (
            "hermes",
            "<tool_call>{\"city\": 1}</tool_call> x",
            "<tool_call>{\"city\": 1}</tool_call> x",
            vec![],
        ),
        (
            "hermes",
            "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Z",
            "",
            vec![("get_weather", "{\"city\": \"Z")],
        ),
        ("hermes", "a < b <tool", "a < b <tool", vec![]),
        ("llama3", "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Zürich\"}}", "", vec![zurich]),
        (
            "llama3",
            "<|python_tag|>{\"type\": \"function\", \"name\": \"now\", \"parameters\": {}}; {\"name\": \"now\", \"parameters\": {}}",
            "",
            vec![("now", "{}"), ("now", "{}")],
        ),
        ("llama3", "{\"temp\": 21}", "{\"temp\": 21}", vec![]),
        ("llama3", "It is {hot}.", "It is {hot}.", vec![]),
        (
            "mistral-v3",
            "[TOOL_CALLS] [{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"get_weather\", \"arguments\": {\"city\": \"Zürich\"}}]",
            "",
            vec![("now", "{}"), zurich],
        ),
        (
            "mistral",
            "[TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]{\"city\": \"Zürich\"}[TOOL_CALLS]now[ARGS]{}",
            "",
            vec![zurich, ("now", "{}")],
        ),
        ("ministral", "Let me.[TOOL_CALLS]get_weather[ARGS]{\"city\": \"Zürich\"}", "Let me.", vec![zurich]),
        (
            "phi4",
            "<|tool_call|>[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Zürich\"}}]<|/tool_call|>",
            "",
            vec![zurich],
        ),
        ("functionary", "<function=get_weather>{\"city\": \"Zürich\"}</function>", "", vec![zurich]),
        (
            "lfm2",
            "<|tool_call_start|>[get_weather(city=\"Zürich\"), add(a=-1, b=[True, False])]<|tool_call_end|>I look.",
            "I look.",
            vec![packed, ("add", "{\"a\":-1,\"b\":[true,false]}")],
        ),
        ("lfm2", "<|tool_call_start|>[get_weather(city='Z\\u00fcrich')]<|tool_call_end|>", "", vec![packed]),
        ("lfm2", "<|tool_call_start|>[now(), now()]", "", vec![("now", "{}"), ("now", "{}")]),
        (
            "lfm2",
            "<|tool_call_start|>nonsense<|tool_call_end|>",
            "<|tool_call_start|>nonsense<|tool_call_end|>",
            vec![],
        ),
        (
            "qwen3.5",
            "<tool_call>\n<function=get_weather>\n<parameter=city>\nZürich\n</parameter>\n</function>\n</tool_call>",
            "",
            vec![packed],
        ),
        (
            "qwen3.5",
            "<tool_call>\n<function=add>\n<parameter=a>\n12\n</parameter>\n<parameter=b>\n[true]\n</parameter>\n</function>\n</tool_call>",
            "",
            vec![("add", "{\"a\":12,\"b\":[true]}")],
        ),
        (
            "qwen3.5",
            "<tool_call>\n<function=get_weather>\n<parameter=city>\n12\n</parameter>\n</function>\n</tool_call>",
            "",
            vec![("get_weather", "{\"city\":\"12\"}")],
        ),
        ("gemma4", "<|tool_call>call:get_weather{city:<|\"|>Zürich<|\"|>}<tool_call|>", "", vec![packed]),
        (
            "gemma4",
            "<|tool_call>call:add{a:1,b:[true,false]}<tool_call|><|tool_call>call:now{}<tool_call|>",
            "",
            vec![("add", "{\"a\":1,\"b\":[true,false]}"), ("now", "{}")],
        ),
        (
            "functiongemma",
            "<start_function_call>call:get_weather{city:<escape>Zürich<escape>}<end_function_call>",
            "",
            vec![packed],
        ),
    ];
    for (name, text, content, calls) in cases {
        let answer = read(Some(format(name)), "", text);
        let found: Vec<(&str, &str)> =
            answer.calls.iter().map(|(name, arguments)| (name.as_str(), arguments.as_str())).collect();
        assert_eq!((answer.content.as_str(), found), (content, calls), "{name}: {text}");
    }
    assert_eq!(
        read(Some(format("mistral")), "", "[TOOL_CALLS]now[CALL_ID]abcdefghi[ARGS]{}").ids,
        [Some("abcdefghi".to_owned())]
    );
    assert_eq!(
        read(None, "", "<tool_call>{\"name\": \"now\"}</tool_call>").content,
        "<tool_call>{\"name\": \"now\"}</tool_call>"
    );
}

/// JSON arguments arrive as they are written, not at the end.
#[test]
fn arguments_stream() {
    let tools = tools();
    let mut parser = AnswerParser::new(Some((format("hermes"), &tools)), "");
    let mut deltas = Vec::new();
    for piece in [
        "<tool",
        "_call>{\"name\": \"now",
        "\", \"arguments\": {\"a",
        "\": 1, \"b",
        "\": 2}}",
        "</tool_call>",
    ] {
        deltas.push(parser.push(piece).len());
    }
    assert_eq!(deltas, [0, 0, 2, 1, 1, 0]);
}

/// The calls that templates write, read again.
#[test]
fn what_templates_write_is_read() {
    let Some(path) = common::assets("goldens/chat_templates/expected.json") else { return };
    let expected: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for (name, template) in expected.as_object().unwrap() {
        let Some(file) = template["source"].as_str().unwrap().strip_prefix("llama.cpp/templates/") else {
            continue;
        };
        let source =
            std::fs::read_to_string(common::assets(&format!("chat_templates/{file}")).unwrap()).unwrap();
        let format = of_template(&source).unwrap();
        let Some(text) = template["cases"]["tool_call"]["text"].as_str() else { continue };
        let open = if format.bare {
            "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Z"
        } else {
            format.open
        };
        // The last one before the tool's answer: system prompts explain the format too.
        let answered = text.rfind("21").unwrap_or(text.len());
        let Some(start) = text[..answered].rfind(open) else { continue };
        let answer = read_once(Some(format), &tools(), "", &text[start..]);
        let Some((function, arguments)) = answer.calls.first() else {
            assert!(!text[start..].starts_with(&format!("{open}\n{{")), "{name}: {}", &text[start..]);
            continue;
        };
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        assert_eq!(
            (function.as_str(), arguments),
            ("get_weather", json!({ "city": "Zürich", "unit": "celsius" })),
            "{name}"
        );
        seen.insert(format.name);
    }
    let all = ["functionary", "gemma4", "hermes", "llama3", "ministral", "mistral", "qwen3.5"];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

fn tokenizer() -> Arc<Tokenizer> {
    let parts: [Box<dyn Source>; 1] = [Box::new(MemorySource::new(gguf::byte_model().build()))];
    Arc::new(pollster::block_on(ModelFiles::read(&parts)).unwrap().tokenizer)
}

/// Whether the grammar of `format` accepts `text`, as a whole answer or behind the text that opens calls.
fn accepts(format: &CallFormat, tools: &Tools, opened: bool, text: &str) -> bool {
    let tokenizer = tokenizer();
    let compiler = Compiler::new(Arc::clone(&tokenizer));
    let grammar = Grammar { special: &|_| None, lower: &|schema, field| compiler.lower(schema, field) };
    let source = grammar.write(format, tools, opened).unwrap();
    let mut constraint = compiler
        .compile(&ConstraintSource::Lark(source.clone()), "tools")
        .unwrap_or_else(|e| panic!("{source}\n{e}"));
    let ids = tokenizer.encode_continuing(text).unwrap();
    ids.iter().all(|&id| constraint.commit(id).is_ok()) && constraint.is_accepting().unwrap()
}

/// Name, arguments, whether the schema allows them.
type GrammarCase<'a> = (&'a str, &'a [(&'a str, Value)], bool);

#[test]
fn grammars_accept_what_parsers_read_and_nothing_else() {
    for format in CALL_FORMATS {
        let cases: &[GrammarCase] = &[
            ("get_weather", &[("city", json!("Zürich <b>"))], true),
            ("get_weather", &[("city", json!("a")), ("unit", json!("celsius"))], true),
            ("get_weather", &[("city", json!("a")), ("unit", json!("kelvin"))], false),
            ("get_weather", &[("unit", json!("celsius"))], false),
            ("get_weather", &[("city", json!("a")), ("country", json!("b"))], false),
            ("add", &[("a", json!(1)), ("b", json!([true, false]))], true),
            ("add", &[("b", json!([]))], true),
            ("add", &[("a", json!("x"))], false),
            ("now", &[], true),
            ("now", &[("a", json!(1))], false),
            ("later", &[], false),
        ];
        for (name, arguments, valid) in cases {
            let text = written(format, name, arguments);
            let bare = if format.bare { text.as_str() } else { text.strip_prefix(format.open).unwrap() };
            assert_eq!(accepts(format, &tools(), false, &text), *valid, "{}: {text}", format.name);
            assert_eq!(accepts(format, &tools(), true, bare), *valid, "{}: {bare}", format.name);
            if *valid {
                let answer = read_once(Some(format), &tools(), "", &text);
                let expected: serde_json::Map<String, Value> =
                    arguments.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
                assert_eq!(answer.calls.len(), 1, "{}: {text}", format.name);
                assert_eq!(
                    serde_json::from_str::<Value>(&answer.calls[0].1).unwrap(),
                    Value::Object(expected)
                );
                assert!(
                    !accepts(format, &tools(), false, &text[..text.len() - 1]),
                    "{}: cut off",
                    format.name
                );
            }
        }
        let named = Tools { choice: ToolChoice::Named("now".into()), ..tools() };
        assert!(accepts(format, &named, false, &written(format, "now", &[])), "{}", format.name);
        assert!(!accepts(format, &named, false, &written(format, "get_weather", &[("city", json!("a"))])));
        if !format.bare {
            let two = written(format, "now", &[]) + &written(format, "now", &[]);
            assert!(accepts(format, &tools(), false, &two), "{}: {two}", format.name);
            assert!(!accepts(format, &Tools { parallel: false, ..tools() }, false, &two), "{}", format.name);
        }
    }
}

/// A call as the format has it.
fn written(format: &CallFormat, name: &str, arguments: &[(&str, Value)]) -> String {
    let object: serde_json::Map<String, Value> =
        arguments.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let json = Value::Object(object).to_string();
    let pairs = |pair: &dyn Fn(&str, &Value) -> String, separator: &str| {
        arguments.iter().map(|(key, value)| pair(key, value)).collect::<Vec<_>>().join(separator)
    };
    let body = match format.body {
        Body::Objects { arguments: key, list } => {
            let call = format!("{{\"name\": \"{name}\", \"{key}\": {json}}}");
            if list { format!("[{call}]") } else { call }
        }
        Body::Named { separator, id } => {
            let id = if id.is_empty() { String::new() } else { format!("{id}abcdefghi") };
            format!("{name}{id}{separator}{json}")
        }
        Body::Tagged => {
            let pair = |key: &str, value: &Value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("<parameter={key}>\n{text}\n</parameter>\n")
            };
            format!("\n<function={name}>\n{}</function>\n", pairs(&pair, ""))
        }
        Body::Python => format!("[{name}({})]", pairs(&|key, value| format!("{key}={value}"), ", ")),
        Body::Braces { quote } => {
            let pair = |key: &str, value: &Value| match value.as_str() {
                Some(text) => format!("{key}:{quote}{text}{quote}"),
                None => format!("{key}:{value}"),
            };
            format!("call:{name}{{{}}}", pairs(&pair, ","))
        }
    };
    let open = if format.bare { "" } else { format.open };
    format!("{open}{body}{}", format.close)
}

#[test]
fn wrong_tools_name_the_field() {
    let function = |fields: Value| json!([{ "type": "function", "function": fields }]);
    let twice = json!([
        { "type": "function", "function": { "name": "a" } },
        { "type": "function", "function": { "name": "a" } },
    ]);
    let good = function(json!({ "name": "a" }));
    let cases = [
        (json!("a"), json!(null), "tools: an array"),
        (json!(["a"]), json!(null), "tools[0]: an object"),
        (json!([{ "type": "retrieval" }]), json!(null), "tools[0].type"),
        (json!([{ "type": "function" }]), json!(null), "tools[0].function:"),
        (function(json!({})), json!(null), "tools[0].function.name"),
        (function(json!({ "name": "a b" })), json!(null), "tools[0].function.name is \"a b\""),
        (function(json!({ "name": "" })), json!(null), "tools[0].function.name is \"\""),
        (
            function(json!({ "name": "a", "arguments": {} })),
            json!(null),
            "tools[0].function.arguments: unknown",
        ),
        (function(json!({ "name": "a", "description": 1 })), json!(null), "tools[0].function.description"),
        (
            function(json!({ "name": "a", "parameters": { "type": "string" } })),
            json!(null),
            "tools[0].function.parameters",
        ),
        (twice, json!(null), "tools[1].function.name is \"a\", and so is that of tools[0]"),
        (Value::Array(vec![good[0].clone(); 129]), json!(null), "tools holds 129"),
        (good.clone(), json!("always"), "tool_choice is \"always\""),
        (
            good.clone(),
            json!({ "type": "function", "function": { "name": "b" } }),
            "tool_choice.function.name is \"b\"",
        ),
        (good, json!({ "name": "a" }), "tool_choice: a word"),
        (json!([]), json!("required"), "tool_choice asks for a call"),
    ];
    for (tools, choice, words) in cases {
        let error =
            Tools::read(Some(&tools), Some(&choice).filter(|choice| !choice.is_null()), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.detail().contains(words), "{tools} {choice}: {error}");
    }
    assert_eq!(Tools::read(Some(&json!([])), Some(&json!("auto")), None).unwrap(), None);
}
