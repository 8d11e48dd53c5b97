//! A server that says what it is told to, for tests.

use super::session::Session;
use super::stream::Stream;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Says a piece at a time, and notes what it hears.
struct Scripted {
    says: VecDeque<Vec<u8>>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Read for Scripted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(mut piece) = self.says.pop_front() else { return Ok(0) };
        let count = piece.len().min(into.len());
        into[..count].copy_from_slice(&piece[..count]);
        let rest = piece.split_off(count);
        if !rest.is_empty() {
            self.says.push_front(rest);
        }
        Ok(count)
    }
}

impl Write for Scripted {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.heard.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Scripted {
    fn until(&mut self, _: Instant) {}
}

/// A connection with it, and what it hears.
pub(super) fn session(says: &[&str]) -> (Session, Arc<Mutex<Vec<u8>>>) {
    let heard = Arc::default();
    let says = says.iter().map(|piece| piece.as_bytes().to_vec()).collect();
    (Session::over(Box::new(Scripted { says, heard: Arc::clone(&heard) }), "old"), heard)
}

pub(super) fn heard(heard: &Mutex<Vec<u8>>) -> String {
    String::from_utf8(heard.lock().unwrap().clone()).unwrap()
}
