//! An account gets another address.
//!
//! Mail, devices, flags, UIDs, aliases, lists, shares, forwards and sessions hang on its number and stay as they are; links for its
//! password, too, unless it goes to another domain, whose administrators did not make them. What
//! hangs on the address: who logs in (by the new one from here on), where mail for the old one goes, keys for SCRAM, whose salt
//! is made of the name, and how mailboxes are named to others. What those have subscribed follows: the new names are there before the
//! change, and the old ones go after it, so that a crash leaves both.

use crate::Directory;
use crate::accounts::{must_be_account, own_address};
use crate::address::{Address, domain_of};
use crate::aliases::{delete_alias, must_be_free};
use crate::bounds::Room;
use crate::domains::must_be_local;
use crate::error::Error;
use crate::link_rows;
use crate::record::{self, AccountRecord, Counters, Leads, accounts_value, key, number_key};
use store::{AccountId, Actor, Former, TableTx};
use wording::tr;

/// What becomes of the old address of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldAddress {
    /// It is an alias that leads to the account.
    Stays,
    /// It leads nowhere, unless to the catch-all of its domain, and is free.
    Goes,
}

impl Directory {
    /// Gives an account another address, in a local domain; an alias that leads to nobody else gives way. Programs log in with the
    /// new one from then on; sessions go on. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account, the new address breaks a rule or is in use, the old one cannot become an alias because
    /// there are too many.
    pub fn rename_account(&self, address: &str, new: &str, old: OldAddress, actor: Actor) -> Result<(), Error> {
        let (before, now) = (own_address(address)?.text(), own_address(new)?);
        if before == now.text() {
            return Err(Error::refused(tr!("{before} is its address already", before = before)));
        }
        // Given up at its end: what stands in the way is found before anything is done.
        let tried =
            self.0.table.change(|tx| Err::<(), _>(Tried(self.rename(tx, &before, &now, old).map_err(Box::new))));
        let id = match tried {
            Err(Tried(outcome)) => outcome.map_err(|error| *error)?,
            Ok(()) => return Ok(()),
        };
        let renamed = self.renamed_by(id, &now.text())?;
        self.follow(&renamed, actor, Former::Stay);
        let outcome = self.0.table.change(|tx| self.rename(tx, &before, &now, old));
        if outcome.is_ok() {
            self.follow(&renamed, actor, Former::Go);
        }
        outcome.map(drop)
    }

    fn rename(&self, tx: &mut TableTx<'_>, before: &str, now: &Address, old: OldAddress) -> Result<AccountId, Error> {
        let id = must_be_account(tx, before)?;
        must_be_local(tx, &now.domain)?;
        if leads_only_to(tx, &now.text(), id)? {
            delete_alias(tx, &now.text())?;
        }
        must_be_free(tx, now)?;
        if domain_of(before) != now.domain {
            Room::default().take(tx, &now.domain)?;
            link_rows::end_password_links(tx, id)?;
        }
        let damaged = || record::damaged(&number_key(record::ACCOUNT, id));
        let mut record = AccountRecord::read(tx, id)?.ok_or_else(damaged)?;
        record.scram = self.scram_keys_under(&record, &now.text())?;
        record.address = now.text();
        record.write(tx, id);
        tx.delete(&key(record::NAME, before));
        tx.put(&key(record::NAME, &now.text()), accounts_value(&[id]));
        if old == OldAddress::Stays {
            let mut counters = Counters::read(tx)?;
            counters.aliases += 1;
            if counters.aliases > self.0.options.limits.aliases {
                return Err(Error::refused(tr!(
                    "{before} cannot become an alias: there are {most} already, the most this server holds",
                    before = before,
                    most = self.0.options.limits.aliases
                )));
            }
            counters.write(tx);
            tx.put(&key(record::ALIAS, before), Leads::to(vec![id]).encode());
        }
        Ok(id)
    }

