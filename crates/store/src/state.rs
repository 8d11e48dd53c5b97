//! An account in memory: what the engine holds, decoded, shared and unchanging. A commit publishes the next state.

use crate::codec::Corrupt;
use crate::device::Device;
use crate::engine::Snapshot;
use crate::error::Error;
use crate::ids::{AccountId, DeviceId, EmailId, HoldId, MailboxId, ModSeq, Timestamp, UidValidity};
use crate::index::Index;
use crate::key;
use crate::name;
use crate::record::{AccountRecord, EmailRecord, Mailbox, Retained, Subscription, open, versioned};
use crate::settings::AccountSettings;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A mailbox and, once somebody asked for it, its index.
#[derive(Clone, Debug)]
pub(crate) struct MailboxState {
    pub(crate) mailbox: Mailbox,
    pub(crate) index: Option<Index>,
}

/// An account as of one commit. Cloning is cheap: all that is large is shared.
#[derive(Clone, Debug)]
pub(crate) struct AccountState {
    pub(crate) head: ModSeq,
    /// After this no annotation changed.
    pub(crate) annotated: ModSeq,
    pub(crate) record: AccountRecord,
    pub(crate) mailboxes: BTreeMap<MailboxId, Arc<MailboxState>>,
    pub(crate) devices: Arc<BTreeMap<DeviceId, Device>>,
    /// The names on the list of subscriptions that no mailbox has.
    pub(crate) subscriptions: Arc<BTreeSet<String>>,
    /// The accounts that may have shared something with this one.
    pub(crate) owners: Arc<BTreeSet<AccountId>>,
    /// How many octets the journal takes, with what leads to its entries.
    pub(crate) history_bytes: u64,
}

impl AccountState {
    /// An account of which nothing is stored yet.
    pub(crate) fn empty(now: Timestamp) -> Self {
        Self {
            head: ModSeq(0),
            annotated: ModSeq(0),
            record: AccountRecord {
                created: now,
                last_email: EmailId(0),
                last_uid_validity: UidValidity(0),
                last_mailbox: MailboxId(0),
                last_device: 0,
                journal_floor: ModSeq(0),
                settings: AccountSettings::default(),
                retained: Retained::default(),
                history_from: ModSeq(0),
                named_to: EmailId(0),
                told_of_filling: false,
                last_hold: HoldId(0),
                open_holds: 0,
                receipts: Vec::new(),
                sized_to: EmailId(0),
                places_noted_to: None,
            },
            mailboxes: BTreeMap::new(),
            devices: Arc::default(),
            subscriptions: Arc::default(),
            owners: Arc::default(),
            history_bytes: 0,
        }
    }

    /// Reads an account, without the indexes.
    pub(crate) fn load(snapshot: &dyn Snapshot) -> Result<Self, Error> {
        let missing = || match snapshot.head() {
            ModSeq(0) => Error::NoSuchAccount,
            head => Error::fault(format_args!("the record of an account is missing at modseq {head}")),
        };
        let kinds = [b'B', b'D', b'S'].map(key::kind);
        let ranges =
            [key::only(key::account()), key::only(key::history_bytes()), key::owners()].into_iter().chain(kinds);
        snapshot.fetch_ahead(&ranges.collect::<Vec<_>>())?;
        let record = snapshot.get(&key::account())?.ok_or_else(missing)?;
        let (mut record, grown) = AccountRecord::decode(&record).map_err(Error::corrupt("the account record"))?;
        if grown.is_none() {
            record.retained = count_retained(snapshot)?;
            record.history_from = snapshot.head();
        }
        let (head, history_bytes) = (snapshot.head(), history_bytes(snapshot)?);
        let (mailboxes, owners) = (BTreeMap::new(), Arc::new(read_owners(snapshot)?));
        let (devices, subscriptions) = (Arc::default(), Arc::default());
        let mut state =
            Self { head, annotated: head, record, mailboxes, devices, subscriptions, owners, history_bytes };
        let mut devices = BTreeMap::new();
        scan(snapshot, key::kind(b'B'), |key, value| {
            let mailbox = Mailbox::decode(value).ok().filter(|mailbox| key == key::mailbox(mailbox.id));
            let mailbox = mailbox.ok_or(Corrupt).map_err(Error::corrupt("a mailbox record"))?;
            state.mailboxes.insert(mailbox.id, Arc::new(MailboxState { mailbox, index: None }));
            Ok(())
        })?;
        scan(snapshot, key::kind(b'D'), |key, value| {
            let device = key::number_at(key, 1).and_then(|id| Device::decode(DeviceId(id), value));
            let device = device.map_err(Error::corrupt("a device record"))?;
            devices.insert(device.id, device);
            Ok(())
        })?;
        state.devices = Arc::new(devices);
        let mut subscriptions = BTreeSet::new();
        scan(snapshot, key::kind(b'S'), |_, value| {
            subscriptions.insert(Subscription::decode(value).map_err(Error::corrupt("a subscription"))?);
            Ok(())
        })?;
        state.subscriptions = Arc::new(subscriptions);
        Ok(state)
    }

