//! Who was answered together comes again together: clients that wait for each answer before they ask for the next.
//!
//! When a batch is answered, all who were in it come again within a moment, but for the first of them nobody would wait: it would
//! have the next flush for itself, and the others the one after that. So before a batch is written those that the last one answered
//! are waited for, for a part of what a flush takes. Whoever is alone waits for nobody. Where those that are waited for do not come
//! (deliveries are each for another account), it is tried more and more seldom.

use super::{BATCH_CHANGES_MAX, Request};
use crate::ids::AccountId;
use std::collections::{HashSet, VecDeque};
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// For such a part of what the last batch took the first of the others is waited for, and for three quarters of that for the next, and
/// so on: for half of it in all. A wait in vain costs little, one that is not saves a flush.
const PART_OF_A_BATCH: u32 = 8;
/// Never longer for one.
const WAIT_MAX: Duration = if cfg!(test) { Duration::from_secs(60) } else { Duration::from_millis(1) };
/// Where less than this is to be won, to be woken in time costs more.
const BATCH_MIN: Duration = Duration::from_micros(400);
/// After waits in vain at most this many batches go without one.
const PASSED_OVER_MAX: u32 = 64;

/// What is known of who may come next.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// The accounts of the last batch.
    answered: HashSet<AccountId>,
    /// So many batches are passed over after the next wait in vain.
    patience: u32,
    pass_over: u32,
}

impl Gathering {
    /// Waits for those who may come to go with `waiting`, which is not empty; the last batch took so long.
    pub(super) fn gather(&mut self, took: Duration, requests: &Receiver<Request>, waiting: &mut VecDeque<Request>) {
        let mut missing = self.missing(took, waiting);
        if missing.is_empty() {
            return;
        }
        let (expected, mut patience) = (missing.len(), (took / PART_OF_A_BATCH).min(WAIT_MAX));
        while !missing.is_empty() && waiting.len() < BATCH_CHANGES_MAX {
            let Ok(request) = requests.recv_timeout(patience) else { break };
            missing.remove(&request.account());
            waiting.push_back(request);
            patience = patience * 3 / 4;
        }
        self.learn(expected, expected - missing.len());
    }

    /// A batch was answered.
    pub(super) fn answered(&mut self, batch: &[Request]) {
        self.answered = batch.iter().map(Request::account).collect();
    }

    /// Whom to wait for.
    fn missing(&mut self, took: Duration, waiting: &VecDeque<Request>) -> HashSet<AccountId> {
        let mut missing = std::mem::take(&mut self.answered);
        for request in waiting {
            missing.remove(&request.account());
        }
        if missing.is_empty() || took < BATCH_MIN {
            return HashSet::new();
        }
        if self.pass_over > 0 {
            self.pass_over -= 1;
            return HashSet::new();
        }
        missing
    }

    fn learn(&mut self, expected: usize, came: usize) {
        self.patience = if came * 2 >= expected { 0 } else { (self.patience * 2 + 1).min(PASSED_OVER_MAX) };
        self.pass_over = self.patience;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::request_of;
    use super::*;
    use std::sync::mpsc::{channel, sync_channel};

    const LONG: Duration = Duration::from_secs(3600);

    fn requests(accounts: &[u32]) -> VecDeque<Request> {
        accounts.iter().map(|account| request_of(*account)).collect()
    }

    fn after(accounts: &[u32]) -> Gathering {
        let mut gathering = Gathering::default();
        gathering.answered(requests(accounts).make_contiguous());
        gathering
    }

    fn check(answered: &[u32], waiting: &[u32], expected: &[u32]) {
        let missing = after(answered).missing(LONG, &requests(waiting));
        assert_eq!(missing, expected.iter().map(|account| AccountId(*account)).collect(), "{answered:?} {waiting:?}");
    }

    #[test]
    fn those_of_the_last_batch_are_waited_for_and_nobody_else() {
        check(&[16], &[16], &[]);
        check(&[16, 17, 18], &[16], &[17, 18]);
        check(&[17], &[16], &[17]);
        check(&[], &[16], &[]);
        assert!(after(&[16, 17]).missing(BATCH_MIN / 2, &requests(&[16])).is_empty(), "a flush costs next to nothing");
    }

    /// Of eight clients the first that came had a flush for itself, each time.
    #[test]
    fn who_came_first_had_a_flush_alone() {
        let (sender, receiver) = sync_channel(8);
        let mut gathering = after(&[16, 17, 18]);
        let mut waiting = requests(&[17]);
        let others = std::thread::spawn(move || {
            sender.send(request_of(18)).unwrap();
            sender.send(request_of(16)).unwrap();
            // Whoever else comes later is for the next batch.
            sender
        });
        gathering.gather(LONG, &receiver, &mut waiting);
        let accounts: Vec<u32> = waiting.iter().map(|request| request.account().0).collect();
        assert_eq!(accounts, [17, 18, 16]);
        drop(others.join().unwrap());
    }

    #[test]
    fn where_nobody_comes_again_it_is_tried_seldom() {
        let (sender, receiver) = channel();
        drop(sender);
        let (mut gathering, mut waits) = (Gathering::default(), 0);
        for account in 16..1016 {
            let mut waiting = requests(&[account]);
            let tries = gathering.pass_over == 0 && !gathering.answered.is_empty();
            waits += usize::from(tries);
            gathering.gather(LONG, &receiver, &mut waiting);
            gathering.answered(waiting.make_contiguous());
        }
        assert!((6..30).contains(&waits), "{waits}");
        gathering.learn(2, 1);
        assert_eq!(gathering.pass_over, 0, "once they come it is done each time");
    }
}
