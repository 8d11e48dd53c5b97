//! How many octets POP3 sends of messages that a version stored which did not note it: found out after the start, not at a
//! login, which reads no bodies.

use super::Account;
use crate::error::Error;
use crate::ids::EmailId;
use crate::key;
use crate::record::EmailRecord;
use crate::shown::{SentSizes, Shown};
use crate::state::scan_while;
use crate::tx::Tx;
use std::ops::ControlFlow;

/// One commit notes at most so many messages,
const SIZED_PER_COMMIT_MAX: usize = 500;
/// or the first after which so much was read.
const READ_BYTES_PER_COMMIT_MAX: u64 = 64 * 1024 * 1024;

/// What was found out about messages in the order of their numbers.
struct Found {
    sizes: Vec<(EmailId, SentSizes)>,
    /// All up to this one were looked at.
    to: EmailId,
}

impl Account {
    /// Notes the sizes of some of the messages that need it; gives how many it looked at, 0 when there are none.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults. A message that cannot be read is told in its own size.
    pub fn note_sent_sizes(&self) -> Result<usize, Error> {
        let record = &self.cell.state()?.record;
        if record.sized_to >= record.last_email {
            return Ok(0);
        }
        let found = self.find_sizes(record.sized_to, record.last_email)?;
        let count = found.sizes.len();
        self.transact(move |tx| {
            for (email, sizes) in &found.sizes {
                tx.note_old_sizes(*email, *sizes)?;
            }
            tx.change_record().sized_to = found.to;
            Ok(())
        })?;
        Ok(count)
    }

    fn find_sizes(&self, after: EmailId, last: EmailId) -> Result<Found, Error> {
        let (mut emails, mut read_bytes) = (Vec::new(), 0);
        let range = (key::email(EmailId(after.0.saturating_add(1))), key::kind(b'E').1);
        scan_while(&*self.snapshot()?, range, |key, value| {
            let email = EmailId(key::long_at(key, 1).map_err(Error::corrupt("a message's key"))?);
            read_bytes += EmailRecord::decode(value).map_or(0, |record| u64::from(record.size));
            emails.push(email);
            let is_enough = emails.len() >= SIZED_PER_COMMIT_MAX || read_bytes >= READ_BYTES_PER_COMMIT_MAX;
            Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let is_enough = emails.len() >= SIZED_PER_COMMIT_MAX || read_bytes >= READ_BYTES_PER_COMMIT_MAX;
        // The last ones may be gone again.
        let to = emails.last().copied().filter(|_| is_enough).unwrap_or(last);
        let reader = self.reader()?;
        // The store has logged one that is damaged.
        let sizes =
            |email| (email, reader.body(email).map_or_else(|_| SentSizes::default(), |body| SentSizes::of(&body)));
        Ok(Found { sizes: emails.into_iter().map(sizes).collect(), to })
    }
}

impl Tx<'_> {
    /// Of a message that is just being stored.
    pub(super) fn note_sizes(&mut self, email: EmailId, sizes: SentSizes) {
        if !sizes.is_none() {
            self.put(key::shown(email), Shown { uidl: None, sizes }.encode());
        }
    }

    fn note_old_sizes(&mut self, email: EmailId, sizes: SentSizes) -> Result<(), Error> {
        let shown = self.shown(email)?.unwrap_or_default();
        // It may have left retention since it was read.
        if shown.sizes != sizes && self.get(&key::email(email))?.is_some() {
            self.put(key::shown(email), Shown { sizes, ..shown }.encode());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{MaildropOptions, NewMessage, Target};
    use crate::check::{self, Depth};
    use crate::device::Credential;
    use crate::flags::Flags;
    use crate::ids::{AccountId, DeviceId, Timestamp};
    use crate::journal::{Actor, Protocol};
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;
    use std::sync::Arc;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };

    fn append(account: &Account, body: &str) -> EmailId {
        let message = NewMessage { body: body.into(), flags: Flags::default(), internal_date: NOW };
        account.append(ACTOR, Target::Inbox, message).unwrap().email
    }

    /// As a version left it that did not note sizes.
    fn forget_sizes(account: &Account, emails: &[EmailId]) {
        let emails = emails.to_vec();
        let forget = move |tx: &mut Tx<'_>| {
            emails.iter().for_each(|email| tx.delete(key::shown(*email)));
            tx.change_record().sized_to = EmailId(0);
            Ok(())
        };
        account.transact(forget).unwrap();
    }

    #[test]
    fn messages_of_an_earlier_version_told_a_size_that_is_not_sent() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), NOW).unwrap();
        let credential = Credential::ApplicationPassword { hash: [0; 32] };
        let device = account.add_device(ACTOR, "pc", credential, None).unwrap();
        let large = "x\n".repeat(40_000);
        let old = [append(&account, "A: b\n\nc"), append(&account, "A: b\r\n\r\n"), append(&account, &large)];
        let uidl = vec![(old[0], "from-elsewhere".to_owned())];
        let listed = || {
            let maildrop = account.open_maildrop(device, &MaildropOptions::default(), NOW).unwrap();
            let told = |message| (maildrop.uidl(message).into_owned(), maildrop.size(message, true));
            maildrop.messages().iter().map(told).collect::<Vec<_>>()
        };
        let check = || assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
        forget_sizes(&account, &old);
        account.keep_uidls(ACTOR, uidl, false).unwrap();
        check();
        append(&account, "new");
        assert_eq!(listed().iter().map(|(_, size)| *size).collect::<Vec<_>>(), [7, 8, 80_000, 5]);
        assert_eq!((account.note_sent_sizes().unwrap(), account.note_sent_sizes().unwrap()), (4, 0));
        assert_eq!(listed().iter().map(|(_, size)| *size).collect::<Vec<_>>(), [11, 8, 120_000, 5]);
        assert_eq!(listed()[0].0, "from-elsewhere");
        check();
        append(&account, "newer");
        assert_eq!(account.note_sent_sizes().unwrap(), 0, "each notes its own");
        check();
    }

    #[test]
    fn many_messages_are_sized_in_pieces() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), NOW).unwrap();
        let old: Vec<EmailId> = (0..=SIZED_PER_COMMIT_MAX).map(|_| append(&account, "x")).collect();
        forget_sizes(&account, &old);
        let pieces: Vec<usize> = (0..3).map(|_| account.note_sent_sizes().unwrap()).collect();
        assert_eq!(pieces, [SIZED_PER_COMMIT_MAX, 1, 0]);
        assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
    }
}
