//! What all requests share.

use crate::links::Links;
use crate::notice::Notices;
use crate::setup::Offered;
use crate::token::Key;
use auth::Auth;
use backup::Beside;
use console::{Examination, Status, Survey};
use metrics::Commands;
use queue::Queue;
use session::{Jobs, Roster};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use store::{AccountId, Error, Timestamp};
use wording::Language;

/// Imports at the same time. Each holds one of the few places of the control socket for as long as its source takes; what else the
/// operator asks must always find one.
pub(crate) const IMPORTS_MAX: usize = 4;
/// Messages that are made safe to be shown as they were sent, at the same time: each is in memory with its pictures.
pub(crate) const CLEANED_MAX: usize = 4;

/// The pages and the JSON API. Cheap to clone.
#[derive(Clone)]
pub struct Site(Arc<Inner>);

/// What a site is told by its server.
pub struct SiteOptions {
    /// The name by which people reach it.
    pub hostname: String,
    /// What is spoken to people who have chosen no language and show none.
    pub language: Language,
    /// A message of more octets is not taken.
    pub message_bytes_max: u64,
    /// Reads the clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Sends a letter to an address; whether it is under way.
    pub post: Box<Post>,
    /// Sends a test of mail; gives its token, or says why none is sent.
    pub send_test: Box<SendTest>,
    /// Verifies passwords in turn.
    pub jobs: Arc<dyn Jobs>,
    /// Mail for outside addresses.
    pub queue: Queue,
    /// The data directory, and what a backup copies of it beside the store.
    pub beside: (PathBuf, &'static [&'static str]),
    /// Says what the doctor found the last time; with true it looks again.
    pub examine: Box<dyn Fn(bool) -> Examination + Send + Sync>,
    /// What a look at all accounts found the last time; with true it looks again.
    pub survey: Box<dyn Fn(bool) -> Arc<Survey> + Send + Sync>,
    /// How the server does; `None`: none runs.
    pub status: Box<dyn Fn() -> Option<Status> + Send + Sync>,
    /// Who is connected; `None`: no server runs.
    pub roster: Option<Arc<dyn Roster>>,
    /// Which of several servers with the same mail it is; `None`: the only one.
    pub node: Option<String>,
    /// How long answers took.
    pub commands: Commands,
}

/// Takes an address, a message and the time.
pub type Post = dyn Fn(&str, &[u8], Timestamp) -> bool + Send + Sync;

/// Takes an account, its address and whom it goes to, and the time.
pub type SendTest = dyn Fn(AccountId, (&str, &str), Timestamp) -> Result<String, String> + Send + Sync;

struct Inner {
    auth: Auth,
    options: SiteOptions,
    notices: Notices,
    links: Links,
    offered: OnceLock<Offered>,
    key: Key,
    imports: Arc<AtomicUsize>,
    cleaned: Arc<AtomicUsize>,
    cleaned_for: Arc<Mutex<BTreeSet<AccountId>>>,
}

/// One of a few places, as long as this lives.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    fn of(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let more = |count: usize| (count < most).then_some(count + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One of the places for messages that are made safe; an account has one at a time.
pub(crate) struct CleaningPlace {
    _place: Place,
    account: AccountId,
    whose: Arc<Mutex<BTreeSet<AccountId>>>,
}

impl Drop for CleaningPlace {
    fn drop(&mut self) {
        self.whose.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.account);
    }
}

impl Site {
    /// A site on what `auth` knows.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(auth: Auth, options: SiteOptions) -> Result<Self, Error> {
        let key = Key::new()?;
        Ok(Self(Arc::new(Inner {
            auth,
            options,
            notices: Notices::default(),
            links: Links::default(),
            offered: OnceLock::new(),
            key,
            imports: Arc::default(),
            cleaned: Arc::default(),
            cleaned_for: Arc::default(),
        })))
    }

    /// A place for an import; `None`: there are as many as may be.
    pub(crate) fn begin_import(&self) -> Option<Place> {
        Place::of(&self.0.imports, IMPORTS_MAX)
    }

    /// A place for a message that is made safe for whoever `account` is; `None`: there are as many as may be, or they have one.
    pub(crate) fn begin_cleaning(&self, account: AccountId) -> Option<CleaningPlace> {
        let whose = Arc::clone(&self.0.cleaned_for);
        let place = Place::of(&self.0.cleaned, CLEANED_MAX)?;
        let is_first = whose.lock().unwrap_or_else(PoisonError::into_inner).insert(account);
        is_first.then(|| CleaningPlace { _place: place, account, whose })
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.0.auth
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.0.options.queue
    }

    pub(crate) fn beside(&self) -> Beside<'_> {
        let (directory, names) = &self.0.options.beside;
        Beside { directory, names }
    }

    pub(crate) fn hostname(&self) -> &str {
        &self.0.options.hostname
    }

    /// What is spoken in letters to people who have chosen none.
    pub(crate) fn language(&self) -> Language {
        self.0.options.language
    }

    pub(crate) fn message_bytes_max(&self) -> u64 {
        self.0.options.message_bytes_max
    }

    pub(crate) fn jobs(&self) -> &dyn Jobs {
        &*self.0.options.jobs
    }

    /// Says what mail programs can use, once the server knows its ports. Until then nothing is offered.
    pub fn offer(&self, offered: Offered) {
        // A second time changes nothing: a server listens once.
        let _first_counts = self.0.offered.set(offered);
    }

    pub(crate) fn offered(&self) -> &Offered {
        static NOTHING: Offered =
            Offered { host: String::new(), services: Vec::new(), pages_port: None, keys_stay: false };
        self.0.offered.get().unwrap_or(&NOTHING)
    }

    /// Where a path of this site is for whoever is elsewhere.
    pub(crate) fn url(&self, path: &str) -> String {
        let port = self.offered().pages_port.filter(|port| *port != 443).map(|port| format!(":{port}"));
        format!("https://{}{}{path}", self.hostname(), port.unwrap_or_default())
    }

    pub(crate) fn links(&self) -> &Links {
        &self.0.links
    }

    /// Whether the letter is under way.
    pub(crate) fn post(&self, to: &str, content: &[u8]) -> bool {
        (self.0.options.post)(to, content, self.now())
    }

    /// The token of a test that is under way; else why there is none.
    pub(crate) fn send_test(&self, account: AccountId, from_to: (&str, &str)) -> Result<String, String> {
        (self.0.options.send_test)(account, from_to, self.now())
    }

    pub(crate) fn examine(&self, look: bool) -> Examination {
        (self.0.options.examine)(look)
    }

    pub(crate) fn survey(&self, look: bool) -> Arc<Survey> {
        (self.0.options.survey)(look)
    }

    pub(crate) fn status(&self) -> Option<Status> {
        (self.0.options.status)()
    }

    pub(crate) fn roster(&self) -> Option<&dyn Roster> {
        self.0.options.roster.as_deref()
    }

    pub(crate) fn commands(&self) -> &Commands {
        &self.0.options.commands
    }

    pub(crate) fn node(&self) -> Option<&str> {
        self.0.options.node.as_deref()
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0.options.now)()
    }

    pub(crate) fn notices(&self) -> &Notices {
        &self.0.notices
    }

    pub(crate) fn key(&self) -> &Key {
        &self.0.key
    }
}
