//! Reports on mail: from elsewhere it is counted for the owners of the domains that it names in From, where they ask for it (DMARC;
//! decision 0068); and who a report of others comes from.

use crate::arrival::Arrival;
use crate::decide::Decision;
use crate::flow::MailFlow;
use crate::outgoing::author_domains;
use reports::{By, Row, Signature, SpfSeen};
use sender_auth::{Dkim, DkimResult, DmarcPolicy, DmarcResult, Findings, SpfResult, organisational};
use store::Timestamp;
use tracing::warn;

impl MailFlow {
    /// Counts a message, if its domain wants to know. Not for domains of our own, and no reports, or each would make another.
    pub(crate) fn count(&self, arrival: &Arrival, content: &[u8], decision: &Decision, now: Timestamp) {
        let (Some(counts), Some(sender)) = (&self.counts, &arrival.sender) else { return };
        let Some(asks) = &sender.dmarc.asks else { return };
        let is_own = match self.auth.directory().is_local_domain(&asks.domain) {
            Ok(is_own) => is_own,
            Err(error) => return warn!(%error, "a message is not counted"),
        };
        if !is_own && !reports::is_report(content) {
            counts.mail((**asks).clone(), row(sender, &arrival.from, decision), now);
        }
    }
}

/// Who a report comes from: the domain in From, where it vouches for the mail. Nobody made that sure of mail that was not looked at.
/// `None`: it does not.
pub(crate) fn who_reports(arrival: &Arrival, content: &[u8]) -> Option<By> {
    let domain = author_domains(content).into_iter().next()?.to_lowercase();
    if domain.len() > 253 || !domain.bytes().all(|octet| octet.is_ascii_graphic()) {
        return None;
    }
    let Some(sender) = &arrival.sender else { return Some(By { domain, is_checked: false }) };
    let is_same = |other: &str| !other.is_empty() && organisational(other) == organisational(&domain);
    let is_vouched_for = match sender.dmarc.result {
        DmarcResult::Pass => sender.dmarc.domain == domain,
        // Of a domain without a policy a signature or SPF says as much.
        DmarcResult::None => {
            sender.dkim.iter().any(|one| one.result == DkimResult::Pass && is_same(&one.domain))
                || sender.introduction.mail_from.result == SpfResult::Pass
                    && is_same(&sender.introduction.mail_from.domain)
        }
        DmarcResult::Fail | DmarcResult::TempError | DmarcResult::PermError => false,
    };
    is_vouched_for.then_some(By { domain, is_checked: true })
}

fn row(sender: &Findings, from: &str, decision: &Decision) -> Row {
    let (dmarc, spf) = (&sender.dmarc, &sender.introduction.mail_from);
    let disposition = disposition(sender, decision);
    let signature = |one: &Dkim| Signature {
        domain: one.domain.clone(),
        selector: one.selector.clone(),
        result: one.result.name().to_owned(),
    };
    let scope = if from.is_empty() { "helo" } else { "mfrom" };
    Row {
        address: sender.introduction.address,
        count: 1,
        disposition: disposition.name().to_owned(),
        reason: reason(sender, disposition).to_owned(),
        dkim_aligned: dmarc.dkim_aligned,
        spf_aligned: dmarc.spf_aligned,
        header_from: dmarc.domain.clone(),
        envelope_from: from.rsplit_once('@').map_or("", |(_, domain)| domain).to_lowercase(),
        dkim: sender.dkim.iter().map(signature).collect(),
        spf: Some(SpfSeen {
            domain: spf.domain.clone(),
            scope: scope.to_owned(),
            result: spf.result.name().to_owned(),
        }),
    }
}

/// What became of it because of DMARC: what a filter or a list of hosts led to is not the domain's business.
fn disposition(sender: &Findings, decision: &Decision) -> DmarcPolicy {
    match decision {
        _ if sender.dmarc.result != DmarcResult::Fail => DmarcPolicy::None,
        Decision::Refuse(_) => DmarcPolicy::Reject,
        Decision::Junk(_) => sender.dmarc.disposition.min(DmarcPolicy::Quarantine),
        Decision::Deliver
        | Decision::Later(_)
        | Decision::PutOff(_)
        | Decision::RefuseHost(_)
        | Decision::RefuseContent(_)
        | Decision::Loop => DmarcPolicy::None,
    }
}

/// RFC 7489 appendix C, `PolicyOverrideType`: why that is not what the domain asks for.
fn reason(sender: &Findings, disposition: DmarcPolicy) -> &'static str {
    let dmarc = &sender.dmarc;
    match dmarc.result {
        DmarcResult::Fail if disposition == dmarc.policy => "",
        DmarcResult::Fail if disposition == dmarc.disposition => "sampled_out",
        DmarcResult::Fail if sender.arc.result == DkimResult::Pass => "trusted_forwarder",
        DmarcResult::Fail => "local_policy",
        DmarcResult::Pass | DmarcResult::None | DmarcResult::TempError | DmarcResult::PermError => "",
    }
}

#[cfg(test)]
mod tests;
