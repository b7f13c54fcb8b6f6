//! JSON Schema, judged by data: for every schema either `unsupported_schema`, or all valid instances are accepted
//! and all invalid ones refused. The official suite says what each keyword means; `schema-bench.jsonl` has 912
//! schemas from the wild.

mod common;
#[path = "common/gguf.rs"]
mod gguf;
#[path = "common/property_order.rs"]
mod property_order;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tabmind::ErrorKind;
use tabmind::constraint::{Compiler, ConstraintSource};
use tabmind::gguf::{Parsed, parse_header};
use tabmind::tokenizer::Tokenizer;

const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";

/// Folders of the official suite, with the dialect of schemas that name none.
const FOLDERS: [(&str, &str); 8] = [
    ("draft7", DRAFT_7),
    ("draft7/optional", DRAFT_7),
    ("draft7/optional/format", DRAFT_7),
    ("draft2019-09", ""),
    ("draft2020-12", ""),
    ("draft2020-12/optional", ""),
    ("draft2020-12/optional/format", ""),
    ("v1", ""),
];

/// Verdicts of the suite that are not followed, by a part of the case's name, with the reason. One that excuses
/// nothing fails the test.
const ON_PURPOSE: &[(&str, &str)] = &[
    ("is only an annotation by default", "formats are asserted"),
    ("draft7/optional/content", "content is an annotation, as in later drafts"),
    ("optional/bignum", "integers have no exponent, and bounds beyond 2^53 are kept within it"),
    ("optional/float-overflow", "integers have no exponent"),
    ("optional/ecmascript-regex", "control characters are not written"),
    ("control characters allowed", "control characters are not written"),
    ("leap second", "a time has no leap second"),
    ("punycode", "host names are no punycode"),
    ("format/email", "an address has neither quotes nor brackets"),
    ("IPvFuture", "there is no such protocol"),
    ("private-use", "nor such characters in an IRI"),
];

/// One schema with instances and verdicts.
struct Case {
    name: String,
    schema: Value,
    /// Description, instance, whether it is valid.
    tests: Vec<(String, Value, bool)>,
}

impl Case {
    fn read(group: &Value, name: String, dialect: &str) -> Self {
        let mut schema = group["schema"].clone();
        if let Some(keywords) = schema.as_object_mut().filter(|_| !dialect.is_empty()) {
            keywords.entry("$schema").or_insert(dialect.into());
        }
        let tests = group["tests"].as_array().unwrap().iter().map(|test| {
            let description = test["description"].as_str().unwrap_or_default().to_owned();
            (description, test["data"].clone(), test["valid"].as_bool().unwrap())
        });
        Self { name, schema, tests: tests.collect() }
    }
}

/// What became of the cases.
#[derive(Debug, Default)]
struct Tally {
    schemas: usize,
    supported: usize,
    accepted: usize,
    refused: usize,
    wrongly_accepted: Vec<String>,
    wrongly_refused: Vec<String>,
}

impl Tally {
    fn judge(&mut self, compiler: &Compiler, tokenizer: &Tokenizer, case: &Case) {
        self.schemas += 1;
        let source = ConstraintSource::JsonSchema(case.schema.clone());
        let constraint = match compiler.compile(&source, "schema") {
            Ok(constraint) => constraint,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::UnsupportedSchema, "{}: {error}", case.name);
                if std::env::var_os("TABMIND_VERBOSE").is_some() {
                    println!("{}: {error}", case.name);
                }
                return;
            }
        };
        self.supported += 1;
        for (description, instance, valid) in &case.tests {
            let accepts = |text: &str| {
                let mut constraint = constraint.restarted().unwrap();
                let ids = tokenizer.encode_continuing(text).unwrap();
                ids.iter().all(|&id| constraint.commit(id).is_ok()) && constraint.is_accepting().unwrap()
            };
            let texts = property_order::ordered(instance, &case.schema).map(|text| text.to_string());
            let accepted = texts.iter().any(|text| accepts(text));
            let line = || format!("{} / {description}: {}\n    {}", case.name, texts[0], case.schema);
            match (accepted, valid) {
                (true, true) => self.accepted += 1,
                (false, false) => self.refused += 1,
                (true, false) => self.wrongly_accepted.push(line()),
                (false, true) => self.wrongly_refused.push(line()),
            }
        }
    }

    /// Leaves out the verdicts that are not followed on purpose, and counts them by reason.
    fn excuse(&mut self, counts: &mut [usize]) {
        let mut is_kept = |line: &String| {
            let excuse = ON_PURPOSE.iter().position(|(part, _)| line.contains(part));
            excuse.inspect(|&excuse| counts[excuse] += 1).is_none()
        };
        self.wrongly_accepted.retain(&mut is_kept);
        self.wrongly_refused.retain(&mut is_kept);
    }

    /// Prints the shares; nothing may be accepted that is invalid.
    fn report(&self, name: &str) {
        println!(
            "{name}: {} of {} schemas supported; {} instances accepted, {} refused, {} wrongly accepted, {} wrongly \
             refused",
            self.supported,
            self.schemas,
            self.accepted,
            self.refused,
            self.wrongly_accepted.len(),
            self.wrongly_refused.len()
        );
        assert!(self.schemas > 0, "{name} holds schemas");
        assert!(self.wrongly_accepted.is_empty(), "wrongly accepted: {:#?}", self.wrongly_accepted);
    }
}

