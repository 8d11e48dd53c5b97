//! Logins by SCRAM (RFC 5802): the password is proven and not said, so no argon2id verifies it; what does are keys that were
//! made when the password was set, or when somebody last said it.
//!
//! The rules are those of [`Auth::log_in`]. An application password is looked for first, and only what is then taken for the
//! main password is throttled, unless it is right and was so from the same address lately. That each wrong proof looks different makes a program that repeats one wrong password count each
//! time.
//!
//! A password that was last said before keys were made cannot be proven, and the answer must not tell: so after a wrong proof,
//! whatever was wrong with it, nothing is announced to that network until that name has logged in from there, the second time until
//! it has done so by proof. A program that comes again then says its password, and has keys from there on
//! (docs/decisions/0101-scram.md).

use crate::device_list::devices_now;
use crate::error::LoginError;
use crate::login::{Attempt, Auth, Known, Login, for_maildrop};
use crate::secret::ApplicationPassword;
use crate::user_name::UserName;
use directory::AccountRecord;
use sasl::scram::SALT_BYTES;
use sasl::{ScramKeys, ScramProof};
use std::net::IpAddr;
use store::device::{Credential, Device};
use store::{AccountId, DeviceId, Error};

impl Auth {
    /// Whether somebody may log in by SCRAM.
    #[must_use]
    pub fn takes_scram(&self) -> bool {
        self.scram_state().is_on
    }

    /// Whether that is announced to somebody at an address.
    #[must_use]
    pub fn offers_scram(&self, address: IpAddr) -> bool {
        self.scram_state().may_be_announced(self.throttle().source(address, "").address)
    }

    /// Whether it is announced, too, that it can be bound to the TLS session.
    #[must_use]
    pub fn offers_scram_plus(&self) -> bool {
        self.scram_state().announces_plus
    }

