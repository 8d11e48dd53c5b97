//! What becomes of damaged accounts: everything that is still what was written goes into another, empty engine, in which all
//! invariants hold.
//!
//! Rows are of two kinds. What can be made anew of others (counts, packed indexes, the history of each message, where a message
//! is) is made anew; what cannot is taken as it is found, and where it is missing its place is filled so that no number is given
//! out again: a mailbox whose record is lost has another UIDVALIDITY, an account whose counter is lost goes on far above all that
//! it can have used. A message whose text is lost is replaced by one that says so (`stub`), and the journal tells it.
//!
//! An account of which all rows are sound is copied as it is.
//!
//! Invariant: a row that is sound is not left behind without being told, unless it can be made anew.
//! Invariant: where the remains are is not written to.

mod found;
mod gaps;
mod holds;
mod mend;
mod rows;
mod stub;
mod tables;

use crate::check::{self, Depth};
use crate::engine::{Commit, CommitError, Engine, EngineError};
use crate::error::Error;
use crate::ids::{AccountId, EmailId, ModSeq, Timestamp, Uid};
use crate::objects::{ObjectName, Objects};
use crate::store::Store;
use found::Found;
use mend::Mended;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

pub use tables::{Tabled, table};

/// Numbers of an account whose counter is lost go on so far above those that are found.
const MARGIN: u64 = 1 << 20;
/// The same of numbers of mailboxes, devices and holds.
const NUMBER_MARGIN: u32 = 1 << 20;

/// What is left of an engine whose files are damaged.
pub trait Remains {
    /// Every account, and table, of which anything is left, ascending.
    ///
    /// # Errors
    /// What was found cannot be read.
    fn accounts(&self) -> Result<Vec<AccountId>, EngineError>;

    /// The head of an account; `None`: it is lost.
    ///
    /// # Errors
    /// As [`Remains::accounts`].
    fn head(&self, account: AccountId) -> Result<Option<ModSeq>, EngineError>;

    /// Visits what is left of an account, in the order of keys, until the visitor breaks.
    ///
    /// # Errors
    /// As [`Remains::accounts`].
    fn rows(&self, account: AccountId, visit: &mut VisitRemnant<'_>) -> Result<(), EngineError>;

    /// Whether the last commits of an account may be missing, and what is there may be of different moments.
    fn is_torn(&self, account: AccountId) -> bool;
}

/// A part of what is left of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remnant<'a> {
    /// A row that is what was written.
    Row {
        /// Its key.
        key: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// A row that is not.
    Damaged {
        /// Its key, as it is found.
        key: &'a [u8],
        /// What is left of its value.
        octets: Option<&'a [u8]>,
    },
    /// At least one row is missing.
    Gap {
        /// Behind this one; empty: behind nothing.
        after: &'a [u8],
        /// Before this one; `None`: at the end.
        before: Option<&'a [u8]>,
    },
}

/// Takes what is left; [`ControlFlow::Break`] ends the visit.
pub type VisitRemnant<'a> = dyn FnMut(Remnant<'_>) -> ControlFlow<()> + 'a;

/// Something that is not there any more, in words, with what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// What, and why.
    pub what: String,
    /// Of a message: its mailboxes and UIDs.
    pub places: Vec<(String, Uid)>,
    /// Of a message.
    pub email: Option<EmailId>,
    /// Octets.
    pub size: Option<u32>,
    /// Of a message, as it is in its header.
    pub subject: Option<String>,
    /// Of a message, as it is in its header.
    pub from: Option<String>,
    /// Of a message: the object that has what is left of it, and whose.
    pub object: Option<(AccountId, ObjectName)>,
    /// Of a message: in the mailbox there is one now that says what was lost.
    pub is_replaced: bool,
    /// It could not be read, and may be there still.
    pub is_unread: bool,
}

impl Loss {
    fn of(what: impl fmt::Display) -> Self {
        Self { what: what.to_string(), ..Self::default() }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(email) = self.email else { return f.write_str(&self.what) };
        for (mailbox, uid) in &self.places {
            write!(f, "{mailbox}, UID {uid}; ")?;
        }
        write!(f, "message {}", email.text())?;
        if let Some(size) = self.size {
            write!(f, " of {size} octets")?;
        }
        for (name, text) in [("from", &self.from), ("subject", &self.subject)] {
            if let Some(text) = text {
                write!(f, ", {name} {text:?}")?;
            }
        }
        write!(f, ": {}", self.what)?;
        f.write_str(if self.is_replaced { " (a message in its place says so)" } else { "" })
    }
}

/// What became of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// What of it is lost.
    pub losses: Vec<Loss>,
    /// It is otherwise than it was found.
    pub is_mended: bool,
    /// Rows of it that are what was written, and that this version does not understand: a later one has written them.
    pub unknown: usize,
    /// What does not agree in it; nothing, unless there is a fault in this crate.
    pub faults: Vec<String>,
}

/// What the other engine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Mail and names are brought out of it: better an older name than none.
    Export,
    /// A server goes on with it: what was taken back since must not count again.
    Server,
}

/// Where from, and where to.
#[derive(Clone)]
pub struct Salvage<'a> {
    /// What is left.
    pub remains: &'a dyn Remains,
    /// Where it goes; of an account that is salvaged there is nothing in it.
    pub engine: Arc<dyn Engine>,
    /// Large bodies: those that are there, and where new ones go.
    pub objects: Arc<dyn Objects>,
    /// The time of it.
    pub now: Timestamp,
    /// What for.
    pub aim: Aim,
}

impl Salvage<'_> {
    /// Brings an account over; what of it is lost.
    ///
    /// # Errors
    /// The other engine takes nothing; faults of the disk that holds what was found.
    pub fn account(&self, account: AccountId) -> Result<Salvaged, Error> {
        let mut found = Found::read(self, account)?;
        let store = Store::new(Arc::clone(&self.engine), Arc::clone(&self.objects));
        if found.is_sound() {
            rows::copy(self, account, found.top)?;
            if check::account(&store, account, Depth::Records)?.is_empty() {
                return Ok(Salvaged::default());
            }
            // It was written so.
            self.engine.remove_account(account).map_err(Error::fault)?;
        }
        found.find_octets(&*self.objects, account)?;
        let unknown = found.unknown;
        let mut mended = Mended::of(found, self, account)?;
        rows::write(self, account, &mut mended)?;
        stub::replace(self, &store.account(account), &mut mended)?;
        let (mut losses, mut faults) = (mended.losses, Vec::new());
        // What nobody thought of: said, not hidden.
        for finding in check::account(&store, account, Depth::Records)? {
            faults.push(format!("it could not be mended that {}", finding.what));
        }
        losses.extend(faults.iter().map(Loss::of));
        Ok(Salvaged { losses, is_mended: true, unknown, faults })
    }

    fn commit(&self, commit: Commit) -> Result<(), Error> {
        self.engine.commit(commit).map_err(|error| match error {
            CommitError::Full { what } => Error::NoSpace(what),
            error => Error::fault(error),
        })
    }
}
