//! The client's responses, in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The only response of PLAIN, fit to be an initial response.
#[must_use]
pub fn plain(authorization_id: Option<&str>, authentication_id: &str, password: &str) -> String {
    STANDARD.encode(format!("{}\0{authentication_id}\0{password}", authorization_id.unwrap_or_default()))
}

/// The two responses of LOGIN: to the first challenge and to the second.
#[must_use]
pub fn login(user_name: &str, password: &str) -> [String; 2] {
    [STANDARD.encode(user_name), STANDARD.encode(password)]
}
