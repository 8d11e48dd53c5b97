//! SEARCH and UID SEARCH (RFC 9051 §6.4.4) with ESEARCH, SEARCHRES, PARTIAL, CONDSTORE, WITHIN, FUZZY, MESSAGELIMIT and OBJECTID; SORT and THREAD (RFC 5256 §3).
//!
//! Keys are compiled into a condition for the crate `search`, which looks through the index that the client knows, as it
//! stood when the command came. Here is what IMAP adds: which keys, how the answer is told, and `$`.
//!
//! Invariant: a message that could not be read is never silently "not found": the command then ends with NO.

mod answer;
mod compile;
mod context;
mod limit;
mod place;

pub(crate) use limit::cut;
pub(crate) use place::{Place, Whose};

use crate::enabled::Enabled;
use crate::selected::{Selected, must_be_readable};
use crate::tagged::Tagged;
use crate::work::Progress;
use answer::Answer;
use context::{Kept, Results};
use imap_proto::command::{Search as Request, SearchKey};
use imap_proto::{Code, Tag};
use search::{Algorithm, Criterion, Looked, Numbers, Order, Ordered, Sheets, SortKey, Threads};
use search_index::Indexes;
use std::sync::Arc;
use store::{Account, Error, MailboxId, Timestamp, Uid};

/// At most so many keys look into whole messages: each goes through all of them.
const TEXTS_MAX: usize = 32;

/// How what is found is told.
#[derive(Debug)]
pub(crate) enum Arrange {
    /// As it stands in the mailbox.
    AsFound,
    /// RFC 5256: in this order.
    Sort(Vec<Criterion>),
    /// RFC 5256: in threads.
    Thread(Algorithm),
}

/// All is found, and being arranged.
#[derive(Debug)]
enum Arranging {
    Order(Order),
    Threads(Threads),
}

/// A SEARCH, SORT or THREAD on its way.
#[derive(Debug)]
pub(crate) struct Search {
    search: search::Search,
    arrange: Arrange,
    arranging: Option<Arranging>,
    /// What messages are arranged by, as far as it was read, and whose it is.
    sheets: Option<Arc<Sheets>>,
    mailbox: MailboxId,
    answer: Answer,
    /// Its results are to be kept up to date: what is looked for, and when that was.
    update: Option<Box<(SearchKey, Timestamp)>>,
}

/// RFC 7162 §3.1: whether the command switches CONDSTORE on.
pub(crate) fn enables_condstore(request: &Request) -> bool {
    compile::asks_modseq(&request.key)
}

impl Search {
    /// A search of a mailbox; `tag` is the command's, `now` for OLDER and YOUNGER.
    pub(crate) fn new(request: &Request, tag: Tag, enabled: Enabled, place: &Place<'_>, now: Timestamp) -> Self {
        let Request { numbering, returns, key } = request;
        let (condition, wanted) = (compile::condition(key, place, now), answer::wanted(*returns));
        let asks_modseq = compile::asks_modseq(key);
        let search = search::Search::new(condition, place.index.clone(), wanted);
        Self {
            search: if returns.is_some_and(|returns| returns.relevancy) { search.ranked() } else { search },
            arrange: Arrange::AsFound,
            arranging: None,
            sheets: None,
            mailbox: place.mailbox,
            answer: Answer { tag, numbering: *numbering, returns: *returns, enabled, asks_modseq, whose: None },
            update: returns.is_some_and(|returns| returns.update).then(|| Box::new((context::frozen(key, place), now))),
        }
    }

    /// The answer says of which mailbox it is; where nothing is found there is none (RFC 7377 §2.1).
    pub(crate) fn of(mut self, whose: Whose) -> Self {
        self.answer.whose = Some(whose);
        self
    }

    /// Tells what is found so; what that needs to know of messages is kept in `sheets`.
    pub(crate) fn arranged(self, arrange: Arrange, sheets: Arc<Sheets>) -> Self {
        let search = match &arrange {
            Arrange::AsFound => self.search,
            // RFC 6203 §6
            Arrange::Sort(criteria) if criteria.iter().any(|criterion| criterion.key == SortKey::Relevancy) => {
                self.search.for_everything().ranked()
            }
            // Which is the first of all in an order is known of no message alone.
            Arrange::Sort(_) | Arrange::Thread(_) => self.search.for_everything(),
        };
        Self { search, arrange, sheets: Some(sheets), ..self }
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
        let (progress, saved) = self.advance(&selected.account, output);
        if self.answer.saves() && progress != Progress::More {
            selected.saved = saved;
        }
        if matches!(&progress, Progress::Done(result) if result.status == imap_proto::Status::Ok) {
            self.keep(selected, output);
        }
        progress
    }

    /// Its results are not kept up to date, whatever was asked for.
    pub(crate) fn without_updates(self) -> Self {
        Self { update: None, ..self }
    }

