//! The rows of requests.

use super::{DAY_MILLIS, REQUEST_DAYS_MAX, RequestInfo, RequestState};
use store::codec::{Corrupt, Reader, Writer};
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
        let mut value = Writer::of_format(FORMAT);
        for text in [&self.name, &self.address, &self.reason, &self.contact, &self.from] {
            value.wide_text(text);
        }
        value.raw(&self.network.to_be_bytes()).raw(&self.asked_at.0.to_be_bytes()).raw(&self.secret).raw(&self.link);
        match &self.state {
            State::Pending => value.byte(0),
            State::Accepting => value.byte(1),
            State::Accepted { address, at } => value.byte(2).raw(&at.0.to_be_bytes()).wide_text(address),
            State::Declined { reason, at } => value.byte(3).raw(&at.0.to_be_bytes()).wide_text(reason),
        };
        value.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let (name, address, reason) = (fields.wide_text()?, fields.wide_text()?, fields.wide_text()?);
        let (contact, from) = (fields.wide_text()?, fields.wide_text()?);
        let network = u128::from_be_bytes(fields.array()?);
        let asked_at = Timestamp(i64::from_be_bytes(fields.array()?));
        let (secret, link) = (fields.array()?, fields.array()?);
        let kind = fields.byte()?;
        let mut answer = || Ok::<_, Corrupt>((Timestamp(i64::from_be_bytes(fields.array()?)), fields.wide_text()?));
        let state = match kind {
            0 => State::Pending,
            1 => State::Accepting,
            2 => answer().map(|(at, address)| State::Accepted { address, at })?,
            3 => answer().map(|(at, reason)| State::Declined { reason, at })?,
            4.. => return Err(Corrupt),
        };
        fields.end()?;
        Ok(Self { name, address, reason, contact, from, network, asked_at, state, secret, link })
    }

    pub(super) fn of_value(value: &[u8]) -> Result<Self, Error> {
        Self::decode(value).map_err(|Corrupt| damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_has_the_octets_that_it_always_had() {
        let [name, address, reason, contact, from] = ["n", "a", "", "c", "f"].map(str::to_owned);
        let state = State::Declined { reason: "no".to_owned(), at: Timestamp(-1) };
        let (secret, link) = ([b's'; 32], [b'l'; 32]);
        let record = RequestRecord {
            name,
            address,
            reason,
            contact,
            from,
            network: 9,
            asked_at: Timestamp(8),
            state,
            secret,
            link,
        };
        let texts = b"\x01\0\0\0\x01n\0\0\0\x01a\0\0\0\0\0\0\0\x01c\0\0\0\x01f";
        let answer = b"\x03\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x02no";
        let octets = [&texts[..], &[0; 15], b"\x09\0\0\0\0\0\0\0\x08", &secret, &link, answer].concat();
        assert_eq!(record.encode(), octets);
        assert_eq!(RequestRecord::decode(&octets), Ok(record));
    }

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
            prop_assert_eq!(RequestRecord::decode(&value[..value.len() - 1]), Err(Corrupt));
            prop_assert_eq!(RequestRecord::decode(&[&value[..], b"x"].concat()), Err(Corrupt));
            prop_assert_eq!(RequestRecord::decode(&value), Ok(record));
        }
    }
}
