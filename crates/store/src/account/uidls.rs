//! UIDLs that another server gave: a POP3 program that knows a message by one does not download it again (RFC 1939 §7).

use super::Account;
use crate::error::Error;
use crate::ids::EmailId;
use crate::journal::{Actor, Change, MESSAGES_PER_ENTRY_MAX, OfPop};
use crate::key;
use crate::shown::Shown;
use crate::tx::Tx;
use std::collections::BTreeSet;

/// RFC 1939 §7: 1 to 70 characters.
const UIDL_BYTES_MAX: usize = 70;

/// What became of a UIDL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UidlOutcome {
    /// The message has it now, for ever.
    Kept,
    /// The message has had it already.
    Same,
    /// It is none (RFC 1939 §7: 1 to 70 characters of 0x21 to 0x7e), or is of the form that our own have.
    Invalid,
    /// Another message has it.
    InUse,
    /// The message has another one, which programs may know already.
    HasAnother,
    /// A POP3 device has taken the message under the UIDL that it had, and would download it again under another one.
    Downloaded,
    /// There is no such message, or it is in no mailbox.
    NoMessage,
}

impl Account {
    /// Gives messages the UIDLs that they had on another server; what became of each, in the order asked. All that can be
    /// kept is kept in one commit for each [`MESSAGES_PER_ENTRY_MAX`]; `dry_run`: nothing is.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults.
    pub fn keep_uidls(
        &self,
        actor: Actor,
        uidls: Vec<(EmailId, String)>,
        dry_run: bool,
    ) -> Result<Vec<UidlOutcome>, Error> {
        let mut outcomes = Vec::with_capacity(uidls.len());
        let mut given = BTreeSet::new();
        for batch in uidls.chunks(MESSAGES_PER_ENTRY_MAX) {
            let (batch, before) = (batch.to_vec(), given.clone());
            let decided = self.transact(move |tx| keep(tx, actor, &batch, (dry_run, before.clone())))?;
            outcomes.extend(decided.0);
            given = decided.1;
        }
        Ok(outcomes)
    }
}

type Given = BTreeSet<String>;

/// `given`: the UIDLs that a dry run would have given before.
fn keep(
    tx: &mut Tx<'_>,
    actor: Actor,
    uidls: &[(EmailId, String)],
    (dry_run, mut given): (bool, Given),
) -> Result<(Vec<UidlOutcome>, Given), Error> {
    let (mut outcomes, mut kept) = (Vec::with_capacity(uidls.len()), Vec::new());
    for (email, uidl) in uidls {
        let (mut outcome, shown) = decide(tx, *email, uidl)?;
        if outcome == UidlOutcome::Kept && dry_run && !given.insert(uidl.clone()) {
            outcome = UidlOutcome::InUse;
        }
        if outcome == UidlOutcome::Kept && !dry_run {
            tx.put(key::uidl(uidl), email.0.to_be_bytes().to_vec());
            tx.put(key::shown(*email), Shown { uidl: Some(uidl.clone()), ..shown }.encode());
            kept.push(*email);
        }
        outcomes.push(outcome);
    }
    if !kept.is_empty() {
        tx.journal(actor, Change::Pop(OfPop::UidlsKept { emails: kept }));
    }
    Ok((outcomes, given))
}

fn decide(tx: &mut Tx<'_>, email: EmailId, uidl: &str) -> Result<(UidlOutcome, Shown), Error> {
    let shown = tx.shown(email)?.unwrap_or_default();
    let is_there = match tx.get(&key::email(email))? {
        Some(_) => tx.email(email)?.places > 0,
        None => false,
    };
    let outcome = if !is_uidl(uidl) {
        UidlOutcome::Invalid
    } else if !is_there {
        UidlOutcome::NoMessage
    } else if let Some(known) = &shown.uidl {
        if known == uidl { UidlOutcome::Same } else { UidlOutcome::HasAnother }
    } else if tx.get(&key::uidl(uidl))?.is_some() {
        UidlOutcome::InUse
    } else if tx.is_taken(email)? {
        UidlOutcome::Downloaded
    } else {
        UidlOutcome::Kept
    };
    Ok((outcome, shown))
}

/// RFC 1939 §7. One of our own form could be that of another message, now or later.
fn is_uidl(text: &str) -> bool {
    (1..=UIDL_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_graphic())
        && text.parse::<EmailId>().is_err()
}

