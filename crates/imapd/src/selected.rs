//! The selected mailbox: what the client has been told, and what there is.

use crate::enabled::Enabled;
use crate::recent::Recent;
use crate::resync::HELD_BACK_MODSEQS_MAX;
use crate::tagged::Tagged;
use imap_proto::{MessageSet, Numbering, SequenceSet, Tag};
use search::Numbers;
use store::{Account, Body, Error, Index, MailboxId, ModSeq, Rights, Uid, View, Watch};

/// The selected mailbox of a session.
///
/// Invariant: `told` is what the client knows; only `sync` and SELECT change it, and only together with writing responses.
pub(crate) struct Selected {
    pub(crate) account: Account,
    pub(crate) mailbox: MailboxId,
    /// What the client has been told: message sequence number n is position n-1 of it.
    pub(crate) told: Index,
    /// Up to here `told` has every change; above it EXPUNGEs may be held back.
    pub(crate) known_modseq: ModSeq,
    /// `told` has messages that are gone.
    pub(crate) holds_back: bool,
    /// The last change before the first of them went, if it was looked for: it may lie above `known_modseq`.
    pub(crate) gone_after: Option<ModSeq>,
    /// The client was told what vanished, and not yet up to which MODSEQ it knows all of that.
    pub(crate) says_modseq: bool,
    /// The mailbox as of the last look (name, keywords, uid_validity, highest_modseq…).
    pub(crate) view: View,
    pub(crate) read_only: bool,
    /// It is somebody else's.
    pub(crate) shared: Option<Box<Shared>>,
    pub(crate) recent: Recent,
    /// RFC 9051 §6.4.4.1 `$`
    pub(crate) saved: Vec<Uid>,
    /// The large body that was read last: clients fetch one in many parts.
    pub(crate) known: Option<Box<Body>>,
    /// RFC 5267: searches whose results are kept up to date.
    pub(crate) contexts: Option<Box<Contexts>>,
}

/// What is beside a selected mailbox of somebody else's.
pub(crate) struct Shared {
    /// As this user names it.
    pub(crate) name: String,
    /// As long as it lives, commits of the owner's account wake the driver.
    pub(crate) _watch: Watch,
}

/// Searches whose results the client is kept up to date of.
#[derive(Default)]
pub(crate) struct Contexts(pub(crate) Vec<Box<dyn Follows>>);

/// A search that follows what happens in the mailbox.
pub(crate) trait Follows: Send {
    /// That of the command.
    fn tag(&self) -> &Tag;

    /// How much it holds: ranges of UIDs.
    fn ranges(&self) -> usize;

    /// The client is about to be told that messages are gone: position and UID, ascending.
    fn before_expunge(&mut self, told: &Index, gone: &[(usize, Uid)], enabled: Enabled, output: &mut Vec<u8>);

    /// The client was told what changed: the next slice of what that means for the results.
    fn catch_up(&mut self, selected: &Selected, enabled: Enabled, output: &mut Vec<u8>) -> Followed;
}

/// How far a search has followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    UpToDate,
    More,
    /// It cannot.
    GivenUp,
}

/// A set names a message number that the client cannot know (RFC 9051 §9: an error for numbers, never for UIDs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoSuchNumber;

impl From<NoSuchNumber> for Tagged {
    fn from(NoSuchNumber: NoSuchNumber) -> Self {
        // RFC 9051 §9, seq-number: "the server should respond with a tagged BAD".
        Self::bad("No message has this number")
    }
}

/// As [`Selected::must_be_readable`], of any mailbox.
pub(crate) fn must_be_readable(account: &Account, mailbox: MailboxId) -> Result<(), Error> {
    let is_own = account.guest().is_none();
    if is_own || account.rights(mailbox)?.has(Rights::READ) { Ok(()) } else { Err(Error::NoSuchMailbox) }
}

impl Selected {
    /// A mailbox that is being selected: the client is told of all that is there.
    pub(crate) fn new(account: Account, view: View, read_only: bool) -> Self {
        Self {
            account,
            mailbox: view.mailbox().id,
            told: view.index().clone(),
            known_modseq: view.mailbox().highest_modseq,
            holds_back: false,
            gone_after: None,
            says_modseq: false,
            view,
            read_only,
            shared: None,
            recent: Recent::default(),
            saved: Vec::new(),
            known: None,
            contexts: None,
        }
    }

    /// As this user names it.
    pub(crate) fn name(&self) -> &str {
        self.shared.as_ref().map_or(&self.view.mailbox().name, |shared| &shared.name)
    }

    /// What may be done here now.
    pub(crate) fn rights(&self) -> Rights {
        if self.shared.is_none() { Rights::ALL } else { self.account.rights(self.mailbox).unwrap_or_default() }
    }

    /// Refuses to read on where it is not shared any more: a command that takes long asks before each piece.
    pub(crate) fn must_be_readable(&self) -> Result<(), Error> {
        must_be_readable(&self.account, self.mailbox)
    }

