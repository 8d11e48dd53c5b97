//! What somebody has asked for while logged in, to be done later: it is done if they could still ask for it then.
//!
//! A ticket names what the login rested on: its device and, with the main password, that password and second factor, with a token, that
//! token. It counts as a session of that login would: not after its device was revoked, the password was changed, or the token was
//! replaced or has expired. It is no secret with which anybody gets in.

use crate::login::{Auth, Login};
use crate::presence::Presence;
use crate::secret::Stamp;
use std::fmt::Write;
use std::task::Waker;
use store::{AccountId, DeviceId, Error, Timestamp};

/// Between the number of a device and what the main password was.
const STAMP: char = '.';
/// Between the number of a device and the hash of a token.
const TOKEN: char = ':';

/// What a ticket names beside the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// An application password, which is its device.
    Device,
    Stamp(Stamp),
    /// The keyed hash of a token.
    Token([u8; 32]),
}

impl Login {
    /// What the login rests on, to be written down for [`Auth::redeem`]: `7`, `7.9f86d0…`, `7:60303a…`.
    #[must_use]
    pub fn ticket(&self) -> String {
        let mut ticket = self.device.0.to_string();
        let stamp = self.stamp.as_ref().map(|Stamp(octets)| (STAMP, octets));
        if let Some((mark, octets)) = stamp.or(self.token.as_ref().map(|token| (TOKEN, &token.hash))) {
            ticket.push(mark);
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
    pub fn redeem(
        &self,
        account: AccountId,
        ticket: &str,
        is_asked_for: bool,
        now: Timestamp,
    ) -> Result<Option<Presence>, Error> {
        let Some((device, rest)) = read(ticket) else { return Ok(None) };
        let info = self.directory().account_by_id(account)?;
        let Some(info) = info.filter(|info| !info.disabled) else { return Ok(None) };
        let stamp = if let Rest::Stamp(stamp) = rest { Some(stamp) } else { None };
        let maildrop = store::MaildropOptions::default();
        let login =
            Login { account, device, name: info.address, main_password: stamp.is_some(), maildrop, stamp, token: None };
        if is_asked_for {
            return Ok(Some(self.enter_by_word(login)));
        }
        let token = match rest {
            Rest::Device | Rest::Stamp(_) => None,
            Rest::Token(hash) => {
                let devices = self.store().account(account).devices()?;
                let token = devices.get(&device).and_then(|device| device.token).filter(|token| token.hash == hash);
                // There is another one in its place.
                let Some(token) = token else { return Ok(None) };
                Some(token)
            }
        };
        let presence = self.enter(Login { token, ..login }, Waker::noop().clone());
        Ok(presence.still_counts(now)?.then_some(presence))
    }
}

fn read(ticket: &str) -> Option<(DeviceId, Rest)> {
    let Some(mark) = ticket.find([STAMP, TOKEN]) else {
        return Some((DeviceId(ticket.parse().ok()?), Rest::Device));
    };
    let (device, digits) = (ticket.get(..mark)?, ticket.get(mark + 1..)?);
    let octet = |at: usize| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok();
    let octets: Option<Vec<u8>> = (0..digits.len().div_ceil(2)).map(octet).collect();
    let octets = octets?.try_into().ok()?;
    let rest = if ticket.get(mark..)?.starts_with(STAMP) { Rest::Stamp(Stamp(octets)) } else { Rest::Token(octets) };
    Some((DeviceId(device.parse().ok()?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, PASSWORD, attempt, log_in, server};

    const ALICE: &str = "alice@example.org";

    #[test]
    fn what_a_thief_had_scheduled_went_after_the_password_was_changed() {
        let (_, auth, [alice, bob]) = server();
        let (phone, password) = auth.add_device(alice, "phone", None, NOW).unwrap();
        let logins = [log_in(&auth, ALICE, PASSWORD).unwrap(), log_in(&auth, ALICE, &password).unwrap()];
        let tickets = logins.each_ref().map(Login::ticket);
        let count = |is_asked_for| {
            let counts = |ticket: &String| auth.redeem(alice, ticket, is_asked_for, NOW).unwrap().is_some();
            tickets.each_ref().map(counts)
        };
        assert_eq!(count(false), [true, true]);
        let again = auth.redeem(alice, &tickets[0], false, NOW).unwrap().unwrap();
        assert_eq!(*again.login(), logins[0]);
        assert!(auth.redeem(bob, &tickets[0], false, NOW).unwrap().is_none(), "somebody else's");
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
    fn what_a_token_had_scheduled_went_after_the_token_was_replaced() {
        let (_, auth, [alice, _]) = server();
        let (phone, _) = auth.add_device(alice, "phone", None, NOW).unwrap();
        let make = || auth.make_token(alice, phone, 1, NOW).unwrap();
        let (token, expires_at) = make();
        let ticket = |token: &str| auth.log_in_by_token(&attempt("", token)).unwrap().ticket();
        let counts = |ticket: &str, now| auth.redeem(alice, ticket, false, now).unwrap().is_some();
        let first = ticket(&token);
        assert!(counts(&first, NOW));
        assert!(!counts(&first, expires_at), "it has expired");
        let second = ticket(&make().0);
        assert_eq!((counts(&first, NOW), counts(&second, NOW)), (false, true), "there is another one");
        assert!(auth.redeem(alice, &first, true, expires_at).unwrap().is_some(), "its owner has said so since");
        auth.revoke_device(alice, phone, NOW).unwrap();
        assert!(!counts(&second, NOW));
    }

    #[test]
    fn what_is_no_ticket_lets_nobody_in() {
        for ticket in [
            "",
            "x",
            "7.",
            "7.0",
            "7.zz",
            "7:",
            "7:zz",
            ":7",
            &format!("7.{}", "0".repeat(66)),
            &format!("7.{}é", "0".repeat(62)),
        ] {
            assert!(read(ticket).is_none(), "{ticket}");
        }
        assert_eq!(read("7"), Some((DeviceId(7), Rest::Device)));
        let of = |mark| read(&format!("7{mark}{}", "0f".repeat(32)));
        assert_eq!(of('.'), Some((DeviceId(7), Rest::Stamp(Stamp([15; 32])))));
        assert_eq!(of(':'), Some((DeviceId(7), Rest::Token([15; 32]))));
    }
}
