//! Paths of this site: what a redirect may lead to.

use axum::http::HeaderValue;

/// Longer ones lead home. A question of 200 letters has up to 2,400 octets here, each written as three.
const PATH_CHARS_MAX: usize = 4_096;

/// A path of this site, with a query perhaps, in the characters that a header may carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnPath(String);

impl OwnPath {
    /// The start page.
    pub(crate) fn home() -> Self {
        Self("/".to_owned())
    }

    /// A path that we wrote; one that is none leads home.
    pub(crate) fn new(path: impl AsRef<str>) -> Self {
        Self::parse(path.as_ref()).unwrap_or_else(Self::home)
    }

    /// `text`, which may be a stranger's, if no browser can take it for anything but a path of this site: `//evil.example`
    /// and `/\evil.example` name another host.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_path = text.starts_with('/') && !text.starts_with("//") && text.len() <= PATH_CHARS_MAX;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        (is_path && is_plain).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("/"))
    }
}

/// A part of a path or of a query: everything but letters, digits and `-._~` as octets (RFC 3986 §2.1).
pub(crate) fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_here() {
        fn check(text: &str, is_ours: bool) {
            assert_eq!(OwnPath::parse(text).is_some(), is_ours, "{text:?}");
            assert!(OwnPath::new(text).as_str().starts_with('/'));
        }
        for ours in ["/", "/devices", "/timeline?search=a%20b&page=2", "/a//b"] {
            check(ours, true);
        }
        let others = ["", "devices", "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example/"];
        for other in
            others.into_iter().chain(["/a\r\nSet-Cookie: x=y", "/ä", "/a b", "javascript:alert(1)", "/\t/evil.example"])
        {
            check(other, false);
        }
        check(&format!("/{}", "a".repeat(PATH_CHARS_MAX - 1)), true);
        check(&format!("/{}", "a".repeat(PATH_CHARS_MAX)), false);
    }

    #[test]
    fn parts_are_encoded() {
        assert_eq!(encoded("a b/ä?&=%~"), "a%20b%2F%C3%A4%3F%26%3D%25~");
    }
}
