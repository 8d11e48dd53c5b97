//! Where mail comes from.

use std::fmt;
use store::{Flags, Role, Timestamp};

/// A place that has mail in folders.
pub trait Source {
    /// All folders.
    ///
    /// # Errors
    /// [`SourceError`].
    fn folders(&mut self) -> Result<Vec<Folder>, SourceError>;

    /// Opens a folder, which the calls after it are about; says which messages it has.
    ///
    /// # Errors
    /// [`SourceError`].
    fn open(&mut self, folder: &Folder) -> Result<Opened, SourceError>;

    /// What is known of messages without reading them: of each, in the order of `marks`, that or why nothing is.
    ///
    /// # Errors
    /// [`SourceError`].
    fn look(&mut self, marks: &[u64]) -> Result<Vec<Result<Item, Unknown>>, SourceError>;

    /// Reads messages: each with what became of it, in the order of `items`.
    ///
    /// # Errors
    /// [`SourceError`].
    fn read(&mut self, items: &[Item]) -> Result<Vec<Content>, SourceError>;

    /// The UIDLs that messages of the open folder had there, by their marks.
    fn uidls(&mut self) -> Vec<(u64, String)> {
        Vec::new()
    }

    /// What of the open folder does not come, though it is no message of it: what, and why.
    fn left_behind(&mut self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Scripts that sort mail there, which do not come: what each is called, and why.
    fn scripts(&mut self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Begins again after it broke off.
    ///
    /// # Errors
    /// [`SourceError`].
    fn again(&mut self) -> Result<(), SourceError>;
}

/// A folder.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Folder {
    /// Its name, as people know it there.
    pub name: String,
    /// Its levels, below what all folders of an owner have in common.
    pub levels: Vec<String>,
    /// What it is for, where the source says it.
    pub role: Option<Role>,
    /// Whether it is on the list of subscriptions.
    pub is_subscribed: bool,
    /// Why it is left out, unless somebody asks for it.
    pub left_out: Option<&'static str>,
    /// What the source calls it by.
    pub key: Vec<u8>,
}

/// A folder that was opened.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Opened {
    /// Another one: all marks have changed (IMAP: UIDVALIDITY).
    pub validity: u64,
    /// What its messages are known by, in their order.
    pub marks: Vec<u64>,
}

/// What is known of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is known by in its folder, for good.
    pub mark: u64,
    /// Its octets, if the source says it; it may be mistaken.
    pub bytes: Option<u64>,
    /// Its flags.
    pub flags: Flags,
    /// When it came, if that is known.
    pub date: Option<Timestamp>,
    /// What people find it by there.
    pub label: String,
}

/// A message of which the source said nothing that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What it is known by in its folder.
    pub mark: u64,
    /// What people find it by there.
    pub label: String,
    /// Why.
    pub why: String,
}

/// What became of a message that was to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// All its octets.
    Octets(Vec<u8>),
    /// It was larger than what is taken of all that were read together, and passed over.
    TooLarge,
    /// The source did not give it; why.
    Missing(String),
}

/// Why a source does not give what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// It broke off: it may be better in a moment.
    Broken(String),
    /// It will not, or what it says makes no sense: what was asked, and what it said.
    Refused(String),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(what) | Self::Refused(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for SourceError {}
