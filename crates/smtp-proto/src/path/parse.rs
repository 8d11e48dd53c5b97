//! The grammar of paths. Every function takes text and gives what it read and the rest.
//!
//! Laxer than RFC 5321 §4.1.2 where real clients are: spaces before the path, a path without angle brackets,
//! dots anywhere in a local part (`a..b@`, `a.@`: Japanese phone addresses), `_` in a domain.

use super::{DOMAIN_OCTETS_MAX, Domain, ForwardPath, LABEL_OCTETS_MAX, Mailbox, PathError, ReversePath};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What was read and what follows.
pub(crate) type Parsed<'a, T> = Result<(T, &'a str), PathError>;

/// The path after `MAIL FROM:`; the rest is empty or begins with a space.
pub(crate) fn parse_reverse(text: &str) -> Parsed<'_, ReversePath> {
    let text = text.trim_start_matches(' ');
    if let Some(rest) = text.strip_prefix("<>") {
        return at_end_of_path(ReversePath::Null, rest);
    }
    let (mailbox, rest) = in_brackets(text, mailbox)?;
    at_end_of_path(ReversePath::Mailbox(mailbox), rest)
}

/// The path after `RCPT TO:`; the rest is empty or begins with a space.
pub(crate) fn parse_forward(text: &str) -> Parsed<'_, ForwardPath> {
    let text = text.trim_start_matches(' ');
    let (path, rest) = in_brackets(text, postmaster_or_mailbox)?;
    at_end_of_path(path, rest)
}

fn at_end_of_path<T>(path: T, rest: &str) -> Parsed<'_, T> {
    if rest.is_empty() || rest.starts_with(' ') { Ok((path, rest)) } else { Err(PathError::Brackets) }
}

fn in_brackets<T>(text: &str, inner: fn(&str) -> Parsed<'_, T>) -> Parsed<'_, T> {
    let Some(text) = text.strip_prefix('<') else {
        return inner(text);
    };
    let (value, rest) = inner(skip_source_route(text)?)?;
    Ok((value, rest.strip_prefix('>').ok_or(PathError::Brackets)?))
}

/// RFC 5321 §4.1.2, appendix C: `@one,@two:` is accepted and ignored.
fn skip_source_route(mut text: &str) -> Result<&str, PathError> {
    if !text.starts_with('@') {
        return Ok(text);
    }
    while let Some(hop) = text.strip_prefix('@') {
        let (_, rest) = domain(hop)?;
        if let Some(rest) = rest.strip_prefix(':') {
            return Ok(rest);
        }
        text = rest.strip_prefix(',').ok_or(PathError::Domain)?;
    }
    Err(PathError::Domain)
}

fn postmaster_or_mailbox(text: &str) -> Parsed<'_, ForwardPath> {
    let (local_part, rest) = local_part(text)?;
    if !rest.starts_with('@') && local_part.eq_ignore_ascii_case("postmaster") {
        return Ok((ForwardPath::Postmaster, rest));
    }
    let (mailbox, rest) = mailbox(text)?;
    Ok((ForwardPath::Mailbox(mailbox), rest))
}

/// `local@domain`.
pub(super) fn mailbox(text: &str) -> Parsed<'_, Mailbox> {
    let (local_part, rest) = local_part(text)?;
    let (domain, rest) = domain(rest.strip_prefix('@').ok_or(PathError::NoDomain)?)?;
    Ok((Mailbox::new(local_part, domain)?, rest))
}

fn local_part(text: &str) -> Parsed<'_, String> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted_string(quoted);
    }
    let (atoms, rest) = split_while(text, |c| is_atext(c) || c == '.');
    if atoms.is_empty() { Err(PathError::LocalPart) } else { Ok((atoms.to_owned(), rest)) }
}

/// After the opening quote. RFC 5321 §4.1.2: `qtextSMTP` and `quoted-pairSMTP`.
fn quoted_string(text: &str) -> Parsed<'_, String> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok((value, chars.as_str())),
            '\\' => value.push(chars.next().ok_or(PathError::LocalPart)?),
            _ => value.push(c),
        }
    }
    Err(PathError::LocalPart)
}

/// A domain name or an address literal.
pub(super) fn domain(text: &str) -> Parsed<'_, Domain> {
    if let Some(literal) = text.strip_prefix('[') {
        let (literal, rest) = literal.split_once(']').ok_or(PathError::AddressLiteral)?;
        return Ok((Domain::Address(address(literal).ok_or(PathError::AddressLiteral)?), rest));
    }
    let (name, rest) = split_while(text, |c| is_domain_character(c) || c == '.');
    let name: String = name.chars().flat_map(char::to_lowercase).collect();
    if name.split('.').any(str::is_empty) {
        return Err(PathError::Domain);
    }
    let label_too_long = |label: &str| label.is_ascii() && label.len() > LABEL_OCTETS_MAX;
    if name.len() > DOMAIN_OCTETS_MAX || name.split('.').any(label_too_long) {
        return Err(PathError::DomainTooLong);
    }
    Ok((Domain::Name(name), rest))
}

/// RFC 5321 §4.1.3.
fn address(literal: &str) -> Option<IpAddr> {
    match literal.split_at_checked(5) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => literal.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// Whether a local part can be written without quotes.
pub(super) fn is_dot_string(local_part: &str) -> bool {
    local_part.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// RFC 5322 §3.2.3, RFC 6531 §3.3.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_text_beyond_ascii(c)
}

fn is_domain_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || is_text_beyond_ascii(c)
}

