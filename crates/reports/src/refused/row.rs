//! The byte forms of rows.

use super::{About, DAY_MILLIS, Refusal};
use std::net::{IpAddr, Ipv6Addr};
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, Timestamp};

const FORMAT: u8 = 1;
/// What a client wrote is kept up to this length.
const TEXT_BYTES_MAX: usize = 200;
/// A reply of ours may be longer.
const REPLY_BYTES_MAX: usize = 400;

/// The key of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) account: AccountId,
    pub(super) at: Timestamp,
    /// Tells rows of one moment apart.
    pub(super) number: u32,
}

impl Key {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut key = of_account(self.account);
        key.extend_from_slice(&self.at.0.max(0).to_be_bytes());
        key.extend_from_slice(&self.number.to_be_bytes());
        key
    }

    pub(super) fn parse(key: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(key, b'r')?;
        let account = AccountId(u32::from_be_bytes(fields.array()?));
        let at = Timestamp(i64::from_be_bytes(fields.array()?));
        Ok(Self { account, at, number: u32::from_be_bytes(fields.array()?) })
    }
}

/// All rows of an account begin so.
pub(super) fn of_account(account: AccountId) -> Vec<u8> {
    let mut prefix = vec![b'r'];
    prefix.extend_from_slice(&account.0.to_be_bytes());
    prefix
}

/// The key of what was not written down on a day.
pub(super) fn day(at: Timestamp) -> Vec<u8> {
    let day = u32::try_from(at.0.div_euclid(DAY_MILLIS)).unwrap_or(0);
    let mut key = vec![b'd'];
    key.extend_from_slice(&day.to_be_bytes());
    key
}

pub(super) fn count(value: &[u8]) -> Result<u64, Corrupt> {
    value.try_into().map(u64::from_be_bytes).map_err(|_| Corrupt)
}

impl Refusal {
    pub(super) fn encode(&self) -> Vec<u8> {
        let client = match self.client {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut row = Writer::of_format(FORMAT);
        row.raw(&self.at.0.to_be_bytes()).raw(&self.times.to_be_bytes()).raw(&client.octets());
        row.raw(&self.code.to_be_bytes());
        let About { message_id, subject, author } = &self.about;
        for text in [&self.protocol, &self.from, &self.to, &self.id, message_id, subject, author] {
            row.wide_text(cut(text, TEXT_BYTES_MAX));
        }
        row.wide_text(cut(&self.reply, REPLY_BYTES_MAX));
        row.0
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let at = Timestamp(i64::from_be_bytes(fields.array()?));
        let times = u32::from_be_bytes(fields.array()?);
        let client = IpAddr::from(Ipv6Addr::from(fields.array::<16>()?)).to_canonical();
        let code = u16::from_be_bytes(fields.array()?);
        let mut text = || fields.wide_text();
        let (protocol, from, to, id) = (text()?, text()?, text()?, text()?);
        let about = About { message_id: text()?, subject: text()?, author: text()? };
        Ok(Self { at, times, protocol, client, from, to, code, reply: text()?, id, about })
    }
}

fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}
