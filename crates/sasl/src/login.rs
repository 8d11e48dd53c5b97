//! LOGIN (draft-murchison-sasl-login): the user name, then the password.

use crate::credentials::{Credentials, identity, password};
use crate::server::Failure;

/// `Username:`; some clients compare it.
pub(crate) const USER_NAME_CHALLENGE: &str = "VXNlcm5hbWU6";
/// `Password:`.
pub(crate) const PASSWORD_CHALLENGE: &str = "UGFzc3dvcmQ6";

pub(crate) fn user_name(response: &[u8]) -> Result<String, Failure> {
    identity(response)
}

pub(crate) fn credentials(user_name: String, response: &[u8]) -> Result<Credentials, Failure> {
    Ok(Credentials { authorization_id: None, authentication_id: user_name, password: password(response)? })
}