fn is_text_beyond_ascii(c: char) -> bool {
    !c.is_ascii() && !c.is_control() && !c.is_whitespace()
}

fn split_while(text: &str, accept: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !accept(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_reverse(text: &str, expected: Result<&str, PathError>) {
        let found = parse_reverse(text).map(|(path, rest)| format!("{path}|{rest}"));
        assert_eq!(found, expected.map(str::to_owned), "{text}");
    }

    fn check_forward(text: &str, expected: Result<&str, PathError>) {
        let found = parse_forward(text).map(|(path, rest)| format!("{path}|{rest}"));
        assert_eq!(found, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn paths_that_are_accepted() {
        check_reverse("<>", Ok("<>|"));
        check_reverse(" <> SIZE=1", Ok("<>| SIZE=1"));
        check_reverse("<Alice@Example.COM>", Ok("<Alice@example.com>|"));
        check_reverse("  <a@b> BODY=7BIT", Ok("<a@b>| BODY=7BIT"));
        check_reverse("a@b SIZE=1", Ok("<a@b>| SIZE=1"));
        check_reverse("<@one,@two.example:a@b>", Ok("<a@b>|"));
        check_reverse("<@[IPv6:::1]:a@b>", Ok("<a@b>|"));
        check_reverse("<a+tag=x/y!#$%&'*-?^_`{|}~@b>", Ok("<a+tag=x/y!#$%&'*-?^_`{|}~@b>|"));
        check_reverse("<a..b.@docomo.ne.jp>", Ok("<\"a..b.\"@docomo.ne.jp>|"));
        check_reverse(r#"<"al\i\"ce >@x"@b>"#, Ok(r#"<"ali\"ce >@x"@b>|"#));
        check_reverse(r#"<"alice"@b>"#, Ok("<alice@b>|"));
        check_reverse(r#"<""@b>"#, Ok(r#"<""@b>|"#));
        check_reverse("<a@[192.0.2.1]>", Ok("<a@[192.0.2.1]>|"));
        check_reverse("<a@[ipv6:2001:DB8:0::1]>", Ok("<a@[IPv6:2001:db8::1]>|"));
        check_reverse("<дима@ПРИМЕР.рф>", Ok("<дима@пример.рф>|"));
        check_forward("<PostMaster>", Ok("<postmaster>|"));
        check_forward("<postmaster@Example.org> X", Ok("<postmaster@example.org>| X"));
        check_forward("postmaster", Ok("<postmaster>|"));
    }

    #[test]
    fn paths_that_are_refused() {
        check_reverse("", Err(PathError::LocalPart));
        check_reverse("<", Err(PathError::LocalPart));
        check_reverse("< >", Err(PathError::LocalPart));
        check_reverse("<a@b", Err(PathError::Brackets));
        check_reverse("<a@b>x", Err(PathError::Brackets));
        check_reverse("<>x", Err(PathError::Brackets));
        check_reverse("<a@b c>", Err(PathError::Brackets));
        check_reverse("a@b>", Err(PathError::Brackets));
        check_reverse("<a>", Err(PathError::NoDomain));
        check_reverse("<postmaster>", Err(PathError::NoDomain));
        check_reverse("<a@>", Err(PathError::Domain));
        check_reverse("<a@b..c>", Err(PathError::Domain));
        check_reverse("<a@b.>", Err(PathError::Domain));
        check_reverse("<@b>", Err(PathError::Domain));
        check_reverse("<@b,a@c>", Err(PathError::Domain));
        check_reverse("<a b@c>", Err(PathError::NoDomain));
        check_reverse("<\"a@c>", Err(PathError::LocalPart));
        check_reverse("<\"a\\", Err(PathError::LocalPart));
        check_reverse("<a@[b]>", Err(PathError::AddressLiteral));
        check_reverse("<a@[1.2.3.4>", Err(PathError::AddressLiteral));
        check_reverse("<a@[IPv6:1.2.3.4]>", Err(PathError::AddressLiteral));
        check_forward("<>", Err(PathError::LocalPart));
        check_forward("<alice>", Err(PathError::NoDomain));
    }

    #[test]
    fn lengths_are_held() {
        let local = |count: usize| format!("<{}@b>", "a".repeat(count));
        assert!(parse_reverse(&local(255)).is_ok());
        assert_eq!(parse_reverse(&local(256)), Err(PathError::LocalPartTooLong));
        let label = |count: usize| format!("<a@{}>", "b".repeat(count));
        assert!(parse_reverse(&label(63)).is_ok());
        assert_eq!(parse_reverse(&label(64)), Err(PathError::DomainTooLong));
        let domain = |count: usize| format!("<a@{}bbb>", "bbb.".repeat(count));
        assert!(parse_reverse(&domain(63)).is_ok());
        assert_eq!(parse_reverse(&domain(64)), Err(PathError::DomainTooLong));
    }

    #[test]
    fn equal_means_the_same_mailbox() {
        let mailbox = |text: &str| text.parse::<Mailbox>().unwrap();
        assert_eq!(mailbox("\"alice\"@EXAMPLE.org"), mailbox("alice@example.ORG"));
        assert_ne!(mailbox("Alice@b"), mailbox("alice@b"));
        assert!(mailbox("a@b").is_ascii() && !mailbox("ä@b").is_ascii() && !mailbox("a@ä").is_ascii());
        assert_eq!("a@b>".parse::<Mailbox>(), Err(PathError::Domain));
    }
}