/// A vocabulary of single bytes: what is accepted does not depend on tokens.
fn byte_tokenizer() -> Arc<Tokenizer> {
    let file = gguf::byte_model().build();
    let Parsed::Whole(header) = parse_header(&file, None).unwrap() else { panic!("the file is whole") };
    Arc::new(Tokenizer::from_gguf(&header.metadata).unwrap())
}

#[test]
fn schemas_from_the_wild() {
    let Some(path) = common::assets("json_schema/schema-bench.jsonl") else { return };
    let tokenizer = byte_tokenizer();
    let compiler = Compiler::new(Arc::clone(&tokenizer));
    let mut tally = Tally::default();
    for line in fs::read_to_string(path).unwrap().lines() {
        let group: Value = serde_json::from_str(line).unwrap();
        let name = group["name"].as_str().unwrap().to_owned();
        tally.judge(&compiler, &tokenizer, &Case::read(&group, name, ""));
    }
    tally.report("schema-bench");
    println!("wrongly refused: {:#?}", tally.wrongly_refused);
    assert!(tally.supported * 100 >= tally.schemas * 85, "85 % are supported");
    assert!(tally.wrongly_refused.len() * 100 <= tally.accepted, "1 % is refused wrongly");
}

#[test]
fn the_official_suite() {
    let tokenizer = byte_tokenizer();
    let compiler = Compiler::new(Arc::clone(&tokenizer));
    let mut excused = [0; ON_PURPOSE.len()];
    for (folder, dialect) in FOLDERS {
        let Some(path) = common::assets(&format!("json_schema/official-suite/tests/{folder}")) else {
            return;
        };
        let mut tally = Tally::default();
        let mut files: Vec<PathBuf> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            let groups: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
            for group in groups.as_array().unwrap() {
                let name =
                    format!("{folder}/{}: {}", file.file_stem().unwrap().display(), group["description"]);
                tally.judge(&compiler, &tokenizer, &Case::read(group, name, dialect));
            }
        }
        tally.excuse(&mut excused);
        tally.report(folder);
        assert!(tally.wrongly_refused.is_empty(), "wrongly refused: {:#?}", tally.wrongly_refused);
    }
    assert!(excused.iter().all(|&count| count > 0), "{ON_PURPOSE:?}: {excused:?}");
}

/// What JavaScript's expressions match: pattern, strings that fit, strings that do not. (Checked with `RegExp`, flag
/// `u`, and without the flag where it refuses what browsers take.)
const PATTERNS: &[(&str, &[&str], &[&str])] = &[
    ("^.$", &["a", "é", "😀"], &["\n", "\r", "\u{2028}", "ab", ""]),
    (r"^\s$", &["\t", "\u{a0}", "\u{feff}", "\u{2003}"], &["\u{85}", "\u{200b}", "a"]),
    (r"^[\s\S]$", &["\n", "x", "\u{2028}"], &[""]),
    (r"^\d+$", &["0123"], &["٣", "1a"]),
    (r"^\w+$", &["aZ_9"], &["é", "-"]),
    (r"^[^\W_]$", &["a", "7"], &["_", "-"]),
    ("b", &["abc", "b"], &["ac", ""]),
    ("^a|b$", &["ax", "xb", "a"], &["xa", "bx"]),
    ("^(?:a|b)$", &["a", "b"], &["ax", "xb"]),
    ("^a{2}$", &["aa"], &["a", "aaa"]),
    ("^a{2,}$", &["aa", "aaaa"], &["a"]),
    ("^a{0,2}?$", &["", "aa"], &["aaa"]),
    ("^[a&&b]+$", &["a&b"], &["c"]),
    ("^[a-c--b]+$", &["ab-"], &["d"]),
    ("^[[]x$", &["[x"], &["x"]),
    ("^[~~]$", &["~"], &["a"]),
    (r"^[\-\]]$", &["-", "]"], &["\\"]),
    ("^[+--]$", &["+", ",", "-"], &["."]),
    (r"^\u0041\x42\u{43}$", &["ABC"], &["abc"]),
    (r"^\ud83d\ude00$", &["😀"], &["a"]),
    (r"^[\ud83d\ude00-\ud83d\ude02]$", &["😁"], &["😃"]),
    (r"^\/\.\$$", &["/.$"], &["/a$"]),
    (r"^(?<year>\d{4})$", &["1999"], &["199"]),
    ("^[^]$", &["\n", "a"], &["", "ab"]),
    (r"^\p{Lu}\p{L}*$", &["Été"], &["été", "A1"]),
    (r"^\P{L}$", &["1"], &["a"]),
    (r"^[\b]?x$", &["\u{8}x", "x"], &["bx"]),
    ("^x{,2}$", &["x{,2}"], &["x", "xx"]),
    ("^}{$", &["}{"], &["x"]),
    (r"^[^\x00-\x1f]$", &["a"], &["", "\n"]),
];

