//! How deep the library goes into a lowered schema: it follows each reference at once where it first meets it, so
//! that a long chain of definitions is as deep as one that is written out. A WebAssembly stack is not.

use std::collections::HashSet;

use serde_json::Value;

/// Whether the library, which is recursive, would go deeper than `limit` schemas into `root`.
pub(super) fn exceeds(root: &Value, limit: usize) -> bool {
    let mut seen = HashSet::new();
    // Its order is that of the text: the last on the stack is the next.
    let mut open = vec![(root, 0)];
    while let Some((value, depth)) = open.pop() {
        if depth > limit {
            return true;
        }
        match value {
            Value::Object(object) => {
                let reference = object.get("$ref").and_then(Value::as_str);
                let target = reference
                    .filter(|name| seen.insert(*name))
                    .and_then(|name| root.pointer(name.trim_start_matches('#')));
                open.extend(target.map(|target| (target, depth + 1)));
                let is_data =
                    |keyword: &str| matches!(keyword, "$defs" | "enum" | "const" | "required" | "x-guidance");
                let nested = object.iter().rev().filter(|(keyword, _)| !is_data(keyword));
                open.extend(nested.map(|(_, value)| (value, depth + 1)));
            }
            Value::Array(items) => open.extend(items.iter().rev().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    false
}
