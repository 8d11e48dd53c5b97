//! Annotations (RFC 5464): what programs note beside a mailbox, or beside the account as a whole.
//!
//! All entries of a mailbox are one row, so what is set together is there together. An entry that was removed stays in it by
//! name, as long as there is room, for whoever wants to hear what changed. They go with the mailbox; nothing that opens a
//! mailbox reads them. They do not count against the quota, and have limits of their own.

use super::Account;
use crate::codec::{Corrupt, Reader};
use crate::error::Error;
use crate::ids::{MailboxId, ModSeq};
use crate::journal::{Actor, Change, OfMailbox};
use crate::key;
use crate::record::{open, versioned};
use crate::state;
use crate::tx::Tx;
use std::collections::BTreeMap;

/// A value has at most so many octets.
pub const ANNOTATION_BYTES_MAX: usize = 16 * 1024;
/// The name of an entry has at most so many octets.
pub const ANNOTATION_NAME_BYTES_MAX: usize = 255;
/// A mailbox has at most so many entries, and so has the account beside its mailboxes.
pub(crate) const ANNOTATIONS_MAX: usize = 100;
/// All entries of an account together take at most so many octets.
const ACCOUNT_BYTES_MAX: usize = 1024 * 1024;
/// So many rows are there at most: of each mailbox, and of the account.
const ROWS_MAX: usize = super::MAILBOXES_MAX + 1;

/// An entry and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Its name.
    pub entry: String,
    /// `None`: it was removed.
    pub value: Option<Vec<u8>>,
    /// When it was last set or removed.
    pub changed: ModSeq,
}

/// Those of one mailbox, or of the account (`None`), in the order of their names.
pub type Annotations = BTreeMap<Option<MailboxId>, Vec<Annotation>>;

impl Account {
    /// The annotations of a mailbox, or of the account as a whole, in the order of their names.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn annotations(&self, of: Option<MailboxId>) -> Result<Vec<Annotation>, Error> {
        read(self.snapshot()?.get(&key::annotations(of))?.as_deref())
    }

    /// All annotations that there are.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn all_annotations(&self) -> Result<Annotations, Error> {
        let mut all = Annotations::new();
        state::scan(&*self.snapshot()?, key::all_annotations(), |key, value| {
            let of = key::number_at(key, 2).map_err(Error::corrupt("the key of annotations"))?;
            all.insert((of != 0).then_some(MailboxId(of)), read(Some(value))?);
            Ok(())
        })?;
        Ok(all)
    }

    /// Sets entries, or removes those with `None`, all of them or none; `false`: there would be too many of them, or all together
    /// would be too large, and nothing was changed.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::Limit`] (a value of more than [`ANNOTATION_BYTES_MAX`] octets, a name of more than
    /// [`ANNOTATION_NAME_BYTES_MAX`]), [`Error::NoSpace`], faults.
    pub fn annotate(
        &self,
        actor: Actor,
        of: Option<MailboxId>,
        values: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<bool, Error> {
        let is_large = |value: &Option<Vec<u8>>| value.as_ref().is_some_and(|value| value.len() > ANNOTATION_BYTES_MAX);
        if values.iter().any(|(entry, value)| entry.len() > ANNOTATION_NAME_BYTES_MAX || is_large(value)) {
            return Err(Error::Limit("an annotation is larger than it may be".into()));
        }
        self.transact(move |tx| annotate(tx, actor, of, &values))
    }
}

fn annotate(
    tx: &mut Tx<'_>,
    actor: Actor,
    of: Option<MailboxId>,
    values: &[(String, Option<Vec<u8>>)],
) -> Result<bool, Error> {
    if let Some(mailbox) = of {
        tx.mailbox(mailbox)?;
    }
    let before = tx.get(&key::annotations(of))?;
    let known = read(before.as_deref())?;
    let mut all: BTreeMap<String, Annotation> = known.into_iter().map(|one| (one.entry.clone(), one)).collect();
    let changed = tx.next_modseq();
    let mut entries = Vec::new();
    for (entry, value) in values {
        if all.get(entry).and_then(|one| one.value.as_ref()) != value.as_ref() {
            all.insert(entry.clone(), Annotation { entry: entry.clone(), value: value.clone(), changed });
            entries.push(entry.clone());
        }
    }
    if entries.is_empty() {
        return Ok(true);
    }
    if all.values().filter(|one| one.value.is_some()).count() > ANNOTATIONS_MAX {
        return Ok(false);
    }
    forget_removed(&mut all);
    let row = encode(all.values());
    let grown = row.len().saturating_sub(before.map_or(0, |row| row.len()));
    if grown > 0 && octets(tx)?.saturating_add(grown) > ACCOUNT_BYTES_MAX {
        return Ok(false);
    }
    tx.put(key::annotations(of), row);
    tx.state.annotated = changed;
    tx.journal(actor, Change::Mailbox(OfMailbox::Annotated { mailbox: of, entries }));
    Ok(true)
}

