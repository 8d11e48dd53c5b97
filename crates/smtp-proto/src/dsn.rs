//! What a client asks to be told of a message (RFC 3461): parameters of MAIL and RCPT, and how addresses are written in them.

use crate::SyntaxError;
use crate::parameters::{Parameter, decode_xtext};
use std::fmt;
use std::str::FromStr;

/// RFC 3461 §4.4: an ENVID, as it goes over the wire.
pub(crate) const ENVELOPE_ID_OCTETS_MAX: usize = 100;
/// RFC 3461 §4.2: an ORCPT, as it goes over the wire.
pub(crate) const ORIGINAL_RECIPIENT_OCTETS_MAX: usize = 500;

/// How much of a message comes back with the report that it could not be delivered (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// All of it.
    Full,
    /// Its header.
    Header,
}

/// What a recipient's reports are to be of (RFC 3461 §4.1). All three `false`: none at all, `NEVER`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// It was delivered.
    pub success: bool,
    /// It could not be delivered.
    pub failure: bool,
    /// It takes longer.
    pub delay: bool,
}

/// Whom the sender wrote to, before anybody changed the address (RFC 3461 §4.2). `Display` and `FromStr`: as ORCPT has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient {
    kind: String,
    address: String,
}

/// What MAIL asks of reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailReports {
    /// RET.
    pub ret: Option<Return>,
    /// ENVID, decoded: printable ASCII and blanks.
    pub envelope_id: Option<String>,
}

/// What RCPT asks of reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RcptReports {
    /// NOTIFY; `None`: as whoever reports thinks fit, which is failures and long delays.
    pub notify: Option<Notify>,
    /// ORCPT.
    pub original: Option<OriginalRecipient>,
}

impl MailReports {
    /// Takes a parameter of MAIL if it is one of reports; else `false`.
    pub(crate) fn take(&mut self, parameter: &Parameter<'_>) -> Result<bool, SyntaxError> {
        match parameter.keyword().as_str() {
            "RET" => parameter.set(&mut self.ret, parse(parameter)?)?,
            "ENVID" => {
                let text = short(parameter, ENVELOPE_ID_OCTETS_MAX)?;
                let id = decode_xtext(text).filter(|id| is_printable(id)).ok_or_else(|| parameter.malformed())?;
                parameter.set(&mut self.envelope_id, id)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl RcptReports {
    /// Takes a parameter of RCPT if it is one of reports; else `false`.
    pub(crate) fn take(&mut self, parameter: &Parameter<'_>) -> Result<bool, SyntaxError> {
        match parameter.keyword().as_str() {
            "NOTIFY" => parameter.set(&mut self.notify, parse(parameter)?)?,
            "ORCPT" => {
                short(parameter, ORIGINAL_RECIPIENT_OCTETS_MAX)?;
                parameter.set(&mut self.original, parse(parameter)?)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn parse<T: FromStr>(parameter: &Parameter<'_>) -> Result<T, SyntaxError> {
    parameter.value()?.parse().map_err(|_| parameter.malformed())
}

fn short<'a>(parameter: &Parameter<'a>, octets_max: usize) -> Result<&'a str, SyntaxError> {
    parameter.value().and_then(|value| if value.len() > octets_max { Err(parameter.malformed()) } else { Ok(value) })
}

/// RFC 3461 §4.4: "consist entirely of printable (graphic and white space) characters from the US-ASCII repertoire".
fn is_printable(text: &str) -> bool {
    text.bytes().all(|octet| (b' '..=b'~').contains(&octet))
}

/// It is not what it was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed")
    }
}

impl FromStr for Return {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text.to_ascii_uppercase().as_str() {
            "FULL" => Ok(Self::Full),
            "HDRS" => Ok(Self::Header),
            _ => Err(Malformed),
        }
    }
}

impl fmt::Display for Return {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "FULL",
            Self::Header => "HDRS",
        })
    }
}

impl FromStr for Notify {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut notify = Self::default();
        if text.eq_ignore_ascii_case("NEVER") {
            return Ok(notify);
        }
        for word in text.split(',') {
            let wanted = match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => &mut notify.success,
                "FAILURE" => &mut notify.failure,
                "DELAY" => &mut notify.delay,
                // RFC 3461 §4.1: NEVER stands alone.
                _ => return Err(Malformed),
            };
            *wanted = true;
        }
        Ok(notify)
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.success, "SUCCESS"), (self.failure, "FAILURE"), (self.delay, "DELAY")];
        let words: Vec<&str> = words.into_iter().filter_map(|(is_wanted, word)| is_wanted.then_some(word)).collect();
        f.write_str(&if words.is_empty() { "NEVER".to_owned() } else { words.join(",") })
    }
}

impl OriginalRecipient {
    /// An address of mail; its type is `rfc822` if it is ASCII, else `utf-8` (RFC 6533 §3).
    #[must_use]
    pub fn of(address: &str) -> Self {
        let kind = if address.is_ascii() { "rfc822" } else { "utf-8" };
        Self { kind: kind.to_owned(), address: address.to_owned() }
    }

