//! Arrays.

use serde_json::{Value, json};

use super::lowering::{Here, Lowering, Output};
use crate::error::Result;

/// Keywords beside which `unevaluated…` says more than `additional…` would.
const IN_PLACE: [&str; 11] = [
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "then",
    "else",
    "not",
    "dependentSchemas",
    "dependencies",
    "contains",
];

impl<'s> Lowering<'s> {
    pub(super) fn arrays(&mut self, here: Here<'s, '_>, out: &mut Output) -> Result<()> {
        for keyword in ["minItems", "maxItems"] {
            if let Some(count) = self.count(keyword, here)? {
                out.set(keyword, count);
            }
        }
        self.unique_items(here)?;
        self.contains(here)?;
        let get = |keyword: &'static str| here.keywords.get(keyword).map(|value| (keyword, value));
        // A list of items is the older way to write prefixItems; additionalItems follow it.
        let items = get("items");
        let (tuple, rest) = match items {
            Some((keyword, Value::Array(list))) => (Some((keyword, list)), get("additionalItems")),
            _ => match get("prefixItems") {
                Some((keyword, Value::Array(list))) => (Some((keyword, list)), items),
                Some((keyword, other)) => {
                    return Err(self.invalid(keyword, here.at, "a list of schemas", other));
                }
                None => (None, items),
            },
        };
        if let Some((keyword, list)) = tuple {
            let mut lowered = Vec::new();
            for (index, item) in list.iter().enumerate() {
                lowered.push(self.schema(item, here.scope, &format!("{}/{keyword}/{index}", here.at))?);
            }
            out.set("prefixItems", lowered);
        }
        let unevaluated = self.unevaluated("unevaluatedItems", rest.is_some(), here)?;
        if let Some((keyword, schema)) = rest.or(unevaluated) {
            let lowered = self.schema(schema, here.scope, &format!("{}/{keyword}", here.at))?;
            out.set("items", lowered);
        }
        Ok(())
    }

    /// `unevaluated…` where it means what `additional…` means: in a schema that applies no others in its place.
    pub(super) fn unevaluated(
        &self,
        keyword: &'static str,
        is_evaluated: bool,
        here: Here<'s, '_>,
    ) -> Result<Option<(&'static str, &'s Value)>> {
        match here.keywords.get(keyword) {
            None | Some(Value::Bool(true)) => Ok(None),
            Some(_) if is_evaluated => Ok(None),
            Some(value) if !IN_PLACE.iter().any(|other| here.keywords.contains_key(*other)) => {
                Ok(Some((keyword, value)))
            }
            Some(_) => {
                Err(self.unsupported(keyword, here.at, "it depends on which schemas beside it a value fits"))
            }
        }
    }

    fn unique_items(&self, here: Here<'s, '_>) -> Result<()> {
        match here.keywords.get("uniqueItems") {
            None | Some(Value::Bool(false)) => Ok(()),
            Some(Value::Bool(true)) if self.count("maxItems", here)?.is_some_and(|count| count <= 1) => {
                Ok(())
            }
            Some(Value::Bool(true)) => Err(self.unsupported(
                "uniqueItems",
                here.at,
                "a grammar cannot compare items with each other",
            )),
            Some(other) => Err(self.invalid("uniqueItems", here.at, "true or false", other)),
        }
    }

    fn contains(&self, here: Here<'s, '_>) -> Result<()> {
        let asks_nothing =
            self.count("minContains", here)? == Some(0) && !here.keywords.contains_key("maxContains");
        if here.keywords.contains_key("contains") && !asks_nothing {
            return Err(self.unsupported("contains", here.at, "a grammar cannot count the items that fit"));
        }
        Ok(())
    }
}

/// Arrays that break one of these bounds.
pub(super) fn outside(keyword: &str, count: u64) -> Value {
    match (keyword, count) {
        ("minItems", 0) => json!(false),
        ("minItems", count) => json!({ "type": "array", "maxItems": count - 1 }),
        _ => json!({ "type": "array", "minItems": count + 1 }),
    }
}