    /// The keys for SCRAM of an account as they are kept under another address: they stay good where the name before the `@` does.
    fn scram_keys_under(&self, record: &AccountRecord, address: &str) -> Result<Vec<u8>, Error> {
        match self.scram_keys(record).filter(|keys| keys.fit(&self.scram_salt(address))) {
            Some(keys) => Ok(self.0.scram_key.seal(&keys.to_bytes(), address)?),
            None => Ok(Vec::new()),
        }
    }
}

/// How a change ends that is only tried.
struct Tried(Result<AccountId, Box<Error>>);

impl From<store::Error> for Tried {
    fn from(error: store::Error) -> Self {
        Self(Err(Box::new(error.into())))
    }
}

fn leads_only_to(tx: &TableTx<'_>, alias: &str, id: AccountId) -> Result<bool, Error> {
    let key = key(record::ALIAS, alias);
    let Some(value) = tx.get(&key)? else { return Ok(false) };
    Ok(Leads::of_row(&(key, value))? == Leads::to(vec![id]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, NOW, is_password};
    use crate::{DirectoryOptions, Limits, Resolution};
    use store::sim::Fault;
    use store::{DeviceId, Protocol, Rights, RightsChange};

    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };

    fn leads_to(directory: &Directory, address: &str) -> Vec<AccountId> {
        let (local_part, domain) = address.rsplit_once('@').unwrap();
        match directory.resolve(local_part, domain).unwrap() {
            Resolution::Local { accounts, .. } => accounts.iter().map(|delivery| delivery.account).collect(),
            Resolution::List(..) | Resolution::NoSuchUser | Resolution::NotLocal => Vec::new(),
        }
    }

    #[test]
    fn everything_stays_with_the_account_and_the_old_address_leads_to_it() {
        let (engine, directory, [alice, bob]) = testing::server();
        directory.add_alias("sales@example.org", &["alice@example.org", "bob@example.org"]).unwrap();
        directory.rename_account("Alice@example.org", "Anna@bücher.example", OldAddress::Stays, ACTOR).unwrap();
        for directory in [directory.clone(), testing::start(&engine)] {
            let info = directory.account("anna@bücher.example").unwrap().unwrap();
            assert_eq!((info.id, info.display.as_str()), (alice, "Alice"));
            assert!(is_password(&directory, "anna", testing::PASSWORD));
            assert!(!is_password(&directory, "alice@example.org", testing::PASSWORD), "an alias does not log in");
            assert_eq!(leads_to(&directory, "alice+x@example.org"), [alice]);
            assert_eq!(leads_to(&directory, "sales@example.org"), [alice, bob]);
            assert!(directory.may_send_as(alice, "alice@example.org").unwrap());
            assert_eq!(directory.check(), Ok(vec![]));
        }
        directory.rename_account("anna@bücher.example", "alice@example.org", OldAddress::Goes, ACTOR).unwrap();
        assert!(is_password(&directory, "alice@example.org", testing::PASSWORD), "back: its own alias gave way");
        assert!(leads_to(&directory, "anna@bücher.example").is_empty());
        assert_eq!((directory.aliases().unwrap().len(), directory.check()), (1, Ok(vec![])));
    }

    #[test]
    fn a_link_for_a_password_stays_in_its_domain() {
        let (engine, directory, _) = testing::server();
        let link = directory.password_link("alice@example.org", NOW).unwrap().token;
        let is_good = |directory: &Directory| directory.link(&link, NOW).unwrap().is_some();
        directory.rename_account("alice@example.org", "anna@example.org", OldAddress::Goes, ACTOR).unwrap();
        assert!(is_good(&directory));
        directory.rename_account("anna@example.org", "anna@bücher.example", OldAddress::Goes, ACTOR).unwrap();
        assert!(!is_good(&directory) && !is_good(&testing::start(&engine)), "others administer her there");
        assert!(directory.use_password_link(&link, "somebody else's", NOW).is_err());
        directory.rename_account("anna@bücher.example", "anna@example.org", OldAddress::Goes, ACTOR).unwrap();
        assert!(!is_good(&directory), "nor is it good again");
    }

    /// Bob's list, of what Alice shares with him.
    fn shared(directory: &Directory, [alice, bob]: [AccountId; 2]) {
        let owner = directory.store().account(alice);
        let inbox = owner.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        let rights = RightsChange::Replace(Rights::parse("lr").unwrap());
        directory.share(&owner, ACTOR, inbox, bob, rights).unwrap();
        directory.store().account(bob).subscribe(ACTOR, "Shared/alice/INBOX", true).unwrap();
    }

    fn subscribed(directory: &Directory, bob: AccountId) -> Vec<String> {
        let mailboxes = directory.store().account(bob).mailboxes().unwrap();
        mailboxes.subscribed_without_mailbox().map(str::to_owned).collect()
    }

    #[test]
    fn what_guests_had_subscribed_stayed_under_the_old_name() {
        let (_, directory, [alice, bob]) = testing::server();
        shared(&directory, [alice, bob]);
        directory.rename_account("alice@example.org", "anna@example.org", OldAddress::Stays, ACTOR).unwrap();
        assert_eq!(subscribed(&directory, bob), ["Shared/anna/INBOX"]);
        directory.rename_account("anna@example.org", "anna@bücher.example", OldAddress::Stays, ACTOR).unwrap();
        let name = directory.name_of_owner(alice, bob).unwrap().unwrap();
        assert_eq!(name, "anna@xn--bcher-kva.example");
        assert_eq!(subscribed(&directory, bob), [format!("Shared/{name}/INBOX")]);
        // A guest who goes to another domain has other names for the same.
        directory.rename_account("bob@example.org", "bob@bücher.example", OldAddress::Stays, ACTOR).unwrap();
        assert_eq!(subscribed(&directory, bob), ["Shared/anna/INBOX"]);
        assert!(
            directory.rename_account("anna@bücher.example", "bob@bücher.example", OldAddress::Goes, ACTOR).is_err()
        );
        assert_eq!(subscribed(&directory, bob), ["Shared/anna/INBOX"]);
    }

    #[test]
    fn an_account_whose_mail_is_damaged_kept_its_address_and_could_not_be_let_in_again() {
        let (engine, directory, [alice, bob]) = testing::server();
        shared(&directory, [alice, bob]);
        directory.set_disabled("alice@example.org", true).unwrap();
        engine.spoil_mail(alice, b"A");
        let directory = testing::start(&engine);
        assert!(directory.store().account(alice).mailboxes().is_err());
        directory.rename_account("alice@example.org", "anna@example.org", OldAddress::Stays, ACTOR).unwrap();
        assert_eq!(leads_to(&directory, "alice@example.org"), [alice]);
        directory.set_disabled("anna@example.org", false).unwrap();
        directory.leave("anna@example.org", NOW).unwrap();
        directory.stay("anna@example.org").unwrap();
        // So are those with whom others share.
        engine.spoil_mail(bob, b"A");
        let directory = testing::start(&engine);
        directory.rename_account("bob@example.org", "rob@example.org", OldAddress::Goes, ACTOR).unwrap();
    }

    #[test]
    fn a_crash_leaves_guests_with_the_name_that_there_is() {
        for commits_before in 0..4 {
            let (engine, directory, accounts) = testing::server();
            shared(&directory, accounts);
            engine.plan(commits_before, Fault::CrashBefore);
            let _crashed = directory.rename_account("alice@example.org", "anna@example.org", OldAddress::Stays, ACTOR);
            let next = testing::start(&engine.crash());
            let name = next.name_of_owner(accounts[0], accounts[1]).unwrap().unwrap();
            let subscribed = subscribed(&next, accounts[1]);
            assert!(subscribed.contains(&format!("Shared/{name}/INBOX")), "{commits_before}: {subscribed:?}");
        }
    }

    #[test]
    fn an_address_of_old_means_who_has_it_as_an_alias() {
        let (_, directory, [alice, bob]) = testing::server();
        directory.add_alias("both@example.org", &["alice@example.org", "bob@example.org"]).unwrap();
        let whose = |name: &str| directory.whose(name).unwrap().map(|(id, _)| id);
        directory.rename_account("alice@example.org", "anna@example.org", OldAddress::Stays, ACTOR).unwrap();
        for (name, id) in [
            ("alice@example.org", Some(alice)),
            ("Alice", Some(alice)),
            ("anna", Some(alice)),
            ("bob", Some(bob)),
            ("both@example.org", None),
            ("both", None),
            ("nobody", None),
        ] {
            assert_eq!(whose(name), id, "{name}");
        }
        // Somebody else has that name now.
        directory.add_account("alice@bücher.example", testing::PASSWORD, "", NOW).unwrap();
        assert_ne!(whose("alice"), Some(alice));
        directory.rename_account("anna@example.org", "ann@example.org", OldAddress::Goes, ACTOR).unwrap();
        assert_eq!((whose("anna@example.org"), whose("alice@example.org")), (None, Some(alice)));
    }

    #[test]
    fn keys_for_scram_stay_where_the_name_does_and_only_there() {
        let (_, directory, [alice, _]) = testing::server_with(DirectoryOptions { scram: true, ..testing::options() });
        let keys = || directory.scram_keys(&directory.record(alice).unwrap().unwrap()).map(|keys| keys.to_bytes());
        let before = keys();
        assert!(before.is_some());
        directory.rename_account("alice@example.org", "alice@bücher.example", OldAddress::Goes, ACTOR).unwrap();
        assert_eq!(keys(), before);
        directory.rename_account("alice@bücher.example", "anna@bücher.example", OldAddress::Goes, ACTOR).unwrap();
        assert_eq!(keys(), None, "their salt is that of another name");
    }

    #[test]
    fn what_is_in_the_way_is_told_and_nothing_is_changed() {
        let limits = Limits { aliases: 1, ..Limits::DEFAULT };
        let (_, directory, _) = testing::server_with(DirectoryOptions { limits, ..testing::options() });
        directory.add_alias("sales@example.org", &["alice@example.org", "bob@example.org"]).unwrap();
        let version = directory.version().unwrap();
        for (address, new, reason) in [
            ("carol@example.org", "c@example.org", "there is no account"),
            ("alice@example.org", "bob@example.org", "is an account already"),
            ("alice@example.org", "sales@example.org", "is an alias already"),
            ("alice@example.org", "ALICE@example.org", "is its address already"),
            ("alice@example.org", "alice@example.net", "not a local domain"),
            ("alice@example.org", "@example.org", "catch-all"),
            ("alice@example.org", "a+b@example.org", "cannot be an account"),
            ("alice@example.org", "anna@example.org", "cannot become an alias: there are 1"),
        ] {
            let refused = directory.rename_account(address, new, OldAddress::Stays, ACTOR).unwrap_err().to_string();
            assert!(refused.contains(reason), "{new}: {refused}");
        }
        assert_eq!(directory.version().unwrap(), version);
        directory.rename_account("alice@example.org", "anna@example.org", OldAddress::Goes, ACTOR).unwrap();
    }

    #[test]
    fn a_crash_leaves_the_one_address_or_the_other() {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::Full, Fault::Failed, Fault::Conflict] {
            let (engine, directory, [alice, _]) = testing::server();
            engine.plan(0, fault);
            let outcome = directory.rename_account("alice@example.org", "anna@example.org", OldAddress::Stays, ACTOR);
            let next = testing::start(&engine.crash());
            let [old, new] = ["alice@example.org", "anna@example.org"].map(|address| next.account(address).unwrap());
            assert!(old.is_some() != new.is_some() && (outcome.is_err() || new.is_some()), "{fault:?}: {outcome:?}");
            assert_eq!(leads_to(&next, "alice@example.org"), [alice]);
            assert_eq!(next.check(), Ok(vec![]));
        }
    }
}
