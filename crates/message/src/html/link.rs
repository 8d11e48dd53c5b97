//! Where a link leads, and whether what stands in it says so.

use icu_normalizer::ComposingNormalizerBorrowed;
use std::net::Ipv4Addr;
use url::Url;

/// A link is at most so long, in octets, or leads nowhere.
const LINK_BYTES_MAX: usize = 4096;
/// The name of a host is at most so long, in octets: to write a longer one in ASCII takes the square of its length.
const HOST_BYTES_MAX: usize = 255;
/// The text of a link is looked at up to so many octets; one that has more is not trusted.
const TEXT_BYTES_MAX: usize = 1024;

/// A link to somewhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Where it leads, in ASCII: a name beyond that looks like another one.
    pub(super) target: String,
    leads: Leads,
    /// What stands in it, as far as it is looked at.
    text: String,
    /// There are elements in it, which can hide what is in them.
    is_unsure: bool,
    /// It is too long, or there is something in it that is not known here.
    is_unclear: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Leads {
    /// To a host.
    Host(String),
    /// To a letter to an address.
    Letter(String),
    /// To a telephone.
    Telephone,
}

/// What a text says of where it leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Nothing,
    It,
    SomethingElse,
}

impl Link {
    /// Where `value` leads: to another site, to a letter, or to a telephone; all else leads nowhere.
    pub(super) fn to(value: &str) -> Option<Self> {
        if value.len() > LINK_BYTES_MAX {
            return None;
        }
        // As a browser reads it (URL Living Standard §4.4), so that no host is longer than it looks.
        let value: String = value.chars().filter(|c| !matches!(c, '\t' | '\r' | '\n')).collect();
        let value = value.trim_matches(|c: char| c <= ' ');
        let value = match value.strip_prefix("//") {
            Some(rest) => format!("https://{rest}"),
            None => value.to_owned(),
        };
        if authority(&value).len() > HOST_BYTES_MAX {
            return None;
        }
        let mut url = Url::parse(&value).ok()?;
        let leads = match url.scheme() {
            "http" | "https" => {
                // `https://bank.example@evil.example` leads to the latter.
                url.set_username("").ok()?;
                url.set_password(None).ok()?;
                Leads::Host(url.host_str()?.to_owned())
            }
            "mailto" => {
                // What it attaches, and whom it copies unseen, is its sender's wish alone.
                let is_kept = |field: &&str| {
                    let name = field.split('=').next().unwrap_or_default().to_ascii_lowercase();
                    ["subject", "body", "cc"].contains(&name.as_str())
                };
                let fields = url.query().map(|query| query.split('&').filter(is_kept).collect::<Vec<_>>().join("&"));
                url.set_query(fields.as_deref().filter(|fields| !fields.is_empty()));
                url.set_fragment(None);
                Leads::Letter(url.path().to_ascii_lowercase())
            }
            "tel" => {
                return Some(Self::of(format!("tel:{}", number(&url)?), Leads::Telephone));
            }
            _ => return None,
        };
        Some(Self::of(url.into(), leads))
    }

    fn of(target: String, leads: Leads) -> Self {
        Self { target, leads, text: String::new(), is_unsure: false, is_unclear: false }
    }

    /// What stands in it.
    pub(super) fn read(&mut self, text: &str) {
        for character in text.chars().filter(|c| !is_ignorable(*c)) {
            let character = if character.is_whitespace() { ' ' } else { character };
            if character == ' ' && (self.text.is_empty() || self.text.ends_with(' ')) {
                continue;
            }
            if self.text.len() + character.len_utf8() > TEXT_BYTES_MAX {
                self.is_unclear = true;
                return;
            }
            self.text.push(character);
        }
    }

    /// An element begins in it.
    pub(super) fn has_element(&mut self) {
        self.is_unsure = true;
    }

    /// There is a character in it that is not known here.
    pub(super) fn has_unknown(&mut self) {
        self.is_unclear = true;
    }

    /// What it leads to, where its text is the name of something else, or may be.
    pub(super) fn elsewhere(&self) -> Option<&str> {
        let it = match &self.leads {
            Leads::Host(host) => host.as_str(),
            Leads::Letter(address) => address.as_str(),
            Leads::Telephone => return None,
        };
        let text = ComposingNormalizerBorrowed::new_nfkc().normalize(&self.text);
        let text: String = text.replace('\u{3002}', ".").to_lowercase().chars().filter(|c| !is_ignorable(*c)).collect();
        // What hides a part of it may hide what stands within a name, or behind one.
        let dots = text.match_indices('.').filter_map(|(at, _)| text.get(at + 1..)?.trim_start().chars().next());
        let is_told = self.is_unclear
            || self.is_unsure && dots.into_iter().any(char::is_alphabetic)
            || text.split_whitespace().map(|word| says(it, word)).any(|said| match said {
                Says::Nothing => false,
                // The rest of it, or of what it names, may not be seen.
                Says::It => self.is_unsure,
                Says::SomethingElse => true,
            });
        is_told.then_some(it)
    }
}

