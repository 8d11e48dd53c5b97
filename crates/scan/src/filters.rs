//! All filters, one after the other, and what follows where one cannot be asked.

use crate::Question;
use crate::edit::Edit;
use crate::milter;
use crate::opinion::{Opinion, Verdict};
use crate::rspamd::{self, Server};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

/// All filters together have so long for a message.
const PATIENCE: Duration = Duration::from_secs(45);
/// Messages that wait for filters are in memory, so many octets in all.
const WAITING_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Where a milter listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address and a port.
    Inet(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// What becomes of mail while a filter cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Down {
    /// It is taken, as if that filter did not exist.
    #[default]
    Accept,
    /// It is to come again later.
    Later,
}

/// A filter did not answer, or not so that it could be understood: what happened, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoAnswer(pub(crate) String);

impl From<std::io::Error> for NoAnswer {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Asks filters about messages; [`Filters`] does.
pub trait Scanner: Send + Sync {
    /// Room for a message of so many octets, which is held as long as filters are asked about it; `None`: too much waits already.
    fn reserve(&self, bytes: u64) -> Option<Reserved>;

    /// What they say, within a time that the implementation bounds. Without room for the message they are as if they were down.
    fn ask(self: Arc<Self>, asked: Option<(Question, Reserved)>) -> Pin<Box<dyn Future<Output = Opinion> + Send>>;
}

/// The filters that incoming mail goes through.
#[derive(Debug, Default)]
pub struct Filters {
    rspamd: Option<Server>,
    milters: Vec<Place>,
    down: Down,
    waiting_bytes: Arc<AtomicU64>,
}

/// Room for a message that waits; dropped, another one may have it.
#[derive(Debug, Default)]
pub struct Reserved {
    bytes: u64,
    of: Arc<AtomicU64>,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "inet:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Filters {
    /// Rspamd first, then the milters in their order.
    #[must_use]
    pub fn new(rspamd: Option<Server>, milters: Vec<Place>, down: Down) -> Arc<Self> {
        Arc::new(Self { rspamd, milters, down, waiting_bytes: Arc::default() })
    }

    /// What is said of a message that no filter was asked about.
    fn unasked(&self) -> Opinion {
        match self.down {
            Down::Accept => Opinion::default(),
            Down::Later => Opinion::new(Verdict::Later, "The filters of this server cannot be asked; try again later"),
        }
    }

    /// Asks all of them, until one refuses the message.
    async fn ask_all(&self, mut question: Question) -> Opinion {
        let (until, mut all) = (Instant::now() + PATIENCE, Opinion::default());
        if let Some(server) = &self.rspamd {
            let answer = timeout_at(until, rspamd::check(server, &question)).await;
            let opinion = self.heard(&format_args!("rspamd at {server}"), answer.unwrap_or_else(|_| Err(too_slow())));
            all = follow(all, opinion, &mut question);
        }
        for place in &self.milters {
            if all.verdict >= Verdict::Later {
                break;
            }
            let answer = timeout_at(until, milter::ask(place, &question)).await;
            let opinion = self.heard(&format_args!("the milter {place}"), answer.unwrap_or_else(|_| Err(too_slow())));
            all = follow(all, opinion, &mut question);
        }
        all
    }

    fn heard(&self, who: &dyn fmt::Display, answer: Result<Opinion, NoAnswer>) -> Opinion {
        answer.unwrap_or_else(|NoAnswer(why)| {
            warn!(filter = %who, why, accepted = self.down == Down::Accept, "a filter cannot be asked");
            self.unasked()
        })
    }
}

impl Scanner for Filters {
    fn reserve(&self, bytes: u64) -> Option<Reserved> {
        let more = |waiting: u64| waiting.checked_add(bytes).filter(|sum| *sum <= WAITING_BYTES_MAX);
        self.waiting_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Reserved { bytes, of: Arc::clone(&self.waiting_bytes) })
    }

    fn ask(self: Arc<Self>, asked: Option<(Question, Reserved)>) -> Pin<Box<dyn Future<Output = Opinion> + Send>> {
        Box::pin(async move {
            let Some((question, room)) = asked else {
                warn!("too many messages wait for filters; this one is not shown to them");
                return self.unasked();
            };
            let opinion = self.ask_all(question).await;
            drop(room);
            opinion
        })
    }
}

fn too_slow() -> NoAnswer {
    NoAnswer("it takes too long".to_owned())
}

/// The next filter sees what this one changed.
fn follow(all: Opinion, next: Opinion, question: &mut Question) -> Opinion {
    for edit in &next.edits {
        question.content = Edit::apply(edit, &question.content);
    }
    all.and(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_wait_for_filters_are_bounded() {
        let filters = Filters::new(None, Vec::new(), Down::Later);
        let first = filters.reserve(WAITING_BYTES_MAX).unwrap();
        assert!(filters.reserve(1).is_none());
        drop(first);
        assert!(filters.reserve(1).is_some() && filters.reserve(WAITING_BYTES_MAX + 1).is_none());
        assert!(filters.reserve(u64::MAX).is_none());
        assert_eq!(filters.unasked().verdict, Verdict::Later);
    }
}
