//! Commands that a client has pipelined and that are done together: they share commits of the store, and are answered in
//! their order once all of them are durable.
//!
//! What is sent is what would be sent if each were done by itself: each is answered with the mailbox as it left it.

use super::announced::{UNANNOUNCED_BYTES_MAX, UNANNOUNCED_MESSAGES_MAX};
use super::append::{self, Ready};
use super::store::{self, Storing};
use crate::connection::{ImapSession, Turn};
use crate::context::Context;
use crate::state::State;
use crate::sync::is_told;
use imap_proto::command::{Append, Store};
use imap_proto::{Command, Event, Tag, Tagged};

impl ImapSession {
    /// Does a STORE together with those that the client has sent behind it; `None` where it must be done by itself.
    pub(super) fn stores(&mut self, tag: &Tag, first: &Store, output: &mut Vec<u8>) -> Option<Turn> {
        let State::Authenticated(user) = &mut self.state else { return None };
        if !store::may_share(user, first) {
            return None;
        }
        let storing = self.storing(first, output)?;
        // Nobody waits for more than one that is not announced (`announced`).
        let mut room = UNANNOUNCED_MESSAGES_MAX.checked_sub(storing.count())?;
        let mut stores = vec![(tag.clone(), storing)];
        loop {
            let (tag, store) = match self.poll() {
                Event::NeedMore => break,
                Event::Command(Tagged { tag, command: Command::Store(store) }) => (tag, store),
                other => {
                    self.put_back(other);
                    break;
                }
            };
            let follows = store.numbering == first.numbering && stores.len() < UNANNOUNCED_MESSAGES_MAX;
            let storing = follows.then(|| self.storing(&store, output)).flatten();
            match storing.and_then(|storing| Some((room.checked_sub(storing.count())?, storing))) {
                Some((less, storing)) => {
                    room = less;
                    stores.push((tag, storing));
                }
                None => {
                    self.put_back(Event::Command(Tagged { tag, command: Command::Store(store) }));
                    break;
                }
            }
        }
        let State::Authenticated(user) = &mut self.state else { return None };
        let mut context = Context { service: &self.service, now: self.now, user, output };
        let answers = store::in_turn(&mut context, stores).ok()?;
        self.answers = Some(Box::new(answers));
        Some(Turn::Again)
    }

    /// Does an APPEND together with those that the client has sent behind it; gives it back where it must be done by itself.
    pub(super) fn appends(&mut self, tag: &Tag, first: Append, output: &mut Vec<u8>) -> Result<Turn, Box<Append>> {
        // Most come alone.
        let next = self.poll();
        let is_followed = matches!(&next, Event::Command(Tagged { command: Command::Append(_), .. }));
        self.put_back(next);
        let State::Authenticated(user) = &mut self.state else { return Err(Box::new(first)) };
        if !is_followed || !user.selected.as_ref().is_none_or(is_told) {
            return Err(Box::new(first));
        }
        let mut room = UNANNOUNCED_BYTES_MAX;
        let first = self.ready(first, &mut room, output)?;
        let mut appends = vec![(tag.clone(), first)];
        while appends.len() < UNANNOUNCED_MESSAGES_MAX {
            let (tag, append) = match self.poll() {
                Event::Command(Tagged { tag, command: Command::Append(append) }) => (tag, append),
                // Also that there is none.
                other => {
                    self.put_back(other);
                    break;
                }
            };
            match self.ready(append, &mut room, output) {
                Ok(ready) => appends.push((tag, ready)),
                Err(append) => {
                    self.put_back(Event::Command(Tagged { tag, command: Command::Append(*append) }));
                    break;
                }
            }
        }
        if let State::Authenticated(user) = &mut self.state {
            let mut context = Context { service: &self.service, now: self.now, user, output };
            self.answers = Some(Box::new(append::in_turn(&mut context, appends)));
        }
        Ok(Turn::Again)
    }

    /// An APPEND that may share a commit with others, which then have less room.
    fn ready(&mut self, append: Append, room: &mut usize, output: &mut Vec<u8>) -> Result<Ready, Box<Append>> {
        let State::Authenticated(user) = &mut self.state else { return Err(Box::new(append)) };
        let Some(less) = room.checked_sub(append.message.len()) else { return Err(Box::new(append)) };
        let mut context = Context { service: &self.service, now: self.now, user, output };
        let ready = append::ready(&mut context, append)?;
        *room = less;
        Ok(ready)
    }

    /// A STORE that may share a commit with others.
    fn storing(&mut self, store: &Store, output: &mut Vec<u8>) -> Option<Storing> {
        let State::Authenticated(user) = &mut self.state else { return None };
        if !store::may_follow(user, store) {
            return None;
        }
        let mut context = Context { service: &self.service, now: self.now, user, output };
        store::begin(&mut context, store.clone()).ok()?.whole()
    }
}
