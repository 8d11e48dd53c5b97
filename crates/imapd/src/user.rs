//! Who has logged in, and what they have open.

use crate::enabled::Enabled;
use crate::notify::Notify;
use crate::selected::Selected;
use crate::sync::{Look, News, keep_up, look, modseq_to_say};
use crate::tagged::Tagged;
use auth::Presence;
use imap_proto::Code;
use session::Moment;
use store::{Account, Actor, Error, MailboxId, ModSeq, Protocol, Timestamp};

/// Who has logged in.
pub(crate) struct User {
    pub(crate) presence: Box<Presence>,
    /// Theirs, for as long as the login counts.
    pub(crate) account: Account,
    pub(crate) enabled: Enabled,
    pub(crate) selected: Option<Selected>,
    /// RFC 5465: what the client is told between commands.
    pub(crate) notify: Option<Box<Notify>>,
    /// When other processes' commits were last looked for, on the monotonic clock.
    pub(crate) refreshed_at: u64,
}

impl User {
    /// Goes on as another device.
    pub(crate) fn be(&mut self, presence: Presence) {
        self.account = presence.account().clone();
        if let Some(selected) = &mut self.selected {
            // In a mailbox of somebody else's it stays the device that it was there.
            if selected.shared.is_none() {
                selected.account = self.account.clone();
            }
        }
        *self.presence = presence;
    }

    pub(crate) fn actor(&self, now: Moment) -> Actor {
        Actor { device: self.presence.login().device, protocol: Protocol::Imap, now: Timestamp(now.unix_millis) }
    }

    /// The selected mailbox, if it is this one.
    pub(crate) fn selected_is(&self, account: &Account, mailbox: MailboxId) -> Option<&Selected> {
        let is_it = |selected: &&Selected| selected.mailbox == mailbox && selected.account.id() == account.id();
        self.selected.as_ref().filter(is_it)
    }

    /// RFC 9051 §3: the selected state.
    pub(crate) fn selected(&mut self) -> Result<&mut Selected, Tagged> {
        self.selected.as_mut().ok_or_else(|| Tagged::bad("Select a mailbox first"))
    }

    /// The selected mailbox, to be changed.
    pub(crate) fn writable(&mut self) -> Result<&mut Selected, Tagged> {
        let selected = self.selected()?;
        if selected.read_only {
            return Err(Tagged::refused(Code::ReadOnly, "The mailbox is open read-only"));
        }
        Ok(selected)
    }

    /// Tells what changed in the selected mailbox, and in the results of searches there that are kept up to date.
    pub(crate) fn tell(&mut self, news: &mut News, output: &mut Vec<u8>) -> Result<Look, Error> {
        Ok(match (self.tell_messages(news, output)?, &mut self.selected) {
            (Look::Done, Some(selected)) => keep_up(selected, self.enabled, output),
            (look, _) => look,
        })
    }

    /// Tells what changed in the selected mailbox.
    pub(crate) fn tell_messages(&mut self, news: &mut News, output: &mut Vec<u8>) -> Result<Look, Error> {
        match &mut self.selected {
            Some(selected) => look(selected, news, self.enabled, output),
            None => Ok(Look::Done),
        }
    }

    /// How far the client's knowledge of the selected mailbox goes, where it has to be told.
    pub(crate) fn modseq_to_say(&mut self) -> Option<ModSeq> {
        self.selected.as_mut().and_then(|selected| modseq_to_say(selected, self.enabled))
    }

    /// Whether the login still counts. Looks for commits of other processes, whose wake-ups may get lost, if that was not
    /// done lately. A disk that cannot be read ends no session.
    pub(crate) fn may_stay(&mut self, now: Moment, every_millis: u64) -> bool {
        if now.monotonic_millis < self.refreshed_at.saturating_add(every_millis) {
            return self.presence.still_counts(Timestamp(now.unix_millis)).unwrap_or(true);
        }
        self.refreshed_at = now.monotonic_millis;
        if let Some(selected) = self.selected.as_ref().filter(|selected| selected.shared.is_some()) {
            // What cannot be read now is told by whoever looks.
            let _unread = selected.account.refresh();
        }
        self.presence.look_around(Timestamp(now.unix_millis)).unwrap_or(true)
    }
}
