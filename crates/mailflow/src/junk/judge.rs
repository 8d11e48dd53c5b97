//! What the filters of its recipients say of a message that has come.

use super::experience::Experience;
use crate::arrival::Arrival;
use crate::decide::Doubts;
use crate::flow::MailFlow;
use junk::{Facts, Features, Reason, Verdict, start};
use sender_auth::{DmarcResult, HeloName, results};
use std::cell::OnceCell;
use store::{Account, AccountId, ModSeq, Protocol};
use tracing::warn;

/// Which field says what the filter thinks; only we write it.
const VERDICT_FIELD: &str = "X-Pillarbox-Junk";
/// In the field of the verdict a reason has at most so many characters.
const REASON_CHARS_MAX: usize = 40;

/// A message to be judged: read when the first filter asks, once for all its recipients.
#[derive(Default)]
pub(crate) struct Letter(OnceCell<Read>);

struct Read {
    sender: Vec<u8>,
    facts: Facts,
    features: Features,
}

/// What one account's filter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) is_junk: bool,
    /// In thousandths.
    pub(crate) score: i32,
    /// `X-Pillarbox-Junk`, with its line end.
    pub(crate) field: Vec<u8>,
}

impl Read {
    fn new(content: &[u8], facts: Facts) -> Self {
        let header = content.get(..message::header::end(content)).unwrap_or_default();
        let envelope = message::Envelope::parse(header);
        let sender = envelope.from.first().and_then(message::Address::addr_spec).unwrap_or_default();
        Self { sender, facts, features: Features::of(content, facts) }
    }
}

impl MailFlow {
    /// Judges a message for one of its recipients. `None`: it is not judged, or nothing is known that would tell. A filter
    /// that cannot be read keeps no mail back.
    pub(crate) fn judge(
        &self,
        arrival: &Arrival,
        content: &[u8],
        letter: &Letter,
        account: &Account,
    ) -> Option<Judged> {
        if !self.filters_junk || !is_from_others(arrival) || !self.files_junk(account.id()) {
            return None;
        }
        let experience = match experience(account) {
            Ok(experience) => experience,
            Err(error) => {
                warn!(account = %account.id(), %error, "the junk filter cannot be read; mail is delivered without it");
                return None;
            }
        };
        let read = || Read::new(content, facts(arrival, content, &self.hostname, &self.policy.doubts));
        let Read { sender, facts, features } = letter.0.get_or_init(read);
        let verdict = Verdict::of(features, &experience.counts, start());
        // Anybody can write the address of a friend.
        let is_known = experience.knows(sender) && facts.proven != Some(false);
        if experience.learnt_to == ModSeq(0) && !verdict.is_junk() {
            return None;
        }
        let is_junk = verdict.is_junk() && !is_known;
        self.figures.judged.inc([if is_junk { "junk" } else { "good" }]);
        Some(Judged { is_junk, score: verdict.score, field: field(&verdict, is_junk, is_known) })
    }
}

impl MailFlow {
    /// Whether mail of an account is put into Junk. What its owner chose is not guessed: while nobody can read it, nothing is.
    pub(crate) fn files_junk(&self, account: AccountId) -> bool {
        self.auth.directory().filters_junk(account).unwrap_or_else(|error| {
            warn!(%account, %error, "it cannot be read whether the junk filter is on; mail is delivered without it");
            false
        })
    }
}

/// What is known of a message that does not stand in it: what was found out about its sender here, or by a mail system of ours
/// that brings it.
fn facts(arrival: &Arrival, content: &[u8], hostname: &str, doubts: &Doubts) -> Facts {
    let Some(sender) = &arrival.sender else { return facts_in(content, hostname) };
    let proven = match sender.dmarc.result {
        DmarcResult::Pass => Some(true),
        DmarcResult::Fail => Some(false),
        DmarcResult::None | DmarcResult::TempError | DmarcResult::PermError => None,
    };
    Facts { proven, doubts: doubts.told(&sender.introduction) }
}

/// The same, as the message itself says in our name.
pub(super) fn facts_in(content: &[u8], hostname: &str) -> Facts {
    let (has_name, helo) = results::host(content, hostname).unwrap_or((true, HeloName::Sound));
    let (bad_helo, own_helo) = (helo == HeloName::NoName, helo == HeloName::Ours);
    let doubts = junk::Doubts { bad_helo, own_helo, no_reverse_name: !has_name };
    Facts { proven: results::vouched(content, hostname), doubts }
}

pub(super) fn experience(account: &Account) -> Result<Experience, store::Error> {
    let damaged = || store::Error::Damaged("what the junk filter has learnt is damaged".into());
    Experience::read(&account.training()?).map_err(|_| damaged())
}

/// Whether strangers may have sent it: mail from this machine and from own users is not judged. What a local mail system
/// hands over by LMTP comes from somewhere else.
fn is_from_others(arrival: &Arrival) -> bool {
    let source = &arrival.envelope.source;
    match source.protocol {
        Protocol::Lmtp => true,
        Protocol::Smtp => !source.client.to_canonical().is_loopback(),
        Protocol::Server | Protocol::Submission | Protocol::Imap | Protocol::Pop3 | Protocol::Cli | Protocol::Web => {
            false
        }
    }
}

/// `X-Pillarbox-Junk: yes; score=0.812; "click here" (0 wanted, 12 junk), …`
fn field(verdict: &Verdict, is_junk: bool, is_known: bool) -> Vec<u8> {
    let answer = if is_junk { "yes" } else { "no" };
    let score = f64::from(verdict.score) / 1000.0;
    let mut field = format!("{VERDICT_FIELD}: {answer}; score={score:.3}");
    match verdict.threshold {
        Some(threshold) => field.push_str(&format!("; junk-from={:.3}", f64::from(threshold) / 1000.0)),
        None => field.push_str("; taught=too-little"),
    }
    if verdict.handwriting != 0 {
        // No words for this: it is hundreds of scraps.
        field.push_str(&format!("; header={:.3}", f64::from(verdict.handwriting) / 1000.0));
    }
    if is_known {
        field.push_str(";\r\n\tyou have written to this sender");
    }
    for Reason { words, seen } in &verdict.reasons {
        // A stranger wrote these words: nothing of them may end the field or begin another.
        let said: String = words.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect();
        let said: String = said.chars().take(REASON_CHARS_MAX).collect();
        field.push_str(&format!(";\r\n\t\"{said}\" ({} wanted, {} junk)", seen.wanted, seen.junk));
    }
    field.push_str("\r\n");
    field.into_bytes()
}
