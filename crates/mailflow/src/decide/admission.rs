//! Whether a host may hand over a message to a recipient, before the message is there. Pure. Only what no message could change is
//! decided here: what a signature may make good is decided with the message.

use super::{Consequence, Policy, Reason, shown};
use crate::route::Recipient;
use sender_auth::{Introduction, SpfResult};

/// Which hosts are refused before the message is there, where SPF says that they may not send for the domain of the reverse-path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpfFail {
    /// None: what follows is decided with the message.
    Dmarc,
    /// Those that send for a domain that sends no mail and takes none: no signature makes it a place to which mail comes back.
    Unused,
    /// All. It refuses what others pass on without changing the envelope, however well it is signed.
    Reject,
}

/// Whether a message is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is.
    Admit,
    /// The host is on a list of those that nobody wants mail from.
    RefuseHost(Reason),
    /// Its address has no name.
    RefuseNameless(Reason),
    /// The host may not send for the domain of the reverse-path.
    RefuseSender(Reason),
    /// The domain of the reverse-path sends no mail and takes none.
    RefuseUnused(Reason),
    /// It is to come again in a while.
    ComeAgain(Reason),
}

/// Decides.
pub(crate) fn admit(known: &Introduction, recipient: &Recipient, policy: &Policy) -> Admission {
    // Who is refused must be able to say so.
    if recipient.is_for_everybody() {
        return Admission::Admit;
    }
    if let Some(reason) = listed(known) {
        return Admission::RefuseHost(reason);
    }
    if known.listed.allowed_by.is_some() {
        return Admission::Admit;
    }
    let is_it = |consequence| consequence == Consequence::Reject;
    if let Some(reason) = policy.doubts.of_name(known, is_it) {
        return Admission::RefuseHost(reason);
    }
    if let Some(reason) = policy.doubts.of_address(known, is_it) {
        return Admission::RefuseNameless(reason);
    }
    by_spf(known, policy)
}

fn by_spf(known: &Introduction, policy: &Policy) -> Admission {
    let spf = &known.mail_from;
    let may_refuse = spf.result == SpfResult::Fail;
    let domain = shown(&spf.domain);
    match policy.spf_fail {
        SpfFail::Unused | SpfFail::Reject if may_refuse && known.is_unused => Admission::RefuseUnused(Reason(format!(
            "{domain} says that it sends no mail and takes none (SPF, null MX), so this cannot be from there"
        ))),
        SpfFail::Reject if may_refuse => {
            let why = spf.explanation.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            Admission::RefuseSender(Reason(format!(
                "{domain} says that {} may not send for it (SPF){why}",
                known.address
            )))
        }
        SpfFail::Dmarc | SpfFail::Unused | SpfFail::Reject => Admission::Admit,
    }
}

/// Why nobody wants mail from a host.
pub(super) fn listed(known: &Introduction) -> Option<Reason> {
    let list = known.listed.blocked_by.as_ref()?;
    Some(Reason(format!("{} is on the list {}, which says more", known.address, shown(list))))
}
