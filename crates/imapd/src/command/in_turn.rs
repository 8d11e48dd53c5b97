//! Commands that a client has pipelined and that are done together: they share commits of the store, and are answered in
//! their order once all of them are durable.
//!
//! What is sent is what would be sent if each were done by itself: each is answered with the mailbox as it left it.

use super::announced::UNANNOUNCED_MESSAGES_MAX;
use super::store::{self, Storing};
use crate::connection::{ImapSession, Turn};
use crate::context::Context;
use crate::state::State;
use imap_proto::command::Store;
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

    /// A STORE that may share a commit with others.
    fn storing(&mut self, store: &Store, output: &mut Vec<u8>) -> Option<Storing> {
        let State::Authenticated(user) = &mut self.state else { return None };
        if !store::may_follow(user, store) {
            return None;
        }
        let mut context = Context { service: &self.service, now: self.now, user, output };
        store::begin(&mut context, store.clone()).ok()
    }
}