/// What is no JavaScript, no regular language, or cannot be written.
const REFUSED_PATTERNS: &[&str] = &[
    "(?i)a",
    r"\Aa",
    r"a\Z",
    "(?=a)",
    "(?<!a)b",
    r"(a)\1",
    r"\bx",
    "[b-a]",
    "(a",
    "a)",
    "[a",
    "[]",
    "\\",
    r"a\x00",
    r"a[\x00]",
    r"\k<a>",
    "x{20000}",
    r"\ud83d",
    r"\p{Nonsense}",
    r"\c",
    "[\\d-z]x\\u12",
];

#[test]
fn patterns_mean_what_they_mean_in_javascript() {
    let tokenizer = byte_tokenizer();
    let compiler = Compiler::new(Arc::clone(&tokenizer));
    for (pattern, fits, misfits) in PATTERNS {
        let values = fits.iter().map(|text| (text, true)).chain(misfits.iter().map(|text| (text, false)));
        let tests = values.map(|(text, valid)| (format!("{pattern} {text:?}"), json!(text), valid));
        // As a property's name, too.
        let value = Case {
            name: "value".into(),
            schema: json!({ "type": "string", "pattern": pattern }),
            tests: tests.clone().collect(),
        };
        let schema = json!({ "type": "object", "patternProperties": { *pattern: true }, "additionalProperties": false });
        let names = tests.map(|(text, name, valid)| (text, json!({ name.as_str().unwrap(): 1 }), valid));
        let name = Case { name: "name".into(), schema, tests: names.collect() };
        let mut tally = Tally::default();
        tally.judge(&compiler, &tokenizer, &value);
        tally.judge(&compiler, &tokenizer, &name);
        assert_eq!(
            (tally.supported, &tally.wrongly_accepted, &tally.wrongly_refused),
            (2, &vec![], &vec![]),
            "{pattern}"
        );
    }
    for pattern in REFUSED_PATTERNS {
        let source = ConstraintSource::JsonSchema(json!({ "type": "string", "pattern": pattern }));
        let error = compiler.compile(&source, "schema").expect_err(pattern);
        assert_eq!(error.kind(), ErrorKind::UnsupportedSchema, "{pattern}: {error}");
        assert!(error.detail().starts_with("schema: pattern at #"), "{pattern}: {error}");
    }
}

