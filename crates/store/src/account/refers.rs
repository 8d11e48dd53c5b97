//! What a sent message answers gets `\Answered`, what it forwards `$Forwarded` (RFC 9051 §2.3.2), wherever it is.

use super::sent::NAMESAKES_MAX;
use crate::error::Error;
use crate::flags::{FlagBits, Flags, SystemFlag};
use crate::identity::Name;
use crate::ids::{EmailId, MailboxId, Uid};
use crate::index::Entry;
use crate::journal::{Actor, MESSAGES_PER_ENTRY_MAX};
use crate::key;
use crate::tx::Tx;
use message::{Refers, Summary, refers};
use std::collections::BTreeMap;

/// RFC 9051 §2.3.2.
const FORWARDED: &str = "$Forwarded";

impl Tx<'_> {
    /// Flags what a message answers or forwards; gives how many places of messages got a flag that they did not have.
    pub(super) fn mark_referred(&mut self, actor: Actor, refers: &Refers) -> Result<usize, Error> {
        let forwarded = Flags { keywords: vec![FORWARDED.to_owned()], ..Flags::default() };
        let answered = Flags::system(&[SystemFlag::Answered]);
        let mut places: BTreeMap<(MailboxId, Uid), (Entry, FlagBits)> = BTreeMap::new();
        for (ids, flags) in [(&refers.answered, &answered), (&refers.forwarded, &forwarded)] {
            for email in ids.iter().map(|id| self.of_message_id(id)).collect::<Result<Vec<_>, _>>()?.concat() {
                let record = self.email(email)?;
                for (mailbox, entry) in self.places_of(email, &record)? {
                    if self.is_held(mailbox) {
                        continue;
                    }
                    // A mailbox or a message that takes no more keywords goes without.
                    let Ok(bits) = self.flag_bits(mailbox, flags) else { continue };
                    let (_, after) = places.entry((mailbox, entry.uid)).or_insert((entry, entry.flags));
                    *after = after.union(bits).unwrap_or(*after);
                }
            }
        }
        let mut by_mailbox: BTreeMap<MailboxId, Vec<(Entry, FlagBits)>> = BTreeMap::new();
        for ((mailbox, _), (entry, after)) in places.into_iter().filter(|(_, (entry, after))| entry.flags != *after) {
            by_mailbox.entry(mailbox).or_default().push((entry, after));
        }
        for (mailbox, changed) in &by_mailbox {
            changed.chunks(MESSAGES_PER_ENTRY_MAX).try_for_each(|batch| self.reflag(actor, *mailbox, batch))?;
        }
        Ok(by_mailbox.values().map(Vec::len).sum())
    }

    /// The messages of a Message-ID, without angle brackets; at most [`NAMESAKES_MAX`].
    fn of_message_id(&mut self, id: &[u8]) -> Result<Vec<EmailId>, Error> {
        let mut emails = Vec::new();
        for (email, _) in self.namesakes_of(Name::of_message_id(id))?.into_iter().take(NAMESAKES_MAX) {
            let summary = self.get(&key::summary(email))?.unwrap_or_default();
            let summary = Summary::decode(&summary).ok();
            let known = summary.as_ref().and_then(|summary| summary.envelope.message_id.as_deref());
            if known.and_then(refers::message_id) == Some(id) {
                emails.push(email);
            }
        }
        Ok(emails)
    }
}
