//! JSON Schema as the grammar library can enforce it.

use serde_json::{Value, json};

use crate::error::Result;

/// White space between tokens of JSON: a space, or a new line with an indentation. Bounded, for a model that is at
/// a loss writes nothing else.
const WHITE_SPACE: &str = r" |\n {0,16}";

/// `schema` as the library can enforce it; `field` is what errors call it.
///
/// # Errors
/// `unsupported_schema`, with keyword and place.
pub fn lower(schema: &Value, _field: &str) -> Result<Value> {
    let mut schema = schema.clone();
    if let Some(object) = schema.as_object_mut() {
        object.insert("x-guidance".into(), json!({ "whitespace_pattern": WHITE_SPACE }));
    }
    Ok(schema)
}
