//! The form that an answer must have: `response_format`.

use serde::Deserialize;
use serde_json::Value;

use crate::constraint::ConstraintSource;
use crate::error::{Result, bail};

/// `response_format` as the caller writes it; which fields belong to which `type` is checked by
/// [`Self::constraint`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseFormat {
    r#type: String,
    json_schema: Option<JsonSchema>,
    regex: Option<String>,
    grammar: Option<String>,
}

/// OpenAI's wrapper around a schema. Every schema is enforced: `strict: false` promises less than that, and is
/// kept.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "name, description and strict are checked for their types and change nothing")]
struct JsonSchema {
    name: Option<String>,
    description: Option<String>,
    strict: Option<bool>,
    schema: Option<Value>,
}

/// A constraint, and the field that asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// What the answer must be.
    pub source: ConstraintSource,
    /// How errors name it.
    pub field: &'static str,
}

impl ResponseFormat {
    /// The constraint that it stands for; none for `text`.
    ///
    /// # Errors
    /// `invalid_request`, naming the field that is unknown, missing or does not belong to the `type`.
    pub(super) fn constraint(&self) -> Result<Option<Demand>> {
        self.refuse_strangers()?;
        let (source, field) = match self.r#type.as_str() {
            "text" => return Ok(None),
            "json_object" => (ConstraintSource::JsonObject, "response_format"),
            "json_schema" => (self.schema()?, "response_format.json_schema.schema"),
            "regex" => match &self.regex {
                Some(regex) => (ConstraintSource::Regex(regex.clone()), "response_format.regex"),
                None => bail!(InvalidRequest, "response_format.regex is missing"),
            },
            "grammar" => match &self.grammar {
                // A schema inside a grammar would go past all that is known of schemas.
                Some(grammar) if grammar.contains("%json") => {
                    bail!(InvalidRequest, "response_format.grammar holds %json; json_schema takes a schema")
                }
                Some(grammar) => (ConstraintSource::Lark(grammar.clone()), "response_format.grammar"),
                None => bail!(InvalidRequest, "response_format.grammar is missing"),
            },
            other => bail!(
                InvalidRequest,
                "response_format.type is {other:?}; text, json_object, json_schema, regex and grammar are known"
            ),
        };
        Ok(Some(Demand { source, field }))
    }

    fn schema(&self) -> Result<ConstraintSource> {
        let Some(wrapper) = &self.json_schema else {
            bail!(InvalidRequest, "response_format.json_schema is missing")
        };
        match &wrapper.schema {
            Some(schema) => Ok(ConstraintSource::JsonSchema(schema.clone())),
            None => bail!(InvalidRequest, "response_format.json_schema.schema is missing"),
        }
    }

    /// A field of another type is a misunderstanding, not something to ignore.
    fn refuse_strangers(&self) -> Result<()> {
        let given = [
            ("json_schema", self.json_schema.is_some()),
            ("regex", self.regex.is_some()),
            ("grammar", self.grammar.is_some()),
        ];
        match given.iter().find(|(name, given)| *given && *name != self.r#type) {
            Some((name, _)) => bail!(
                InvalidRequest,
                "response_format.{name} is given, but response_format.type is {:?}",
                self.r#type
            ),
            None => Ok(()),
        }
    }
}
