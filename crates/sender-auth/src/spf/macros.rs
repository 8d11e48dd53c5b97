//! Names and texts with parts to be put in (RFC 7208 §7).

use super::record::SyntaxError;
use std::net::IpAddr;

/// A longer name loses labels from the left (§7.3).
const NAME_BYTES_MAX: usize = 253;

/// A text with macros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MacroString(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Macro(Macro),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Macro {
    letter: Letter,
    /// So many parts from the right.
    parts: usize,
    is_reversed: bool,
    /// At which characters the value is split.
    delimiters: String,
    /// §7.3: an upper case letter; the value goes into a URL.
    is_escaped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    Sender,
    LocalPart,
    SenderDomain,
    Domain,
    Address,
    ValidatedName,
    Family,
    Helo,
    ReadableAddress,
    Receiver,
    Time,
}

/// Where a text with macros stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Where a name is expected.
    Domain,
    /// An explanation (§6.2), which may have spaces and three letters more.
    Explanation,
    /// The value of a modifier that nobody knows.
    Unknown,
}

/// What macros stand for.
#[derive(Clone, Debug)]
pub(super) struct Values<'a> {
    pub(super) local_part: &'a str,
    pub(super) sender_domain: &'a str,
    pub(super) domain: &'a str,
    pub(super) address: IpAddr,
    pub(super) validated_name: &'a str,
    pub(super) helo: &'a str,
    pub(super) receiver: &'a str,
    pub(super) unix_seconds: i64,
}

impl MacroString {
    /// Where a name is expected (§7.1, `domain-spec`).
    pub(super) fn domain(text: &str) -> Result<Self, SyntaxError> {
        let parsed = Self::parse(text, Use::Domain)?;
        let ends_well = match parsed.0.last() {
            Some(Piece::Macro(_)) => true,
            Some(Piece::Literal(literal)) => ends_with_label(literal) || is_special(text),
            None => false,
        };
        ends_well.then_some(parsed).ok_or(SyntaxError)
    }

    pub(super) fn parse(text: &str, purpose: Use) -> Result<Self, SyntaxError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '%' => {
                    let kind = rest.chars().next().ok_or(SyntaxError)?;
                    rest = &rest[kind.len_utf8()..];
                    match kind {
                        '%' => literal.push('%'),
                        '_' => literal.push(' '),
                        '-' => literal.push_str("%20"),
                        '{' => {
                            let (inside, after) = rest.split_once('}').ok_or(SyntaxError)?;
                            rest = after;
                            push_literal(&mut pieces, &mut literal);
                            pieces.push(Piece::Macro(Macro::parse(inside, purpose)?));
                        }
                        _ => return Err(SyntaxError),
                    }
                }
                ' ' if purpose == Use::Explanation => literal.push(c),
                c if c.is_ascii_graphic() => literal.push(c),
                _ => return Err(SyntaxError),
            }
        }
        push_literal(&mut pieces, &mut literal);
        Ok(Self(pieces))
    }

    /// Whether `%{p}` is in it, for which the DNS has to be asked.
    pub(super) fn needs_validated_name(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Macro(Macro { letter: Letter::ValidatedName, .. })))
    }

    /// The name that it stands for.
    pub(super) fn name(&self, values: &Values<'_>) -> String {
        let mut name = self.text(values);
        if name.ends_with('.') {
            name.pop();
        }
        // §7.3.
        while name.len() > NAME_BYTES_MAX {
            let Some((_, shorter)) = name.split_once('.') else { break };
            name = shorter.to_owned();
        }
        name
    }

    /// The text that it stands for.
    pub(super) fn text(&self, values: &Values<'_>) -> String {
        let expand = |piece: &Piece| match piece {
            Piece::Literal(literal) => literal.clone(),
            Piece::Macro(one) => one.expand(values),
        };
        self.0.iter().map(expand).collect()
    }
}

fn push_literal(pieces: &mut Vec<Piece>, literal: &mut String) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal)));
    }
}

/// §7.1, `domain-end`: a dot and a label that is not only digits, perhaps a dot.
fn ends_with_label(literal: &str) -> bool {
    let literal = literal.strip_suffix('.').unwrap_or(literal);
    let Some((_, label)) = literal.rsplit_once('.') else { return false };
    let is_part = label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    is_part
        && !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && !label.bytes().all(|octet| octet.is_ascii_digit())
}