/// Of what was removed the oldest goes first.
fn forget_removed(all: &mut BTreeMap<String, Annotation>) {
    while all.len() > ANNOTATIONS_MAX {
        let removed = all.values().filter(|one| one.value.is_none());
        let Some(oldest) = removed.min_by_key(|one| one.changed).map(|one| one.entry.clone()) else { return };
        all.remove(&oldest);
    }
}

/// What all annotations take.
fn octets(tx: &mut Tx<'_>) -> Result<usize, Error> {
    Ok(tx.rows(key::all_annotations(), ROWS_MAX)?.iter().map(|(_, row)| row.len()).sum())
}

impl Tx<'_> {
    /// The mailbox goes.
    pub(super) fn forget_annotations(&mut self, mailbox: MailboxId) -> Result<(), Error> {
        if self.get(&key::annotations(Some(mailbox)))?.is_some() {
            self.delete(key::annotations(Some(mailbox)));
        }
        Ok(())
    }

    /// RFC 5464 §4.1: INBOX that is renamed keeps its annotations, and the new mailbox has them too, as far as there is room.
    pub(super) fn copy_annotations(&mut self, from: MailboxId, to: MailboxId) -> Result<(), Error> {
        let Some(row) = self.get(&key::annotations(Some(from)))? else { return Ok(()) };
        if octets(self)?.saturating_add(row.len()) <= ACCOUNT_BYTES_MAX {
            self.put(key::annotations(Some(to)), row);
        }
        Ok(())
    }
}

fn encode<'a>(all: impl ExactSizeIterator<Item = &'a Annotation>) -> Vec<u8> {
    let mut w = versioned();
    w.number(all.len() as u64);
    for Annotation { entry, value, changed } in all {
        w.text(entry).number(changed.0).option(value.as_ref(), |w, value| {
            w.bytes(value);
        });
    }
    w.0
}

fn read(row: Option<&[u8]>) -> Result<Vec<Annotation>, Error> {
    row.map_or(Ok(Vec::new()), decode).map_err(Error::corrupt("an annotation"))
}

