//! Who is to come again before his mail is taken (RFC 6647): programs that send to many at once seldom do. Pure.

use super::{Admission, Reason, shown};
use sender_auth::{HeloName, Introduction, IprevResult, SpfResult};
use store::Timestamp;

/// How long one who is to come again has to wait. Mail servers wait for some minutes before they try again (RFC 5321 §4.5.4.1).
const WAIT_MILLIS: i64 = 60 * 1000;

/// Which strangers are to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greylist {
    /// None.
    Off,
    /// Those whom something speaks against: their address has no name, what they call themselves is none, or SPF says that they may
    /// not send for the domain.
    Suspicious,
    /// All.
    All,
}

/// Whether a host is to be known before it is let in. A name server that gives no answer speaks against nobody.
pub(crate) fn needs_acquaintance(known: &Introduction, greylist: Greylist) -> bool {
    if known.listed.allowed_by.is_some() {
        return false;
    }
    match greylist {
        Greylist::Off => false,
        Greylist::All => true,
        Greylist::Suspicious => {
            matches!(known.iprev.result, IprevResult::Fail | IprevResult::PermError)
                || known.helo_name != HeloName::Sound
                || matches!(known.mail_from.result, SpfResult::Fail | SpfResult::SoftFail)
        }
    }
}

/// Decides about a stranger who tried first at `first`.
pub(crate) fn let_in(known: &Introduction, first: Timestamp, now: Timestamp) -> Admission {
    let left = WAIT_MILLIS.saturating_sub(now.0.saturating_sub(first.0));
    if left <= 0 {
        return Admission::Admit;
    }
    let (domain, seconds) = (shown(&known.mail_from.domain), (left + 999) / 1000);
    let unit = if seconds == 1 { "second" } else { "seconds" };
    Admission::ComeAgain(Reason(format!(
        "No mail of {domain} from {} is known here yet: try again in {seconds} {unit}, then it is taken (greylisting)",
        known.address
    )))
}
