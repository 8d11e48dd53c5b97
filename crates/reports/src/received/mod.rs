//! Reports that others send us: about mail in the names of our domains, about TLS with our hosts, and complaints. The mail that
//! brings one is delivered like any mail; what is read of it is kept here for the view.
//!
//! Rows of the table, each key a letter and then:
//!
//! | letter | then | value |
//! |---|---|---|
//! | `i` | domain, 0, reporter, 0, day, digest | [`Brought`]: a report on mail |
//! | `j` | the same | its rows |
//! | `u` | the same | a report on TLS |
//! | `f` | day, reporter, 0, digest | [`Complaint`] |
//! | `p` | address | [`Named`]: its name |
//! | `x` | domain, 0, status | [`Rejection`]: mail of ours that its servers refuse |

mod rejected;
mod row;
mod view;
mod waiting;

pub use rejected::Rejection;
pub use view::{MailSeen, Source, TlsSeen, TlsTrouble};
pub use waiting::By;

use crate::arf::{self, Complaint};
use crate::day::Day;
use crate::dmarc::{self, Aggregate};
use crate::tls::{self, TlsReport};
use crate::{NotRead, is_report, packed};
use directory::Directory;
use message::section::decoded;
use message::{Part, Structure, parameter};
use row::{Key, Named};
use sender_auth::organisational;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Error, Store, Table, TableId, TableTx, Timestamp};
use tracing::info;
use waiting::{Waiting, Waits};

/// How long what was read is kept.
const KEPT_DAYS: u32 = 90;
/// A report about a day that is further in the future is none.
const AHEAD_DAYS: u32 = 1;
/// Reports about a local domain and all below it, of each kind; the oldest go first.
const REPORTS_PER_DOMAIN_MAX: usize = 500;
/// Of them those of one reporter, whatever names below its domain it has: who makes reports up pushes out no other's.
const REPORTS_PER_REPORTER_MAX: usize = 100;
/// Parts of a mail that are unpacked; a report has one.
const PARTS_MAX: usize = 3;
/// Complaints; the oldest go first.
const COMPLAINTS_MAX: usize = 1_000;
/// Of them those of one reporter.
const COMPLAINTS_PER_REPORTER_MAX: usize = 200;
/// Names of addresses.
const NAMES_MAX: usize = 5_000;

/// Reports that others send us. Cheap to clone.
#[derive(Clone)]
pub struct Received(Arc<Inner>);

struct Inner {
    table: Table,
    directory: Directory,
    waiting: Mutex<Waiting>,
    rejected: Mutex<rejected::Noted>,
}

/// A report as it is kept, its rows aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Brought<T> {
    /// Who brought it: the domain of the mail's author.
    by: String,
    /// Whether that is known to be so.
    is_checked: bool,
    report: T,
}

/// What a mail brings.
enum Read {
    Mail(Aggregate),
    Tls(TlsReport),
    Complaint(Complaint),
}