/// What a word says of where it leads.
fn says(it: &str, word: &str) -> Says {
    let (mut rest, mut said) = (word, Says::Nothing);
    while let Some(at) = rest.find(is_of_name) {
        let from = rest.get(at..).unwrap_or_default();
        let (name, after) = from.split_at(from.find(|c| !is_of_name(c)).unwrap_or(from.len()));
        let name = name.trim_matches(|c: char| !c.is_alphanumeric());
        if name.contains('@') || is_host(name) {
            if !is_same(it, name) {
                return Says::SomethingElse;
            }
            said = Says::It;
            if after.starts_with(['/', '?', '#', ':']) {
                // Its path.
                return said;
            }
        }
        rest = after;
    }
    if said == Says::Nothing && word.contains("://") { Says::SomethingElse } else { said }
}

fn is_same(it: &str, name: &str) -> bool {
    let (address, host) = it.rsplit_once('@').map_or((None, it), |(_, host)| (Some(it), host));
    if address.is_some() && name.contains('@') {
        return address == Some(name);
    }
    let name = name.rsplit('@').next().unwrap_or_default();
    let (name, host) = (name.trim_start_matches("www."), host.trim_start_matches("www."));
    host == name || host.strip_suffix(name).is_some_and(|front| front.ends_with('.'))
}

/// Whether it looks like the name or the number of a host.
fn is_host(name: &str) -> bool {
    let Some((labels, top)) = name.rsplit_once('.') else { return false };
    let is_name = top.chars().nth(1).is_some() && top.chars().any(char::is_alphabetic);
    !labels.is_empty() && !labels.ends_with('.') && is_name || name.parse::<Ipv4Addr>().is_ok()
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | '-' | '_' | '@') || !character.is_ascii()
}

/// What is not seen (`Default_Ignorable_Code_Point`, and what turns text around).
fn is_ignorable(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
        || character.is_control() && !character.is_whitespace()
}

/// The digits of a telephone's number; what else there is may do something in a telephone.
fn number(url: &Url) -> Option<String> {
    if url.query().is_some() || url.fragment().is_some() {
        return None;
    }
    let number: String =
        url.path().replace("%20", "").chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | '/' | ' ')).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    (!digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit())).then_some(number)
}

