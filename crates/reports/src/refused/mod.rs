//! Mail that was refused: a row for each account that it was for, or one of nobody where the address leads nowhere.
//!
//! Rows of the table, each key a letter and then:
//!
//! | letter | then | value |
//! |---|---|---|
//! | `r` | account (0: nobody; 1: what came to no recipient), time, number | [`Refusal`] |
//! | `d` | day | how many refusals were too many to be written down |

mod row;
mod waiting;

use directory::{Directory, Resolution, normalise_domain};
use message::fold::Needle;
use row::Key;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use store::{AccountId, Error, Row, Store, Table, TableId, Timestamp};
use tracing::warn;
use waiting::Waiting;

/// Rows of one account; the oldest go first.
const ROWS_PER_ACCOUNT_MAX: usize = 500;
/// Rows of addresses that lead nowhere.
const ROWS_OF_NOBODY_MAX: usize = 2_000;
/// Rows of what was refused before anybody was named for whom it is.
const ROWS_OF_NO_RECIPIENT_MAX: usize = 500;
/// For so long what is alike of those is one row.
const ALIKE_MILLIS: i64 = 3600 * 1000;
/// All rows: [`Refusals::tidy`] leaves no more; the oldest go first.
const ROWS_MAX: usize = 20_000;
/// How long a row is kept.
const KEPT_MILLIS: i64 = 30 * DAY_MILLIS;
const DAY_MILLIS: i64 = 24 * 3600 * 1000;
/// An address that leads to more accounts is told to so many of them.
const ACCOUNTS_MAX: usize = 20;
/// Rows that are looked at are at most so many.
const LISTED_MAX: usize = 500;
/// Whose rows are those of addresses that lead nowhere. No account has this number.
const NOBODY: AccountId = AccountId(0);
/// Whose rows are those of what was refused before a recipient was named: connections, and senders. Nor has this one.
const NO_RECIPIENT: AccountId = AccountId(1);

/// Mail that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When, at last.
    pub at: Timestamp,
    /// How often, alike.
    pub times: u32,
    /// Over which protocol, by its name.
    pub protocol: String,
    /// Who brought it.
    pub client: IpAddr,
    /// The envelope's sender; empty for nobody.
    pub from: String,
    /// The envelope's recipient; empty where it did not come that far.
    pub to: String,
    /// The code of the reply.
    pub code: u16,
    /// Its text.
    pub reply: String,
    /// How the log calls the message; empty where it did not come that far.
    pub id: String,
    /// What it was about.
    pub about: About,
}

/// What the header of a message says that was refused after DATA; empty where it did not come that far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its Message-ID.
    pub message_id: String,
    /// Its subject.
    pub subject: String,
    /// Who wrote it, as From says.
    pub author: String,
}

/// Who is to know of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Whoever gets mail for the recipient.
    Recipient,
    /// The account that sends.
    Sender(AccountId),
}

/// Which rows are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only those in which each of these stands: in an address, the subject, the Message-ID, the reply; case does not count.
    pub words: Vec<String>,
    /// Only what was refused then or later.
    pub since: Option<Timestamp>,
    /// Only what was refused then or earlier.
    pub until: Option<Timestamp>,
    /// At most so many, and at most 500.
    pub limit: usize,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Newest first.
    pub refusals: Vec<Refusal>,
    /// How many refusals of the whole server were too many to be written down, in the days that are kept.
    pub not_written: u64,
}

/// Mail that was refused. Cheap to clone.
#[derive(Clone)]
pub struct Refusals(Arc<Inner>);

struct Inner {
    table: Table,
    directory: Directory,
    waiting: Mutex<Waiting>,
    serial: AtomicU32,
}

impl About {
    /// Reads a header (or a message).
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let header = content.get(..message::header::end(content)).unwrap_or_default();
        let envelope = message::Envelope::parse(header);
        let text = |value: Option<&[u8]>| value.map(message::encoded_word::decode).unwrap_or_default();
        let author = envelope.from.first().and_then(message::Address::addr_spec);
        Self {
            message_id: text(envelope.message_id.as_deref()),
            subject: text(envelope.subject.as_deref()),
            author: text(author.as_deref()),
        }
    }
}

impl Refusals {
    /// What `store` has of them; whose an address is, `directory` knows.
    #[must_use]
    pub fn new(store: &Store, directory: Directory) -> Self {
        // Not from zero, so that two servers do not write down two refusals of one millisecond under the same key.
        let serial = AtomicU32::new(RandomState::new().hash_one(()) as u32);
        let (table, waiting) = (store.table(TableId::Reports), Mutex::default());
        Self(Arc::new(Inner { table, directory, waiting, serial }))
    }

