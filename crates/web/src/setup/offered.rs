//! What mail programs are told of this server: the services that it really offers.

/// The services that mail programs can use, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// The name of the server.
    pub host: String,
    /// What it offers, in no order.
    pub services: Vec<OfferedService>,
    /// The port of the pages, under TLS.
    pub pages_port: Option<u16>,
    /// Whether the key of the certificate stays when it is renewed, so that the DNS can vouch for it (DANE).
    pub keys_stay: bool,
}

/// A service for mail programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferedService {
    /// What it speaks.
    pub protocol: Protocol,
    /// How it is secured.
    pub security: Security,
    /// Its port.
    pub port: u16,
}

/// What a service for mail programs speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Mail is read and stays.
    Imap,
    /// Mail is downloaded.
    Pop3,
    /// Mail is sent.
    Submission,
}

/// How a service is secured. RFC 8314 §3: never not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// From the first byte.
    Tls,
    /// After STARTTLS or STLS.
    StartTls,
}

/// Where mail is sent and read by one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Where it is read.
    pub incoming: OfferedService,
    /// Where it is sent.
    pub outgoing: OfferedService,
}

impl Offered {
    /// The best service of a protocol. RFC 8314 §3: TLS from the first byte is preferred.
    #[must_use]
    pub fn best(&self, protocol: Protocol) -> Option<OfferedService> {
        let of = |security| self.of(protocol, security);
        of(Security::Tls).or_else(|| of(Security::StartTls))
    }

    /// A service that is secured in this way.
    #[must_use]
    pub fn of(&self, protocol: Protocol, security: Security) -> Option<OfferedService> {
        let mut services = self.services.iter();
        services.find(|service| service.protocol == protocol && service.security == security).copied()
    }

    /// Where a program that reads by this protocol reads and sends.
    #[must_use]
    pub fn pair(&self, incoming: Protocol) -> Option<Pair> {
        Some(Pair { incoming: self.best(incoming)?, outgoing: self.best(Protocol::Submission)? })
    }
}
