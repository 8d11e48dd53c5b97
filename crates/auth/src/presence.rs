//! Somebody who has logged in, for as long as that counts.
//!
//! A login rests on its device, on the account and, with the main password, on that password and on there being no second
//! factor. Whatever takes one of them away, by whichever door, ends the session: it is woken, it asks before each command,
//! and the transaction that commits its work asks too ([`store::Permit`]).
//!
//! Invariant: asking costs one comparison as long as nothing has changed, so every command can ask.

use crate::login::{Auth, Login};
use crate::secret::Stamp;
use crate::web::WebSession;
use directory::AccountRecord;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use store::{Account, AccountId, Actor, DeviceId, Error, GuestPermits, Permit, Protocol, Timestamp, Watch};

/// Nothing was looked at yet.
const NEVER: u64 = u64::MAX;

/// A session of somebody who has logged in.
pub struct Presence {
    login: Login,
    account: Account,
    rights: Arc<Rights>,
}

/// What a login rests on beside its device.
struct Rights {
    auth: Auth,
    account: AccountId,
    /// `None`: an application password, which is its device.
    stamp: Option<Stamp>,
    /// `None`: nobody waits for changes, each question is answered anew.
    watch: Option<Watch>,
    /// [`Watch::changes`] when it was last found to hold.
    held_at: AtomicU64,
}

impl Permit for Rights {
    fn holds(&self) -> Result<bool, Error> {
        // Read before the look: what changes during it is looked at again.
        let changes = self.watch.as_ref().map_or(NEVER, Watch::changes);
        if changes != NEVER && self.held_at.load(Ordering::Acquire) == changes {
            return Ok(true);
        }
        let holds = self.auth.login_counts(self.account, self.stamp)?;
        if holds {
            self.held_at.store(changes, Ordering::Release);
        }
        Ok(holds)
    }
}

/// A login to an account, for what is done with it in another one.
struct OwnLogin(Account);

impl Permit for OwnLogin {
    fn holds(&self) -> Result<bool, Error> {
        self.0.stands()
    }
}

impl Presence {
    /// Who it is.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// Their mail; commits on their behalf are refused with [`Error::LoginEnded`] once the login does not count any more.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Whether the login still counts. To be asked before each command that reads, writes or sends, and when the session
    /// was woken. A token that has expired, or in whose place there is another one, lets nobody stay.
    ///
    /// # Errors
    /// Faults.
    pub fn still_counts(&self, now: Timestamp) -> Result<bool, Error> {
        let Some(token) = &self.login.token else { return self.account.still_counts() };
        let devices = match self.account.devices() {
            Err(Error::NoSuchAccount) => return Ok(false),
            devices => devices?,
        };
        let is_there = devices.get(&self.login.device).is_some_and(|device| device.token.as_ref() == Some(token));
        Ok(is_there && token.counts_at(now) && self.account.still_counts()?)
    }

