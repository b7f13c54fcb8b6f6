//! Whether a schema has a value at all that comes to an end: `{ "required": ["next"], … }` of itself has none.

use serde_json::Value;

/// False if every value of `schema`, a lowered one within `root`, would contain another without end.
pub(super) fn has_an_end<'s>(schema: &'s Value, root: &'s Value, open: &mut Vec<&'s str>) -> bool {
    let Value::Object(keywords) = schema else { return true };
    let list = |keyword: &str| keywords.get(keyword).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let count = |keyword: &str| keywords.get(keyword).and_then(Value::as_u64).unwrap_or(0);
    let is_only = |word: &str| keywords.get("type").is_some_and(|types| types == word);
    if let Some(name) = keywords.get("$ref").and_then(Value::as_str) {
        if open.contains(&name) {
            return false;
        }
        open.push(name);
        let target = root.pointer(name.trim_start_matches('#'));
        let ends = target.is_none_or(|target| has_an_end(target, root, open));
        open.pop();
        if !ends {
            return false;
        }
    }
    let mut all = list("allOf").iter();
    if !all.all(|part| has_an_end(part, root, open)) {
        return false;
    }
    for alternatives in [list("anyOf"), list("oneOf")] {
        if !alternatives.is_empty() && !alternatives.iter().any(|part| has_an_end(part, root, open)) {
            return false;
        }
    }
    if is_only("object") {
        let properties = keywords.get("properties");
        let needed = list("required").iter().filter_map(|name| properties?.get(name.as_str()?));
        return needed.into_iter().all(|property| has_an_end(property, root, open));
    }
    if is_only("array") && count("minItems") > 0 {
        let first = list("prefixItems").first().or(keywords.get("items"));
        return first.is_none_or(|item| has_an_end(item, root, open));
    }
    true
}