    /// The flags that may be changed for good, by the rights to them.
    pub(crate) fn permanent(&self) -> Rights {
        if self.read_only { Rights::default() } else { self.rights() }
    }

    /// Takes the messages below `up_to` that nobody was told of yet.
    pub(crate) fn meet_recent(&mut self, up_to: Uid, enabled: Enabled) -> Result<(), Error> {
        // What is recent is the owner's.
        let looks_only = self.read_only || self.shared.is_some();
        self.recent.meet(&self.account, self.mailbox, up_to, looks_only, enabled)
    }

    /// The highest MODSEQ that the client may be told while EXPUNGEs are held back.
    pub(crate) fn highest_to_tell(&self) -> ModSeq {
        let safe = self.gone_after.unwrap_or(self.known_modseq);
        ModSeq(safe.0.saturating_add(HELD_BACK_MODSEQS_MAX))
    }

    /// Looks in the journal for the last change before the first message went that the client still counts.
    pub(crate) fn look_for_first_gone(&mut self) -> Result<(), Error> {
        if self.gone_after.is_none() {
            let first = self.account.first_vanished_since(self.mailbox, self.known_modseq)?;
            self.gone_after = first.map(|first| ModSeq(first.0.saturating_sub(1)));
        }
        Ok(())
    }

    /// Whether the client knows of changes that are too far above an EXPUNGE that is held back.
    pub(crate) fn has_told_too_far(&mut self) -> Result<bool, Error> {
        let highest = self.view.mailbox().highest_modseq;
        if !self.holds_back || highest <= self.highest_to_tell() {
            return Ok(false);
        }
        self.look_for_first_gone()?;
        Ok(highest > self.highest_to_tell())
    }

    /// Above all UIDs that the client was told.
    pub(crate) fn uid_next(&self) -> Uid {
        Uid(self.told.last().map_or(0, |entry| entry.uid.0).saturating_add(1))
    }

    /// The number of messages that the client knows.
    pub(crate) fn exists(&self) -> u32 {
        u32::try_from(self.told.len()).unwrap_or(u32::MAX)
    }

    /// Whether a set names UIDs by their numbers that the client was not told of.
    pub(crate) fn names_unknown(&self, set: &MessageSet, numbering: Numbering) -> bool {
        match set {
            MessageSet::Numbers(set) => {
                numbering == Numbering::Uid && !set.has_star() && set.exceeds(self.uid_next().0 - 1)
            }
            MessageSet::Saved => false,
        }
    }

    /// The UIDs in `set`, ascending, each once; of messages that the client knows only.
    pub(crate) fn uids(&self, set: &MessageSet, numbering: Numbering) -> Result<Vec<Uid>, NoSuchNumber> {
        match set {
            // RFC 9051 §6.4.4.1: what is gone is left out of `$`.
            MessageSet::Saved => {
                Ok(self.saved.iter().copied().filter(|uid| self.told.position(*uid).is_ok()).collect())
            }
            MessageSet::Numbers(set) => match numbering {
                Numbering::Sequence => self.uids_of_numbers(set),
                Numbering::Uid => Ok(self.uids_of_uids(set)),
            },
        }
    }

    /// The UIDs that a set names, whether the client knows them or not, when `max` is the largest; of `$` those saved.
    pub(crate) fn named(&self, set: &MessageSet, max: u32) -> Numbers {
        match set {
            MessageSet::Numbers(set) => Numbers::from_ranges(set.resolve(max)),
            MessageSet::Saved => Numbers::from_sorted(self.saved.iter().map(|uid| uid.0)),
        }
    }

    fn uids_of_numbers(&self, set: &SequenceSet) -> Result<Vec<Uid>, NoSuchNumber> {
        let exists = self.exists();
        // `*` in an empty mailbox is tolerated: clients send FETCH 1:* right after SELECT.
        if set.exceeds(exists) && !(exists == 0 && set.has_star()) {
            return Err(NoSuchNumber);
        }
        let mut uids = Vec::new();
        for range in set.resolve(exists) {
            let positions = (*range.start() as usize).saturating_sub(1)..*range.end() as usize;
            self.told.stretches(positions).for_each(|(_, some)| uids.extend(some.iter().map(|entry| entry.uid)));
        }
        Ok(uids)
    }

    /// RFC 9051 §6.4.9: `*` is the highest UID there is; UIDs that are not there are passed over.
    fn uids_of_uids(&self, set: &SequenceSet) -> Vec<Uid> {
        let Some(last) = self.told.last().map(|entry| entry.uid.0) else { return Vec::new() };
        let ranges = set.resolve(last);
        ranges
            .into_iter()
            .flat_map(|range| self.told.uids(Uid(*range.start()), Uid(*range.end())).map(|(_, entry)| entry.uid))
            .collect()
    }
}
