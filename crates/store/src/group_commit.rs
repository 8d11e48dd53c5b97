//! Group commit for engines: one thread takes all commits that wait, has them written in one transaction, and answers
//! after one flush; and what happens after an error.
//!
//! ```text
//! Running -- a batch whose outcome is unknown --> Stopped -- opened again and nothing is missing --> Running
//! ```
//! While stopped every commit is answered `ReadOnly`: it was not tried. A failed flush is never tried again: the operating
//! system may have dropped what it could not write and would report success for the rest. What is written to is opened
//! anew instead.

use std::collections::{HashSet, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::{io, mem};

use crate::engine::{Commit, CommitError, Write};
use crate::ids::{AccountId, ModSeq};
use metrics::{Distribution, Exposition, FLUSH_COMMITS, FLUSH_SECONDS, Stopwatch};

/// At most this many changes share a transaction.
const BATCH_CHANGES_MAX: usize = 256;
/// A batch takes no further change that would bring it above this many bytes ...
const BATCH_BYTES_MAX: usize = 8 << 20;
/// ... or this many records: about 20 ms. What does not fit waits for the next batch, and smaller changes of others that
/// came later go before it: one large piece of work after the other does not add up for them.
const BATCH_WRITES_MAX: usize = 4096;
/// At most this many changes wait for a writer; then callers wait to be let in.
const QUEUE_CHANGES_MAX: usize = 1024;

/// One change of one account.
#[derive(Debug)]
pub enum Change {
    /// Puts and deletes keys, and moves the head on.
    Commit(Commit),
    /// Removes every key and the head.
    Remove(AccountId),
}

/// What became of a change whose transaction is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is there.
    Applied,
    /// Nothing was changed: the head is not what the change was computed from.
    Conflict {
        /// The head that was found.
        head: ModSeq,
    },
}

/// The transaction did not become durable, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// It is certain that nothing was changed.
    Full {
        /// What was tried, where, and what the system said.
        what: String,
    },
    /// What was to be changed is damaged on disk; it is certain that nothing was changed.
    Damaged {
        /// What was tried, where, and what the system said.
        what: String,
    },
    /// The outcome is not known.
    Failed {
        /// What was tried, where, and what the system said.
        what: String,
    },
}

/// What the writer drives: a shard of SQLite, a connection to PostgreSQL, or in tests a script.
pub trait Batches: Send + 'static {
    /// Runs one transaction and flushes it; one outcome for each change.
    ///
    /// # Errors
    /// Nothing was changed, or nobody knows; the same for all changes.
    fn run(&mut self, changes: &[&Change]) -> Result<Vec<Outcome>, BatchError>;
    /// Called after the callers have their answers: the time to tidy up.
    fn answered(&mut self);
    /// Starts afresh after [`BatchError::Failed`]; an error says why it is not safe to go on.
    ///
    /// # Errors
    /// A sentence; the next change tries it again.
    fn reopen(&mut self) -> Result<(), String>;
}

/// What the writers of an engine count together. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Flushes {
    commits: Distribution,
    seconds: Distribution,
}

impl Default for Flushes {
    fn default() -> Self {
        let (commits, seconds) = (Distribution::of_sizes(&FLUSH_COMMITS), Distribution::of_seconds(&FLUSH_SECONDS));
        Self { commits, seconds }
    }
}

impl Flushes {
    /// Puts on `told` what was counted.
    pub fn tell(&self, told: &mut Exposition) {
        self.commits.tell(told);
        self.seconds.tell(told);
    }
}

/// The result of a change for its caller.
type Answer = Result<(), CommitError>;

struct Request {
    change: Change,
    answer: SyncSender<Answer>,
}

