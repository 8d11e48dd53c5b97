//! The rows of requests.

use super::{DAY_MILLIS, REQUEST_DAYS_MAX, RequestInfo, RequestState};
use crate::fields::{Fields, put_text};
use store::{Error, TableTx, Timestamp};

const FORMAT: u8 = 1;
pub(super) const REQUEST: &[u8] = b"R";
const SECRET: &[u8] = b"Q";
const COUNTER: &[u8] = b"C";

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestRecord {
    pub(super) name: String,
    /// Normalised.
    pub(super) address: String,
    pub(super) reason: String,
    pub(super) contact: String,
    pub(super) from: String,
    /// What counts as one address.
    pub(super) network: u128,
    pub(super) asked_at: Timestamp,
    pub(super) state: State,
    /// Of the secret that who asked has.
    pub(super) secret: [u8; 32],
    /// Of the link for the first password that is made of the secret.
    pub(super) link: [u8; 32],
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    /// The account is being made, or was made just before a crash.
    Accepting,
    Accepted {
        address: String,
        at: Timestamp,
    },
    Declined {
        reason: String,
        at: Timestamp,
    },
}

pub(super) fn request_key(number: u32) -> Vec<u8> {
    [REQUEST, &number.to_be_bytes()].concat()
}

pub(super) fn secret_key(hash: &[u8; 32]) -> Vec<u8> {
    [SECRET, hash].concat()
}

/// The number in a key that [`request_key`] made.
pub(super) fn number_in(key: &[u8]) -> Result<u32, Error> {
    number_of(key.get(1..).unwrap_or_default())
}

pub(super) fn number_of(bytes: &[u8]) -> Result<u32, Error> {
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| damaged())
}

/// The number of a request that is made now.
pub(super) fn next_number(tx: &mut TableTx<'_>) -> Result<u32, Error> {
    let number = tx.get(COUNTER)?.map_or(Ok(1), |value| number_of(&value))?;
    tx.put(COUNTER, number.saturating_add(1).to_be_bytes().to_vec());
    Ok(number)
}

fn damaged() -> Error {
    Error::Fault("the requests for accounts are damaged".to_owned())
}

impl RequestRecord {
    pub(super) fn read(tx: &TableTx<'_>, number: u32) -> Result<Option<Self>, Error> {
        tx.get(&request_key(number))?.map(|value| Self::of_value(&value)).transpose()
    }

    pub(super) fn write(&self, tx: &mut TableTx<'_>, number: u32) {
        tx.put(&request_key(number), self.encode());
    }

    /// Whether it is forgotten.
    pub(super) fn is_old(&self, now: Timestamp) -> bool {
        let since = match &self.state {
            State::Pending | State::Accepting => self.asked_at,
            State::Accepted { at, .. } | State::Declined { at, .. } => *at,
        };
        now.0.saturating_sub(since.0) >= REQUEST_DAYS_MAX * DAY_MILLIS
    }

    pub(super) fn info(self, number: u32, is_taken: bool) -> RequestInfo {
        RequestInfo {
            number,
            name: self.name,
            address: self.address,
            reason: self.reason,
            contact: self.contact,
            from: self.from,
            asked_at: self.asked_at,
            state: match self.state {
                State::Pending | State::Accepting => RequestState::Pending,
                State::Accepted { address, at } => RequestState::Accepted { address, at },
                State::Declined { reason, at } => RequestState::Declined { reason, at },
            },
            is_taken,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut value = vec![FORMAT];
        for text in [&self.name, &self.address, &self.reason, &self.contact, &self.from] {
            put_text(&mut value, text);
        }
        value.extend_from_slice(&self.network.to_be_bytes());
        value.extend_from_slice(&self.asked_at.0.to_be_bytes());
        value.extend_from_slice(&self.secret);
        value.extend_from_slice(&self.link);
        let mut answer = |kind: u8, at: Timestamp, text: &str| {
            value.push(kind);
            value.extend_from_slice(&at.0.to_be_bytes());
            put_text(&mut value, text);
        };
        match &self.state {
            State::Pending => value.push(0),
            State::Accepting => value.push(1),
            State::Accepted { address, at } => answer(2, *at, address),
            State::Declined { reason, at } => answer(3, *at, reason),
        }
        value
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let mut fields = Fields::open(value, FORMAT)?;
        let (name, address, reason) = (fields.text()?, fields.text()?, fields.text()?);
        let (contact, from) = (fields.text()?, fields.text()?);
        let network = u128::from_be_bytes(fields.take()?);
        let asked_at = Timestamp(i64::from_be_bytes(fields.take()?));
        let (secret, link) = (fields.take()?, fields.take()?);
        let kind = u8::from_be_bytes(fields.take()?);
        let mut answer = || Some((Timestamp(i64::from_be_bytes(fields.take()?)), fields.text()?));
        let state = match kind {
            0 => State::Pending,
            1 => State::Accepting,
            2 => answer().map(|(at, address)| State::Accepted { address, at })?,
            3 => answer().map(|(at, reason)| State::Declined { reason, at })?,
            4.. => return None,
        };
        fields.end()?;
        Some(Self { name, address, reason, contact, from, network, asked_at, state, secret, link })
    }

    pub(super) fn of_value(value: &[u8]) -> Result<Self, Error> {
        Self::decode(value).ok_or_else(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn what_is_written_is_read(texts: [String; 6], network: u128, times: [i64; 2], hash: [u8; 32], kind in 0..4) {
            let [name, address, reason, contact, from, text] = texts;
            let at = Timestamp(times[1]);
            let state = match kind {
                0 => State::Pending,
                1 => State::Accepting,
                2 => State::Accepted { address: text, at },
                _ => State::Declined { reason: text, at },
            };
            let (asked_at, secret, link) = (Timestamp(times[0]), hash, hash.map(|byte| !byte));
            let record = RequestRecord { name, address, reason, contact, from, network, asked_at, state, secret, link };
            let value = record.encode();
            prop_assert_eq!(RequestRecord::decode(&value[..value.len() - 1]), None);
            prop_assert_eq!(RequestRecord::decode(&[&value[..], b"x"].concat()), None);
            prop_assert_eq!(RequestRecord::decode(&value), Some(record));
        }
    }
}
