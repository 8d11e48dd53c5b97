//! Who a message comes from, asked of the DNS: `sender_auth` with our resolver, within one time for all that is asked.

use crate::setup::SetupError;
use dns::{Answer as Found, Dns};
use sender_auth::{
    Answer, Claim, Digests, Failed, Findings, Introduction, Kind, Lists, Lookup, Pending, Record, Verifier,
};
use sender_auth::{examine, examine_introduced, introduce};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// All that is asked before a message is there, and again all that is asked about it. RFC 7208 §4.6.4: 20 seconds at least.
const PATIENCE: Duration = Duration::from_secs(30);

/// The field `Authentication-Results` of a message as it came, for `pillarbox verify-message`.
///
/// # Errors
/// There is no resolver, or the message has a NUL.
pub async fn results_of(options: dns::Options, claim: Claim, content: Vec<u8>) -> Result<String, SetupError> {
    let dns = Dns::new(&options).map_err(SetupError::new)?;
    let content = message::content::transferred(content)
        .map_err(|message::content::HasNul| SetupError::new("the message has a NUL octet, which no mail has"))?;
    let receiver = claim.receiver.clone();
    let findings = examine(&InTime::new(&dns), &claim, &Digests::of(&content), &Lists::default()).await;
    Ok(String::from_utf8_lossy(&sender_auth::results::field(&receiver, &findings, None)).replace("\r\n", "\n"))
}

/// Asks the DNS.
pub(crate) struct SenderCheck {
    dns: Dns,
    lists: Lists,
}

impl SenderCheck {
    /// Asks with a resolver, also those lists.
    #[must_use]
    pub(crate) fn new(dns: Dns, lists: Lists) -> Arc<Self> {
        Arc::new(Self { dns, lists })
    }
}

impl Verifier for SenderCheck {
    fn introduce(self: Arc<Self>, claim: Claim) -> Pending<'static, Introduction> {
        Box::pin(async move { introduce(&InTime::new(&self.dns), &claim, &self.lists).await })
    }

    fn verify(self: Arc<Self>, known: Introduction, digests: Digests) -> Pending<'static, Findings> {
        Box::pin(async move { examine_introduced(&InTime::new(&self.dns), known, &digests).await })
    }
}

/// The DNS for one message.
struct InTime<'a> {
    dns: &'a Dns,
    until: Instant,
}

impl<'a> InTime<'a> {
    fn new(dns: &'a Dns) -> Self {
        Self { dns, until: Instant::now() + PATIENCE }
    }

    async fn ask<T>(&self, question: impl Future<Output = Result<Found<T>, dns::Error>>) -> Answer<Vec<T>> {
        match timeout_at(self.until, question).await {
            Err(_) => Err(Failed::Trouble),
            Ok(Err(dns::Error::Name(_))) => Err(Failed::NoName),
            Ok(Err(_)) => Err(Failed::Trouble),
            Ok(Ok(found)) if !found.records.is_empty() => Ok(found.records),
            Ok(Ok(found)) if found.name_exists => Err(Failed::NoData),
            Ok(Ok(_)) => Err(Failed::NoName),
        }
    }

    async fn records(&self, name: &str, kind: Kind) -> Answer<Vec<Record>> {
        let addresses = |addresses: Vec<IpAddr>| addresses.into_iter().map(Record::Address).collect();
        match kind {
            Kind::A => self.ask(self.dns.addresses_of(name, true)).await.map(addresses),
            Kind::Aaaa => self.ask(self.dns.addresses_of(name, false)).await.map(addresses),
            Kind::Mx => {
                let host = |mx: dns::Mx| Record::Mx { preference: mx.preference, exchange: mx.exchange };
                Ok(self.ask(self.dns.mx(name)).await?.into_iter().map(host).collect())
            }
            Kind::Txt => Ok(self.ask(self.dns.txt(name)).await?.into_iter().map(Record::Text).collect()),
        }
    }
}

impl Lookup for InTime<'_> {
    fn lookup<'a>(&'a self, name: &'a str, kind: Kind) -> Pending<'a, Answer<Vec<Record>>> {
        Box::pin(self.records(name, kind))
    }

    fn names(&self, address: IpAddr) -> Pending<'_, Answer<Vec<String>>> {
        Box::pin(self.ask(self.dns.ptr(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dns::Options;
    use dns::fake::{FakeServer, Manner};
    use sender_auth::{DmarcResult, IprevResult, SpfResult};

    async fn examined(server: &FakeServer) -> Findings {
        let patience = Duration::from_millis(200);
        let dns = Dns::new(&Options { servers: vec![server.address()], dnssec: false, patience, ..Options::default() })
            .unwrap();
        let claim = Claim {
            address: "192.0.2.1".parse().unwrap(),
            helo: "mail.example.org".into(),
            mail_from: "ada@example.org".into(),
            receiver: "here.example".into(),
            unix_seconds: 0,
        };
        let digests = Digests::of(b"From: ada@example.org\r\n\r\ntext\r\n");
        let check = SenderCheck::new(dns, Lists::default());
        let known = Arc::clone(&check).introduce(claim).await;
        check.verify(known, digests).await
    }

    fn filled() -> FakeServer {
        let server = FakeServer::start();
        server.add("example.org", "TXT", r#""v=spf1 a:mail.example.org -all""#);
        server.add("mail.example.org", "A", "192.0.2.1");
        server.add("_dmarc.example.org", "TXT", r#""v=DMARC1; p=reject""#);
        server.add("1.2.0.192.in-addr.arpa", "PTR", "mail.example.org.");
        server
    }

    #[tokio::test]
    async fn the_dns_is_asked() {
        let found = examined(&filled()).await;
        assert_eq!(found.introduction.mail_from.result, SpfResult::Pass);
        assert_eq!(found.introduction.helo.result, SpfResult::None);
        assert_eq!(found.dmarc.result, DmarcResult::Pass);
        assert_eq!(
            (found.introduction.iprev.result, found.introduction.iprev.name.as_deref()),
            (IprevResult::Pass, Some("mail.example.org"))
        );
    }

    #[tokio::test]
    async fn a_server_that_lies_fails_or_is_silent_is_trouble_and_never_nothing() {
        for manner in [Manner::Lying, Manner::Failing, Manner::Silent] {
            let server = filled();
            server.treat("example.org", manner);
            server.treat("_dmarc.example.org", manner);
            let found = examined(&server).await;
            assert_eq!(found.introduction.mail_from.result, SpfResult::TempError);
            assert_eq!(found.dmarc.result, DmarcResult::TempError);
        }
    }

    #[tokio::test]
    async fn aliases_in_a_circle_and_huge_texts_come_to_an_end() {
        let server = filled();
        server.clear("mail.example.org");
        server.add("mail.example.org", "CNAME", "loop.example.org.");
        server.add("loop.example.org", "CNAME", "mail.example.org.");
        let networks = r#""ip4:198.51.100.1 ""#.repeat(2000);
        let huge = format!(r#""v=spf1 "{networks}"a:mail.example.org -all""#);
        server.clear("example.org");
        server.add("example.org", "TXT", &huge);
        let found = examined(&server).await;
        assert_ne!(found.introduction.mail_from.result, SpfResult::Pass);
        assert_ne!(found.introduction.iprev.result, IprevResult::Pass);
    }
}
