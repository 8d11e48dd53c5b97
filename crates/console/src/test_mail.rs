//! Test mail in words: what the host said that took it, what came back of it, and what to do about it.

use crate::account::AccountConsole;
use crate::administration::Administration;
use crate::error::Error;
use crate::finding::{Finding, State};
use crate::moment::shown;
use auth::Auth;
use queue::{Protection, Queue, QueueId};
use reports::{Action, Came, HostSaid, Seen, THE_SMARTHOST, TestMail, TestMails, Verdict, What};
use serde::{Deserialize, Serialize};
use store::{AccountId, Timestamp};
use wording::{tr, trc, trn};

const MINUTE_MILLIS: i64 = 60 * 1000;
/// So soon a host should have said something, and what goes through this server's own port be there.
const SOON_MILLIS: i64 = 2 * MINUTE_MILLIS;
/// Who wants to answer has done so by then.
const ANSWER_MILLIS: i64 = 60 * MINUTE_MILLIS;

/// A test, and how it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestMailCard {
    /// What it is known by.
    pub token: String,
    /// When it was sent.
    pub at: String,
    /// From which address here.
    pub from: String,
    /// Whom it went to.
    pub to: String,
    /// Through this server's own port.
    pub is_loop: bool,
    /// The worst of what was found.
    pub state: State,
    /// How it went, in a sentence.
    pub text: String,
    /// What was found, step by step.
    pub findings: Vec<Finding>,
}

impl AccountConsole {
    /// The tests of the account, the newest first.
    ///
    /// # Errors
    /// Faults.
    pub fn tests(&self, auth: &Auth, queue: &Queue) -> Result<Vec<TestMailCard>, Error> {
        cards(auth, queue, Some(self.account.id()), self.actor.now)
    }
}

impl Administration {
    /// The tests of all accounts, the newest first.
    ///
    /// # Errors
    /// Faults.
    pub fn tests(&self, queue: &Queue) -> Result<Vec<TestMailCard>, Error> {
        cards(&self.auth, queue, None, self.actor.now)
    }
}

fn cards(auth: &Auth, queue: &Queue, account: Option<AccountId>, now: Timestamp) -> Result<Vec<TestMailCard>, Error> {
    let tests = TestMails::of(auth.store()).list(account)?;
    let waiting = |test: &TestMail| queue.show(QueueId(test.queue?)).ok();
    Ok(tests.iter().map(|test| card(test, waiting(test).as_ref(), now)).collect())
}

/// `waiting`: the test, as long as it is in the queue.
fn card(test: &TestMail, waiting: Option<&queue::Entry>, now: Timestamp) -> TestMailCard {
    let age = now.0.saturating_sub(test.at);
    let mut findings = vec![way_out(test, waiting, age)];
    if let Some(said) = test.said.last().filter(|said| !said.host.is_empty()) {
        findings.push(protection(test, said));
        if said.verdict == Verdict::Taken {
            findings.push(reports(said));
        }
    }
    let is_taken = test.said.last().is_some_and(|said| said.verdict == Verdict::Taken);
    if is_taken && test.came.is_empty() {
        findings.push(nothing_back(test, age));
    }
    test.came.iter().for_each(|came| back(test, came, &mut findings));
    let state = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Unknown);
    let TestMail { token, from, to, is_loop, .. } = test.clone();
    let text = summary(test, state);
    TestMailCard { token, at: shown(Timestamp(test.at)), from, to, is_loop, state, text, findings }
}

fn summary(test: &TestMail, state: State) -> String {
    let TestMail { from, to, is_loop, .. } = test;
    let way = match is_loop {
        true => tr!(
            "From {from} to {to}, out by the usual way and in again through this server's own port 25",
            from = from,
            to = to
        ),
        false => tr!("From {from} to {to}", from = from, to = to),
    };
    match (state, test.came.is_empty()) {
        (State::Fine, _) => tr!("{way}: all is well.", way = way),
        (State::Unknown, true) => tr!("{way}: nothing has come back yet.", way = way),
        (State::Unknown, false) => tr!("{way}: it came back, and not all of it could be read.", way = way),
        (State::Warning, _) => tr!("{way}: it could be better.", way = way),
        (State::Wrong, _) => tr!("{way}: something is wrong.", way = way),
    }
}

