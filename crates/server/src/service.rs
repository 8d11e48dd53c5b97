//! The services that a listener can offer: protocol and how TLS begins.

use std::fmt;

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Mail from other servers (RFC 5321), STARTTLS offered.
    Smtp,
    /// Mail from own users (RFC 6409), STARTTLS offered.
    Submission,
    /// Submission with TLS from the first byte (RFC 8314 §3.3).
    Submissions,
    /// Mail from a local transfer agent, one reply per recipient (RFC 2033).
    Lmtp,
    /// IMAP, STARTTLS offered.
    Imap,
    /// IMAP with TLS from the first byte (RFC 8314 §3.2).
    Imaps,
    /// POP3, STLS offered.
    Pop3,
    /// POP3 with TLS from the first byte (RFC 8314 §3.1).
    Pop3s,
    /// Pages and the JSON API, TLS from the first byte (RFC 9110 §4.2.2).
    Https,
    /// The same without TLS, on this machine only: for a proxy that does TLS itself, and for `pillarbox try`.
    Http,
    /// Without TLS for everybody: proves host names to a certificate authority (RFC 8555 §8.3), and sends browsers to the pages.
    Redirect,
    /// Metrics for Prometheus, and whether the server lives and is ready; without TLS.
    Metrics,
    /// All that is kept, for a standby that shows a token; TLS from the first byte.
    Standby,
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server has all the connections that it takes.
    ServerFull,
    /// This address has all the connections that it may have.
    AddressFull,
    /// Addresses near this one have all the connections that they may have together.
    NetworkFull,
    /// This address opens connections faster than it may.
    TooFast,
}

impl Refusal {
    /// For the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerFull => "server_full",
            Self::AddressFull => "address_full",
            Self::NetworkFull => "network_full",
            Self::TooFast => "too_fast",
        }
    }

    /// For the client and for the log.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::ServerFull => "Too many connections to this server, try again later",
            Self::AddressFull => "Too many connections from your address, close one or try again later",
            Self::NetworkFull => "Too many connections from your network, try again later",
            Self::TooFast => "Your address opens connections too fast, try again in a minute",
        }
    }
}

impl Service {
    /// Every service, in the order in which people list them.
    pub const ALL: [Self; 13] = [
        Self::Smtp,
        Self::Submission,
        Self::Submissions,
        Self::Lmtp,
        Self::Imap,
        Self::Imaps,
        Self::Pop3,
        Self::Pop3s,
        Self::Https,
        Self::Http,
        Self::Redirect,
        Self::Metrics,
        Self::Standby,
    ];

    /// The name, which is also the key under `[listen]` in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Submissions => "submissions",
            Self::Lmtp => "lmtp",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Https => "https",
            Self::Http => "http",
            Self::Redirect => "redirect",
            Self::Metrics => "metrics",
            Self::Standby => "standby",
        }
    }

    /// What is spoken, as the log calls it.
    #[must_use]
    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission | Self::Submissions => "submission",
            Self::Lmtp => "lmtp",
            Self::Imap | Self::Imaps => "imap",
            Self::Pop3 | Self::Pop3s => "pop3",
            Self::Https | Self::Http | Self::Redirect | Self::Metrics | Self::Standby => "web",
        }
    }

    /// Whether TLS begins with the first byte.
    #[must_use]
    pub(crate) fn implicit_tls(self) -> bool {
        matches!(self, Self::Submissions | Self::Imaps | Self::Pop3s | Self::Https | Self::Standby)
    }

    /// The greeting of a server that refuses; `None` where TLS begins at once, because a handshake costs more
    /// than the words are worth.
    #[must_use]
    pub fn refusal(self, why: Refusal) -> Option<String> {
        let text = why.text();
        match self {
            // RFC 5321 §3.1, §3.8: 421 instead of 220, then close. RFC 3463 §3.5: X.4.5 is congestion.
            Self::Smtp | Self::Submission | Self::Lmtp => Some(format!("421 4.4.5 {text}\r\n")),
            // RFC 3501 §7.1.5: BYE as the greeting refuses the connection. RFC 5530 §3: UNAVAILABLE.
            Self::Imap => Some(format!("* BYE [UNAVAILABLE] {text}\r\n")),
            // RFC 3206 §4: SYS/TEMP, not the user's fault and worth a retry.
            Self::Pop3 => Some(format!("-ERR [SYS/TEMP] {text}\r\n")),
            // RFC 9110 §15.6.4: 503, with when to come back.
            Self::Http | Self::Redirect | Self::Metrics => {
                let head = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 60\r\nContent-Type: text/plain";
                Some(format!("{head}\r\nContent-Length: {}\r\n\r\n{text}\r\n", text.len() + 2))
            }
            Self::Submissions | Self::Imaps | Self::Pop3s | Self::Https | Self::Standby => None,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plaintext_service_refuses_in_its_own_words() {
        fn check(service: Service, expected: Option<&str>) {
            let line = service.refusal(Refusal::ServerFull);
            assert_eq!(line.as_deref().and_then(|line| line.split(' ').next()), expected, "{service}");
            assert!(line.is_none_or(|line| line.ends_with("\r\n") && line.len() < 512));
        }
        for service in Service::ALL {
            match service {
                Service::Smtp | Service::Submission | Service::Lmtp => check(service, Some("421")),
                Service::Imap => check(service, Some("*")),
                Service::Pop3 => check(service, Some("-ERR")),
                Service::Http | Service::Redirect | Service::Metrics => check(service, Some("HTTP/1.1")),
                Service::Submissions | Service::Imaps | Service::Pop3s | Service::Https | Service::Standby => {
                    check(service, None);
                }
            }
        }
    }
}
