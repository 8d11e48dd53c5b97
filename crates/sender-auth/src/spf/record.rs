//! The text of a policy (RFC 7208 §4.6, §12).

use super::macros::{MacroString, Use};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<MacroString>,
    pub(super) explanation: Option<MacroString>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) qualifier: Qualifier,
    pub(super) mechanism: Mechanism,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// `None` for a name: the domain that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(MacroString),
    A(Option<MacroString>, Prefixes),
    Mx(Option<MacroString>, Prefixes),
    Ptr(Option<MacroString>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(MacroString),
}

/// Leading bits that must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub(super) ip4: u8,
    pub(super) ip6: u8,
}

/// The policy breaks the grammar, which makes all of it worthless (§4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError;

/// Whether a record is a policy at all (§4.5).
pub(super) fn is_policy(text: &[u8]) -> bool {
    let (version, rest) = text.split_at_checked(6).unwrap_or((text, &[]));
    version.eq_ignore_ascii_case(b"v=spf1") && matches!(rest, [] | [b' ', ..])
}

impl Policy {
    /// `text`: one for which [`is_policy`] holds.
    pub(super) fn parse(text: &[u8]) -> Result<Self, SyntaxError> {
        let text = str::from_utf8(text).ok().filter(|text| text.is_ascii()).ok_or(SyntaxError)?;
        let mut policy = Self::default();
        for term in text.get(6..).unwrap_or_default().split(' ').filter(|term| !term.is_empty()) {
            match modifier(term) {
                // §6: each of them at most once.
                Some(("redirect", value)) if policy.redirect.is_none() => {
                    policy.redirect = Some(MacroString::domain(value)?);
                }
                Some(("exp", value)) if policy.explanation.is_none() => {
                    policy.explanation = Some(MacroString::domain(value)?);
                }
                Some(("redirect" | "exp", _)) => return Err(SyntaxError),
                // §6: unknown ones are passed over, "no matter where, or how often".
                Some((_, value)) => _ = MacroString::parse(value, Use::Unknown)?,
                None => policy.directives.push(directive(term)?),
            }
        }
        Ok(policy)
    }
}

/// `name=value`, the name in lower case if it is known.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
    let known = ["redirect", "exp"].into_iter().find(|known| known.eq_ignore_ascii_case(name));
    is_name.then_some((known.unwrap_or("other"), value))
}

fn directive(term: &str) -> Result<Directive, SyntaxError> {
    let (qualifier, rest) = match term.as_bytes().first() {
        Some(b'+') => (Qualifier::Pass, &term[1..]),
        Some(b'-') => (Qualifier::Fail, &term[1..]),
        Some(b'~') => (Qualifier::SoftFail, &term[1..]),
        Some(b'?') => (Qualifier::Neutral, &term[1..]),
        _ => (Qualifier::Pass, term),
    };
    let name_end = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, value) = rest.split_at(name_end);
    let name = name.to_ascii_lowercase();
    let argument = value.strip_prefix(':');
    let mechanism = match (name.as_str(), argument) {
        ("all", None) if value.is_empty() => Mechanism::All,
        ("include", Some(domain)) => Mechanism::Include(MacroString::domain(domain)?),
        ("exists", Some(domain)) => Mechanism::Exists(MacroString::domain(domain)?),
        ("ptr", Some(domain)) => Mechanism::Ptr(Some(MacroString::domain(domain)?)),
        ("ptr", None) if value.is_empty() => Mechanism::Ptr(None),
        ("ip4", Some(network)) => {
            let (address, bits) = network_of(network, 32)?;
            Mechanism::Ip4(address.parse().map_err(|_| SyntaxError)?, bits)
        }
        ("ip6", Some(network)) => {
            let (address, bits) = network_of(network, 128)?;
            Mechanism::Ip6(address.parse().map_err(|_| SyntaxError)?, bits)
        }
        ("a" | "mx", argument) => {
            let (domain, prefixes) = split_prefixes(value);
            let prefixes = Prefixes::parse(prefixes)?;
            let domain = match argument {
                Some(_) => Some(MacroString::domain(&domain[1..])?),
                None if domain.is_empty() => None,
                None => return Err(SyntaxError),
            };
            if name == "a" { Mechanism::A(domain, prefixes) } else { Mechanism::Mx(domain, prefixes) }
        }
        _ => return Err(SyntaxError),
    };
    Ok(Directive { qualifier, mechanism })
}