/// Traps of the library beneath, each of which it would fall into if the schema reached it as it is: schema, value
/// that must be refused.
#[test]
fn traps_are_refused_or_avoided() {
    let tokenizer = byte_tokenizer();
    let compiler = Compiler::new(Arc::clone(&tokenizer));
    let traps: &[(Value, &str)] = &[
        // A name that is spelt with an escape, or twice.
        (json!({ "properties": { "a": { "type": "integer" } } }), r#"{"\u0061":"x"}"#),
        (json!({ "properties": { "a": { "type": "integer" } } }), r#"{"a":1,"a":"x"}"#),
        (json!({ "required": ["a"], "minProperties": 2 }), r#"{"a":1,"b":1,"b":2}"#),
        // Characters that a string cannot hold, and the library leaves out.
        (json!({ "const": "a\u{0}b" }), r#""ab""#),
        (json!({ "type": "string", "pattern": "^a\\x7fb$" }), r#""ab""#),
        // Integers that no float tells apart, and multiples that overflow.
        (json!({ "const": 9_007_199_254_740_993_u64 }), "9007199254740992"),
        (json!({ "type": "integer", "maximum": 9_223_372_036_854_775_807_u64 }), "9223372036854775808"),
        (
            json!({ "allOf": [{ "multipleOf": 65_537 }, { "multipleOf": 65_539 }], "type": "integer" }),
            "131073",
        ),
        // A pattern that JavaScript reads otherwise.
        (json!({ "type": "string", "pattern": "^[a&&b]$" }), r#""c""#),
        // A dialect, and a library's own options inside a schema.
        (json!({ "$schema": "https://example.com/mine", "type": "string" }), "1"),
        (json!({ "type": "integer", "x-guidance": { "lenient": true }, "not": { "const": 3 } }), "3"),
        // References that are no plain paths.
        (json!({ "$ref": "#/$defs/a~1b", "$defs": { "a/b": { "type": "integer" }, "a~1b": {} } }), "\"x\""),
        (
            json!({ "$id": "https://example.com/a", "properties": { "p": { "$id": "b", "$ref": "#/$defs/x", "$defs": { "x": { "type": "null" } } } }, "$defs": { "x": {} } }),
            r#"{"p":1}"#,
        ),
        // February.
        (json!({ "format": "date" }), "\"2023-02-29\""),
    ];
    for (schema, text) in traps {
        let Ok(mut constraint) = compiler.compile(&ConstraintSource::JsonSchema(schema.clone()), "schema")
        else {
            continue;
        };
        let ids = tokenizer.encode_continuing(text).unwrap();
        let accepted =
            ids.iter().all(|&id| constraint.commit(id).is_ok()) && constraint.is_accepting().unwrap();
        assert!(!accepted, "{schema} accepts {text}");
    }
}

/// A number below `limit`, always the same ones (an xorshift).
fn random(state: &mut u64, limit: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state % limit as u64) as usize
}

/// A node of `value`, chosen by walking down at random.
fn node<'v>(value: &'v mut Value, state: &mut u64) -> &'v mut Value {
    let children = match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    };
    if children == 0 || random(state, 4) == 0 {
        return value;
    }
    let chosen = random(state, children);
    match value {
        Value::Array(items) => node(&mut items[chosen], state),
        Value::Object(members) => node(members.values_mut().nth(chosen).unwrap(), state),
        _ => unreachable!("it has children"),
    }
}

/// The library turns its panics into errors natively; in WebAssembly they would be the end of the engine. So none of
/// them may be met, whatever is in a schema or an expression.
#[test]
fn damaged_schemas_and_expressions_meet_no_panic() {
    let Some(path) = common::assets("json_schema/schema-bench.jsonl") else { return };
    let compiler = Compiler::new(byte_tokenizer());
    let lines = fs::read_to_string(path).unwrap();
    let schemas: Vec<Value> = lines
        .lines()
        .filter(|line| line.len() < 8000)
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["schema"].take())
        .collect();
    let pool = [
        json!(null),
        json!(-1),
        json!(0.1),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!("é".repeat(60)),
        json!("\u{0}(["),
        json!([]),
        json!({}),
        json!(false),
        json!({ "$ref": "#" }),
        json!({ "not": {} }),
        json!({ "enum": [] }),
    ];
    let pieces = [
        "(", ")", "[", "]", "{", "}", "|", "*", "\\", "^", "$", ".", "a", "\\d", "{2,3}", "é", "\"", "/",
        "-", "?:", "&&", "~", "start", ":", "\n",
    ];
    let state = &mut 0x9e37_79b9_7f4a_7c15;
    let (mut compiled, mut refused) = (0, 0);
    for round in 0..common::soak(400) {
        let source = match round % 4 {
            0 => ConstraintSource::Regex((0..random(state, 12)).map(|_| pieces[random(state, 22)]).collect()),
            1 => {
                ConstraintSource::Lark((0..random(state, 16)).fold("start: \"a\" ".to_owned(), |text, _| {
                    text + pieces[random(state, pieces.len())] + " "
                }))
            }
            _ => {
                let mut schema = schemas[random(state, schemas.len())].clone();
                for _ in 0..=random(state, 3) {
                    let replacement = match random(state, 2) {
                        0 => pool[random(state, pool.len())].clone(),
                        _ => node(&mut schemas[random(state, schemas.len())].clone(), state).clone(),
                    };
                    *node(&mut schema, state) = replacement;
                }
                ConstraintSource::JsonSchema(schema)
            }
        };
        let outcome = compiler.compile(&source, "field").and_then(|mut constraint| {
            for step in 0..20 {
                if constraint.is_complete() {
                    break;
                }
                let mut logits: Vec<f32> = (0..264).map(|id| ((id * 37 + step * 11) % 101) as f32).collect();
                constraint.restrict(&mut logits, false)?;
                constraint.commit(tabmind::kernels::argmax::argmax(&logits))?;
                constraint.forced()?;
            }
            Ok(())
        });
        match outcome {
            Ok(()) => compiled += 1,
            Err(error) => {
                assert!(!error.detail().contains("panic"), "{source:?}: {error}");
                refused += 1;
            }
        }
    }
    println!("{compiled} compiled, {refused} refused");
    assert!(compiled > 50 && refused > 50, "{compiled} compiled, {refused} refused");
}
