//! Reading: mailboxes, views, messages, the journal.

use super::Account;
use super::import::ContentDigest;
use super::quiet::Stretch;
use crate::body::{Body, WHOLE_BYTES_MAX};
use crate::codec::Corrupt;
use crate::engine::Snapshot;
use crate::error::Error;
use crate::ids::{AccountId, EmailId, MailboxId, ModSeq, Timestamp, Uid};
use crate::index::Index;
use crate::journal::{Change, JournalEntry, OfAccount};
use crate::key;
use crate::objects::Objects;
use crate::record::{AccountRecord, BodyRecord, Digest, EmailRecord, Mailbox};
use crate::rights::Rights;
use crate::shown::Shown;
use crate::state::{self, AccountState, MailboxState};
use crate::watch::Watch;
use message::{Envelope, Summary, view};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Waker;

/// All mailboxes of an account as of one moment.
#[derive(Clone)]
pub struct Mailboxes {
    state: Arc<AccountState>,
    /// To whom they are shown; `None`: to the owner.
    guest: Option<AccountId>,
}

impl Mailboxes {
    /// The account's last change at that moment.
    #[must_use]
    pub fn head(&self) -> ModSeq {
        self.state.head
    }

    /// After this no annotation changed, as far as is known without looking ([`Account::all_annotations`]).
    #[must_use]
    pub fn annotated(&self) -> ModSeq {
        self.state.annotated
    }

    /// All mailboxes in the order in which they were made; to a guest those of which they may know.
    pub fn iter(&self) -> impl Iterator<Item = &Mailbox> {
        let all = self.state.mailboxes.values().map(|state| &state.mailbox);
        all.filter(|mailbox| self.guest.is_none_or(|guest| mailbox.acl.of(guest).has(Rights::LOOKUP)))
    }

    /// The mailbox of a name; INBOX without regard to case (RFC 9051 §5.1).
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Mailbox> {
        self.state.by_name(name).map(|state| &state.mailbox).filter(|mailbox| self.may_name(mailbox))
    }

    /// The names on the list of subscriptions that no mailbox has (RFC 9051 §6.3.7), ascending.
    pub fn subscribed_without_mailbox(&self) -> impl Iterator<Item = &str> {
        self.state.subscriptions.iter().map(String::as_str)
    }

    /// The mailbox of a number.
    #[must_use]
    pub fn by_id(&self, id: MailboxId) -> Option<&Mailbox> {
        self.state.mailboxes.get(&id).map(|state| &state.mailbox).filter(|mailbox| self.may_name(mailbox))
    }

    fn may_name(&self, mailbox: &Mailbox) -> bool {
        self.guest.is_none_or(|guest| mailbox.acl.of(guest).is_any())
    }
}

/// A mailbox and its messages as of one moment. Cheap to clone and to keep: it shares memory with later ones.
#[derive(Clone)]
pub struct View {
    state: Arc<MailboxState>,
    index: Index,
}

impl View {
    /// Of a mailbox whose index is there.
    pub(super) fn of(state: &Arc<MailboxState>) -> Self {
        Self { state: Arc::clone(state), index: state.index.clone().unwrap_or_default() }
    }

    /// Whether a session has this very one.
    pub(super) fn is_held_elsewhere(&self) -> bool {
        Arc::strong_count(&self.state) > 1
    }

    /// The mailbox.
    #[must_use]
    pub fn mailbox(&self) -> &Mailbox {
        &self.state.mailbox
    }

    /// Its messages.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }
}

/// Reads messages of an account from one snapshot. Short-lived: it holds resources of the engine.
pub struct Reader<'a> {
    account: AccountId,
    snapshot: Box<dyn Snapshot + 'a>,
    objects: &'a Arc<dyn Objects>,
}

