//! What is found in an account: read through a store of its own, which has just started.

use crate::brake::MESSAGES_MIN;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::device::Device;
use store::hold::{AsksOwner, Hold};
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};
use store::{
    Account, AccountId, DeviceId, EmailId, Index, LanguageTag, Mailbox, MailboxId, Maildrop, MaildropOptions, ModSeq,
    Store, StoreOptions, Timestamp, Uid,
};
use wording::Later;

pub struct FoundMailbox {
    pub mailbox: Mailbox,
    pub index: Index,
}

pub struct Found {
    pub head: ModSeq,
    pub mailboxes: BTreeMap<MailboxId, Arc<FoundMailbox>>,
    pub devices: BTreeMap<DeviceId, Device>,
    /// Names that are subscribed and no mailboxes.
    pub subscriptions: Vec<String>,
    pub holds: Vec<Hold>,
    /// Of the devices that are not revoked.
    pub maildrops: BTreeMap<DeviceId, Vec<(EmailId, MailboxId)>>,
    /// As it was before the operation that is looked at.
    before: BTreeMap<MailboxId, Arc<FoundMailbox>>,
}

/// Whoever is asked gets a letter.
struct Letters;

impl AsksOwner for Letters {
    fn letter(&self, hold: &Hold, _device: &Later, _held_mailbox: &str, _: Option<LanguageTag>) -> Vec<u8> {
        format!(
            "From: Pillarbox\r\nSubject: hold {}\r\n\r\nSomebody wanted to delete {} messages.\r\n",
            hold.id, hold.messages
        )
        .into_bytes()
    }
}

pub fn fresh(engine: &SimEngine, objects: &SimObjects) -> Store {
    let asks_owner: Option<Arc<dyn AsksOwner>> = Some(Arc::new(Letters));
    let options = StoreOptions { brake_messages_min: MESSAGES_MIN, asks_owner, ..StoreOptions::default() };
    Store::with_options(Arc::new(engine.clone()), Arc::new(objects.clone()), options)
}

impl Found {
    /// Reads everything; only a mailbox whose record is exactly as it was is taken from `before` unless `cold`.
    pub fn read(engine: &SimEngine, objects: &SimObjects, id: AccountId, before: Option<&Self>) -> Self {
        let account = fresh(engine, objects).account(id);
        let mailboxes = account.mailboxes().unwrap();
        let old = before.map(|found| found.mailboxes.clone()).unwrap_or_default();
        let read = |mailbox: &Mailbox| match old.get(&mailbox.id) {
            Some(known) if known.mailbox == *mailbox => Arc::clone(known),
            _ => {
                let view = account.view(mailbox.id).unwrap();
                Arc::new(FoundMailbox { mailbox: view.mailbox().clone(), index: view.index().clone() })
            }
        };
        let head = mailboxes.head();
        let subscriptions = mailboxes.subscribed_without_mailbox().map(str::to_owned).collect();
        let mailboxes = mailboxes.iter().map(|mailbox| (mailbox.id, read(mailbox))).collect();
        let holds = account.holds().unwrap();
        let devices = BTreeMap::clone(&account.devices().unwrap());
        let maildrops = devices.values().filter(|d| d.revoked_at.is_none()).map(|d| (d.id, list(&account, d.id)));
        let maildrops = maildrops.collect();
        Self { head, mailboxes, maildrops, devices, subscriptions, holds, before: old }
    }

    /// A message and its octets.
    pub fn message(&self, mailbox: MailboxId, uid: u32) -> Option<(EmailId, usize)> {
        let entry = *self.mailboxes.get(&mailbox)?.index.find(Uid(uid))?;
        Some((entry.email, entry.size as usize))
    }

    pub fn email(&self, mailbox: MailboxId, uid: u32) -> Option<EmailId> {
        self.mailboxes.get(&mailbox)?.index.find(Uid(uid)).map(|entry| entry.email)
    }

    /// The MODSEQ that a message had before the operation that is looked at.
    pub fn before(&self, mailbox: MailboxId, uid: u32) -> Option<ModSeq> {
        self.before.get(&mailbox)?.index.find(Uid(uid)).map(|entry| entry.modseq)
    }
}

/// When maildrops are looked at: windows of days are never that narrow here.
pub const LOOK_AT: Timestamp = SIM_EPOCH;

fn list(account: &Account, device: DeviceId) -> Vec<(EmailId, MailboxId)> {
    shown(&account.open_maildrop(device, &MaildropOptions::default(), LOOK_AT).unwrap())
}

/// What a maildrop lists, and from where.
pub fn shown(maildrop: &Maildrop) -> Vec<(EmailId, MailboxId)> {
    maildrop.messages().iter().map(|message| (message.email, message.mailbox)).collect()
}
