//! What a `$ref` refers to.
//!
//! References within the document are followed: JSON pointers, anchors, and ids that are spelt alike in both places.
//! Nothing is fetched.

use serde_json::Value;

/// A schema that is a resource of its own, and how its draft reads it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'s> {
    /// What `#` is.
    pub(super) resource: &'s Value,
    pub(super) draft: Draft,
}

/// Where the drafts differ here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Draft {
    /// `id` names a resource.
    Draft4,
    /// `$ref` stands alone: what is beside it is ignored.
    Draft7,
    /// 2019-09 and later.
    Modern,
}

impl Draft {
    /// The draft that a `$schema` names; `None` if it is somebody's own.
    pub(super) fn of(uri: &str) -> Option<Self> {
        let path = uri.trim_end_matches('#').strip_prefix("http")?.trim_start_matches('s');
        match path.strip_prefix("://json-schema.org/")?.trim_end_matches("schema").trim_end_matches('/') {
            "draft-03" | "draft-04" => Some(Self::Draft4),
            "draft-06" | "draft-07" => Some(Self::Draft7),
            "" | "draft/2019-09" | "draft/2020-12" | "v1" => Some(Self::Modern),
            _ => None,
        }
    }
}

impl<'s> Scope<'s> {
    pub(super) fn new(document: &'s Value) -> Self {
        Self { resource: document, draft: Draft::Modern }.entered(document)
    }

    /// The scope inside `schema`: another one if it is a resource of its own.
    pub(super) fn entered(self, schema: &'s Value) -> Self {
        let draft = match schema.get("$schema").and_then(Value::as_str) {
            Some(uri) => Draft::of(uri).unwrap_or(self.draft),
            None => self.draft,
        };
        let is_resource = id(schema, draft).is_some();
        Self { resource: if is_resource { schema } else { self.resource }, draft }
    }

    /// The schema that `reference` means, with its scope; `None` if it is not in the document.
    pub(super) fn resolve(self, reference: &str, document: &'s Value) -> Option<(&'s Value, Scope<'s>)> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let resource = if base.is_empty() {
            self
        } else {
            let whole = Scope::new(document);
            let named = |schema: &'s Value, scope: Scope<'s>| {
                id(schema, scope.draft).is_some_and(|id| id.trim_end_matches('#') == base)
            };
            // A relative reference depends on what it is relative to: only whole ones are compared.
            find(document, whole, &named).filter(|_| base.contains(':'))?.1
        };
        if fragment.is_empty() || fragment.starts_with('/') {
            return walk(resource, &percent_decoded(fragment)?);
        }
        find(resource.resource, resource, &|schema, scope| {
            std::ptr::eq(scope.resource, resource.resource) && has_anchor(schema, fragment)
        })
    }
}

/// The id by which `schema` is a resource of its own.
fn id(schema: &Value, draft: Draft) -> Option<&str> {
    let key = if draft == Draft::Draft4 { "id" } else { "$id" };
    let is_ignored = draft < Draft::Modern && schema.get("$ref").is_some();
    schema.get(key).and_then(Value::as_str).filter(|id| !id.starts_with('#') && !is_ignored)
}

fn has_anchor(schema: &Value, name: &str) -> bool {
    let is = |key: &str, value: &str| schema.get(key).and_then(Value::as_str) == Some(value);
    let hash = format!("#{name}");
    is("$anchor", name) || is("$dynamicAnchor", name) || is("$id", &hash) || is("id", &hash)
}

/// Follows a JSON pointer from a resource, entering the resources on its way.
fn walk<'s>(from: Scope<'s>, pointer: &str) -> Option<(&'s Value, Scope<'s>)> {
    let (mut at, mut scope) = (from.resource, from);
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        at = match at {
            Value::Object(object) => object.get(&segment)?,
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?)?,
            _ => return None,
        };
        scope = scope.entered(at);
    }
    Some((at, scope))
}

/// The first schema for which `test` holds, with its scope.
fn find<'s>(
    value: &'s Value,
    scope: Scope<'s>,
    test: &dyn Fn(&'s Value, Scope<'s>) -> bool,
) -> Option<(&'s Value, Scope<'s>)> {
    match value {
        Value::Object(object) => {
            let scope = scope.entered(value);
            if test(value, scope) {
                return Some((value, scope));
            }
            // What is in these is data and no schema.
            let schemas = object.iter().filter(|(key, _)| !matches!(key.as_str(), "enum" | "const"));
            schemas.into_iter().find_map(|(_, value)| find(value, scope, test))
        }
        Value::Array(items) => items.iter().find_map(|item| find(item, scope, test)),
        _ => None,
    }
}

/// `%25` and its like, as a fragment of a URI writes characters.
fn percent_decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = rest.get(2..)?;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