impl Account {
    /// All mailboxes as of now.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn mailboxes(&self) -> Result<Mailboxes, Error> {
        let state = self.cell.state()?;
        self.may_look(&state)?;
        Ok(Mailboxes { state, guest: self.guest() })
    }

    /// A mailbox and its messages as of now.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], faults.
    pub fn view(&self, mailbox: MailboxId) -> Result<View, Error> {
        if let Some(guest) = self.guest() {
            return self.guest_view(mailbox, guest);
        }
        let state = self.cell.state_with_index(mailbox)?;
        state.mailbox(mailbox).map(View::of)
    }

    /// Wakes `waker` after every commit of this account, as long as the result lives.
    #[must_use]
    pub fn watch(&self, waker: Waker) -> Watch {
        self.cell.watches.watch(self.id(), waker)
    }

    /// The messages with numbers above `after`, whether they are in a mailbox or retained, ascending; at most `limit`. A new
    /// message has a number above all that the account ever had.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn emails_after(&self, after: EmailId, limit: usize) -> Result<Vec<EmailId>, Error> {
        let mut emails = Vec::new();
        let range = (key::email(EmailId(after.0.saturating_add(1))), key::kind(b'E').1);
        state::scan_while(&*self.snapshot()?, range, |key, _| {
            emails.push(EmailId(key::long_at(key, 1).map_err(Error::corrupt("the key of a message"))?));
            Ok(if emails.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(emails)
    }

    /// Begins to read messages.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn reader(&self) -> Result<Reader<'_>, Error> {
        Ok(Reader { account: self.id(), snapshot: self.snapshot()?, objects: &self.objects })
    }

    /// The account as the engine holds it.
    pub(super) fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, Error> {
        let snapshot = self.cell.engine.snapshot(self.id())?;
        if snapshot.head() == ModSeq(0) { Err(Error::NoSuchAccount) } else { Ok(snapshot) }
    }

    /// Journal entries after `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn journal(&self, after: ModSeq, limit: usize) -> Result<Vec<JournalEntry>, Error> {
        let mut entries = Vec::new();
        visit_journal(&*self.snapshot()?, after, |entry| {
            if entries.len() < limit {
                entries.push(entry);
            }
            if entries.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(entries)
    }

    /// Journal entries up to this one have left retention: what [`Account::journal`] gives after an older one is not all.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn journal_floor(&self) -> Result<ModSeq, Error> {
        journal_floor(&*self.snapshot()?)
    }

    /// The UIDs that left a mailbox after `since`, ascending (RFC 7162 §3.2.5.2). When the journal does not go back so far, or has
    /// lost entries since: every UID that could have been there and is not, which the RFC allows.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], faults.
    pub fn vanished_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Vec<Uid>, Error> {
        let state = self.cell.state_with_index(mailbox)?;
        let of = state.mailbox(mailbox)?;
        if of.mailbox.highest_modseq <= since {
            return Ok(Vec::new());
        }
        // The floor and the entries above it from one snapshot: a purge may come in between.
        let snapshot = self.snapshot()?;
        if since < journal_floor(&*snapshot)? {
            let index = of.index.clone().unwrap_or_default();
            return Ok(missing_uids(&index, of.mailbox.uid_next));
        }
        let mut uids = Vec::new();
        let known = self.cell.quiet.since(mailbox, since);
        let (mut after, mut has_gap) = (known.after, false);
        visit_removals(&*snapshot, known.to, |entry| {
            if has_gap_before(&entry) {
                has_gap = true;
                return ControlFlow::Break(());
            }
            let gone = entry.change.vanished(mailbox);
            if !gone.is_empty() {
                after = entry.modseq;
                uids.extend(gone);
            }
            ControlFlow::Continue(())
        })?;
        if has_gap {
            let index = of.index.clone().unwrap_or_default();
            return Ok(missing_uids(&index, of.mailbox.uid_next));
        }
        self.cell.quiet.note(mailbox, Stretch { after, to: snapshot.head().max(known.to) });
        uids.sort_unstable();
        Ok(uids)
    }
}

impl Account {
    /// The first change after `since` by which a message left a mailbox; `None` when there is none, or when the journal
    /// does not go back so far, or has lost entries since.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn first_vanished_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Option<ModSeq>, Error> {
        let snapshot = self.snapshot()?;
        if since < journal_floor(&*snapshot)? {
            return Ok(None);
        }
        let mut first = None;
        visit_removals(&*snapshot, since, |entry| {
            if has_gap_before(&entry) {
                return ControlFlow::Break(());
            }
            if entry.change.vanished(mailbox).is_empty() {
                return ControlFlow::Continue(());
            }
            first = Some(entry.modseq);
            ControlFlow::Break(())
        })?;
        Ok(first)
    }
}