    /// As [`Self::still_counts`], and looks for what other processes did; to be asked about every half minute.
    ///
    /// # Errors
    /// Faults.
    pub fn look_around(&self, now: Timestamp) -> Result<bool, Error> {
        self.rights.held_at.store(NEVER, Ordering::Release);
        match self.account.refresh() {
            Ok(()) => self.still_counts(now),
            Err(Error::NoSuchAccount) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The mail of somebody who shares some of it, to look around there: nothing can be changed with it.
    #[must_use]
    pub fn visitor_of(&self, owner: AccountId) -> Account {
        self.guest_as(owner, DeviceId::UNNOTED)
    }

    /// The mail of somebody who shares some of it, for this session, which is a device of theirs ([`Account::guest_device`]). Where
    /// the disk takes no note of that, it can only be read.
    ///
    /// # Errors
    /// As [`Account::guest_device`].
    pub fn guest_of(&self, owner: AccountId, now: Timestamp, protocol: Protocol) -> Result<Account, Error> {
        let own = self.login.device;
        let devices = self.account.devices()?;
        let device = devices.get(&own).map_or("a device", |device| device.name.as_str());
        let name = format!("{}: {device}", self.login.name);
        let actor = Actor { device: DeviceId(0), protocol, now };
        let account = self.rights.auth.store().account(owner);
        let noted = match own {
            DeviceId::UNNOTED => Ok(DeviceId::UNNOTED),
            own => account.guest_device(actor, (self.login.account, own), &name),
        };
        let device = match noted {
            Err(error) if error.is_of_the_disk() => DeviceId::UNNOTED,
            device => device?,
        };
        Ok(self.guest_as(owner, device))
    }

    /// How an owner is named among the mailboxes that others share with this account; `None`: there is none, or nobody may log in
    /// to it.
    ///
    /// # Errors
    /// Faults.
    pub fn name_of_owner(&self, owner: AccountId) -> Result<Option<String>, Error> {
        self.rights.auth.directory().name_of_owner(owner, self.login.account)
    }

    fn guest_as(&self, owner: AccountId, device: DeviceId) -> Account {
        let (auth, held_at) = (self.rights.auth.clone(), AtomicU64::new(NEVER));
        let rights = Rights { auth, account: owner, stamp: None, watch: None, held_at };
        let permits = GuestPermits { login: Arc::new(OwnLogin(self.account.clone())), owner: Arc::new(rights) };
        self.rights.auth.store().account(owner).for_guest(self.login.account, device, permits)
    }

    /// The same session as another device of the same password ([`Auth::identify`]).
    #[must_use]
    pub fn identified_as(&self, login: Login) -> Self {
        let account = self.account.on_behalf_of(login.device, Arc::clone(&self.rights) as Arc<dyn Permit>);
        Self { login, account, rights: Arc::clone(&self.rights) }
    }
}

impl Auth {
    /// A session begins. `waker` is woken when the login may not count any more.
    #[must_use]
    pub fn enter(&self, login: Login, waker: Waker) -> Presence {
        let account = self.store().account(login.account);
        let (watch, held_at) = (Some(account.watch_logins(waker)), AtomicU64::new(NEVER));
        let rights = Rights { auth: self.clone(), account: login.account, stamp: login.stamp, watch, held_at };
        let rights = Arc::new(rights);
        let account = account.on_behalf_of(login.device, Arc::clone(&rights) as Arc<dyn Permit>);
        Presence { login, account, rights }
    }

    /// A session for something that the account's owner, or an operator, has said is to be done: whatever becomes of the login.
    pub(crate) fn enter_by_word(&self, login: Login) -> Presence {
        let account = self.store().account(login.account);
        let (stamp, watch, held_at) = (None, None, AtomicU64::new(NEVER));
        let rights = Arc::new(Rights { auth: self.clone(), account: login.account, stamp, watch, held_at });
        Presence { login, account, rights }
    }

    /// The account of somebody who makes one call, with which they have logged in.
    #[must_use]
    pub fn account_of(&self, login: &Login) -> Account {
        self.on_behalf(login.account, login.device, login.stamp)
    }

    /// The account of somebody who is logged in on the pages.
    #[must_use]
    pub fn account_of_session(&self, session: &WebSession) -> Account {
        self.on_behalf(session.account, session.device, Some(session.stamp))
    }

    fn on_behalf(&self, id: AccountId, device: DeviceId, stamp: Option<Stamp>) -> Account {
        let (auth, held_at) = (self.clone(), AtomicU64::new(NEVER));
        let rights = Rights { auth, account: id, stamp, watch: None, held_at };
        self.store().account(id).on_behalf_of(device, Arc::new(rights))
    }

    fn login_counts(&self, account: AccountId, stamp: Option<Stamp>) -> Result<bool, Error> {
        let Some(record) = self.directory().record(account)?.filter(|record| !record.disabled) else {
            return Ok(false);
        };
        match stamp {
            None => Ok(true),
            Some(stamp) => Ok(self.stamp(account, &record)? == stamp),
        }
    }

    /// The main password and the second factor, as they are now.
    pub(crate) fn stamp(&self, account: AccountId, record: &AccountRecord) -> Result<Stamp, Error> {
        let factor = self.second_factors().stamp(account)?;
        Ok(self.session_table().stamp(account, record, factor.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, PASSWORD, attempt, log_in, server, start};
    use crate::web::{Owner, WebAttempt, WebLogin};
    use session::testing::TURN;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    const ALICE: &str = "alice@example.org";
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn pages(auth: &Auth) -> WebLogin {
        let attempt = WebAttempt {
            user: ALICE,
            password: PASSWORD,
            code: "",
            address: HERE,
            program: None,
            now: NOW,
            turn: Some(&TURN),
        };
        auth.web().log_in(&attempt).unwrap()
    }

    fn switch_on_second_factor(auth: &Auth) {
        let session = pages(auth).session;
        let owner = |code| Owner {
            session: &session,
            password: PASSWORD,
            code,
            address: HERE,
            program: None,
            now: NOW,
            turn: Some(&TURN),
        };
        let setup = auth.web().begin_second_factor(&owner("")).unwrap();
        auth.web().confirm_second_factor(&owner(&crate::second_factor::tests::code_at(&setup, NOW))).unwrap();
    }

    /// Who is still here after `change`: a program with the main password, one with an application password, the pages;
    /// and whether each commits as it is shown.
    fn check(what: &str, change: impl FnOnce(&Auth, [DeviceId; 3]), expected: [bool; 3]) {
        let (_, auth, [alice, _]) = server();
        let (phone, password) = auth.add_device(alice, "phone", None, NOW).unwrap();
        let woken = [(); 2].map(|()| Arc::new(Woken::default()));
        let logins = [log_in(&auth, ALICE, PASSWORD).unwrap(), log_in(&auth, ALICE, &password).unwrap()];
        let programs: Vec<Presence> = logins
            .into_iter()
            .zip(&woken)
            .map(|(login, woken)| auth.enter(login, Waker::from(woken.clone())))
            .collect();
        let browser = pages(&auth);
        assert!(programs.iter().all(|presence| presence.still_counts(NOW) == Ok(true)), "{what}");
        let before = woken.each_ref().map(|woken| woken.0.load(Ordering::SeqCst));
        change(&auth, [programs[0].login().device, phone, browser.session.device]);
        let accounts = [programs[0].account(), programs[1].account(), &auth.account_of_session(&browser.session)];
        let commits = accounts.map(|account| {
            let actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };
            account.change_settings(actor, |_| {}).is_ok()
        });
        assert_eq!(commits, expected, "{what}: what commits");
        let is_in = auth.web().session(&browser.token, NOW).unwrap().is_some();
        let counts = |at: usize| programs[at].still_counts(NOW).unwrap();
        assert_eq!([counts(0), counts(1), is_in], expected, "{what}: who is asked");
        for at in 0..2 {
            let was_woken = woken[at].0.load(Ordering::SeqCst) > before[at];
            assert!(expected[at] || was_woken, "{what}: {at} sleeps on");
        }
    }

    #[test]
    fn a_revoked_device_and_a_disabled_account_went_on_working() {
        let revoke = |auth: &Auth, device| {
            let alice = auth.directory().account(ALICE).unwrap().unwrap().id;
            auth.revoke_device(alice, device, NOW).unwrap();
        };
        check("nothing", |_, _| {}, [true; 3]);
        check("another device", |auth, [_, _, web]| revoke(auth, web), [true, true, false]);
        check("the program's device", |auth, [main, ..]| revoke(auth, main), [false, true, true]);
        check("the phone", |auth, [_, phone, _]| revoke(auth, phone), [true, false, true]);
        check(
            "a page",
            |auth, [_, phone, _]| {
                let alice = auth.directory().account(ALICE).unwrap().unwrap().id;
                let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: NOW };
                auth.store().account(alice).revoke_device(actor, phone).unwrap();
            },
            [true, false, true],
        );
        check("disabled", |auth, _| auth.directory().set_disabled(ALICE, true).unwrap(), [false; 3]);
        check("removed", |auth, _| auth.directory().remove_account(ALICE).unwrap(), [false; 3]);
        check(
            "password",
            |auth, _| auth.directory().set_password(ALICE, "another horse").unwrap(),
            [false, true, false],
        );
        check(
            "a link for a password",
            |auth, _| {
                let link = auth.directory().password_link(ALICE, NOW).unwrap();
                auth.web().choose_password(&link.token, "another horse", Some(&TURN), NOW).map(drop).unwrap();
            },
            [false, true, false],
        );
        check("second factor", |auth, _| switch_on_second_factor(auth), [false, true, false]);
        check("an administrator", |auth, _| auth.directory().set_admin(ALICE, true).map(drop).unwrap(), [true; 3]);
        check("somebody else", |auth, _| auth.directory().set_disabled("bob@example.org", true).unwrap(), [true; 3]);
    }

    #[test]
    fn what_another_process_did_is_found_by_looking_around() {
        let (engine, auth, _) = server();
        let presence = auth.enter(log_in(&auth, ALICE, PASSWORD).unwrap(), Waker::noop().clone());
        assert_eq!(presence.still_counts(NOW), Ok(true));
        start(&engine).directory().set_disabled(ALICE, true).unwrap();
        assert_eq!(presence.look_around(NOW), Ok(false));
    }

    #[test]
    fn a_program_that_names_itself_goes_on_as_another_device() {
        let (_, auth, [alice, _]) = server();
        let first = auth.enter(log_in(&auth, ALICE, PASSWORD).unwrap(), Waker::noop().clone());
        let login = auth.identify(first.login(), "Thunderbird", NOW).unwrap();
        let named = first.identified_as(login);
        auth.revoke_device(alice, first.login().device, NOW).unwrap();
        assert_eq!((first.still_counts(NOW), named.still_counts(NOW)), (Ok(false), Ok(true)));
        auth.revoke_device(alice, named.login().device, NOW).unwrap();
        assert_eq!(named.still_counts(NOW), Ok(false));
        assert!(auth.log_in(&attempt(ALICE, PASSWORD)).is_ok());
    }
}
