//! MTA-STS (RFC 8461): what domains say of the certificates of their hosts, and for how long that is believed.
//!
//! A policy is fetched when the DNS announces one that is not known, and kept in the queue's table (`m` domain = a [`Kept`]) until
//! it expires, whatever the DNS says meanwhile: who can forge a name server's answers cannot make a policy go away. In the second
//! half of its time it is fetched anew with the next message. A host of policies that does not answer is left alone for a while.

mod fetch;
mod policy;

use crate::https::Https;
use crate::queue::Queue;
use crate::smarthost::{Roots, SmarthostError};
use crate::tls_outcome::{Promise, TlsFailure, TlsListener, TlsOutcome};
use dns::Dns;
pub(crate) use policy::{Mode, Policy};
use rustls::RootCertStore;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use store::Timestamp;
use store::codec::{Corrupt, Reader, Writer};
use tracing::{debug, warn};

/// So many policies are kept; the one that expires first goes first.
pub(crate) const KEPT_MAX: usize = 10_000;
/// RFC 8461 §3.3 suggests five minutes at least.
const AFTER_FAILURE_MILLIS: u64 = 5 * 60 * 1000;
/// So many failures are remembered.
const FAILURES_MAX: usize = 10_000;
const FORMAT: u8 = 1;

/// How policies are fetched, and whom hosts that they name are believed to be.
#[derive(Clone, Debug)]
pub struct Sts {
    /// 443 but in tests; with 443 no address of this machine itself is asked.
    pub port: u16,
    /// Who signs certificates.
    pub roots: Roots,
}

/// The policies that are known.
pub(crate) struct Policies {
    https: Https,
    pub(crate) roots: Arc<RootCertStore>,
    queue: Queue,
    /// By domain: when it may be asked again, and that one asks.
    asked: Mutex<HashMap<String, Asked>>,
}

#[derive(Default)]
struct Asked {
    gate: Arc<tokio::sync::Mutex<()>>,
    again_at: Option<Timestamp>,
}

/// A policy as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) fetched_at: Timestamp,
    pub(crate) policy: Policy,
}

impl Policies {
    pub(crate) fn new(sts: &Sts, queue: Queue) -> Result<Self, SmarthostError> {
        let roots = Arc::new(sts.roots.load()?);
        let https = Https::with(Arc::clone(&roots), sts.port)?;
        Ok(Self { https, roots, queue, asked: Mutex::default() })
    }

    /// What a domain wants now; `None`: nothing. Told is who wants to know that a policy could not be had.
    pub(crate) async fn of(
        &self,
        (dns, told): (&Dns, Option<&TlsListener>),
        domain: &str,
        now: Timestamp,
    ) -> Option<Policy> {
        let announced = match dns.txt(&format!("_mta-sts.{domain}")).await {
            Ok(answer) => policy::announced(&answer.records),
            // RFC 8461 §3.1: as if there were none; what is kept counts.
            Err(_) => None,
        };
        let kept = self.queue.kept_policy(domain).filter(|kept| !kept.is_expired(now));
        let known = match (announced, kept) {
            (None, kept) => kept,
            (Some(id), Some(kept)) if kept.id == id && !kept.is_old(now) => Some(kept),
            (Some(id), kept) => self.renewed((dns, told), domain, id, now).await.or(kept),
        };
        known.map(|kept| kept.policy).filter(|policy| policy.mode != Mode::None)
    }

