//! What is to be done with a message. Pure: findings in, decision out. What is decided before it is there: `admission`.

mod admission;
mod doubts;
mod greylist;

pub use admission::{Admission, SpfFail};
pub use doubts::{Consequence, Doubts};
pub use greylist::Greylist;

pub(crate) use admission::admit;
pub(crate) use greylist::{let_in, needs_acquaintance};
use sender_auth::{Dkim, DkimResult, DmarcPolicy, DmarcResult, Introduction, SpfResult};
use std::fmt;

/// A message with more `Received` fields than this runs in circles (RFC 5321 §6.3: the limit "SHOULD be large, normally
/// at least 100"; real ways have under 20, and 50 is what Postfix takes).
pub(crate) const RECEIVED_MAX: usize = 50;

/// What was found out about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Findings<'a> {
    /// `Received` fields that it came with.
    pub received: usize,
    /// Who it comes from, if it comes from elsewhere and that was looked at.
    pub sender: Option<&'a sender_auth::Findings>,
    /// What filters beside us say, if they were asked.
    pub filters: Option<&'a scan::Opinion>,
    /// All its recipients are those that everybody must reach (RFC 2142 §5, RFC 5321 §4.5.1).
    pub is_to_postmaster: bool,
    /// A relay of ours brings it. It has taken it, so that a refusal would only make it bounce to whom the sender forged.
    pub by_relay: bool,
}

/// What a server makes of findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which hosts are refused before the message is there, where SPF says that they may not send.
    pub spf_fail: SpfFail,
    /// What follows from what is odd about a host.
    pub doubts: Doubts,
    /// Which strangers are to come again.
    pub greylist: Greylist,
    /// What follows where the domain in From does not vouch for a message and asks for something.
    pub dmarc: Enforcement,
    /// Domains whose word counts on what they passed on (ARC): mailing lists, forwarders.
    pub trusted_sealers: Vec<String>,
    /// A message of which nobody can say who it comes from, because the DNS gives no answer, is to come again later.
    pub wait_for_dns: bool,
}

/// How far the wish of a domain is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// As the domain asks.
    Follow,
    /// What would be refused goes to Junk.
    Junk,
    /// Not at all; it is only written down.
    Off,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            spf_fail: SpfFail::Unused,
            doubts: Doubts::default(),
            greylist: Greylist::Off,
            dmarc: Enforcement::Follow,
            trusted_sealers: Vec::new(),
            wait_for_dns: false,
        }
    }
}

/// What is to be done with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Into the mailboxes of its recipients.
    Deliver,
    /// The same, but into Junk.
    Junk(Reason),
    /// Not now.
    Later(Reason),
    /// Refused: it does not come from whom it says.
    Refuse(Reason),
    /// Refused: the host that brings it is on a list of those that nobody wants mail from.
    RefuseHost(Reason),
    /// Refused: a filter beside us says so.
    RefuseContent(Reason),
    /// Not now: a filter beside us says so.
    PutOff(Reason),
    /// Refused: it runs in circles.
    Loop,
}

/// Why, in words that the sender's postmaster understands: ASCII, and short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(pub(crate) String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'a> Findings<'a> {
    /// Looks at a message. `Delivered-To` is not looked at: it says that mail must not be passed on again (`onward`), and mail
    /// that is sent again or moved in from another server bears it rightly.
    #[must_use]
    pub fn of(content: &[u8], sender: Option<&'a sender_auth::Findings>) -> Self {
        let received = message::trace::received_count(content);
        Self { received, sender, filters: None, is_to_postmaster: false, by_relay: false }
    }
}

/// Decides.
#[must_use]
pub fn decide(findings: Findings<'_>, policy: &Policy) -> Decision {
    if findings.received > RECEIVED_MAX {
        return Decision::Loop;
    }
    let by_sender = findings.sender.map_or(Decision::Deliver, |sender| of_sender(sender, policy));
    let by_sender = match (by_sender, findings.sender) {
        (Decision::Deliver, Some(sender)) => by_doubts(&sender.introduction, findings.by_relay, policy),
        (by_sender, _) => by_sender,
    };
    let by_filters = findings.filters.map_or(Decision::Deliver, of_filters);
    let decision = match (by_sender, by_filters) {
        (Decision::Deliver, by_filters) => by_filters,
        (Decision::Junk(_), by_filters @ (Decision::RefuseContent(_) | Decision::PutOff(_))) => by_filters,
        (by_sender, _) => by_sender,
    };
    match decision {
        // Who is refused must be able to say so.
        Decision::Refuse(_)
        | Decision::RefuseHost(_)
        | Decision::RefuseContent(_)
        | Decision::Later(_)
        | Decision::PutOff(_)
            if findings.is_to_postmaster =>
        {
            Decision::Deliver
        }
        Decision::Refuse(reason) | Decision::RefuseHost(reason) | Decision::RefuseContent(reason)
            if findings.by_relay =>
        {
            Decision::Junk(reason)
        }
        Decision::Later(_) if findings.by_relay => Decision::Deliver,
        decision => decision,
    }
}

