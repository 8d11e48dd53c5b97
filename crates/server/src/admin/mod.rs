//! What an operator asks for: accounts, devices, aliases, domains, the queue, checks. One file per noun.
//!
//! A [`Request`] is executed on [`Stores`] by [`Admin`], the same way whether it came over the control socket of a
//! running server or from a command line that opened the data directory itself. Each part of the answer is an [`Item`].

mod account;
mod alias;
mod check;
mod device;
mod domain;
mod failure;
mod held;
mod history;
mod people;
mod queue;
mod uidl;

use std::io;

use serde::{Deserialize, Serialize};
use store::{Actor, DeviceId, Protocol, Timestamp};
use web::setup::Offered;

use crate::clock::Clock;
use crate::control::{Failure, Handler};
use crate::stores::Stores;

pub use account::{AccountDetails, AccountItem, AccountRequest, MailboxItem};
pub use alias::{AliasItem, AliasRequest};
pub use check::{CheckRequest, CheckedItem, FindingItem};
pub use console::words::bytes;
pub use console::{
    AccountLine, AccountReport, ClearAnswer, ClearAsk, Defaults, HeldAnswer, HeldAsk, HeldCard, HeldMailbox,
    HeldOutcome, HeldThen, Light, MessageStory, Offer, PopChoice, RequestLine, StoryLine, TimelineLine, UndoAnswer,
    UndoAsk, UsageCard,
};
pub use device::{DeviceItem, DeviceRequest};
pub use domain::{DomainItem, DomainRequest};
pub use held::{BrakeItem, HeldRequest};
pub use history::HistoryRequest;
pub use people::{LinkItem, PeopleRequest};
pub use queue::{QueueItem, QueueRecipient, QueueRequest};
pub use uidl::{MarkItem, UIDLS_PER_REQUEST_MAX, UidlItem, UidlRequest, UidlResult, mark_of};
pub use web::setup::DnsRecord;

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// About accounts.
    Account(AccountRequest),
    /// About the devices of an account.
    Device(DeviceRequest),
    /// About aliases.
    Alias(AliasRequest),
    /// About local domains.
    Domain(DomainRequest),
    /// About people who want to get in.
    People(PeopleRequest),
    /// About mail for outside addresses.
    Queue(QueueRequest),
    /// About what happened.
    History(HistoryRequest),
    /// About what is held.
    Held(HeldRequest),
    /// About UIDLs of another server.
    Uidl(UidlRequest),
    /// Whether everything is as it must be.
    Check(CheckRequest),
}

/// A part of an answer. Times are text in UTC, to the second: `2026-11-22T22:36:40Z`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// An account as it is now; with its new password, if one was generated.
    Account(AccountItem),
    /// An account and what is in it.
    AccountDetails(AccountDetails),
    /// A device as it is now; with its application password, if it was added just now.
    Device(DeviceItem),
    /// What new devices of an account begin with.
    Defaults(Defaults),
    /// An alias.
    Alias(AliasItem),
    /// A local domain.
    Domain(DomainItem),
    /// Somebody asks for an account.
    PersonRequest(RequestLine),
    /// A one-time link; with the link itself, if it was made just now.
    Link(LinkItem),
    /// A record to publish in the DNS.
    DnsRecord(DnsRecord),
    /// A message for outside addresses.
    Queue(QueueItem),
    /// Something that happened.
    Happened(TimelineLine),
    /// What happened to a message.
    Story(MessageStory),
    /// What was taken back, or would be.
    Undo(UndoAnswer),
    /// What a device took that others may want back.
    Offer(Offer),
    /// How full the mailboxes of an account are.
    Usage(UsageCard),
    /// What was cleared, or would be.
    Cleared(ClearAnswer),
    /// Removals that are held, or were.
    Held(HeldCard),
    /// What the answer to a hold did.
    HeldOutcome(Box<HeldOutcome>),
    /// Whether a brake is on.
    Brake(BrakeItem),
    /// What a message is known by.
    Mark(MarkItem),
    /// What became of a UIDL.
    Uidl(UidlItem),
    /// Whether the mail of an account is safe.
    Report(Box<AccountReport>),
    /// Something that must not be.
    Finding(FindingItem),
    /// So much is checked.
    Checked(CheckedItem),
}

/// Takes the parts of an answer; fails when nobody listens any more.
pub type Items<'a> = &'a mut dyn FnMut(Item) -> io::Result<()>;

/// Executes requests.
pub struct Admin {
    stores: Stores,
    clock: Clock,
    offered: Offered,
}

impl Admin {
    /// Works on `stores`.
    #[must_use]
    pub fn new(stores: Stores, clock: Clock) -> Self {
        Self { stores, clock, offered: Offered::default() }
    }

    /// The same, and knows what mail programs can use.
    #[must_use]
    pub fn offering(self, offered: Offered) -> Self {
        Self { offered, ..self }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.clock.now().unix_millis)
    }

    fn actor(&self) -> Actor {
        Actor { device: DeviceId(0), protocol: Protocol::Cli, now: self.now() }
    }
}

impl Handler for Admin {
    type Request = Request;
    type Item = Item;

    fn handle(&self, request: Request, item: Items<'_>) -> Result<(), Failure> {
        match request {
            Request::Account(request) => request.execute(self, item),
            Request::Device(request) => request.execute(self, item),
            Request::Alias(request) => request.execute(self, item),
            Request::Domain(request) => request.execute(self, item),
            Request::People(request) => request.execute(self, item),
            Request::Queue(request) => request.execute(self, item),
            Request::History(request) => request.execute(self, item),
            Request::Held(request) => request.execute(self, item),
            Request::Uidl(request) => request.execute(self, item),
            Request::Check(request) => request.execute(self, item),
        }
    }
}

#[cfg(test)]
mod tests;
