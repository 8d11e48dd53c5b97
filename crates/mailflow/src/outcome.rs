//! What became of a message for a recipient.

use crate::decide::Reason;
use crate::route::Recipient;
use reports::About;
use std::collections::{BTreeMap, BTreeSet};
use store::{AccountId, Claim};

/// What became of a message for one recipient. Ordered: with several accounts the worst one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecipientOutcome {
    /// In the mailbox, on disk.
    Delivered,
    /// The mailbox is full; to be tried again later, when its owner has made room.
    OverQuota,
    /// No space; to be tried again later.
    NoSpace,
    /// The disk takes nothing at the moment; to be tried again later.
    ReadOnly,
    /// The mailbox has reached a limit, or goes just now; to be tried again later.
    Unavailable,
    /// Ours, and already logged; to be tried again later.
    Fault,
    /// The list has had as much as it takes in an hour; to be tried again later.
    ListBusy,
    /// Nobody can say now who it comes from; to be tried again later.
    SenderUnknown,
    /// A filter wants it to come again later.
    PutOff,
    /// It does not come from whom it says; never to be tried again.
    SenderRefused,
    /// The host that brings it is not wanted; never to be tried again.
    HostRefused,
    /// A filter refuses it; never to be tried again.
    ContentRefused,
    /// The list does not take it; never to be tried again.
    List(ListRefusal),
    /// The message runs in circles; never to be tried again.
    Loop,
    /// The message has a NUL; never to be tried again.
    Nul,
}

impl RecipientOutcome {
    /// Whether it says something of the recipient, and nothing of the message or of this server.
    pub(crate) fn is_of_one(self) -> bool {
        match self {
            Self::Delivered | Self::OverQuota | Self::Unavailable | Self::ListBusy | Self::List(_) => true,
            Self::NoSpace
            | Self::ReadOnly
            | Self::Fault
            | Self::SenderUnknown
            | Self::PutOff
            | Self::SenderRefused
            | Self::HostRefused
            | Self::ContentRefused
            | Self::Loop
            | Self::Nul => false,
        }
    }
}

/// Why a list does not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListRefusal {
    /// Whoever wrote it may not, or nobody vouches for it that they did.
    NotAllowed,
    /// Nothing proves that whoever wrote it meant the list, and now.
    NotMeant,
    /// A program wrote it by itself.
    Automatic,
    /// It is too large, for so many members or by the rule of the list.
    TooLarge,
    /// An answer to a question that has one, or is over.
    Answered,
    /// What an owner sent says neither yes nor no.
    NoAnswer,
}

/// What became of a message. Dropped without an answer it is taken to come again; who has it is left out then.
#[derive(Debug)]
#[must_use = "without an answer the message is taken to come again"]
pub struct Delivered {
    /// For each recipient, in their order.
    pub outcomes: Vec<RecipientOutcome>,
    /// Why, of what is refused for its sender.
    pub reason: Option<Reason>,
    /// What it was about, and who did not get it, if somebody did not.
    pub missed: Option<Box<Missed>>,
    /// The receipts, and whether all recipients that lead there have their mail.
    claims: Vec<(Claim, bool)>,
}

/// A message that did not reach all of its recipients.
#[derive(Debug)]
pub struct Missed {
    /// Where their outcomes are in [`Delivered::outcomes`], and their addresses.
    pub by: Vec<(usize, String)>,
    /// What the message is about.
    pub about: About,
}

/// Where a copy goes to; one, however many recipients lead there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Account(AccountId),
    /// Elsewhere: to whom.
    Onward(Vec<String>),
    /// The recipient is the address of a list, or made of it.
    List(String),
}

/// What became of it there, and the receipts.
pub(crate) type Got = (RecipientOutcome, Vec<Claim>);

impl Delivered {
    /// The same for all.
    pub(crate) fn all(outcome: RecipientOutcome, recipients: &[Recipient]) -> Self {
        Self { outcomes: vec![outcome; recipients.len()], reason: None, missed: None, claims: Vec::new() }
    }

