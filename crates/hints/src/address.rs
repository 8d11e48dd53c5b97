//! Where NATS is: `nats://host:4222`, with a user and a password or with a token, several hosts with commas between them.

use std::fmt;
use std::str::FromStr;

use async_nats::ServerAddr;

/// More hosts are a mistake.
const HOSTS_MAX: usize = 16;

/// Where NATS is, and what to say there.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    scheme: &'static str,
    hosts: Vec<String>,
    pub(crate) secret: Secret,
}

/// What proves who asks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    None,
    Token(String),
    Password { user: String, password: String },
}

/// An address is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongAddress(String);

impl Address {
    /// Whether it holds a password or a token.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.secret != Secret::None
    }

    /// Whether nothing is said without TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.scheme == "tls"
    }

    /// Each host, as the client wants it: without what is secret.
    pub(crate) fn servers(&self) -> Result<Vec<ServerAddr>, WrongAddress> {
        self.hosts.iter().map(|host| server(self.scheme, host)).collect()
    }
}

impl FromStr for Address {
    type Err = WrongAddress;

    fn from_str(text: &str) -> Result<Self, WrongAddress> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("nats", rest)) => ("nats", rest),
            Some(("tls", rest)) => ("tls", rest),
            Some(_) | None => return Err(WrongAddress("it begins with neither nats:// nor tls://".to_owned())),
        };
        // A password may have any character: nothing in it is encoded.
        let (secret, hosts) = match rest.rsplit_once('@') {
            None => (Secret::None, rest),
            Some((secret, _)) if secret.contains("://") => {
                let what = "it has several addresses; write one, with commas between its hosts";
                return Err(WrongAddress(what.to_owned()));
            }
            Some((secret, hosts)) => match secret.split_once(':') {
                None => (Secret::Token(secret.to_owned()), hosts),
                Some((user, password)) => {
                    (Secret::Password { user: user.to_owned(), password: password.to_owned() }, hosts)
                }
            },
        };
        let hosts: Vec<String> = hosts.split(',').map(str::to_owned).collect();
        if hosts.len() > HOSTS_MAX {
            return Err(WrongAddress(format!("it has more than {HOSTS_MAX} hosts")));
        }
        let address = Self { scheme, hosts, secret };
        address.servers().map(|_| address)
    }
}

fn server(scheme: &str, host: &str) -> Result<ServerAddr, WrongAddress> {
    let wrong = || WrongAddress(format!("\"{host}\" is no host with a port, such as nats.example.org:4222"));
    if host.is_empty() || host.contains(['/', '?', '#', ' ']) {
        return Err(wrong());
    }
    let server: ServerAddr = format!("{scheme}://{host}").parse().map_err(|_| wrong())?;
    if server.host().is_empty() { Err(wrong()) } else { Ok(server) }
}

/// Without what is secret.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.hosts.join(","))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for WrongAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_without_its_secret() {
        let password =
            |user: &str, password: &str| Secret::Password { user: user.to_owned(), password: password.to_owned() };
        for (text, shown, secret, hosts) in [
            ("nats://nats.example.org", "nats://nats.example.org", Secret::None, 1),
            ("nats://10.0.0.1:4222", "nats://10.0.0.1:4222", Secret::None, 1),
            ("tls://[::1]:4223,b:4222", "tls://[::1]:4223,b:4222", Secret::None, 2),
            ("nats://s3cret@a", "nats://a", Secret::Token("s3cret".to_owned()), 1),
            ("tls://mail:p:w@/d@a,b", "tls://a,b", password("mail", "p:w@/d"), 2),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.to_string(), format!("{address:?}")), (shown.to_owned(), shown.to_owned()));
            assert_eq!(address.has_secret(), secret != Secret::None);
            assert!(address.secret == secret && address.servers().unwrap().len() == hosts, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for (text, what) in [
            ("", "neither nats:// nor tls://"),
            ("nats.example.org:4222", "neither nats:// nor tls://"),
            ("ws://a", "neither nats:// nor tls://"),
            ("nats://", "is no host"),
            ("nats://a,", "is no host"),
            ("nats://a:port", "is no host"),
            ("nats://:4222", "is no host"),
            ("nats://a/b", "is no host"),
            (&format!("nats://a{}", ",a".repeat(HOSTS_MAX)), "more than 16 hosts"),
            ("tls://u:p@a,tls://u:p@b", "several addresses"),
        ] {
            let wrong = text.parse::<Address>().unwrap_err().to_string();
            assert!(wrong.contains(what), "{text}: {wrong}");
        }
        assert!(format!("nats://a{}", ",a".repeat(HOSTS_MAX - 1)).parse::<Address>().is_ok());
    }
}
