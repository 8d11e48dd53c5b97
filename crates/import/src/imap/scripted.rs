//! A server that says what it is told to, for tests.

use super::server::Server;
use super::session::Session;
use super::stream::Stream;
use crate::source::SourceError;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
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
        into.iter_mut().zip(&piece).for_each(|(into, octet)| *into = *octet);
        let rest = piece.split_off(count);
        if !rest.is_empty() {
            self.says.push_front(rest);
        }
        Ok(count)
    }
}

impl Write for Scripted {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Scripted {
    fn until(&mut self, _: Instant) {}
}

/// A connection with it, on which somebody has logged in if it lets them.
pub(crate) fn octets(says: VecDeque<Vec<u8>>, server: &Server) -> Result<Session, SourceError> {
    Session::over(Box::new(Scripted { says, heard: Arc::default() }), &server.host).logged_in(server)
}

/// A connection with it, and what it hears.
#[cfg(test)]
pub(super) fn session(says: &[&str]) -> (Session, Arc<Mutex<Vec<u8>>>) {
    let heard = Arc::default();
    let says = says.iter().map(|piece| piece.as_bytes().to_vec()).collect();
    (Session::over(Box::new(Scripted { says, heard: Arc::clone(&heard) }), "old"), heard)
}

#[cfg(test)]
pub(super) fn heard(heard: &Mutex<Vec<u8>>) -> String {
    String::from_utf8(heard.lock().unwrap().clone()).unwrap()
}