    /// Notes a refusal. It costs nothing but memory, of which it takes a bounded piece; [`Self::write`] writes it down.
    pub fn note(&self, whose: Whose, refusal: Refusal) {
        self.waiting().note(whose, refusal);
    }

    /// Writes down what was noted, in one commit; nothing if there is nothing. Where nothing can be written it is dropped.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn write(&self, now: Timestamp) -> Result<(), Error> {
        let (noted, dropped) = self.waiting().take();
        if noted.is_empty() && dropped == 0 {
            return Ok(());
        }
        self.0.table.takes_mail()?;
        let mut rows: BTreeMap<AccountId, Vec<Refusal>> = BTreeMap::new();
        for (whose, refusal) in noted {
            for account in self.accounts(&whose, &refusal.to)? {
                rows.entry(account).or_default().push(refusal.clone());
            }
        }
        let day = row::day(now);
        self.0.table.change(|tx| {
            for (account, refusals) in &rows {
                let prefix = row::of_account(*account);
                let mut before = tx.scan_before(&prefix, &prefix, usize::MAX)?;
                let mut refusals = refusals.clone();
                if *account == NO_RECIPIENT {
                    let alike = add_alike(&before, &mut refusals);
                    before.retain(|(key, _)| !alike.contains(key));
                    alike.iter().for_each(|key| tx.delete(key));
                }
                let too_many = (before.len() + refusals.len()).saturating_sub(rows_max(*account));
                before.iter().take(too_many).for_each(|(key, _)| tx.delete(key));
                for refusal in &refusals {
                    let number = self.0.serial.fetch_add(1, Ordering::Relaxed);
                    tx.put(&Key { account: *account, at: refusal.at, number }.to_bytes(), refusal.encode());
                }
            }
            if dropped > 0 {
                // A count that is damaged begins anew: nothing hangs on it, and what is noted is not lost for it.
                let so_far = tx.get(&day)?.map_or(Ok(0), |value| row::count(&value)).unwrap_or(0);
                tx.put(&day, so_far.saturating_add(dropped).to_be_bytes().to_vec());
            }
            Ok(())
        })
    }

    /// Forgets what is old, and the oldest of what is too much.
    ///
    /// # Errors
    /// Faults.
    pub fn tidy(&self, now: Timestamp) -> Result<(), Error> {
        // A key that is none goes first.
        let at = |key: &[u8]| Key::parse(key).map_or(Timestamp(i64::MIN), |key| key.at);
        let rows = self.0.table.scan(b"r", b"r", usize::MAX)?;
        let mut rows: Vec<(Timestamp, Vec<u8>)> = rows.into_iter().map(|(key, _)| (at(&key), key)).collect();
        rows.sort();
        let too_many = rows.len().saturating_sub(ROWS_MAX);
        let oldest = Timestamp(now.0.saturating_sub(KEPT_MILLIS));
        let is_to_go = |(at, (when, _)): &(usize, (Timestamp, Vec<u8>))| *at < too_many || *when < oldest;
        let mut gone: Vec<Vec<u8>> = rows.into_iter().enumerate().filter(is_to_go).map(|(_, (_, key))| key).collect();
        let days = self.0.table.scan(b"d", b"d", usize::MAX)?.into_iter().map(|(key, _)| key);
        gone.extend(days.filter(|key| *key < row::day(oldest)));
        if gone.is_empty() {
            return Ok(());
        }
        self.0.table.change(|tx| {
            gone.iter().for_each(|key| tx.delete(key));
            Ok(())
        })
    }

    /// What was refused that was for an account (or that it sent); `None`: for addresses that lead nowhere, and what came to no
    /// recipient.
    ///
    /// # Errors
    /// Faults.
    pub fn list(&self, account: Option<AccountId>, wanted: &Wanted) -> Result<Listed, Error> {
        let refusals = Self::chosen(self.rows(account)?, wanted, &|_| true);
        let mut not_written = 0_u64;
        for (_, value) in self.0.table.scan(b"d", b"d", usize::MAX)? {
            not_written = not_written.saturating_add(row::count(&value).unwrap_or(0));
        }
        Ok(Listed { refusals, not_written })
    }

    /// What was refused because an address in one of these domains (normalised) leads nowhere.
    ///
    /// # Errors
    /// Faults.
    pub fn list_to(&self, domains: &BTreeSet<String>, wanted: &Wanted) -> Result<Vec<Refusal>, Error> {
        let is_theirs = |refusal: &Refusal| {
            let domain = refusal.to.parse::<smtp_proto::Mailbox>().map(|to| to.domain().to_string());
            domain.ok().and_then(|domain| normalise_domain(&domain)).is_some_and(|domain| domains.contains(&domain))
        };
        Ok(Self::chosen(self.rows(None)?, wanted, &is_theirs))
    }

    fn chosen(rows: Vec<Row>, wanted: &Wanted, is_shown: &dyn Fn(&Refusal) -> bool) -> Vec<Refusal> {
        let words: Vec<Needle> = wanted.words.iter().map(|word| Needle::new(word)).collect();
        let mut refusals = Vec::new();
        for (key, value) in rows {
            if refusals.len() >= wanted.limit.min(LISTED_MAX) {
                break;
            }
            // One that is damaged hides no other.
            let Ok(refusal) = Refusal::decode(&value) else {
                warn!("what was written down of mail that was refused is damaged, and is left out");
                continue;
            };
            let is_then = Key::parse(&key).map_or(wanted.is_of_any_time(), |key| wanted.means(key.at));
            if is_then && is_shown(&refusal) && words.iter().all(|word| refusal.holds(word)) {
                refusals.push(refusal);
            }
        }
        refusals
    }

    /// The rows of an account, or those of nobody; newest first.
    fn rows(&self, account: Option<AccountId>) -> Result<Vec<Row>, Error> {
        let of = |account| {
            let prefix = row::of_account(account);
            self.0.table.scan(&prefix, &prefix, usize::MAX)
        };
        let Some(account) = account else {
            let mut rows = of(NOBODY)?;
            rows.append(&mut of(NO_RECIPIENT)?);
            rows.sort_by_cached_key(|(key, _)| Reverse(Key::parse(key).ok().map(|key| (key.at, key.number))));
            return Ok(rows);
        };
        let mut rows = of(account)?;
        rows.reverse();
        Ok(rows)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // What is noted may be lost.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is to know.
    fn accounts(&self, whose: &Whose, to: &str) -> Result<BTreeSet<AccountId>, Error> {
        if let Whose::Sender(account) = whose {
            return Ok(BTreeSet::from([*account]));
        }
        if to.is_empty() {
            return Ok(BTreeSet::from([NO_RECIPIENT]));
        }
        let resolution = match to.parse::<smtp_proto::Mailbox>() {
            Ok(mailbox) => self.0.directory.resolve(mailbox.local_part(), &mailbox.domain().to_string())?,
            Err(_) if to.eq_ignore_ascii_case("postmaster") => self.0.directory.resolve(to, "")?,
            Err(_) => Resolution::NotLocal,
        };
        Ok(match resolution {
            Resolution::Local { accounts, .. } => {
                accounts.into_iter().take(ACCOUNTS_MAX).map(|delivery| delivery.account).collect()
            }
            Resolution::List(list, _) if !list.owners.is_empty() => list.owners.iter().copied().collect(),
            Resolution::List(..) | Resolution::NoSuchUser | Resolution::NotLocal => BTreeSet::from([NOBODY]),
        })
    }
}

