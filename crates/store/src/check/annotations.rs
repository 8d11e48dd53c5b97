//! Annotations: each row is of a mailbox that is there, or of the account.

use super::Check;
use crate::account::ANNOTATIONS_MAX;
use crate::account::annotations::decode;
use crate::engine::Snapshot;
use crate::error::Error;
use crate::ids::MailboxId;
use crate::key;
use crate::seen::SeenBlock;
use crate::state::{self, AccountState};

impl Check {
    pub(super) fn annotations(&mut self, snapshot: &dyn Snapshot, state: &AccountState) -> Result<(), Error> {
        state::scan(snapshot, key::all_annotations(), |key, value| {
            let of = key::number_at(key, 2).unwrap_or(u32::MAX);
            let known = of == 0 || state.mailboxes.contains_key(&MailboxId(of));
            self.must(known, format_args!("annotations are of no mailbox (key {key:02x?})"));
            let all = decode(value).is_ok_and(|all| all.len() <= ANNOTATIONS_MAX);
            self.must(all, format_args!("annotations are damaged (key {key:02x?})"));
            Ok(())
        })?;
        // As they do, the key of a mailbox goes with it.
        state::scan(snapshot, key::all_url_keys(), |key, _| {
            let known = key::number_at(key, 2).is_ok_and(|id| state.mailboxes.contains_key(&MailboxId(id)));
            self.must(known, format_args!("a key of addresses is of no mailbox (key {key:02x?})"));
            Ok(())
        })?;
        self.marks(snapshot, state)
    }

    /// What guests have seen is of a mailbox that is there, and no right begins later than now.
    fn marks(&mut self, snapshot: &dyn Snapshot, state: &AccountState) -> Result<(), Error> {
        for mailbox in state.mailboxes.values().map(|state| &state.mailbox) {
            let begun = |(account, _)| mailbox.acl.readable_since(account) <= state.head;
            self.must(mailbox.acl.iter().all(begun), format_args!("{:?} is to be read from later on", mailbox.name));
        }
        for range in key::all_marks() {
            state::scan(snapshot, range, |key, value| {
                let known = key::number_at(key, 2).is_ok_and(|id| state.mailboxes.contains_key(&MailboxId(id)));
                self.must(known, format_args!("what a guest has seen is of no mailbox (key {key:02x?})"));
                let is_read = key.len() == 10 || SeenBlock::decode(value).is_ok();
                self.must(is_read, format_args!("what a guest has seen is damaged (key {key:02x?})"));
                Ok(())
            })?;
        }
        Ok(())
    }
}
