//! The words of the service (RFC 5321 §4.2.3, RFC 3463).

use crate::networks::TooMuch;
use mailflow::{Admission, HOLD_SECONDS_MAX, ListRefusal, NotHeld, Reason, RecipientOutcome};
use smtp_proto::{Enhanced, Hold, Reply};
use store::Timestamp;

/// RFC 3463: class and X.0.0 "other", X.3.x system, X.5.x protocol, X.7.x security.
const PROTOCOL: Enhanced = Enhanced(5, 5, 1);

pub(crate) fn ok(text: &'static str) -> Reply {
    Reply::new(250, Enhanced(2, 0, 0), text)
}

pub(crate) fn out_of_order(text: &'static str) -> Reply {
    Reply::new(503, PROTOCOL, text)
}

pub(crate) fn not_here(text: &'static str) -> Reply {
    Reply::new(502, PROTOCOL, text)
}

/// Ours; the store has logged it.
pub(crate) fn fault() -> Reply {
    Reply::new(451, Enhanced(4, 3, 0), "This server has a problem; try again later")
}

pub(crate) fn no_space() -> Reply {
    Reply::new(452, Enhanced(4, 3, 1), "No space here at the moment; try again later")
}

/// Too much is looked up for this client, or the server stops.
pub(crate) fn not_examined() -> Reply {
    Reply::new(451, Enhanced(4, 3, 2), "Too many of your messages are looked at in this moment; try again later")
}

/// RFC 3463 §3.4, X.3.2: the system does not take messages at the moment.
pub(crate) fn read_only() -> Reply {
    let text = "This server can read its disk and not write to it, so it takes no mail at the moment; try again later";
    Reply::new(451, Enhanced(4, 3, 2), text)
}

/// RFC 3463 §3.3, X.2.2: "This code should be used as a persistent transient failure": the sender tries again while the
/// owner makes room.
pub(crate) fn mailbox_full() -> Reply {
    Reply::new(452, Enhanced(4, 2, 2), "The mailbox is full; try again when its owner has made room")
}

/// RFC 1870 §6.1, §6.3.
pub(crate) fn too_big() -> Reply {
    Reply::new(552, Enhanced(5, 3, 4), "The message is larger than this server takes")
}

pub(crate) fn nul() -> Reply {
    Reply::new(550, Enhanced(5, 6, 0), "The message has a NUL octet, which mail must not have (RFC 5321 section 2.3.8)")
}

/// RFC 5321 §4.5.3.1.6: other servers need not take it.
pub(crate) fn line_too_long(number: usize, octets: usize) -> Reply {
    let text = format!(
        "Line {number} of the message has {octets} octets, and mail to other servers has at most 998 in a line \
         (RFC 5321 section 4.5.3.1.6): encode it as quoted-printable or base64"
    );
    Reply::new(550, Enhanced(5, 6, 0), text)
}

/// RFC 6409 §6.1: a sender may use own addresses only.
pub(crate) fn not_own(name: &str, address: &str) -> Reply {
    let text = format!("{name} may not write as {address} in From: it is not one of its addresses");
    Reply::new(550, Enhanced(5, 7, 1), text)
}

/// The same.
pub(crate) fn no_author() -> Reply {
    Reply::new(550, Enhanced(5, 7, 1), "The From field has no address")
}

/// RFC 5321 §3.8: the last word.
pub(crate) fn bye(status: Enhanced, text: &'static str) -> Reply {
    Reply::new(421, status, text)
}

/// Hosts near the client do too much, or all together do.
pub(crate) fn too_much(what: TooMuch) -> &'static str {
    match what {
        TooMuch::AllConnections => "Too many connections from other servers at the moment; try again later",
        TooMuch::Connections => "Too many connections from your network; close one or try again later",
        TooMuch::AllConnects => "Other servers open too many connections at the moment; try again in a minute",
        TooMuch::Connects => "Your network opens connections too fast; try again in a minute",
        TooMuch::AllMessages => "Other servers send too many messages at the moment; try again in a minute",
        TooMuch::Messages => "Your network sends too many messages; try again in a minute",
        TooMuch::WrongRecipients => "Your network named too many recipients that do not exist; try again in an hour",
        TooMuch::BadCommands => "Your network said too much that is no command; try again in an hour",
    }
}

/// Whoever is logged in may not be any more; a new login says why (RFC 4954 §6).
pub(crate) fn login_ended() -> Reply {
    bye(Enhanced(4, 7, 0), "This login does not count any more; log in again")
}

/// One recipient's reply. `reason`: why, where it is about the sender.
pub(crate) fn outcome(outcome: RecipientOutcome, reason: Option<&Reason>, id: &str) -> Reply {
    let why = || reason.map(ToString::to_string).unwrap_or_default();
    match outcome {
        RecipientOutcome::Delivered => accepted(id),
        RecipientOutcome::OverQuota => mailbox_full(),
        RecipientOutcome::NoSpace => no_space(),
        RecipientOutcome::ReadOnly => read_only(),
        RecipientOutcome::Unavailable => {
            Reply::new(450, Enhanced(4, 2, 0), "The mailbox cannot take it at the moment; try again later")
        }
        RecipientOutcome::Fault => fault(),
        RecipientOutcome::Nul => nul(),
        // RFC 3463 §3.5, X.4.3: a directory server failed.
        RecipientOutcome::SenderUnknown => Reply::new(451, Enhanced(4, 4, 3), why()),
        RecipientOutcome::ListBusy => {
            let text = "This list has had as many messages as it takes in an hour; try again later";
            Reply::new(450, Enhanced(4, 7, 1), text)
        }
        RecipientOutcome::PutOff => Reply::new(451, Enhanced(4, 7, 1), why()),
        RecipientOutcome::List(why) => not_distributed(why),
        RecipientOutcome::ContentRefused => Reply::new(550, Enhanced(5, 7, 1), why()),
        // RFC 7372 §3.4: several checks failed.
        RecipientOutcome::SenderRefused => Reply::new(550, Enhanced(5, 7, 26), why()),
        RecipientOutcome::HostRefused => Reply::new(550, Enhanced(5, 7, 1), why()),
        RecipientOutcome::Loop => {
            Reply::new(554, Enhanced(5, 4, 6), "The message runs in circles: too many Received fields")
        }
    }
}

