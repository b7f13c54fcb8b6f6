//! JSON Schema, judged by data: for every schema either `unsupported_schema`, or all valid instances are accepted
//! and all invalid ones refused. The official suite says what each keyword means; `schema-bench.jsonl` has 912
//! schemas from the wild.

mod common;
#[path = "common/gguf.rs"]
mod gguf;
#[path = "common/property_order.rs"]
mod property_order;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tabmind::ErrorKind;
use tabmind::constraint::{Compiler, ConstraintSource};
use tabmind::gguf::{Parsed, parse_header};
use tabmind::tokenizer::Tokenizer;

/// One schema with instances and verdicts.
struct Case {
    name: String,
    schema: Value,
    /// Description, instance, whether it is valid.
    tests: Vec<(String, Value, bool)>,
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
    /// Reasons of `unsupported_schema`, by keyword.
    reasons: BTreeMap<String, Vec<String>>,
}

/// A vocabulary of single bytes: what is accepted does not depend on tokens.
fn byte_tokenizer() -> Arc<Tokenizer> {
    let file = gguf::byte_model().build();
    let Parsed::Whole(header) = parse_header(&file, None).unwrap() else { panic!("the file is whole") };
    Arc::new(Tokenizer::from_gguf(&header.metadata).unwrap())
}

impl Tally {
    fn judge(&mut self, compiler: &Compiler, tokenizer: &Tokenizer, case: &Case) {
        self.schemas += 1;
        let source = ConstraintSource::JsonSchema(case.schema.clone());
        let constraint = match compiler.compile(&source, "schema") {
            Ok(constraint) => constraint,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::UnsupportedSchema, "{}: {error}", case.name);
                self.reasons.entry(error.detail().to_owned()).or_default().push(case.name.clone());
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
}

fn case(value: &Value, name: &str, dialect: &str) -> Case {
    let mut schema = value["schema"].clone();
    if let Some(object) =
        schema.as_object_mut().filter(|object| !object.contains_key("$schema") && !dialect.is_empty())
    {
        object.insert("$schema".into(), dialect.into());
    }
    let tests = value["tests"].as_array().unwrap().iter().map(|test| {
        let description = test["description"].as_str().unwrap_or_default().to_owned();
        (description, test["data"].clone(), test["valid"].as_bool().unwrap())
    });
    Case { name: name.to_owned(), schema, tests: tests.collect() }
}

impl Tally {
    fn report(&self, name: &str) {
        println!(
            "{name}: {} of {} supported; {} accepted, {} refused; {} wrongly accepted, {} wrongly refused",
            self.supported,
            self.schemas,
            self.accepted,
            self.refused,
            self.wrongly_accepted.len(),
            self.wrongly_refused.len()
        );
        if std::env::var_os("TABMIND_VERBOSE").is_some() {
            for l in &self.wrongly_accepted {
                println!("WA {l}");
            }
            for l in &self.wrongly_refused {
                println!("WR {l}");
            }
            let mut r: Vec<_> = self.reasons.iter().collect();
            r.sort_by_key(|(_, n)| std::cmp::Reverse(n.len()));
            for (k, v) in r {
                println!("R {} {k} {}", v.len(), v[0]);
            }
        }
    }
}

#[test]
fn schemas_from_the_wild() {
    let Some(path) = common::assets("json_schema/schema-bench.jsonl") else { return };
    let tokenizer = byte_tokenizer();
    let compiler = Compiler::new(Arc::clone(&tokenizer));
    let mut tally = Tally::default();
    for line in fs::read_to_string(path).unwrap().lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        tally.judge(&compiler, &tokenizer, &case(&value, value["name"].as_str().unwrap(), ""));
    }
    tally.report("schema-bench");
}

#[test]
fn the_official_suite() {
    let tokenizer = byte_tokenizer();
    let compiler = Compiler::new(Arc::clone(&tokenizer));
    for (draft, dialect) in [
        ("draft7", "http://json-schema.org/draft-07/schema#"),
        ("draft2019-09", ""),
        ("draft2020-12", ""),
        ("v1", ""),
    ] {
        let Some(folder) = common::assets(&format!("json_schema/official-suite/tests/{draft}")) else {
            return;
        };
        let mut tally = Tally::default();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            for group in file.as_array().unwrap() {
                let name = format!(
                    "{draft}/{}/{}",
                    path.file_stem().unwrap().to_string_lossy(),
                    group["description"]
                );
                tally.judge(&compiler, &tokenizer, &case(group, &name, dialect));
            }
        }
        tally.report(draft);
    }
}

#[test]
fn probe() {
    let tokenizer = byte_tokenizer();
    let compiler = Compiler::new(Arc::clone(&tokenizer));
    for (schema, texts) in [
        (
            json!({"type":"string","pattern":"^[^x]$"}),
            vec![r#""""#, r#""a""#, r#""x""#, "\"\u{7f}\"", r#""\n""#],
        ),
        (json!({"type":"string","pattern":"^a\\x00b$"}), vec![r#""ab""#, r#""a\u0000b""#]),
        (json!({"type":"string","pattern":"^a[\\x00-\\x1f]b$"}), vec![r#""ab""#, r#""a\nb""#]),
        (json!({"type":"string","pattern":"^a[\\x00x]b$"}), vec![r#""ab""#, r#""axb""#]),
        (json!({"type":"string","pattern":"^a\\x7fb$"}), vec![r#""ab""#, "\"a\u{7f}b\""]),
        (json!({"type":"string","pattern":"^a\\/b$"}), vec![r#""a/b""#, r#""a\/b""#]),
        (
            json!({"type":"object","properties":{"a":{"type":"integer"}}}),
            vec![
                r#"{"a":1}"#,
                r#"{"a":"x"}"#,
                r#"{"\u0061":"x"}"#,
                r#"{"b":"x"}"#,
                r#"{"b":1,"b":2}"#,
                r#"{"a":1,"a":"x"}"#,
            ],
        ),
        (json!({"minLength":1,"type":"string"}), vec![r#""""#, r#""a""#]),
    ] {
        match compiler.compile(&ConstraintSource::JsonSchema(schema.clone()), "schema") {
            Err(e) => println!("{schema}: {e}"),
            Ok(c) => {
                for t in texts {
                    let mut c = c.restarted().unwrap();
                    let ids = tokenizer.encode_continuing(t).unwrap();
                    let mut err = None;
                    let ok = ids.iter().all(|&id| c.commit(id).map_err(|e| err = Some(e)).is_ok())
                        && c.is_accepting().unwrap_or(false);
                    println!("{schema} {t}: {ok} {}", err.map_or(String::new(), |e| e.to_string()));
                }
            }
        }
    }
}
