//! The two cookies: who is logged in, and who looks at a form without being so.

use crate::token::is_token;
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// A cookie by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// Holds the token of a session.
    Session,
    /// Holds a token for forms of those who are not logged in. It proves nothing and is never made a session's.
    Visitor,
}

/// A cookie that is set or removed.
pub(crate) struct SetCookie {
    cookie: Cookie,
    /// Under TLS, as far as the browser sees.
    secure: bool,
    /// `None` removes it.
    value: Option<String>,
}

impl Cookie {
    /// `__Host-` (draft-ietf-httpbis-rfc6265bis §4.1.3.2): no other host of the domain can set it, and it never goes out in
    /// the clear. Without TLS a browser takes no such cookie: there, on loopback only, it has another name.
    fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, true) => "__Host-pillarbox",
            (Self::Session, false) => "pillarbox-plain",
            (Self::Visitor, true) => "__Host-pillarbox-visitor",
            (Self::Visitor, false) => "pillarbox-plain-visitor",
        }
    }

    /// The token that a request carries; what cannot be one of ours is none.
    pub(crate) fn of(self, headers: &HeaderMap, secure: bool) -> Option<&str> {
        let name = self.name(secure);
        let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(found, value)| *found == name && is_token(value)).map(|(_, value)| value).next()
    }

    pub(crate) fn set(self, secure: bool, token: &str) -> SetCookie {
        SetCookie { cookie: self, secure, value: Some(token.to_owned()) }
    }

    pub(crate) fn remove(self, secure: bool) -> SetCookie {
        SetCookie { cookie: self, secure, value: None }
    }
}

impl SetCookie {
    /// Lax: a link in a message that asks the owner something must not find them logged out; what changes anything is a
    /// POST, which carries no such cookie from elsewhere.
    pub(crate) fn header(&self) -> HeaderValue {
        let (name, secure) = (self.cookie.name(self.secure), if self.secure { "; Secure" } else { "" });
        let (value, end) = match &self.value {
            Some(value) => (value.as_str(), ""),
            None => ("", "; Max-Age=0"),
        };
        let text = format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Lax{end}");
        // A token has only letters, digits, `-` and `_`.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_as_it_was_set_and_only_there() {
        let token = "a".repeat(43);
        for (secure, name) in [(true, "__Host-pillarbox"), (false, "pillarbox-plain")] {
            let set = Cookie::Session.set(secure, &token).header();
            let set = set.to_str().unwrap();
            assert_eq!(set.contains("; Secure"), secure, "{set}");
            assert!(set.starts_with(&format!("{name}={token}; Path=/")) && set.contains("; HttpOnly; SameSite=Lax"));
            let mut headers = HeaderMap::new();
            let sent = format!("x=y; {name}=short; {name}={token}");
            headers.insert(COOKIE, HeaderValue::from_str(&sent).unwrap());
            assert_eq!(Cookie::Session.of(&headers, secure), Some(token.as_str()));
            assert_eq!(Cookie::Session.of(&headers, !secure), None);
            assert_eq!(Cookie::Visitor.of(&headers, secure), None);
        }
        assert!(Cookie::Visitor.remove(true).header().to_str().unwrap().ends_with("; Max-Age=0"));
    }
}
