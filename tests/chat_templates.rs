//! Chat templates of real models against jinja2's rendering, and what a template must not be able to do.

mod common;

use std::collections::BTreeSet;

use common::assets;
use serde_json::{Map, Value as Json, json};
use tabmind::chat::{ChatTemplate, TemplateInput, fallback};
use tabmind::{Error, ErrorKind, Result};

/// Scenarios of a template that do not come out as jinja2 renders them, with the reason. One that starts to pass
/// fails the test.
const KNOWN_FAILURES: &[(&str, &[&str], &str)] = &[
    ("llama.cpp/CohereForAI-c4ai-command-r-plus-tool_use", NO_TOOLS, NONE_IS_EMPTY),
    ("llama.cpp/CohereForAI-c4ai-command-r-plus-tool_use", &["content_parts"], NONE_IS_EMPTY),
    ("llama.cpp/NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", NO_TOOLS, NONE_IS_EMPTY),
    ("llama.cpp/NousResearch-Hermes-3-Llama-3.1-8B-tool_use", NO_TOOLS, NONE_IS_EMPTY),
    (
        "llama.cpp/meetkai-functionary-medium-v3.1",
        &["tools", "tool_call", "tool_call_strargs", "tool_call_done"],
        "jinja2 HTML-escapes a plain string that is added to a `safe` one, so the model reads &#34; for each quote \
         of its tools; minijinja joins the two as they are",
    ),
];
const NO_TOOLS: &[&str] = &[
    "user",
    "user_nogen",
    "system_user",
    "multi_turn",
    "multi_turn_nogen",
    "thinking_off",
    "thinking_on",
    "reasoning_history",
];
const NONE_IS_EMPTY: &str = "the template is for conversations with tools and iterates over them: Python refuses to \
    iterate over None, minijinja takes it for an empty list, and the conversation goes on without tools";

/// 2026-08-22T12:34:56, the clock of the goldens.
const NOW: i64 = 1_787_402_096;

fn read_json(path: &std::path::Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The template that a golden's `source` names.
fn source(name: &str) -> String {
    match name.strip_prefix("llama.cpp/templates/") {
        Some(file) => std::fs::read_to_string(assets(&format!("chat_templates/{file}")).unwrap()).unwrap(),
        None => {
            let file = name.strip_suffix("#chat_template").unwrap();
            read_json(&assets(file).unwrap())["chat_template"].as_str().unwrap().to_owned()
        }
    }
}

fn render_scenario(template: &ChatTemplate, scenario: &Json, bos: &str, eos: &str) -> Result<String> {
    let extra: Map<String, Json> = scenario
        .get("enable_thinking")
        .map(|v| ("enable_thinking".to_owned(), v.clone()))
        .into_iter()
        .collect();
    template.render(&TemplateInput {
        messages: &scenario["messages"],
        tools: scenario.get("tools"),
        documents: None,
        add_generation_prompt: scenario["add_generation_prompt"].as_bool().unwrap(),
        extra: &extra,
        bos_token: bos,
        eos_token: eos,
    })
}

#[test]
fn templates_render_as_in_jinja2() {
    let Some(dir) = assets("goldens/chat_templates") else { return };
    let scenarios = read_json(&dir.join("scenarios.json"));
    let expected = read_json(&dir.join("expected.json"));
    let (bos, eos) = (scenarios["bos_token"].as_str().unwrap(), scenarios["eos_token"].as_str().unwrap());
    let known: BTreeSet<String> = KNOWN_FAILURES
        .iter()
        .flat_map(|(template, scenarios, _)| {
            scenarios.iter().map(move |scenario| format!("{template}/{scenario}"))
        })
        .collect();
    let (mut cases, mut errors, mut failed) = (0, 0, BTreeSet::new());
    for (name, golden) in expected.as_object().unwrap() {
        let template = ChatTemplate::with_clock(&source(golden["source"].as_str().unwrap()), || NOW);
        for (scenario, outcome) in golden["cases"].as_object().unwrap() {
            let case = format!("{name}/{scenario}");
            let found = template
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|template| render_scenario(template, &scenarios["scenarios"][scenario], bos, eos));
            cases += 1;
            let equal = match (&found, outcome["text"].as_str(), outcome["error"].as_str()) {
                (Ok(found), Some(text), None) => found == text,
                (Err(error), None, Some(reason)) => {
                    errors += 1;
                    // A refusal in the template's own words reaches the user in these words.
                    reason.strip_prefix("TemplateError: ").is_none_or(|words| error.detail() == words)
                }
                _ => false,
            };
            if !equal {
                if !known.contains(&case) {
                    show(&case, &found, outcome);
                }
                failed.insert(case);
            }
        }
    }
    let equal = cases - failed.len();
    println!(
        "chat templates: {equal} of {cases} cases equal ({errors} of them errors), {} known failures",
        known.len()
    );
    assert!(cases >= 585, "{cases} cases");
    let new: Vec<_> = failed.iter().filter(|case| !known.contains(*case)).collect();
    let passing: Vec<_> = known.iter().filter(|case| !failed.contains(*case)).collect();
    assert!(new.is_empty(), "{} of {cases} cases differ: {new:?}", new.len());
    assert!(passing.is_empty(), "known failures pass now, strike them off: {passing:?}");
}

