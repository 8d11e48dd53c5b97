//! PLAIN (RFC 4616 §2): `[authzid] NUL authcid NUL passwd`.

use crate::credentials::{Credentials, identity, password};
use crate::server::Failure;

pub(crate) fn parse(message: &[u8]) -> Result<Credentials, Failure> {
    let mut parts = message.split(|octet| *octet == 0);
    let (Some(authorization_id), Some(authentication_id), Some(passwd), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Failure::Malformed);
    };
    let authorization_id = if authorization_id.is_empty() { None } else { Some(identity(authorization_id)?) };
    Ok(Credentials { authorization_id, authentication_id: identity(authentication_id)?, password: password(passwd)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Password;

    fn check(message: &[u8], expected: Result<(Option<&str>, &str, &str), Failure>) {
        let expected = expected.map(|(authorization_id, authentication_id, password)| Credentials {
            authorization_id: authorization_id.map(str::to_owned),
            authentication_id: authentication_id.into(),
            password: Password::new(password),
        });
        assert_eq!(parse(message), expected, "{message:?}");
    }

    #[test]
    fn messages_are_read() {
        check(b"\0tim\0tanstaaftanstaaf", Ok((None, "tim", "tanstaaftanstaaf")));
        check(b"Ursel\0Kurt\0xipj3plmq", Ok((Some("Ursel"), "Kurt", "xipj3plmq")));
        check("\0дима\0пароль с пробелами".as_bytes(), Ok((None, "дима", "пароль с пробелами")));
        check(b"", Err(Failure::Malformed));
        check(b"tim", Err(Failure::Malformed));
        check(b"\0tim", Err(Failure::Malformed));
        check(b"\0tim\0", Err(Failure::Malformed));
        check(b"\0\0pw", Err(Failure::Malformed));
        check(b"\0tim\0pw\0", Err(Failure::Malformed));
        check(b"\0tim\0p\0w", Err(Failure::Malformed));
        check(b"\0tim\xff\0pw", Err(Failure::Malformed));
        check(b"\0tim\0pw\xff", Err(Failure::Malformed));
        check(b"\xff\0tim\0pw", Err(Failure::Malformed));
        check(b"\0t\nim\0pw", Err(Failure::Malformed));
    }
}
