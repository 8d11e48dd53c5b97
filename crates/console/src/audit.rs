//! What administrators and operators did, who logged in and who failed to, for those who ask later.

use crate::domain_administration::DomainAdministration;
use crate::error::Error;
use crate::moment::shown;
use crate::names;
use crate::scope::Scope;
use reports::{Act, Acts, Kept};
use serde::{Deserialize, Serialize};
use store::Store;
use wording::tr;

/// A page has so many acts at most.
pub const AUDIT_LINES_MAX: usize = 500;

/// What stands for whoever administers the server, where others look.
const SOMEBODY: &str = "whoever administers the server";
const SOMEWHERE: &str = "elsewhere";

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// Newest first.
    pub acts: Vec<AuditLine>,
    /// Where the next page begins, if there is one.
    pub next_before: Option<u64>,
}

/// An act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// Counts up with each.
    pub number: u64,
    /// When: `2026-11-22T22:36:40Z`.
    pub at: String,
    /// The address of the administrator, or `operator`.
    pub who: String,
    /// From which address, or `command line`.
    pub from: String,
    /// What, in words.
    pub text: String,
}

impl DomainAdministration {
    /// What was done of a kind, `changes`, `logins` or `failures`, and in which `search` stands; from before number `before` on, at
    /// most `limit` and at most [`AUDIT_LINES_MAX`].
    ///
    /// # Errors
    /// No such kind; faults.
    pub fn audit(&self, kind: &str, search: &str, before: Option<u64>, limit: usize) -> Result<AuditPage, Error> {
        let kept = match kind {
            "changes" | "" => Kept::Changes,
            "logins" => Kept::Logins,
            "failures" => Kept::Failures,
            _ => {
                return Err(Error::refused(tr!("“{kind}” is none of “changes”, “logins” and “failures”", kind = kind)));
            }
        };
        let limit = limit.clamp(1, AUDIT_LINES_MAX);
        let search = search.to_lowercase();
        let mut is_shown = |act: Act| self.seen_act(act).filter(|act| act.holds(&search));
        let mut acts = Acts::of(self.store(), kept).list_where(before, limit + 1, &mut is_shown)?;
        let more = acts.len() > limit;
        acts.truncate(limit);
        let next_before = acts.last().map(|(number, _)| *number).filter(|_| more);
        Ok(AuditPage { acts: acts.into_iter().map(line).collect(), next_before })
    }

    fn store(&self) -> &Store {
        self.whole.auth.store()
    }

    /// An act as they see it, if it concerns nothing but their domains; of others who did it, only that it was somebody else. What is
    /// looked for is looked for in that.
    fn seen_act(&self, mut act: Act) -> Option<Act> {
        if self.scope == Scope::Server {
            return Some(act);
        }
        if !self.scope.has_all(&act.domains) {
            return None;
        }
        if !self.scope.has_address(&act.who) {
            (act.who, act.from) = (SOMEBODY.to_owned(), SOMEWHERE.to_owned());
        }
        Some(act)
    }
}

fn line((number, act): (u64, Act)) -> AuditLine {
    let Act { at, who, from, what, domains: _ } = act;
    AuditLine { number, at: shown(at), who: names::shown(&who), from, text: names::shown(&what) }
}
