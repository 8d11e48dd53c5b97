//! Looks at the server from outside, after it was killed and started again, and compares with the ledger. Knows nothing
//! of what the workload does, only what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::ledger::{Book, INBOX, Id, MAILBOXES, Mail, Places, content};
use super::workload::{Account, flags_of, message_id};
use crate::support::Outcome;
use crate::support::imap::Imap;
use crate::support::server::Addresses;

/// What is in an account, as seen over IMAP and POP3.
#[derive(Default)]
struct Observed {
    places: BTreeMap<Id, Places>,
    /// EMAILIDs in INBOX, in order.
    inbox: Vec<String>,
    /// UIDLs of the POP3 devices, in order.
    reader: Vec<String>,
    eraser: Vec<String>,
}

/// The first SELECT after a start: how long after the start of the process it was answered.
pub fn first_select(server: &Addresses, account: &Account, started: Instant) -> Outcome<Duration> {
    let mut imap = server.imap(&account.address, &account.mail)?;
    imap.command("SELECT INBOX")?;
    Ok(started.elapsed())
}

/// Compares an account with its ledger, which then goes on from what is there.
pub fn check(server: &Addresses, account: &Account) -> Outcome<()> {
    let mut book = account.ledger.book();
    let mut observed = Observed::default();
    let mut imap = server.imap(&account.address, &account.mail)?;
    for mailbox in MAILBOXES {
        observe(&mut imap, mailbox, &mut book, &mut observed)?;
    }
    let uidl = |password: &str| -> Outcome<Vec<String>> {
        let mut pop3 = server.pop3(&account.address, password)?;
        let listing = pop3.uidl()?;
        pop3.quit()?;
        Ok(listing.into_iter().map(|(_, email)| email).collect())
    };
    observed.reader = uidl(&account.reader)?;
    observed.eraser = uidl(&account.eraser)?;
    settle_places(&mut book, &observed);
    settle_maildrops(&mut book, &observed);
    Ok(())
}

/// Everything in a mailbox, to the last octet of each message.
fn observe(imap: &mut Imap, mailbox: &'static str, book: &mut Book, observed: &mut Observed) -> Outcome<()> {
    let selected = imap.command(&format!("SELECT {mailbox} (CONDSTORE)"))?;
    let number = |name| selected.number(name).unwrap_or_else(|| panic!("SELECT {mailbox} tells no {name}"));
    let (uid_next, highest_modseq) = (number("UIDNEXT"), number("HIGHESTMODSEQ"));
    book.learn_validity(mailbox, number("UIDVALIDITY"));
    let answer = imap.command("FETCH 1:* (UID FLAGS MODSEQ EMAILID RFC822.SIZE BODY.PEEK[])")?;
    let mut last_uid = 0;
    for (_, attributes) in answer.fetched() {
        let number = |name| attributes.number(name).unwrap_or_else(|| panic!("FETCH tells no {name}"));
        let (uid, modseq) = (number("UID") as u32, number("MODSEQ"));
        let (body, email) = (attributes.text("BODY[]").unwrap_or_default(), attributes.text("EMAILID"));
        let email = String::from_utf8_lossy(email.unwrap_or_default()).into_owned();
        let flags = flags_of(&attributes);
        let id = message_id(body);
        if !body.ends_with(&content(&id)) || body.len() as u64 != number("RFC822.SIZE") {
            book.problems.push(format!("{mailbox}: UID {uid} ({id}) is not what was sent"));
        }
        let known = book.modseq(mailbox, uid);
        if modseq < known || modseq > highest_modseq || uid <= last_uid {
            book.problems.push(format!(
                "{mailbox}: UID {uid} after {last_uid} has MODSEQ {modseq}, it had {known}, the highest is {highest_modseq}"
            ));
        }
        last_uid = uid;
        book.learn_uid(mailbox, uid, &id);
        book.learn_email(&id, &email);
        book.learn_flags(mailbox, uid, modseq, &flags);
        if mailbox == INBOX {
            observed.inbox.push(email);
        }
        observed.places.entry(id).or_default().push((mailbox, flags));
    }
    book.learn_floors(mailbox, uid_next, highest_modseq);
    Ok(())
}

/// Every message is where it was acknowledged to be, or where the change that was under way brings it.
fn settle_places(book: &mut Book, observed: &Observed) {
    let strangers = observed.places.keys().filter(|id| !book.mails.contains_key(*id));
    let mut problems: Vec<String> = strangers.map(|id| format!("{id} is there, but nobody sent it")).collect();
    let Book { mails, open, .. } = book;
    for (id, mail) in mails {
        let mut places = observed.places.get(id).cloned().unwrap_or_default();
        places.sort();
        let Mail { places: acknowledged, begun, .. } = mail;
        if places != *acknowledged && Some(&places) != begun.as_ref() {
            problems.push(format!("{id} must be in {acknowledged:?} (or {begun:?}), but is in {places:?}"));
        }
        match mail.begun.take() {
            Some(begun) if begun == places => open.0 += 1,
            Some(_) => open.1 += 1,
            None => {}
        }
        mail.places = places;
    }
    book.problems.extend(problems);
}

/// Every maildrop lists INBOX in its order, without what its device deleted.
fn settle_maildrops(book: &mut Book, observed: &Observed) {
    if observed.eraser != observed.inbox {
        let (maildrop, inbox) = (&observed.eraser, &observed.inbox);
        book.problems.push(format!("the maildrop of the eraser lists {maildrop:?}, INBOX holds {inbox:?}"));
    }
    let listed: BTreeSet<&String> = observed.reader.iter().collect();
    let mut expected = Vec::new();
    for email in &observed.inbox {
        let Some(id) = book.id_of(email).cloned() else { continue };
        let Some(mail) = book.mails.get_mut(&id) else { continue };
        let hidden = *mail.hidden.get_or_insert(!listed.contains(email));
        if !hidden {
            expected.push(email.clone());
        }
    }
    if observed.reader != expected {
        let maildrop = &observed.reader;
        book.problems.push(format!("the maildrop of the reader lists {maildrop:?} instead of {expected:?}"));
    }
}
