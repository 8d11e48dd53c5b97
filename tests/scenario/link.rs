//! A connection to a session in memory, over which a command goes octet by octet if it must.

use session::testing::TestJobs;
use session::{Moment, Peer, Session, Step};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use store::sim::Random;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

pub struct Link {
    session: Box<dyn Session>,
    woken: Arc<Flag>,
    unsent: Vec<u8>,
    answer: Vec<u8>,
    /// The server has closed the connection.
    pub is_closed: bool,
}

impl Link {
    /// Connects; what the server says first is taken.
    pub fn new(now: Moment, make: impl FnOnce(Peer) -> Box<dyn Session>) -> Self {
        let woken = Arc::new(Flag::default());
        let waker = Arc::clone(&woken).into();
        let jobs = TestJobs::at_once();
        let peer = Peer { address: "127.0.0.1".parse().unwrap(), port: 9, tls: None, waker, jobs };
        let mut link = Self { session: make(peer), woken, unsent: Vec::new(), answer: Vec::new(), is_closed: false };
        link.run(now);
        link.answer.clear();
        link
    }

    pub fn begin(&mut self, command: &str) {
        assert!(self.unsent.is_empty(), "one command at a time");
        self.unsent.extend_from_slice(command.as_bytes());
        self.unsent.extend_from_slice(b"\r\n");
    }

    pub fn is_busy(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends some more; the answer, once all is sent.
    pub fn go_on(&mut self, now: Moment, random: &mut Random) -> Option<String> {
        let count =
            if random.chance(700) { self.unsent.len() } else { 1 + random.below(self.unsent.len() as u64) as usize };
        let piece: Vec<u8> = self.unsent.drain(..count).collect();
        self.session.receive(&piece);
        self.run(now);
        self.unsent.is_empty().then(|| self.take())
    }

    /// What came without being asked for.
    pub fn news(&mut self, now: Moment) -> String {
        if self.woken.0.swap(false, Ordering::Acquire) {
            self.run(now);
        }
        self.take()
    }

    /// The time has come to look, whatever hints were lost.
    pub fn tick(&mut self, now: Moment) -> String {
        self.run(now);
        self.take()
    }

    pub fn ask(&mut self, command: &str, now: Moment) -> String {
        self.begin(command);
        let all = std::mem::take(&mut self.unsent);
        self.session.receive(&all);
        self.run(now);
        self.take()
    }

    fn take(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.answer)).unwrap()
    }

    fn run(&mut self, now: Moment) {
        loop {
            match self.session.step(now, &mut self.answer) {
                Step::Flush => {}
                Step::Wait | Step::Pause => return,
                Step::Close | Step::StartTls => {
                    self.is_closed = true;
                    return;
                }
            }
        }
    }
}