/// A host may not hand over a message to a recipient; `None` if it may.
pub(crate) fn not_admitted(admission: Admission) -> Option<Reply> {
    let (status, why) = match admission {
        Admission::Admit => return None,
        // RFC 6647 §5: a reply that lets the client try again.
        Admission::ComeAgain(why) => return Some(Reply::new(450, Enhanced(4, 7, 1), why.to_string())),
        Admission::RefuseHost(why) => (Enhanced(5, 7, 1), why),
        // RFC 7372 §3.3: reverse DNS validation failed.
        Admission::RefuseNameless(why) => (Enhanced(5, 7, 25), why),
        // RFC 7372 §3.2: SPF validation failed.
        Admission::RefuseSender(why) => (Enhanced(5, 7, 23), why),
        // RFC 7505 §4.2: sender address has null MX.
        Admission::RefuseUnused(why) => (Enhanced(5, 7, 27), why),
    };
    Some(Reply::new(550, status, why.to_string()))
}

/// A list does not take it.
fn not_distributed(why: ListRefusal) -> Reply {
    match why {
        // RFC 3463 §3.8, X.7.2: mailing list expansion prohibited.
        ListRefusal::NotAllowed => {
            let text = "You may not write to this list, or nothing proves that it was you who did (SPF, DKIM)";
            Reply::new(550, Enhanced(5, 7, 2), text)
        }
        ListRefusal::NotMeant => {
            let text = "To or Cc must name this list, Date must be of these days, and what is signed (DKIM) must have both \
                        under its signature, and a Message-ID: else somebody else could send it again in your name";
            Reply::new(550, Enhanced(5, 7, 2), text)
        }
        ListRefusal::Automatic => {
            Reply::new(550, Enhanced(5, 7, 2), "This list takes nothing that a program answers by itself")
        }
        // RFC 3463 §3.3, X.2.4: mailing list expansion problem.
        ListRefusal::TooLarge => Reply::new(552, Enhanced(5, 2, 4), "The message is larger than this list takes"),
        ListRefusal::Answered => Reply::new(550, Enhanced(5, 7, 2), "That was answered already, or it is over"),
        ListRefusal::NoAnswer => {
            let text = "Nothing was done: begin with the word approve or the word reject";
            Reply::new(550, Enhanced(5, 7, 2), text)
        }
    }
}

/// The message is durable.
pub(crate) fn accepted(id: &str) -> Reply {
    Reply::new(250, Enhanced(2, 0, 0), format!("Accepted as {id}"))
}

/// The message is taken, and waits for its owner.
pub(crate) fn accepted_and_waits(id: &str) -> Reply {
    let text = format!("Accepted as {id}; it waits until you say that it is yours: a letter in your mailbox tells how");
    Reply::new(250, Enhanced(2, 0, 0), text)
}

/// The message is on its way, and will not be in Sent.
pub(crate) fn accepted_but_not_kept(id: &str, error: &store::Error) -> Reply {
    Reply::new(250, Enhanced(2, 0, 0), format!("Accepted as {id}; it could not be saved to Sent: {error}"))
}

/// The message is durable, and waits for its time.
pub(crate) fn held(id: &str, until: Timestamp) -> Reply {
    Reply::new(250, Enhanced(2, 0, 0), format!("Accepted as {id}; held until {}", Hold::written(until.0)))
}

/// A message is not held as its sender wants it (RFC 4865 §4.2, §5.2.2, §6).
pub(crate) fn not_held(why: &NotHeld) -> Reply {
    let bad = |text: String| Reply::new(501, Enhanced(5, 5, 4), text);
    match why {
        NotHeld::TooLong => bad(format!("Messages are held for {HOLD_SECONDS_MAX} seconds at most")),
        NotHeld::AfterDeadline => {
            bad("It would be released after the time by which it is to be delivered (BY)".to_owned())
        }
        NotHeld::FromNobody => bad("What is from nobody is not held".to_owned()),
        NotHeld::Queue(queue::Error::Full(_)) => {
            Reply::new(552, Enhanced(5, 7, 17), "This server holds as many messages as it can; send it later")
        }
        NotHeld::Queue(error) => not_queued(error),
    }
}

/// The queue did not take it.
pub(crate) fn not_queued(error: &queue::Error) -> Reply {
    match error {
        queue::Error::Full(_) | queue::Error::Store(store::Error::NoSpace(_)) => no_space(),
        queue::Error::Store(store::Error::ReadOnly) => read_only(),
        queue::Error::Share(why) => Reply::new(452, Enhanced(4, 3, 1), why.clone()),
        // RFC 5321 §4.3.2: 450 is a refusal for reasons of policy.
        queue::Error::Rate(why) => Reply::new(450, Enhanced(4, 7, 1), why.clone()),
        // RFC 4865 §6.
        queue::Error::Scheduled(why) => Reply::new(552, Enhanced(5, 7, 16), why.clone()),
        queue::Error::NoSuchEntry
        | queue::Error::Held
        | queue::Error::Underway
        | queue::Error::Superseded
        | queue::Error::Damaged(_)
        | queue::Error::Store(_) => fault(),
    }
}
