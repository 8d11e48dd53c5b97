//! The list of subscriptions (RFC 9051 §6.3.7).
//!
//! What a mailbox is subscribed to is part of its record, and goes where it goes when it is renamed. Beside that the list
//! has names that no mailbox has: those of mailboxes that were deleted, and those that a program put on it by itself. A
//! mailbox that is made, or renamed to such a name, takes it over.
//! `docs/decisions/0026-subscriptions-without-a-mailbox.md` says more.
//!
//! Invariant: no name of these is that of a mailbox.

use super::Account;
use crate::error::Error;
use crate::journal::{Actor, Change, OfMailbox};
use crate::name;
use crate::record::Mailbox;
use crate::state::same_name;
use crate::tx::Tx;

/// The list of subscriptions has at most this many names that no mailbox has.
pub(crate) const SUBSCRIBED_WITHOUT_MAILBOX_MAX: usize = 1000;

impl Account {
    /// Puts a name on the list of subscriptions or takes it off, whether there is a mailbox of that name or not. Where
    /// there is none, a name that is put on it is one that a mailbox may have.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::Limit`], [`Error::NoSpace`], faults.
    pub fn subscribe(&self, actor: Actor, name: &str, subscribed: bool) -> Result<(), Error> {
        let name = name.strip_suffix('/').unwrap_or(name).to_owned();
        self.transact(move |tx| {
            let mailbox = tx.state.by_name(&name).map(|state| (state.mailbox.id, state.mailbox.subscribed));
            match mailbox {
                Some((_, before)) if before == subscribed => {}
                Some((mailbox, _)) => {
                    tx.change_mailbox(mailbox)?.mailbox.subscribed = subscribed;
                    tx.journal(actor, Change::Mailbox(OfMailbox::Subscribed { mailbox, subscribed }));
                }
                None if subscribed => tx.subscribe_name(actor, &name)?,
                None => tx.unsubscribe_name(actor, &name),
            }
            Ok(())
        })
    }
}

/// What becomes of names on the list whose mailboxes, which are somebody else's, have others from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Former {
    /// They stay on it, beside the new ones.
    Stay,
    /// They go.
    Go,
}

