//! Writes down what hosts said: one thread for all connections, so that many messages share a look at the queue and a commit. A
//! connection goes on with its next message meanwhile.
//!
//! Invariant: a connection has one outcome at most that is not durable, beside the message that it is sending. So a crash doubles two
//! messages of a connection at most.
//! Invariant: what could not be written down is written down by the thread that delivered it, for as long as it takes, whoever leads by
//! then; the others go on.

use crate::entry::{Entry, QueueId};
use crate::error::Error;
use crate::hands::Hand;
use crate::machine::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use crate::queue::Heard;
use crate::window::Job;
use std::sync::Arc;
use tracing::warn;

/// So many messages are written down with one commit: as long as it runs, changes of others wait.
const AT_ONCE: usize = 128;

/// The way to the thread that writes. It ends when all of them have gone.
#[derive(Clone)]
pub(crate) struct Scribe(Sender<Asked>);

/// What hosts said of a message.
pub(crate) struct Note {
    pub(crate) job: Job,
    pub(crate) heard: Heard,
    /// Until it is durable.
    _hand: Hand,
}

/// That it is to be written down, and whom to tell. Nobody but the thread holds it: whoever waits sees when that is gone.
pub(crate) struct Asked {
    note: Arc<Note>,
    written: SyncSender<Result<(), Error>>,
}

/// A note that is being written.
pub(crate) struct Writing {
    note: Arc<Note>,
    written: Receiver<Result<(), Error>>,
}

/// A way to the thread, and what it is to read.
pub(crate) fn scribe() -> (Scribe, Receiver<Asked>) {
    let (notes, waiting) = channel();
    (Scribe(notes), waiting)
}

impl Scribe {
    /// Has an outcome written down; the job has ended then.
    pub(crate) fn write(&self, job: Job, heard: Heard, hand: Hand) -> Writing {
        let (answer, written) = sync_channel(1);
        let note = Arc::new(Note { job, heard, _hand: hand });
        // Where the thread is gone, whoever waits for it sees that.
        let _ = self.0.send(Asked { note: Arc::clone(&note), written: answer });
        Writing { note, written }
    }
}

impl Writing {
    /// Waits until it is durable; `Err`: it was not to be written with others.
    pub(crate) fn wait(self) -> Result<(), Arc<Note>> {
        match self.written.recv() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                warn!(id = %self.note.job.id, %error, "an outcome is written down by itself");
                Err(self.note)
            }
            // The thread panicked, and has said so.
            Err(_) => Err(self.note),
        }
    }
}

/// The thread: has what comes written down with `write`, and says with `ended` what the messages are then; until nobody is left from whom
/// something could come.
pub(crate) fn write_down(
    asked: &Receiver<Asked>,
    write: impl Fn(&[(QueueId, &Heard)]) -> Result<Vec<Option<Entry>>, Error>,
    ended: impl Fn(&[Arc<Note>], &[Option<Entry>]),
) {
    while let Ok(first) = asked.recv() {
        let asked: Vec<_> = std::iter::once(first).chain(asked.try_iter()).take(AT_ONCE).collect();
        let notes: Vec<_> = asked.iter().map(|one| Arc::clone(&one.note)).collect();
        let heard: Vec<_> = notes.iter().map(|note| (note.job.id, &note.heard)).collect();
        let answer = write(&heard).map(|entries| ended(&notes, &entries));
        for one in asked {
            // Its thread may have ended with the server.
            let _ = one.written.send(answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hands::Hands;
    use crate::outgoing::Destination;
    use crate::queue::tests::message;
    use crate::turns::Turn;
    use std::thread;
    use std::time::Duration;
    use store::Timestamp;

    #[test]
    fn connections_waited_forever_for_a_thread_that_had_panicked() {
        let (scribe, asked) = scribe();
        let job = || Job { id: QueueId(1), turn: Turn::default(), destination: Destination::Release };
        let hands = Arc::new(Hands::default());
        let hand = || hands.take(QueueId(1), hands.holder(), Duration::ZERO).unwrap();
        let heard = || Heard::of(&message("me@x", &["a@y"], b"S: 1\r\n\r\n").entry(Timestamp(0)), Vec::new());
        let before = scribe.write(job(), heard(), hand());
        thread::spawn(move || write_down(&asked, |_| panic!("the test's"), |_, _| ())).join().unwrap_err();
        assert!(before.wait().is_err() && scribe.write(job(), heard(), hand()).wait().is_err());
    }
}
