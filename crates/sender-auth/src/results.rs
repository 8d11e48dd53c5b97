//! `Authentication-Results` (RFC 8601).

use crate::{DkimResult, Findings, HeloName, Introduction, IprevResult, Spf};
use message::header;
use std::fmt::Write;

/// The field, with its line end, that says what was found out. `name`: this server's. `verdict`: what followed from it, in words.
#[must_use]
pub fn field(name: &str, findings: &Findings, verdict: Option<&str>) -> Vec<u8> {
    let mut text = format!("Authentication-Results: {}", value(name));
    let Findings { introduction, dkim, arc, dmarc } = findings;
    let Introduction { address, iprev, listed, helo_name, helo, mail_from, is_unused: _ } = introduction;
    write_iprev(&mut text, iprev, &address.to_string(), *helo_name);
    if let Some(list) = &listed.allowed_by {
        // RFC 8904 §2.
        write_result(&mut text, "dnswl", "pass", None);
        push(&mut text, &format!(" dns.zone={}", value(list)));
    }
    write_spf(&mut text, mail_from, "smtp.mailfrom");
    if helo.domain != mail_from.domain {
        write_spf(&mut text, helo, "smtp.helo");
    }
    for signature in dkim {
        let reason = signature.reason.as_deref();
        write_result(&mut text, "dkim", signature.result.name(), reason);
        for (property, what) in [("d", &signature.domain), ("s", &signature.selector), ("b", &signature.start)] {
            if !what.is_empty() {
                push(&mut text, &format!(" header.{property}={}", value(what)));
            }
        }
    }
    if dkim.is_empty() {
        write_result(&mut text, "dkim", DkimResult::None.name(), None);
    }
    if arc.result != DkimResult::None {
        write_result(&mut text, "arc", arc.result.name(), arc.reason.as_deref());
        push(&mut text, &format!(" (i={} sealed by {})", arc.sets, comment(&arc.sealer)));
    }
    write_result(&mut text, "dmarc", dmarc.result.name(), verdict);
    if !dmarc.domain.is_empty() {
        push(&mut text, &format!(" header.from={} policy.dmarc={}", value(&dmarc.domain), dmarc.policy.name()));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// The same as one line, without the name of the field: what a seal says (RFC 8617 §4.1.1).
#[must_use]
pub fn line(name: &str, findings: &Findings) -> String {
    let field = String::from_utf8_lossy(&field(name, findings, None)).into_owned();
    let value = field.split_once(": ").map(|(_, value)| value).unwrap_or_default();
    value.trim_end().replace(";\r\n\t", "; ")
}

/// RFC 8601 §2.3: what a host calls itself is not authenticated, and stands there as a matter of our policy.
const HELO_PROPERTY: &str = "policy.helo";
const NO_NAME: &str = "no-name";
const OUR_NAME: &str = "our-name";

fn write_iprev(text: &mut String, iprev: &crate::Iprev, address: &str, helo_name: HeloName) {
    write_result(text, "iprev", iprev.result.name(), None);
    push(text, &format!(" policy.iprev={}", value(address)));
    match helo_name {
        HeloName::Sound => {}
        HeloName::NoName => push(text, &format!(" {HELO_PROPERTY}={NO_NAME}")),
        HeloName::Ours => push(text, &format!(" {HELO_PROPERTY}={OUR_NAME}")),
    }
    if let Some(name) = &iprev.name {
        push(text, &format!(" ({})", comment(name)));
    }
}

fn write_spf(text: &mut String, spf: &Spf, property: &str) {
    write_result(text, "spf", spf.result.name(), None);
    if !spf.domain.is_empty() {
        push(text, &format!(" {property}={}", value(&spf.domain)));
    }
}

fn write_result(text: &mut String, method: &str, result: &str, reason: Option<&str>) {
    push(text, &format!(";\r\n\t{method}={result}"));
    if let Some(reason) = reason {
        push(text, &format!(" reason=\"{}\"", quoted(reason)));
    }
}

fn push(text: &mut String, what: &str) {
    // A string takes all that is written to it.
    let _written = text.write_str(what);
}

/// RFC 8601 §2.2, `value`: a token (RFC 2045 §5.1), or a quoted string.
fn value(text: &str) -> String {
    let is_token = |octet: u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&octet);
    match !text.is_empty() && text.bytes().all(is_token) {
        true => text.to_owned(),
        false => format!("\"{}\"", quoted(text)),
    }
}

/// What may stand between quotes as it is.
fn quoted(text: &str) -> String {
    text.chars().filter(|c| (c.is_ascii_graphic() || *c == ' ') && !"\"\\".contains(*c)).collect()
}

/// What may stand in a comment as it is.
fn comment(text: &str) -> String {
    quoted(text).chars().filter(|c| !"()".contains(*c)).collect()
}

/// One method of a field, as [`field`] writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Method {
    /// `spf`, `dkim`, `dmarc`, …
    pub name: String,
    /// `pass`, `fail`, …
    pub result: String,
    /// `reason`, and properties such as `header.d`, with their values.
    pub properties: Vec<(String, String)>,
    /// The comment; empty if there is none.
    pub comment: String,
}

