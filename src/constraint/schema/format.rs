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
const REFUSED: [&str; 3] = ["regex", "idn-email", "idn-hostname"];

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
    // RFC 4291: eight groups, or fewer around one gap; the last two may be an IPv4 address.
    (
        "{ipv6}",
        concat!(
            "(?:(?:{h16}:){7}{h16}|(?:{h16}:){1,7}:|(?:{h16}:){1,6}:{h16}|(?:{h16}:){1,5}(?::{h16}){1,2}",
            "|(?:{h16}:){1,4}(?::{h16}){1,3}|(?:{h16}:){1,3}(?::{h16}){1,4}|(?:{h16}:){1,2}(?::{h16}){1,5}",
            "|{h16}:(?::{h16}){1,6}|:(?::{h16}){1,7}|::|(?:{h16}:){6}{ipv4}|(?:{h16}:){1,5}:{ipv4}",
            "|(?:{h16}:){1,4}:{h16}:{ipv4}|(?:{h16}:){1,3}(?::{h16}){1,2}:{ipv4}",
            "|(?:{h16}:){1,2}(?::{h16}){1,3}:{ipv4}|{h16}:(?::{h16}){1,4}:{ipv4}|:(?::{h16}){0,5}:{ipv4})",
        ),
    ),
    // RFC 1123: at most 63 characters in a label and 253 in all; no punycode, whose third and fourth are hyphens.
    ("{alnum}", "[a-zA-Z0-9]"),
    ("{inner}", "[a-zA-Z0-9-]"),
    (
        "{label}",
        "{alnum}(?:{alnum}|[a-zA-Z0-9-](?:{alnum}(?:{inner}{0,59}{alnum})?|-{alnum}(?:{inner}{0,58}{alnum})?))?",
    ),
    ("{short-label}", "{alnum}(?:-?{alnum}){0,14}"),
    ("{hostname}", r"(?:{label}(?:\.{label}){0,2}|{short-label}(?:\.{short-label}){3,7})"),
    // RFC 5321's dot-string, of at most 64 characters.
    ("{atext}", "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]"),
    ("{email}", r"(?:{atext}{1,64}|{atext}{1,20}(?:\.{atext}{1,20}){1,2})@{hostname}"),
    // RFC 3986; the IRIs of RFC 3987 have more characters where those have letters.
    ("{pct}", "%[0-9a-fA-F]{2}"),
    ("{pchar}", "(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|{pct})"),
    ("{regname}", "(?:[a-zA-Z0-9._~!$&'()*+,;=-]|{pct})*"),
    ("{userinfo}", "(?:[a-zA-Z0-9._~!$&'()*+,;=:-]|{pct})*"),
    ("{authority}", r"//(?:{userinfo}@)?(?:{regname}|\[{ipv6}\])(?::[0-9]*)?(?:/{pchar}*)*"),
    ("{absolute}", "/(?:{pchar}+(?:/{pchar}*)*)?"),
    ("{tail}", r"(?:\?(?:{pchar}|[/?])*)?(?:#(?:{pchar}|[/?])*)?"),
    ("{uri}", "[a-zA-Z][a-zA-Z0-9+.-]*:(?:{authority}|{absolute}|{pchar}+(?:/{pchar}*)*)?{tail}"),
    ("{noscheme}", "(?:[a-zA-Z0-9._~!$&'()*+,;=@-]|{pct})+(?:/{pchar}*)*"),
    ("{uri-reference}", "(?:{uri}|(?:{authority}|{absolute}|{noscheme})?{tail})"),
    // RFC 6901.
    ("{json-pointer}", "(?:/(?:[^~/]|~[01])*)*"),
    ("{relative-json-pointer}", "(?:0|[1-9][0-9]*)(?:#|{json-pointer})"),
    // RFC 6570.
    ("{varname}", r"(?:[a-zA-Z0-9_]|{pct})(?:\.?(?:[a-zA-Z0-9_]|{pct}))*"),
    ("{varspec}", r"{varname}(?::[1-9][0-9]{0,3}|\*)?"),
    ("{expression}", r"\{[+#./;?&]?{varspec}(?:,{varspec})*\}"),
    ("{uri-template}", r"(?:[a-zA-Z0-9._~!#$&'()*+,/:;=?@\[\]-]|{pct}|{expression})*"),
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

/// RFC 3987's `ucschar`, for a class.
const UCS: &str = r"\x{A0}-\x{D7FF}\x{F900}-\x{FDCF}\x{FDF0}-\x{FFEF}\x{10000}-\x{1FFFD}\x{20000}-\x{2FFFD}";

/// What the format `name` stands for.
pub(super) fn lookup(name: &str) -> Format {
    let expand = |name: &str| {
        PARTS
            .iter()
            .rev()
            .fold(format!("{{{name}}}"), |pattern, (part, meaning)| pattern.replace(part, meaning))
    };
    match name {
        "iri" | "iri-reference" | "uri-template" => {
            let pattern = expand(&name.replace("iri", "uri"));
            Format::Pattern(pattern.replace("[a-zA-Z0-9._~", &format!("[a-zA-Z0-9._~{UCS}")))
        }
        name if FORMATS.contains(&name) => Format::Pattern(expand(name)),
        name if REFUSED.contains(&name) => Format::Refused,
        _ => Format::Unknown,
    }
}