fn way_out(test: &TestMail, waiting: Option<&queue::Entry>, age: i64) -> Finding {
    let finding = Finding::new(tr!("the way out"), tr!("mail for others leaves over it"))
        .expecting(tr!("the other server takes it"));
    let look = match test.queue {
        Some(number) => tr!(
            "`pillarbox queue show {number}` says why it waits, `pillarbox doctor` whether port 25 is open outwards",
            number = number
        ),
        None => tr!("`pillarbox queue show` says why it waits, `pillarbox doctor` whether port 25 is open outwards")
            .to_owned(),
    };
    let put_off = test.said.iter().find(|said| said.verdict == Verdict::Later);
    let Some(said) = test.said.last() else {
        let last = waiting.and_then(|entry| entry.recipients.first()?.last_reply().cloned());
        let found =
            last.map_or(tr!("nobody has been talked to yet").to_owned(), |last| format!("{} {}", last.code, last.text));
        let advice = if age < SOON_MILLIS { tr!("wait for a moment").to_owned() } else { look };
        return finding.found(found).but(State::Unknown, advice);
    };
    let host = if said.host.is_empty() { tr!("this server") } else { &said.host };
    match said.verdict {
        Verdict::Taken => {
            let taken = tr!("{host} took it: {reply}", host = host, reply = said.reply);
            finding.found(match put_off {
                Some(first) => trn!(
                    said.at.saturating_sub(first.at) / MINUTE_MILLIS,
                    "{taken}; it was put off first, for {n} minutes (“{reply}”), as many do with a stranger",
                    "{taken}; it was put off first, for {n} minutes (“{reply}”), as many do with a stranger",
                    taken = taken,
                    reply = first.reply
                ),
                None => taken,
            })
        }
        Verdict::Later => {
            let patience = tr!(
                "a host that puts a stranger off the first time takes it the next time; {look}",
                look = look
            );
            let advice = match waiting {
                Some(entry) => {
                    tr!("it is tried again {at}; {patience}", at = shown(entry.next_at), patience = patience)
                }
                None => patience,
            };
            finding.found(format!("{host}: {}", said.reply)).but(State::Warning, advice)
        }
        Verdict::Refused => finding.found(format!("{host}: {}", said.reply)).but(
            State::Wrong,
            tr!("these words say why; what is often behind them (reverse name, lists of senders of junk, SPF) `pillarbox doctor` looks at"),
        ),
    }
}

fn protection(test: &TestMail, said: &HostSaid) -> Finding {
    let finding = Finding::new(tr!("TLS on the way"), tr!("in the clear everybody between reads along"));
    let found = match said.protection {
        Protection::None => tr!("none: the message went in the clear, or was to"),
        Protection::Unproven => tr!("TLS, with whoever it is: it keeps out who only listens"),
        Protection::Published => tr!("TLS; the host's certificate is the one that its owner publishes (DANE)"),
        Protection::Policy => tr!("TLS; an authority vouches for the host's certificate, as its domain asks (MTA-STS)"),
        Protection::Authority => tr!("TLS; an authority vouches for the host's certificate"),
    };
    let finding = finding.found(found);
    // What it says of the way to a smarthost is nothing that this server could mend.
    match (said.protection, test.is_loop && said.host != THE_SMARTHOST) {
        (Protection::None, true) => {
            finding.but(State::Wrong, tr!("look at the certificate: `pillarbox doctor` says what is wrong with it"))
        }
        (Protection::None, false) if said.verdict == Verdict::Taken => {
            finding.but(State::Warning, tr!("that is up to the other server, which offers no TLS"))
        }
        (Protection::None, false) => finding.but(State::Unknown, tr!("look again once the other server has taken it")),
        (Protection::Unproven, true) => finding.but(
            State::Warning,
            tr!("publish the policy (MTA-STS) or the TLSA record that `pillarbox domain records` prints: then others ask for proof"),
        ),
        (Protection::Unproven, false)
        | (Protection::Published | Protection::Policy | Protection::Authority, _) => finding,
    }
}