/// The thread that writes. Dropped, it finishes what waits and ends.
#[derive(Debug)]
pub struct Writer {
    queue: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which counts in `flushes`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(name: String, batches: impl Batches, flushes: Flushes) -> io::Result<Self> {
        let (queue, requests) = sync_channel(QUEUE_CHANGES_MAX);
        let thread = thread::Builder::new().name(name).spawn(move || {
            Loop { batches, state: State::Running, flushes }.serve(&requests);
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Waits for a place in the queue, for its turn, and for the flush.
    ///
    /// # Errors
    /// As [`crate::engine::Engine::commit`].
    pub fn change(&self, change: Change) -> Answer {
        let ended = || CommitError::Failed { what: "the thread that writes has ended; restart the server".to_owned() };
        let (answer, answered) = sync_channel(1);
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue.send(Request { change, answer }).map_err(|_| ended())?;
        answered.recv().map_err(|_| ended())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported where it happened, and its callers were told.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
enum State {
    Running,
    Stopped { why: String },
}

struct Loop<B> {
    batches: B,
    state: State,
    flushes: Flushes,
}

impl<B: Batches> Loop<B> {
    fn serve(mut self, requests: &Receiver<Request>) {
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                let Ok(first) = requests.recv() else { return };
                waiting.push_back(first);
            }
            waiting.extend(requests.try_iter().take(QUEUE_CHANGES_MAX.saturating_sub(waiting.len())));
            self.answer(&collect(&mut waiting));
        }
    }

    fn answer(&mut self, batch: &[Request]) {
        if let Err(what) = self.run_again() {
            return refuse(batch, &CommitError::ReadOnly { what });
        }
        let changes: Vec<_> = batch.iter().map(|request| &request.change).collect();
        let stopwatch = Stopwatch::start();
        match self.batches.run(&changes) {
            Ok(outcomes) => {
                self.flushes.seconds.took(stopwatch.elapsed());
                self.flushes.commits.together(outcomes.len());
                for (request, outcome) in batch.iter().zip(outcomes) {
                    request.reply(match outcome {
                        Outcome::Applied => Ok(()),
                        Outcome::Conflict { head } => Err(CommitError::Conflict { head }),
                    });
                }
                self.batches.answered();
            }
            // One large change, or one of a damaged account, must not take those beside it down.
            Err(BatchError::Full { .. } | BatchError::Damaged { .. }) if batch.len() > 1 => {
                for request in batch {
                    self.answer(std::slice::from_ref(request));
                }
            }
            Err(BatchError::Full { what }) => refuse(batch, &CommitError::Full { what }),
            Err(BatchError::Damaged { what }) => refuse(batch, &CommitError::Damaged { what }),
            Err(BatchError::Failed { what }) => {
                tracing::error!("commits failed and their outcome is not known: {what}");
                refuse(batch, &CommitError::Failed { what: what.clone() });
                self.state = State::Stopped { why: what };
            }
        }
    }

    /// Opens again what is written to, if it is stopped.
    fn run_again(&mut self) -> Result<(), String> {
        let State::Stopped { why } = &mut self.state else {
            return Ok(());
        };
        if let Err(still) = self.batches.reopen() {
            tracing::error!("commits stay stopped: {still}");
            return Err(format!("commits are stopped after an error ({}) and stay so: {still}", mem::take(why)))
                .inspect_err(|_| self.state = State::Stopped { why: still });
        }
        tracing::warn!("commits go on after: {why}");
        self.state = State::Running;
        Ok(())
    }
}

impl Request {
    fn reply(&self, answer: Answer) {
        // The caller waits for it; one that panicked meanwhile needs no answer.
        let _ = self.answer.send(answer);
    }

    fn bytes(&self) -> usize {
        match &self.change {
            Change::Commit(commit) => commit.writes.iter().map(write_bytes).sum(),
            Change::Remove(_) => 0,
        }
    }

    fn writes(&self) -> usize {
        match &self.change {
            Change::Commit(commit) => commit.writes.len(),
            Change::Remove(_) => 0,
        }
    }

    fn account(&self) -> AccountId {
        match &self.change {
            Change::Commit(commit) => commit.account,
            Change::Remove(account) => *account,
        }
    }
}

fn write_bytes(write: &Write) -> usize {
    match write {
        Write::Put { key, value } => key.len() + value.len(),
        Write::Delete { key } => key.len(),
    }
}

/// The first that waits and what fits beside it, in the order of arrival. What does not fit stays, and with it whatever
/// came later for its account.
fn collect(waiting: &mut VecDeque<Request>) -> Vec<Request> {
    let (mut bytes, mut writes) = (0, 0);
    let (mut batch, mut rest): (Vec<Request>, VecDeque<Request>) = (Vec::new(), VecDeque::new());
    let mut put_off = HashSet::new();
    for request in waiting.drain(..) {
        let (bytes_after, writes_after) = (bytes + request.bytes(), writes + request.writes());
        let fits = batch.is_empty()
            || (batch.len() < BATCH_CHANGES_MAX && bytes_after <= BATCH_BYTES_MAX && writes_after <= BATCH_WRITES_MAX);
        if fits && !put_off.contains(&request.account()) {
            (bytes, writes) = (bytes_after, writes_after);
            batch.push(request);
        } else {
            put_off.insert(request.account());
            rest.push_back(request);
        }
    }
    *waiting = rest;
    batch
}

fn refuse(batch: &[Request], error: &CommitError) {
    for request in batch {
        request.reply(Err(error.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as it is told and notes what it was asked.
    #[derive(Default)]
    struct Script {
        runs: VecDeque<Result<Vec<Outcome>, BatchError>>,
        reopens: VecDeque<Result<(), String>>,
        asked: Vec<String>,
    }

    impl Batches for Script {
        fn run(&mut self, changes: &[&Change]) -> Result<Vec<Outcome>, BatchError> {
            self.asked.push(format!("run {}", changes.len()));
            self.runs.pop_front().unwrap()
        }

        fn answered(&mut self) {
            self.asked.push("answered".to_owned());
        }

        fn reopen(&mut self) -> Result<(), String> {
            self.asked.push("reopen".to_owned());
            self.reopens.pop_front().unwrap()
        }
    }

    fn change(value_bytes: usize) -> Change {
        let writes = vec![Write::Put { key: vec![], value: vec![0; value_bytes] }];
        Change::Commit(Commit { account: AccountId(16), expected: ModSeq(0), next: ModSeq(1), writes })
    }

    fn requests(count: usize) -> (Vec<Request>, Vec<Receiver<Answer>>) {
        let one = |_| {
            let (answer, answered) = sync_channel(1);
            (Request { change: change(1), answer }, answered)
        };
        (0..count).map(one).unzip()
    }

    fn play(script: Script, batches: &[usize]) -> (Vec<Vec<Answer>>, Vec<String>) {
        let mut played = Loop { batches: script, state: State::Running, flushes: Flushes::default() };
        let answers = batches.iter().map(|count| {
            let (batch, answered) = requests(*count);
            played.answer(&batch);
            answered.iter().map(|answer| answer.try_recv().unwrap()).collect()
        });
        (answers.collect(), played.batches.asked)
    }

    fn failed(what: &str) -> CommitError {
        CommitError::Failed { what: what.to_owned() }
    }

    #[test]
    fn each_of_a_batch_gets_its_own_answer_after_one_run() {
        let conflict = Outcome::Conflict { head: ModSeq(9) };
        let runs = [Ok(vec![Outcome::Applied, conflict, Outcome::Applied])].into();
        let (answers, asked) = play(Script { runs, ..Script::default() }, &[3]);
        assert_eq!(answers[0], [Ok(()), Err(CommitError::Conflict { head: ModSeq(9) }), Ok(())]);
        assert_eq!(asked, ["run 3", "answered"]);
    }

    #[test]
    fn after_an_unknown_outcome_nothing_runs_until_the_shard_was_opened_again() {
        let what = "flush failed".to_owned();
        let script = Script {
            runs: [Err(BatchError::Failed { what }), Ok(vec![Outcome::Applied])].into(),
            reopens: [Err("still bad".to_owned()), Err("still bad".to_owned()), Ok(())].into(),
            asked: vec![],
        };
        let (answers, asked) = play(script, &[2, 1, 2, 1]);
        assert_eq!(answers[0], [Err(failed("flush failed")), Err(failed("flush failed"))]);
        for answer in answers[1].iter().chain(&answers[2]) {
            assert!(matches!(answer, Err(CommitError::ReadOnly { what }) if what.contains("still bad")), "{answer:?}");
        }
        assert_eq!(answers[3], [Ok(())]);
        assert_eq!(asked, ["run 2", "reopen", "reopen", "reopen", "run 1", "answered"]);
    }

    #[test]
    fn a_full_disk_refuses_the_large_change_and_keeps_the_small_ones_beside_it() {
        let full = || Err(BatchError::Full { what: "full".to_owned() });
        let applied = || Ok(vec![Outcome::Applied]);
        let script = Script { runs: [full(), applied(), full(), applied()].into(), ..Script::default() };
        let (answers, asked) = play(script, &[3]);
        assert_eq!(answers[0], [Ok(()), Err(CommitError::Full { what: "full".to_owned() }), Ok(())]);
        assert_eq!(asked, ["run 3", "run 1", "answered", "run 1", "run 1", "answered"]);
    }

    #[test]
    fn an_unknown_outcome_among_single_runs_stops_the_rest_of_the_batch() {
        let script = Script {
            runs: [Err(BatchError::Full { what: String::new() }), Err(BatchError::Failed { what: "bad".to_owned() })]
                .into(),
            reopens: [Err("still bad".to_owned())].into(),
            asked: vec![],
        };
        let (answers, asked) = play(script, &[2]);
        assert!(
            matches!(answers[0][..], [Err(CommitError::Failed { .. }), Err(CommitError::ReadOnly { .. })]),
            "{answers:?}"
        );
        assert_eq!(asked, ["run 2", "run 1", "reopen"]);
    }

    #[test]
    fn a_batch_takes_what_waits_up_to_its_limits() {
        let check = |sizes: &[usize], expected: usize| {
            let request = |size: &usize| Request { change: change(*size), answer: sync_channel(1).0 };
            let mut waiting: VecDeque<Request> = sizes.iter().map(request).collect();
            assert_eq!(collect(&mut waiting).len(), expected);
            assert_eq!(waiting.len(), sizes.len() - expected);
        };
        check(&[1], 1);
        check(&[1; BATCH_CHANGES_MAX], BATCH_CHANGES_MAX);
        check(&[1; BATCH_CHANGES_MAX + 1], BATCH_CHANGES_MAX);
        check(&[BATCH_BYTES_MAX - 1, 1, 1], 2);
        check(&[BATCH_BYTES_MAX, 1, 1], 1);
        check(&[BATCH_BYTES_MAX + 1, 1], 1);
    }

    /// Of several that work through large mailboxes each has its piece in a batch of its own, and whoever has little to
    /// write is in the next one.
    #[test]
    fn a_large_change_makes_way_for_small_ones_of_others_and_is_not_forgotten() {
        let of = |(account, writes): (u32, usize)| {
            let write = Write::Put { key: vec![], value: vec![] };
            let (account, writes) = (AccountId(account), vec![write; writes]);
            let commit = Commit { account, expected: ModSeq(0), next: ModSeq(1), writes };
            Request { change: Change::Commit(commit), answer: sync_channel(1).0 }
        };
        let waiting = [(16, BATCH_WRITES_MAX - 2), (17, BATCH_WRITES_MAX), (17, 1), (18, 1), (19, 1), (20, 1)];
        let mut waiting: VecDeque<Request> = waiting.into_iter().map(of).collect();
        let mut next = || collect(&mut waiting).iter().map(|request| request.account().0).collect::<Vec<u32>>();
        assert_eq!(next(), [16, 18, 19], "the order of one account stays");
        assert_eq!(next(), [17]);
        assert_eq!(next(), [17, 20]);
    }

    #[test]
    fn callers_are_told_when_the_thread_died() {
        let writer = Writer::start("dies".to_owned(), Script::default(), Flushes::default()).unwrap();
        assert!(
            matches!(writer.change(change(1)), Err(CommitError::Failed { .. })),
            "the script has no answer: it panics"
        );
        assert!(matches!(writer.change(change(1)), Err(CommitError::Failed { .. })));
    }
}