/// Whether it ends with `%%`, `%_` or `%-`, which are macros too for [`MacroString::domain`].
fn is_special(text: &str) -> bool {
    let before = |end: &str| text.strip_suffix(end).is_some_and(|text| !text.ends_with('%') || end == "%%");
    before("%%") || before("%_") || before("%-")
}

impl Macro {
    fn parse(inside: &str, purpose: Use) -> Result<Self, SyntaxError> {
        let mut chars = inside.chars();
        let upper = chars.next().ok_or(SyntaxError)?;
        let letter = Letter::of(upper.to_ascii_lowercase()).ok_or(SyntaxError)?;
        let only_explains = matches!(letter, Letter::ReadableAddress | Letter::Receiver | Letter::Time);
        if only_explains && purpose == Use::Domain {
            return Err(SyntaxError);
        }
        let rest = chars.as_str();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = rest.split_at(digits);
        let parts = match number {
            "" => usize::MAX,
            // §7.1: "The DIGIT indicates the number of right-hand parts to use", and not zero. More than there can be is all.
            number if number.bytes().all(|digit| digit == b'0') => return Err(SyntaxError),
            number => number.parse().unwrap_or(usize::MAX),
        };
        let reversed = rest.strip_prefix(['r', 'R']);
        let delimiters = reversed.unwrap_or(rest);
        if !delimiters.bytes().all(|octet| b".-+,/_=".contains(&octet)) {
            return Err(SyntaxError);
        }
        let delimiters = if delimiters.is_empty() { "." } else { delimiters };
        Ok(Self {
            letter,
            parts,
            is_reversed: reversed.is_some(),
            delimiters: delimiters.to_owned(),
            is_escaped: upper.is_ascii_uppercase(),
        })
    }

    fn expand(&self, values: &Values<'_>) -> String {
        let value = self.letter.value(values);
        let mut parts: Vec<&str> = value.split(|c| self.delimiters.contains(c)).collect();
        if self.is_reversed {
            parts.reverse();
        }
        let chosen = parts.split_off(parts.len().saturating_sub(self.parts)).join(".");
        if self.is_escaped { escaped(&chosen) } else { chosen }
    }
}

impl Letter {
    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            's' => Self::Sender,
            'l' => Self::LocalPart,
            'o' => Self::SenderDomain,
            'd' => Self::Domain,
            'i' => Self::Address,
            'p' => Self::ValidatedName,
            'v' => Self::Family,
            'h' => Self::Helo,
            'c' => Self::ReadableAddress,
            'r' => Self::Receiver,
            't' => Self::Time,
            _ => return None,
        })
    }

    fn value(self, values: &Values<'_>) -> String {
        match self {
            Self::Sender => format!("{}@{}", values.local_part, values.sender_domain),
            Self::LocalPart => values.local_part.to_owned(),
            Self::SenderDomain => values.sender_domain.to_owned(),
            Self::Domain => values.domain.to_owned(),
            Self::Address => match values.address {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => {
                    let nibbles = (0..32).rev().map(|at| format!("{:x}", (address.to_bits() >> (4 * at)) & 0xf));
                    nibbles.collect::<Vec<_>>().join(".")
                }
            },
            Self::ValidatedName => values.validated_name.to_owned(),
            Self::Family => if values.address.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            Self::Helo => values.helo.to_owned(),
            Self::ReadableAddress => values.address.to_string(),
            Self::Receiver => values.receiver.to_owned(),
            Self::Time => values.unix_seconds.to_string(),
        }
    }
}

/// RFC 3986 §2.3: all but unreserved characters.
fn escaped(text: &str) -> String {
    let escape = |octet: u8| match octet {
        b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        octet if octet.is_ascii_alphanumeric() => char::from(octet).to_string(),
        octet => format!("%{octet:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_law() {
        // RFC 7208 §7.4.
        let check = |address: &str, text: &str, expected: &str| {
            let values = Values {
                local_part: "strong-bad",
                sender_domain: "email.example.com",
                domain: "email.example.com",
                address: address.parse().unwrap(),
                validated_name: "mx.example.org",
                helo: "mail.example.net",
                receiver: "here.example",
                unix_seconds: 0,
            };
            assert_eq!(MacroString::parse(text, Use::Explanation).unwrap().text(&values), expected, "{text}");
        };
        for (text, expected) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
            ("%{S} %{c}%%%_%-", "strong-bad%40email.example.com 192.0.2.3% %20"),
        ] {
            check("192.0.2.3", text, expected);
        }
        let nibbles = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com";
        check("2001:db8::cb01", "%{ir}.%{v}._spf.%{d2}", nibbles);
    }
}
