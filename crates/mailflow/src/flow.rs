//! What all of it needs.

use crate::decide::Policy;
use crate::figures::Figures;
use crate::junk::Complaining;
use crate::outgoing::Signers;
use auth::Auth;
use metrics::Exposition;
use posts::Posts;
use queue::Queue;
use reports::{Counts, Received, Refusals, Strangers, TestMails};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use wording::Language;

/// A filter beside ours that learns from what people say of their mail.
pub trait Teacher: Send + Sync {
    /// Somebody says that a message is junk, or that it is mail. Called where waiting holds up nobody; within bounded time.
    ///
    /// # Errors
    /// What went wrong, in words.
    fn teach(&self, is_junk: bool, content: Vec<u8>) -> Result<(), String>;
}

/// The ways of mail. Cheap to clone; all calls block until what they did is durable.
#[derive(Clone)]
pub struct MailFlow {
    pub(crate) auth: Auth,
    /// The way out; without it there is none to outside addresses.
    pub(crate) queue: Option<Queue>,
    pub(crate) hostname: Arc<str>,
    /// What is spoken to people who have chosen no language.
    pub(crate) language: Language,
    /// Where the pages of this server are, if they are: `https://mail.example.org`.
    pub(crate) pages: Option<Arc<str>>,
    /// Whether mail of strangers is judged, and filters learn.
    pub(crate) filters_junk: bool,
    /// Who else is told what people say of their mail.
    pub(crate) teacher: Option<Arc<dyn Teacher>>,
    /// Senders who ask for it are told what people call junk.
    pub(crate) complaining: Option<Complaining>,
    pub(crate) counter: Arc<AtomicU32>,
    pub(crate) signers: Arc<Signers>,
    /// What follows from who a message comes from.
    pub(crate) policy: Arc<Policy>,
    pub(crate) refusals: Refusals,
    /// Who has brought mail.
    pub(crate) strangers: Strangers,
    /// Tests of mail, and how they went.
    pub(crate) tests: TestMails,
    /// What was written to lists and is on its way to members.
    pub(crate) posts: Posts,
    /// Where reports of others are read.
    pub(crate) received: Received,
    /// Where mail is counted for owners of other domains, if they are told.
    pub(crate) counts: Option<Counts>,
    pub(crate) figures: Figures,
}

impl MailFlow {
    /// `hostname`: this server's name in trace fields. `queue`: the way to outside addresses, `None` without one.
    #[must_use]
    pub fn new(auth: Auth, hostname: &str, queue: Option<Queue>) -> Self {
        // Not from zero, so that two runs do not name two messages of one millisecond alike.
        let start = RandomState::new().hash_one(()) as u32;
        let (counter, signers, policy) = (Arc::new(AtomicU32::new(start)), Arc::default(), Arc::default());
        let refusals = Refusals::new(auth.store(), auth.directory().clone());
        let received = Received::new(auth.store(), auth.directory().clone());
        let strangers = Strangers::of(auth.store());
        let tests = TestMails::of(auth.store());
        let posts = Posts::of(auth.store());
        Self {
            auth,
            queue,
            hostname: hostname.into(),
            language: Language::English,
            pages: None,
            filters_junk: true,
            teacher: None,
            complaining: None,
            counter,
            signers,
            policy,
            refusals,
            strangers,
            tests,
            posts,
            received,
            counts: None,
            figures: Figures::default(),
        }
    }

    /// The same with another policy.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy: Arc::new(policy), ..self }
    }

    /// The same, which knows where the pages of this server are, with the port if it is not the usual one:
    /// `https://mail.example.org`.
    #[must_use]
    pub fn with_pages(self, pages: &str) -> Self {
        Self { pages: Some(pages.into()), ..self }
    }

    /// The same, which speaks another language to people who have chosen none.
    #[must_use]
    pub fn with_language(self, language: Language) -> Self {
        Self { language, ..self }
    }

    /// What `writer` writes to an address is in the language of the account that it leads to.
    pub(crate) fn writing_to<R>(&self, address: &str, writer: impl FnOnce() -> R) -> R {
        let chosen = letter::language_to(self.auth.directory(), self.auth.store(), address);
        wording::speaking(chosen.unwrap_or(self.language), writer)
    }

    /// Without junk filters.
    #[must_use]
    pub fn without_junk_filter(self) -> Self {
        Self { filters_junk: false, ..self }
    }

    /// The same, which counts mail for owners of other domains.
    #[must_use]
    pub fn with_counts(self, counts: Counts) -> Self {
        Self { counts: Some(counts), ..self }
    }

    /// The same, which tells senders who ask for it what people call junk (RFC 9477); in the name of `from`, or else of a postmaster.
    #[must_use]
    pub fn with_complaints(self, from: Option<String>) -> Self {
        let complaining = Complaining::new(self.auth.store(), from);
        Self { complaining: Some(complaining), ..self }
    }

    /// What people say of their mail is told to somebody else, too.
    #[must_use]
    pub fn with_teacher(self, teacher: Arc<dyn Teacher>) -> Self {
        Self { teacher: Some(teacher), ..self }
    }

    /// The same for what is done by the one of several servers that leads, in its term: `queue` is of that term, too.
    ///
    /// # Errors
    /// Faults; a later term has begun.
    pub fn in_term(&self, queue: Queue, term: u64) -> Result<Self, store::Error> {
        let queue = self.queue.as_ref().map(|_| queue);
        Ok(Self { queue, posts: self.posts.lead(term)?, ..self.clone() })
    }

    /// Puts on `told` what was counted of mail that came.
    pub fn tell_metrics(&self, told: &mut Exposition) {
        self.figures.tell(told);
    }

    /// This server's name.
    #[must_use]
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// Where it is noted what was refused.
    #[must_use]
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// What was written to lists and is on its way to members: [`MailFlow::distribute`].
    #[must_use]
    pub fn posts(&self) -> &Posts {
        &self.posts
    }

    /// Who has brought mail.
    #[must_use]
    pub fn strangers(&self) -> &Strangers {
        &self.strangers
    }

    /// Tests of mail, and how they went.
    #[must_use]
    pub fn tests(&self) -> &TestMails {
        &self.tests
    }

    /// Where reports of others are read.
    #[must_use]
    pub fn received(&self) -> &Received {
        &self.received
    }

    /// Where mail is counted for owners of other domains, if they are told.
    #[must_use]
    pub fn counts(&self) -> Option<&Counts> {
        self.counts.as_ref()
    }

    /// Tells a message from others of the same moment.
    pub(crate) fn next_serial(&self) -> u32 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }
}
