//! The mailbox: accounts, journal, views, maildrops, and the contract of storage engines.
//!
//! Everything that a session of any protocol reads or changes goes through [`Account`]. Each change is one durable
//! transaction of one account (`transact`) and makes journal entries; its commit wakes whoever watches the account.
//! There is no clock here (the time comes with [`Actor`]) and no async: all calls block.
//!
//! Invariant: a UID, a MODSEQ, an [`EmailId`] is never used again.
//! Invariant: what a call answered `Ok` for survives SIGKILL and power loss.
//! Invariant: [`check::account`] finds nothing, at any moment.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod account;
mod announcements;
pub mod backup;
mod body;
pub mod brake;
pub mod check;
pub mod codec;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod device;
mod device_name;
pub mod engine;
mod error;
pub mod feed;
mod figures;
mod flag_block;
mod flags;
pub mod group_commit;
pub mod hold;
mod identity;
pub mod ids;
mod index;
mod journal;
mod key;
mod known_nodes;
mod maildrops;
mod name;
mod nodes;
pub mod objects;
mod others;
mod pack;
pub mod pop;
pub(crate) mod pop_program;
mod quota;
mod receipt;
mod record;
pub mod removal;
mod rights;
mod role;
pub mod salvage;
mod seen;
mod settings;
mod shown;
#[cfg(any(test, feature = "simulation"))]
pub mod sim;
pub mod space;
mod state;
mod store;
pub mod succession;
mod table;
mod table_id;
mod transact;
mod tx;
mod watch;

pub use account::{
    ANNOTATION_BYTES_MAX, ANNOTATION_NAME_BYTES_MAX, APPENDING_PIECE_BYTES_MAX, Account, Ahead, Annotation,
    Annotations, Appended, Appending, Arriving, ClearReport, ClearRequest, ContentDigest, Copying, Deleting, Expunge,
    Expunging, FlagChange, FlagsChanged, Former, GuestPermits, HeldIn, Imported, ImportedPlace, Lesson, MAILBOXES_MAX,
    Mailboxes, Maildrop, MaildropClosing, MaildropMessage, MaildropOptions, MaildropOutcome, MessageChange,
    MessageEvent, NewMessage, OnProgress, PIECE_MESSAGES_MAX, Permit, Place, Progress, Purged, Reader, Received,
    Relisting, SentCopy, Submission, Submitted, TRAINING_PAGE_BYTES_MAX, Target, TimelinePage, TimelineQuery, Training,
    UidlOutcome, UndoReport, UndoRequest, UndoWhat, View, Whereabouts,
};
pub use announcements::{ANNOUNCED_MAX, Announcements};
pub use body::{Body, WHOLE_BYTES_MAX};
pub use error::Error;
pub use flag_block::flags_piece;
pub use flags::{FlagBits, FlagMode, FlagSet, Flags, KEYWORD_BYTES_MAX, KEYWORDS_MAX, Keywords, SystemFlag};
pub use ids::{AccountId, DeviceId, EmailId, HoldId, MailboxId, ModSeq, NotAnEmailId, Timestamp, Uid, UidValidity};
pub use index::{Delta, Entry, Index};
pub use journal::{
    Actor, Change, JournalEntry, Listed, MESSAGES_PER_ENTRY_MAX, OfAccount, OfDevice, OfMailbox, OfMessages, OfPop,
    Protocol, Reflagged, Relisted, Stretches,
};

pub use nodes::{BEAT, LEASE, Node, Standing};
pub use others::Heads;
pub use quota::{Amount, FILLING_PERCENT, Quota, Resource, Usage};
pub use receipt::{Claim, Claims, Handover, RECEIPT_MILLIS, RECEIPTS_MAX};
pub use record::{Counts, Mailbox, Retained};
pub use rights::{Acl, Rights, RightsChange};
pub use role::Role;
pub use settings::{AccountSettings, LANGUAGE_TAG_BYTES_MAX, LanguageTag};
pub use store::{INLINE_BYTES_MAX, Store, StoreOptions};
pub use table::{Row, Rows, Table, TableTx};
pub use table_id::TableId;
pub use watch::Watch;
