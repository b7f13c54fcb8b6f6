//! What a schema does not accept, as a schema: not for every keyword, but where it is said, it is exact.

use serde_json::{Value, json};

use super::array::outside;
use super::keywords::{Role, role};
use super::lowering::{Here, Lowering, TYPES, step};
use super::pattern;
use super::refs::{Draft, Scope};
use crate::error::Result;

/// References that are followed to negate what they mean: one that leads to itself has no end.
const MAX_DEPTH: usize = 24;

impl<'s> Lowering<'s> {
    /// The complement of `schema`; errors name `keyword`, which asks for it.
    pub(super) fn negation(
        &mut self,
        schema: &'s Value,
        scope: Scope<'s>,
        at: &str,
        keyword: &str,
    ) -> Result<Value> {
        self.negated(schema, scope.entered(schema), at, keyword, 0)
    }

    fn negated(
        &mut self,
        schema: &'s Value,
        scope: Scope<'s>,
        at: &str,
        asker: &str,
        depth: usize,
    ) -> Result<Value> {
        let keywords = match schema {
            Value::Bool(accepts) => return Ok(json!(!accepts)),
            Value::Object(keywords) => keywords,
            other => return Err(self.invalid("a schema", at, "an object, true or false", other)),
        };
        if depth > MAX_DEPTH {
            return Err(self.unsupported(asker, at, "its negation has no end"));
        }
        let here = Here { keywords, scope, at };
        let stands_alone = scope.draft < Draft::Modern && keywords.contains_key("$ref");
        let mut parts = Vec::new();
        for (keyword, value) in keywords {
            if stands_alone && keyword != "$ref" || role(keyword) == Role::Annotation {
                continue;
            }
            match self.keyword_negated(keyword, value, here, asker, depth)? {
                Value::Bool(false) => {}
                part => parts.push(part),
            }
        }
        Ok(match parts.len() {
            0 => json!(false),
            1 => parts.swap_remove(0),
            _ => json!({ "anyOf": parts }),
        })
    }

    /// Values that break one keyword.
    fn keyword_negated(
        &mut self,
        keyword: &str,
        value: &'s Value,
        here: Here<'s, '_>,
        asker: &str,
        depth: usize,
    ) -> Result<Value> {
        let at = step(here.at, keyword);
        let (scope, next) = (here.scope, depth + 1);
        match (keyword, value) {
            ("not", schema) => self.schema(schema, scope, &at),
            ("type", types) => self.other_types(types, here, asker),
            ("const", literal) => self.other_values(std::slice::from_ref(literal), here, asker),
            ("enum", Value::Array(literals)) => self.other_values(literals, here, asker),
            ("required", _) => {
                let names = self.names("required", here)?;
                let absent =
                    |name: &String| json!({ "type": "object", "properties": { name.as_str(): false } });
                Ok(json!({ "anyOf": names.iter().map(absent).collect::<Vec<Value>>() }))
            }
            ("properties", Value::Object(properties)) => {
                let mut parts = Vec::new();
                for (name, schema) in properties {
                    let entered = scope.entered(schema);
                    let negated = self.negated(schema, entered, &step(&at, name), asker, next)?;
                    let holds = json!({ "type": "object", "properties": { name.as_str(): negated }, "required": [name] });
                    if negated_is_possible(&holds, name) {
                        parts.push(holds);
                    }
                }
                Ok(if parts.is_empty() { json!(false) } else { json!({ "anyOf": parts }) })
            }
            ("allOf" | "anyOf", Value::Array(branches)) => {
                let mut parts = Vec::new();
                for branch in branches {
                    parts.push(self.negated(branch, scope.entered(branch), &at, asker, next)?);
                }
                let joined = if keyword == "allOf" { "anyOf" } else { "allOf" };
                Ok(json!({ joined: parts }))
            }
            ("oneOf", Value::Array(branches)) => self.not_exactly_one(branches, here, asker, next),
            ("$ref", reference) => {
                let (target, target_scope, name) = self.target(reference, scope, here.at)?;
                self.negated(target, target_scope, &name, asker, next)
            }
            ("minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum", Value::Number(bound)) => {
                Ok(beyond(keyword, &Value::Number(bound.clone())))
                    .and_then(|negated| self.checked(keyword, here).map(|()| negated))
            }
            ("minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties", _) => {
                let count = self.count(keyword, here)?.unwrap_or(0);
                self.counted_out(keyword, count, here, asker)
            }
            _ => Err(self.unsupported(asker, here.at, &format!("the negation of {keyword} is no grammar"))),
        }
    }

    /// None of the branches, or two of them.
    fn not_exactly_one(
        &mut self,
        branches: &'s [Value],
        here: Here<'s, '_>,
        asker: &str,
        depth: usize,
    ) -> Result<Value> {
        let at = step(here.at, "oneOf");
        let (mut fits, mut misfits) = (Vec::new(), Vec::new());
        for branch in branches {
            fits.push(self.schema(branch, here.scope, &at)?);
            misfits.push(self.negated(branch, here.scope.entered(branch), &at, asker, depth)?);
        }
        let mut parts = vec![json!({ "allOf": misfits })];
        for (index, one) in fits.iter().enumerate() {
            parts.extend(fits.iter().skip(index + 1).map(|other| json!({ "allOf": [one, other] })));
        }
        Ok(json!({ "anyOf": parts }))
    }

