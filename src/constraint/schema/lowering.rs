//! The walk: one schema in, one of the same meaning and fewer keywords out.

use serde_json::{Map, Value, json};

use super::keywords::{Role, role};
use super::refs::{Draft, Scope};
use super::{format, overlap, pattern};
use crate::error::{Error, ErrorKind, Result};

/// Schemas within schemas: more than that is a program that went wrong.
const MAX_DEPTH: usize = 96;
/// `oneOf`s with more branches are not multiplied out.
const MAX_NEGATED_BRANCHES: usize = 8;
/// The six types of JSON Schema; `integer` is a part of `number`.
pub(super) const TYPES: [&str; 6] = ["null", "boolean", "number", "string", "array", "object"];

/// What a `oneOf` becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::constraint) enum OneOf {
    /// Left to the library, which wants branches that nothing fits twice.
    Disjoint,
    /// Each branch without the others, as far as their negation can be written down.
    Negated,
}

/// The state of one walk.
pub(super) struct Lowering<'s> {
    document: &'s Value,
    field: &'s str,
    pub(super) one_of: OneOf,
    /// Schemas that are referred to; their index is their name.
    targets: Vec<(&'s Value, Scope<'s>, String)>,
    /// Targets that are being written into a place that refers to them.
    inlined: Vec<*const Value>,
    depth: usize,
    /// Least common multiple of all `multipleOf`s, in units of 10⁻⁴.
    pub(super) multiple: u64,
}

/// A schema of keywords, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Here<'s, 'p> {
    pub(super) keywords: &'s Map<String, Value>,
    pub(super) scope: Scope<'s>,
    /// JSON pointer.
    pub(super) at: &'p str,
}

/// A schema in the making: keywords that the library takes as they are, and schemas that must hold too.
#[derive(Default)]
pub(super) struct Output {
    pub(super) keywords: Map<String, Value>,
    pub(super) also: Vec<Value>,
}

impl Output {
    pub(super) fn set(&mut self, keyword: &str, value: impl Into<Value>) {
        self.keywords.insert(keyword.to_owned(), value.into());
    }

    pub(super) fn set_members(&mut self, keyword: &str, members: Map<String, Value>) {
        if !members.is_empty() {
            self.set(keyword, members);
        }
    }

    /// Applicators come last: the library reads keywords in order, and those between two of them on their own.
    fn finish(mut self) -> Value {
        if !self.also.is_empty() {
            self.keywords.insert("allOf".into(), Value::Array(self.also));
        }
        Value::Object(self.keywords)
    }
}

impl<'s> Lowering<'s> {
    pub(super) fn new(document: &'s Value, field: &'s str, one_of: OneOf) -> Self {
        let (targets, inlined) = (Vec::new(), Vec::new());
        Self { document, field, one_of, targets, inlined, depth: 0, multiple: 1 }
    }

    /// The whole document.
    pub(super) fn root(&mut self) -> Result<Value> {
        self.schema(self.document, Scope::new(self.document), "#")
    }

    /// Everything that was referred to, and what that refers to.
    pub(super) fn definitions(&mut self) -> Result<Map<String, Value>> {
        let mut definitions = Map::new();
        while let Some((schema, scope, at)) = self.targets.get(definitions.len()).cloned() {
            let name = definitions.len().to_string();
            definitions.insert(name, self.schema(schema, scope, &at)?);
        }
        Ok(definitions)
    }

