//! A user name and a password become an account and a device.
//!
//! An application password is looked for first: it has 140 random bits, so nobody guesses it, and it costs microseconds;
//! neither the throttle nor the queue of argon2id stands in its way. Everything else is a main password: throttled,
//! remembered for a while once verified, and verified in turn only ([`session::Turn`]). One that was verified a moment ago, from the
//! same address, passes the throttle: what others behind that address do wrong shuts nobody out.
//!
//! Invariant: each attempt with a main password for a name that nobody has, or that is disabled, costs one argon2id,
//! just as a wrong password does.
//! Invariant: with a second factor the main password opens nothing but the pages, and there it takes the code beside it; an
//! answer tells neither that there is one nor which of the two was wrong.
//! Invariant: a login that is let in was right and allowed after its verification: a password that was changed, or an
//! account that was disabled meanwhile, by whichever process, keeps it out.

#[cfg(test)]
mod tests;

use crate::announcement::ScramState;
use crate::cache::{Proof, Verified};
use crate::counting::Counted;
use crate::device_list::{devices_now, is_of};
use crate::error::LoginError;
use crate::options::{AuthOptions, Scram};
use crate::owner_proof::OwnerProof;
use crate::requests::RequestTable;
use crate::second_factor::SecondFactors;
use crate::secret::{ApplicationKey, ApplicationPassword, Stamp};
use crate::standing::{Names, Standing};
use crate::text;
use crate::throttle::{Source, Throttle};
use crate::user_name::UserName;
use crate::web::Sessions;
use directory::secret::PurposeKey;
use directory::{AccountRecord, Directory, PASSWORD_BYTES_MAX, fold};
use session::Turn;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use store::device::{Credential, Device, DeviceToken, LastLogin, UNSEEN_DAYS};
use store::{Account, AccountId, DeviceId, Error, MaildropOptions, Protocol, Store, Timestamp};

/// From so many devices of the main password on, a new fingerprint counts as its plain protocol. Fingerprints are what
/// programs say: one that says something else each time must not fill the account's list.
pub(crate) const MAIN_PASSWORD_DEVICES_MAX: usize = 50;
/// The name in a fingerprint is cut to this length.
const FINGERPRINT_NAME_BYTES_MAX: usize = 60;

/// Who may log in, and the directory. Cheap to clone.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    directory: Directory,
    application_key: ApplicationKey,
    token_key: PurposeKey,
    verified: Verified,
    throttle: Throttle,
    names: Names,
    second_factors: SecondFactors,
    sessions: Sessions,
    requests: RequestTable,
    scram: ScramState,
    counted: Counted,
}

/// An attempt to log in.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// `alice@example.org`; `alice` if only one account has that local part. In any case; blanks around it do not count.
    /// Over POP3 also `recent:alice@example.org` and `alice+Mailbox@example.org` ([`Login::maildrop`]).
    pub user: &'a str,
    /// The main password or an application password.
    pub password: &'a str,
    /// Over which protocol.
    pub protocol: Protocol,
    /// From where. What is counted is this address (IPv4) or its /64 (IPv6).
    pub address: IpAddr,
    /// What the program called itself before (the `name` of IMAP `ID`, RFC 2971 §3.3), without the protocol; over POP3 how
    /// it logs in (`store::pop_program`).
    pub fingerprint: Option<&'a str>,
    /// The version of TLS, if it is on.
    pub tls: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
    /// Without it only what takes microseconds is done.
    pub turn: Option<&'a Turn>,
}

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Whose mail.
    pub account: AccountId,
    /// With which credential.
    pub device: DeviceId,
    /// The account's own address, normalised.
    pub name: String,
    /// It was the main password: the device stands for a program, as far as it tells ([`Auth::identify`]).
    pub main_password: bool,
    /// What was written around the user name (POP3).
    pub maildrop: MaildropOptions,
    /// With the main password: which one.
    pub(crate) stamp: Option<Stamp>,
    /// The token that was shown.
    pub(crate) token: Option<DeviceToken>,
}

