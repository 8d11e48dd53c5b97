//! What somebody has asked for while logged in, to be done later: it is done if they could still ask for it then.
//!
//! A ticket names what the login rested on: its device and, with the main password, that password and second factor. It is no secret
//! with which anybody gets in.

use crate::login::{Auth, Login};
use crate::presence::Presence;
use crate::secret::Stamp;
use std::fmt::Write;
use std::task::Waker;
use store::{AccountId, DeviceId, Error};

impl Login {
    /// What the login rests on, to be written down for [`Auth::redeem`]: `7`, `7.9f86d0…`.
    #[must_use]
    pub fn ticket(&self) -> String {
        let mut ticket = self.device.0.to_string();
        if let Some(Stamp(octets)) = &self.stamp {
            ticket.push('.');
            for octet in octets {
                let _ = write!(ticket, "{octet:02x}");
            }
        }
        ticket
    }
}

impl Auth {
    /// The session of a login that was written down; `None` where it does not count any more. `is_asked_for`: the account's owner, or
    /// an operator, has said since that it is to be done, whoever asked first; then the account has to be there, and not disabled.
    ///
    /// # Errors
    /// Faults.
    pub fn redeem(&self, account: AccountId, ticket: &str, is_asked_for: bool) -> Result<Option<Presence>, Error> {
        let Some((device, stamp)) = read(ticket) else { return Ok(None) };
        let info = self.directory().account_by_id(account)?;
        let Some(info) = info.filter(|info| !info.disabled) else { return Ok(None) };
        let maildrop = store::MaildropOptions::default();
        let login =
            Login { account, device, name: info.address, main_password: stamp.is_some(), maildrop, stamp, token: None };
        if is_asked_for {
            return Ok(Some(self.enter_by_word(login)));
        }
        let presence = self.enter(login, Waker::noop().clone());
        Ok(presence.account().still_counts()?.then_some(presence))
    }
}

fn read(ticket: &str) -> Option<(DeviceId, Option<Stamp>)> {
    let Some((device, digits)) = ticket.split_once('.') else {
        return Some((DeviceId(ticket.parse().ok()?), None));
    };
    let octet = |at: usize| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok();
    let octets: Option<Vec<u8>> = (0..digits.len().div_ceil(2)).map(octet).collect();
    Some((DeviceId(device.parse().ok()?), Some(Stamp(octets?.try_into().ok()?))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, PASSWORD, log_in, server};

    const ALICE: &str = "alice@example.org";

    #[test]
    fn what_a_thief_had_scheduled_went_after_the_password_was_changed() {
        let (_, auth, [alice, bob]) = server();
        let (phone, password) = auth.add_device(alice, "phone", None, NOW).unwrap();
        let logins = [log_in(&auth, ALICE, PASSWORD).unwrap(), log_in(&auth, ALICE, &password).unwrap()];
        let tickets = logins.each_ref().map(Login::ticket);
        let count = |is_asked_for| {
            let counts = |ticket: &String| auth.redeem(alice, ticket, is_asked_for).unwrap().is_some();
            tickets.each_ref().map(counts)
        };
        assert_eq!(count(false), [true, true]);
        let again = auth.redeem(alice, &tickets[0], false).unwrap().unwrap();
        assert_eq!(*again.login(), logins[0]);
        assert!(auth.redeem(bob, &tickets[0], false).unwrap().is_none(), "somebody else's");
        auth.directory().set_password(ALICE, "another horse").unwrap();
        assert_eq!((count(false), count(true)), ([false, true], [true, true]));
        auth.revoke_device(alice, phone, NOW).unwrap();
        assert_eq!((count(false), count(true)), ([false, false], [true, true]));
        auth.directory().set_disabled(ALICE, true).unwrap();
        assert_eq!(count(true), [false, false]);
        auth.directory().remove_account(ALICE).unwrap();
        assert_eq!(count(true), [false, false]);
    }

    #[test]
    fn what_is_no_ticket_lets_nobody_in() {
        for ticket in
            ["", "x", "7.", "7.0", "7.zz", &format!("7.{}", "0".repeat(66)), &format!("7.{}é", "0".repeat(62))]
        {
            assert!(read(ticket).is_none(), "{ticket}");
        }
        assert_eq!(read("7"), Some((DeviceId(7), None)));
        assert_eq!(read(&format!("7.{}", "0f".repeat(32))), Some((DeviceId(7), Some(Stamp([15; 32])))));
    }
}
