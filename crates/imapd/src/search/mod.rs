//! SEARCH and UID SEARCH (RFC 9051 §6.4.4) with ESEARCH, SEARCHRES, CONDSTORE, WITHIN and OBJECTID; SORT (RFC 5256 §3).
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
use search::{Criterion, Looked, Order, Ordered};
use search_index::Indexes;
use std::sync::Arc;
use store::{Account, Error, Timestamp, Uid};

/// At most so many keys look into whole messages: each goes through all of them.
const TEXTS_MAX: usize = 32;

/// How what is found is told.
#[derive(Debug)]
pub(crate) enum Arrange {
    /// As it stands in the mailbox.
    AsFound,
    /// RFC 5256: in this order.
    Sort(Vec<Criterion>),
}

/// A SEARCH or SORT on its way.
#[derive(Debug)]
pub(crate) struct Search {
    search: search::Search,
    arrange: Arrange,
    /// All is found, and being ordered.
    order: Option<Order>,
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
            arrange: Arrange::AsFound,
            order: None,
            answer: Answer { tag, numbering: *numbering, returns: *returns, enabled, asks_modseq },
        }
    }

    /// Tells what is found so.
    pub(crate) fn arranged(self, arrange: Arrange) -> Self {
        let search = match &arrange {
            Arrange::AsFound => self.search,
            // Which is the first of all in an order is known of no message alone.
            Arrange::Sort(_) => self.search.for_everything(),
        };
        Self { search, arrange, ..self }
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
        let result = match self.go_on(&selected.account) {
            Ok(Went::On) => return Progress::More,
            Ok(Went::TooFar) => Tagged::refused(Code::Limit, "Too much to be put in order"),
            Ok(Went::ToTheEnd) => {
                let saved = self.tell(output);
                let result = self.conclusion();
                if self.answer.saves() {
                    // RFC 9051 §6.4.4.1: after NO it is the empty set.
                    selected.saved = if result.status == imap_proto::Status::Ok { saved } else { Vec::new() };
                }
                return Progress::Done(result);
            }
            Err(error) => error.into(),
        };
        if self.answer.saves() {
            selected.saved = Vec::new();
        }
        Progress::Done(result)
    }

    /// Writes the answer; what there is to keep as `$`.
    fn tell(&self, output: &mut Vec<u8>) -> Vec<Uid> {
        let (found, index) = (self.search.found(), self.search.index());
        let Some(order) = &self.order else {
            self.answer.write(found, index, output);
            return if self.answer.saves() { found.uids(index).collect() } else { Vec::new() };
        };
        let sorted: Vec<u32> = order.numbers().collect();
        self.answer.write_sorted(&sorted, index, output);
        let mut saved: Vec<Uid> = self.answer.kept(&sorted).filter_map(|number| answer::uid(number, index)).collect();
        saved.sort_unstable();
        saved
    }

    fn go_on(&mut self, account: &Account) -> Result<Went, Error> {
        if self.order.is_none() {
            if self.search.look(account)? == Looked::More {
                return Ok(Went::On);
            }
            let Arrange::Sort(criteria) = &self.arrange else { return Ok(Went::ToTheEnd) };
            let (found, index) = (self.search.found(), self.search.index());
            self.order = Some(Order::new(criteria, index.clone(), &found.numbers));
        }
        let Some(order) = &mut self.order else { return Ok(Went::ToTheEnd) };
        Ok(match order.go_on(account)? {
            Ordered::More => Went::On,
            Ordered::Done => Went::ToTheEnd,
            Ordered::TooMuch => Went::TooFar,
        })
    }

    fn conclusion(&self) -> Tagged {
        if self.search.unreadable() > 0 || self.order.as_ref().is_some_and(|order| order.unreadable() > 0) {
            Tagged::refused(Code::Unavailable, "Some messages could not be read")
        } else {
            Tagged::ok(match self.arrange {
                Arrange::AsFound => "SEARCH done",
                Arrange::Sort(_) => "SORT done",
            })
        }
    }
}

/// How far a slice came.
enum Went {
    On,
    ToTheEnd,
    TooFar,
}

#[cfg(test)]
mod tests;