/// What a relay of ours brings was not refused before; a host that is known as good is doubted by nobody.
fn by_doubts(known: &Introduction, by_relay: bool, policy: &Policy) -> Decision {
    let is_it = |consequence| consequence == Consequence::Junk || by_relay && consequence == Consequence::Reject;
    let doubts = &policy.doubts;
    let reason = doubts.of_name(known, is_it).or_else(|| doubts.of_address(known, is_it));
    reason.filter(|_| known.listed.allowed_by.is_none()).map_or(Decision::Deliver, Decision::Junk)
}

fn of_filters(opinion: &scan::Opinion) -> Decision {
    let reason = || Reason(opinion.reason.clone());
    match opinion.verdict {
        scan::Verdict::Deliver => Decision::Deliver,
        scan::Verdict::Junk => Decision::Junk(reason()),
        scan::Verdict::Later => Decision::PutOff(reason()),
        scan::Verdict::Refuse => Decision::RefuseContent(reason()),
    }
}

fn of_sender(sender: &sender_auth::Findings, policy: &Policy) -> Decision {
    let dmarc = &sender.dmarc;
    if let Some(reason) = admission::listed(&sender.introduction) {
        return Decision::RefuseHost(reason);
    }
    match dmarc.result {
        DmarcResult::Pass => Decision::Deliver,
        DmarcResult::TempError if policy.wait_for_dns => Decision::Later(Reason(format!(
            "it cannot be found out whether this mail comes from {}: the name servers give no answer",
            shown(&dmarc.domain)
        ))),
        DmarcResult::TempError => Decision::Deliver,
        DmarcResult::PermError => {
            Decision::Junk(Reason("From names no domain that could vouch for it, or too many".to_owned()))
        }
        DmarcResult::Fail if is_vouched_for_by_a_sealer(sender, policy) => Decision::Deliver,
        DmarcResult::Fail => match (policy.dmarc, dmarc.disposition) {
            (Enforcement::Off, _) | (_, DmarcPolicy::None) => by_spf(sender),
            (Enforcement::Junk, _) | (Enforcement::Follow, DmarcPolicy::Quarantine) => {
                Decision::Junk(not_vouched(sender))
            }
            (Enforcement::Follow, DmarcPolicy::Reject) => Decision::Refuse(not_vouched(sender)),
        },
        DmarcResult::None => by_spf(sender),
    }
}

/// RFC 7208 §8.4: a domain that says "not from there" is believed as far as Junk, unless somebody signed the message: SPF breaks
/// where mail is passed on, a signature does not.
fn by_spf(sender: &sender_auth::Findings) -> Decision {
    let is_signed = sender.dkim.iter().any(|signature| signature.result == DkimResult::Pass);
    if sender.introduction.mail_from.result != SpfResult::Fail || is_signed {
        return Decision::Deliver;
    }
    let (domain, address) = (shown(&sender.introduction.mail_from.domain), sender.introduction.address);
    Decision::Junk(Reason(format!("{domain} says that {address} may not send for it (SPF), and nobody signed it")))
}

/// RFC 8617 §7.2.1: what a trusted host found before it changed the message.
fn is_vouched_for_by_a_sealer(sender: &sender_auth::Findings, policy: &Policy) -> bool {
    let is_trusted = |domain: &String| domain.eq_ignore_ascii_case(&sender.arc.sealer);
    sender.arc.result == DkimResult::Pass && policy.trusted_sealers.iter().any(is_trusted)
}

fn not_vouched(sender: &sender_auth::Findings) -> Reason {
    let (dmarc, spf) = (&sender.dmarc, &sender.introduction.mail_from);
    let signature = |signature: &Dkim| format!("{} for {}", signature.result.name(), shown(&signature.domain));
    let signatures: Vec<String> = sender.dkim.iter().take(2).map(signature).collect();
    let dkim = if signatures.is_empty() { "none".to_owned() } else { signatures.join(", ") };
    Reason(format!(
        "From says {}, which does not vouch for this mail (DMARC, p={}): SPF {} for {} from {}, DKIM {dkim}",
        shown(&dmarc.domain),
        dmarc.policy.name(),
        spf.result.name(),
        shown(&spf.domain),
        sender.introduction.address,
    ))
}

/// A name in words: short.
fn shown(domain: &str) -> &str {
    /// Of a name of a domain so much is shown.
    const DOMAIN_BYTES_MAX: usize = 100;
    match domain {
        "" => "nobody",
        domain => domain.get(..domain.floor_char_boundary(DOMAIN_BYTES_MAX)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
