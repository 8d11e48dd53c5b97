//! The octets of a message or of a part of it, read for another purpose than to be told: CATENATE.

use super::plan::Needs;
use super::response::{Facts, Response, without_nul};
use imap_proto::command::BodySection;
use store::{Body, Entry, Error, MailboxId, Reader};

/// Octets of a message, read piece by piece.
pub(crate) struct Piece {
    response: Response,
    section: BodySection,
    /// None before the message is looked through.
    begun: Option<usize>,
}

impl Piece {
    /// Of a message in the index; `known` is a body that was read before.
    pub(crate) fn open(
        reader: &Reader<'_>,
        entry: Entry,
        section: BodySection,
        known: &mut Option<Body>,
    ) -> Result<Self, Error> {
        // Nothing of this is shown.
        let mailbox = MailboxId::default();
        let facts = Facts { number: 0, mailbox, guest_of: None, entry, saved: None, recent: false };
        let response = Response::read(facts, Needs::of_section(&section.section), (reader, known))?;
        Ok(Self { response, section, begun: None })
    }

    /// Looks through the message as far as `budget` octets go. How many octets it will give, when that is done; `None` inside
    /// where the message has no such part.
    pub(crate) fn prepare(&mut self, budget: &mut usize) -> Result<Option<Option<usize>>, Error> {
        if self.begun.is_none() {
            if !self.response.look_through(budget)? {
                return Ok(None);
            }
            match self.response.begin(&self.section)? {
                Some(octets) => self.begun = Some(octets),
                None => return Ok(Some(None)),
            }
        }
        Ok(Some(self.begun))
    }

    /// The next octets, at most `room`; none at the end. As a FETCH would tell them.
    pub(crate) fn next(&mut self, room: usize) -> Result<Vec<u8>, Error> {
        let mut octets = self.response.go_on(room)?.to_vec();
        without_nul(&mut octets);
        Ok(octets)
    }

    /// What is worth keeping for the next piece of the same message.
    pub(crate) fn into_known(self) -> Option<Body> {
        self.response.into_known()
    }
}