impl Method {
    /// The value of a property; empty if it has none of that name.
    #[must_use]
    pub fn property(&self, name: &str) -> &str {
        self.properties.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// The methods of a field of ours: its value on one line, without white space around it. What others wrote may be read wrong.
#[must_use]
pub fn read(value: &str) -> Vec<Method> {
    let mut methods: Vec<Method> = Vec::new();
    let (mut rest, mut is_first) = (value.split_once(';').map_or("", |(_, rest)| rest), true);
    while let Some(next) = rest.chars().next() {
        if next == ';' || next.is_ascii_whitespace() {
            is_first |= next == ';';
            rest = rest.get(1..).unwrap_or_default();
        } else if let Some(inner) = rest.strip_prefix('(') {
            let (comment, after) = inner.split_once(')').unwrap_or((inner, ""));
            rest = after;
            if let Some(method) = methods.last_mut() {
                method.comment = comment.to_owned();
            }
        } else {
            let end = rest.find(|c: char| "=;(".contains(c) || c.is_ascii_whitespace()).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let (value, after) = after.strip_prefix('=').map_or((String::new(), after), read_value);
            // A character that fits nowhere ends nothing.
            rest = if after.len() < rest.len() { after } else { after.get(next.len_utf8()..).unwrap_or_default() };
            match methods.last_mut().filter(|_| !is_first) {
                None => methods.push(Method { name: name.to_owned(), result: value, ..Method::default() }),
                Some(method) => method.properties.push((name.to_owned(), value)),
            }
            is_first = false;
        }
    }
    methods
}

/// A value (see [`value`]), and what comes after it.
fn read_value(text: &str) -> (String, &str) {
    match text.strip_prefix('"') {
        Some(inner) => {
            let (value, after) = inner.split_once('"').unwrap_or((inner, ""));
            (value.to_owned(), after)
        }
        None => {
            let end = text.find(|c: char| ";(".contains(c) || c.is_ascii_whitespace()).unwrap_or(text.len());
            let (value, after) = text.split_at(end);
            (value.to_owned(), after)
        }
    }
}

/// Whether a field of a message that comes is one that somebody else wrote in our name.
///
/// RFC 8601 §5: "any such header field bearing an authserv-id of this ADMD's border MTAs … MUST be removed".
#[must_use]
pub fn is_forged(field: &header::Field<'_>, name: &str) -> bool {
    field.is("Authentication-Results") && is_by(&String::from_utf8_lossy(&field.unfolded()), name)
}

/// A signature that held when a message came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub domain: String,
    /// How it begins (`header.b`, RFC 6008): so it is told from others.
    pub start: String,
}

/// The signatures that held when a message came; as the topmost field in our name says.
#[must_use]
pub fn held(content: &[u8], name: &str) -> Vec<Held> {
    let methods = topmost(content, name).map(|value| read(&value)).unwrap_or_default();
    let holds = |method: &&Method| method.name == "dkim" && method.result == DkimResult::Pass.name();
    let signature = |method: &Method| Held {
        domain: method.property("header.d").to_owned(),
        start: method.property("header.b").to_owned(),
    };
    methods.iter().filter(holds).map(signature).collect()
}

/// What was found of the host that brought a message: whether its address has a name, and what it called itself; as the topmost
/// field in our name says, if it says so.
#[must_use]
pub fn host(content: &[u8], name: &str) -> Option<(bool, HeloName)> {
    let methods = read(&topmost(content, name)?);
    let iprev = methods.iter().find(|method| method.name == "iprev")?;
    let is_nameless = [IprevResult::Fail, IprevResult::PermError].iter().any(|result| iprev.result == result.name());
    let helo_name = match iprev.property(HELO_PROPERTY) {
        NO_NAME => HeloName::NoName,
        OUR_NAME => HeloName::Ours,
        _ => HeloName::Sound,
    };
    Some((!is_nameless, helo_name))
}

/// Whether the domain in From vouched for a message (DMARC), as the topmost field in our name says; `None` if it says neither, or
/// there is none. Fields that others wrote in our name are to be gone.
#[must_use]
pub fn vouched(content: &[u8], name: &str) -> Option<bool> {
    let value = topmost(content, name)?;
    // What a stranger could choose stands in quotes or in a comment, where a semicolon ends nothing.
    let (mut is_quoted, mut depth) = (false, 0_usize);
    let mut results = value.split(|c| {
        match c {
            '"' if depth == 0 => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ';' && !is_quoted && depth == 0
    });
    let result = results.find_map(|result| result.trim().strip_prefix("dmarc="))?;
    match result.split(|c: char| !c.is_ascii_alphanumeric()).next()? {
        "pass" => Some(true),
        "fail" => Some(false),
        _ => None,
    }
}

/// The domain of the envelope's sender whose hosts brought a message (SPF), as the topmost field in our name says.
#[must_use]
pub fn brought_for(content: &[u8], name: &str) -> Option<String> {
    let methods = read(topmost(content, name)?.trim());
    let of_sender = |method: &&Method| method.name == "spf" && !method.property("smtp.mailfrom").is_empty();
    let spf = methods.iter().find(of_sender).filter(|spf| spf.result == "pass")?;
    spf.property("smtp.mailfrom").rsplit('@').next().map(str::to_owned)
}

/// The value of the topmost field in a name.
fn topmost(content: &[u8], name: &str) -> Option<String> {
    let value = |field: header::Field<'_>| String::from_utf8_lossy(&field.unfolded()).into_owned();
    header::find_all(content, "Authentication-Results").map(value).find(|value| is_by(value, name))
}

/// Whether a field's value begins with a name. What cannot be read counts if the name is in it.
fn is_by(value: &str, name: &str) -> bool {
    let Some(rest) = after_comments(value) else {
        return value.to_ascii_lowercase().contains(&name.to_ascii_lowercase());
    };
    let id = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default(),
        None => rest.split(|c: char| c.is_ascii_whitespace() || ";(".contains(c)).next().unwrap_or_default(),
    };
    let id: String = id.chars().filter(|c| *c != '\\').collect();
    id.trim().trim_end_matches('.').eq_ignore_ascii_case(name)
}

/// What comes after white space and comments (RFC 5322 §3.2.2); `None` if a comment has no end.
fn after_comments(text: &str) -> Option<&str> {
    let (mut depth, mut is_escaped) = (0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if depth > 0 => is_escaped = true,
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth > 0 || c.is_ascii_whitespace() => {}
            _ => return text.get(at..),
        }
    }
    (depth == 0).then_some("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let value = "mail.example.org; iprev=pass policy.iprev=192.0.2.1 (mail.example.com); spf=none; \
                     dkim=fail reason=\"it; is (broken)\" header.d=example.com header.b=\"a/b=\"; dmarc=pass";
        let methods = read(value);
        let names: Vec<_> = methods.iter().map(|method| format!("{}={}", method.name, method.result)).collect();
        assert_eq!(names, ["iprev=pass", "spf=none", "dkim=fail", "dmarc=pass"]);
        assert_eq!(
            (methods[0].property("policy.iprev"), methods[0].comment.as_str()),
            ("192.0.2.1", "mail.example.com")
        );
        let dkim = ["reason", "header.d", "header.b", "header.s"].map(|name| methods[2].property(name));
        assert_eq!(dkim, ["it; is (broken)", "example.com", "a/b=", ""]);
        for odd in ["", ";", "x; =", "x; (", "x; \"", "x; a=\"", "x; ü=(;", "x; a b = c"] {
            let _ends = read(odd);
        }
    }

