//! A message is handed over for an account: stored once, however often it comes ([`crate::receipt`]).

use super::Account;
use super::append::store_new;
use crate::error::Error;
use crate::flags::Flags;
use crate::identity::Origin;
use crate::ids::{EmailId, Timestamp};
use crate::journal::Actor;
use crate::objects::Shared;
use crate::quota::Amount;
use crate::receipt::{Claim, Claims, Handover, RECEIPTS_MAX, Receipt};
use crate::role::Role;
use crate::tx::Tx;
use message::Summary;
use std::sync::Arc;

/// Where a message is put that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// INBOX.
    Inbox,
    /// The mailbox for junk, which is made if there is none.
    Junk,
}

/// What became of a message that was handed over.
#[derive(Debug)]
pub struct Received {
    /// The message.
    pub email: EmailId,
    /// It was stored when it came before.
    pub was_there: bool,
    /// To be answered.
    pub claim: Claim,
}

impl Account {
    /// Stores a message in INBOX, or in Junk, unless it came before and its client had no answer. Its octets are not copied where
    /// they are many, and nobody has them any more when this returns.
    ///
    /// # Errors
    /// As [`Account::append`].
    pub fn receive(&self, actor: Actor, body: Shared, handover: Handover, place: Place) -> Result<Received, Error> {
        let prepared = self.prepare(&body, &Summary::parse((*body).as_ref()), Origin::Delivered)?;
        drop(body);
        let (object, claims) = (prepared.object.clone(), Arc::clone(&self.cell.claims));
        let received = self.transact(move |tx| {
            if let Some((email, claim)) = tx.known(&claims, &handover, actor.now) {
                return Ok(Received { email, was_there: true, claim });
            }
            tx.must_fit(Amount::of_one(prepared.size))?;
            let mailbox = match place {
                Place::Inbox => tx.state.inbox()?.id,
                Place::Junk => tx.mailbox_of(actor, Role::Junk)?,
            };
            let email = store_new(tx, actor, mailbox, &Flags::default(), actor.now, &prepared)?.email;
            Ok(Received { email, was_there: false, claim: tx.note_receipt(&claims, email, handover, actor.now) })
        });
        let is_stored = received.as_ref().is_ok_and(|received| !received.was_there);
        self.remove_unless(is_stored, received.as_ref().err(), object);
        self.forget_gone_receipts();
        received
    }

    /// How a message was handed over first that is handed over again now.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn first_handover(&self, handover: &Handover, now: Timestamp) -> Result<Option<Handover>, Error> {
        let (state, sent) = (self.cell.state()?, handover.for_sent().digest);
        let is_it = |receipt: &&Receipt| {
            let same = receipt.handover.digest == handover.digest || receipt.handover.digest == sent;
            same && !receipt.handover.is_old(now) && self.cell.claims.is_free(receipt.email.0)
        };
        let first = state.record.receipts.iter().find(is_it).map(|receipt| receipt.handover);
        Ok(first.map(|Handover { at, serial, .. }| Handover { at, serial, ..*handover }))
    }

    /// Takes the receipts away whose clients have their answers.
    ///
    /// # Errors
    /// [`Error::NoSpace`], faults.
    pub(crate) fn tidy_receipts(&self, now: Timestamp) -> Result<(), Error> {
        let answered = self.cell.claims.answered();
        if answered.is_empty() {
            return Ok(());
        }
        let claims = Arc::clone(&self.cell.claims);
        let tidied = self.transact(move |tx| {
            tx.tidy_receipts(&claims, now);
            Ok(())
        });
        match tidied {
            Err(Error::NoSuchAccount) => self.cell.claims.forget(&answered),
            Err(error) => return Err(error),
            Ok(()) => self.forget_gone_receipts(),
        }
        Ok(())
    }

    /// What was answered, and has no receipt any more.
    pub(super) fn forget_gone_receipts(&self) {
        let mut answered = self.cell.claims.answered();
        if !answered.is_empty()
            && let Ok(state) = self.cell.state()
        {
            answered.retain(|number| state.record.receipts.iter().all(|receipt| receipt.email.0 != *number));
            self.cell.claims.forget(&answered);
        }
    }
}

