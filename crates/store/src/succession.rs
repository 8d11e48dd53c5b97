//! What changes of an account when a copy of it goes on in place of the original, of whose last commits it may lack some.
//!
//! Whoever used the original has seen numbers that the copy knows nothing of, and none of them may be given to something else. So every
//! mailbox gets another UIDVALIDITY (RFC 9051 §2.3.1.1), as after a restore ([`crate::backup`]); MODSEQs go on far above the last
//! one, numbers of messages (EMAILID, RFC 8474 §5.1; UIDL, RFC 1939 §7) above the clock of the original, and numbers of mailboxes,
//! devices and holds with a gap. A leap of the UIDs alone would not do: a client that synchronises by MODSEQ (RFC 7162) would never be
//! told that a message is not there, or that a flag is not set, whose commit is lost.

use crate::backup::{Kept, Renewal};
use crate::engine::{Commit, Engine, Write};
use crate::error::Error;
use crate::ids::{AccountId, EmailId, HoldId, MailboxId, ModSeq, Timestamp, UidValidity};
use crate::key;
use crate::objects::ObjectName;
use crate::record::{AccountRecord, BodyRecord};
use crate::state::scan;

/// The original has not committed so often without the copy.
const MODSEQ_LEAP: u64 = 1 << 20;
/// Nor given so many numbers to mailboxes, devices or holds.
const NUMBER_LEAP: u32 = 1000;

/// The object in which a row says that a body lies.
#[must_use]
pub fn object_of(key: &[u8], value: &[u8]) -> Option<ObjectName> {
    match BodyRecord::decode(value) {
        Ok(BodyRecord::Object { name, .. }) if is_body(key) => Some(name),
        Ok(BodyRecord::Inline { .. } | BodyRecord::Object { .. }) | Err(_) => None,
    }
}

/// Whether a row of an account is a body, or says where one lies.
#[must_use]
pub fn is_body(key: &[u8]) -> bool {
    key.first() == key::body(EmailId(0)).first()
}

/// Makes a keyspace go on as that of a successor, in one commit. `now`: no earlier than the original's clock when it ended. What was done
/// twice is done.
///
/// # Errors
/// Faults; a record that is damaged.
pub fn succeed(engine: &dyn Engine, keyspace: AccountId, now: Timestamp) -> Result<(), Error> {
    match succession(engine, keyspace, now)? {
        Some(commit) => engine.commit(commit).map_err(Error::fault),
        None => Ok(()),
    }
}

/// Whether [`succeed`] could read what it needs.
///
/// # Errors
/// As [`succeed`]; nothing is changed.
pub fn can_succeed(engine: &dyn Engine, keyspace: AccountId) -> Result<(), Error> {
    succession(engine, keyspace, Timestamp(0)).map(drop)
}

fn succession(engine: &dyn Engine, keyspace: AccountId, now: Timestamp) -> Result<Option<Commit>, Error> {
    let snapshot = engine.snapshot(keyspace)?;
    let expected = snapshot.head();
    if expected == ModSeq(0) {
        return Ok(None);
    }
    let mut writes = Vec::new();
    if matches!(Kept::of(keyspace), Some(Kept::Account(_))) {
        let mut renewal = Renewal::new(now);
        let account = key::account();
        let record = snapshot.get(&account)?.ok_or_else(|| Error::fault("an account has no record"))?;
        let record = leapt(&record, now)?;
        writes.push(Write::Put { value: renewal.value(&account, record)?, key: account });
        for range in [key::kind(b'B'), key::all_url_keys()] {
            scan(&*snapshot, range, |key, value| {
                writes.push(Write::Put { key: key.to_vec(), value: renewal.value(key, value.to_vec())? });
                Ok(())
            })?;
        }
    }
    let next = ModSeq(expected.0.saturating_add(MODSEQ_LEAP));
    Ok(Some(Commit { account: keyspace, expected, next, writes }))
}

/// The record of an account, with a gap behind each number that it has given.
fn leapt(record: &[u8], now: Timestamp) -> Result<Vec<u8>, Error> {
    let (mut record, _) = AccountRecord::decode(record).map_err(Error::corrupt("the record of an account"))?;
    let clock = now.0.max(0).unsigned_abs().saturating_mul(1000);
    record.last_email = EmailId(record.last_email.0.max(clock));
    record.last_uid_validity = UidValidity(record.last_uid_validity.0.saturating_add(NUMBER_LEAP));
    record.last_mailbox = MailboxId(record.last_mailbox.0.saturating_add(NUMBER_LEAP));
    record.last_device = record.last_device.saturating_add(NUMBER_LEAP);
    record.last_hold = HoldId(record.last_hold.0.saturating_add(NUMBER_LEAP));
    Ok(record.encode())
}
