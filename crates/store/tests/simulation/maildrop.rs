//! What the model says of POP3: which mail a device lists, and what its deletions do.

use crate::found::Found;
use crate::model::{Model, PopDevice, Purged, Reply};
use std::collections::{BTreeMap, BTreeSet};
use store::pop::{Scope, Window};
use store::removal::RemovalPolicy;
use store::{DeviceId, EmailId, MailboxId, Role, Timestamp};

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

impl Model {
    /// RFC 1939 as this server reads it: what the device's scope and window show and it has not deleted, each message
    /// once, with where it is.
    pub fn maildrop(&self, id: DeviceId, now: Timestamp) -> Vec<(EmailId, MailboxId)> {
        let device = &self.devices[&id];
        let opens_at = match device.pop.window {
            Window::Everything => i64::MIN,
            Window::FromNowOn => device.pop_since.0,
            Window::LastDays(days) => now.0 - i64::from(days) * DAY_MILLIS,
        };
        let inbox = self.inbox();
        let mut list: Vec<(EmailId, MailboxId)> = self.emails_in(inbox).map(|email| (email, inbox)).collect();
        let (mut others, held) = (Vec::new(), self.held_of_others(id));
        let held_of = |was_in: MailboxId| {
            let lies_in = self.held_mailbox().unwrap_or(was_in);
            held.iter().filter(move |(from, _)| *from == was_in).map(move |(_, email)| (*email, lies_in))
        };
        list.extend(held_of(inbox));
        for other in self.ordinary().filter(|other| *other != inbox) {
            let filed = |email: &EmailId| {
                let is_new = !device.taken.contains(email) && !device.deleted.contains_key(email);
                is_new && self.emails[email].arrived_in == inbox && email.0 >= device.added_at.0 as u64 * 1000
            };
            let all = self.emails_in(other).map(|email| (email, other)).chain(held_of(other));
            match device.pop.scope {
                Scope::Inbox => {}
                Scope::InboxAndFiled => others.extend(all.filter(|(email, _)| filed(email))),
                Scope::AllButSpecial => others.extend(all),
            }
        }
        others.sort_by_key(|(email, _)| *email);
        list.extend(others);
        let mut seen: BTreeSet<EmailId> = device.deleted.keys().copied().collect();
        list.retain(|(email, _)| self.emails[email].date.0 >= opens_at && seen.insert(*email));
        list
    }

    fn emails_in(&self, id: MailboxId) -> impl Iterator<Item = EmailId> {
        self.mailbox(id).messages.values().map(|message| message.email)
    }

    /// The mailboxes in which mail lies that somebody reads, in the order in which they were made.
    fn ordinary(&self) -> impl Iterator<Item = MailboxId> {
        let special = [Role::Drafts, Role::Sent, Role::Junk, Role::Trash, Role::Held].map(Some);
        self.mailboxes.iter().filter(move |(_, mailbox)| !special.contains(&mailbox.role)).map(|(id, _)| *id)
    }