fn reports(said: &HostSaid) -> Finding {
    let found = match said.reports {
        true => tr!("the other server tells by itself what becomes of a message (DSN)"),
        false => tr!("the other server does not tell what becomes of a message (DSN)"),
    };
    Finding::new(
        trc!("something that is tested", "reports"),
        tr!("who asks for a receipt gets it from the last server that gives any"),
    )
    .found(found)
}

fn nothing_back(test: &TestMail, age: i64) -> Finding {
    let (check, patience) = if test.is_loop {
        (tr!("the way in"), SOON_MILLIS)
    } else {
        (trc!("something that is tested", "an answer"), ANSWER_MILLIS)
    };
    let finding = Finding::new(check, tr!("what the other side found out about the mail is read in what comes back"));
    let advice = match (test.is_loop, age < patience) {
        (true, true) => tr!("wait for a moment"),
        (true, false) => {
            tr!("it was taken, by whoever listens there, and is not here: does the MX record name this server?")
        }
        (false, true) => tr!("ask whoever has it to send it back, best as an attachment; then wait"),
        (false, false) => {
            tr!(
                "look into the junk folder there, ask again, and look at the log here for what was refused: `pillarbox refused`"
            )
        }
    };
    finding.found(tr!("nothing has come back")).but(State::Unknown, advice)
}

fn back(test: &TestMail, came: &Came, findings: &mut Vec<Finding>) {
    let at = shown(Timestamp(came.at));
    let by = if came.by.is_empty() { trc!("who wrote a message", "nobody") } else { &came.by };
    let finding = Finding::new(tr!("what came back {at}", at = at), tr!("it says how the other side sees this server"));
    findings.push(match &came.what {
        What::Itself { is_junk: false } => finding.found(tr!("the test is in the mailbox")),
        What::Itself { is_junk: true } => finding
            .found(tr!("the test went to Junk"))
            .but(State::Warning, tr!("what was found out about it says why; others would put it there, too")),
        What::Report { action: Action::Failed, why } => finding.found(tr!("a report of {by}: not delivered, {why}", by = by, why = why)).but(
            State::Wrong,
            tr!("these words say why; what is often behind them `pillarbox doctor` looks at"),
        ),
        What::Report { action: Action::Delayed, why } => {
            finding.found(tr!("a report of {by}: it takes longer, {why}", by = by, why = why)).but(State::Warning, trc!("an advice", "wait"))
        }
        What::Report { action: Action::Delivered, .. } => finding.found(tr!("a report of {by}: it was delivered", by = by)),
        What::Answer if came.seen.is_empty() => finding.found(tr!("an answer of {by}: so it has arrived", by = by)).but(
            State::Unknown,
            tr!("what that server found out is not in it: ask for the test as an attachment, or for its source in an answer"),
        ),
        What::Answer => finding.found(tr!("an answer of {by}", by = by)),
    });
    match came.is_tls {
        Some(true) => findings.push(tls_there().found("TLS")),
        Some(false) => findings.push(
            tls_there()
                .found(tr!("no TLS"))
                .but(State::Warning, tr!("compare with what this server says of the way out")),
        ),
        None => {}
    }
    let is_signed = came.seen.iter().any(|seen| seen.method == "dkim" && seen.result == "pass");
    findings.extend(came.seen.iter().filter_map(|seen| result(test, seen, is_signed)));
}

fn tls_there() -> Finding {
    Finding::new(tr!("TLS, as the other side saw it"), tr!("in the clear everybody between reads along"))
}

