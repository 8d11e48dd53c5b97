//! SEARCH and UID SEARCH (RFC 9051 §6.4.4) with ESEARCH, SEARCHRES, CONDSTORE, WITHIN and OBJECTID.
//!
//! Keys are compiled into a condition for the crate `search`, which looks through the index that the client knows, as it
//! stood when the command came. Here is what IMAP adds: which keys, how the answer is told, and `$`.
//!
//! Invariant: a message that could not be read is never silently "not found": the command then ends with NO.

mod answer;
mod compile;

use crate::enabled::Enabled;
use crate::selected::Selected;
use crate::tagged::Tagged;
use crate::work::Progress;
use answer::Answer;
use imap_proto::command::Search as Request;
use imap_proto::{Code, Tag};
use search::Looked;
use search_index::Indexes;
use std::sync::Arc;
use store::Timestamp;

/// At most so many keys look into whole messages: each goes through all of them.
const TEXTS_MAX: usize = 32;

/// A SEARCH on its way.
#[derive(Debug)]
pub(crate) struct Search {
    search: search::Search,
    answer: Answer,
}

/// RFC 7162 §3.1: whether the command switches CONDSTORE on.
pub(crate) fn enables_condstore(request: &Request) -> bool {
    compile::asks_modseq(&request.key)
}

impl Search {
    /// A search of what `selected` has told the client; `tag` is the command's, `now` for OLDER and YOUNGER.
    pub(crate) fn new(request: &Request, tag: Tag, enabled: Enabled, selected: &Selected, now: Timestamp) -> Self {
        let Request { numbering, returns, key } = request;
        let (condition, wanted) = (compile::condition(key, selected, now), answer::wanted(*returns));
        let asks_modseq = compile::asks_modseq(key);
        Self {
            search: search::Search::new(condition, selected.told.clone(), wanted),
            answer: Answer { tag, numbering: *numbering, returns: *returns, enabled, asks_modseq },
        }
    }

    /// Texts are looked up there first.
    pub(crate) fn with_indexes(self, indexes: Option<Arc<Indexes>>) -> Self {
        Self { search: self.search.with_indexes(indexes), ..self }
    }

    /// Whether it asks more than one command may.
    pub(crate) fn asks_too_much(&self) -> bool {
        self.search.texts() > TEXTS_MAX
    }

    /// Whether it may go through whole messages, which takes its time.
    pub(crate) fn takes_long(&self) -> bool {
        self.search.texts() > 0
    }

    /// Looks on until the slice's work is done or the command is over; then writes the answer and sets `$`.
    pub(crate) fn run(&mut self, selected: &mut Selected, output: &mut Vec<u8>) -> Progress {
        let looked = self.search.look(&selected.account);
        let (found, index) = (self.search.found(), self.search.index());
        let result = match looked {
            Ok(Looked::More) => return Progress::More,
            Ok(Looked::Done) => {
                self.answer.write(found, index, output);
                self.conclusion()
            }
            Err(error) => error.into(),
        };
        if self.answer.saves() {
            // RFC 9051 §6.4.4.1: after NO it is the empty set.
            let complete = result.status == imap_proto::Status::Ok;
            selected.saved = if complete { found.uids(index).collect() } else { Vec::new() };
        }
        Progress::Done(result)
    }

    fn conclusion(&self) -> Tagged {
        if self.search.unreadable() > 0 {
            Tagged::refused(Code::Unavailable, "Some messages could not be read")
        } else {
            Tagged::ok("SEARCH done")
        }
    }
}

#[cfg(test)]
mod tests;
