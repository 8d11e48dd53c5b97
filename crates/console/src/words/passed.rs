//! What became of mail that was passed on.

use super::subject;
use crate::moment;
use crate::names::shown;
use queue::{LastReply, Passed, PassedTo, RecipientState};
use wording::{tr, trc, trn};

/// All of it. Of a message that the mailbox has no copy of also which it was.
pub(crate) fn passed(passed: &Passed) -> String {
    let about = &passed.about;
    let mut whom: Vec<String> = passed.to.iter().map(|to| passed_to(passed, to)).collect();
    if passed.others > 0 {
        whom.push(trn!(passed.others, "and to {n} more", "and to {n} more"));
    }
    let whom = whom.join("; ");
    if about.email.is_some() {
        return passed_on(passed, &whom);
    }
    let from = if about.from.is_empty() { trc!("who wrote a message", "nobody") } else { about.from.as_str() };
    let (subject, from) = (subject(&about.subject), shown(from));
    match about.by_alias {
        true => tr!(
            "“{subject}” of {from} was passed on for {address} to {whom}",
            subject = subject,
            from = from,
            address = shown(&about.address),
            whom = whom
        ),
        false => tr!(
            "“{subject}” of {from} was forwarded, and not kept here, to {whom}",
            subject = subject,
            from = from,
            whom = whom
        ),
    }
}

/// How it was passed on, and to whom.
pub(crate) fn passed_on(passed: &Passed, whom: &str) -> String {
    match (passed.about.by_alias, passed.about.email) {
        (true, _) => {
            tr!("passed on for {address} to {whom}", address = shown(&passed.about.address), whom = whom)
        }
        (false, Some(_)) => tr!("forwarded to {whom}", whom = whom),
        (false, None) => tr!("forwarded, and not kept here, to {whom}", whom = whom),
    }
}

/// `eve@far.example: taken by mx.far.example over TLS`; of a member of an alias `a member elsewhere: taken`: where others have their mail,
/// and what a host says there, is none of its members' business.
pub(crate) fn passed_to(passed: &Passed, to: &PassedTo) -> String {
    let is_others = passed.about.by_alias;
    let became = match &to.state {
        RecipientState::Waiting { .. } if passed.is_removed => {
            tr!("thrown away by an administrator before it was delivered").to_owned()
        }
        RecipientState::Waiting { last: None } => tr!("not sent yet").to_owned(),
        RecipientState::Waiting { .. } if is_others => tr!("waits, and is tried again").to_owned(),
        RecipientState::Delivered { reply, .. } if is_others => tr!("taken at {at}", at = moment::shown(reply.at)),
        RecipientState::Failed { .. } if is_others => tr!("not delivered, and its sender was told").to_owned(),
        RecipientState::Waiting { last: Some(last) } => tr!("waits, and is tried again; {said}", said = said(last)),
        RecipientState::Delivered { reply, .. } => {
            let (host, at) = (host(reply), moment::shown(reply.at));
            match reply.tls {
                true => tr!("taken by {host} over TLS at {at}", host = host, at = at),
                false => tr!("taken by {host} without TLS at {at}", host = host, at = at),
            }
        }
        RecipientState::Failed { reply, .. } => {
            tr!("not delivered, and its sender was told; {said}", said = said(reply))
        }
    };
    let who = if is_others { tr!("a member elsewhere").to_owned() } else { shown(&to.address) };
    format!("{who}: {became}")
}

fn said(reply: &LastReply) -> String {
    match reply.by_smarthost {
        true => tr!("{host} said {code} {text}", host = host(reply), code = reply.code, text = shown(&reply.text)),
        false => shown(&reply.text),
    }
}

fn host(reply: &LastReply) -> String {
    reply.host.as_deref().map_or_else(|| tr!("the smarthost").to_owned(), shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use queue::{About, QueueId};
    use store::Timestamp;

    #[test]
    fn what_the_far_end_said_is_told_in_words() {
        let reply = |code: u16, text: &str, by_smarthost, tls| LastReply {
            at: Timestamp(1_790_000_000_000),
            code,
            status: String::new(),
            text: text.into(),
            by_smarthost,
            host: Some("mx.far.example".into()),
            tls,
        };
        let at = "2026-09-21T14:13:20Z";
        for (state, told) in [
            (RecipientState::Waiting { last: None }, "not sent yet".to_owned()),
            (
                RecipientState::Waiting { last: Some(reply(451, "later\u{202e}", true, true)) },
                "waits, and is tried again; mx.far.example said 451 later".to_owned(),
            ),
            (
                RecipientState::Waiting { last: Some(reply(421, "nobody answers", false, false)) },
                "waits, and is tried again; nobody answers".to_owned(),
            ),
            (
                RecipientState::Delivered { reply: reply(250, "ok", true, true), untold: false },
                format!("taken by mx.far.example over TLS at {at}"),
            ),
            (
                RecipientState::Delivered { reply: reply(250, "ok", true, false), untold: false },
                format!("taken by mx.far.example without TLS at {at}"),
            ),
            (
                RecipientState::Failed { reply: reply(550, "no such user", true, true), reported: true },
                "not delivered, and its sender was told; mx.far.example said 550 no such user".to_owned(),
            ),
        ] {
            let to = PassedTo { address: "me@far.example".into(), state };
            assert_eq!(passed_to(&of(false), &to), format!("me@far.example: {told}"));
        }
    }

    fn of(by_alias: bool) -> Passed {
        let about = About { by_alias, ..About::default() };
        let (at, to) = (Timestamp(0), Vec::new());
        Passed { queue: QueueId(1), at, about, to, others: 0, is_removed: false }
    }

    #[test]
    fn members_of_an_alias_were_told_where_its_other_members_have_their_mail() {
        let reply = LastReply {
            at: Timestamp(1_790_000_000_000),
            code: 550,
            status: String::new(),
            text: "eve@far.example is full".into(),
            by_smarthost: true,
            host: Some("mx.far.example".into()),
            tls: true,
        };
        for (state, told) in [
            (RecipientState::Waiting { last: None }, "not sent yet"),
            (RecipientState::Waiting { last: Some(reply.clone()) }, "waits, and is tried again"),
            (RecipientState::Delivered { reply: reply.clone(), untold: false }, "taken at 2026-09-21T14:13:20Z"),
            (RecipientState::Failed { reply, reported: true }, "not delivered, and its sender was told"),
        ] {
            let to = PassedTo { address: "eve@far.example".into(), state };
            assert_eq!(passed_to(&of(true), &to), format!("a member elsewhere: {told}"));
            let whole = passed(&Passed { to: vec![to], ..of(true) });
            assert!(!whole.contains("far.example"), "{whole}");
        }
    }
}
