//! Which server, and how to log in.

use std::str;

/// A URL is at most so long.
const URL_BYTES_MAX: usize = 2000;

/// Another IMAP server, and who logs in there.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name, as its certificate has it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from others.
    pub security: Security,
    /// A file with certificates of authorities that are trusted instead of those of the system; `Some(None)`: any certificate is
    /// taken.
    pub authorities: Option<Option<String>>,
    /// Who logs in.
    pub login: Login,
}

/// How the connection is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the start (RFC 8314).
    Tls,
    /// TLS after STARTTLS (RFC 9051 §6.2.1), or no login.
    StartTls,
    /// None: whoever is on the way reads the password and all mail.
    Nothing,
}

/// Who logs in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// Whose mail.
    pub user: String,
    /// Who has the password, where that is somebody else: a master user (RFC 4616: the authentication identity).
    pub master: Option<String>,
    /// What stands between user and master where the server wants them as one name, as Dovecot's `auth_master_user_separator`.
    pub separator: Option<char>,
    /// The password.
    pub password: String,
}

impl Server {
    /// What `imap://user@host:port` and `imaps://host` say (RFC 5092 §2, as far as it names a server).
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| Err(format!("{why}; write it as imaps://user@mail.example.org, or imap:// for STARTTLS"));
        let (security, rest) = match url.split_once("://") {
            Some(("imaps", rest)) => (Security::Tls, rest),
            Some(("imap", rest)) => (Security::StartTls, rest),
            Some(_) | None => return wrong("this is no address of an IMAP server"),
        };
        if url.len() > URL_BYTES_MAX {
            return wrong("the address is too long");
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = rest.rsplit_once('@').map_or(("", rest), |(user, place)| (user, place));
        if user.contains(':') {
            return wrong(
                "a password in an address is seen by everybody on this machine: leave it out, and it is asked for",
            );
        }
        let decoded = message::percent::decode(user.as_bytes()).and_then(|user| String::from_utf8(user).ok());
        let Some(user) = decoded else { return wrong("the user's name has a % without two digits behind it") };
        let usual = if security == Security::Tls { 993 } else { 143 };
        let bracketed = place.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match (bracketed, place.rsplit_once(':')) {
            (Some((host, "")), _) => (host, None),
            (Some((host, rest)), _) => (host, Some(rest.strip_prefix(':').unwrap_or("?"))),
            (None, Some((host, port))) => (host, Some(port)),
            (None, None) => (place, None),
        };
        let Ok(port) = port.map_or(Ok(usual), str::parse) else { return wrong("the port is no number") };
        if host.is_empty() || host.contains(['/', '?', '#', ' ']) {
            return wrong("it names a server, and nothing else");
        }
        let login = Login { user, ..Login::default() };
        Ok(Self { host: host.to_owned(), port, security, authorities: None, login })
    }

    /// The same for the same mail, whoever logs in to fetch it.
    #[must_use]
    pub fn source(&self) -> String {
        // Both are doors to the same mail.
        let port = if matches!(self.port, 143 | 993) { String::new() } else { format!(":{}", self.port) };
        format!("imap://{}@{}{port}", self.login.user, self.host.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        let parsed = |url: &str| {
            let server = Server::parse(url)?;
            Ok::<_, String>((server.login.user, server.host, server.port, server.security))
        };
        let is = |user: &str, host: &str, port, security| Ok((user.to_owned(), host.to_owned(), port, security));
        assert_eq!(parsed("imaps://a@b.example"), is("a", "b.example", 993, Security::Tls));
        assert_eq!(
            parsed("imap://a%40c.example@b.example:1143/"),
            is("a@c.example", "b.example", 1143, Security::StartTls)
        );
        assert_eq!(parsed("imap://a@c.example@b"), is("a@c.example", "b", 143, Security::StartTls));
        assert_eq!(parsed("imaps://[::1]:9"), is("", "::1", 9, Security::Tls));
        assert_eq!(parsed("imaps://[::1]"), is("", "::1", 993, Security::Tls));
        for url in
            ["b.example", "pop://b", "imap://a:secret@b", "imap://b:x", "imap://", "imap://b/INBOX", "imap://%4@b"]
        {
            assert!(parsed(url).is_err(), "{url}");
        }
        let url = |bytes: usize| format!("imap://{}", "b".repeat(bytes - 7));
        assert!(parsed(&url(URL_BYTES_MAX)).is_ok() && parsed(&url(URL_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn the_same_mail_is_the_same_source() {
        let source = |url: &str| Server::parse(url).unwrap().source();
        assert_eq!(source("imap://a@MAIL.example"), source("imaps://a@mail.example"));
        assert_ne!(source("imaps://b@mail.example"), source("imaps://a@mail.example"));
    }
}
