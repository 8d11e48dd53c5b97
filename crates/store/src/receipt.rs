//! Receipts: an account has a message, and who handed it over may not know yet.
//!
//! A client that has no answer, or a refusal for all recipients together, hands the message over again. An account that has
//! it must not get it twice, also when this process has died in between. So the commit that brings a message writes a
//! receipt, in the account's record, which that commit writes anyway; and once the client has its answer, some later commit
//! takes the receipt away. What is handed over again finds the receipt; what is sent once more on purpose finds none.
//!
//! In memory ([`Claims`]) lies whose transaction runs, and who has an answer. After a crash that is forgotten: a receipt
//! whose client had its answer just before stands for one that had none. So receipts go soon ([`crate::Store::tidy_receipts`]).
//!
//! Invariant: a receipt that belongs to a transaction that runs, or was answered, makes no other message the same.

use crate::codec::{Corrupt, Reader, Writer};
use crate::ids::{EmailId, Timestamp};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An account keeps so many receipts; the oldest is forgotten first. Forgetting doubles a message, it never loses one.
pub const RECEIPTS_MAX: usize = 64;
/// For so long: senders try again for four or five days (RFC 5321 §4.5.4.1).
pub const RECEIPT_MILLIS: i64 = 5 * 24 * 60 * 60 * 1000;

/// A message as it is handed over: of the same digest when it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Of who sends it, and of all its octets.
    pub digest: [u8; 16],
    /// When it came first.
    pub at: Timestamp,
    /// Tells it from others of the same moment.
    pub serial: u32,
}

impl Handover {
    /// A message that consists of `parts`, its sender among them.
    #[must_use]
    pub fn new(parts: &[&[u8]], at: Timestamp, serial: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        Self { digest: hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default(), at, serial }
    }

    /// The same for the copy in Sent, which is another one than the copy that a sender gets of mail to oneself.
    #[must_use]
    pub(crate) fn for_sent(self) -> Self {
        Self::new(&[b"sent", &self.digest], self.at, self.serial)
    }

    /// Whether it came so long ago that it does not come again.
    #[must_use]
    pub fn is_old(&self, now: Timestamp) -> bool {
        now.0.saturating_sub(self.at.0) > RECEIPT_MILLIS
    }
}

/// An account has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) email: EmailId,
    pub(crate) handover: Handover,
}

impl Receipt {
    pub(crate) fn write_all(receipts: &[Self], w: &mut Writer) {
        w.number(receipts.len() as u64);
        for Self { email, handover: Handover { digest, at, serial } } in receipts {
            w.raw(digest).signed(at.0).number((*serial).into()).number(email.0);
        }
    }

    /// Records of earlier versions end before their receipts.
    pub(crate) fn read_all(r: &mut Reader<'_>) -> Result<Vec<Self>, Corrupt> {
        if r.0.is_empty() {
            return Ok(Vec::new());
        }
        r.list(|r| {
            let digest = r.array()?;
            let (at, serial) = (Timestamp(r.signed()?), r.small()?);
            Ok(Self { email: EmailId(r.number()?), handover: Handover { digest, at, serial } })
        })
    }
}

/// Of which receipts the transaction runs, and of which the client has its answer. Receipts have numbers.
#[derive(Debug, Default)]
pub struct Claims(Mutex<Claimed>);

#[derive(Debug, Default)]
struct Claimed {
    running: HashSet<u64>,
    answered: HashSet<u64>,
}

/// A receipt of a transaction that runs. Dropped without an answer: the message comes again, and finds it.
#[derive(Debug)]
#[must_use = "without an answer the message is taken to come again"]
pub struct Claim {
    claims: Arc<Claims>,
    number: u64,
}

impl Claims {
    /// Takes a receipt that belongs to no transaction that runs and to none that was answered; whether it did.
    pub fn take(&self, number: u64) -> bool {
        let mut claimed = self.lock();
        !claimed.answered.contains(&number) && claimed.running.insert(number)
    }

    /// Whether it could be taken.
    #[must_use]
    pub fn is_free(&self, number: u64) -> bool {
        let claimed = self.lock();
        !claimed.answered.contains(&number) && !claimed.running.contains(&number)
    }

    /// The transaction is over without an answer.
    pub fn give_back(&self, number: u64) {
        self.lock().running.remove(&number);
    }

    /// A receipt that was taken.
    pub fn claim(self: &Arc<Self>, number: u64) -> Claim {
        Claim { claims: Arc::clone(self), number }
    }

    /// Of which receipts the client has its answer: they may go.
    #[must_use]
    pub fn answered(&self) -> Vec<u64> {
        self.lock().answered.iter().copied().collect()
    }

    /// These receipts are gone.
    pub fn forget(&self, numbers: &[u64]) {
        let mut claimed = self.lock();
        claimed.answered.retain(|number| !numbers.contains(number));
    }

    pub(crate) fn is_empty(&self) -> bool {
        let claimed = self.lock();
        claimed.running.is_empty() && claimed.answered.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Claimed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// The client has its answer: the same once more is another message.
    pub fn answered(self) {
        let mut claimed = self.claims.lock();
        if claimed.running.remove(&self.number) {
            claimed.answered.insert(self.number);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.give_back(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_belongs_to_one_transaction_at_a_time_and_to_none_after_the_answer() {
        let claims = Arc::new(Claims::default());
        assert!(claims.take(7) && !claims.take(7) && !claims.is_free(7));
        drop(claims.claim(7));
        assert!(claims.is_free(7) && claims.take(7));
        claims.claim(7).answered();
        assert!(!claims.is_free(7) && !claims.take(7) && claims.answered() == [7]);
        claims.forget(&[7]);
        assert!(claims.is_empty() && claims.take(7));
    }

    #[test]
    fn parts_are_told_apart() {
        let digest = |parts: &[&[u8]]| Handover::new(parts, Timestamp(1), 1).digest;
        assert_eq!(digest(&[b"a", b"bc"]), Handover::new(&[b"a", b"bc"], Timestamp(2), 2).digest);
        assert_ne!(digest(&[b"a", b"bc"]), digest(&[b"ab", b"c"]));
        assert_ne!(digest(&[b"a"]), Handover::new(&[b"a"], Timestamp(1), 1).for_sent().digest);
    }

    #[test]
    fn receipts_are_read_as_they_are_written() {
        let receipts: Vec<Receipt> = (0..3)
            .map(|n| Receipt { email: EmailId(n), handover: Handover::new(&[&[n as u8]], Timestamp(-(n as i64)), 9) })
            .collect();
        let mut w = Writer::default();
        Receipt::write_all(&receipts, &mut w);
        assert_eq!(Receipt::read_all(&mut Reader(&w.0)), Ok(receipts));
        assert_eq!(Receipt::read_all(&mut Reader(&[])), Ok(Vec::new()), "a record of an earlier version");
        assert_eq!(Receipt::read_all(&mut Reader(&w.0[..w.0.len() - 1])), Err(Corrupt));
    }
}
