//! The client's responses, in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The only response of PLAIN, fit to be an initial response.
#[must_use]
pub fn plain(authorization_id: Option<&str>, authentication_id: &str, password: &str) -> String {
    STANDARD.encode(format!("{}\0{authentication_id}\0{password}", authorization_id.unwrap_or_default()))
}

/// The only response of OAUTHBEARER (RFC 7628 §3.1), fit to be an initial response; `user` is none that has to be escaped.
#[must_use]
pub fn oauthbearer(user: &str, token: &str) -> String {
    STANDARD.encode(format!("n,a={user},\u{1}auth=Bearer {token}\u{1}\u{1}"))
}

/// The only response of XOAUTH2, fit to be an initial response.
#[must_use]
pub fn xoauth2(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}"))
}

/// The two responses of LOGIN: to the first challenge and to the second.
#[must_use]
pub fn login(user_name: &str, password: &str) -> [String; 2] {
    [STANDARD.encode(user_name), STANDARD.encode(password)]
}
