//! JSON Schema as the grammar library enforces it without guessing.
//!
//! [`lower`] rewrites a schema of any draft into one of few keywords: those for which the library is exact. What is
//! left is either the same set of values, or an error that names keyword and place. Nothing is approximated, and
//! nothing reaches the library that this room has not looked at:
//!
//! - every keyword is in one table (`keywords`): enforced, an annotation, or refused; words that no draft knows are
//!   annotations, as the standard says;
//! - `$ref`s become `#/$defs/…`, resolved here (`refs`);
//! - `not`, `if`, `dependentRequired` and their kin become `anyOf`s, where the negation can be written down (`negate`);
//! - patterns are translated from JavaScript's syntax (`pattern`), formats become patterns (`format`);
//! - numbers are kept where the library computes exactly (`number`).
//!
//! The order of properties is the schema's: those of `properties` as they are written, then what is only
//! `required`, then others; what `allOf`, `$ref` and other schemas beside them add comes after.

mod array;
mod condition;
mod depth;
mod endless;
mod format;
mod keywords;
mod lowering;
mod negate;
mod number;
mod object;
mod overlap;
mod pattern;
mod refs;

use serde_json::{Map, Value, json};

use lowering::Lowering;
pub(super) use lowering::OneOf;

use crate::error::Result;

/// White space between the tokens of JSON: a space, or a new line with its indentation. It is bounded because a
/// model that is at a loss writes nothing else.
const WHITE_SPACE: &str = r" |\n {0,16}";

/// Escapes in strings. Not `\u`, by which a name could be spelt twice: once as a property, once as another one. So
/// control characters without a short escape cannot be written.
const ESCAPES: &str = "nrbtf\\\"";

/// Objects and lists in each other: the deepest of 912 schemas from the wild has 83.
const MAX_DEPTH: usize = 200;

/// What the library says of a `oneOf` whose branches it cannot tell apart.
pub(super) const NOT_DISJOINT: &str = "oneOf constraints are not supported";

/// Rewrites `schema`, which errors call `field`.
///
/// # Errors
/// `unsupported_schema` naming a keyword that cannot be enforced and its place; `invalid_request` for what is no
/// schema.
pub(super) fn lower(schema: &Value, field: &str, one_of: OneOf) -> Result<Value> {
    let mut lowering = Lowering::new(schema, field, one_of);
    let mut root = match lowering.root()? {
        Value::Object(root) => root,
        other => Map::from_iter([("allOf".to_owned(), json!([other]))]),
    };
    let definitions = lowering.definitions()?;
    root.insert("$defs".into(), Value::Object(definitions));
    root.insert(
        "x-guidance".into(),
        json!({ "whitespace_pattern": WHITE_SPACE, "json_allowed_escapes": ESCAPES }),
    );
    let root = Value::Object(root);
    if depth::exceeds(&root, MAX_DEPTH) {
        return Err(lowering.unsupported("$ref", "#", "definitions lead to each other in too long a chain"));
    }
    if !endless::has_an_end(&root, &root, &mut Vec::new()) {
        return Err(lowering.unsupported("$ref", "#", "every value would contain another without end"));
    }
    Ok(root)
}
