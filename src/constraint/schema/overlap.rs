//! Whether two schemas can have values in common, as far as a look at types and literals tells.

use serde_json::Value;

use super::lowering::TYPES;
use super::negate::type_of;

/// False if certainly no value fits both of these schemas, which are lowered already.
pub(super) fn may_overlap(a: &Value, b: &Value) -> bool {
    match (literals(a), literals(b)) {
        (Some(a), Some(b)) if a.iter().chain(&b).all(|value| is_simple(value)) => {
            a.iter().any(|value| b.contains(value))
        }
        _ => TYPES.into_iter().any(|word| admits(a, word) && admits(b, word)),
    }
}

/// Literals that are equal only if they look alike: 1 and 1.0 are one number.
fn is_simple(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(_) | Value::String(_))
}

/// The only values that fit, if they are listed.
fn literals(schema: &Value) -> Option<Vec<&Value>> {
    let listed = schema.get("enum").and_then(Value::as_array).map(|list| list.iter().collect());
    let one = schema.get("const").map(|value| vec![value]);
    let parts = schema.get("allOf").and_then(Value::as_array);
    one.or(listed).or_else(|| parts?.iter().find_map(literals))
}

/// False if certainly no value of this type fits.
fn admits(schema: &Value, word: &str) -> bool {
    let Value::Object(keywords) = schema else { return *schema != Value::Bool(false) };
    keywords.iter().all(|(keyword, value)| match (keyword.as_str(), value) {
        ("type", Value::Array(types)) => types.iter().any(|listed| is_type(listed, word)),
        ("type", listed) => is_type(listed, word),
        ("const", literal) => type_of(literal) == word,
        ("enum", Value::Array(literals)) => literals.iter().any(|literal| type_of(literal) == word),
        ("allOf", Value::Array(parts)) => parts.iter().all(|part| admits(part, word)),
        ("anyOf" | "oneOf", Value::Array(parts)) => parts.iter().any(|part| admits(part, word)),
        _ => true,
    })
}

fn is_type(listed: &Value, word: &str) -> bool {
    listed == word || listed == "integer" && word == "number"
}
