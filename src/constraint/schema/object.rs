//! Objects.

use serde_json::{Map, Value, json};

use super::lowering::{Here, Lowering, Output, step};
use crate::error::Result;

impl<'s> Lowering<'s> {
    pub(super) fn objects(&mut self, here: Here<'s, '_>, out: &mut Output) -> Result<()> {
        let mut properties = Map::new();
        for (name, schema) in self.members("properties", here)? {
            let lowered = self.schema(schema, here.scope, &step(&step(here.at, "properties"), name))?;
            properties.insert(name.clone(), lowered);
        }
        out.set_members("properties", properties);
        let mut patterns = Map::new();
        for (text, schema) in self.members("patternProperties", here)? {
            let pattern = self.pattern(text, "patternProperties", here.at)?;
            let lowered =
                self.schema(schema, here.scope, &step(&step(here.at, "patternProperties"), text))?;
            // Two spellings of one pattern: both hold.
            let both = match patterns.remove(&pattern) {
                Some(other) => json!({ "allOf": [other, lowered] }),
                None => lowered,
            };
            patterns.insert(pattern, both);
        }
        out.set_members("patternProperties", patterns);
        let additional =
            here.keywords.get("additionalProperties").map(|schema| ("additionalProperties", schema));
        let unevaluated = self.unevaluated("unevaluatedProperties", additional.is_some(), here)?;
        if let Some((keyword, schema)) = additional.or(unevaluated) {
            let lowered = self.schema(schema, here.scope, &step(here.at, keyword))?;
            out.set("additionalProperties", lowered);
        }
        let required = self.names("required", here)?;
        if !required.is_empty() {
            out.set("required", required.clone());
        }
        self.property_counts(here, &required, out)?;
        self.property_names(here, out)
    }

    /// How many properties. The library counts spellings, and a name that is not in `properties` can be spelt
    /// twice: so a minimum of those must not depend on the count.
    fn property_counts(&self, here: Here<'s, '_>, required: &[String], out: &mut Output) -> Result<()> {
        if let Some(max) = self.count("maxProperties", here)? {
            out.set("maxProperties", max);
        }
        let Some(min) = self.count("minProperties", here)? else { return Ok(()) };
        let is_closed = out.keywords.get("additionalProperties") == Some(&json!(false))
            && !out.keywords.contains_key("patternProperties");
        if min > 1 && min > required.len() as u64 && !is_closed {
            return Err(self.unsupported("minProperties", here.at, "names that are not listed can repeat"));
        }
        if min > required.len() as u64 {
            out.set("minProperties", min);
        }
        Ok(())
    }

    /// `propertyNames` as the patterns that names may have.
    fn property_names(&mut self, here: Here<'s, '_>, out: &mut Output) -> Result<()> {
        let Some(schema) = here.keywords.get("propertyNames") else { return Ok(()) };
        let refuse =
            || self.unsupported("propertyNames", here.at, "only patterns, lengths and lists of names can be");
        let keywords = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => {
                out.also.push(json!({ "maxProperties": 0 }));
                return Ok(());
            }
            Value::Object(keywords) => keywords,
            other => return Err(self.invalid("propertyNames", here.at, "a schema", other)),
        };
        for (keyword, value) in keywords {
            let pattern = match (keyword.as_str(), value) {
                ("type", Value::String(word)) if word == "string" => continue,
                ("pattern", Value::String(text)) => self.pattern(text, "pattern", here.at)?,
                ("minLength" | "maxLength", value) => {
                    let names = Here { keywords, ..here };
                    self.count(keyword, names)?;
                    let range =
                        if keyword == "minLength" { format!("{value},") } else { format!("0,{value}") };
                    format!("^(?s:.{{{range}}})$")
                }
                ("enum", Value::Array(names)) => {
                    names.iter().try_for_each(|name| self.check_literal(name, "propertyNames", here.at))?;
                    let escaped: Vec<String> =
                        names.iter().filter_map(Value::as_str).map(super::pattern::literal).collect();
                    format!("^(?:{})$", escaped.join("|"))
                }
                ("const", Value::String(name)) if !name.chars().any(super::pattern::is_unwritable) => {
                    format!("^(?:{})$", super::pattern::literal(name))
                }
                _ if super::keywords::role(keyword) == super::keywords::Role::Annotation => continue,
                _ => return Err(refuse()),
            };
            out.also.push(json!({ "patternProperties": { pattern: true }, "additionalProperties": false }));
        }
        Ok(())
    }

    /// The object under `keyword`; empty if there is none.
    pub(super) fn members(&self, keyword: &str, here: Here<'s, '_>) -> Result<&'s Map<String, Value>> {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        match here.keywords.get(keyword) {
            None => Ok(&EMPTY),
            Some(Value::Object(members)) => Ok(members),
            Some(other) => Err(self.invalid(keyword, here.at, "an object", other)),
        }
    }

    /// The names under `keyword`, each once; empty if there are none.
    pub(super) fn names(&self, keyword: &str, here: Here<'s, '_>) -> Result<Vec<String>> {
        // Draft 3 and many hand-written schemas have `required: true` inside a property: it would be silently wrong.
        match here.keywords.get(keyword) {
            None => Ok(Vec::new()),
            Some(list) => self.strings_of(keyword, list, here),
        }
    }

    pub(super) fn strings_of(&self, keyword: &str, list: &Value, here: Here<'s, '_>) -> Result<Vec<String>> {
        let invalid = || self.invalid(keyword, here.at, "a list of names", list);
        let mut names: Vec<String> = Vec::new();
        for name in list.as_array().ok_or_else(invalid)? {
            let name = name.as_str().ok_or_else(invalid)?;
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}
