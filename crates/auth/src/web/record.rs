//! The rows of the sessions' table.

use super::{SESSION_AGE_MAX_MILLIS, SESSION_IDLE_MAX_MILLIS, WebSessionInfo};
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, DeviceId, Error, Timestamp};

const FORMAT: u8 = 1;
pub(super) const SESSION: &[u8] = b"S";
const INDEX: &[u8] = b"I";
/// Digits of a hash that name a session in lists.
const ID_CHARS: usize = 16;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionRecord {
    pub(super) account: AccountId,
    pub(super) device: DeviceId,
    pub(super) created_at: Timestamp,
    pub(super) last_used_at: Timestamp,
    /// Of the credentials that opened it.
    pub(super) stamp: [u8; 32],
    pub(super) address: String,
    /// May be empty.
    pub(super) program: String,
}

pub(super) fn session_key(hash: &[u8; 32]) -> Vec<u8> {
    [SESSION, hash].concat()
}

pub(super) fn index_key(account: AccountId, hash: &[u8; 32]) -> Vec<u8> {
    [INDEX, &account.0.to_be_bytes(), hash].concat()
}

pub(super) fn index_prefix(account: AccountId) -> Vec<u8> {
    [INDEX, &account.0.to_be_bytes()].concat()
}

/// The hash at the end of a key.
pub(super) fn hash_in(key: &[u8]) -> Result<[u8; 32], Error> {
    key.last_chunk().copied().ok_or_else(damaged)
}

/// What names a session in lists. It opens nothing: a token has this hash, and not the other way round.
pub(super) fn id(hash: &[u8; 32]) -> String {
    let mut id = blake3::Hash::from_bytes(*hash).to_hex().to_string();
    id.truncate(ID_CHARS);
    id
}

fn damaged() -> Error {
    Error::Fault("the sessions of the pages are damaged".to_owned())
}

impl SessionRecord {
    /// Whether it was used lately and is not too old. A clock that was set back ends no session.
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        let since = |at: Timestamp| now.0.saturating_sub(at.0);
        since(self.last_used_at) < SESSION_IDLE_MAX_MILLIS && since(self.created_at) < SESSION_AGE_MAX_MILLIS
    }

    pub(super) fn info(&self, hash: &[u8; 32]) -> WebSessionInfo {
        WebSessionInfo {
            id: id(hash),
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            address: self.address.clone(),
            program: Some(self.program.clone()).filter(|program| !program.is_empty()),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = Writer::of_format(FORMAT);
        value.raw(&self.account.0.to_be_bytes()).raw(&self.device.0.to_be_bytes());
        value.raw(&self.created_at.0.to_be_bytes()).raw(&self.last_used_at.0.to_be_bytes());
        value.raw(&self.stamp).wide_text(&self.address).wide_text(&self.program);
        value.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let (account, device) =
            (AccountId(u32::from_be_bytes(fields.array()?)), DeviceId(u32::from_be_bytes(fields.array()?)));
        let mut time = || fields.array().map(|bytes| Timestamp(i64::from_be_bytes(bytes)));
        let (created_at, last_used_at) = (time()?, time()?);
        let (stamp, address, program) = (fields.array()?, fields.wide_text()?, fields.wide_text()?);
        fields.end()?;
        Ok(Self { account, device, created_at, last_used_at, stamp, address, program })
    }

    pub(super) fn of_value(value: &[u8]) -> Result<Self, Error> {
        Self::decode(value).map_err(|Corrupt| damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_the_octets_that_it_always_had() {
        let record = SessionRecord {
            account: AccountId(16),
            device: DeviceId(3),
            created_at: Timestamp(5),
            last_used_at: Timestamp(6),
            stamp: [b's'; 32],
            address: "::1".to_owned(),
            program: String::new(),
        };
        let numbers = b"\x01\0\0\0\x10\0\0\0\x03\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06";
        let octets = [&numbers[..], &[b's'; 32], b"\0\0\0\x03::1\0\0\0\0"].concat();
        assert_eq!(record.encode(), octets);
        assert_eq!(SessionRecord::decode(&octets), Ok(record));
        assert_eq!(SessionRecord::decode(&octets[..octets.len() - 1]), Err(Corrupt));
    }
}
