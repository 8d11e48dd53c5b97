//! SPF (RFC 7208): whether a host may send for a domain.
//!
//! Ours and not `mail-auth`'s: [decision 0040](../../../../docs/decisions/0040-who-checks-what-of-a-sender.md). Pure but for what
//! it asks of the DNS, which is bounded (§4.6.4).

mod macros;
mod record;

use crate::lookup::{Answer, Budget, Failed, name_of};
use macros::{MacroString, Use, Values};
use record::{Directive, Mechanism, Policy, Qualifier, is_policy};
use std::net::IpAddr;
use std::pin::Pin;

/// Terms of a policy, with all that it includes, that ask the DNS (§4.6.4).
const TERMS_MAX: u32 = 10;
/// Questions without an answer (§4.6.4).
const VOID_MAX: u32 = 2;
/// Hosts of one `mx`, names of one `ptr` (§4.6.4).
const HOSTS_MAX: usize = 10;
/// An explanation is cut to this length: it is the sender's.
const EXPLANATION_BYTES_MAX: usize = 200;

/// What SPF says (§2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpfResult {
    /// The domain says nothing, or there is no domain.
    None,
    /// It does not want to say.
    Neutral,
    /// The host may.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// The DNS gave no answer.
    TempError,
    /// The policy cannot be understood.
    PermError,
}

impl SpfResult {
    /// As `Authentication-Results` has it (RFC 8601 §2.7.2).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// What SPF says of one name that the client goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spf {
    /// What it says.
    pub result: SpfResult,
    /// Of which domain; empty if the client gave none.
    pub domain: String,
    /// Why not, in the domain's own words, ASCII and short (§6.2).
    pub explanation: Option<String>,
}

/// Who sends.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) address: IpAddr,
    pub(crate) helo: &'a str,
    pub(crate) local_part: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) receiver: &'a str,
    pub(crate) unix_seconds: i64,
}

/// What comes of a check.
pub(crate) struct Checked {
    pub(crate) spf: Spf,
    /// The policy is `-all` and nothing else (§10.1.2).
    pub(crate) permits_nobody: bool,
}

/// §4.
pub(crate) async fn check(dns: &Budget<'_>, sender: &Sender<'_>) -> Checked {
    let mut check = Check { dns, sender, terms: 0, void: 0, validated_name: None, permits_nobody: false };
    let mut explanation = None;
    let result = match first_domain(sender.domain) {
        None => SpfResult::None,
        Some(domain) => match check.host(domain.clone(), true, &mut explanation).await {
            Ok(result) | Err(result) => result,
        },
    };
    let domain = name_of(sender.domain).unwrap_or_default();
    let spf = Spf { result, domain, explanation: explanation.filter(|_| result == SpfResult::Fail) };
    Checked { spf, permits_nobody: check.permits_nobody }
}

/// §4.3: a name of several labels.
fn first_domain(domain: &str) -> Option<String> {
    name_of(domain).filter(|name| name.contains('.'))
}

struct Check<'a> {
    dns: &'a Budget<'a>,
    sender: &'a Sender<'a>,
    terms: u32,
    void: u32,
    /// Once asked for.
    validated_name: Option<String>,
    permits_nobody: bool,
}

/// `Err` ends all of it, `Ok` what is included only.
type Evaluated = Result<SpfResult, SpfResult>;

