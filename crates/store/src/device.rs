//! Devices: a credential of the account, what may be done with it and what was done.

use crate::codec::{Corrupt, Reader};
use crate::ids::{AccountId, DeviceId, Timestamp};
use crate::journal::Protocol;
use crate::pop::PopSettings;
use crate::pop_program::Program;
use crate::record::{grown, open, open_grown, versioned};
use crate::removal::RemovalPolicy;
use crate::settings::AccountSettings;

pub use crate::device_name::{import_name, main_password_name, shown_name};

/// An account has at most this many devices. One that was revoked, or not seen for [`UNSEEN_DAYS`], gives way to a new one.
pub const DEVICES_MAX: usize = 1000;
/// So many more may stand for the main password: whoever has the account full of devices still gets in.
pub const MAIN_PASSWORD_ROOM: usize = 64;
/// A device that was not seen for so many days is not coming back.
pub const UNSEEN_DAYS: u16 = 365;
/// So many names of devices that gave way are known at most, while the journal may name them.
pub(crate) const FORGOTTEN_MAX: usize = 1000;
/// A device's name is at most this long.
pub(crate) const DEVICE_NAME_BYTES_MAX: usize = 100;

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Never used again within the account.
    pub id: DeviceId,
    /// For people.
    pub name: String,
    /// How it logs in.
    pub credential: Credential,
    /// When it was added.
    pub added_at: Timestamp,
    /// Its last login, exact to a few minutes.
    pub last_login: Option<LastLogin>,
    /// From then on it may not log in.
    pub revoked_at: Option<Timestamp>,
    /// What its POP3 deletions do, and what it lists.
    pub pop: PopSettings,
    /// When `pop` was chosen: [`crate::pop::Window::FromNowOn`] counts from then.
    pub pop_since: Timestamp,
    /// Since when its deletions have an effect that comes later ([`RemovalPolicy`]): what it deleted before, under
    /// another policy, stays.
    pub removal_since: Timestamp,
    /// Whether a message that it submits is saved to Sent.
    pub saves_sent: bool,
    /// When the owner said that what it took need not be put back.
    pub offer_declined_at: Option<Timestamp>,
    /// Whether its owner has seen what it does over POP3.
    pub introduced: bool,
    /// The ways in which programs have logged in as it over POP3 with the main password, the last one last.
    pub programs: Vec<Program>,
    /// Whether its removals are held when they are far more than usual ([`crate::brake`]).
    pub brake: bool,
    /// What lets it log in without saying its password; empty where it says it.
    pub scram: Vec<u8>,
    /// What it may show instead of saying its password.
    pub token: Option<DeviceToken>,
    /// The protocols that it has logged in with, as bits in the order of [`Protocol::ALL`].
    pub(crate) protocols: u16,
}

/// A device that gave way to another one: what the journal needs to name it. Its number is not used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forgotten {
    pub(crate) name: String,
    /// When it gave way.
    pub(crate) at: Timestamp,
}

impl Forgotten {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = versioned();
        w.text(&self.name).signed(self.at.0);
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let forgotten = Self { name: r.text()?, at: Timestamp(r.signed()?) };
        r.end().map(|()| forgotten)
    }
}

/// How a device logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A random password of its own: the password *is* the device.
    ApplicationPassword {
        /// A keyed hash.
        hash: [u8; 32],
    },
    /// The account's main password, told apart by protocol and the program's own words.
    MainPassword {
        /// `imap:Thunderbird`, `pop3`.
        fingerprint: String,
    },
    /// Somebody else's login, in mailboxes that the owner shares.
    Guest {
        /// Theirs.
        account: AccountId,
        /// Theirs, as their account counts them; 0: any of them.
        device: DeviceId,
    },
    /// It does not: an import stands behind it, which brings mail from elsewhere ([`crate::Account::import`]).
    Import {
        /// Where the mail comes from: the same for the same mail.
        source: String,
    },
}