    pub fn pop_quit(
        &mut self,
        id: DeviceId,
        taken: &[EmailId],
        deleted: &[(EmailId, MailboxId)],
        now: Timestamp,
        found: &Found,
    ) -> Reply {
        let shared = self.devices.iter().any(|(other, device)| *other != id && !device.revoked && device.reads());
        let known: BTreeSet<EmailId> =
            self.emails.iter().filter(|(_, email)| email.purged == Purged::No).map(|(id, _)| *id).collect();
        let Some(device) = self.devices.get_mut(&id) else { unreachable!() };
        let policy = device.pop.removal;
        let mut had = BTreeSet::new();
        had.extend(taken.iter().filter(|email| known.contains(email) && device.taken.insert(**email)));
        let mut news = BTreeSet::new();
        for (email, _) in deleted.iter().filter(|(email, _)| known.contains(email)) {
            if device.deleted.insert(*email, now).is_none() {
                had.insert(*email);
                news.insert(*email);
            }
        }
        let mut places: BTreeMap<MailboxId, BTreeSet<EmailId>> = BTreeMap::new();
        for (email, mailbox) in deleted {
            places.entry(*mailbox).or_default().insert(*email);
        }
        places.retain(|mailbox, _| self.mailboxes.contains_key(mailbox) && self.held_mailbox() != Some(*mailbox));
        if self.stops_maildrop(id, shared, &places, &news, (now, found)) {
            let expunged = self.expunge_what_all_have(&had);
            return Reply::Pop { kept: news.len() - expunged, expunged, moved: 0 };
        }
        let (mut expunged, mut moved) = (0, 0);
        for (mailbox, emails) in &places {
            match (policy, shared) {
                (RemovalPolicy::Expunge, _) | (RemovalPolicy::KeepWhenShared, false) => {
                    expunged += self.expunge_emails(*mailbox, emails);
                }
                (RemovalPolicy::Archive, _) => moved += self.put_away((*mailbox, emails), Role::Archive, found),
                (RemovalPolicy::Trash, _) => moved += self.put_away((*mailbox, emails), Role::Trash, found),
                (RemovalPolicy::MarkRead, _) => {
                    let messages = self.mailbox_mut(*mailbox).messages.values_mut();
                    for message in messages.filter(|message| emails.contains(&message.email)) {
                        message.flags.insert("\\Seen".to_owned());
                    }
                }
                (_, _) => {}
            }
        }
        expunged += self.expunge_what_all_have(&had);
        Reply::Pop { kept: news.len().max(expunged + moved) - expunged - moved, expunged, moved }
    }

    /// Whether the brake stops what a session deleted; then it is held.
    fn stops_maildrop(
        &mut self,
        id: DeviceId,
        shared: bool,
        places: &BTreeMap<MailboxId, BTreeSet<EmailId>>,
        news: &BTreeSet<EmailId>,
        (now, found): (Timestamp, &Found),
    ) -> bool {
        let device = &self.devices[&id];
        let policy = device.pop.removal;
        match policy {
            RemovalPolicy::Expunge
            | RemovalPolicy::ExpungeAfterDays(_)
            | RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt => {}
            RemovalPolicy::KeepWhenShared if !shared => {}
            _ => return false,
        }
        let mut asked = 0;
        let mut held = BTreeMap::new();
        for (mailbox, emails) in places {
            let emails: BTreeSet<EmailId> = emails.intersection(news).copied().collect();
            let counts = |email: &EmailId| emails.contains(email) && (shared || !device.taken.contains(email));
            let leaving: Vec<EmailId> = self.emails_in(*mailbox).filter(counts).collect();
            asked += self.removals(&leaving);
            if !emails.is_empty() {
                held.insert(*mailbox, emails);
            }
        }
        let stopped = self.is_stopped(id, asked, asked, found);
        self.has_removed |= asked > 0;
        if stopped {
            self.hold_maildrop(id, &held, policy, now, found);
        }
        stopped
    }

    /// What policies have put off.
    pub fn remove_due(&mut self, now: Timestamp) -> Reply {
        let mut removed = 0;
        for (_, device) in self.devices.clone() {
            let until = match device.pop.removal {
                RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt => now.0,
                RemovalPolicy::ExpungeAfterDays(days) => now.0 - i64::from(days) * DAY_MILLIS,
                _ => continue,
            };
            let due: BTreeSet<EmailId> = device
                .deleted
                .iter()
                .filter(|(_, at)| (device.removal_since.0..=until).contains(&at.0))
                .map(|(email, _)| *email)
                .collect();
            let due: BTreeSet<EmailId> = due.difference(&device.stays).copied().collect();
            removed += match device.pop.removal {
                RemovalPolicy::ExpungeAfterDays(_) => self.expunge_for(device.pop.scope, &due),
                _ => self.expunge_what_all_have(&due),
            };
        }
        Reply::Removed(removed)
    }