impl Tx<'_> {
    /// The message, if it came before and its client had no answer; it is the caller's then.
    pub(super) fn known(&self, claims: &Arc<Claims>, handover: &Handover, now: Timestamp) -> Option<(EmailId, Claim)> {
        let same = |receipt: &&Receipt| receipt.handover.digest == handover.digest && !receipt.handover.is_old(now);
        let mut known = self.state.record.receipts.iter().filter(same).map(|receipt| receipt.email);
        known.find(|email| claims.take(email.0)).map(|email| (email, claims.claim(email.0)))
    }

    /// Writes the receipt of a message that was just stored.
    pub(super) fn note_receipt(
        &mut self,
        claims: &Arc<Claims>,
        email: EmailId,
        handover: Handover,
        now: Timestamp,
    ) -> Claim {
        self.tidy_receipts(claims, now);
        let receipts = &mut self.change_record().receipts;
        receipts.push(Receipt { email, handover });
        receipts.drain(..receipts.len().saturating_sub(RECEIPTS_MAX));
        claims.take(email.0);
        claims.claim(email.0)
    }

    fn tidy_receipts(&mut self, claims: &Claims, now: Timestamp) {
        let answered = claims.answered();
        let goes = |receipt: &Receipt| answered.contains(&receipt.email.0) || receipt.handover.is_old(now);
        if self.state.record.receipts.iter().any(goes) {
            self.change_record().receipts.retain(|receipt| !goes(receipt));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{NewMessage, Target};
    use crate::engine::Engine;
    use crate::ids::{AccountId, DeviceId};
    use crate::journal::Protocol;
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;
    use std::ops::ControlFlow;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    /// The rows of an account, and their octets.
    fn rows(engine: &SimEngine, id: AccountId) -> (usize, usize) {
        let mut rows = (0, 0);
        let mut visit = |key: &[u8], value: &[u8]| {
            rows = (rows.0 + 1, rows.1 + key.len() + value.len());
            ControlFlow::Continue(())
        };
        engine.snapshot(id).unwrap().scan(&[0], &[0xff], &mut visit).unwrap();
        rows
    }

    #[test]
    fn what_is_handed_over_again_is_the_message_that_is_there_until_its_client_has_an_answer() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), NOW).unwrap();
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: NOW };
        let hand_over = || {
            let body: Shared = Arc::new(b"S: 1\r\n\r\n".to_vec());
            account.receive(actor, body, Handover::new(&[b"x"], NOW, 1), Place::Inbox).unwrap()
        };
        let first = hand_over();
        let email = first.email;
        drop(first.claim);
        let again = hand_over();
        assert_eq!((again.email, again.was_there), (email, true));
        again.claim.answered();
        let another = hand_over();
        assert!(another.email != email && !another.was_there);
    }

    #[test]
    fn a_receipt_costs_no_commit_no_row_and_at_most_40_octets_and_goes() {
        let engine = SimEngine::new();
        let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let [plain, received] = [16, 17].map(|id| store.create_account(AccountId(id), NOW).unwrap());
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: NOW };
        let message = || NewMessage { body: b"S: 1\r\n\r\n".to_vec(), flags: Flags::default(), internal_date: NOW };
        let before = engine.commits();
        (0..10).for_each(|_| {
            plain.append(actor, Target::Inbox, message()).unwrap();
        });
        let plainly = engine.commits() - before;
        (0..10).for_each(|n| {
            let handover = Handover::new(&[&[n]], NOW, n.into());
            received.receive(actor, Arc::new(message().body), handover, Place::Inbox).unwrap().claim.answered();
        });
        assert_eq!(engine.commits() - before, 2 * plainly);
        let ((count, octets), (with, more)) = (rows(&engine, AccountId(16)), rows(&engine, AccountId(17)));
        assert!(with == count && (1..=40).contains(&(more - octets)), "{with} {count} {more} {octets}");
        store.tidy_receipts(NOW);
        assert_eq!(rows(&engine, AccountId(17)), (count, octets));
        assert!(received.cell.claims.is_empty());
    }
}