/// Whether messages may have gone before an entry of which no entry tells.
fn has_gap_before(entry: &JournalEntry) -> bool {
    matches!(entry.change, Change::Account(OfAccount::Repaired))
}

fn journal_floor(snapshot: &dyn Snapshot) -> Result<ModSeq, Error> {
    let record = snapshot.get(&key::account())?.ok_or(Error::NoSuchAccount)?;
    let (record, _) = AccountRecord::decode(&record).map_err(Error::corrupt("the account record"))?;
    Ok(record.journal_floor)
}

fn visit_journal(
    snapshot: &dyn Snapshot,
    after: ModSeq,
    visit: impl FnMut(JournalEntry) -> ControlFlow<()>,
) -> Result<(), Error> {
    visit_entries(snapshot, after, |_| Ok(true), visit)
}

/// Those entries alone by which messages can have left a mailbox.
fn visit_removals(
    snapshot: &dyn Snapshot,
    after: ModSeq,
    visit: impl FnMut(JournalEntry) -> ControlFlow<()>,
) -> Result<(), Error> {
    visit_entries(snapshot, after, JournalEntry::removes, visit)
}

fn visit_entries(
    snapshot: &dyn Snapshot,
    after: ModSeq,
    is_wanted: impl Fn(&[u8]) -> Result<bool, Corrupt>,
    mut visit: impl FnMut(JournalEntry) -> ControlFlow<()>,
) -> Result<(), Error> {
    let range = (key::journal(ModSeq(after.0.saturating_add(1))), key::kind(b'J').1);
    state::scan_while(snapshot, range, |key, value| {
        if !is_wanted(value).map_err(Error::corrupt("a journal entry"))? {
            return Ok(ControlFlow::Continue(()));
        }
        let entry = key::long_at(key, 1).and_then(|modseq| JournalEntry::decode(ModSeq(modseq), value));
        entry.map(&mut visit).map_err(Error::corrupt("a journal entry"))
    })
}