    /// What every device that uses POP3 has had and nobody has flagged.
    pub fn clear(&mut self, before: Option<Timestamp>) -> Reply {
        let pop: Vec<&PopDevice> = self.devices.values().filter(|d| d.uses_pop && !d.revoked).collect();
        let had = |email: &EmailId| pop.iter().all(|d| d.taken.contains(email) || d.deleted.contains_key(email));
        let old = |email: &EmailId| before.is_none_or(|before| self.emails[email].date < before);
        let all: BTreeSet<EmailId> =
            self.emails.keys().copied().filter(|email| !pop.is_empty() && had(email) && old(email)).collect();
        let (mut messages, mut bytes) = (0, 0);
        for id in self.ordinary().collect::<Vec<_>>() {
            let listed = std::mem::take(&mut self.mailbox_mut(id).messages);
            let (gone, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
                listed.into_iter().partition(|(_, m)| all.contains(&m.email) && !m.flags.contains("\\Flagged"));
            messages += gone.len();
            bytes += gone.values().map(|message| self.emails[&message.email].size as u64).sum::<u64>();
            self.mailbox_mut(id).messages = kept;
        }
        Reply::Cleared { messages, bytes }
    }

    fn expunge_what_all_have(&mut self, emails: &BTreeSet<EmailId>) -> usize {
        let mut expunged = 0;
        for (_, device) in self.devices.clone() {
            if device.pop.removal != RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt {
                continue;
            }
            let mut others = self.devices.values().filter(|other| other.uses_pop && !other.revoked);
            let mut due = emails.clone();
            let deleted = |email: &EmailId| device.deleted.get(email).is_some_and(|at| *at >= device.removal_since);
            due.retain(|email| deleted(email) && !device.stays.contains(email));
            others.by_ref().for_each(|o| due.retain(|e| o.taken.contains(e) || o.deleted.contains_key(e)));
            expunged += self.expunge_for(device.pop.scope, &due);
        }
        expunged
    }

    fn expunge_for(&mut self, scope: Scope, emails: &BTreeSet<EmailId>) -> usize {
        let mailboxes: Vec<MailboxId> = match scope {
            Scope::AllButSpecial => self.ordinary().collect(),
            Scope::Inbox | Scope::InboxAndFiled => vec![self.inbox()],
        };
        mailboxes.into_iter().map(|mailbox| self.expunge_emails(mailbox, emails)).sum()
    }

    pub fn expunge_emails(&mut self, mailbox: MailboxId, emails: &BTreeSet<EmailId>) -> usize {
        let messages = &mut self.mailbox_mut(mailbox).messages;
        let hit: BTreeSet<EmailId> = messages.values().map(|m| m.email).filter(|e| emails.contains(e)).collect();
        messages.retain(|_, message| !hit.contains(&message.email));
        hit.len()
    }

    fn put_away(&mut self, (from, emails): (MailboxId, &BTreeSet<EmailId>), role: Role, found: &Found) -> usize {
        let there: Vec<(u32, EmailId)> = self.mailbox(from).messages.iter().map(|(uid, m)| (*uid, m.email)).collect();
        let hit: Vec<(u32, EmailId)> = there.into_iter().filter(|(_, email)| emails.contains(email)).collect();
        if hit.is_empty() {
            return 0;
        }
        let of_role = self.mailboxes.iter().find(|(_, mailbox)| mailbox.role == Some(role)).map(|(id, _)| *id);
        let to = of_role.or_else(|| self.by_name(role.default_name()));
        let to = to.unwrap_or_else(|| self.make_mailbox(role.default_name(), Some(role), found));
        if to == from {
            return 0;
        }
        let uids: Vec<u32> = hit.iter().map(|(uid, _)| *uid).collect();
        assert!(self.relist(from, &uids, to, true).is_ok());
        hit.into_iter().map(|(_, email)| email).collect::<BTreeSet<EmailId>>().len()
    }
}
