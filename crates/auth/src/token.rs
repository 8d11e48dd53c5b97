//! Tokens: what a program shows instead of saying a password (RFC 6750). One is of a device with a password of its own, counts
//! for some days, and is taken back with the device, or by another one (docs/decisions/0102-tokens-of-devices.md).
//!
//! It has 256 random bits, so nobody guesses it, and what is kept of it is a keyed hash: to look at one costs microseconds. As an
//! application password it is looked for before the throttle, which counts the wrong ones.

use crate::device_list::devices_now;
use crate::devices::{actor, refusal};
use crate::error::LoginError;
use crate::login::{Attempt, Auth, Login, for_maildrop};
use crate::user_name::UserName;
use directory::secret::Token;
use store::device::DeviceToken;
use store::{AccountId, DeviceId, Error, Timestamp};
use wording::tr;

/// A token counts for so many days at most.
pub const TOKEN_DAYS_MAX: u16 = 366;
const DAY_MILLIS: i64 = 24 * 3600 * 1000;

impl Auth {
    /// Gives a device a token, in place of the one that it had: it is given here and never again, with the moment from which
    /// on it does not count. It counts for `days` days, 1 to [`TOKEN_DAYS_MAX`].
    ///
    /// # Errors
    /// [`directory::Error::Refused`]: no such account or device, or one that logs in with the main password; other days.
    pub fn make_token(
        &self,
        account: AccountId,
        device: DeviceId,
        days: u16,
        now: Timestamp,
    ) -> Result<(String, Timestamp), directory::Error> {
        self.must_exist(account)?;
        if !(1..=TOKEN_DAYS_MAX).contains(&days) {
            let why =
                tr!("a token counts for 1 to {most} days; choose a number of days between them", most = TOKEN_DAYS_MAX);
            return Err(directory::Error::refused(why));
        }
        let token = Token::generate()?;
        let expires_at = Timestamp(now.0.saturating_add(i64::from(days) * DAY_MILLIS));
        let kept = DeviceToken { hash: token.hash(self.token_key()), expires_at };
        // First, because one that there is and that nobody can use helps nobody.
        self.directory().announce_tokens()?;
        let made = self.store().account(account).set_token(actor(now), device, kept);
        made.map_err(|error| refusal(error, &device.to_string()))?;
        Ok((format!("{account}.{}", token.text()), expires_at))
    }

    /// Whether it is announced that tokens are taken: from the first one on that was made on this server.
    #[must_use]
    pub fn offers_tokens(&self) -> bool {
        self.directory().announces_tokens().unwrap_or(false)
    }

    /// Lets somebody in who shows a token, or not: it is the attempt's password, and the user of the attempt has to be whose it
    /// is, or nobody. Microseconds.
    ///
    /// # Errors
    /// As [`Auth::log_in`], but never `OutOfTurn`.
    pub fn log_in_by_token(&self, attempt: &Attempt<'_>) -> Result<Login, LoginError> {
        let UserName { user, options } = self.user_name(attempt);
        let attempt = &Attempt { user: &user, ..*attempt };
        let source = self.source(attempt);
        let login = self.counting((attempt.protocol, source), attempt.now, || match self.by_token(attempt)? {
            Some(login) => Ok(login),
            None => Err(match self.throttle().closed(source, attempt.now) {
                Some(delay_millis) => LoginError::Throttled { delay_millis },
                None => {
                    LoginError::Rejected { delay_millis: self.throttle().failed(source, attempt.password, attempt.now) }
                }
            }),
        })?;
        self.throttle().succeeded(source);
        Ok(for_maildrop(login, attempt, options))
    }

    fn by_token(&self, attempt: &Attempt<'_>) -> Result<Option<Login>, LoginError> {
        let Some((account, token)) = read(attempt.password) else { return Ok(None) };
        let Some(record) = self.directory().record(account)?.filter(|record| !record.disabled) else { return Ok(None) };
        if !attempt.user.is_empty() && self.directory().who_logs_in(attempt.user)?.is_none_or(|(id, _)| id != account) {
            return Ok(None);
        }
        let devices = match devices_now(&self.store().account(account)) {
            Ok(devices) => devices,
            Err(Error::NoSuchAccount) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let hash = blake3::Hash::from_bytes(token.hash(self.token_key()));
        let shown = devices.values().filter(|device| device.revoked_at.is_none()).find_map(|device| {
            // Compares in constant time.
            let token = device.token.filter(|token| hash == token.hash && token.counts_at(attempt.now))?;
            Some((device.id, token))
        });
        let Some((device, token)) = shown else { return Ok(None) };
        let login = self.enter_as_device(Some(&(account, record)), device, attempt)?;
        Ok(login.map(|login| Login { token: Some(token), ..login }))
    }
}

/// The account that a token says it is of, and its random part.
fn read(token: &str) -> Option<(AccountId, Token)> {
    let (account, token) = token.split_once('.')?;
    Some((AccountId(account.parse().ok()?), Token::parse(token)?))
}

#[cfg(test)]
mod tests;