    /// Has its results kept up to date from now on, if that was asked for.
    pub(crate) fn keep(&mut self, selected: &mut Selected, output: &mut Vec<u8>) {
        let Some((key, now)) = self.update.take().map(|update| *update) else { return };
        let index = self.search.index().clone();
        let (results, criteria) = match (&self.arranging, &self.arrange) {
            (Some(Arranging::Order(order)), Arrange::Sort(criteria)) => {
                let uids = order.numbers().filter_map(|number| index.get((number as usize).checked_sub(1)?));
                (Results::in_order(uids.map(|entry| entry.uid.0).collect()), Some(criteria.clone()))
            }
            _ => (Results::Set(Numbers::from_sorted(self.search.found().uids(&index).map(|uid| uid.0))), None),
        };
        let Answer { tag, numbering, whose, enabled, .. } = &self.answer;
        let (tag, numbering, whose) = (tag.clone(), *numbering, whose.clone());
        let kept = Kept { tag, numbering, whose, key, now, criteria, index, results, catching_up: None };
        context::keep(selected, kept, *enabled, output);
    }

    /// The same, wherever it looks; with what there is to keep as `$`.
    pub(crate) fn advance(&mut self, account: &Account, output: &mut Vec<u8>) -> (Progress, Vec<Uid>) {
        let went = must_be_readable(account, self.mailbox).and_then(|()| self.go_on(account));
        let (result, saved) = match went {
            Ok(Went::On) => return (Progress::More, Vec::new()),
            Ok(Went::TooFar) => (Tagged::refused(Code::Limit, "Too much to be put in order"), Vec::new()),
            Ok(Went::ToTheEnd) => {
                let saved = self.tell(output);
                (self.conclusion(), saved)
            }
            Err(error) => (error.into(), Vec::new()),
        };
        // RFC 9051 §6.4.4.1: after NO it is the empty set.
        let saved = if result.status == imap_proto::Status::Ok { saved } else { Vec::new() };
        (Progress::Done(result), saved)
    }

    /// Writes the answer; what there is to keep as `$`.
    fn tell(&self, output: &mut Vec<u8>) -> Vec<Uid> {
        let (found, index) = (self.search.found(), self.search.index());
        if self.answer.whose.is_some() && found.count == 0 {
            return Vec::new();
        }
        let relevancy = self.search.relevancy().unwrap_or_default();
        let order = match &self.arranging {
            None => {
                self.answer.write((found, &relevancy), index, output);
                return if self.answer.saves() { self.answer.saved(found, index) } else { Vec::new() };
            }
            Some(Arranging::Threads(threads)) => {
                self.answer.write_threads(threads, index, output);
                return Vec::new();
            }
            Some(Arranging::Order(order)) => order,
        };
        let sorted: Vec<u32> = order.numbers().collect();
        self.answer.write_sorted((&sorted, &relevancy), index, output);
        if self.answer.saves() { self.answer.saved_of_sorted(&sorted, index) } else { Vec::new() }
    }

    fn go_on(&mut self, account: &Account) -> Result<Went, Error> {
        if self.arranging.is_none() {
            if self.search.look(account)? == Looked::More {
                return Ok(Went::On);
            }
            let (numbers, index) = (&self.search.found().numbers, self.search.index().clone());
            let sheets = self.sheets.clone().unwrap_or_default();
            self.arranging = match &self.arrange {
                Arrange::AsFound => return Ok(Went::ToTheEnd),
                Arrange::Sort(criteria) => {
                    let order = Order::new(criteria, index, numbers).with_sheets(sheets, self.mailbox);
                    Some(Arranging::Order(order.by_relevancy(self.search.relevancy().unwrap_or_default())))
                }
                Arrange::Thread(algorithm) => {
                    let threads = Threads::new(*algorithm, index, numbers);
                    Some(Arranging::Threads(threads.with_sheets(sheets, self.mailbox)))
                }
            };
        }
        let ordered = match &mut self.arranging {
            None => return Ok(Went::ToTheEnd),
            Some(Arranging::Order(order)) => order.go_on(account)?,
            Some(Arranging::Threads(threads)) => threads.go_on(account)?,
        };
        Ok(match ordered {
            Ordered::More => Went::On,
            Ordered::Done => Went::ToTheEnd,
            Ordered::TooMuch => Went::TooFar,
        })
    }

    fn conclusion(&self) -> Tagged {
        let unreadable = match &self.arranging {
            None => 0,
            Some(Arranging::Order(order)) => order.unreadable(),
            Some(Arranging::Threads(threads)) => threads.unreadable(),
        };
        if self.search.unreadable() > 0 || unreadable > 0 {
            Tagged::refused(Code::Unavailable, "Some messages could not be read")
        } else {
            Tagged::ok(match self.arrange {
                Arrange::AsFound => "SEARCH done",
                Arrange::Sort(_) => "SORT done",
                Arrange::Thread(_) => "THREAD done",
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