/// What somebody says is the main password of an account.
#[derive(Clone, Copy)]
struct Claim<'a> {
    /// `None` for a name that nobody has: the password is wrong then, and takes as long.
    known: Option<&'a Known>,
    password: &'a str,
    source: Source,
    now: Timestamp,
}

/// An account that a user name means.
pub(crate) type Known = (AccountId, Arc<AccountRecord>);

impl Auth {
    /// Opens the directory on `store`, and removes what a crash left of accounts that nobody sees. `secret` keys the
    /// hashes of application passwords: with another one they all stop working.
    ///
    /// # Errors
    /// Faults; a [`directory::PasswordCost`] that argon2id does not know.
    pub fn open(store: Store, secret: [u8; 32], mut options: AuthOptions) -> Result<Self, Error> {
        options.directory.scram = options.scram != Scram::Off;
        let (scram, started_at) = (options.scram, options.started_at);
        let (second_factors, sessions) = (SecondFactors::new(&store, &secret), Sessions::new(&store, &secret));
        let requests = RequestTable::new(&store, &secret, &options);
        let directory = Directory::open(store, &secret, options.directory)?;
        Ok(Self(Arc::new(Inner {
            scram: ScramState::open(&directory, scram, started_at)?,
            second_factors,
            sessions,
            requests,
            names: Names::default(),
            directory,
            application_key: ApplicationKey::new(&secret),
            token_key: PurposeKey::new("pillarbox 2026 tokens of devices", &secret),
            verified: Verified::new()?,
            throttle: Throttle::new()?,
            counted: Counted::default(),
        })))
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.0.directory
    }

