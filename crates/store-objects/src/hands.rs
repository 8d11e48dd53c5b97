//! A few threads that do what others wait for.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// So many objects are read and written at a time: flushes that wait together are merged by the file system.
const THREADS: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. Dropped, they finish what they were given and end.
#[derive(Debug)]
pub(crate) struct Hands {
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Hands {
    /// Starts the threads.
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, queue) = sync_channel(THREADS);
        let queue = Arc::new(Mutex::new(queue));
        let mut hands = Self { jobs: Some(jobs), threads: Vec::new() };
        for number in 0..THREADS {
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new().name(format!("object-{number:02}"));
            hands.threads.push(thread.spawn(move || work(&queue))?);
        }
        Ok(hands)
    }

    /// Does `job` on one of the threads; `None` when it panicked or the threads have ended.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        self.begin(job)?.recv().ok()
    }

    /// Has `job` done by one of the threads; what it gives is received, unless it panics. `None` when the threads have ended.
    pub(crate) fn begin<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<Receiver<T>> {
        let (done, result) = sync_channel(1);
        let job = move || {
            // The caller waits; one that panicked meanwhile needs no answer.
            let _ = done.send(job());
        };
        self.jobs.as_ref()?.send(Box::new(job)).ok()?;
        Some(result)
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting and given up before the work.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        drop(self.jobs.take());
        for thread in self.threads.drain(..) {
            // A panic of the thread has been reported where it happened, and its caller was told.
            let _ = thread.join();
        }
    }
}
