//! The first line of an answer (RFC 1939 §3) with response codes (RFC 2449 §8).

use std::borrow::Cow;

/// The longest first line, CRLF included (RFC 2449 §4). Longer text is cut.
const REPLY_LINE_OCTETS_MAX: usize = 512;

/// Why a command failed, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// `[IN-USE]`: the maildrop is locked by another session of this device (RFC 2449 §8.1.2).
    InUse,
    /// `[LOGIN-DELAY]`: too soon after the last login (RFC 2449 §8.1.1).
    LoginDelay,
    /// `[SYS/TEMP]`: our fault, may work later (RFC 3206 §4).
    SysTemp,
    /// `[SYS/PERM]`: our fault, somebody must repair it (RFC 3206 §4).
    SysPerm,
    /// `[AUTH]`: the credentials are wrong (RFC 3206 §5).
    Auth,
}

impl ResponseCode {
    fn name(self) -> &'static str {
        match self {
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Auth => "AUTH",
        }
    }
}

/// An answer's first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK text`.
    Ok(Cow<'static, str>),
    /// `-ERR [code] text`.
    Err(Option<ResponseCode>, Cow<'static, str>),
}

impl Reply {
    /// `+OK text`.
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Ok(text.into())
    }

    /// `-ERR text`.
    pub fn err(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Err(None, text.into())
    }

    /// `-ERR [code] text`.
    pub fn err_with(code: ResponseCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self::Err(Some(code), text.into())
    }

    /// Whether it is `+OK`.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok(_))
    }

    /// Appends the line. Control characters in the text become spaces, so that no text can make a second line.
    pub fn encode(&self, output: &mut Vec<u8>) {
        let (status, code, text) = match self {
            Self::Ok(text) => ("+OK", None, text),
            Self::Err(code, text) => ("-ERR", *code, text),
        };
        let start = output.len();
        output.extend_from_slice(status.as_bytes());
        if let Some(code) = code {
            output.extend_from_slice(b" [");
            output.extend_from_slice(code.name().as_bytes());
            output.push(b']');
        }
        if !text.is_empty() {
            output.push(b' ');
            let room = (REPLY_LINE_OCTETS_MAX - 2).saturating_sub(output.len() - start);
            let text = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
            output.extend(text.bytes().map(|octet| if octet.is_ascii_control() { b' ' } else { octet }));
        }
        output.extend_from_slice(b"\r\n");
    }

    /// Appends a continuation request, `+ challenge` (RFC 5034 §4). `challenge` is base64 and may be empty.
    pub fn encode_challenge(challenge: &str, output: &mut Vec<u8>) {
        output.extend_from_slice(b"+ ");
        output.extend_from_slice(challenge.as_bytes());
        output.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &Reply, expected: &str) {
        let mut output = b"before".to_vec();
        reply.encode(&mut output);
        assert_eq!(String::from_utf8(output).unwrap(), format!("before{expected}"));
    }

    #[test]
    fn replies_are_encoded() {
        check(&Reply::ok(""), "+OK\r\n");
        check(&Reply::ok("2 320"), "+OK 2 320\r\n");
        check(&Reply::err("No such message"), "-ERR No such message\r\n");
        check(&Reply::err_with(ResponseCode::InUse, "Wait"), "-ERR [IN-USE] Wait\r\n");
        check(&Reply::err_with(ResponseCode::LoginDelay, "Wait"), "-ERR [LOGIN-DELAY] Wait\r\n");
        check(&Reply::err_with(ResponseCode::SysTemp, "Sorry"), "-ERR [SYS/TEMP] Sorry\r\n");
        check(&Reply::err_with(ResponseCode::SysPerm, ""), "-ERR [SYS/PERM]\r\n");
        check(&Reply::err_with(ResponseCode::Auth, "Wrong"), "-ERR [AUTH] Wrong\r\n");
        check(&Reply::err("a\r\n+OK b"), "-ERR a  +OK b\r\n");
        let mut output = Vec::new();
        Reply::encode_challenge("", &mut output);
        Reply::encode_challenge("UGFzc3dvcmQ6", &mut output);
        assert_eq!(output, b"+ \r\n+ UGFzc3dvcmQ6\r\n");
    }

    #[test]
    fn long_text_is_cut() {
        let length = |text: String| {
            let mut output = b"x".to_vec();
            Reply::ok(text).encode(&mut output);
            output.len() - 1
        };
        assert_eq!(length("x".repeat(506)), 512);
        assert_eq!(length("x".repeat(507)), 512);
        assert_eq!(length("ä".repeat(300)), 512);
    }
}
