//! `format`, as patterns in Rust's syntax, unanchored.
//!
//! Asserted, though the standard leaves it to the reader: who writes `"format": "date"` wants a date. The patterns
//! keep to forms that every reader of a format takes: an email address has no quotes, a time no leap second. A
//! format of the standard that has no pattern here is refused; one of somebody's own is an annotation.

/// What a format stands for.
pub(super) enum Format {
    Pattern(String),
    /// Of the standard, and no pattern is known.
    Refused,
    /// No word of the standard.
    Unknown,
}

/// Formats of the standard that are not enforced.
const REFUSED: [&str; 1] = ["regex"];

/// Parts of other formats, written as `{name}` in them. Later ones may use earlier ones.
const PARTS: &[(&str, &str)] = &[
    // RFC 3339: a day of the Gregorian calendar, leap years included.
    ("{common-day}", "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"),
    ("{leap-year}", "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"),
    ("{date}", "(?:[0-9]{4}-(?:{common-day}|02-(?:0[1-9]|1[0-9]|2[0-8]))|{leap-year}-02-29)"),
    ("{clock}", "(?:[01][0-9]|2[0-3]):[0-5][0-9]"),
    ("{time}", r"(?:{clock}:[0-5][0-9](?:\.[0-9]+)?(?:[zZ]|[+-]{clock}))"),
    // ISO 8601 durations, as in RFC 3339, appendix A.
    ("{dur-time}", "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"),
    ("{dur-date}", "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)"),
    ("{duration}", "P(?:[0-9]+W|{dur-date}(?:{dur-time})?|{dur-time})"),
    ("{octet}", "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"),
    ("{ipv4}", r"(?:{octet}\.){3}{octet}"),
    ("{h16}", "[0-9a-fA-F]{1,4}"),
    // RFC 4291: eight groups, or fewer around one gap.
    (
        "{ipv6}",
        concat!(
            "(?:(?:{h16}:){7}{h16}|(?:{h16}:){1,7}:|(?:{h16}:){1,6}:{h16}|(?:{h16}:){1,5}(?::{h16}){1,2}",
            "|(?:{h16}:){1,4}(?::{h16}){1,3}|(?:{h16}:){1,3}(?::{h16}){1,4}|(?:{h16}:){1,2}(?::{h16}){1,5}",
            "|{h16}:(?::{h16}){1,6}|:(?::{h16}){1,7}|::)",
        ),
    ),
    // RFC 1123 with no two hyphens together, which spell punycode; at most 63 characters, and 252 in all.
    ("{label}", "[a-zA-Z0-9](?:-?[a-zA-Z0-9]){0,20}"),
    ("{hostname}", r"{label}(?:\.{label}){0,5}"),
    // RFC 5321's dot-string.
    ("{atom}", "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}"),
    ("{email}", r"{atom}(?:\.{atom}){0,2}@{hostname}"),
    // RFC 3986, but for addresses in brackets.
    ("{pct}", "%[0-9a-fA-F]{2}"),
    ("{pchar}", "(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|{pct})"),
    ("{regname}", "(?:[a-zA-Z0-9._~!$&'()*+,;=-]|{pct})*"),
    ("{userinfo}", "(?:[a-zA-Z0-9._~!$&'()*+,;=:-]|{pct})*"),
    ("{authority}", "//(?:{userinfo}@)?{regname}(?::[0-9]*)?(?:/{pchar}*)*"),
    ("{absolute}", "/(?:{pchar}+(?:/{pchar}*)*)?"),
    ("{tail}", r"(?:\?(?:{pchar}|[/?])*)?(?:#(?:{pchar}|[/?])*)?"),
    ("{uri}", "[a-zA-Z][a-zA-Z0-9+.-]*:(?:{authority}|{absolute}|{pchar}+(?:/{pchar}*)*)?{tail}"),
    ("{noscheme}", "(?:[a-zA-Z0-9._~!$&'()*+,;=@-]|{pct})+(?:/{pchar}*)*"),
    ("{uri-reference}", "(?:{uri}|(?:{authority}|{absolute}|{noscheme})?{tail})"),
    // RFC 6901.
    ("{json-pointer}", "(?:/(?:[^~/]|~[01])*)*"),
    ("{relative-json-pointer}", "(?:0|[1-9][0-9]*)(?:#|{json-pointer})"),
    // RFC 6570, its literals those of ASCII.
    ("{varname}", r"(?:[a-zA-Z0-9_]|{pct})(?:\.?(?:[a-zA-Z0-9_]|{pct}))*"),
    ("{varspec}", r"{varname}(?::[1-9][0-9]{0,3}|\*)?"),
    ("{expression}", r"\{[+#./;?&]?{varspec}(?:,{varspec})*\}"),
    ("{uri-template}", r"(?:[!#$&(-;=?-\[\]_a-z~]|{pct}|{expression})*"),
    ("{uuid}", "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"),
    ("{date-time}", "{date}[tT]{time}"),
];

/// Those parts that are formats.
const FORMATS: [&str; 14] = [
    "date",
    "time",
    "date-time",
    "duration",
    "ipv4",
    "ipv6",
    "hostname",
    "email",
    "uri",
    "uri-reference",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "uuid",
];

/// Formats with more characters than ASCII's are kept to their part in ASCII.
const ASCII_PARTS: [(&str, &str); 4] = [
    ("iri", "uri"),
    ("iri-reference", "uri-reference"),
    ("idn-email", "email"),
    ("idn-hostname", "hostname"),
];

/// What the format `name` stands for.
pub(super) fn lookup(name: &str) -> Format {
    let name = ASCII_PARTS.iter().find(|(wider, _)| *wider == name).map_or(name, |(_, part)| part);
    match FORMATS.contains(&name) {
        true => Format::Pattern(
            PARTS
                .iter()
                .rev()
                .fold(format!("{{{name}}}"), |pattern, (part, meaning)| pattern.replace(part, meaning)),
        ),
        false if REFUSED.contains(&name) => Format::Refused,
        false => Format::Unknown,
    }
}
