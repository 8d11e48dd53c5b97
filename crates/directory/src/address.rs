//! Addresses and domains in the one form in which they are compared and stored.
//!
//! A domain is kept as lower-case A-labels (IDNA, UTS 46), a local part in lower case: every character by its own Unicode
//! lower-case mapping, without regard to language or context. Local parts are not normalised otherwise: who sends
//! `é` as two characters does not reach `é` as one (RFC 6532 §3.1 asks senders for NFC, and they do).
//! Deviates from RFC 5321 §2.4: local parts of our own domains do not distinguish case, as people expect.

use wording::tr;

/// A local part is at most this long (RFC 5321 §4.5.3.1.1).
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// A domain is at most this long as A-labels (RFC 1035 §2.3.4, without the final dot).
pub const DOMAIN_BYTES_MAX: usize = 253;
/// A user name at login is at most this long. What is longer is wrong, unseen.
pub(crate) const USER_BYTES_MAX: usize = 1024;
/// A label of a domain is at most this long (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Between the local part and the detail of a subaddress (RFC 5233 §1).
pub(crate) const DETAIL_SEPARATOR: char = '+';

/// The local part as it is compared.
#[must_use]
pub fn fold(local_part: &str) -> String {
    if local_part.is_ascii() {
        return local_part.to_ascii_lowercase();
    }
    local_part.chars().flat_map(char::to_lowercase).collect()
}

/// The domain as it is compared and stored: A-labels in lower case. `None` when it is none (an address literal, too).
#[must_use]
pub fn normalise_domain(domain: &str) -> Option<String> {
    // Ends the work on names that no mapping makes short enough.
    if domain.len() > 4 * DOMAIN_BYTES_MAX {
        return None;
    }
    let ascii = idna::domain_to_ascii(domain).ok()?;
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.len() <= DOMAIN_BYTES_MAX && name.split('.').all(is_label)).then(|| name.to_owned())
}

/// Whether it is a domain, in A-labels or U-labels.
#[must_use]
pub fn is_domain(text: &str) -> bool {
    normalise_domain(text).is_some()
}

/// The domain as people read it: U-labels where they exist.
pub(crate) fn shown_domain(domain: &str) -> String {
    match idna::domain_to_unicode(domain) {
        (shown, Ok(())) => shown,
        (_, Err(_)) => domain.to_owned(),
    }
}

/// The normalised address of two normalised parts.
pub(crate) fn join(local_part: &str, domain: &str) -> String {
    format!("{local_part}@{domain}")
}

/// The part after the last `@`; all of it when there is none.
pub(crate) fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

/// `alice+x` is `alice` and `x`, split at the first `+`. Nothing is split off that leaves no name.
pub(crate) fn split_detail(local_part: &str) -> Option<(&str, &str)> {
    local_part.split_once(DETAIL_SEPARATOR).filter(|(name, _)| !name.is_empty())
}

/// An address that an operator gives for an account or an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Folded; empty for a catch-all.
    pub local_part: String,
    /// Normalised.
    pub domain: String,
}

impl Address {
    /// Reads `alice@example.org`, or `@example.org` as the catch-all of a domain.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (local_part, domain) = text
            .trim()
            .rsplit_once('@')
            .ok_or_else(|| tr!("“{text}” is not an address; write it as name@example.org", text = text))?;
        let domain = normalise_domain(domain).ok_or_else(|| {
            tr!("“{domain}” in “{text}” is not a domain; write it as name@example.org", domain = domain, text = text)
        })?;
        let local_part = fold(local_part);
        if local_part.len() > LOCAL_PART_BYTES_MAX {
            return Err(tr!(
                "the name before @ in “{text}” has more than {most} bytes; shorten it",
                text = text,
                most = LOCAL_PART_BYTES_MAX
            ));
        }
        if !local_part.is_empty() && !is_dot_string(&local_part) {
            return Err(tr!(
                "“{text}” cannot be an address here: before the @ stand letters, digits and !#$%&'*+-/=?^_`{{|}}~, with \
                 single dots between them",
                text = text
            ));
        }
        Ok(Self { local_part, domain })
    }

    /// As it is stored.
    #[must_use]
    pub fn text(&self) -> String {
        join(&self.local_part, &self.domain)
    }
}

