//! Who is logged in on the pages.
//!
//! A browser gets 256 random bits once, at log in, and keeps them in a cookie; what is kept here is a keyed hash of them,
//! with the account and the device. Nothing that a browser brings along at log in becomes its session (no session
//! fixation), and what it must send with each form (against CSRF) is made of the same bits, for this session only.
//!
//! ```text
//! S hash             a session
//! I account hash     finds the sessions of an account
//! ```
//!
//! Invariant: a session is worth as much as the credentials that it was opened with: with another main password, with a
//! second factor switched on or off, with a disabled or removed account or a revoked device, by whichever process, it is
//! over.
//! Invariant: pages get in with the main password (and the second factor, where there is one), never with an application
//! password: a program that was given one cannot change what its owner decides.

mod links;
mod record;
#[cfg(test)]
mod tests;
mod unwritten;

use crate::error::LoginError;
use crate::login::{Attempt, Auth, sanitised};
use crate::owner_proof::OwnerProof;
use crate::second_factor::{SALT_BYTES, SecondFactorSetup};
use crate::secret::Stamp;
use directory::AccountRecord;
use directory::Error;
use directory::fold;
use directory::secret::{PurposeKey, Token};
pub use links::NewOwner;
use record::{SESSION, SessionRecord, index_key, session_key};
use session::Turn;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use store::{AccountId, DeviceId, Protocol, Store, Table, TableId, TableTx, Timestamp};
use unwritten::Unwritten;

const HOUR_MILLIS: i64 = 60 * 60 * 1000;
/// A session that was not used for so long is over.
pub const SESSION_IDLE_MAX_MILLIS: i64 = 14 * 24 * HOUR_MILLIS;
/// No session lives longer.
pub(crate) const SESSION_AGE_MAX_MILLIS: i64 = 90 * 24 * HOUR_MILLIS;
/// An account has at most so many sessions; the one that was not used for the longest time goes.
pub(crate) const SESSIONS_MAX: usize = 50;
/// The last use of a session is exact to this.
const USE_NOTED_EVERY_MILLIS: i64 = 5 * 60 * 1000;

/// The table of sessions.
pub(crate) struct Sessions {
    table: Table,
    unwritten: Unwritten,
    key: PurposeKey,
    csrf_key: PurposeKey,
}

/// The pages' side of [`Auth`].
#[derive(Clone, Copy)]
pub struct Web<'a>(&'a Auth);

/// An attempt to log in on the pages.
#[derive(Clone, Copy)]
pub struct WebAttempt<'a> {
    /// `alice@example.org`, or `alice` if only one account has that local part.
    pub user: &'a str,
    /// The main password. Application passwords do not open the pages.
    pub password: &'a str,
    /// What was typed into the field for the code: six digits, a recovery code, or nothing. Looked at only where the
    /// account has a second factor, which the answer does not tell.
    pub code: &'a str,
    /// From where.
    pub address: IpAddr,
    /// What the browser is, in words for people (`Firefox on Android`), if it is known.
    pub program: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
    /// As [`Attempt::turn`].
    pub turn: Option<&'a Turn>,
}

/// Somebody who logged in just now.
#[derive(Clone, PartialEq, Eq)]
pub struct WebLogin {
    /// For the cookie: 64 hexadecimal digits, known nowhere else. The cookie must be `Secure`, `HttpOnly` and
    /// `SameSite=Lax` or stricter, with the prefix `__Host-`, and replace whichever the browser had.
    pub token: String,
    /// What the token opens.
    pub session: WebSession,
}

/// Somebody who is logged in.
#[derive(Clone, PartialEq, Eq)]
pub struct WebSession {
    /// Whose.
    pub account: AccountId,
    /// What changes are noted as done by.
    pub device: DeviceId,
    /// The account's own address, normalised.
    pub address: String,
    /// The owner's name; may be empty.
    pub display: String,
    /// May use the pages of administration.
    pub is_admin: bool,
    /// The domains that they administer, normalised; mostly none.
    pub administers: Arc<BTreeSet<String>>,
    /// What each form of this session must send back: 64 hexadecimal digits. Compare with [`WebSession::is_csrf`].
    pub csrf: String,
    /// Names the session in lists; opens nothing.
    pub id: String,
    pub(crate) stamp: Stamp,
}

/// A session as its owner sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSessionInfo {
    /// As [`WebSession::id`].
    pub id: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used, exact to some minutes.
    pub last_used_at: Timestamp,
    /// From where it was opened.
    pub address: String,
    /// In which browser, if that is known.
    pub program: Option<String>,
}