    #[test]
    fn what_a_stranger_wrote_into_a_reason_vouches_for_nothing() {
        let of =
            |value: &str| vouched(format!("Authentication-Results: {value}\r\n\r\n").as_bytes(), "mail.example.org");
        assert_eq!(of("mail.example.org; spf=none; dmarc=pass header.from=a.example"), Some(true));
        assert_eq!(of("mail.example.org;\r\n\tdmarc=fail reason=\"x; dmarc=pass\""), Some(false));
        assert_eq!(of("mail.example.org; dkim=fail reason=\"; dmarc=pass\"; dmarc=fail"), Some(false));
        assert_eq!(of("mail.example.org; iprev=pass (a; dmarc=pass); dmarc=fail"), Some(false));
        for nothing in ["mail.example.org; dmarc=none", "other.example; dmarc=pass", "mail.example.org; none"] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
        assert_eq!(vouched(b"\r\nAuthentication-Results: mail.example.org; dmarc=pass\r\n", "mail.example.org"), None);
    }

    #[test]
    fn what_others_wrote_in_our_name_goes() {
        let check = |fields: &str, expected: Option<&str>| {
            let content =
                format!("{fields}Subject: x\r\n\r\nAuthentication-Results: mail.example.org; in the text\r\n");
            let kept = header::without(content.as_bytes(), |field| is_forged(field, "mail.example.org"))
                .map(|kept| String::from_utf8(kept).unwrap());
            let rest = "Subject: x\r\n\r\nAuthentication-Results: mail.example.org; in the text\r\n";
            assert_eq!(kept, expected.map(|fields| format!("{fields}{rest}")), "{fields}");
        };
        check("", None);
        check("Authentication-Results: other.example; dmarc=pass\r\n", None);
        check("Authentication-Results: mail.example.org.other.example; dmarc=pass\r\n", None);
        for forged in [
            "Authentication-Results: mail.example.org; dmarc=pass\r\n",
            "authentication-results:MAIL.example.ORG;dmarc=pass\r\n",
            "Authentication-Results: (a \\) (b)) mail.example.org 1; dmarc=pass\r\n",
            "Authentication-Results:\r\n\t\"mail.example.org\"\r\n\t; dmarc=pass\r\n",
            "Authentication-Results: mail.example.org(comment); none\r\n",
            "Authentication-Results: (never ends mail.example.org; dmarc=pass\r\n",
            "Authentication-Results : mail.example.org; dmarc=pass\r\n",
        ] {
            check(forged, Some(""));
        }
        let other = "Authentication-Results: other.example; none\r\n";
        let ours = "Authentication-Results: mail.example.org; none\r\n";
        check(&[ours, other, ours].concat(), Some(other));
    }
}