    pub(crate) fn because(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self }
    }

    pub(crate) fn new(recipients: &[Recipient], got: BTreeMap<End, Got>) -> Self {
        let at = |end: End| got.get(&end).map(|(outcome, _)| *outcome);
        let outcome =
            |recipient: &Recipient| ends(recipient).filter_map(at).max().unwrap_or(RecipientOutcome::Unavailable);
        let outcomes: Vec<RecipientOutcome> = recipients.iter().map(outcome).collect();
        let refused = |(recipient, outcome): (&Recipient, &RecipientOutcome)| {
            (*outcome != RecipientOutcome::Delivered).then(|| ends(recipient).collect::<Vec<End>>())
        };
        let come_again: BTreeSet<End> = recipients.iter().zip(&outcomes).filter_map(refused).flatten().collect();
        let claims = got.into_iter().flat_map(|(end, (_, claims))| {
            let all_have_it = !come_again.contains(&end);
            claims.into_iter().map(move |claim| (claim, all_have_it))
        });
        Self { claims: claims.collect(), reason: None, missed: None, outcomes }
    }

    /// The same, with what is to be known of the message by those who do not get it.
    pub(crate) fn telling(self, recipients: &[Recipient], content: &[u8]) -> Self {
        let is_missing =
            |at: &usize| self.outcomes.get(*at).is_some_and(|outcome| *outcome != RecipientOutcome::Delivered);
        let of = |at: usize| Some((at, recipients.get(at)?.address.clone()));
        let by: Vec<(usize, String)> = (0..recipients.len()).filter(is_missing).filter_map(of).collect();
        let missed = (!by.is_empty()).then(|| Box::new(Missed { by, about: About::of(content) }));
        Self { missed, ..self }
    }

    /// Receipts of what was written besides, to be answered with the others.
    pub(crate) fn claim(&mut self, claims: Vec<Claim>) {
        self.claims.extend(claims.into_iter().map(|claim| (claim, true)));
    }

    /// What counts where there is one answer for all.
    #[must_use]
    pub fn worst(&self) -> RecipientOutcome {
        self.outcomes.iter().max().copied().unwrap_or(RecipientOutcome::Delivered)
    }

    /// The one answer for all recipients is a 250: the receipts to be answered.
    #[must_use]
    pub fn accepted(self) -> Vec<Claim> {
        self.claims.into_iter().map(|(claim, _)| claim).collect()
    }

    /// Each recipient has an answer (RFC 2033 §4.2), and who was refused comes again: the receipts to be answered.
    #[must_use]
    pub fn answered_one_by_one(self) -> Vec<Claim> {
        self.claims.into_iter().filter_map(|(claim, all_have_it)| all_have_it.then_some(claim)).collect()
    }
}

fn ends(recipient: &Recipient) -> impl Iterator<Item = End> {
    let onward = recipient.onward.as_ref().map(|onward| End::Onward(onward.addresses()));
    let list = recipient.list.as_ref().map(|_| End::List(recipient.address.clone()));
    recipient.accounts.iter().copied().map(End::Account).chain(onward).chain(list)
}

impl From<&store::Error> for RecipientOutcome {
    fn from(error: &store::Error) -> Self {
        match error {
            store::Error::OverQuota { .. } => Self::OverQuota,
            store::Error::NoSpace(_) => Self::NoSpace,
            store::Error::ReadOnly => Self::ReadOnly,
            store::Error::InvalidContent(_) => Self::Nul,
            store::Error::NoSuchAccount
            | store::Error::NoSuchMailbox
            | store::Error::NotAllowed(_)
            | store::Error::NotPermitted
            | store::Error::NotPermittedBelow(_)
            | store::Error::Limit(_) => Self::Unavailable,
            store::Error::NoSuchMessage
            | store::Error::NoSuchDevice
            | store::Error::LoginEnded
            | store::Error::AlreadyExists
            | store::Error::InvalidName(_)
            | store::Error::MaildropInUse
            | store::Error::Damaged(_)
            | store::Error::Fault(_) => Self::Fault,
        }
    }
}
