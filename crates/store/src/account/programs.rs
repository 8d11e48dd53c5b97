//! Programs that log in over POP3 with the main password become devices ([`crate::program`]).

use super::Account;
use super::devices::add;
use super::maildrop::Taken;
use crate::device::{Credential, Device, main_password_name};
use crate::error::Error;
use crate::ids::{DeviceId, EmailId, Timestamp};
use crate::journal::{Actor, Protocol};
use crate::key;
use crate::pop_program::{self, Program};
use crate::tx::Tx;
use std::ops::ControlFlow;

impl Account {
    /// The device of a program that logs in over POP3 with the main password. `fingerprint`: what it does when it logs in;
    /// `address`: from where. A program that was found to be another one than its device's gets a device of its own, which
    /// lists what the program had not taken out of the list itself.
    ///
    /// # Errors
    /// [`Error::Limit`], [`Error::NoSpace`], faults.
    pub fn pop_program_device(
        &self,
        now: Timestamp,
        fingerprint: &str,
        address: &str,
        may_add: bool,
    ) -> Result<DeviceId, Error> {
        let fingerprint = pop_program::kept(fingerprint).to_owned();
        let address = address.to_owned();
        if let Some(device) = pop_program::device_of(&*self.devices()?, &fingerprint, &address)
            && device.was_just_visited_by(&fingerprint, now)
        {
            return Ok(device.id);
        }
        self.transact(move |tx| visit(tx, now, &fingerprint, &address, may_add))
    }
}

fn visit(tx: &mut Tx<'_>, now: Timestamp, fingerprint: &str, address: &str, may_add: bool) -> Result<DeviceId, Error> {
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Pop3, now };
    let Some(mut device) = pop_program::device_of(&tx.state.devices, fingerprint, address).cloned() else {
        let credential = Credential::MainPassword { fingerprint: "pop3".to_owned() };
        let id = add(tx, actor, main_password_name("pop3"), credential, None)?;
        let mut device = tx.state.devices.get(&id).cloned().ok_or(Error::NoSuchDevice)?;
        device.programs.push(Program::new(fingerprint, now));
        tx.put_device(device);
        return Ok(id);
    };
    let is_another = device.visited_by(fingerprint, now);
    if !(is_another && may_add) {
        let id = device.id;
        tx.put_device(device);
        return Ok(id);
    }
    part(tx, actor, device, fingerprint)
}

