//! Bodies that are read ahead of a client who asks for one message after the other: to begin to read costs as much as to read a small
//! body, and the client waits for it each time.
//!
//! What is read ahead counts with what is kept of all bodies ([`crate::body`]), and where that is full nothing is. Of a large body,
//! which is an object, no more is read ahead than where it lies.

use super::Reader;
use crate::body::{Body, Room};
use crate::ids::EmailId;
use crate::store::INLINE_BYTES_MAX;
use std::collections::VecDeque;

/// So many octets are read ahead, of small bodies.
const AHEAD_BYTES_MAX: usize = 128 * 1024;
/// So many bodies are.
const AHEAD_BODIES_MAX: usize = 32;

/// Bodies in the order in which they are expected to be asked for.
#[derive(Default)]
pub struct Ahead {
    bodies: VecDeque<(EmailId, Body)>,
    _room: Option<Room>,
}

impl Reader<'_> {
    /// Reads the bodies of messages, each given with its octets: of 32 messages, and of those that are small at most 128 KiB. What
    /// cannot be read is left to whoever asks for it.
    #[must_use]
    pub fn read_ahead(&self, messages: impl Iterator<Item = (EmailId, u32)>) -> Ahead {
        let (mut next, mut bytes) = (Vec::new(), 0);
        for (email, size) in messages.take(AHEAD_BODIES_MAX) {
            let held = Some(size as usize).filter(|size| *size <= INLINE_BYTES_MAX).unwrap_or(0);
            if bytes + held > AHEAD_BYTES_MAX {
                break;
            }
            bytes += held;
            next.push(email);
        }
        let Some(room) = Room::of_all(bytes).filter(|_| !next.is_empty()) else { return Ahead::default() };
        let read = |email| self.open_unread(email).ok().map(|body| (email, body));
        Ahead { bodies: next.into_iter().map_while(read).collect(), _room: Some(room) }
    }
}

impl Ahead {
    /// The body of a message, where it was read. Those before it are not expected any more.
    pub fn take(&mut self, email: EmailId) -> Option<Body> {
        while let Some((next, body)) = self.bodies.pop_front() {
            if next == email {
                return Some(body);
            }
        }
        *self = Self::default();
        None
    }
}
