//! An instance with its properties in the order in which a schema lists them, which is the only order that a
//! constraint accepts: first those of `properties`, as they are written, then those that are only `required`, then
//! the others as they come. Where several schemas meet (`allOf`, `$ref`), the first one's come first.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

/// `instance` in the order of `schema`. There are two, where branches order the same names differently: that of the
/// first branch, and that of the branch that knows most of the instance's names.
pub fn ordered(instance: &Value, schema: &Value) -> [Value; 2] {
    let mut all = Vec::new();
    gather(schema, schema, &mut all, &mut HashSet::new());
    [false, true].map(|best_first| order(instance, &all, schema, best_first))
}

/// `schema` and all schemas that are applied to the same instance, in the order of the text.
fn gather<'s>(
    schema: &'s Value,
    root: &'s Value,
    all: &mut Vec<&'s Map<String, Value>>,
    seen: &mut HashSet<*const Value>,
) {
    let Some(object) = schema.as_object().filter(|_| seen.insert(std::ptr::from_ref(schema))) else { return };
    all.push(object);
    for (keyword, value) in object {
        match (keyword.as_str(), value) {
            ("$ref", Value::String(reference)) => {
                let pointer = reference.trim_start_matches('#').replace("%25", "%").replace("%22", "\"");
                let target = root.pointer(pointer.trim_end_matches('/'));
                target.into_iter().for_each(|target| gather(target, root, all, seen));
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(branches)) => {
                branches.iter().for_each(|branch| gather(branch, root, all, seen));
            }
            ("if" | "then" | "else" | "not", branch) => gather(branch, root, all, seen),
            ("dependencies" | "dependentSchemas", Value::Object(branches)) => {
                branches.values().for_each(|branch| gather(branch, root, all, seen));
            }
            _ => {}
        }
    }
}

fn order(instance: &Value, schemas: &[&Map<String, Value>], root: &Value, best_first: bool) -> Value {
    match instance {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                order(item, &children(schemas, root, |schema| of_item(schema, index)), root, best_first)
            })
            .collect(),
        Value::Object(object) => {
            let mut schemas = schemas.to_vec();
            if best_first {
                let knows = |schema: &&Map<String, Value>| {
                    let properties = schema.get("properties").and_then(Value::as_object);
                    properties
                        .map_or(0, |known| object.keys().filter(|name| known.contains_key(*name)).count())
                };
                schemas.sort_by_key(|schema| std::cmp::Reverse(knows(schema)));
            }
            let order_of_names = names(&schemas);
            let rank = |name: &String| order_of_names.iter().position(|known| known == name);
            let mut members: Vec<(&String, &Value)> = object.iter().collect();
            members.sort_by_key(|(name, _)| rank(name).unwrap_or(usize::MAX));
            let child = |name: &str, value| {
                order(value, &children(&schemas, root, |schema| of_property(schema, name)), root, best_first)
            };
            members.into_iter().map(|(name, value)| (name.clone(), child(name, value))).collect()
        }
        // A whole number is written as one: 1.0 is the same value as 1.
        Value::Number(number) => match number.as_f64() {
            Some(float)
                if number.is_f64() && float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0 =>
            {
                json!(float as i64)
            }
            _ => instance.clone(),
        },
        other => other.clone(),
    }
}

/// The names that the schemas know, in order.
fn names(schemas: &[&Map<String, Value>]) -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |name: &String| {
        if !names.contains(name) {
            names.push(name.clone());
        }
    };
    // An object that is spelt out has the order of its first spelling.
    for schema in schemas {
        let enumerated = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        for value in enumerated.chain(schema.get("const")) {
            value.as_object().into_iter().flat_map(|object| object.keys()).for_each(&mut add);
        }
    }
    for schema in schemas {
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flat_map(|object| object.keys()).for_each(&mut add);
    }
    for schema in schemas {
        for keyword in ["dependentRequired", "dependentSchemas", "dependencies"] {
            let dependencies = schema.get(keyword).and_then(Value::as_object);
            for (name, needed) in dependencies.into_iter().flatten() {
                add(name);
                strings(Some(needed)).for_each(|name| add(&name));
            }
        }
        strings(schema.get("required")).for_each(|name| add(&name));
    }
    names
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}

fn children<'s>(
    schemas: &[&'s Map<String, Value>],
    root: &'s Value,
    child: impl Fn(&'s Map<String, Value>) -> Vec<&'s Value>,
) -> Vec<&'s Map<String, Value>> {
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    for schema in schemas {
        child(schema).into_iter().for_each(|child| gather(child, root, &mut all, &mut seen));
    }
    all
}

fn of_property<'s>(schema: &'s Map<String, Value>, name: &str) -> Vec<&'s Value> {
    let named = schema.get("properties").and_then(|properties| properties.get(name));
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    let others = patterns.into_iter().flat_map(|patterns| patterns.values());
    named.into_iter().chain(others).chain(schema.get("additionalProperties")).collect()
}

fn of_item(schema: &Map<String, Value>, index: usize) -> Vec<&Value> {
    let items = schema.get("items");
    let tuple = schema.get("prefixItems").or(items).and_then(Value::as_array);
    let placed = tuple.and_then(|tuple| tuple.get(index));
    let others = items.filter(|items| !items.is_array());
    placed
        .into_iter()
        .chain(others)
        .chain(schema.get("additionalItems"))
        .chain(schema.get("contains"))
        .collect()
}
