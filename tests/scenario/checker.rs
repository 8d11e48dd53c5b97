//! What must hold, whoever did what.

use crate::house::message;
use crate::imap::Imap;
use crate::pop::Pop;
use std::collections::{BTreeMap, BTreeSet};
use store::{
    Account, Change, EmailId, Listed, ModSeq, OfAccount, OfDevice, OfMessages, Protocol, Role, Store, SystemFlag,
};

#[derive(Default)]
pub struct Checker {
    /// The unique id of each message that anybody saw, by its subject: UIDL and EMAILID alike.
    ids: BTreeMap<String, String>,
    /// Subjects of what the server has taken on.
    acknowledged: BTreeSet<String>,
    /// What the owner let go.
    allowed: BTreeSet<EmailId>,
}

impl Checker {
    pub fn acknowledged(&mut self, subject: &str) {
        self.acknowledged.insert(subject.to_owned());
    }

    pub fn stored(&mut self, subject: &str, email: EmailId) {
        self.acknowledged(subject);
        self.seen(subject, &email.text());
    }

    /// Somebody saw a message under a unique id.
    pub fn seen(&mut self, subject: &str, id: &str) {
        if !subject.starts_with('m') {
            // The server's own messages may say the same twice.
            return;
        }
        let known = self.ids.entry(subject.to_owned()).or_insert_with(|| id.to_owned());
        assert_eq!(known, id, "{subject} changed its unique id");
    }

    pub fn allowed(&mut self, emails: impl IntoIterator<Item = EmailId>) {
        self.allowed.extend(emails);
    }

    /// All that is in a mailbox.
    pub fn places(&self, account: &Account) -> BTreeSet<EmailId> {
        let mailboxes = account.mailboxes().unwrap();
        let views = mailboxes.iter().map(|mailbox| account.view(mailbox.id).unwrap());
        views.flat_map(|view| view.index().iter().map(|entry| entry.email).collect::<Vec<_>>()).collect()
    }

    /// Which kinds of changes there were.
    pub fn happened(account: &Account) -> BTreeSet<&'static str> {
        let kind = |entry: store::JournalEntry| match (entry.change, entry.protocol) {
            (Change::Device(OfDevice::Held { .. }), Protocol::Imap) => Some("Held over IMAP"),
            (Change::Device(OfDevice::Held { .. }), _) => Some("Held over POP"),
            (Change::Device(OfDevice::HoldAnswered { kept: true, .. }), _) => Some("kept"),
            (Change::Device(OfDevice::HoldAnswered { kept: false, .. }), _) => Some("allowed"),
            (Change::Messages(OfMessages::Expunged { .. }), _) => Some("Expunged"),
            (Change::Messages(OfMessages::Moved { .. }), _) => Some("Moved"),
            (Change::Messages(OfMessages::Restored { .. }), _) => Some("Restored"),
            (Change::Account(OfAccount::Undone { .. }), _) => Some("Undone"),
            (Change::Account(OfAccount::Cleared { .. }), _) => Some("Cleared"),
            (_, _) => None,
        };
        account.journal(ModSeq(0), usize::MAX).unwrap().into_iter().filter_map(kind).collect()
    }

    pub fn check(&self, account: &Account, store: &Store, imaps: &[Imap], pops: &[Pop]) {
        assert_eq!(store::check::all(store, store::check::Depth::Bodies).unwrap(), []);
        self.nothing_is_lost(account, pops);
        imaps.iter().for_each(|imap| views_agree(account, imap));
        pops.iter().for_each(|pop| maildrop_agrees(account, pop));
    }

    fn nothing_is_lost(&self, account: &Account, pops: &[Pop]) {
        let journal = account.journal(ModSeq(0), usize::MAX).unwrap();
        let emails: BTreeSet<EmailId> = journal.iter().flat_map(|entry| entry.change.emails()).collect();
        let reader = account.reader().unwrap();
        let mut subjects = BTreeSet::new();
        for email in &emails {
            let body = String::from_utf8(reader.body(*email).unwrap()).unwrap();
            let subject = body.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
            if !body.starts_with("From: Pillarbox") {
                assert_eq!(body, message(&subject), "{} is not what came", email.text());
                assert!(self.ids.get(&subject).is_none_or(|id| *id == email.text()), "{subject}");
                assert!(subjects.insert(subject.clone()), "{subject} is there twice");
            }
        }
        assert!(self.acknowledged.is_subset(&subjects), "lost: {:?}", self.acknowledged.difference(&subjects));
        // What is in no mailbox any more somebody removed who meant to.
        let there = self.places(account);
        let mut meant: BTreeSet<EmailId> = self.allowed.clone();
        for entry in &journal {
            let Change::Messages(OfMessages::Expunged { messages, .. }) = &entry.change else { continue };
            let asked =
                |email: EmailId| pops.iter().any(|p| p.device == entry.device && p.asked.contains(&email.text()));
            let is_meant = |listed: &&Listed| match entry.protocol {
                Protocol::Imap => listed.flags.has(SystemFlag::Deleted),
                Protocol::Pop3 => asked(listed.email),
                // An undo of an undo, which removes only what was removed before.
                _ => false,
            };
            meant.extend(messages.iter().filter(is_meant).map(|listed| listed.email));
            assert_ne!(entry.device, pops[0].device, "a device whose program deletes nothing removes nothing");
        }
        let lost: Vec<String> = emails.difference(&there).filter(|e| !meant.contains(e)).map(|e| e.text()).collect();
        assert!(lost.is_empty(), "removed, and nobody meant to: {lost:?}");
    }
}