impl Reader<'_> {
    /// A message's octets, checked against its digest.
    ///
    /// # Errors
    /// [`Error::NoSuchMessage`] when it has left retention, faults (a body that does not match its digest is one).
    pub fn body(&self, email: EmailId) -> Result<Vec<u8>, Error> {
        self.body_of(email, BodyRecord::decode(&self.body_record(email)?))
    }

    /// The digest of a message's octets, as they were when it came; they are not read.
    ///
    /// # Errors
    /// As [`Reader::body`], without what is wrong with the octets.
    pub fn content_digest(&self, email: EmailId) -> Result<ContentDigest, Error> {
        let record = self.body_record(email)?;
        let hash = match BodyRecord::decode(&record).map_err(Error::corrupt("the body of a message"))? {
            BodyRecord::Inline { hash, .. } => hash,
            BodyRecord::Object { digest, .. } => digest.hash,
        };
        Ok(ContentDigest::of_hash(&hash))
    }

    /// A message's octets, to be read in pieces. A small body is here and checked, by the engine or against its digest; a large
    /// one is looked through by [`Body::check`], unless it is `known`, as [`Body::at_rest`] left it.
    ///
    /// # Errors
    /// As [`Reader::body`].
    pub fn open(&self, email: EmailId, known: Option<Body>) -> Result<Body, Error> {
        self.opened(email, self.body_record(email)?, known)
    }

    fn opened(&self, email: EmailId, record: Vec<u8>, known: Option<Body>) -> Result<Body, Error> {
        match BodyRecord::decode(&record) {
            // It ends the record, and is not copied out of it.
            Ok(BodyRecord::Inline { hash, body })
                if self.snapshot.compares_values() || *blake3::hash(body).as_bytes() == hash =>
            {
                let start = record.len() - body.len();
                Ok(Body::end_of(record, start))
            }
            decoded => self.open_record(email, decoded, known),
        }
    }

    /// As [`Reader::open`]; of an object nothing is read yet.
    pub(super) fn open_unread(&self, email: EmailId) -> Result<Body, Error> {
        let record = self.body_record(email)?;
        match BodyRecord::decode(&record) {
            Ok(BodyRecord::Object { digest, size, name, .. }) => Ok(self.unread(name, digest, size)),
            Ok(BodyRecord::Inline { .. }) | Err(Corrupt) => self.opened(email, record, None),
        }
    }

    fn unread(&self, name: String, digest: Digest, size: u32) -> Body {
        Body::there(Arc::clone(self.objects), self.account, name, (digest, size as usize))
    }

    fn open_record(
        &self,
        email: EmailId,
        record: Result<BodyRecord<'_>, Corrupt>,
        known: Option<Body>,
    ) -> Result<Body, Error> {
        match record {
            Ok(BodyRecord::Object { digest, size, name, .. }) if size as usize > WHOLE_BYTES_MAX => {
                let known = known.filter(|body| body.is_object(&name, &digest));
                Ok(known.unwrap_or_else(|| self.unread(name, digest, size)))
            }
            record => self.body_of(email, record).map(Body::here),
        }
    }

    /// The UIDL of a message (RFC 1939 §7), by which POP3 programs know it.
    ///
    /// # Errors
    /// Faults.
    pub fn uidl(&self, email: EmailId) -> Result<String, Error> {
        let shown = self.snapshot.get(&key::shown(email))?.map(|row| Shown::decode(&row)).transpose();
        let shown = shown.map_err(Error::corrupt("the record of what POP3 shows"))?;
        Ok(shown.and_then(|shown| shown.uidl).unwrap_or_else(|| email.text()))
    }

    /// A message's header, to be read in pieces: [`Reader::header`] where that is kept apart, else a body with it.
    ///
    /// # Errors
    /// As [`Reader::body`].
    pub fn open_header(&self, email: EmailId, known: Option<Body>) -> Result<Body, Error> {
        let record = self.body_record(email)?;
        let record = BodyRecord::decode(&record);
        if let Ok(BodyRecord::Object { header: Some(header), .. }) = &record
            && let Some(octets) = if self.snapshot.compares_values() { Some(header.octets) } else { header.intact() }
        {
            return Ok(Body::here(octets.to_vec()));
        }
        self.open_record(email, record, known)
    }

    /// A message's header with its empty line (RFC 5322 §2.1), checked; all octets where there is no
    /// empty line. Of a large message no more is held, and of a very long header only what programs look at
    /// ([`message::limits::HEADER_BYTES_MAX`]).
    ///
    /// # Errors
    /// As [`Reader::body`].
    pub fn header(&self, email: EmailId) -> Result<Vec<u8>, Error> {
        let mut body = self.open_header(email, None)?;
        let end = body.header_end()?.min(message::limits::HEADER_BYTES_MAX);
        let mut header = Vec::new();
        body.copy(0..end, &mut header)?;
        Ok(header)
    }

    fn body_record(&self, email: EmailId) -> Result<Vec<u8>, Error> {
        self.snapshot.get(&key::body(email))?.ok_or_else(|| self.missing(email, "body"))
    }

    fn body_of(&self, email: EmailId, record: Result<BodyRecord<'_>, Corrupt>) -> Result<Vec<u8>, Error> {
        let corrupt = || Error::corrupt(format!("the body of message {} of account {}", email.text(), self.account));
        let (body, is_right) = match record.map_err(|damage| corrupt()(damage))? {
            BodyRecord::Inline { hash, body } => (body.to_vec(), *blake3::hash(body).as_bytes() == hash),
            // Into memory once: the length is known.
            BodyRecord::Object { digest, size, name, .. } => {
                let body = self.objects.read_range(self.account, &name, 0..size as usize)?;
                let is_right = digest.is_of(&body);
                (body, is_right)
            }
        };
        if !is_right {
            return Err(corrupt()(Corrupt));
        }
        Ok(body)
    }

    /// A message's envelope and structure, as they were parsed when it came.
    ///
    /// # Errors
    /// [`Error::NoSuchMessage`] when it has left retention, faults.
    pub fn summary(&self, email: EmailId) -> Result<Summary, Error> {
        let bytes = self.snapshot.get(&key::summary(email))?;
        match bytes.as_deref().map(Summary::decode) {
            Some(Ok(summary)) => Ok(summary),
            // It is a cache: one that is missing, or of a version that this one does not know, is made anew.
            Some(Err(_)) | None => Ok(Summary::parse(&self.body(email)?)),
        }
    }

    /// Since when a message is in a place (RFC 8514 §3); `None` where an earlier version put it there, and beyond as many
    /// places as its record lists.
    ///
    /// # Errors
    /// [`Error::NoSuchMessage`] when it has left retention, faults.
    pub fn saved_at(&self, email: EmailId, place: (MailboxId, Uid)) -> Result<Option<Timestamp>, Error> {
        let bytes = self.snapshot.get(&key::email(email))?.ok_or(Error::NoSuchMessage)?;
        let record = EmailRecord::decode(&bytes).map_err(Error::corrupt("a message's record"))?;
        Ok(record.since(place))
    }

    /// As [`Reader::summary`], in the bytes of [`Summary::encode`]: [`view::Summary::read`] takes them.
    ///
    /// # Errors
    /// As [`Reader::summary`].
    pub fn encoded_summary(&self, email: EmailId) -> Result<Vec<u8>, Error> {
        let bytes = self.snapshot.get(&key::summary(email))?;
        let intact = bytes.filter(|bytes| view::Summary::read(bytes).is_ok());
        intact.map_or_else(|| self.body(email).map(|body| Summary::parse(&body).encode()), Ok)
    }

    /// Visits the summaries of messages, in their order, until the visitor breaks: for less than one by one, if they ascend.
    /// A message that cannot be read is an error of its own, as of [`Reader::summary`].
    pub fn summaries(
        &self,
        emails: impl Iterator<Item = EmailId> + Clone,
        mut visit: impl FnMut(Result<&view::Summary<'_>, Error>) -> ControlFlow<()>,
    ) {
        let mut keys = emails.clone().map(key::summary);
        let mut emails = emails;
        self.snapshot.get_each(&mut keys, &mut |bytes| {
            let Some(email) = emails.next() else { return ControlFlow::Break(()) };
            if let Ok(Some(Ok(summary))) = bytes.as_ref().map(|bytes| bytes.map(view::Summary::read)) {
                return visit(Ok(&summary));
            }
            let made = bytes.map_err(Error::from).and_then(|_| self.encoded_summary(email));
            match made.as_deref().map(view::Summary::read) {
                Ok(Ok(summary)) => visit(Ok(&summary)),
                Ok(Err(error)) => visit(Err(Error::fault(error))),
                Err(error) => visit(Err(error.clone())),
            }
        });
    }

    /// A message's envelope alone: as [`Reader::summary`], for less work.
    ///
    /// # Errors
    /// As [`Reader::summary`].
    pub fn envelope(&self, email: EmailId) -> Result<Envelope, Error> {
        let bytes = self.snapshot.get(&key::summary(email))?;
        match bytes.as_deref().map(Summary::decode_envelope) {
            Some(Ok(envelope)) => Ok(envelope),
            Some(Err(_)) | None => self.summary(email).map(|summary| summary.envelope),
        }
    }

    /// Why something of a message is not there.
    fn missing(&self, email: EmailId, what: &str) -> Error {
        match self.snapshot.get(&key::email(email)) {
            Ok(None) => Error::NoSuchMessage,
            Ok(Some(_)) => {
                let (text, account) = (email.text(), self.account);
                Error::fault(format_args!("the {what} of message {text} of account {account} is missing"))
            }
            Err(error) => error.into(),
        }
    }
}

/// Every UID below `next` that is not in the index.
fn missing_uids(index: &Index, next: Uid) -> Vec<Uid> {
    let mut missing = Vec::new();
    let mut first = 1;
    for uid in index.iter().map(|entry| entry.uid.0).chain([next.0]) {
        missing.extend((first..uid).map(Uid));
        first = uid.saturating_add(1);
    }
    missing
}