/// A result of the server at the other end, with what to do; `None` of what says nothing about this server. `is_signed`: one of the
/// signatures is good, which is enough where a server does not know the other's algorithm.
fn result(test: &TestMail, seen: &Seen, is_signed: bool) -> Option<Finding> {
    let domain = test.from.rsplit_once('@').map_or("", |(_, domain)| domain);
    let records = format!("`pillarbox domain records {domain}`");
    let (name, why) = match seen.method.as_str() {
        // Of the name in HELO, which needs no record of its own (RFC 7208 §2.3).
        "spf" if seen.detail.starts_with("smtp.helo=") => return None,
        "spf" => ("SPF", tr!("it says which machines may send for the domain")),
        "dkim" => ("DKIM", tr!("it shows that the domain has sent the mail, and that nobody changed it")),
        "dmarc" => ("DMARC", tr!("it says whether the domain in From vouches for the mail")),
        "iprev" => {
            (tr!("reverse name"), tr!("many servers take no mail from an address whose name does not lead back"))
        }
        _ => return None,
    };
    let finding = Finding::new(tr!("{name}, as {server} has it", name = name, server = seen.by), why);
    let finding = finding.found(format!("{} {}", seen.result, seen.detail).trim().to_owned()).expecting("pass");
    let (state, advice) = match (seen.method.as_str(), seen.result.as_str()) {
        (_, "pass") => return Some(finding),
        ("dkim", _) if is_signed => {
            return Some(finding.expecting(tr!("pass; one signature that is understood is enough")));
        }
        (_, "temperror") => (State::Unknown, tr!("that server got no answer of the DNS: test again later").to_owned()),
        ("spf", "none") => (State::Wrong, tr!("publish the TXT record that {records} prints", records = records)),
        ("spf", "permerror") => (
            State::Wrong,
            tr!(
                "the record is broken, or there are two: publish only the one that {records} prints",
                records = records
            ),
        ),
        ("spf", "neutral") => (
            State::Warning,
            tr!("the record says nothing of this address: publish what {records} prints", records = records),
        ),
        ("spf", _) => (
            State::Wrong,
            tr!(
                "the record does not name the address that mail leaves from: compare it with {records}",
                records = records
            ),
        ),
        ("dkim", "none") => {
            (State::Wrong, tr!("the mail was not signed: {records} prints the keys to publish", records = records))
        }
        ("dkim", _) => (
            State::Wrong,
            tr!(
                "the key in the DNS is another one, or somebody changed the mail on its way: compare it with {records}",
                records = records
            ),
        ),
        ("dmarc", "none" | "bestguesspass") => {
            (State::Warning, tr!("publish the _dmarc record that {records} prints", records = records))
        }
        ("dmarc", _) => {
            (State::Wrong, tr!("neither SPF nor DKIM passed for the domain in From: mend those first").to_owned())
        }
        ("iprev", _) => (
            State::Wrong,
            tr!("set the reverse name where you have the address from; `pillarbox doctor` checks it").to_owned(),
        ),
        (_, _) => return Some(finding),
    };
    Some(finding.but(state, advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    fn said(verdict: Verdict, protection: Protection) -> HostSaid {
        let (host, reply) = ("mx.far.test".to_owned(), "250 ok".to_owned());
        HostSaid { at: NOW, host, reply, verdict, protection, reports: false }
    }

    fn test(said: Vec<HostSaid>, came: Vec<Came>) -> TestMail {
        TestMail {
            token: "t".into(),
            at: NOW,
            account: 20,
            from: "alice@near.test".into(),
            to: "bob@far.test".into(),
            is_loop: false,
            queue: Some(7),
            said,
            came,
        }
    }

    fn seen(method: &str, result: &str) -> Seen {
        Seen { by: "mx.far.test".into(), method: method.into(), result: result.into(), detail: String::new() }
    }

    fn found(test: &TestMail, after: i64) -> TestMailCard {
        card(test, None, Timestamp(NOW + after))
    }

    #[test]
    fn each_result_says_what_to_do() {
        for (method, result, state, advice) in [
            ("spf", "pass", State::Fine, ""),
            ("spf", "softfail", State::Wrong, "does not name the address"),
            ("spf", "none", State::Wrong, "publish the TXT record that `pillarbox domain records near.test`"),
            ("spf", "permerror", State::Wrong, "there are two"),
            ("spf", "neutral", State::Warning, "says nothing of this address"),
            ("dkim", "none", State::Wrong, "not signed"),
            ("dkim", "fail", State::Wrong, "another one"),
            ("dmarc", "fail", State::Wrong, "neither SPF nor DKIM"),
            ("dmarc", "none", State::Warning, "_dmarc"),
            ("dmarc", "temperror", State::Unknown, "test again later"),
            ("iprev", "fail", State::Wrong, "reverse name"),
        ] {
            let what = What::Answer;
            let came =
                Came { at: NOW, by: "bob@far.test".into(), what, is_tls: Some(true), seen: vec![seen(method, result)] };
            let card = found(&test(vec![said(Verdict::Taken, Protection::Policy)], vec![came]), 0);
            let last = card.findings.last().unwrap();
            assert_eq!((last.state, card.state), (state, state), "{method}={result}");
            assert!(
                last.advice.to_string().contains(advice) && last.advice.is_empty() == advice.is_empty(),
                "{last:?}"
            );
        }
    }

    #[test]
    fn a_signature_that_is_not_understood_is_no_fault_beside_one_that_is() {
        let helo = Seen { detail: "smtp.helo=mail.near.test".into(), ..seen("spf", "none") };
        let seen = vec![seen("dkim", "neutral"), seen("dkim", "pass"), seen("x-other", "fail"), helo];
        let came = Came { at: NOW, by: String::new(), what: What::Answer, is_tls: None, seen };
        let card = found(&test(vec![said(Verdict::Taken, Protection::Published)], vec![came]), 0);
        assert_eq!((card.state, card.findings.len()), (State::Fine, 6), "{card:#?}");
        assert!(card.text.ends_with("all is well."));
    }

    #[test]
    fn who_hears_nothing_is_told_where_to_look() {
        let check = |said: Vec<HostSaid>, after, advice: &str| {
            let card = found(&test(said, Vec::new()), after);
            let to_do = card.findings.iter().find(|finding| finding.state != State::Fine).unwrap();
            assert!(to_do.advice.to_string().contains(advice), "{to_do:?}");
        };
        check(Vec::new(), 0, "wait");
        check(Vec::new(), SOON_MILLIS, "queue show 7");
        check(vec![said(Verdict::Later, Protection::Unproven)], 0, "takes it the next time");
        check(vec![said(Verdict::Refused, Protection::Unproven)], 0, "doctor");
        check(vec![said(Verdict::Taken, Protection::None)], 0, "offers no TLS");
        check(vec![said(Verdict::Taken, Protection::Policy)], 0, "best as an attachment");
        check(vec![said(Verdict::Taken, Protection::Policy)], ANSWER_MILLIS, "junk folder");
        let answer = Came { at: NOW, by: "b@far.test".into(), what: What::Answer, is_tls: None, seen: Vec::new() };
        let card = found(&test(vec![said(Verdict::Taken, Protection::Policy)], vec![answer]), 0);
        assert!(card.findings.last().unwrap().found.to_string().contains("has arrived"), "{card:?}");
        let circle = TestMail { is_loop: true, ..test(vec![said(Verdict::Taken, Protection::Policy)], Vec::new()) };
        assert!(found(&circle, SOON_MILLIS).findings.last().unwrap().advice.to_string().contains("MX record"));
    }

    #[test]
    fn a_message_that_nobody_took_in_the_clear_was_called_well_protected() {
        let tls = |said: HostSaid, is_loop| {
            let card = found(&TestMail { is_loop, ..test(vec![said], Vec::new()) }, 0);
            let tls = card.findings.into_iter().find(|finding| finding.check == "TLS on the way").unwrap();
            (tls.state, tls.advice)
        };
        for verdict in [Verdict::Later, Verdict::Refused] {
            assert_eq!(tls(said(verdict, Protection::None), false).0, State::Unknown);
        }
        // What a smarthost lacks is not mended here.
        let smarthost = HostSaid { host: THE_SMARTHOST.to_owned(), ..said(Verdict::Taken, Protection::None) };
        let (state, advice) = tls(smarthost, true);
        assert!(state == State::Warning && !advice.to_string().contains("certificate"), "{advice}");
        assert_eq!(tls(said(Verdict::Taken, Protection::None), true).0, State::Wrong);
    }

    #[test]
    fn mail_that_was_put_off_first_says_for_how_long() {
        let first = HostSaid {
            at: NOW - 5 * MINUTE_MILLIS,
            reply: "451 grey".into(),
            ..said(Verdict::Later, Protection::None)
        };
        let card = found(&test(vec![first, said(Verdict::Taken, Protection::Policy)], Vec::new()), 0);
        assert!(card.findings[0].found.to_string().contains("for 5 minutes (“451 grey”)"), "{:?}", card.findings[0]);
    }
}