fn show(case: &str, found: &Result<String>, outcome: &Json) {
    match (found, outcome["text"].as_str()) {
        (Ok(found), Some(text)) => {
            let at = found.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
            let from = (0..=at.saturating_sub(60))
                .rev()
                .find(|&i| text.is_char_boundary(i) && found.is_char_boundary(i));
            let cut = |t: &str| t[from.unwrap()..].chars().take(160).collect::<String>();
            eprintln!(
                "{case}: differs at byte {at}\n  found    {:?}\n  expected {:?}",
                cut(found),
                cut(text)
            );
        }
        (Err(error), Some(_)) => eprintln!("{case}: {error}"),
        (found, None) => eprintln!("{case}: expected {}, found {found:?}", outcome["error"]),
    }
}

fn render(source: &str, messages: &Json) -> Result<String> {
    ChatTemplate::with_clock(source, || NOW)?.render(&TemplateInput {
        messages,
        tools: None,
        documents: None,
        add_generation_prompt: true,
        extra: &Map::new(),
        bos_token: "<s>",
        eos_token: "</s>",
    })
}

fn refused(source: &str, messages: &Json) -> Error {
    let error = render(source, messages).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TemplateError, "{error}");
    error
}

#[test]
fn small_things_are_as_in_python() {
    let messages = json!([{"role": "user", "content": "<é> \"q\" 'a'"}, {"a": 1.0, "b": [true, null, 1e20]}]);
    for (source, expected) in [
        ("{{ messages[0].content | tojson }}", r#""<é> \"q\" 'a'""#),
        ("{{ messages[1] | tojson }}", r#"{"a": 1.0, "b": [true, null, 1e+20]}"#),
        (
            "{{ messages[1] | tojson(indent=2) }}",
            "{\n  \"a\": 1.0,\n  \"b\": [\n    true,\n    null,\n    1e+20\n  ]\n}",
        ),
        ("{{ messages[1] | tojson(separators=(',', ':')) }}", r#"{"a":1.0,"b":[true,null,1e+20]}"#),
        ("{{ 'é' | tojson(ensure_ascii=True) }}", r#""\u00e9""#),
        ("{{ {'b': [], 'a': {}} | tojson(sort_keys=true, indent=1) }}", "{\n \"a\": {},\n \"b\": []\n}"),
        ("{{ messages[1] }}", "{'a': 1.0, 'b': [True, None, 1e+20]}"),
        ("{{ none }}{{ true }}{{ nothing }}{{ 1.0 }}{{ 3 }}", "NoneTrue1.03"),
        ("{{ strftime_now('%d %b %Y') }}", "22 Aug 2026"),
        ("{% generation %}a{% endgeneration %}b", "ab"),
        ("x\n{%- generation %}\na\n{%- endgeneration -%}\nb", "xab"),
        ("{% for m in messages %}{% if loop.last %}{% break %}{% endif %}{{ m.role }}{% endfor %}", "user"),
        ("{{ 'a</think>b'.split('</think>')[-1] }}{{ 'ab'[::-1] }}{{ 'xay'.strip('xy') }}", "bbaa"),
        ("{{ 'ab-cd-ef'.rsplit('-', 1) }}{{ 'ab'.removeprefix('a') }}", "['ab-cd', 'ef']b"),
        (
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "2",
        ),
    ] {
        assert_eq!(
            render(source, &messages).unwrap_or_else(|e| panic!("{source}: {e}")),
            expected,
            "{source}"
        );
    }
}

#[test]
fn a_template_cannot_run_away() {
    let none = json!([]);
    for source in [
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for a in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 'x' * 100000000000 }}",
        "{% for a in range(1000000000000) %}{% endfor %}",
    ] {
        refused(source, &none);
    }
    let deep = "[".repeat(100_000);
    refused(&format!("{{{{ {deep} }}}}"), &none);
    refused(&"{% if true %}".repeat(50_000), &none);
    refused(&"x".repeat(2 << 20), &none);
}

#[test]
fn errors_say_what_is_wrong() {
    let user = json!([{"role": "user", "content": "hi"}]);
    assert_eq!(refused("{{ raise_exception('Only ' ~ 'so') }}", &user).detail(), "Only so");
    let inside = "{% macro m() %}{{ raise_exception('in a macro') }}{% endmacro %}{{ m() }}";
    assert_eq!(refused(inside, &user).detail(), "in a macro");
    assert!(refused("{% if %}", &user).detail().contains("line 1"));
    assert!(refused("\n\n{{ messages[0].nothing.at_all }}", &user).detail().contains("line 3"));
    assert!(refused("{{ x | no_such_filter }}", &user).detail().contains("no_such_filter"));
    refused("{% include 'other' %}", &user);
    for odd in [json!(null), json!("text"), json!({}), json!([1, "a", null, []])] {
        let _ = render("{% for m in messages %}{{ m.content }}{% endfor %}", &odd);
    }
}

#[test]
fn fallbacks_render_a_conversation() {
    let messages = json!([
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Bye"}
    ]);
    for fallback in fallback::FALLBACKS {
        let prompt =
            render(fallback.template, &messages).unwrap_or_else(|e| panic!("{}: {e}", fallback.name));
        let at: Vec<_> = ["Be brief.", "Hi", "Hello", "Bye"].iter().map(|part| prompt.find(part)).collect();
        assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{}: {prompt}", fallback.name);
        assert_eq!(fallback::find(fallback.name), Some(fallback));
    }
    let chatml = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(render(fallback::find("chatml").unwrap().template, &messages).unwrap(), chatml);
    let llama2 = "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Bye [/INST]";
    assert_eq!(render(fallback::find("llama2").unwrap().template, &messages).unwrap(), llama2);
    assert_eq!(fallback::guess(|token| token == "<start_of_turn>").unwrap().name, "gemma");
    assert_eq!(fallback::guess(|_| false), None);
}