fn rows_max(account: AccountId) -> usize {
    match account {
        NOBODY => ROWS_OF_NOBODY_MAX,
        NO_RECIPIENT => ROWS_OF_NO_RECIPIENT_MAX,
        _ => ROWS_PER_ACCOUNT_MAX,
    }
}

/// Adds how often it was so in rows of the last hour to what is alike; the keys of those rows. One that is damaged is like none.
fn add_alike(before: &[Row], refusals: &mut [Refusal]) -> HashSet<Vec<u8>> {
    let mut of_guest: HashMap<_, &mut Refusal> =
        refusals.iter_mut().map(|refusal| (waiting::guest(refusal), refusal)).collect();
    let mut found = HashSet::new();
    for (key, value) in before {
        let Ok(known) = Refusal::decode(value) else { continue };
        let again = of_guest.get_mut(&waiting::guest(&known));
        if let Some(refusal) = again.filter(|refusal| refusal.at.0.saturating_sub(known.at.0) < ALIKE_MILLIS) {
            refusal.times = refusal.times.saturating_add(known.times);
            found.insert(key.clone());
        }
    }
    found
}

impl Wanted {
    fn is_of_any_time(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    fn means(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at <= until)
    }
}

impl Refusal {
    fn holds(&self, word: &Needle) -> bool {
        let About { message_id, subject, author } = &self.about;
        [&self.from, &self.to, &self.reply, &self.id, message_id, subject, author]
            .into_iter()
            .any(|text| word.is_in(text))
    }
}

#[cfg(test)]
mod tests;