/// What a client believes is what there is.
fn views_agree(account: &Account, imap: &Imap) {
    let mailboxes = account.mailboxes().unwrap();
    for mailbox in mailboxes.iter().filter(|mailbox| ["INBOX", "Archive", "Trash", "Held"].contains(&&*mailbox.name)) {
        let view = account.view(mailbox.id).unwrap();
        let known = imap.views.get(&mailbox.name).map(|copy| copy.messages.clone()).unwrap_or_default();
        let uids: Vec<u32> = view.index().iter().map(|entry| entry.uid.0).collect();
        assert!(known.keys().copied().eq(uids.iter().copied()), "{}: {:?} and {uids:?}", mailbox.name, known.keys());
        for (entry, known) in view.index().iter().zip(known.values()) {
            let flags = mailbox.keywords.flags(entry.flags);
            let system = SystemFlag::ALL.iter().filter(|flag| flags.system.has(**flag));
            let names: BTreeSet<String> = system.map(|flag| flag.name().to_owned()).chain(flags.keywords).collect();
            assert_eq!(
                (&known.flags, known.email.as_deref()),
                (&names, Some(&*entry.email.text())),
                "{}",
                mailbox.name
            );
        }
    }
}

/// A device lists everything of INBOX, held or not, that it has not deleted, and has all that it lists.
fn maildrop_agrees(account: &Account, pop: &Pop) {
    let mailboxes = account.mailboxes().unwrap();
    let inbox = mailboxes.by_name("INBOX").unwrap().id;
    let holds = account.holds().unwrap();
    let held = mailboxes.iter().find(|mailbox| mailbox.role == Some(Role::Held)).map(|mailbox| mailbox.id);
    let still_held: BTreeSet<EmailId> =
        held.map(|id| account.view(id).unwrap().index().iter().map(|entry| entry.email).collect()).unwrap_or_default();
    let of_others = holds.iter().filter(|hold| hold.answer.is_none() && hold.device != pop.device);
    let of_others = of_others.flat_map(|hold| account.held(hold.id).unwrap());
    let of_others = of_others.filter(|held| held.mailbox == inbox).flat_map(|held| held.emails);
    let view = account.view(inbox).unwrap();
    let wanted = view.index().iter().map(|entry| entry.email);
    let wanted = wanted.chain(of_others.filter(|email| still_held.contains(email)));
    for email in wanted.map(EmailId::text) {
        let may_lack = pop.deleted.contains(&email) || pop.asked.contains(&email);
        assert!(pop.listed.contains(&email) || may_lack, "device {} does not list {email}", pop.device);
    }
    assert!(pop.listed.iter().all(|uidl| pop.has.contains_key(uidl)), "device {} has all that it lists", pop.device);
}