/// What a browser may take for a host and what stands before it.
fn authority(value: &str) -> &str {
    let (scheme, after) = value.split_once(':').unwrap_or(("", value));
    if scheme.trim().eq_ignore_ascii_case("mailto") {
        return "";
    }
    let after = after.trim_start_matches(['/', '\\']);
    after.split(['/', '\\', '?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_sites_letters_and_telephones_only() {
        let check = |value: &str, expected: Option<&str>| {
            assert_eq!(Link::to(value).map(|link| link.target).as_deref(), expected, "{value:?}");
        };
        check("https://shop.example/a?b=c#d", Some("https://shop.example/a?b=c#d"));
        check(" \u{1}HTTP://Shop.Example", Some("http://shop.example/"));
        check("//shop.example/x", Some("https://shop.example/x"));
        check("mailto:a@b.example?subject=x", Some("mailto:a@b.example?subject=x"));
        check("tel:+1-2 (3)", Some("tel:+123"));
        check("tel:*21*5%23", None);
        check("tel:1#2", None);
        check("tel:", None);
        check(
            "mailto:a@b.example?attach=/etc/passwd&SUBJECT=x%20y&bcc=c@d.example&body=z#f",
            Some("mailto:a@b.example?SUBJECT=x%20y&body=z"),
        );
        check("mailto:a@b.example?bcc=c@d.example", Some("mailto:a@b.example"));
        check("https://bank.example@evil.example/", Some("https://evil.example/"));
        check("https://b\u{430}nk.example/\u{202e}", Some("https://xn--bnk-6cd.example/%E2%80%AE"));
        check("https://x.example/\"><script>", Some("https://x.example/%22%3E%3Cscript%3E"));
        for nowhere in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            " javascript:alert(1)",
            "java\tscript:alert(1)",
            "java\nscript:alert(1)",
            "\u{1}javascript:alert(1)",
            "\u{0}javascript:alert(1)",
            "javascript\u{0}:alert(1)",
            "javascript&colon;alert(1)",
            "data:text/html,<script>",
            "vbscript:x",
            "blob:https://x.example/1",
            "file:///etc/passwd",
            "filesystem:x",
            "about:blank",
            "view-source:https://x.example",
            "intent://x#Intent;end",
            "ms-word:x",
            "cid:x",
            "/logout",
            "logout",
            "#x",
            "",
            "https://",
            "https:///",
        ] {
            check(nowhere, None);
        }
        let long = |length: usize| format!("https://x.example/{}", "a".repeat(length - "https://x.example/".len()));
        check(&long(LINK_BYTES_MAX), Some(&long(LINK_BYTES_MAX)));
        check(&long(LINK_BYTES_MAX + 1), None);
        let host = |length: usize| format!("https://{}/", "a.".repeat(length / 2));
        check(&host(HOST_BYTES_MAX - 1), Some(&host(HOST_BYTES_MAX - 1)));
        check(&host(HOST_BYTES_MAX + 1), None);
        check(&format!("//{}:80/", "\u{e4}".repeat(HOST_BYTES_MAX)), None);
        let many = format!("mailto:{}", "a@b.example,".repeat(HOST_BYTES_MAX));
        check(&many, Some(&many));
        check(&format!("https:\\\\{}/", "\u{e4}".repeat(HOST_BYTES_MAX)), None);
        for odd in ["https:\t//", "https:/\t/", "https:/\n\r/", " \u{1}https://"] {
            check(&format!("{odd}{}/", "\u{e4}".repeat(HOST_BYTES_MAX)), None);
        }
    }

    #[test]
    fn a_text_that_names_another_host_is_told() {
        let check = |text: &str, is_told: bool| {
            let mut link = Link::to("https://click.shop.example/x").unwrap();
            text.chars().for_each(|c| link.read(c.encode_utf8(&mut [0; 4])));
            assert_eq!(link.elsewhere(), is_told.then_some("click.shop.example"), "{text}");
        };
        for text in [
            "https://bank.example/login",
            " www.Bank.example, now",
            "b\u{e4}nk.example",
            "notshop.example",
            "a@bank.example",
            &format!("{}https://bank.example", " ".repeat(270)),
            "\u{200b}https://bank.example/",
            "bank\u{ad}.example",
            "bank\u{3002}example",
            "bank\u{ff0e}example",
            "bank\u{ff61}example",
            "bank\u{2024}example",
            "(https://bank.example)",
            "\u{201c}bank.example\u{201d}",
            "Log in at bank.example",
            "https://192.0.2.7/",
            "192.0.2.7",
            "https://[2001:db8::1]/",
            "https://1/",
            "https://bank.xn--p1ai/",
            "bank\u{338}.example",
            "shop.example,bank.example",
            "elpmaxe.knab",
            &"x".repeat(TEXT_BYTES_MAX + 1),
        ] {
            check(text, true);
        }
        for text in [
            "shop.example",
            "www.shop.example/x",
            "https://shop.example/a/index.html?x=y.example",
            "click.shop.example:443",
            "(shop.example)",
            "Visit shop.example.",
            "Click here",
            "Read more\u{2026}",
            "version 1.2, e.g.",
            "",
            &"x".repeat(TEXT_BYTES_MAX),
        ] {
            check(text, false);
        }
    }

    #[test]
    fn a_text_that_may_not_be_all_that_is_seen_is_told() {
        let link = |text: &str| {
            let mut link = Link::to("https://bank.example.shop.example/").unwrap();
            link.read(text);
            link
        };
        let mut styled = link("bank.example.shop.example");
        assert_eq!(styled.elsewhere(), None);
        styled.has_element();
        assert_eq!(styled.elsewhere(), Some("bank.example.shop.example"), "half of it may be hidden");
        for text in ["bank.example.x", "bank.example..x", "bank. example"] {
            let mut styled = link(text);
            styled.has_element();
            assert!(styled.elsewhere().is_some(), "{text}");
        }
        let mut unknown = link("bank");
        unknown.has_unknown();
        assert_eq!(unknown.elsewhere(), Some("bank.example.shop.example"));
    }

    #[test]
    fn a_letter_to_somebody_else_is_told() {
        let check = |text: &str, is_told: bool| {
            let mut link = Link::to("mailto:Thief@evil.example?subject=x").unwrap();
            link.read(text);
            assert_eq!(link.elsewhere(), is_told.then_some("thief@evil.example"), "{text}");
        };
        check("help@bank.example", true);
        check("help@evil.example", true);
        check("bank.example", true);
        check("thief@evil.example", false);
        check("evil.example", false);
        check("Write to us", false);
    }
}