    /// Bounds that are not exact are not negated either; draft 4's flags change what a bound means.
    fn checked(&mut self, keyword: &str, here: Here<'s, '_>) -> Result<()> {
        let exact = 9e15;
        let flags = ["exclusiveMinimum", "exclusiveMaximum"];
        let is_flagged = flags.iter().any(|flag| here.keywords.get(*flag).is_some_and(Value::is_boolean));
        let bound = here.keywords.get(keyword).and_then(Value::as_f64).unwrap_or(f64::INFINITY);
        if is_flagged || bound.abs() > exact {
            return Err(self.unsupported(keyword, here.at, "its negation is not exact"));
        }
        Ok(())
    }

    fn counted_out(&self, keyword: &str, count: u64, here: Here<'s, '_>, asker: &str) -> Result<Value> {
        Ok(match (keyword, count) {
            ("minItems" | "maxItems", _) => outside(keyword, count),
            ("minLength" | "minProperties", 0) => json!(false),
            ("minLength", _) => json!({ "type": "string", "maxLength": count - 1 }),
            ("maxLength", _) => json!({ "type": "string", "minLength": count + 1 }),
            ("minProperties", _) => json!({ "type": "object", "maxProperties": count - 1 }),
            ("maxProperties", 0) => json!({ "type": "object", "minProperties": 1 }),
            _ => return Err(self.unsupported(asker, here.at, "names that are not listed can repeat")),
        })
    }

    fn other_types(&self, types: &Value, here: Here<'s, '_>, asker: &str) -> Result<Value> {
        let listed = |word: &str| match types {
            Value::Array(list) => list.iter().any(|listed| listed == word),
            one => one == word,
        };
        if listed("integer") && !listed("number") {
            return Err(self.unsupported(asker, here.at, "numbers that are no integers are no type"));
        }
        let others: Vec<&str> = TYPES.into_iter().filter(|word| !listed(word)).collect();
        Ok(if others.is_empty() { json!(false) } else { json!({ "type": others }) })
    }

    /// Everything but these values.
    fn other_values(&self, values: &[Value], here: Here<'s, '_>, asker: &str) -> Result<Value> {
        let mut parts = Vec::new();
        let types = TYPES.into_iter().filter(|word| !values.iter().any(|value| type_of(value) == *word));
        let types: Vec<&str> = types.collect();
        if !types.is_empty() {
            parts.push(json!({ "type": types }));
        }
        let booleans = [true, false].into_iter().filter(|boolean| !values.contains(&json!(boolean)));
        if values.iter().any(Value::is_boolean) {
            parts.extend(booleans.map(|boolean| json!({ "const": boolean })));
        }
        values.iter().try_for_each(|value| self.check_literal(value, asker, here.at))?;
        let strings: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        if !strings.is_empty() {
            parts.push(json!({ "type": "string", "pattern": pattern::none_of(&strings) }));
        }
        let mut numbers: Vec<&Value> = values.iter().filter(|value| value.is_number()).collect();
        if !numbers.is_empty() {
            numbers.sort_by(|a, b| a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)));
            parts.extend(gaps(&numbers));
        }
        if values.iter().any(|value| value.is_array() || value.is_object()) {
            return Err(self.unsupported(asker, here.at, "all but one array or object is no grammar"));
        }
        Ok(json!({ "anyOf": parts }))
    }
}

/// Whether the property's own schema, a negation, lets anything through.
fn negated_is_possible(object: &Value, name: &str) -> bool {
    object.get("properties").and_then(|properties| properties.get(name)) != Some(&json!(false))
}

/// Numbers beyond a bound.
fn beyond(keyword: &str, bound: &Value) -> Value {
    let opposite = match keyword {
        "minimum" => "exclusiveMaximum",
        "maximum" => "exclusiveMinimum",
        "exclusiveMinimum" => "maximum",
        _ => "minimum",
    };
    json!({ "type": "number", opposite: bound })
}

/// Numbers before, between and after `numbers`, which ascend.
fn gaps(numbers: &[&Value]) -> Vec<Value> {
    let mut gaps = Vec::new();
    let (first, last) = (numbers.first(), numbers.last());
    gaps.extend(first.map(|first| json!({ "type": "number", "exclusiveMaximum": first })));
    for pair in numbers.windows(2) {
        if let [low, high] = pair
            && low.as_f64() != high.as_f64()
        {
            gaps.push(json!({ "type": "number", "exclusiveMinimum": low, "exclusiveMaximum": high }));
        }
    }
    gaps.extend(last.map(|last| json!({ "type": "number", "exclusiveMinimum": last })));
    gaps
}

pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