impl Tx<'_> {
    /// What POP3 shows of a message otherwise than it is.
    pub(super) fn shown(&mut self, email: EmailId) -> Result<Option<Shown>, Error> {
        let bytes = self.get(&key::shown(email))?;
        bytes.map(|bytes| Shown::decode(&bytes).map_err(Error::corrupt("the record of what POP3 shows"))).transpose()
    }

    /// Whether a device has taken or deleted a message over POP3.
    fn is_taken(&mut self, email: EmailId) -> Result<bool, Error> {
        for device in self.state.devices.clone().keys() {
            if self.taken(*device, email)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Expunge, FlagChange, MaildropOptions, NewMessage, Target};
    use crate::device::Credential;
    use crate::flags::FlagMode;
    use crate::flags::{Flags, SystemFlag};
    use crate::ids::{AccountId, DeviceId, MailboxId, Timestamp, Uid};
    use crate::journal::Protocol;
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;
    use std::sync::Arc;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };

    fn account() -> (Store, Account, DeviceId) {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), NOW).unwrap();
        let credential = Credential::ApplicationPassword { hash: [0; 32] };
        let device = account.add_device(ACTOR, "pc", credential, None).unwrap();
        (store, account, device)
    }

    fn deliver(account: &Account, body: &str) -> EmailId {
        let message = NewMessage { body: body.into(), flags: Flags::default(), internal_date: NOW };
        account.append(ACTOR, Target::Inbox, message).unwrap().email
    }

    fn listed(account: &Account, device: DeviceId) -> Vec<String> {
        let maildrop = account.open_maildrop(device, &MaildropOptions::default(), NOW).unwrap();
        maildrop.messages().iter().map(|message| maildrop.uidl(message).into_owned()).collect()
    }

    fn expunge(account: &Account, mailbox: MailboxId, uid: Uid) {
        let deleted = Flags::system(&[SystemFlag::Deleted]);
        let change = FlagChange { mode: FlagMode::Add, flags: deleted, unchanged_since: None };
        account.change_flags(ACTOR, mailbox, vec![uid], change).unwrap();
        account.expunge(ACTOR, mailbox, Expunge::AllDeleted).unwrap();
    }

    fn keep_one(account: &Account, email: EmailId, uidl: &str) -> UidlOutcome {
        account.keep_uidls(ACTOR, vec![(email, uidl.to_owned())], false).unwrap()[0]
    }

    #[test]
    fn a_kept_uidl_survives_moves_and_restore_and_goes_with_its_message() {
        let (store, account, device) = account();
        // A header that needs a surrogate has a record of its own already.
        let (one, two) = (deliver(&account, "Subject: ü\r\n\r\n"), deliver(&account, "b"));
        assert_eq!(keep_one(&account, one, "UID7-1170000000"), UidlOutcome::Kept);
        assert_eq!(keep_one(&account, one, "UID7-1170000000"), UidlOutcome::Same);
        assert_eq!(listed(&account, device), ["UID7-1170000000".to_owned(), two.text()]);
        let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        let archive = account.mailboxes().unwrap().by_name("Archive").unwrap().id;
        let uid = account.view(inbox).unwrap().index().iter().next().unwrap().uid;
        let moved = account.move_messages(ACTOR, inbox, vec![uid], archive).unwrap();
        account.move_messages(ACTOR, archive, vec![moved.uids[0].1], inbox).unwrap();
        assert_eq!(listed(&account, device), [two.text(), "UID7-1170000000".to_owned()]);
        let maildrop = account.open_maildrop(device, &MaildropOptions::default(), NOW).unwrap();
        assert_eq!(maildrop.size(&maildrop.messages()[1], false), 29);
        drop(maildrop);
        assert_eq!(account.check(&store).unwrap(), []);
        let uid = account.view(inbox).unwrap().index().iter().last().unwrap().uid;
        expunge(&account, inbox, uid);
        assert_eq!(keep_one(&account, two, "UID7-1170000000"), UidlOutcome::InUse, "it may come back");
        account.purge(Timestamp(NOW.0 + 1)).unwrap();
        assert_eq!(account.check(&store).unwrap(), []);
        assert_eq!(keep_one(&account, two, "UID7-1170000000"), UidlOutcome::Kept);
    }

    #[test]
    fn what_would_harm_a_program_is_not_done() {
        let (store, account, device) = account();
        let (one, two, three) = (deliver(&account, "a"), deliver(&account, "b"), deliver(&account, "c"));
        let longest = "x".repeat(UIDL_BYTES_MAX);
        for wrong in ["", "a b", "ü", "a\n", &one.text(), &format!("{longest}x")] {
            assert_eq!(keep_one(&account, one, wrong), UidlOutcome::Invalid, "{wrong}");
        }
        assert_eq!(keep_one(&account, EmailId(1), "a"), UidlOutcome::NoMessage);
        assert_eq!(keep_one(&account, one, &longest), UidlOutcome::Kept);
        assert_eq!(keep_one(&account, one, "b"), UidlOutcome::HasAnother);
        assert_eq!(keep_one(&account, two, &longest), UidlOutcome::InUse);
        let maildrop = account.open_maildrop(device, &MaildropOptions::default(), NOW).unwrap();
        let pc = Actor { device, protocol: Protocol::Pop3, now: NOW };
        account.close_maildrop(pc, &maildrop, vec![three], Vec::new()).unwrap();
        assert_eq!(keep_one(&account, three, "c"), UidlOutcome::Downloaded);
        assert_eq!(account.check(&store).unwrap(), []);
    }

    #[test]
    fn a_dry_run_tells_the_same_and_keeps_nothing() {
        let (_, account, device) = account();
        let (one, two) = (deliver(&account, "a"), deliver(&account, "b"));
        let uidls = vec![(one, "x".to_owned()), (two, "x".to_owned()), (two, "y".to_owned())];
        let expected = [UidlOutcome::Kept, UidlOutcome::InUse, UidlOutcome::Kept];
        assert_eq!(account.keep_uidls(ACTOR, uidls.clone(), true).unwrap(), expected);
        assert_eq!(listed(&account, device), [one.text(), two.text()]);
        assert_eq!(account.keep_uidls(ACTOR, uidls, false).unwrap(), expected);
        assert_eq!(listed(&account, device), ["x", "y"]);
    }
}