/// The last visitor of `from` gets a device of its own.
fn part(tx: &mut Tx<'_>, actor: Actor, mut from: Device, fingerprint: &str) -> Result<DeviceId, Error> {
    let Some(program) = from.programs.pop() else { return Ok(from.id) };
    let credential = Credential::MainPassword { fingerprint: format!("pop3:{fingerprint}") };
    let name = format!("{} ({})", main_password_name("pop3"), program.habit());
    let id = add(tx, actor, name, credential, Some(from.pop))?;
    let mut device = tx.state.devices.get(&id).cloned().ok_or(Error::NoSuchDevice)?;
    device.pop_since = from.pop_since;
    device.removal_since = from.removal_since;
    // What was filed before it came is as new to it as it was to the device that it was part of.
    device.added_at = from.added_at;
    let mut inherited = Vec::new();
    tx.scan_before(key::kind_of(b'P', from.id.0), |key, value| {
        let email = EmailId(key::long_at(key, 5).map_err(Error::corrupt("a maildrop key"))?);
        let taken = Taken::decode(value).map_err(Error::corrupt("a maildrop record"))?;
        if taken.is_of(&program) {
            inherited.push((email, taken));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for (email, taken) in inherited {
        tx.put(key::taken(id, email), taken.encode());
    }
    device.programs.push(program);
    tx.put_device(device);
    tx.put_device(from);
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{MaildropOptions, NewMessage, Target};
    use crate::flags::Flags;
    use crate::ids::AccountId;
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;
    use std::sync::Arc;

    const DAY: i64 = 86_400_000;

    struct World {
        store: Store,
        account: Account,
        now: Timestamp,
    }

    fn world() -> World {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), Timestamp(100 * DAY)).unwrap();
        World { store, account, now: Timestamp(100 * DAY) }
    }

    impl World {
        fn deliver(&mut self, subject: &str) {
            let actor = Actor { device: DeviceId(0), protocol: Protocol::Lmtp, now: self.now };
            let body = format!("Subject: {subject}\r\n\r\n").into_bytes();
            let message = NewMessage { body, flags: Flags::default(), internal_date: self.now };
            self.account.append(actor, Target::Inbox, message).unwrap();
        }

        /// A program logs in, takes what is there, deletes it, and goes: its device and what it got.
        fn visit(&mut self, program: &str) -> (DeviceId, usize) {
            self.now.0 += DAY / 24;
            let now = self.now;
            let id = self.account.pop_program_device(now, program, "192.0.2.1", true).unwrap();
            let login = crate::device::LastLogin {
                at: now,
                protocol: Protocol::Pop3,
                address: "192.0.2.1".to_owned(),
                tls: None,
                program: None,
            };
            self.account.note_login(id, login).unwrap();
            let options = MaildropOptions { program: Some(program.to_owned()), ..MaildropOptions::default() };
            let maildrop = self.account.open_maildrop(id, &options, now).unwrap();
            let emails: Vec<EmailId> = maildrop.messages().iter().map(|message| message.email).collect();
            let actor = Actor { device: id, protocol: Protocol::Pop3, now };
            self.account.close_maildrop(actor, &maildrop, emails.clone(), emails.clone()).unwrap();
            drop(maildrop);
            assert_eq!(self.account.check(&self.store).unwrap(), []);
            (id, emails.len())
        }
    }

    #[test]
    fn an_updated_program_keeps_its_maildrop() {
        let mut world = world();
        world.deliver("one");
        let (device, got) = world.visit("PASS #1 alice");
        assert_eq!(got, 1);
        world.deliver("two");
        assert_eq!(world.visit("PASS #2 alice"), (device, 1));
        for _ in 0..20 {
            assert_eq!(world.visit("PASS #2 alice"), (device, 0));
        }
        assert_eq!(world.account.devices().unwrap().len(), 1);
    }

    /// Both programs delete all they get, and the second one gets each message that came after it did.
    #[test]
    fn two_programs_in_turns_become_two_devices_and_neither_misses_a_message() {
        let mut world = world();
        world.deliver("before");
        let (first, _) = world.visit("PASS #1 alice");
        let (mut of_first, mut of_second) = (0, 0);
        let mut second = first;
        for turn in 0..6 {
            world.deliver(&format!("{turn}"));
            let (device, got) = world.visit("AUTH PLAIN #2 alice");
            (second, of_second) = (device, of_second + got);
            let (device, got) = world.visit("PASS #1 alice");
            assert_eq!(device, first);
            of_first += got;
            world.deliver(&format!("{turn} again"));
            of_first += world.visit("PASS #1 alice").1;
        }
        of_second += world.visit("AUTH PLAIN #2 alice").1;
        assert_ne!(second, first);
        // What came after the second program did: all of it.
        assert_eq!(of_second, 12);
        // The first one lost to the other only what that took before they were told apart, and the mailbox keeps it.
        assert_eq!(of_first, 12 - 2);
        let mailbox = world.account.devices().unwrap()[&first].pop.removal;
        assert_eq!(mailbox, crate::removal::RemovalPolicy::KeepWhenShared);
        assert_eq!(world.account.retained().unwrap().messages, 1, "only what the first one deleted alone");
        let names: Vec<String> = world.account.devices().unwrap().values().map(|device| device.name.clone()).collect();
        assert_eq!(
            names,
            [
                "Mail program with your main password over POP",
                "Mail program with your main password over POP (AUTH PLAIN)"
            ]
        );
    }

    /// Fails when a program that comes less than once a week is waited for no longer than that.
    #[test]
    fn a_laptop_that_comes_once_in_three_weeks_loses_no_mail() {
        let mut world = world();
        let (desktop, laptop) = ("PASS #1 alice", "AUTH PLAIN #2 alice");
        world.visit(desktop);
        world.visit(laptop);
        let (mut came, mut got) = (0, 0);
        for _ in 0..4 {
            for day in 0..21 {
                world.now.0 += DAY;
                world.deliver(&format!("{came} on day {day}"));
                came += 1;
                world.visit(desktop);
            }
            got += world.visit(laptop).1;
        }
        assert_eq!(got, came, "all that came since its first visit");
        assert_eq!(world.account.devices().unwrap().len(), 2);
    }

    /// A new face is waited for as long as it may be a second program, and no longer than its owner wants.
    #[test]
    fn the_mailbox_keeps_mail_until_the_owner_has_said_that_it_is_one_program() {
        let mut world = world();
        let (device, _) = world.visit("PASS #1 alice");
        world.deliver("one");
        world.visit("PASS #2 alice");
        assert_eq!(world.account.retained().unwrap().messages, 0, "the first one may come again");
        let owner = Actor { device: DeviceId(0), protocol: Protocol::Web, now: world.now };
        world.account.is_one_program(owner, device).unwrap();
        world.deliver("two");
        assert_eq!(world.visit("PASS #2 alice"), (device, 1));
        assert_eq!(world.account.retained().unwrap().messages, 1, "delete means delete");
        world.visit("PASS #1 alice");
        world.deliver("three");
        world.visit("PASS #2 alice");
        assert_eq!(world.account.retained().unwrap().messages, 1, "it was not one program");
    }

    #[test]
    fn an_account_with_too_many_devices_gets_no_other() {
        let mut world = world();
        let (first, _) = world.visit("PASS #1 alice");
        for _ in 0..3 {
            world.now.0 += DAY / 24;
            let again = |program| world.account.pop_program_device(world.now, program, "192.0.2.1", false);
            assert_eq!((again("AUTH #2 alice"), again("PASS #1 alice")), (Ok(first), Ok(first)));
        }
    }
}