/// A name, and the prefixes at its end; other slashes belong to the name (§7.1).
fn split_prefixes(text: &str) -> (&str, &str) {
    let without = |text: &str, slashes: &str| {
        let rest = text.trim_end_matches(|c: char| c.is_ascii_digit());
        rest.strip_suffix(slashes).map(str::len)
    };
    let at = match without(text, "//") {
        Some(at) => text.get(..at).and_then(|before| without(before, "/")).unwrap_or(at),
        None => without(text, "/").unwrap_or(text.len()),
    };
    text.split_at(at)
}

fn network_of(text: &str, bits_max: u8) -> Result<(&str, u8), SyntaxError> {
    match text.split_once('/') {
        None => Ok((text, bits_max)),
        Some((address, bits)) => Ok((address, prefix(bits, bits_max)?)),
    }
}

impl Prefixes {
    /// `/24`, `//64` or `/24//64`.
    fn parse(text: &str) -> Result<Self, SyntaxError> {
        let (ip4, ip6) = match text.split_once("//") {
            Some((ip4, ip6)) => (ip4, Some(ip6)),
            None => (text, None),
        };
        let ip4 = match ip4.strip_prefix('/') {
            Some(bits) => prefix(bits, 32)?,
            None if ip4.is_empty() => 32,
            None => return Err(SyntaxError),
        };
        Ok(Self { ip4, ip6: ip6.map_or(Ok(128), |bits| prefix(bits, 128))? })
    }
}

fn prefix(text: &str, bits_max: u8) -> Result<u8, SyntaxError> {
    let is_number = text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|bits| is_number && *bits <= bits_max).ok_or(SyntaxError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_policies() {
        let parse = |text: &str| Policy::parse(text.as_bytes());
        let good = [
            "v=spf1",
            "v=spf1 ",
            "V=SPF1 a mx:example.org/24//64 -ALL",
            "v=spf1 a:%{d/}.example/8 a:foo:bar/baz.example//64",
            "v=spf1 ip4:192.0.2.0/0",
            "v=spf1 ip6:::1/128 ip6:2001:db8::/32 ?all",
            "v=spf1 exists:%{ir}.sbl.example.org moo.cow-far_out=man:dog/cat",
            "v=spf1 redirect=a.example exp=b.example",
            "v=spf1 ptr ptr:example.org ~all",
        ];
        for text in good {
            assert!(parse(text).is_ok(), "{text}");
        }
        let bad = [
            "v=spf1 all.",
            "v=spf1 all:x.y",
            "v=spf1 a:",
            "v=spf1 a/33",
            "v=spf1 a/024",
            "v=spf1 a//129",
            "v=spf1 ip4:1.2.3",
            "v=spf1 ip4:1.2.3.4:80",
            "v=spf1 ip4:",
            "v=spf1 include",
            "v=spf1 include:localhost",
            "v=spf1 a:example.123",
            "v=spf1 redirect=a.example redirect=a.example",
            "v=spf1 --all",
            "v=spf1 nothing",
            "v=spf1 a:ex%ample.org",
            "v=spf1 exists:%{x}.example.org",
            "v=spf1 exists:%{d0}.example.org",
            "v=spf1 \u{e4}=x",
            "v=spf1 a\t-all",
        ];
        for text in bad {
            assert_eq!(parse(text), Err(SyntaxError), "{text}");
        }
    }

    #[test]
    fn what_is_a_policy() {
        for (text, expected) in
            [("v=spf1", true), ("V=spf1 a", true), ("v=spf10", false), ("v=spf", false), ("x v=spf1", false)]
        {
            assert_eq!(is_policy(text.as_bytes()), expected, "{text}");
        }
    }
}