    /// The store that holds the directory and the accounts.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.0.directory.store()
    }

    /// Lets somebody in, or not. Microseconds for an application password or one that was verified within the last hour;
    /// in turn it blocks for as long as a password takes to verify.
    ///
    /// # Errors
    /// [`LoginError`]. After `Rejected`, `Throttled` and `Busy` the caller waits as it says and then answers.
    pub fn log_in(&self, attempt: &Attempt<'_>) -> Result<Login, LoginError> {
        let UserName { user, options } = self.user_name(attempt);
        let attempt = &Attempt { user: &user, ..*attempt };
        let login = self.counting((attempt.protocol, self.source(attempt)), attempt.now, || {
            match self.recognise(attempt)? {
                Some(login) => Ok(login),
                None => self.verify(attempt, attempt.turn.ok_or(LoginError::OutOfTurn)?),
            }
        })?;
        self.0.scram.note_said(self.source(attempt));
        Ok(for_maildrop(login, attempt, options))
    }

    /// To be held by whoever stands in line with an attempt.
    ///
    /// # Errors
    /// [`LoginError::Busy`]: too many of that name stand there.
    pub fn stand(&self, attempt: &Attempt<'_>) -> Result<Standing, LoginError> {
        self.0.names.stand(self.source(attempt).pair).ok_or(LoginError::BUSY)
    }

    pub(crate) fn scram_state(&self) -> &ScramState {
        &self.0.scram
    }

    pub(crate) fn counted(&self) -> &Counted {
        &self.0.counted
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    /// The user name, and what is written around it over POP3.
    pub(crate) fn user_name(&self, attempt: &Attempt<'_>) -> UserName {
        if attempt.protocol != Protocol::Pop3 {
            return UserName { user: attempt.user.to_owned(), options: MaildropOptions::default() };
        }
        let directory = self.directory();
        UserName::parse(attempt.user, |name| directory.who_logs_in(name).is_ok_and(|known| known.is_some()))
    }

    pub(crate) fn source(&self, attempt: &Attempt<'_>) -> Source {
        self.0.throttle.source(attempt.address, &fold(attempt.user.trim()))
    }

    /// What takes microseconds. `None`: the password has to be verified.
    fn recognise(&self, attempt: &Attempt<'_>) -> Result<Option<Login>, LoginError> {
        let source = self.source(attempt);
        let known = self.directory().who_logs_in(attempt.user)?.filter(|(_, record)| !record.disabled);
        if let Some(login) = self.by_application_password(known.as_ref(), attempt)? {
            self.0.throttle.succeeded(source);
            return Ok(Some(login));
        }
        let proof = self.proof(known.as_ref(), attempt.password);
        let is_from_here = |proof: &Proof| self.0.verified.holds_from(proof, source.address, attempt.now);
        if proof.as_ref().is_some_and(is_from_here)
            && let Some(login) = self.enter_as(known.clone(), source, attempt)?
        {
            return Ok(Some(login));
        }
        if let Some(delay_millis) = self.0.throttle.closed(source, attempt.now) {
            return Err(LoginError::Throttled { delay_millis });
        }
        let Some(proof) = proof.filter(|proof| self.0.verified.holds(proof, attempt.now)) else { return Ok(None) };
        let login = self.enter_as(known, source, attempt)?;
        self.0.verified.note(&proof, source.address);
        Ok(login)
    }

    fn verify(&self, attempt: &Attempt<'_>, turn: &Turn) -> Result<Login, LoginError> {
        let source = self.source(attempt);
        let known = self.directory().who_logs_in(attempt.user)?.filter(|(_, record)| !record.disabled);
        // With a second factor the main password is wrong here, whichever it is: it is verified for nobody, and takes as long.
        let has_factor = self.second_factors().is_on(known.as_ref().map_or(AccountId::NOBODY, |(id, _)| *id))?;
        let known = known.filter(|_| !has_factor);
        let claim = Claim { known: known.as_ref(), password: attempt.password, source, now: attempt.now };
        if !self.is_main_password(claim, turn)? {
            return Err(self.reject(source, attempt));
        }
        let known = self.taken_over(known, attempt.password, source, attempt.now)?;
        // Changed, disabled or removed just now: that takes as long as a password takes to verify.
        let known = self.unchanged(known, attempt)?;
        self.enter_as(known, source, attempt)?.ok_or_else(|| self.reject(source, attempt))
    }

    /// Whether the password is the main password. Costs an argon2id, unless it was verified a moment ago, perhaps while
    /// this one stood in line.
    fn is_main_password(&self, claim: Claim<'_>, turn: &Turn) -> Result<bool, LoginError> {
        let proof = self.proof(claim.known, claim.password);
        if proof.as_ref().is_some_and(|proof| self.0.verified.holds(proof, claim.now)) {
            return Ok(true);
        }
        self.verify_and_remember(claim, proof, turn)
    }

    /// Whether somebody who knew the main password came from here lately, by whichever mechanism.
    pub(crate) fn was_here(&self, known: Option<&Known>, source: Source, now: Timestamp) -> bool {
        let acquaintance = known.map(|(id, record)| self.0.verified.acquaintance(*id, &record.password));
        acquaintance.is_some_and(|proof| self.0.verified.holds_from(&proof, source.address, now))
    }

    fn proof(&self, known: Option<&Known>, password: &str) -> Option<Proof> {
        known.map(|(id, record)| self.0.verified.proof(*id, &record.password, password))
    }

    /// Enters, if it may be entered: `known` was read after the password had been verified.
    pub(crate) fn enter_as(
        &self,
        known: Option<Known>,
        source: Source,
        attempt: &Attempt<'_>,
    ) -> Result<Option<Login>, LoginError> {
        let acquaintance = known.as_ref().map(|(id, record)| self.0.verified.acquaintance(*id, &record.password));
        match self.enter_with_main_password(known, attempt) {
            Ok(Some(login)) => {
                self.0.throttle.succeeded(source);
                if let Some(acquaintance) = acquaintance {
                    match self.0.verified.holds(&acquaintance, attempt.now) {
                        true => self.0.verified.note(&acquaintance, source.address),
                        false => self.0.verified.add(&acquaintance, source.address, attempt.now),
                    }
                }
                Ok(Some(login))
            }
            Ok(None) | Err(Error::NoSuchAccount | Error::NoSuchDevice) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The program says after its login what it is (IMAP `ID`, RFC 2971): from then on it is the device of (account, main
    /// password, IMAP, `fingerprint`). An application password is a device of its own and stays that.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn identify(&self, login: &Login, fingerprint: &str, now: Timestamp) -> Result<Login, Error> {
        if !login.main_password || sanitised(fingerprint).is_empty() {
            return Ok(login.clone());
        }
        let account = self.store().account(login.account);
        let device = main_password_device(&account, Protocol::Imap, Some(fingerprint), now)?;
        let before = account.devices()?.get(&login.device).and_then(|device| device.last_login.clone());
        if let Some(last) = before.filter(|_| device != login.device) {
            note(
                &account,
                device,
                LastLogin { at: now, protocol: Protocol::Imap, program: Some(sanitised(fingerprint)), ..last },
            )?;
        }
        Ok(Login { device, ..login.clone() })
    }

    /// Whether somebody is the owner of an account: the main password and, where there is one, the second factor. All of
    /// it is verified before the answer, which tells no part from another; where there is a second factor nothing is
    /// remembered as verified, because the time that an answer takes would tell the password from the code.
    pub(crate) fn prove_owner(&self, proof: &OwnerProof<'_>) -> Result<Known, LoginError> {
        let OwnerProof { user, password, code, address, now, turn } = *proof;
        let source = self.0.throttle.source(address, &fold(user.trim()));
        let known = self.directory().who_logs_in(user)?.filter(|(_, record)| !record.disabled);
        let has_factor = self.second_factors().is_on(known.as_ref().map_or(AccountId::NOBODY, |(id, _)| *id))?;
        let is_right = match self.proof(known.as_ref(), password).filter(|_| !has_factor) {
            // How long it takes would tell that the password is right, but without a second factor the answer does.
            Some(proof) if self.0.verified.holds_from(&proof, source.address, now) => true,
            proof => {
                if let Some(delay_millis) = self.0.throttle.closed(source, now) {
                    return Err(LoginError::Throttled { delay_millis });
                }
                let turn = turn.ok_or(LoginError::OutOfTurn)?;
                self.verify_and_remember(Claim { known: known.as_ref(), password, source, now }, proof, turn)?
            }
        };
        let owner = known.filter(|_| is_right);
        let owner = match has_factor {
            // The time that it takes would tell that the password is right.
            true => owner,
            false => self.taken_over(owner, password, source, now)?,
        };
        let same = match &owner {
            Some((id, record)) if self.takes_code(*id, code, now)? => self.still_is(*id, record)?,
            Some(_) | None => false,
        };
        match owner.filter(|_| same) {
            Some(owner) => {
                self.0.throttle.succeeded(source);
                Ok(owner)
            }
            // A password cannot contain a line end. With another code it is another attempt.
            None => Err(LoginError::Rejected {
                delay_millis: self.0.throttle.failed(source, &format!("{password}\n{code}"), now),
            }),
        }
    }

    /// Whether the second factor lets the owner in, who has the right password.
    fn takes_code(&self, account: AccountId, code: &str, now: Timestamp) -> Result<bool, Error> {
        let is_recovery_code = code.chars().any(|c| c.is_ascii_alphabetic());
        if !is_recovery_code && self.0.throttle.codes_closed(account, now) && self.second_factors().is_on(account)? {
            return Ok(false);
        }
        let taken = self.second_factors().take(account, code, now)?;
        if !taken {
            self.0.throttle.code_failed(account, now);
        }
        Ok(taken)
    }

    /// Whether the directory still says what it said before the password was verified.
    fn still_is(&self, account: AccountId, record: &AccountRecord) -> Result<bool, Error> {
        let now = self.directory().record(account)?.filter(|record| !record.disabled);
        Ok(now.is_some_and(|now| now.password == record.password))
    }

    pub(crate) fn second_factors(&self) -> &SecondFactors {
        &self.0.second_factors
    }

    pub(crate) fn request_table(&self) -> &RequestTable {
        &self.0.requests
    }

    pub(crate) fn session_table(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn application_key(&self) -> &ApplicationKey {
        &self.0.application_key
    }

    pub(crate) fn token_key(&self) -> &PurposeKey {
        &self.0.token_key
    }

    pub(crate) fn verified(&self) -> &Verified {
        &self.0.verified
    }

    fn by_application_password(
        &self,
        known: Option<&Known>,
        attempt: &Attempt<'_>,
    ) -> Result<Option<Login>, LoginError> {
        let Some(password) = ApplicationPassword::parse(attempt.password) else { return Ok(None) };
        let Some((id, _)) = known else { return Ok(None) };
        let account = self.store().account(*id);
        let hash = password.hash(&self.0.application_key, *id);
        let device = match devices_now(&account) {
            Ok(devices) => devices.values().find(|device| is_of(device, &hash)).map(|device| device.id),
            Err(Error::NoSuchAccount) => None,
            Err(error) => return Err(error.into()),
        };
        match device {
            Some(device) => self.enter_as_device(known, device, attempt),
            None => Ok(None),
        }
    }

    /// Enters with an application password that is right.
    pub(crate) fn enter_as_device(
        &self,
        known: Option<&Known>,
        device: DeviceId,
        attempt: &Attempt<'_>,
    ) -> Result<Option<Login>, LoginError> {
        let Some((id, record)) = known else { return Ok(None) };
        match note(&self.store().account(*id), device, last_login(attempt)) {
            Ok(()) => Ok(Some(Login {
                account: *id,
                device,
                name: record.address.clone(),
                main_password: false,
                maildrop: MaildropOptions::default(),
                stamp: None,
                token: None,
            })),
            // Revoked or removed just now.
            Err(Error::NoSuchDevice | Error::NoSuchAccount) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Costs an argon2id in any case, hence the turn. A right password is remembered by its `proof`, if it may be. Another
    /// connection may have failed once too often meanwhile.
    fn verify_and_remember(&self, claim: Claim<'_>, proof: Option<Proof>, _: &Turn) -> Result<bool, LoginError> {
        let Claim { known, password, source, now } = claim;
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        if let Some(delay_millis) = self.0.throttle.closed(source, now) {
            return Err(LoginError::Throttled { delay_millis });
        }
        let hash = known.map(|(_, record)| record.password.as_str());
        let right = self.directory().verify_password(password, hash)?;
        if let Some(proof) = proof.filter(|_| right) {
            self.0.verified.add(&proof, source.address, now);
        }
        Ok(right)
    }

    /// The account, if the directory still says of it what it said before the password was verified.
    fn unchanged(&self, known: Option<Known>, attempt: &Attempt<'_>) -> Result<Option<Known>, Error> {
        let now = self.directory().who_logs_in(attempt.user)?.filter(|(_, record)| !record.disabled);
        Ok(known
            .zip(now)
            .filter(|(known, now)| known.0 == now.0 && known.1.password == now.1.password)
            .map(|(_, now)| now))
    }

    /// Enters an account whose main password is right, as the directory has it by now.
    fn enter_with_main_password(&self, known: Option<Known>, attempt: &Attempt<'_>) -> Result<Option<Login>, Error> {
        let Some((id, record)) = known else { return Ok(None) };
        if self.second_factors().is_on(id)? {
            return Ok(None);
        }
        let device = self.note_main_password(id, attempt)?;
        Ok(Some(Login {
            account: id,
            device,
            name: record.address.clone(),
            main_password: true,
            maildrop: MaildropOptions::default(),
            // Without a second factor: there was none a moment ago, and with one it does not count.
            stamp: Some(self.session_table().stamp(id, &record, None)),
            token: None,
        }))
    }

    /// The device of the main password that logs in now.
    pub(crate) fn note_main_password(&self, id: AccountId, attempt: &Attempt<'_>) -> Result<DeviceId, Error> {
        let account = self.store().account(id);
        devices_now(&account)?;
        let device = match attempt.fingerprint.filter(|_| attempt.protocol == Protocol::Pop3) {
            Some(fingerprint) => pop_program_device(&account, fingerprint, attempt)?,
            None => main_password_device(&account, attempt.protocol, attempt.fingerprint, attempt.now)?,
        };
        note(&account, device, last_login(attempt))?;
        Ok(device)
    }

    fn reject(&self, source: Source, attempt: &Attempt<'_>) -> LoginError {
        LoginError::Rejected { delay_millis: self.0.throttle.failed(source, attempt.password, attempt.now) }
    }
}

/// What POP3 says beside who it is.
pub(crate) fn for_maildrop(login: Login, attempt: &Attempt<'_>, options: MaildropOptions) -> Login {
    if attempt.protocol != Protocol::Pop3 {
        return login;
    }
    let program = attempt.fingerprint.filter(|_| login.main_password).map(str::to_owned);
    Login { maildrop: MaildropOptions { program, ..options }, ..login }
}

/// The device that stands for the main password in a program. An account that can take no more devices, or a disk that
/// takes nothing, keeps nobody from their mail: then it is another device of the main password, or one that nobody notes
/// and that only reads.
fn main_password_device(
    account: &Account,
    protocol: Protocol,
    fingerprint: Option<&str>,
    now: Timestamp,
) -> Result<DeviceId, Error> {
    let devices = account.devices()?;
    let known: Vec<(DeviceId, &str)> = devices.values().filter_map(main_password_fingerprint).collect();
    let plain = Protocol::name(protocol);
    let name =
        fingerprint.map(|name| sanitised(name.strip_prefix(plain).and_then(|n| n.strip_prefix(':')).unwrap_or(name)));
    let full = match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("{plain}:{name}"),
        None => plain.to_owned(),
    };
    let is_known = known.iter().any(|(_, fingerprint)| *fingerprint == full);
    let wanted =
        if is_known || main_password_devices(&devices, now) < MAIN_PASSWORD_DEVICES_MAX { &full } else { plain };
    match account.main_password_device(now, protocol, wanted) {
        Err(error) if matches!(error, Error::Limit(_)) || error.is_of_the_disk() => {
            let same = known.iter().find(|(_, fingerprint)| fingerprint.split(':').next() == Some(plain));
            let unnoted = error.is_of_the_disk().then_some(DeviceId::UNNOTED);
            same.or(known.first()).map(|(id, _)| *id).or(unnoted).ok_or(error)
        }
        outcome => outcome,
    }
}

/// The device of a POP3 program with the main password. What cannot be noted keeps nobody from their mail.
fn pop_program_device(account: &Account, fingerprint: &str, attempt: &Attempt<'_>) -> Result<DeviceId, Error> {
    let may_add = main_password_devices(&*account.devices()?, attempt.now) < MAIN_PASSWORD_DEVICES_MAX;
    let address = attempt.address.to_canonical().to_string();
    match account.pop_program_device(attempt.now, fingerprint, &address, may_add) {
        Err(error) if matches!(error, Error::Limit(_)) || error.is_of_the_disk() => {
            main_password_device(account, Protocol::Pop3, None, attempt.now)
        }
        outcome => outcome,
    }
}

/// How many programs have the main password, but for those that were not seen for a year.
fn main_password_devices(devices: &BTreeMap<DeviceId, Device>, now: Timestamp) -> usize {
    let is_there = |device: &&Device| device.last_seen() >= now.days_before(UNSEEN_DAYS);
    devices.values().filter(is_there).filter_map(main_password_fingerprint).count()
}

fn main_password_fingerprint(device: &Device) -> Option<(DeviceId, &str)> {
    let Credential::MainPassword { fingerprint } = &device.credential else { return None };
    device.revoked_at.is_none().then_some((device.id, fingerprint))
}

/// Notes the login. That the disk takes nothing keeps nobody from reading mail.
fn note(account: &Account, device: DeviceId, login: LastLogin) -> Result<(), Error> {
    if device == DeviceId::UNNOTED {
        return Ok(());
    }
    match account.note_login(device, login) {
        Err(error) if error.is_of_the_disk() => Ok(()),
        outcome => outcome,
    }
}

fn last_login(attempt: &Attempt<'_>) -> LastLogin {
    let address = attempt.address.to_canonical().to_string();
    // A POP3 program does not say what it is.
    let program = attempt.fingerprint.filter(|_| attempt.protocol != Protocol::Pop3);
    let program = program.map(sanitised).filter(|name| !name.is_empty());
    LastLogin { at: attempt.now, protocol: attempt.protocol, address, tls: attempt.tls.map(str::to_owned), program }
}

/// A program's own words, fit to be shown.
pub(crate) fn sanitised(name: &str) -> String {
    text::one_line(name, FINGERPRINT_NAME_BYTES_MAX)
}
