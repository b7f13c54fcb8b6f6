//! Regular expressions: from JavaScript's syntax, which JSON Schema uses, to that of Rust's `regex-syntax`.
//!
//! The two look alike and differ where nobody looks: `.`, `\s`, `[a&&b]`, `(?i)`, `\Z`. So an expression is read and
//! written anew, character by character; what is no regular language (look-around, back-references, word
//! boundaries) or no JavaScript is refused.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// ECMA-262's white space and line ends.
const SPACE: &str =
    r"\t\n\x0B\x0C\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Z_a-z";
/// What `.` does not match.
const LINE_ENDS: &str = r"\n\r\x{2028}\x{2029}";
/// General categories, the only properties that are passed on.
const CATEGORIES: [&str; 22] = [
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps", "Pe", "S", "Sm", "Sc",
    "Z", "Zs", "M", "Letter",
];
/// Repetitions that are counted out.
const MAX_REPETITION: u32 = 10_000;

const UNWRITABLE: &str = "has a control character, which no string here holds";

/// Whether strings cannot hold `c`: it has no short escape. The library would take a place for such a character
/// as no place at all.
pub(super) fn is_unwritable(c: char) -> bool {
    c.is_ascii_control() && !matches!(c, '\u{8}' | '\t' | '\n' | '\u{C}' | '\r')
}

type Result<T> = std::result::Result<T, &'static str>;

struct Translation<'t> {
    rest: Peekable<Chars<'t>>,
    out: String,
    depth: usize,
}

/// `pattern` in Rust's syntax; as an error, why there is none.
pub(super) fn translate(pattern: &str) -> Result<String> {
    let mut translation =
        Translation { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len()), depth: 0 };
    while let Some(c) = translation.rest.next() {
        translation.term(c)?;
    }
    if translation.depth > 0 {
        return Err("has a group without an end");
    }
    Ok(translation.out)
}

/// An expression that matches `text` alone, unanchored.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_literal(&mut out, c));
    out
}

/// An anchored expression for every string but these.
pub(super) fn none_of(strings: &[&str]) -> String {
    format!("^{}$", other_than(strings))
}

/// What is not in `strings`, by the first character: none, where the empty string may be; a strange one, and
/// anything; or a known one, and what is not in the rest.
fn other_than(strings: &[&str]) -> String {
    let mut firsts: Vec<char> = strings.iter().filter_map(|string| string.chars().next()).collect();
    firsts.sort_unstable();
    firsts.dedup();
    let mut branches = Vec::new();
    if !strings.contains(&"") {
        branches.push(String::new());
    }
    let mut strange = String::from("[^");
    for &first in &firsts {
        let _ = write!(strange, r"\x{{{:X}}}", u32::from(first));
    }
    branches.push(if firsts.is_empty() { "(?s:.+)".to_owned() } else { strange + "](?s:.*)" });
    for &first in &firsts {
        let rests: Vec<&str> = strings.iter().filter_map(|string| string.strip_prefix(first)).collect();
        branches.push(literal(&first.to_string()) + &other_than(&rests));
    }
    format!("(?:{})", branches.join("|"))
}

fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || c == ' ' || c == '_' {
        out.push(c);
    } else {
        let _ = write!(out, r"\x{{{:X}}}", u32::from(c));
    }
}

/// A member of a class: a character, or a set.
enum Member {
    Char(char),
    Set(String),
}

