//! What becomes of each keyword.

/// How a keyword is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Says nothing about values.
    Annotation,
    /// Enforced, by itself or together with others.
    Enforced,
    /// No way to enforce it is known here.
    Refused,
}

/// Every keyword of drafts 4 to 2020-12 and v1 with what becomes of it. A word that is not in the table means
/// nothing in JSON Schema, and is an annotation.
const KEYWORDS: &[(&str, Role)] = &[
    ("$anchor", Role::Annotation), // found by `refs`
    ("$comment", Role::Annotation),
    ("$defs", Role::Annotation),
    ("$dynamicAnchor", Role::Annotation), // an anchor; it takes a $dynamicRef to make it dynamic
    ("$dynamicRef", Role::Refused),
    ("$id", Role::Annotation),
    ("$recursiveAnchor", Role::Annotation),
    ("$recursiveRef", Role::Refused),
    ("$ref", Role::Enforced),
    ("$schema", Role::Annotation),
    ("$vocabulary", Role::Refused),
    ("additionalItems", Role::Enforced),
    ("additionalProperties", Role::Enforced),
    ("allOf", Role::Enforced),
    ("anyOf", Role::Enforced),
    ("const", Role::Enforced),
    ("contains", Role::Enforced),
    ("contentEncoding", Role::Annotation),
    ("contentMediaType", Role::Annotation),
    ("contentSchema", Role::Annotation),
    ("default", Role::Annotation),
    ("definitions", Role::Annotation),
    ("dependencies", Role::Enforced),
    ("dependentRequired", Role::Enforced),
    ("dependentSchemas", Role::Enforced),
    ("deprecated", Role::Annotation),
    ("description", Role::Annotation),
    ("else", Role::Enforced),
    ("enum", Role::Enforced),
    ("examples", Role::Annotation),
    ("exclusiveMaximum", Role::Enforced),
    ("exclusiveMinimum", Role::Enforced),
    ("format", Role::Enforced),
    ("if", Role::Enforced),
    ("items", Role::Enforced),
    ("maxContains", Role::Annotation), // means something beside `contains` only
    ("maxItems", Role::Enforced),
    ("maxLength", Role::Enforced),
    ("maxProperties", Role::Enforced),
    ("maximum", Role::Enforced),
    ("minContains", Role::Annotation), // as maxContains
    ("minItems", Role::Enforced),
    ("minLength", Role::Enforced),
    ("minProperties", Role::Enforced),
    ("minimum", Role::Enforced),
    ("multipleOf", Role::Enforced),
    ("not", Role::Enforced),
    ("oneOf", Role::Enforced),
    ("pattern", Role::Enforced),
    ("patternProperties", Role::Enforced),
    ("prefixItems", Role::Enforced),
    ("properties", Role::Enforced),
    ("propertyDependencies", Role::Refused),
    ("propertyNames", Role::Enforced),
    ("readOnly", Role::Annotation),
    ("required", Role::Enforced),
    ("then", Role::Enforced),
    ("title", Role::Annotation),
    ("type", Role::Enforced),
    ("unevaluatedItems", Role::Enforced),
    ("unevaluatedProperties", Role::Enforced),
    ("uniqueItems", Role::Enforced),
    ("writeOnly", Role::Annotation),
];

/// What becomes of `keyword`.
pub(super) fn role(keyword: &str) -> Role {
    KEYWORDS.iter().find(|(known, _)| *known == keyword).map_or(Role::Annotation, |&(_, role)| role)
}
