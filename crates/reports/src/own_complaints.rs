//! Complaints that this server has sent, because somebody called a message junk whose sender wants to be told: for the timelines of
//! accounts, and so that none is sent twice and nobody sends many.
//!
//! Rows: `v` account moment = an [`OwnComplaint`].

use serde::{Deserialize, Serialize};
use store::{AccountId, EmailId, Error, Row, Store, Table, TableId, Timestamp};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Somebody complains about so many messages within a day.
const PER_DAY_MAX: usize = 20;
/// They are kept for so many days.
const KEPT_DAYS: usize = 30;
/// An account has no more of them than it makes meanwhile.
const KEPT_MAX: usize = KEPT_DAYS * PER_DAY_MAX;
const KEPT_MILLIS: i64 = KEPT_DAYS as i64 * DAY_MILLIS;
/// So much is kept of a subject.
const SUBJECT_CHARS_MAX: usize = 200;
/// So many are looked at, or taken away, at once.
const AT_ONCE: usize = 500;
const ROW: &[u8] = b"v";

/// A complaint of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnComplaint {
    /// When, in milliseconds since 1970.
    pub at_millis: i64,
    /// The number of the message.
    pub email: u64,
    /// Its subject, decoded.
    pub subject: String,
    /// Who was told.
    pub to: Vec<String>,
}

/// What accounts have complained about. Cheap to clone.
#[derive(Clone)]
pub struct OwnComplaints(Table);

impl OwnComplaint {
    /// When.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp(self.at_millis)
    }

    /// The message.
    #[must_use]
    pub fn email(&self) -> EmailId {
        EmailId(self.email)
    }

    fn is_old(&self, now: Timestamp) -> bool {
        now.0.saturating_sub(self.at_millis) > KEPT_MILLIS
    }

    /// What cannot be read tells nothing.
    fn of_row((_, value): &Row) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }
}

impl OwnComplaints {
    /// Those of `store`.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self(store.table(TableId::Reports))
    }

    /// What an account has complained about, newest first.
    ///
    /// # Errors
    /// Faults.
    pub fn list(&self, account: AccountId) -> Result<Vec<OwnComplaint>, Error> {
        let rows = self.0.scan(&prefix(account), &[], 2 * KEPT_MAX)?;
        Ok(rows.iter().rev().filter_map(OwnComplaint::of_row).collect())
    }

    /// Whether an account may complain about a message: it has not yet, nor about too many within a day.
    ///
    /// # Errors
    /// Faults.
    pub fn may(&self, account: AccountId, email: EmailId, now: Timestamp) -> Result<bool, Error> {
        let known = self.list(account)?;
        let of_today = known.iter().filter(|known| now.0.saturating_sub(known.at_millis) < DAY_MILLIS).count();
        Ok(of_today < PER_DAY_MAX && known.iter().all(|known| known.email != email.0))
    }

    /// Writes down that an account has complained. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn note(&self, account: AccountId, complaint: &OwnComplaint) -> Result<(), Error> {
        let complaint =
            OwnComplaint { subject: complaint.subject.chars().take(SUBJECT_CHARS_MAX).collect(), ..complaint.clone() };
        let value = serde_json::to_vec(&complaint).map_err(|error| Error::Fault(format!("a complaint: {error}")))?;
        self.0.change(|tx| {
            let kept = tx.scan_before(&prefix(account), &[], usize::MAX)?;
            let mut at = complaint.at_millis;
            let key = |at: i64| [&prefix(account)[..], &at.to_be_bytes()].concat();
            while tx.get(&key(at))?.is_some() {
                at += 1;
            }
            let too_many = (kept.len() + 1).saturating_sub(KEPT_MAX);
            for (place, row) in kept.iter().enumerate() {
                if place < too_many || OwnComplaint::of_row(row).is_none_or(|known| known.is_old(complaint.at())) {
                    tx.delete(&row.0);
                }
            }
            tx.put(&key(at), value.clone());
            Ok(())
        })
    }

    /// Takes away what is old, of all accounts, also of those that have gone.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn forget(&self, now: Timestamp) -> Result<(), Error> {
        let mut from = ROW.to_vec();
        loop {
            let rows = self.0.scan(ROW, &from, AT_ONCE)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            from = [&last[..], &[0]].concat();
            let is_old = |row: &&Row| OwnComplaint::of_row(row).is_none_or(|known| known.is_old(now));
            let old: Vec<&Row> = rows.iter().filter(is_old).collect();
            if !old.is_empty() {
                self.0.change(|tx| {
                    old.iter().for_each(|(key, _)| tx.delete(key));
                    Ok::<_, Error>(())
                })?;
            }
        }
    }
}

fn prefix(account: AccountId) -> Vec<u8> {
    [ROW, &account.0.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

    const NOW: Timestamp = SIM_EPOCH;

    fn later(days: i64) -> Timestamp {
        Timestamp(NOW.0 + days * DAY_MILLIS)
    }

    fn complaint(email: u64, at: Timestamp) -> OwnComplaint {
        OwnComplaint { at_millis: at.0, email, subject: "s".repeat(500), to: vec!["fbl@news.example".to_owned()] }
    }

    fn complaints() -> OwnComplaints {
        OwnComplaints::of(&Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new())))
    }

    #[test]
    fn an_account_complains_once_about_a_message_and_about_so_many_within_a_day() {
        let (complaints, alice, bob) = (complaints(), AccountId(1), AccountId(2));
        let may = |account, email, now| complaints.may(account, EmailId(email), now).unwrap();
        for email in 0..PER_DAY_MAX as u64 {
            assert!(may(alice, email, NOW), "{email}");
            complaints.note(alice, &complaint(email, NOW)).unwrap();
        }
        assert!(!may(alice, 99, NOW) && may(bob, 99, NOW) && !may(alice, 99, Timestamp(later(1).0 - 1)));
        assert!(may(alice, 99, later(1)) && !may(alice, 7, later(1)));
        let told = complaints.list(alice).unwrap();
        assert_eq!((told.len(), told[0].email, told[0].subject.len()), (PER_DAY_MAX, 19, SUBJECT_CHARS_MAX));
        assert_eq!(complaints.list(bob).unwrap(), []);
    }

    #[test]
    fn what_is_old_or_too_much_goes() {
        let (complaints, alice) = (complaints(), AccountId(1));
        for number in 0..=KEPT_MAX as u64 {
            complaints.note(alice, &complaint(number, NOW)).unwrap();
        }
        let told = complaints.list(alice).unwrap();
        assert_eq!((told.len(), told.last().map(|oldest| oldest.email)), (KEPT_MAX, Some(1)));
        complaints.note(AccountId(2), &complaint(1, later(1))).unwrap();
        complaints.forget(later(30)).unwrap();
        assert_eq!(complaints.list(alice).unwrap().len(), KEPT_MAX);
        complaints.forget(Timestamp(later(30).0 + 1)).unwrap();
        assert_eq!(complaints.list(alice).unwrap(), []);
        assert_eq!(complaints.list(AccountId(2)).unwrap().len(), 1);
        complaints.note(AccountId(2), &complaint(2, later(32))).unwrap();
        assert_eq!(complaints.list(AccountId(2)).unwrap().len(), 1);
    }
}