impl Translation<'_> {
    fn term(&mut self, c: char) -> Result<()> {
        match c {
            '^' | '$' | '|' => self.out.push(c),
            '.' => {
                let _ = write!(self.out, "[^{LINE_ENDS}]");
            }
            '(' => return self.group(),
            ')' => {
                self.depth = self.depth.checked_sub(1).ok_or("closes a group that is not open")?;
                self.out.push(')');
            }
            '[' => return self.class(),
            '*' | '+' | '?' => {
                self.out.push(c);
                self.skip_lazy();
            }
            '{' => self.repetition()?,
            '\\' => match self.escape()? {
                Member::Char(c) if is_unwritable(c) => return Err(UNWRITABLE),
                Member::Char(c) => push_literal(&mut self.out, c),
                Member::Set(set) => {
                    let _ = write!(self.out, "[{set}]");
                }
            },
            c if is_unwritable(c) => return Err(UNWRITABLE),
            other => push_literal(&mut self.out, other),
        }
        Ok(())
    }

    /// Lazy or greedy: it matches the same strings.
    fn skip_lazy(&mut self) {
        self.rest.next_if_eq(&'?');
    }

    fn group(&mut self) -> Result<()> {
        self.depth += 1;
        self.out.push_str("(?:");
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        match self.rest.next() {
            Some(':') => Ok(()),
            Some('<') if !matches!(self.rest.peek(), Some('=' | '!')) => {
                // A name, which nothing can refer to.
                self.rest.by_ref().find(|&c| c == '>').map(|_| ()).ok_or("has a group without a name")
            }
            Some('=' | '!' | '<') => Err("looks around, which no grammar does"),
            _ => Err("has a group of a kind that JavaScript does not know"),
        }
    }

    /// `{n}`, `{n,}`, `{n,m}`; any other brace is a character.
    fn repetition(&mut self) -> Result<()> {
        let ahead: String = self.rest.clone().take_while(|&c| c != '}').take(12).collect();
        let is_count = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (low, high) = ahead.split_once(',').unwrap_or((&ahead, &ahead));
        let is_closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        if !is_closed || !is_count(low) || !(high.is_empty() || is_count(high)) {
            push_literal(&mut self.out, '{');
            return Ok(());
        }
        if [low, high].iter().any(|count| count.parse::<u32>().is_ok_and(|count| count > MAX_REPETITION)) {
            return Err("repeats too often");
        }
        let _ = write!(self.out, "{{{ahead}}}");
        self.rest.nth(ahead.len());
        self.skip_lazy();
        Ok(())
    }

    /// A class in brackets, whose `[` is behind us.
    fn class(&mut self) -> Result<()> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut members = String::new();
        let mut is_writable = negated;
        loop {
            let low = match self.rest.next().ok_or("has a class without an end")? {
                ']' => break,
                '\\' => self.class_escape()?,
                c => Member::Char(c),
            };
            let mut ahead = self.rest.clone();
            let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
            match low {
                Member::Char(low) if is_range => {
                    self.rest.next();
                    let high = match self.rest.next().ok_or("has a class without an end")? {
                        '\\' => self.class_escape()?,
                        c => Member::Char(c),
                    };
                    match high {
                        Member::Char(high) if low <= high => {
                            is_writable |= (low..=high).any(|c| !is_unwritable(c));
                            let _ =
                                write!(members, r"\x{{{:X}}}-\x{{{:X}}}", u32::from(low), u32::from(high));
                        }
                        Member::Char(_) => return Err("has a range that runs backwards"),
                        Member::Set(_) => return Err("has a range that ends in a class"),
                    }
                }
                Member::Char(c) => {
                    is_writable |= !is_unwritable(c);
                    let _ = write!(members, r"\x{{{:X}}}", u32::from(c));
                }
                Member::Set(set) => {
                    is_writable = true;
                    let _ = write!(members, "[{set}]");
                }
            }
        }
        if !members.is_empty() && !is_writable {
            return Err(UNWRITABLE);
        }
        match (members.is_empty(), negated) {
            (true, true) => self.out.push_str("(?s:.)"),
            (true, false) => return Err("has an empty class, which matches nothing"),
            (false, negated) => {
                let _ = write!(self.out, "[{}{members}]", if negated { "^" } else { "" });
            }
        }
        Ok(())
    }

    fn class_escape(&mut self) -> Result<Member> {
        match self.rest.peek() {
            Some('b') => {
                self.rest.next();
                Ok(Member::Char('\u{8}'))
            }
            _ => self.escape(),
        }
    }

    /// What follows a backslash. Sets are the inside of brackets.
    fn escape(&mut self) -> Result<Member> {
        let set = |set: &str| Ok(Member::Set(set.to_owned()));
        match self.rest.next().ok_or("ends in a backslash")? {
            'd' => set(DIGIT),
            'w' => set(WORD),
            's' => set(SPACE),
            'D' => Ok(Member::Set(format!("^{DIGIT}"))),
            'W' => Ok(Member::Set(format!("^{WORD}"))),
            'S' => Ok(Member::Set(format!("^{SPACE}"))),
            'n' => Ok(Member::Char('\n')),
            'r' => Ok(Member::Char('\r')),
            't' => Ok(Member::Char('\t')),
            'v' => Ok(Member::Char('\u{B}')),
            'f' => Ok(Member::Char('\u{C}')),
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => Ok(Member::Char('\0')),
            'x' => self.hex(2).map(Member::Char),
            'u' => self.unicode().map(Member::Char),
            'p' => self.category().map(|name| Member::Set(format!(r"\p{{{name}}}"))),
            'P' => self.category().map(|name| Member::Set(format!(r"\P{{{name}}}"))),
            'b' | 'B' => Err("looks for the edge of a word, which no grammar does"),
            'k' | '0'..='9' => Err("refers back, which no grammar does"),
            c if c.is_ascii_alphabetic() => Err("has an escape that JavaScript does not know"),
            c => Ok(Member::Char(c)),
        }
    }

    fn category(&mut self) -> Result<&'static str> {
        let name: String = match self.rest.next() {
            Some('{') => self.rest.by_ref().take_while(|&c| c != '}').collect(),
            _ => return Err("has an escape that JavaScript does not know"),
        };
        let known = CATEGORIES.into_iter().find(|category| *category == name);
        known.ok_or("names a property of characters that is not known here")
    }

    fn hex(&mut self, digits: usize) -> Result<char> {
        self.code(digits).and_then(|code| char::from_u32(code).ok_or("names half a character"))
    }

    fn code(&mut self, digits: usize) -> Result<u32> {
        let text: String = self.rest.by_ref().take(digits).collect();
        match u32::from_str_radix(&text, 16) {
            Ok(code) if text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(code),
            _ => Err("has an escape without its digits"),
        }
    }

    /// `\uXXXX`, a pair of them, or `\u{…}`.
    fn unicode(&mut self) -> Result<char> {
        if self.rest.next_if_eq(&'{').is_some() {
            let text: String = self.rest.by_ref().take_while(|&c| c != '}').collect();
            let code = u32::from_str_radix(&text, 16).map_err(|_| "has an escape without its digits")?;
            return char::from_u32(code).ok_or("names half a character");
        }
        let high = self.code(4)?;
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high).ok_or("names half a character");
        }
        if self.rest.next() != Some('\\') || self.rest.next() != Some('u') {
            return Err("names half a character");
        }
        let low = self.code(4)?;
        let code =
            0x10000 + ((high - 0xD800) << 10) + low.checked_sub(0xDC00).ok_or("names half a character")?;
        char::from_u32(code).ok_or("names half a character")
    }
}