    /// The type of the address, in lower case: `rfc822`, `utf-8`, or what a client made up.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The address, decoded: no control character.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl FromStr for OriginalRecipient {
    type Err = Malformed;

    /// RFC 3461 §4.2: `addr-type ";" xtext`; RFC 6533 §3: an address of type `utf-8` has an encoding of its own, in which
    /// characters beyond ASCII may stand as they are.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (kind, address) = text.split_once(';').ok_or(Malformed)?;
        let is_atom = |c: u8| c.is_ascii_alphanumeric() || b"-._".contains(&c);
        if kind.is_empty() || !kind.bytes().all(is_atom) {
            return Err(Malformed);
        }
        let kind = kind.to_ascii_lowercase();
        let address = decode_xtext(address).ok_or(Malformed)?;
        let address = if kind == "utf-8" { decode_utf8_address(&address).ok_or(Malformed)? } else { address };
        if address.is_empty() || address.chars().any(char::is_control) || (kind != "utf-8" && !address.is_ascii()) {
            return Err(Malformed);
        }
        Ok(Self { kind, address })
    }
}

impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address =
            if self.kind == "utf-8" { encode_utf8_address(&self.address) } else { encode_xtext(&self.address) };
        write!(f, "{};{address}", self.kind)
    }
}

/// RFC 3461 §4: octets that are no printable ASCII, `+` and `=` are written as `+` and two digits.
#[must_use]
pub(crate) fn encode_xtext(text: &str) -> String {
    let encode = |octet: u8| match octet {
        b'+' | b'=' => format!("+{octet:02X}"),
        b'!'..=b'~' => char::from(octet).to_string(),
        _ => format!("+{octet:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// RFC 6533 §3, `utf-8-addr-xtext`: ASCII only, and safe in an xtext.
fn encode_utf8_address(address: &str) -> String {
    let encode = |c: char| match c {
        '+' | '=' | '\\' => format!("\\x{{{:02X}}}", u32::from(c)),
        '!'..='~' => c.to_string(),
        c => format!("\\x{{{:02X}}}", u32::from(c)),
    };
    address.chars().map(encode).collect()
}

/// RFC 6533 §3: `\x{HEX}` stands for a character.
fn decode_utf8_address(text: &str) -> Option<String> {
    let mut pieces = text.split('\\');
    let mut address = pieces.next()?.to_owned();
    for piece in pieces {
        let (digits, rest) = piece.strip_prefix("x{")?.split_once('}')?;
        if !(2..=6).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        address.push(u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?);
        address.push_str(rest);
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notify_is_read_and_written() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(text.parse::<Notify>().ok().map(|notify| notify.to_string()).as_deref(), expected, "{text}");
        };
        check("NEVER", Some("NEVER"));
        check("failure", Some("FAILURE"));
        check("Delay,SUCCESS,failure", Some("SUCCESS,FAILURE,DELAY"));
        for wrong in ["", "NEVER,DELAY", "SUCCESS,", "ALWAYS", "SUCCESS FAILURE"] {
            check(wrong, None);
        }
    }

    #[test]
    fn original_recipients_are_read_and_written() {
        let check = |text: &str, expected: Option<(&str, &str, &str)>| {
            let found = text.parse::<OriginalRecipient>().ok();
            let found = found.map(|it| (it.kind().to_owned(), it.address().to_owned(), it.to_string()));
            let expected = expected.map(|(kind, address, wire)| (kind.into(), address.into(), wire.into()));
            assert_eq!(found, expected, "{text}");
        };
        check("rfc822;Bob@Example.COM", Some(("rfc822", "Bob@Example.COM", "rfc822;Bob@Example.COM")));
        check("RFC822;a+2Bb@x", Some(("rfc822", "a+b@x", "rfc822;a+2Bb@x")));
        check("x400;/C=3Da/", Some(("x400", "/C=3Da/", "x400;/C+3D3Da/")));
        check("utf-8;j\\x{F6}rg@x", Some(("utf-8", "jörg@x", "utf-8;j\\x{F6}rg@x")));
        check("utf-8;jörg@x", Some(("utf-8", "jörg@x", "utf-8;j\\x{F6}rg@x")));
        check("utf-8;\\x{1F4A9}\\x{5C}@x", Some(("utf-8", "💩\\@x", "utf-8;\\x{1F4A9}\\x{5C}@x")));
        for wrong in ["", "rfc822", "rfc822;", ";a@b", "rf c;a@b", "rfc822;a+0Db", "rfc822;jörg@x", "rfc822;a+b@x"] {
            check(wrong, None);
        }
        for wrong in ["utf-8;\\x{D800}@x", "utf-8;\\x{F}@x", "utf-8;\\x{00000F6}@x", "utf-8;\\y@x", "utf-8;\\x{0A}@x"] {
            check(wrong, None);
        }
    }
}