    /// One schema, which stands at the JSON pointer `at`.
    pub(super) fn schema(&mut self, schema: &'s Value, scope: Scope<'s>, at: &str) -> Result<Value> {
        let keywords = match schema {
            Value::Bool(_) => return Ok(schema.clone()),
            Value::Object(keywords) => keywords,
            other => return Err(self.invalid("a schema", at, "an object, true or false", other)),
        };
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.unsupported("a schema", at, "it is nested too deeply"));
        }
        let here = Here { keywords, scope: scope.entered(schema), at };
        let lowered = self.keywords(here);
        self.depth -= 1;
        lowered
    }

    fn keywords(&mut self, here: Here<'s, '_>) -> Result<Value> {
        let mut out = Output::default();
        let stands_alone = here.scope.draft < Draft::Modern && here.keywords.contains_key("$ref");
        if !stands_alone {
            for (keyword, value) in here.keywords {
                if role(keyword) == Role::Refused {
                    return Err(self.unsupported(keyword, here.at, "no grammar is known for it"));
                }
                self.check_annotation(keyword, value, here.at)?;
            }
            self.types(here, &mut out)?;
            self.numbers(here, &mut out)?;
            self.strings(here, &mut out)?;
            self.arrays(here, &mut out)?;
            self.objects(here, &mut out)?;
            self.literals(here, &mut out)?;
            self.branches(here, &mut out)?;
            self.conditions(here, &mut out)?;
        }
        if let Some(reference) = here.keywords.get("$ref") {
            let name = self.reference(reference, here)?;
            out.set("$ref", name);
        }
        Ok(out.finish())
    }

    /// Definitions that nothing refers to are not looked into, but must be where the standard has them; and a
    /// dialect of somebody's own may have other keywords.
    fn check_annotation(&self, keyword: &str, value: &Value, at: &str) -> Result<()> {
        match (keyword, value) {
            ("$schema", Value::String(uri)) if Draft::of(uri).is_none() => {
                Err(self.unsupported(keyword, at, &format!("what {uri:?} makes of keywords is not known")))
            }
            ("$defs" | "definitions", Value::Object(_)) => Ok(()),
            ("$defs" | "definitions", other) => Err(self.invalid(keyword, at, "an object", other)),
            _ => Ok(()),
        }
    }

    fn types(&self, here: Here<'s, '_>, out: &mut Output) -> Result<()> {
        let Some(types) = here.keywords.get("type") else { return Ok(()) };
        let list: Vec<&Value> = match types {
            Value::Array(list) => list.iter().collect(),
            one => vec![one],
        };
        for word in &list {
            if !word.as_str().is_some_and(|word| word == "integer" || TYPES.contains(&word)) {
                return Err(self.invalid("type", here.at, "a type of JSON, or several", types));
            }
        }
        let has = |word: &str| list.iter().any(|listed| *listed == word);
        let distinct = list.iter().filter(|word| **word != "integer" || !has("number"));
        let mut words: Vec<Value> = distinct.map(|word| (*word).clone()).collect();
        words.dedup();
        if words.is_empty() {
            return Err(self.unsupported("type", here.at, "it allows nothing"));
        }
        out.set("type", if words.len() == 1 { words.swap_remove(0) } else { Value::Array(words) });
        Ok(())
    }

    fn strings(&self, here: Here<'s, '_>, out: &mut Output) -> Result<()> {
        for keyword in ["minLength", "maxLength"] {
            if let Some(length) = self.count(keyword, here)? {
                out.set(keyword, length);
            }
        }
        if let Some(value) = here.keywords.get("pattern") {
            let Some(text) = value.as_str() else {
                return Err(self.invalid("pattern", here.at, "a regular expression", value));
            };
            out.set("pattern", self.pattern(text, "pattern", here.at)?);
        }
        if let Some(value) = here.keywords.get("format") {
            let Some(name) = value.as_str() else {
                return Err(self.invalid("format", here.at, "a string", value));
            };
            match format::lookup(name) {
                format::Format::Pattern(pattern) => {
                    out.also.push(json!({ "pattern": format!("^(?:{pattern})$") }));
                }
                format::Format::Unknown => {}
                format::Format::Refused => {
                    return Err(self.unsupported(
                        "format",
                        here.at,
                        &format!("{name:?} is no regular language here"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// A pattern of JavaScript in the library's syntax.
    pub(super) fn pattern(&self, text: &str, keyword: &str, at: &str) -> Result<String> {
        pattern::translate(text).map_err(|why| self.unsupported(keyword, at, &format!("{text:?} {why}")))
    }

    fn literals(&self, here: Here<'s, '_>, out: &mut Output) -> Result<()> {
        if let Some(value) = here.keywords.get("const") {
            self.check_literal(value, "const", here.at)?;
            out.set("const", value.clone());
        }
        if let Some(values) = here.keywords.get("enum") {
            let Value::Array(list) = values else {
                return Err(self.invalid("enum", here.at, "an array", values));
            };
            list.iter().try_for_each(|value| self.check_literal(value, "enum", here.at))?;
            out.set("enum", values.clone());
        }
        Ok(())
    }

    fn branches(&mut self, here: Here<'s, '_>, out: &mut Output) -> Result<()> {
        for (branch, at) in self.list("allOf", here)? {
            let lowered = self.schema(branch, here.scope, &at)?;
            out.also.push(lowered);
        }
        let any = self.list("anyOf", here)?;
        if !any.is_empty() {
            let lowered: Result<Vec<Value>> =
                any.iter().map(|(branch, at)| self.schema(branch, here.scope, at)).collect();
            out.set("anyOf", lowered?);
        }
        let one = self.list("oneOf", here)?;
        if !one.is_empty() {
            let lowered = self.one_of(&one, here)?;
            out.also.push(lowered);
        }
        Ok(())
    }

    fn one_of(&mut self, branches: &[(&'s Value, String)], here: Here<'s, '_>) -> Result<Value> {
        let mut lowered = Vec::new();
        for (branch, at) in branches {
            lowered.push(self.inlined(branch, here.scope, at)?);
        }
        if self.one_of == OneOf::Disjoint || branches.len() == 1 {
            return Ok(json!({ "oneOf": lowered }));
        }
        if branches.len() > MAX_NEGATED_BRANCHES {
            return Err(self.unsupported("oneOf", here.at, "a value may fit several of its many branches"));
        }
        let mut alone: Vec<Vec<Value>> = lowered.iter().map(|branch| vec![branch.clone()]).collect();
        for (index, (branch, at)) in branches.iter().enumerate() {
            let Some(this) = lowered.get(index) else { continue };
            for (other, conjuncts) in alone.iter_mut().enumerate() {
                let that = lowered.get(other).filter(|_| other != index);
                if that.is_some_and(|that| overlap::may_overlap(this, that)) {
                    conjuncts.push(self.negation(branch, here.scope, at, "oneOf")?);
                }
            }
        }
        let alone: Vec<Value> = alone.into_iter().map(|conjuncts| json!({ "allOf": conjuncts })).collect();
        Ok(json!({ "anyOf": alone }))
    }

    /// `schema`, and if it only refers to another, that one itself: the library sees no difference between
    /// references. Not where it contains itself.
    fn inlined(&mut self, schema: &'s Value, scope: Scope<'s>, at: &str) -> Result<Value> {
        let scope = scope.entered(schema);
        let Some(reference) = schema.get("$ref") else { return self.schema(schema, scope, at) };
        let (target, target_scope, name) = self.target(reference, scope, at)?;
        let address: *const Value = target;
        let constrains = |keyword: &String| keyword != "$ref" && role(keyword) != Role::Annotation;
        let has_more = schema.as_object().is_some_and(|schema| schema.keys().any(constrains));
        if self.inlined.contains(&address) || has_more && scope.draft == Draft::Modern {
            return self.schema(schema, scope, at);
        }
        self.inlined.push(address);
        let lowered = self.schema(target, target_scope, &name);
        self.inlined.pop();
        lowered
    }

    /// What `reference` means, with its scope and a name for messages.
    pub(super) fn target(
        &self,
        reference: &Value,
        scope: Scope<'s>,
        at: &str,
    ) -> Result<(&'s Value, Scope<'s>, String)> {
        let Some(text) = reference.as_str() else {
            return Err(self.invalid("$ref", at, "a string", reference));
        };
        match scope.resolve(text, self.document) {
            Some((target, scope)) => Ok((target, scope, text.to_owned())),
            None => Err(self.unsupported("$ref", at, &format!("{text:?} is not in the document"))),
        }
    }

    /// The library's name of a referred schema.
    fn reference(&mut self, reference: &Value, here: Here<'s, '_>) -> Result<String> {
        let (target, scope, name) = self.target(reference, here.scope, here.at)?;
        let known = self.targets.iter().position(|(known, in_scope, _)| {
            std::ptr::eq(*known, target) && std::ptr::eq(in_scope.resource, scope.resource)
        });
        let index = known.unwrap_or_else(|| {
            self.targets.push((target, scope, name));
            self.targets.len() - 1
        });
        Ok(format!("#/$defs/{index}"))
    }

    /// The non-empty list of schemas under `keyword`, with their places; empty if there is none.
    fn list(&self, keyword: &str, here: Here<'s, '_>) -> Result<Vec<(&'s Value, String)>> {
        match here.keywords.get(keyword) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) if !list.is_empty() => {
                let place = |(index, schema)| (schema, format!("{}/{keyword}/{index}", here.at));
                Ok((0..list.len()).zip(list).map(place).collect())
            }
            Some(other) => Err(self.invalid(keyword, here.at, "a list of schemas, not empty", other)),
        }
    }

    /// A non-negative integer.
    pub(super) fn count(&self, keyword: &str, here: Here<'s, '_>) -> Result<Option<u64>> {
        let Some(value) = here.keywords.get(keyword) else { return Ok(None) };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be an integer in range"
        )]
        let whole =
            |float: &f64| (float.fract() == 0.0 && (0.0..4e9).contains(float)).then_some(*float as u64);
        match value.as_u64().or_else(|| value.as_f64().as_ref().and_then(whole)) {
            Some(count) if count <= u64::from(u32::MAX) => Ok(Some(count)),
            Some(_) => Err(self.unsupported(keyword, here.at, "it is too large")),
            None => Err(self.invalid(keyword, here.at, "a non-negative integer", value)),
        }
    }

    /// The error of a keyword that cannot be enforced.
    pub(super) fn unsupported(&self, keyword: &str, at: &str, why: &str) -> Error {
        let at = brief(at, 200);
        let detail = format!("{}: {keyword} at {at} cannot be enforced: {why}", self.field);
        Error::new(ErrorKind::UnsupportedSchema, detail)
    }

    /// The error of a keyword that is used as no draft allows.
    pub(super) fn invalid(&self, keyword: &str, at: &str, expected: &str, found: &Value) -> Error {
        let (at, found) = (brief(at, 200), brief(&found.to_string(), 60));
        let detail = format!("{}: {keyword} at {at} must be {expected}, found {found}", self.field);
        Error::new(ErrorKind::InvalidRequest, detail)
    }
}

/// A text of at most `limit` characters.
fn brief(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}

/// A JSON pointer's next step.
pub(super) fn step(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}