/// A token that opens the door for some time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceToken {
    /// A keyed hash.
    pub hash: [u8; 32],
    /// From then on it does not count.
    pub expires_at: Timestamp,
}

impl DeviceToken {
    /// Whether it has not expired.
    #[must_use]
    pub fn counts_at(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// Hides the hash.
impl std::fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLogin {
    /// When.
    pub at: Timestamp,
    /// Over which protocol.
    pub protocol: Protocol,
    /// From which address.
    pub address: String,
    /// The TLS session in words (`TLSv1.3`), if there was one.
    pub tls: Option<String>,
    /// What the program called itself, if it did.
    pub program: Option<String>,
}

impl Device {
    /// A device that was not used yet.
    pub(crate) fn new(
        id: DeviceId,
        (name, credential): (String, Credential),
        settings: &AccountSettings,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            name,
            credential,
            added_at: now,
            last_login: None,
            revoked_at: None,
            pop: settings.pop,
            pop_since: now,
            removal_since: now,
            saves_sent: true,
            offer_declined_at: None,
            introduced: false,
            programs: Vec::new(),
            brake: settings.brake,
            scram: Vec::new(),
            token: None,
            protocols: 0,
        }
    }

    /// Whether it has logged in over `protocol`.
    #[must_use]
    pub fn has_used(&self, protocol: Protocol) -> bool {
        Protocol::ALL.iter().position(|p| *p == protocol).is_some_and(|bit| self.protocols & (1 << bit) != 0)
    }

    /// When it was seen last, or added.
    #[must_use]
    pub fn last_seen(&self) -> Timestamp {
        self.last_login.as_ref().map_or(self.added_at, |login| login.at.max(self.added_at))
    }

    /// Whether it gives way to a new device: the first in this order does.
    pub(crate) fn gives_way(&self, now: Timestamp) -> Option<(bool, Timestamp)> {
        match self.revoked_at {
            Some(at) => Some((false, at)),
            None => Some((true, self.last_seen())).filter(|(_, seen)| *seen < now.days_before(UNSEEN_DAYS)),
        }
    }

    pub(crate) fn uses(&mut self, protocol: Protocol) {
        if let Some(bit) = Protocol::ALL.iter().position(|p| *p == protocol) {
            self.protocols |= 1 << bit;
        }
    }

    /// Whether somebody may read the mailbox with it: the main password once it was used over a protocol that reads, an
    /// application password from the day it was made, unless it has only sent since (a scanner). The pages show no mail: who
    /// looks at them has no second device.
    #[must_use]
    pub fn reads_mail(&self) -> bool {
        let has_read = || [Protocol::Imap, Protocol::Pop3].iter().any(|protocol| self.has_used(*protocol));
        self.revoked_at.is_none()
            && match self.credential {
                Credential::ApplicationPassword { .. } => has_read() || !self.has_used(Protocol::Submission),
                Credential::MainPassword { .. } => has_read(),
                // What an owner does with their mail is not for guests to keep; and an import only brings some.
                Credential::Guest { .. } | Credential::Import { .. } => false,
            }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = grown();
        w.text(&self.name);
        match &self.credential {
            Credential::ApplicationPassword { hash } => w.byte(0).bytes(hash),
            Credential::MainPassword { fingerprint } => w.byte(1).text(fingerprint),
            Credential::Guest { account, device } => w.byte(2).number(account.0.into()).number(device.0.into()),
            Credential::Import { source } => w.byte(3).text(source),
        };
        w.signed(self.added_at.0);
        w.option(self.last_login.as_ref(), |w, login| {
            w.signed(login.at.0);
            login.protocol.write(w);
            w.text(&login.address);
            for text in [&login.tls, &login.program] {
                w.option(text.as_deref(), |w, text| {
                    w.text(text);
                });
            }
        });
        w.option(self.revoked_at, |w, at| {
            w.signed(at.0);
        });
        self.pop.write(&mut w);
        w.signed(self.pop_since.0).byte(u8::from(self.saves_sent)).number(self.protocols.into());
        w.option(self.offer_declined_at, |w, at| {
            w.signed(at.0);
        });
        w.byte(u8::from(self.introduced));
        w.number(self.programs.len() as u64);
        self.programs.iter().for_each(|program| program.write(&mut w));
        w.byte(u8::from(self.brake)).signed(self.removal_since.0);
        if !self.scram.is_empty() || self.token.is_some() {
            w.bytes(&self.scram);
        }
        if let Some(DeviceToken { hash, expires_at }) = &self.token {
            w.bytes(hash).signed(expires_at.0);
        }
        w.0
    }

    pub(crate) fn decode(id: DeviceId, bytes: &[u8]) -> Result<Self, Corrupt> {
        let (mut r, has_grown) = open_grown(bytes)?;
        let name = r.text()?;
        let credential = read_credential(&mut r)?;
        let added_at = Timestamp(r.signed()?);
        let device = Self {
            id,
            name,
            credential,
            added_at,
            last_login: r.option(|r| read_login(r, has_grown))?,
            revoked_at: r.option(|r| r.signed().map(Timestamp))?,
            pop: if has_grown { PopSettings::read(&mut r)? } else { RemovalPolicy::read(&mut r)?.into() },
            pop_since: if has_grown { Timestamp(r.signed()?) } else { added_at },
            saves_sent: !has_grown || r.byte()? != 0,
            protocols: u16::try_from(r.number()?).map_err(|_| Corrupt)?,
            offer_declined_at: if has_grown { r.option(|r| r.signed().map(Timestamp))? } else { None },
            introduced: !has_grown || r.byte()? != 0,
            programs: if has_grown { r.list(Program::read)? } else { Vec::new() },
            brake: !has_grown || r.byte()? != 0,
            removal_since: if has_grown { Timestamp(r.signed()?) } else { added_at },
            // A record of an earlier version ends before it.
            scram: if r.0.is_empty() { Vec::new() } else { r.bytes()?.to_vec() },
            token: if r.0.is_empty() { None } else { Some(read_token(&mut r)?) },
        };
        r.end().map(|()| device)
    }
}

fn read_token(r: &mut Reader<'_>) -> Result<DeviceToken, Corrupt> {
    let hash = r.bytes()?.try_into().map_err(|_| Corrupt)?;
    Ok(DeviceToken { hash, expires_at: Timestamp(r.signed()?) })
}

fn read_login(r: &mut Reader<'_>, has_grown: bool) -> Result<LastLogin, Corrupt> {
    let text = |r: &mut Reader<'_>| if has_grown { r.option(Reader::text) } else { Ok(None) };
    Ok(LastLogin {
        at: Timestamp(r.signed()?),
        protocol: Protocol::read(r)?,
        address: r.text()?,
        tls: text(r)?,
        program: text(r)?,
    })
}

fn read_credential(r: &mut Reader<'_>) -> Result<Credential, Corrupt> {
    match r.byte()? {
        0 => Ok(Credential::ApplicationPassword { hash: r.bytes()?.try_into().map_err(|_| Corrupt)? }),
        1 => Ok(Credential::MainPassword { fingerprint: r.text()? }),
        2 => Ok(Credential::Guest { account: AccountId(r.small()?), device: DeviceId(r.small()?) }),
        3 => Ok(Credential::Import { source: r.text()? }),
        4.. => Err(Corrupt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_of_a_device_may_end_before_its_keys_and_its_token() {
        let credential = Credential::ApplicationPassword { hash: [1; 32] };
        let device = Device::new(DeviceId(3), ("pc".to_owned(), credential), &AccountSettings::default(), Timestamp(5));
        let token = Some(DeviceToken { hash: [2; 32], expires_at: Timestamp(9) });
        for (scram, token) in [(vec![], None), (vec![7; 4], None), (vec![], token), (vec![7; 4], token)] {
            let device = Device { scram, token, ..device.clone() };
            assert_eq!(Device::decode(device.id, &device.encode()).unwrap(), device);
        }
    }
}