impl Received {
    /// What `store` has of them; which domains are ours, `directory` knows.
    #[must_use]
    pub fn new(store: &Store, directory: Directory) -> Self {
        let (table, waiting, rejected) = (store.table(TableId::Reports), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { table, directory, waiting, rejected }))
    }

    /// Looks whether a message that was delivered is a report. It costs nothing but memory, of which it takes a bounded piece;
    /// [`Self::write`] reads it. `by`: whose it is; `None`: nobody vouches for that.
    pub fn take(&self, content: &[u8], by: impl FnOnce() -> Option<By>, now: Timestamp) {
        if !is_report(content) {
            return;
        }
        let Some(by) = by() else {
            return info!(why = "nobody vouches for its author", "a report is not read");
        };
        if !self.waiting().take(content, by, now) {
            info!(why = "too many or too large", "a report is not read");
        }
    }

    /// Reads what waits, and writes down what it says, in one commit; nothing if nothing waits. What cannot be written is dropped:
    /// the mail is in its mailbox. Whether there was a report.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn write(&self, now: Timestamp) -> Result<bool, Error> {
        self.write_rejected()?;
        let waiting = self.waiting().all();
        if waiting.is_empty() {
            return Ok(false);
        }
        self.0.table.takes_mail()?;
        let mut rows = Vec::new();
        for Waits { content, by, at } in waiting {
            match read(&content, &by, at) {
                Ok(read) => self.rows_of(read, by, now, &mut rows)?,
                Err(why) => info!(by = by.domain, ?why, "a report is not read"),
            }
        }
        let mut kept = Vec::new();
        for (key, values) in rows {
            kept.push((self.local_of(&key.domain)?.unwrap_or_default().to_owned(), key, values));
        }
        self.0.table.change(|tx| kept.iter().try_for_each(|(local, key, values)| put(tx, local, key, values)))?;
        Ok(!kept.is_empty())
    }

    /// Forgets what is old.
    ///
    /// # Errors
    /// Faults.
    pub fn tidy(&self, now: Timestamp) -> Result<(), Error> {
        let oldest = Day(Day::of(now).0.saturating_sub(KEPT_DAYS));
        let mut gone = Vec::new();
        for letter in [b'i', b'j', b'u', b'f'] {
            let keys = self.0.table.scan(&[letter], &[letter], usize::MAX)?.into_iter().map(|(key, _)| key);
            gone.extend(keys.filter(|key| Key::parse(key).is_none_or(|key| key.day < oldest)));
        }
        let names = self.0.table.scan(b"p", b"p", usize::MAX)?;
        gone.extend(self.old_rejections(now)?);
        gone.extend(names.into_iter().filter(|(_, name)| Named::is_old(name, oldest)).map(|(key, _)| key));
        if gone.is_empty() {
            return Ok(());
        }
        self.0.table.change(|tx| {
            gone.iter().for_each(|key| tx.delete(key));
            Ok(())
        })
    }

    /// Keeps names of addresses that [`Self::unnamed`] gave; `None`: it has none that leads back to it.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn name(&self, names: &[(IpAddr, Option<String>)], now: Timestamp) -> Result<(), Error> {
        let known = self.0.table.scan(b"p", b"p", usize::MAX)?.len();
        self.0.table.change(|tx| {
            for (address, name) in names.iter().take(NAMES_MAX.saturating_sub(known)) {
                tx.put(&row::of_address(*address), row::encode(&Named { day: Day::of(now).0, name: name.clone() }));
            }
            Ok(())
        })
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // What waits may be lost.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be kept of a report; nothing of one that is not about us.
    fn rows_of(&self, read: Read, by: By, now: Timestamp, rows: &mut Vec<(Key, Vec<Vec<u8>>)>) -> Result<(), Error> {
        let By { domain: by, is_checked } = by;
        match read {
            Read::Complaint(complaint) => {
                let complaint = Complaint { by: by.clone(), is_checked, ..complaint };
                let digest = row::digest(&[complaint.message_id.as_bytes(), complaint.recipient.as_bytes()]);
                let key = Key { letter: b'f', domain: String::new(), by, day: Day::of(now), digest };
                rows.push((key, vec![row::encode(&complaint)]));
            }
            Read::Mail(mut report) => {
                let day = Day::of(Timestamp(report.between.0.saturating_mul(1000)));
                if !self.is_ours(&report.domain)? || !is_of_now(day, now) {
                    info!(by, domain = report.domain, "a report is not about mail of ours in these days");
                    return Ok(());
                }
                let (domain, id) = (report.domain.clone(), row::digest(&[report.id.as_bytes()]));
                let lines = row::encode(&std::mem::take(&mut report.rows));
                let key = Key { letter: b'i', domain, by: by.clone(), day, digest: id };
                rows.push((key, vec![row::encode(&Brought { by, is_checked, report }), lines]));
            }
            Read::Tls(report) => {
                let day = row::day(&report.date_range.start_datetime).filter(|day| is_of_now(*day, now));
                let Some(day) = day else {
                    info!(by, domain = "", "a report is not about mail of ours in these days");
                    return Ok(());
                };
                let mut domains: Vec<&str> =
                    report.policies.iter().map(|policy| policy.policy.policy_domain.as_str()).collect();
                domains.sort_unstable();
                domains.dedup();
                for domain in domains {
                    if !self.is_ours(domain)? {
                        continue;
                    }
                    let policies = report.policies.iter().filter(|policy| policy.policy.policy_domain == domain);
                    let part = TlsReport { policies: policies.cloned().collect(), ..report.clone() };
                    let digest = row::digest(&[part.report_id.as_bytes()]);
                    let key = Key { letter: b'u', domain: domain.to_owned(), by: by.clone(), day, digest };
                    rows.push((key, vec![row::encode(&Brought { by: by.clone(), is_checked, report: part })]));
                }
            }
        }
        Ok(())
    }

    /// Whether it is a local domain, or below one.
    fn is_ours(&self, domain: &str) -> Result<bool, Error> {
        Ok(self.local_of(domain)?.is_some())
    }

    /// The local domain that it is, or is below.
    fn local_of<'a>(&self, domain: &'a str) -> Result<Option<&'a str>, Error> {
        let mut rest = Some(domain);
        while let Some(name) = rest {
            if self.0.directory.is_local_domain(name)? {
                return Ok(Some(name));
            }
            rest = name.split_once('.').map(|(_, parent)| parent);
        }
        Ok(None)
    }
}