impl Check<'_> {
    /// `check_host()`. `is_own`: not by way of an `include`, whose explanations do not count (§6.2).
    fn host<'b>(
        &'b mut self,
        domain: String,
        is_own: bool,
        explanation: &'b mut Option<String>,
    ) -> Pin<Box<dyn Future<Output = Evaluated> + Send + 'b>> {
        Box::pin(async move {
            let Some(policy) = self.policy(&domain).await? else { return Ok(SpfResult::None) };
            let says_no =
                |first: &Directive| first.qualifier == Qualifier::Fail && matches!(first.mechanism, Mechanism::All);
            // What is included, or stands elsewhere, has taken a term.
            self.permits_nobody |= self.terms == 0 && policy.directives.first().is_some_and(says_no);
            for Directive { qualifier, mechanism } in &policy.directives {
                if !self.matches(mechanism, &domain).await? {
                    continue;
                }
                if *qualifier == Qualifier::Fail
                    && let Some(name) = policy.explanation.as_ref().filter(|_| is_own)
                {
                    *explanation = self.explain(name, &domain).await;
                }
                return Ok(match qualifier {
                    Qualifier::Pass => SpfResult::Pass,
                    Qualifier::Fail => SpfResult::Fail,
                    Qualifier::SoftFail => SpfResult::SoftFail,
                    Qualifier::Neutral => SpfResult::Neutral,
                });
            }
            // §6.1, §4.7.
            let Some(redirect) = &policy.redirect else { return Ok(SpfResult::Neutral) };
            self.take_term()?;
            let target = self.name(Some(redirect), &domain).await?;
            match self.host(target, is_own, explanation).await? {
                SpfResult::None => Err(SpfResult::PermError),
                result => Ok(result),
            }
        })
    }

    /// §4.4, §4.5: the one policy of a domain, if it has one.
    async fn policy(&self, domain: &str) -> Result<Option<Policy>, SpfResult> {
        let texts = match self.dns.txt(domain).await {
            Ok(texts) => texts,
            Err(Failed::NoName | Failed::NoData) => return Ok(None),
            Err(Failed::Trouble) => return Err(SpfResult::TempError),
        };
        let mut policies = texts.iter().filter(|text| is_policy(text));
        match (policies.next(), policies.next()) {
            (None, _) => Ok(None),
            (Some(text), None) => Policy::parse(text).map(Some).map_err(|_| SpfResult::PermError),
            (Some(_), Some(_)) => Err(SpfResult::PermError),
        }
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, SpfResult> {
        let address = self.sender.address;
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, bits) => Ok(agree(address, (*network).into(), *bits)),
            Mechanism::Ip6(network, bits) => Ok(agree(address, (*network).into(), *bits)),
            Mechanism::Include(target) => {
                self.take_term()?;
                let target = self.name(Some(target), domain).await?;
                // §5.2.
                match self.host(target, false, &mut None).await? {
                    SpfResult::Pass => Ok(true),
                    SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral => Ok(false),
                    SpfResult::TempError => Err(SpfResult::TempError),
                    SpfResult::None | SpfResult::PermError => Err(SpfResult::PermError),
                }
            }
            Mechanism::A(target, prefixes) => {
                self.take_term()?;
                let target = self.name(target.as_ref(), domain).await?;
                let bits = if address.is_ipv4() { prefixes.ip4 } else { prefixes.ip6 };
                self.has_address(&target, bits).await
            }
            Mechanism::Mx(target, prefixes) => {
                self.take_term()?;
                let target = self.name(target.as_ref(), domain).await?;
                let bits = if address.is_ipv4() { prefixes.ip4 } else { prefixes.ip6 };
                let hosts = self.dns.exchanges(&target).await;
                let hosts = self.found(hosts)?;
                for (at, host) in hosts.iter().enumerate() {
                    // §4.6.4: "If this limit is exceeded, the "mx" mechanism MUST produce a "permerror" result."
                    if at >= HOSTS_MAX {
                        return Err(SpfResult::PermError);
                    }
                    if self.has_address(host, bits).await? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Mechanism::Ptr(target) => {
                self.take_term()?;
                let target = self.name(target.as_ref(), domain).await?;
                Ok(self.validated_names().await.iter().any(|name| is_below(name, &target)))
            }
            Mechanism::Exists(target) => {
                self.take_term()?;
                let target = self.name(Some(target), domain).await?;
                // §5.7: "The resulting domain name is used for a DNS A RR lookup (even when the connection type is IPv6)."
                let found = self.dns.addresses(&target, IpAddr::from([0; 4])).await;
                Ok(!self.found(found)?.is_empty())
            }
        }
    }

    async fn has_address(&mut self, host: &str, bits: u8) -> Result<bool, SpfResult> {
        let address = self.sender.address;
        let found = self.dns.addresses(host, address).await;
        Ok(self.found(found)?.into_iter().any(|found| agree(address, found, bits)))
    }

    /// What was found. §4.6.4: few questions may be for nothing.
    fn found<T>(&mut self, answer: Answer<Vec<T>>) -> Result<Vec<T>, SpfResult> {
        match answer {
            Ok(found) => Ok(found),
            Err(Failed::Trouble) => Err(SpfResult::TempError),
            Err(Failed::NoName | Failed::NoData) => {
                self.void += 1;
                if self.void > VOID_MAX { Err(SpfResult::PermError) } else { Ok(Vec::new()) }
            }
        }
    }

    fn take_term(&mut self) -> Result<(), SpfResult> {
        self.terms += 1;
        if self.terms > TERMS_MAX { Err(SpfResult::PermError) } else { Ok(()) }
    }

    /// The name that a term is about.
    async fn name(&mut self, text: Option<&MacroString>, domain: &str) -> Result<String, SpfResult> {
        let Some(text) = text else { return Ok(domain.to_owned()) };
        if text.needs_validated_name() && self.validated_name.is_none() {
            let names = self.validated_names().await;
            // §7.3: the domain itself, else one below it, else any.
            let is_it = |name: &&String| name.as_str() == domain;
            let is_below = |name: &&String| is_below(name, domain);
            let best = names.iter().find(is_it).or_else(|| names.iter().find(is_below)).or_else(|| names.first());
            self.validated_name = Some(best.cloned().unwrap_or_else(|| "unknown".to_owned()));
        }
        Ok(text.name(&self.values(domain)))
    }

    fn values<'b>(&'b self, domain: &'b str) -> Values<'b> {
        let Sender { address, helo, local_part, domain: sender_domain, receiver, unix_seconds } = *self.sender;
        let validated_name = self.validated_name.as_deref().unwrap_or("unknown");
        Values { local_part, sender_domain, domain, address, validated_name, helo, receiver, unix_seconds }
    }

    /// §5.5: names of the client that lead back to it; what the DNS does not say is passed over.
    async fn validated_names(&self) -> Vec<String> {
        let address = self.sender.address;
        let mut names = Vec::new();
        for name in self.dns.names(address).await.unwrap_or_default().into_iter().take(HOSTS_MAX) {
            let addresses = self.dns.addresses(&name, address).await.unwrap_or_default();
            if addresses.contains(&address) {
                names.extend(name_of(&name));
            }
        }
        names
    }

    /// §6.2: what goes wrong with it counts for nothing.
    async fn explain(&mut self, name: &MacroString, domain: &str) -> Option<String> {
        let name = self.name(Some(name), domain).await.ok()?;
        let texts = self.dns.txt(&name).await.ok()?;
        let [text] = texts.as_slice() else { return None };
        let text = MacroString::parse(str::from_utf8(text).ok()?, Use::Explanation).ok()?;
        if text.needs_validated_name() && self.validated_name.is_none() {
            self.name(Some(&text), domain).await.ok()?;
        }
        let mut explanation = text.text(&self.values(domain));
        explanation.retain(|c| c == ' ' || c.is_ascii_graphic());
        explanation.truncate(EXPLANATION_BYTES_MAX);
        Some(explanation)
    }
}

/// Whether the first `bits` agree.
fn agree(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    let Some(domain) = name_of(domain) else { return false };
    name == domain || name.strip_suffix(domain.as_str()).is_some_and(|above| above.ends_with('.'))
}

#[cfg(test)]
mod tests;