    /// Fetches a policy, unless somebody has just done so, or failed to.
    async fn renewed(
        &self,
        (dns, told): (&Dns, Option<&TlsListener>),
        domain: &str,
        id: String,
        now: Timestamp,
    ) -> Option<Kept> {
        let gate = Arc::clone(&self.asked().entry(domain.to_owned()).or_default().gate);
        let _asking = gate.lock().await;
        let fresh = self.queue.kept_policy(domain).filter(|kept| kept.id == id && !kept.is_old(now));
        if fresh.is_some() {
            return fresh;
        }
        if self.asked().get(domain).and_then(|asked| asked.again_at).is_some_and(|at| now < at) {
            return None;
        }
        let found = fetch::fetch(dns, &self.https, domain).await;
        let found = found.map_err(|why| (why, TlsFailure::PolicyUnreachable));
        let parse = |text: &[u8]| Policy::parse(text).map_err(|why| (why.to_owned(), TlsFailure::PolicyInvalid));
        let found = found.and_then(|text| parse(&text));
        match found {
            Ok(policy) => {
                self.asked().remove(domain);
                let kept = Kept { id, fetched_at: now, policy };
                debug!(domain, mode = ?kept.policy.mode, "a policy of MTA-STS was fetched");
                if let Err(error) = self.queue.keep_policy(domain, &kept) {
                    warn!(domain, %error, "a policy of MTA-STS could not be kept");
                }
                Some(kept)
            }
            Err((why, failure)) => {
                debug!(domain, why, "a policy of MTA-STS could not be fetched");
                if let Some(tell) = told {
                    let promise = Promise::Sts { lines: Vec::new(), mx: Vec::new() };
                    let (domain, host) = (domain.to_owned(), String::new());
                    tell(TlsOutcome { domain, promise, host, address: None, failure: Some(failure) });
                }
                self.failed(domain, now);
                None
            }
        }
    }

    fn failed(&self, domain: &str, now: Timestamp) {
        let mut asked = self.asked();
        if asked.len() > FAILURES_MAX {
            asked.retain(|_, asked| Arc::strong_count(&asked.gate) > 1);
        }
        asked.entry(domain.to_owned()).or_default().again_at =
            Some(Timestamp(now.0.saturating_add_unsigned(AFTER_FAILURE_MILLIS)));
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_expired(&self, now: Timestamp) -> bool {
        now.0 >= self.expires_at().0
    }

    /// In the second half of its time.
    fn is_old(&self, now: Timestamp) -> bool {
        now.0 >= self.fetched_at.0.saturating_add_unsigned(self.policy.max_age_secs.saturating_mul(500))
    }

    pub(crate) fn expires_at(&self) -> Timestamp {
        Timestamp(self.fetched_at.0.saturating_add_unsigned(self.policy.max_age_secs.saturating_mul(1000)))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let Policy { mode, mx, max_age_secs } = &self.policy;
        let mode = match mode {
            Mode::Enforce => 0,
            Mode::Testing => 1,
            Mode::None => 2,
        };
        let mut row = Writer::of_format(FORMAT);
        row.raw(&self.fetched_at.0.to_be_bytes()).raw(&max_age_secs.to_be_bytes()).byte(mode).wide_text(&self.id);
        row.wide_text(&mx.join("\n"));
        row.0
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(row, FORMAT)?;
        let fetched_at = Timestamp(i64::from_be_bytes(fields.array()?));
        let max_age_secs = u64::from_be_bytes(fields.array()?);
        let mode = match fields.byte()? {
            0 => Mode::Enforce,
            1 => Mode::Testing,
            2 => Mode::None,
            _ => return Err(Corrupt),
        };
        let (id, mx) = (fields.wide_text()?, fields.wide_text()?);
        fields.end()?;
        let mx = mx.split('\n').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Ok(Self { id, fetched_at, policy: Policy { mode, mx, max_age_secs } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_the_octets_that_it_always_had() {
        let policy = Policy { mode: Mode::Testing, mx: vec!["a.x".into(), "*.y".into()], max_age_secs: 258 };
        let kept = Kept { id: "7".into(), fetched_at: Timestamp(1), policy };
        let octets = b"\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x01\x02\x01\0\0\0\x017\0\0\0\x07a.x\n*.y";
        assert_eq!(kept.encode(), octets);
        assert_eq!(Kept::decode(octets), Ok(kept.clone()));
        assert_eq!(Kept::decode(&octets[..9]), Err(Corrupt));
        assert!(!kept.is_old(Timestamp(129_000)) && kept.is_old(Timestamp(129_001)));
        assert!(!kept.is_expired(Timestamp(258_000)) && kept.is_expired(Timestamp(258_001)));
    }
}