fn is_of_now(day: Day, now: Timestamp) -> bool {
    let today = Day::of(now).0;
    day.0 <= today.saturating_add(AHEAD_DAYS) && day.0 >= today.saturating_sub(KEPT_DAYS)
}

/// Puts a report, and takes away the oldest of what is too much then. `local`: below which domain of ours.
fn put(tx: &mut TableTx<'_>, local: &str, key: &Key, values: &[Vec<u8>]) -> Result<(), Error> {
    let (most, own_most) = match key.letter {
        b'f' => (COMPLAINTS_MAX, COMPLAINTS_PER_REPORTER_MAX),
        _ => (REPORTS_PER_DOMAIN_MAX, REPORTS_PER_REPORTER_MAX),
    };
    // Names below a domain are whatever a reporter makes up.
    let is_beside = |known: &Key| {
        let below = known.domain.strip_suffix(local);
        below.is_some_and(|below| below.is_empty() || below.ends_with('.')) && known != key
    };
    let known = tx.scan_before(&[key.letter], &[key.letter], usize::MAX)?;
    let mut known: Vec<Key> = known.iter().filter_map(|(key, _)| Key::parse(key)).filter(is_beside).collect();
    known.sort_by_key(|key| key.day);
    let own = known.iter().filter(|known| organisational(&known.by) == organisational(&key.by));
    let own_too_many = (own.clone().count() + 1).saturating_sub(own_most);
    let gone: Vec<Key> = match own_too_many {
        0 => known.iter().take((known.len() + 1).saturating_sub(most)).cloned().collect(),
        _ => own.take(own_too_many).cloned().collect(),
    };
    for key in gone {
        tx.delete(&key.to_bytes());
        tx.delete(&Key { letter: b'j', ..key }.to_bytes());
    }
    let letters = [key.letter, b'j'];
    for (letter, value) in letters.into_iter().zip(values) {
        tx.put(&Key { letter, ..key.clone() }.to_bytes(), value.clone());
    }
    Ok(())
}

/// What a mail brings.
fn read(content: &[u8], by: &By, at: Timestamp) -> Result<Read, NotRead> {
    let structure = Structure::parse(content);
    if let Some(complaint) = arf::read(content, &structure) {
        return Ok(Read::Complaint(Complaint { at: at.0, by: by.domain.clone(), ..complaint }));
    }
    let mut why = NotRead::Malformed;
    for part in structure.root.walk().filter(|part| may_be_a_report(part)).take(PARTS_MAX) {
        let Ok(packed) = decoded(part, content) else { continue };
        let document = match packed::unpacked(&packed) {
            Ok(document) => document,
            Err(error) => {
                why = error;
                continue;
            }
        };
        // What it is, its first character says; names and types of files are often wrong.
        let read = match document.iter().find(|octet| !octet.is_ascii_whitespace()) {
            Some(b'{') => tls::read(&document).map(Read::Tls),
            _ => dmarc::read(document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&document)).map(Read::Mail),
        };
        match read {
            Ok(read) => return Ok(read),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// Reads any octets. What is said of a complaint is short, and on one line.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn check(content: &[u8]) -> Result<(), String> {
    let _is = is_report(content);
    let by = By { domain: "example.com".to_owned(), is_checked: true };
    let Ok(Read::Complaint(complaint)) = read(content, &by, Timestamp(0)) else { return Ok(()) };
    let Complaint { kind, source, mail_from, author, recipient, subject, message_id, failure, .. } = &complaint;
    let texts = [kind, source, mail_from, author, recipient, subject, message_id, failure];
    // A letter may become two in lower case.
    let is_short = |text: &&String| text.len() <= 2 * arf::TEXT_BYTES_MAX && !text.contains(char::is_control);
    if texts.iter().all(is_short) { Ok(()) } else { Err(format!("too long, or no line: {complaint:?}")) }
}

/// By its type, or the name of its file.
fn may_be_a_report(part: &Part) -> bool {
    let name = parameter::decoded(&part.parameters, "name");
    let file = part.disposition.as_ref().and_then(|it| parameter::decoded(&it.parameters, "filename"));
    let named = [name, file].into_iter().flatten().any(|name| {
        let name = name.to_lowercase();
        [".xml", ".gz", ".zip", ".json"].iter().any(|ending| name.ends_with(ending))
    });
    let kind = part.subtype.as_str();
    named || ["xml", "gzip", "x-gzip", "zip", "x-zip-compressed", "tlsrpt+gzip", "tlsrpt+json"].contains(&kind)
}

#[cfg(test)]
mod tests;