/// RFC 5321 §4.1.2 Dot-string, RFC 6531 §3.3 beyond ASCII.
fn is_dot_string(local_part: &str) -> bool {
    let is_atext = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        c if c.is_ascii() => "!#$%&'*+-/=?^_`{|}~".contains(c),
        c => !c.is_control() && !c.is_whitespace(),
    };
    local_part.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn domains_have_one_form() {
        fn check(input: &str, expected: Option<&str>) {
            assert_eq!(normalise_domain(input).as_deref(), expected, "{input:?}");
        }
        check("example.org", Some("example.org"));
        check("Example.ORG", Some("example.org"));
        check("example.org.", Some("example.org"));
        check("localhost", Some("localhost"));
        check("bücher.example", Some("xn--bcher-kva.example"));
        check("BÜCHER.example", Some("xn--bcher-kva.example"));
        check("xn--bcher-kva.example", Some("xn--bcher-kva.example"));
        check("XN--BCHER-KVA.Example", Some("xn--bcher-kva.example"));
        check("bücher。example", Some("xn--bcher-kva.example"));
        check("", None);
        check(".", None);
        check("a..b", None);
        check(".a", None);
        check("-a.b", None);
        check("a-.b", None);
        check("a_b.example", None);
        check("[127.0.0.1]", None);
        check("a b", None);
        check("a@b", None);
        check(&"a".repeat(63), Some(&"a".repeat(63)));
        check(&"a".repeat(64), None);
        let long = format!("{}.{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
        assert_eq!(long.len(), DOMAIN_BYTES_MAX);
        check(&long, Some(&long));
        check(&format!("{long}d"), None);
        assert_eq!(shown_domain("xn--bcher-kva.example"), "bücher.example");
    }

    #[test]
    fn local_parts_are_folded_character_by_character() {
        for (input, expected) in [
            ("Alice", "alice"),
            ("ÄÖÜ", "äöü"),
            ("ΣΑΣ", "σασ"),
            ("straße", "straße"),
            ("İ", "i\u{307}"),
            ("日本", "日本"),
        ] {
            assert_eq!(fold(input), expected);
        }
    }

    #[test]
    fn an_operators_addresses() {
        fn check(input: &str, expected: Option<&str>) {
            assert_eq!(Address::parse(input).ok().map(|a| a.text()).as_deref(), expected, "{input:?}");
        }
        check("Alice@Example.org", Some("alice@example.org"));
        check(" alice@example.org\n", Some("alice@example.org"));
        check("@example.org", Some("@example.org"));
        check("a.b+c@example.org", Some("a.b+c@example.org"));
        check("用户@例え.jp", Some("用户@xn--r8jz45g.jp"));
        for bad in ["alice", "alice@", "a..b@example.org", ".a@example.org", "a b@example.org", "a\"b@example.org"] {
            check(bad, None);
        }
        check("a@b@example.org", None);
        check("a\0@example.org", None);
        check(&format!("{}@b.org", "a".repeat(64)), Some(&format!("{}@b.org", "a".repeat(64))));
        check(&format!("{}@b.org", "a".repeat(65)), None);
        // Folding makes İ longer: what counts is what is stored.
        check(&format!("{}@b.org", "İ".repeat(22)), None);
    }

    #[test]
    fn details_are_split_at_the_first_plus() {
        assert_eq!(split_detail("alice+x+y"), Some(("alice", "x+y")));
        assert_eq!(split_detail("alice+"), Some(("alice", "")));
        assert_eq!(split_detail("+x"), None);
        assert_eq!(split_detail("alice"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn normal_forms_are_normal(text: String) {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
            if let Some(domain) = normalise_domain(&text) {
                prop_assert_eq!(normalise_domain(&domain), Some(domain));
            }
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(&address.text()), Ok(address));
            }
        }
    }
}