/// A row of annotations.
pub(crate) fn decode(row: &[u8]) -> Result<Vec<Annotation>, Corrupt> {
    let mut r = open(row)?;
    let all = r.list(|r| {
        let (entry, changed) = (r.text()?, ModSeq(r.number()?));
        let value = r.option(Reader::bytes)?.map(<[u8]>::to_vec);
        Ok(Annotation { entry, value, changed })
    })?;
    r.end().map(|()| all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, Depth};
    use crate::ids::{AccountId, DeviceId, Timestamp};
    use crate::journal::Protocol;
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;
    use std::sync::Arc;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };

    fn store(engine: &SimEngine) -> (Store, Account) {
        let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let account = store.account(AccountId(16));
        (store, account)
    }

    fn world() -> (SimEngine, Store, Account) {
        let engine = SimEngine::new();
        let (store, account) = store(&engine);
        store.create_account(AccountId(16), NOW).unwrap();
        (engine, store, account)
    }

    fn id(account: &Account, name: &str) -> Option<MailboxId> {
        Some(account.mailboxes().unwrap().by_name(name).unwrap().id)
    }

    fn set(account: &Account, of: Option<MailboxId>, entry: &str, value: &str) -> bool {
        account.annotate(ACTOR, of, vec![(entry.to_owned(), Some(value.into()))]).unwrap()
    }

    /// `entry=value`, without what was removed.
    fn texts(account: &Account, of: Option<MailboxId>) -> Vec<String> {
        let all = account.annotations(of).unwrap().into_iter();
        all.filter_map(|one| Some(format!("{}={}", one.entry, String::from_utf8(one.value?).unwrap()))).collect()
    }

    #[test]
    fn what_is_set_together_is_there_together_and_after_a_crash() {
        let (engine, store, account) = world();
        let inbox = id(&account, "INBOX");
        let values =
            vec![("/private/b".to_owned(), Some(b"2".to_vec())), ("/private/a".to_owned(), Some(b"1".to_vec()))];
        assert!(account.annotate(ACTOR, inbox, values).unwrap());
        assert!(set(&account, None, "/private/a", "of the account"));
        let head = account.mailboxes().unwrap().head();
        assert!(set(&account, inbox, "/private/a", "1"), "nothing new");
        assert_eq!(account.mailboxes().unwrap().head(), head);
        account.annotate(ACTOR, inbox, vec![("/private/a".to_owned(), None)]).unwrap();
        assert_eq!(texts(&account, inbox), ["/private/b=2"]);
        let removed = &account.annotations(inbox).unwrap()[0];
        assert_eq!((removed.value.as_ref(), removed.changed > head), (None, true), "who looks hears that it went");
        assert!(set(&account, inbox, "/private/a", "3"));
        assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
        let (_store, after_a_crash) = self::store(&engine.crash());
        assert_eq!(texts(&after_a_crash, inbox), ["/private/a=3", "/private/b=2"]);
        assert_eq!(texts(&after_a_crash, None), ["/private/a=of the account"]);
        assert_eq!(after_a_crash.all_annotations().unwrap().len(), 2);
    }

    #[test]
    fn annotations_go_where_their_mailbox_goes() {
        let (_, store, account) = world();
        let work = account.create_mailbox(ACTOR, "Work", None).unwrap();
        assert!(
            set(&account, Some(work), "/private/a", "x") && set(&account, id(&account, "INBOX"), "/private/i", "y")
        );
        account.rename_mailbox(ACTOR, "Work", "Elsewhere").unwrap();
        assert_eq!(texts(&account, id(&account, "Elsewhere")), ["/private/a=x"]);
        account.delete_mailbox(ACTOR, "Elsewhere").unwrap();
        account.create_mailbox(ACTOR, "Elsewhere", None).unwrap();
        assert_eq!(texts(&account, id(&account, "Elsewhere")), [""; 0]);
        account.rename_mailbox(ACTOR, "INBOX", "Old").unwrap();
        assert_eq!(texts(&account, id(&account, "INBOX")), ["/private/i=y"]);
        assert_eq!(texts(&account, id(&account, "Old")), ["/private/i=y"]);
        assert_eq!(
            account.annotate(ACTOR, Some(work), vec![("/private/a".into(), Some(vec![1]))]),
            Err(Error::NoSuchMailbox)
        );
        assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
    }

    #[test]
    fn there_are_only_so_many_and_they_are_only_so_large() {
        let (_, _store, account) = world();
        let inbox = id(&account, "INBOX");
        for number in 0..ANNOTATIONS_MAX {
            assert!(set(&account, inbox, &format!("/private/{number}"), "x"));
        }
        assert!(!set(&account, inbox, "/private/more", "x"));
        assert!(set(&account, inbox, "/private/1", "another"), "what is there can be changed");
        account.annotate(ACTOR, inbox, vec![("/private/0".to_owned(), None)]).unwrap();
        assert!(set(&account, inbox, "/private/more", "x"), "what was removed leaves room");
        assert_eq!(account.annotations(inbox).unwrap().len(), ANNOTATIONS_MAX);
        let large = |bytes: usize| account.annotate(ACTOR, None, vec![("/private/a".into(), Some(vec![b'x'; bytes]))]);
        assert_eq!(large(ANNOTATION_BYTES_MAX), Ok(true));
        assert!(matches!(large(ANNOTATION_BYTES_MAX + 1), Err(Error::Limit(_))));
    }

    #[test]
    fn all_mailboxes_together_have_a_limit() {
        let (_, _store, account) = world();
        let value = "x".repeat(ANNOTATION_BYTES_MAX);
        let fits = (0..100).take_while(|number| set(&account, None, &format!("/private/{number}"), &value)).count();
        assert_eq!(fits, ACCOUNT_BYTES_MAX / (ANNOTATION_BYTES_MAX + 20));
        assert!(!set(&account, id(&account, "Drafts"), "/private/a", &value));
        assert!(set(&account, id(&account, "Drafts"), "/private/a", "small"));
    }
}