    /// The salt that goes with a name, and a nonce. Of a name that nobody has it tells nothing, and nothing else either.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn scram_challenge(&self, name: &str) -> Result<([u8; SALT_BYTES], String), Error> {
        let mut nonce = [0; 16];
        directory::secret::fill(&mut nonce)?;
        let nonce = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((self.directory().scram_salt(name), nonce))
    }

    /// Lets somebody in who has proven a password, or not; with what proves to them in return that this is the server. The name
    /// is that of the proof, and the attempt's password is not looked at. Microseconds.
    ///
    /// # Errors
    /// As [`Auth::log_in`], but never `OutOfTurn`.
    pub fn log_in_by_proof(&self, attempt: &Attempt<'_>, proof: &ScramProof) -> Result<(Login, String), LoginError> {
        let UserName { user, options } = self.user_name(&Attempt { user: &proof.authentication_id, ..*attempt });
        let attempt = &Attempt { user: &user, password: proof.once(), ..*attempt };
        let source = self.source(attempt);
        let known = self.directory().who_logs_in(attempt.user)?.filter(|(_, record)| !record.disabled);
        let (login, verifier) = self.counting((attempt.protocol, source), attempt.now, || {
            match self.by_proof_of_a_device(known.as_ref(), attempt, proof)? {
                Some(entered) => Ok(entered),
                None => self.by_proof_of_the_main_password(known, attempt, proof),
            }
        })?;
        self.throttle().succeeded(source);
        self.scram_state().note_proven(source);
        Ok((for_maildrop(login, attempt, options), verifier))
    }

    fn by_proof_of_the_main_password(
        &self,
        known: Option<Known>,
        attempt: &Attempt<'_>,
        proof: &ScramProof,
    ) -> Result<(Login, String), LoginError> {
        let source = self.source(attempt);
        let keys = known.as_ref().and_then(|(_, record)| self.directory().scram_keys(record));
        let verifier = keys.and_then(|keys| proof.verify(&keys));
        let passes = verifier.is_some() && self.was_here(known.as_ref(), source, attempt.now);
        if let Some(delay_millis) = self.throttle().closed(source, attempt.now).filter(|_| !passes) {
            return Err(LoginError::Throttled { delay_millis });
        }
        let login = match &verifier {
            // With a second factor it opens nothing here.
            Some(_) => self.enter_as(known, source, attempt)?,
            None => None,
        };
        login.zip(verifier).ok_or_else(|| {
            self.scram_state().note_wrong(source);
            LoginError::Rejected { delay_millis: self.throttle().failed(source, attempt.password, attempt.now) }
        })
    }

    fn by_proof_of_a_device(
        &self,
        known: Option<&Known>,
        attempt: &Attempt<'_>,
        proof: &ScramProof,
    ) -> Result<Option<(Login, String)>, LoginError> {
        let Some((id, record)) = known else { return Ok(None) };
        let devices = match devices_now(&self.store().account(*id)) {
            Ok(devices) => devices,
            Err(Error::NoSuchAccount) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let salt = self.directory().scram_salt(&record.address);
        let verified = devices.values().filter(|device| device.revoked_at.is_none()).find_map(|device| {
            let verifier = keys_of(device, &salt).find_map(|keys| proof.verify(&keys))?;
            Some((device.id, verifier))
        });
        let Some((device, verifier)) = verified else { return Ok(None) };
        Ok(self.enter_as_device(known, device, attempt)?.map(|login| (login, verifier)))
    }

    /// Whether the password that somebody has just logged in with has no keys yet, and can have some.
    #[must_use]
    pub fn lacks_scram_keys(&self, login: &Login, said: &str) -> bool {
        if !self.takes_scram() || !ScramKeys::can_be_of(said) {
            return false;
        }
        match self.directory().record(login.account) {
            Ok(Some(record)) if login.main_password => self.directory().scram_keys(&record).is_none(),
            Ok(Some(record)) => self.device_lacks_keys(login.account, login.device, &record),
            Ok(None) | Err(_) => false,
        }
    }

    /// Makes the keys of a password that somebody has just logged in with: milliseconds of a processor, and a commit. That they
    /// cannot be kept keeps nobody from their mail, and the next login tries again.
    pub fn make_scram_keys(&self, login: &Login, said: &str) {
        if login.main_password {
            let _unkept = self.make_scram_keys_of_account(login, said);
        } else if let Some(password) = ApplicationPassword::parse(said) {
            self.make_scram_keys_of_device(login.account, login.device, &password);
        }
    }

    /// Not if there is another password by now than the one that was said.
    fn make_scram_keys_of_account(&self, login: &Login, said: &str) -> Result<(), directory::Error> {
        let Some(record) = self.directory().record(login.account)? else { return Ok(()) };
        match login.stamp {
            Some(stamp) if self.session_table().stamp(login.account, &record, None) == stamp => {
                self.directory().keep_scram_keys(login.account, &record, said)
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn make_scram_keys_of_device(
        &self,
        account: AccountId,
        device: DeviceId,
        password: &ApplicationPassword,
    ) {
        if self.takes_scram()
            && let Ok(Some(record)) = self.directory().record(account)
        {
            let keys = application_keys(password, self.directory().scram_salt(&record.address));
            let _unkept = self.store().account(account).note_scram(device, keys);
        }
    }

    fn device_lacks_keys(&self, account: AccountId, device: DeviceId, record: &AccountRecord) -> bool {
        let salt = self.directory().scram_salt(&record.address);
        let devices = self.store().account(account).devices();
        devices.is_ok_and(|devices| devices.get(&device).is_some_and(|device| keys_of(device, &salt).next().is_none()))
    }
}

/// Those that go with a salt.
fn keys_of<'d>(device: &'d Device, salt: &'d [u8; SALT_BYTES]) -> impl Iterator<Item = ScramKeys> + use<'d> {
    let has_own = matches!(device.credential, Credential::ApplicationPassword { .. });
    let keys = device.scram.chunks_exact(ScramKeys::BYTES).filter(move |_| has_own).filter_map(ScramKeys::from_bytes);
    keys.filter(move |keys| keys.fit(salt))
}

/// Of the two ways in which people type it: with the dashes that they see, and without.
fn application_keys(password: &ApplicationPassword, salt: [u8; SALT_BYTES]) -> Vec<u8> {
    let shown = password.shown();
    let typed = [shown.replace('-', ""), shown];
    typed.iter().filter_map(|typed| ScramKeys::of(typed, salt)).flat_map(|keys| keys.to_bytes()).collect()
}

#[cfg(test)]
pub(crate) mod tests;