impl Account {
    /// Puts for each name on the list that is `from`, or below it, the same below `to` on it. Names that mailboxes have are not looked
    /// at. With [`Former::Stay`] it takes what the list has room for.
    ///
    /// # Errors
    /// [`Error::NoSpace`], faults.
    pub fn rename_subscriptions(&self, actor: Actor, (from, to): (&str, &str), former: Former) -> Result<(), Error> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.transact(move |tx| {
            let below =
                |name: &String| name.strip_prefix(&from).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let names: Vec<String> = tx.state.subscriptions.iter().filter(|name| below(name)).cloned().collect();
            for name in names {
                let new = format!("{to}{}", name.get(from.len()..).unwrap_or_default());
                if former == Former::Go {
                    tx.unsubscribe_name(actor, &name);
                }
                if tx.state.by_name(&new).is_none() {
                    match tx.subscribe_name(actor, &new) {
                        // One that no mailbox may have, or too many of them: the others come along.
                        Ok(()) | Err(Error::InvalidName(_) | Error::Limit(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Ok(())
        })
    }
}

impl Tx<'_> {
    fn subscribe_name(&mut self, actor: Actor, name: &str) -> Result<(), Error> {
        if self.state.subscriptions.iter().any(|other| same_name(other, name)) {
            return Ok(());
        }
        let name = name::checked(name)?;
        self.must_differ(&name, &[])?;
        if self.state.subscriptions.len() >= SUBSCRIBED_WITHOUT_MAILBOX_MAX {
            return Err(Error::Limit(format!(
                "at most {SUBSCRIBED_WITHOUT_MAILBOX_MAX} names are subscribed that are no mailboxes"
            )));
        }
        self.insert_subscription(&name);
        self.journal(actor, Change::Mailbox(OfMailbox::NameSubscribed { name, subscribed: true }));
        Ok(())
    }

    fn unsubscribe_name(&mut self, actor: Actor, name: &str) {
        let known = self.state.subscriptions.iter().find(|other| same_name(other, name)).cloned();
        if let Some(name) = known {
            self.remove_subscription(&name);
            self.journal(actor, Change::Mailbox(OfMailbox::NameSubscribed { name, subscribed: false }));
        }
    }

    /// A mailbox is gone: its name stays on the list (RFC 9051 §6.3.7).
    ///
    /// Deviates from it where the list is full: a program that never unsubscribes what it deletes could at last delete no
    /// more, and its user would not know why.
    pub(super) fn keep_subscription(&mut self, gone: &Mailbox) {
        if gone.subscribed && self.state.subscriptions.len() < SUBSCRIBED_WITHOUT_MAILBOX_MAX {
            self.insert_subscription(&gone.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{NewMessage, Target, UndoRequest, UndoWhat};
    use crate::check::{self, Depth};
    use crate::device::Credential;
    use crate::flags::Flags;
    use crate::ids::{AccountId, DeviceId, Timestamp};
    use crate::journal::Protocol;
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;
    use std::sync::Arc;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };

    struct World {
        engine: SimEngine,
        store: Store,
        account: Account,
    }

    impl World {
        fn new() -> Self {
            let engine = SimEngine::new();
            let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
            let account = store.create_account(AccountId(16), NOW).unwrap();
            Self { engine, store, account }
        }

        /// What is on the list beside the mailboxes that there are from the start, and `-` before what is no mailbox; the same
        /// after a restart.
        fn check(&self, expected: &[&str]) {
            let again = Store::new(Arc::new(self.engine.clone()), Arc::new(SimObjects::new()));
            for account in [&self.account, &again.account(AccountId(16))] {
                let mailboxes = account.mailboxes().unwrap();
                let subscribed = mailboxes.iter().filter(|mailbox| mailbox.subscribed && mailbox.role.is_none());
                let without = mailboxes.subscribed_without_mailbox().map(|name| format!("-{name}"));
                let mut names: Vec<String> = subscribed.map(|mailbox| mailbox.name.clone()).chain(without).collect();
                names.sort();
                assert_eq!(names, expected);
            }
            assert_eq!(check::all(&self.store, Depth::Bodies).unwrap(), []);
        }

        fn create(&self, name: &str) {
            self.account.create_mailbox(ACTOR, name, None).unwrap();
        }

        fn subscribe(&self, name: &str) -> Result<(), Error> {
            self.account.subscribe(ACTOR, name, true)
        }
    }

    #[test]
    fn deleting_a_mailbox_took_its_name_off_the_list() {
        let world = World::new();
        for name in ["Work/2026", "Other"] {
            world.create(name);
        }
        world.subscribe("Work/2026").unwrap();
        world.account.delete_mailbox(ACTOR, "Work/2026").unwrap();
        world.account.delete_mailbox(ACTOR, "Other").unwrap();
        world.check(&["-Work/2026"]);
        world.create("Work/2026");
        world.check(&["Work/2026"]);
        world.account.delete_mailbox(ACTOR, "Work/2026").unwrap();
        world.account.subscribe(ACTOR, "Work/2026", false).unwrap();
        world.create("Work/2026");
        world.check(&[]);
    }

    #[test]
    fn a_name_is_subscribed_before_it_is_a_mailbox_and_what_gets_it_takes_that_over() {
        let world = World::new();
        for name in ["inbox/a", "new", "new/x/", "again"] {
            world.subscribe(name).unwrap();
        }
        world.check(&["-INBOX/a", "-again", "-new", "-new/x"]);
        // The mailboxes above a new one too.
        world.create("INBOX/A/b");
        world.create("again/c");
        world.create("old/x");
        world.check(&["-INBOX/a", "-new", "-new/x", "again"]);
        world.account.rename_mailbox(ACTOR, "old", "new").unwrap();
        world.check(&["-INBOX/a", "again", "new", "new/x"]);
        // Its own subscription goes with a mailbox that is renamed.
        world.account.rename_mailbox(ACTOR, "new", "INBOX/a").unwrap();
        world.check(&["INBOX/a", "INBOX/a/x", "again"]);
        world.account.subscribe(ACTOR, "Inbox/a/", false).unwrap();
        world.check(&["INBOX/a/x", "again"]);
    }

    #[test]
    fn only_names_that_a_mailbox_may_have_are_subscribed() {
        let world = World::new();
        world.create("Entw\u{fc}rfe");
        for name in ["", "a//b", "a*", "x/../y", &"n".repeat(300), "Entwu\u{308}rfe"] {
            assert!(matches!(world.subscribe(name), Err(Error::InvalidName(_))), "{name:?}");
            world.account.subscribe(ACTOR, name, false).unwrap();
        }
        let long = vec!["x".repeat(199); 5].join("/");
        world.subscribe(&long).unwrap();
        world.check(&[&format!("-{long}")]);
    }

    #[test]
    fn the_list_has_a_limit_and_a_mailbox_can_be_deleted_nevertheless() {
        let world = World::new();
        for name in ["gone", "last"] {
            world.create(name);
            world.subscribe(name).unwrap();
        }
        for number in 1..SUBSCRIBED_WITHOUT_MAILBOX_MAX {
            world.subscribe(&format!("n{number}")).unwrap();
        }
        world.account.delete_mailbox(ACTOR, "last").unwrap();
        assert!(matches!(world.subscribe("more"), Err(Error::Limit(_))));
        world.subscribe("n1").unwrap();
        world.account.delete_mailbox(ACTOR, "gone").unwrap();
        let mailboxes = world.account.mailboxes().unwrap();
        let names: Vec<&str> = mailboxes.subscribed_without_mailbox().collect();
        assert!(names.contains(&"last") && !names.contains(&"gone"));
        world.account.subscribe(ACTOR, "n1", false).unwrap();
        world.subscribe("more").unwrap();
        assert!(matches!(world.subscribe("one too many"), Err(Error::Limit(_))));
    }

    #[test]
    fn names_follow_what_somebody_else_is_called() {
        let world = World::new();
        world.create("Shared/anna/Own");
        for name in ["Shared/alice", "Shared/alice/Work/2026", "Shared/alice/Own", "Shared/alice2/INBOX", "Shared/bob"]
        {
            world.subscribe(name).unwrap();
        }
        let follow =
            |former| world.account.rename_subscriptions(ACTOR, ("Shared/alice", "Shared/anna"), former).unwrap();
        follow(Former::Stay);
        let old = ["-Shared/alice", "-Shared/alice/Own", "-Shared/alice/Work/2026"];
        let now = ["-Shared/alice2/INBOX", "-Shared/anna/Work/2026", "-Shared/bob"];
        world.check(&[&old[..], &now[..]].concat());
        follow(Former::Go);
        world.check(&now);
        follow(Former::Go);
        world.check(&now);
    }

    #[test]
    fn a_full_list_follows_nevertheless() {
        let world = World::new();
        for number in 0..SUBSCRIBED_WITHOUT_MAILBOX_MAX {
            world.subscribe(&format!("Shared/alice/{number}")).unwrap();
        }
        for former in [Former::Stay, Former::Go] {
            world.account.rename_subscriptions(ACTOR, ("Shared/alice", "Shared/anna"), former).unwrap();
        }
        let mailboxes = world.account.mailboxes().unwrap();
        assert_eq!(mailboxes.subscribed_without_mailbox().count(), SUBSCRIBED_WITHOUT_MAILBOX_MAX);
        assert!(mailboxes.subscribed_without_mailbox().all(|name| name.starts_with("Shared/anna/")));
    }

    #[test]
    fn a_deleted_mailbox_comes_back_with_its_subscription() {
        let world = World::new();
        let password = Credential::ApplicationPassword { hash: [7; 32] };
        let device = world.account.add_device(ACTOR, "phone", password, None).unwrap();
        let mailbox = world.account.create_mailbox(ACTOR, "Work", None).unwrap();
        world.subscribe("Work").unwrap();
        let message = NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: NOW };
        world.account.append(ACTOR, Target::Mailbox(mailbox), message).unwrap();
        world.account.delete_mailbox(Actor { device, ..ACTOR }, "Work").unwrap();
        world.check(&["-Work"]);
        let what = UndoWhat::Device { device, since: NOW };
        let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
        let report = world.account.undo(ACTOR, request).unwrap();
        assert_eq!((report.restored, report.mailboxes), (1, vec!["Work".to_owned()]));
        world.check(&["Work"]);
    }
}