    /// The mailbox of a name; INBOX without regard to case (RFC 9051 §5.1).
    pub(crate) fn by_name(&self, name: &str) -> Option<&Arc<MailboxState>> {
        self.mailboxes.values().find(|state| same_name(&state.mailbox.name, name))
    }

    /// A name with its levels as the mailboxes have them that are there, however their characters are composed.
    pub(crate) fn as_spelled(&self, name: &str) -> String {
        let mut spelled = String::new();
        for level in name.split('/') {
            if !spelled.is_empty() {
                spelled.push('/');
            }
            spelled.push_str(level);
            let mut names = self.mailboxes.values().map(|state| &state.mailbox.name);
            if self.by_name(&spelled).is_none()
                && let Some(there) = names.find(|there| name::are_alike(there, &spelled))
            {
                spelled.clone_from(there);
            }
        }
        spelled
    }

    /// INBOX, which every account has.
    pub(crate) fn inbox(&self) -> Result<&Mailbox, Error> {
        let inbox = self.by_name("INBOX").map(|state| &state.mailbox);
        inbox.ok_or_else(|| Error::fault("the account has no INBOX; run `pillarbox check`"))
    }

    pub(crate) fn mailbox(&self, id: MailboxId) -> Result<&Arc<MailboxState>, Error> {
        self.mailboxes.get(&id).ok_or(Error::NoSuchMailbox)
    }
}

fn read_owners(snapshot: &dyn Snapshot) -> Result<BTreeSet<AccountId>, Error> {
    let mut owners = BTreeSet::new();
    scan(snapshot, key::owners(), |key, _| {
        owners.insert(key::number_at(key, 2).map(AccountId).map_err(Error::corrupt("who shares mailboxes"))?);
        Ok(())
    })?;
    Ok(owners)
}

/// Counts what is in no mailbox and still restorable, for a record that does not say.
fn count_retained(snapshot: &dyn Snapshot) -> Result<Retained, Error> {
    let mut retained = Retained::default();
    scan(snapshot, key::kind(b'R'), |key, _| {
        let email = EmailId(key::long_at(key, 9).map_err(Error::corrupt("a retention key"))?);
        if let Some(record) = snapshot.get(&key::email(email))? {
            retained.add(EmailRecord::decode(&record).map_err(Error::corrupt("a message's record"))?.size);
        }
        Ok(())
    })?;
    Ok(retained)
}

/// How many octets the journal takes; counted where an earlier version did not.
pub(crate) fn history_bytes(snapshot: &dyn Snapshot) -> Result<u64, Error> {
    match snapshot.get(&key::history_bytes())? {
        Some(bytes) => read_history_bytes(&bytes).map_err(Error::corrupt("the size of the journal")),
        None => count_history(snapshot),
    }
}

pub(crate) fn write_history_bytes(history_bytes: u64) -> Vec<u8> {
    let mut w = versioned();
    w.number(history_bytes);
    w.0
}

pub(crate) fn read_history_bytes(bytes: &[u8]) -> Result<u64, Corrupt> {
    let mut r = open(bytes)?;
    let history_bytes = r.number()?;
    r.end().map(|()| history_bytes)
}

/// What the rows of the journal, and those that lead to them, take.
pub(crate) fn count_history(snapshot: &dyn Snapshot) -> Result<u64, Error> {
    let mut bytes = 0;
    for letter in *b"GHJ" {
        scan(snapshot, key::kind(letter), |key, value| {
            bytes += (key.len() + value.len()) as u64;
            Ok(())
        })?;
    }
    Ok(bytes)
}

/// RFC 9051 §5.1: INBOX without regard to case, also as the first level of a longer name; all else exactly.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    let below_inbox = |name: &str| match name.split_at_checked("INBOX".len()) {
        Some((first, rest)) => first.eq_ignore_ascii_case("INBOX") && (rest.is_empty() || rest.starts_with('/')),
        None => false,
    };
    a == b || (below_inbox(a) && below_inbox(b) && a.get("INBOX".len()..) == b.get("INBOX".len()..))
}

/// Scans with errors that end the scan.
pub(crate) fn scan(
    snapshot: &dyn Snapshot,
    range: (Vec<u8>, Vec<u8>),
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    scan_while(snapshot, range, |key, value| visit(key, value).map(ControlFlow::Continue))
}

/// Scans until the visitor breaks or fails.
pub(crate) fn scan_while(
    snapshot: &dyn Snapshot,
    (from, to): (Vec<u8>, Vec<u8>),
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let mut outcome = Ok(());
    snapshot.scan(&from, &to, &mut |key, value| {
        visit(key, value).unwrap_or_else(|error| {
            outcome = Err(error);
            ControlFlow::Break(())
        })
    })?;
    outcome
}

/// Visits the objects that the messages of an account refer to.
pub(crate) fn each_object(snapshot: &dyn Snapshot, mut visit: impl FnMut(String)) -> Result<(), Error> {
    scan(snapshot, key::kind(b'E'), |_, value| {
        let record = EmailRecord::decode(value).map_err(Error::corrupt("a message's record"))?;
        record.object.into_iter().for_each(&mut visit);
        Ok(())
    })
}
