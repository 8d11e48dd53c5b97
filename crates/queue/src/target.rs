//! A host that is talked to for a domain, and what is told of what TLS made of it.

use crate::mx::{Dane, Host};
use crate::outgoing::Direct;
use crate::sts::{Mode, Policy};
use crate::tls_outcome::{Promise, TlsFailure, TlsOutcome};
use crate::wire::{Seen, Shake};
use dns::Tlsa;
use smtp_proto::client::Stage;
use smtp_proto::{Failure, Outcome};
use std::fmt::Write;

/// A host of a domain.
pub(crate) struct Target<'a> {
    pub(crate) direct: &'a Direct,
    pub(crate) domain: &'a str,
    pub(crate) host: &'a Host,
    pub(crate) policy: Option<&'a Policy>,
}

impl Target<'_> {
    /// Tells what TLS made of a session with it, if somebody wants to know.
    pub(crate) fn tell(&self, seen: &Seen, result: Result<(), TlsFailure>) {
        let Some(tell) = &self.direct.tls_told else { return };
        let promise = promise(self.host, self.policy);
        let is_named = self.policy.is_none_or(|policy| policy.names(&self.host.name));
        let is_wrong_host = matches!(promise, Promise::Sts { .. }) && !is_named;
        let result = if is_wrong_host { result.and(Err(TlsFailure::Invalid)) } else { result };
        tell(TlsOutcome {
            domain: self.domain.to_owned(),
            promise,
            host: self.host.name.clone(),
            address: seen.address(),
            failure: result.err(),
        });
    }
}

/// What a domain promises of one of its hosts.
fn promise(host: &Host, policy: Option<&Policy>) -> Promise {
    match (&host.dane, policy) {
        (Dane::Required(tlsa), _) => Promise::Tlsa(tlsa.iter().map(shown).collect()),
        (Dane::None, Some(policy)) => sts(policy),
        (Dane::None, None) => Promise::Nothing,
    }
}

fn sts(policy: &Policy) -> Promise {
    let mode = match policy.mode {
        Mode::Enforce => "enforce",
        Mode::Testing => "testing",
        Mode::None => "none",
    };
    let head = ["version: STSv1".to_owned(), format!("mode: {mode}")];
    let mx = policy.mx.iter().map(|name| format!("mx: {name}"));
    let lines = head.into_iter().chain(mx).chain([format!("max_age: {}", policy.max_age_secs)]).collect();
    Promise::Sts { lines, mx: policy.mx.clone() }
}

fn shown(tlsa: &Tlsa) -> String {
    let Tlsa { usage, selector, matching, data } = tlsa;
    let mut text = format!("{usage} {selector} {matching} ");
    for octet in data {
        // A string takes all that is written to it.
        let _written = write!(text, "{octet:02x}");
    }
    text
}

/// What a session was like, once its first message was settled; `None`: there was none that says anything of TLS.
pub(crate) fn result(seen: &Seen, outcomes: &[Outcome]) -> Option<Result<(), TlsFailure>> {
    match seen.shake() {
        Shake::Done(None) => Some(Ok(())),
        Shake::Done(Some(failure)) | Shake::Broken(failure) => Some(Err(failure)),
        Shake::None if outcomes.iter().all(is_before_tls) => None,
        Shake::None => Some(Err(TlsFailure::NotSupported)),
    }
}

/// Whether it did not come as far as STARTTLS.
fn is_before_tls(outcome: &Outcome) -> bool {
    let is_early = |failure: &Failure| matches!(failure.stage, Stage::Greeting | Stage::Hello);
    match outcome {
        Outcome::Temporary(failure) | Outcome::Permanent(failure) => is_early(failure),
        Outcome::Accepted { .. } => false,
        Outcome::NotTried => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_told_as_its_owner_wrote_it() {
        let policy = Policy { mode: Mode::Testing, mx: vec!["*.a.example".into()], max_age_secs: 86_400 };
        let tlsa = Tlsa { usage: 3, selector: 1, matching: 1, data: vec![0, 0xab] };
        let host = |dane| Host { name: "mx.a.example".into(), addresses: Vec::new(), dane, is_signed: false };
        let lines = ["version: STSv1", "mode: testing", "mx: *.a.example", "max_age: 86400"].map(str::to_owned);
        let sts = Promise::Sts { lines: lines.into(), mx: policy.mx.clone() };
        assert_eq!(promise(&host(Dane::None), Some(&policy)), sts);
        assert_eq!(promise(&host(Dane::None), None), Promise::Nothing);
        let tlsa = host(Dane::Required(vec![tlsa]));
        assert_eq!(promise(&tlsa, Some(&policy)), Promise::Tlsa(vec!["3 1 1 00ab".into()]));
    }
}
