//! Where a link leads.

use std::borrow::Cow;
use url::Url;

/// A link is at most so long, in octets, or leads nowhere.
const LINK_BYTES_MAX: usize = 4096;
/// The name of a host is at most so long, in octets: to write a longer one in ASCII takes the square of its length.
const HOST_BYTES_MAX: usize = 255;
/// The text of a link is looked at up to so many octets.
const TEXT_BYTES_MAX: usize = 256;

/// A link to somewhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Where it leads, in ASCII: a name beyond that looks like another one.
    pub(super) target: String,
    /// The host, if it leads to one.
    host: Option<String>,
    /// What stands in it, as far as it is looked at.
    text: String,
}

impl Link {
    /// Where `value` leads: to another site, to a letter, or to a telephone; all else leads nowhere.
    pub(super) fn to(value: &str) -> Option<Self> {
        if value.len() > LINK_BYTES_MAX {
            return None;
        }
        let value = match value.trim().strip_prefix("//") {
            Some(rest) => Cow::Owned(format!("https://{rest}")),
            None => Cow::Borrowed(value),
        };
        if authority(&value).len() > HOST_BYTES_MAX {
            return None;
        }
        // As a browser reads it, white space and control characters in it, too.
        let mut url = Url::parse(&value).ok()?;
        let host = match url.scheme() {
            "http" | "https" => {
                // `https://bank.example@evil.example` leads to the latter.
                url.set_username("").ok()?;
                url.set_password(None).ok()?;
                Some(url.host_str()?.to_owned())
            }
            "mailto" | "tel" => None,
            _ => return None,
        };
        Some(Self { target: url.into(), host, text: String::new() })
    }

    /// What stands in it.
    pub(super) fn read(&mut self, text: &str) {
        let room = TEXT_BYTES_MAX.saturating_sub(self.text.len());
        self.text.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or(text));
    }

    /// The host that it leads to, where its text is the name of another one.
    pub(super) fn elsewhere(&self) -> Option<&str> {
        let host = self.host.as_deref()?;
        let word = self.text.split_whitespace().next()?.to_lowercase();
        let word = word.strip_prefix("https://").or_else(|| word.strip_prefix("http://")).unwrap_or(&word);
        let named = word.split(['/', '?', '#', ':']).next()?.trim_end_matches(['.', ',', ')']);
        let (labels, top) = named.rsplit_once('.')?;
        let is_name = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
        let is_host = labels.split('.').all(is_name) && top.len() >= 2 && top.chars().all(char::is_alphabetic);
        let (named, host_name) = (named.trim_start_matches("www."), host.trim_start_matches("www."));
        let is_same = host_name == named || host_name.strip_suffix(named).is_some_and(|front| front.ends_with('.'));
        (is_host && !is_same).then_some(host)
    }
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
        check("tel:+1-2", Some("tel:+1-2"));
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
    }

    #[test]
    fn a_text_that_names_another_host_is_told() {
        let check = |text: &str, expected: Option<&str>| {
            let mut link = Link::to("https://click.shop.example/x").unwrap();
            text.chars().for_each(|c| link.read(c.encode_utf8(&mut [0; 4])));
            assert_eq!(link.elsewhere(), expected, "{text}");
        };
        check("https://bank.example/login", Some("click.shop.example"));
        check(" www.Bank.example, now", Some("click.shop.example"));
        check("b\u{e4}nk.example", Some("click.shop.example"));
        check("notshop.example", Some("click.shop.example"));
        check("shop.example", None);
        check("www.shop.example/x", None);
        check("click.shop.example:443", None);
        check("Click here", None);
        check("version 1.2", None);
        check("a@bank.example", None);
        check("", None);
        check(&"x".repeat(2 * TEXT_BYTES_MAX), None);
    }
}
