//! What is refused is told in one place: a line in the log, and a note for whoever looks for a lost mail.

use crate::log;
use crate::transaction::Transaction;
use mailflow::Missed;
use reports::{About, Refusal, Refusals, Whose};
use smtp_proto::Reply;
use store::{AccountId, Timestamp};

/// Whom something is refused to.
pub(crate) struct Client<'a> {
    pub(crate) shown: log::Client,
    /// The account that sends, if somebody is logged in.
    pub(crate) sender: Option<AccountId>,
    pub(crate) now: Timestamp,
    pub(crate) refusals: &'a Refusals,
    pub(crate) counted: &'a metrics::Refusals,
}

/// A recipient.
pub(crate) fn recipient(client: &Client<'_>, from: &str, to: &str, reply: &Reply) {
    count(client, "recipient", reply);
    log::recipient_refused(client.shown, from, to, reply);
    note(client, Message { id: "", from, about: &About::default() }, to, reply);
}

/// A sender, before anything is known of recipients: its size, its domain, whoever brings it.
pub(crate) fn sender(client: &Client<'_>, from: &str, reply: &Reply) {
    count(client, "message", reply);
    log::message_refused(client.shown, None, from, reply);
    note(client, Message { id: "", from, about: &About::default() }, "", reply);
}

/// A client as such, who hears it as our last word: it comes too often, or does too much wrong.
pub(crate) fn connection(client: &Client<'_>, reply: &Reply) {
    count(client, "connection", reply);
    log::connection_refused(client.shown, reply);
    write_down(client, Message { id: "", from: "", about: &About::default() }, "", reply);
}

/// A message for all of its recipients, before it was called anything. `content`: as far as it is at hand.
pub(crate) fn message(client: &Client<'_>, transaction: &Transaction, content: &[u8], reply: &Reply) {
    let (from, about) = (transaction.envelope.from(), About::of(content));
    count(client, "message", reply);
    log::message_refused(client.shown, None, &from, reply);
    let message = Message { id: "", from: &from, about: &about };
    if client.sender.is_some() {
        return note(client, message, "", reply);
    }
    transaction.envelope.local.iter().for_each(|recipient| note(client, message, &recipient.address, reply));
}

/// A message that has a name. `replies`: one for each recipient, or one for all; `missed`: who is to know of it, if it is not its
/// sender.
pub(crate) fn named(client: &Client<'_>, (id, from): (&str, &str), replies: &[Reply], missed: Option<&Missed>) {
    replies.iter().filter(|reply| !reply.is_positive()).for_each(|reply| {
        count(client, "message", reply);
        log::message_refused(client.shown, Some(id), from, reply);
        if client.sender.is_some() {
            note(client, Message { id, from, about: &About::default() }, "", reply);
        }
    });
    let Some(Missed { by, about }) = missed else { return };
    for (at, to) in by {
        if let Some(reply) = replies.get(*at).or(replies.first()) {
            note(client, Message { id, from, about }, to, reply);
        }
    }
}

fn count(client: &Client<'_>, what: &'static str, reply: &Reply) {
    client.counted.inc(client.shown.protocol, what, reply.code);
}

/// What is known of a message.
#[derive(Clone, Copy)]
struct Message<'a> {
    id: &'a str,
    from: &'a str,
    about: &'a About,
}

fn note(client: &Client<'_>, message: Message<'_>, to: &str, reply: &Reply) {
    // What a program says wrong (RFC 5321 §4.2.2), and that it has to log in first (RFC 4954 §6), is no mail that somebody
    // misses.
    if !matches!(reply.code, 421 | 500..=504 | 530) {
        write_down(client, message, to, reply);
    }
}

fn write_down(client: &Client<'_>, message: Message<'_>, to: &str, reply: &Reply) {
    let log::Client { protocol, address } = client.shown;
    let whose = client.sender.map_or(Whose::Recipient, Whose::Sender);
    let refusal = Refusal {
        at: client.now,
        times: 1,
        protocol: protocol.to_owned(),
        client: address,
        from: message.from.to_owned(),
        to: to.to_owned(),
        code: reply.code,
        reply: reply.text(),
        id: message.id.to_owned(),
        about: message.about.clone(),
    };
    client.refusals.note(whose, refusal);
}