/// The owner of a session says once more who they are, before something that matters.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    /// Whose session.
    pub session: &'a WebSession,
    /// The main password.
    pub password: &'a str,
    /// As [`WebAttempt::code`].
    pub code: &'a str,
    /// From where.
    pub address: IpAddr,
    /// As [`WebAttempt::program`].
    pub program: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
    /// As [`Attempt::turn`].
    pub turn: Option<&'a Turn>,
}

/// Why what an owner asked for was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerError {
    /// The password or the code is wrong, or too many were; the caller waits as it says and then answers.
    Login(LoginError),
    /// A rule forbids it: a sentence with what to do.
    Refused(String),
    /// Ours: the store failed.
    Store(store::Error),
}

impl Auth {
    /// Log in, sessions and what owners change about themselves on the pages.
    #[must_use]
    pub fn web(&self) -> Web<'_> {
        Web(self)
    }
}

impl WebSession {
    /// Whether a form came from a page of this session. Compares in constant time.
    #[must_use]
    pub fn is_csrf(&self, sent: &str) -> bool {
        let (ours, sent) = (blake3::Hash::from_hex(&self.csrf), blake3::Hash::from_hex(sent));
        matches!((ours, sent), (Ok(ours), Ok(sent)) if ours == sent)
    }
}

impl Web<'_> {
    /// Lets an owner in, or not, with a fresh session. In turn it blocks for as long as a password takes to verify, whoever
    /// it is.
    ///
    /// # Errors
    /// [`LoginError`]. `Rejected` says neither whether the account exists, nor whether it was the password or the code
    /// that was wrong, nor whether there is a second factor: the text should name all three ("the name, the password or
    /// the code is not right"). After `Rejected` and `Throttled` the caller waits as it says and then answers.
    pub fn log_in(&self, attempt: &WebAttempt<'_>) -> Result<WebLogin, LoginError> {
        let WebAttempt { user, password, code, address, program, now, turn } = *attempt;
        let source = self.0.throttle().source(address, &fold(user.trim()));
        let proof = OwnerProof { user, password, code, address, now, turn };
        let (account, record) = self.0.counting((Protocol::Web, source), now, || self.0.prove_owner(&proof))?;
        Ok(self.open(account, &record, address, program, now)?)
    }

    /// Who has this token in their cookie; nobody when it is over, or never was. Microseconds. Notes the use.
    ///
    /// # Errors
    /// Faults.
    pub fn session(&self, token: &str, now: Timestamp) -> Result<Option<WebSession>, store::Error> {
        let Some(token) = Token::parse(token) else { return Ok(None) };
        let sessions = self.0.session_table();
        let hash = token.hash(&sessions.key);
        let Some(session) = sessions.read(&hash)? else { return Ok(None) };
        let Some(record) = self.0.directory().record(session.account)?.filter(|record| !record.disabled) else {
            return Ok(None);
        };
        let is_old = !session.lives(now) || session.stamp != self.stamp(session.account, &record)?;
        if is_old || self.is_revoked(&session)? {
            return Ok(None);
        }
        if now.0.saturating_sub(session.last_used_at.0) >= USE_NOTED_EVERY_MILLIS {
            match sessions.note_use(&hash, now) {
                // A disk that is full, or takes nothing, keeps nobody from their pages.
                Err(error) if !error.is_of_the_disk() => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(Some(self.shown(&token, &session, &record)?))
    }

    /// Ends the session of a token, if it is one. Durable when it returns.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults.
    pub fn log_out(&self, token: &str) -> Result<(), store::Error> {
        let Some(token) = Token::parse(token) else { return Ok(()) };
        let sessions = self.0.session_table();
        let hash = token.hash(&sessions.key);
        sessions.unwritten.remove(|other, _| *other == hash);
        sessions.table.change(|tx| {
            if let Some(session) = read(tx, &hash)? {
                delete(tx, session.account, &hash);
            }
            Ok(())
        })
    }

    /// The sessions of an account, the one that was used last first.
    ///
    /// # Errors
    /// Faults.
    pub fn sessions(&self, account: AccountId, now: Timestamp) -> Result<Vec<WebSessionInfo>, store::Error> {
        let Some(record) = self.0.directory().record(account)? else { return Ok(Vec::new()) };
        let stamp = self.stamp(account, &record)?;
        let all = self.0.session_table().of(account)?;
        let live = all.into_iter().filter(|(_, session)| session.lives(now) && session.stamp == stamp);
        let mut shown: Vec<WebSessionInfo> = live.map(|(hash, session)| session.info(&hash)).collect();
        shown.sort_by(|a, b| b.last_used_at.cmp(&a.last_used_at).then_with(|| a.id.cmp(&b.id)));
        Ok(shown)
    }

    /// Ends a session of an account by its [`WebSession::id`]. Whether there was one. Durable when it returns.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults.
    pub fn end(&self, account: AccountId, id: &str) -> Result<bool, store::Error> {
        self.end_where(account, |hash| record::id(hash) == id).map(|ended| ended > 0)
    }

    /// Sets the main password. Every session of the account is over, this one too: the owner gets a fresh one.
    ///
    /// # Errors
    /// [`OwnerError::Login`]: the password or the code is wrong. [`OwnerError::Refused`]: the new one breaks a rule.
    pub fn change_password(&self, owner: &Owner<'_>, new: &str) -> Result<WebLogin, OwnerError> {
        directory::check_password(new)?;
        // The old one may be known to be right; the new one has to be hashed.
        owner.turn.ok_or(OwnerError::Login(LoginError::OutOfTurn))?;
        let account = self.prove(owner)?;
        self.0.directory().set_password(&owner.session.address, new)?;
        self.reopen(account, owner)
    }

    /// Whether the account has a second factor, and how many recovery codes are left.
    ///
    /// # Errors
    /// Faults.
    pub fn recovery_codes_left(&self, account: AccountId) -> Result<Option<usize>, store::Error> {
        self.0.second_factors().recovery_codes_left(account)
    }

    /// Begins to set up a second factor: a new secret, which counts from [`Self::confirm_second_factor`] on.
    ///
    /// # Errors
    /// [`OwnerError::Refused`]: there is one already. [`OwnerError::Login`]: the password is wrong.
    pub fn begin_second_factor(&self, owner: &Owner<'_>) -> Result<SecondFactorSetup, OwnerError> {
        let account = self.prove(owner)?;
        Ok(self.0.second_factors().begin(account, &owner.session.address)?)
    }

    /// What was begun and not confirmed yet.
    ///
    /// # Errors
    /// Faults.
    pub fn second_factor_begun(&self, session: &WebSession) -> Result<Option<SecondFactorSetup>, store::Error> {
        self.0.second_factors().begun(session.account, &session.address)
    }

    /// Switches the second factor on with a first code, the one in `owner`; its password is not looked at again. Every
    /// session of the account is over; the owner gets a fresh one, and the recovery codes, which nobody can show again.
    /// From now on programs need application passwords.
    ///
    /// # Errors
    /// [`OwnerError::Refused`]: the code is wrong, nothing was begun.
    pub fn confirm_second_factor(&self, owner: &Owner<'_>) -> Result<(WebLogin, Vec<String>), OwnerError> {
        let account = owner.session.account;
        let codes = self.0.second_factors().confirm(account, owner.code, owner.now)?;
        self.0.verified().forget(account);
        self.reopen(account, owner).map(|login| (login, codes))
    }

    /// Switches the second factor off, with the password and a code. Every session of the account is over; the owner gets
    /// a fresh one.
    ///
    /// # Errors
    /// [`OwnerError::Login`]: the password or the code is wrong.
    pub fn switch_off_second_factor(&self, owner: &Owner<'_>) -> Result<WebLogin, OwnerError> {
        let account = self.prove(owner)?;
        self.0.second_factors().switch_off(account)?;
        self.reopen(account, owner)
    }

    /// Takes away sessions that are over; a caller that does it once a day keeps the table small. How many there were.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults.
    pub fn tidy(&self, now: Timestamp) -> Result<usize, store::Error> {
        let accounts: BTreeSet<AccountId> = self.0.directory().accounts()?.iter().map(|info| info.id).collect();
        let is_there = |account| accounts.contains(&account);
        self.0.session_table().tidy(|session| !session.lives(now) || !is_there(session.account))
    }

    /// Whether the account has a second factor: programs then need application passwords.
    ///
    /// # Errors
    /// Faults.
    pub fn has_second_factor(&self, account: AccountId) -> Result<bool, store::Error> {
        self.0.second_factors().is_on(account)
    }

    /// For an administrator: switches the second factor of somebody off who has lost it. Every session of the account is
    /// over. Whether there was one. Durable when it returns.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults.
    pub fn reset_second_factor(&self, account: AccountId) -> Result<bool, store::Error> {
        self.0.second_factors().switch_off(account)
    }

    fn end_where(&self, account: AccountId, ends: impl Fn(&[u8; 32]) -> bool) -> Result<usize, store::Error> {
        let sessions = self.0.session_table();
        let unwritten = sessions.unwritten.remove(|hash, session| session.account == account && ends(hash));
        sessions.table.change(|tx| {
            let ending: Vec<[u8; 32]> = hashes_of(tx, account)?.into_iter().filter(|hash| ends(hash)).collect();
            ending.iter().for_each(|hash| delete(tx, account, hash));
            Ok(unwritten + ending.len())
        })
    }

    fn prove(&self, owner: &Owner<'_>) -> Result<AccountId, OwnerError> {
        let Owner { session, password, code, address, now, turn, .. } = *owner;
        let proof = OwnerProof { user: &session.address, password, code, address, now, turn };
        Ok(self.0.prove_owner(&proof).map_err(OwnerError::Login)?.0)
    }

    /// A fresh session for somebody whose credentials have changed just now.
    fn reopen(&self, account: AccountId, owner: &Owner<'_>) -> Result<WebLogin, OwnerError> {
        let record = self.0.directory().record(account)?.ok_or(store::Error::NoSuchAccount)?;
        Ok(self.open(account, &record, owner.address, owner.program, owner.now)?)
    }

    fn open(
        &self,
        account: AccountId,
        record: &AccountRecord,
        address: IpAddr,
        program: Option<&str>,
        now: Timestamp,
    ) -> Result<WebLogin, store::Error> {
        let attempt = Attempt {
            user: "",
            password: "",
            protocol: Protocol::Web,
            address,
            fingerprint: None,
            tls: None,
            now,
            turn: None,
        };
        let session = SessionRecord {
            account,
            device: self.0.note_main_password(account, &attempt)?,
            created_at: now,
            last_used_at: now,
            stamp: self.stamp(account, record)?,
            address: address.to_canonical().to_string(),
            program: program.map(sanitised).unwrap_or_default(),
        };
        // RFC 6265 §8.4, session fixation: whichever token the browser sent before, this one is new.
        let token = Token::generate()?;
        let sessions = self.0.session_table();
        let login = WebLogin { token: token.text(), session: self.shown(&token, &session, record)? };
        sessions.add(&token.hash(&sessions.key), session)?;
        Ok(login)
    }

    fn shown(
        &self,
        token: &Token,
        session: &SessionRecord,
        record: &AccountRecord,
    ) -> Result<WebSession, store::Error> {
        let sessions = self.0.session_table();
        Ok(WebSession {
            account: session.account,
            device: session.device,
            address: record.address.clone(),
            display: record.display.clone(),
            is_admin: record.admin,
            administers: self.0.directory().administers(session.account)?,
            csrf: token.derived(&sessions.csrf_key, "form").text(),
            id: record::id(&token.hash(&sessions.key)),
            stamp: Stamp(session.stamp),
        })
    }

    /// What a session is bound to.
    fn stamp(&self, account: AccountId, record: &AccountRecord) -> Result<[u8; 32], store::Error> {
        self.0.stamp(account, record).map(|stamp| stamp.0)
    }

    /// Whether the device of a session was revoked.
    fn is_revoked(&self, session: &SessionRecord) -> Result<bool, store::Error> {
        let devices = match self.0.store().account(session.account).devices() {
            Ok(devices) => devices,
            Err(store::Error::NoSuchAccount) => return Ok(true),
            Err(error) => return Err(error),
        };
        let is_there = session.device == DeviceId::UNNOTED
            || devices.get(&session.device).is_some_and(|device| device.revoked_at.is_none());
        Ok(!is_there)
    }
}

impl Sessions {
    pub(crate) fn new(store: &Store, secret: &[u8; 32]) -> Self {
        Self {
            table: store.table(TableId::Sessions),
            unwritten: Unwritten::default(),
            key: PurposeKey::new("pillarbox 2026 sessions on the pages", secret),
            csrf_key: PurposeKey::new("pillarbox 2026 forms on the pages", secret),
        }
    }

    /// What logins with the main password are bound to.
    pub(crate) fn stamp(&self, account: AccountId, record: &AccountRecord, factor: Option<&[u8; SALT_BYTES]>) -> Stamp {
        let factor = factor.map_or(&[][..], |salt| &salt[..]);
        let parts = [&account.0.to_be_bytes(), record.password.as_bytes(), factor];
        Stamp(*self.key.hash(&parts).as_bytes())
    }

    fn read(&self, hash: &[u8; 32]) -> Result<Option<SessionRecord>, store::Error> {
        let key = session_key(hash);
        let written = self.table.get(&key)?.map(|value| SessionRecord::of_value(&value)).transpose()?;
        Ok(written.or_else(|| self.unwritten.get(hash)))
    }

    /// Adds a session: a disk that takes nothing keeps nobody from their pages.
    fn add(&self, hash: &[u8; 32], session: SessionRecord) -> Result<(), store::Error> {
        match self.write(hash, &session) {
            Err(error) if error.is_of_the_disk() => self.unwritten.add(*hash, session),
            written => written?,
        }
        Ok(())
    }

    /// Writes a session, and takes away those of the account that are over, or too many.
    fn write(&self, hash: &[u8; 32], session: &SessionRecord) -> Result<(), store::Error> {
        let (account, now) = (session.account, session.created_at);
        self.table.change(|tx| {
            let mut kept = Vec::new();
            for known in hashes_of(tx, account)? {
                match read(tx, &known)? {
                    Some(other) if other.lives(now) && other.stamp == session.stamp => {
                        kept.push((other.last_used_at, known));
                    }
                    Some(_) | None => delete(tx, account, &known),
                }
            }
            kept.sort_unstable();
            let too_many = (kept.len() + 1).saturating_sub(SESSIONS_MAX);
            kept.iter().take(too_many).for_each(|(_, known)| delete(tx, account, known));
            tx.put(&session_key(hash), session.encode());
            tx.put(&index_key(account, hash), Vec::new());
            Ok(())
        })
    }

    fn note_use(&self, hash: &[u8; 32], now: Timestamp) -> Result<(), store::Error> {
        if self.unwritten.note_use(hash, now) {
            return Ok(());
        }
        self.table.change(|tx| {
            // It may have been ended meanwhile.
            if let Some(session) = read(tx, hash)? {
                tx.put(&session_key(hash), SessionRecord { last_used_at: now, ..session }.encode());
            }
            Ok(())
        })
    }

    fn of(&self, account: AccountId) -> Result<Vec<([u8; 32], SessionRecord)>, store::Error> {
        let prefix = record::index_prefix(account);
        let mut sessions = Vec::new();
        for (key, _) in self.table.scan(&prefix, &prefix, usize::MAX)? {
            let hash = record::hash_in(&key)?;
            sessions.extend(self.read(&hash)?.map(|session| (hash, session)));
        }
        sessions.extend(self.unwritten.of(account));
        Ok(sessions)
    }

    /// Takes away sessions that nobody can use any more. How many.
    fn tidy(&self, is_over: impl Fn(&SessionRecord) -> bool) -> Result<usize, store::Error> {
        let unwritten = self.unwritten.remove(|_, session| is_over(session));
        self.table.change(|tx| {
            let mut count = unwritten;
            for (key, value) in tx.scan_before(SESSION, SESSION, usize::MAX)? {
                let session = SessionRecord::of_value(&value)?;
                if is_over(&session) {
                    delete(tx, session.account, &record::hash_in(&key)?);
                    count += 1;
                }
            }
            Ok(count)
        })
    }
}

fn read(tx: &TableTx<'_>, hash: &[u8; 32]) -> Result<Option<SessionRecord>, store::Error> {
    tx.get(&session_key(hash))?.map(|value| SessionRecord::of_value(&value)).transpose()
}

fn delete(tx: &mut TableTx<'_>, account: AccountId, hash: &[u8; 32]) {
    tx.delete(&session_key(hash));
    tx.delete(&index_key(account, hash));
}

fn hashes_of(tx: &TableTx<'_>, account: AccountId) -> Result<Vec<[u8; 32]>, store::Error> {
    let prefix = record::index_prefix(account);
    tx.scan_before(&prefix, &prefix, usize::MAX)?.iter().map(|(key, _)| record::hash_in(key)).collect()
}

/// Without what opens something.
impl fmt::Debug for WebSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSession({} of {})", self.id, self.address)
    }
}

/// Without what opens something.
impl fmt::Debug for WebLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}

impl From<Error> for OwnerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(why) => Self::Refused(why),
            Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<store::Error> for OwnerError {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for OwnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(error) => error.fmt(f),
            Self::Refused(why) => f.write_str(why),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OwnerError {}
