//! The byte forms of what was read.

use crate::day::Day;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use store::Error;

const DIGEST_BYTES: usize = 16;
const SECONDS: i64 = 24 * 3600;

/// The key of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) letter: u8,
    /// About which domain of ours; empty for a complaint.
    pub(super) domain: String,
    /// Who brought it.
    pub(super) by: String,
    pub(super) day: Day,
    pub(super) digest: [u8; DIGEST_BYTES],
}

impl Key {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut key = of_domain(self.letter, &self.domain);
        key.extend_from_slice(self.by.as_bytes());
        key.push(0);
        key.extend_from_slice(&self.day.0.to_be_bytes());
        key.extend_from_slice(&self.digest);
        key
    }

    pub(super) fn parse(key: &[u8]) -> Option<Self> {
        let (letter, rest) = key.split_first()?;
        let (rest, digest) = rest.split_last_chunk()?;
        let (rest, day) = rest.split_last_chunk()?;
        let mut names = rest.split(|octet| *octet == 0).map(|name| String::from_utf8(name.to_vec()));
        let (domain, by) = (names.next()?.ok()?, names.next()?.ok()?);
        Some(Self { letter: *letter, domain, by, day: Day(u32::from_be_bytes(*day)), digest: *digest })
    }
}

/// All rows of a domain begin so.
fn of_domain(letter: u8, domain: &str) -> Vec<u8> {
    [&[letter][..], domain.as_bytes(), b"\0"].concat()
}

pub(super) fn of_address(address: IpAddr) -> Vec<u8> {
    [&b"p"[..], address.to_string().as_bytes()].concat()
}

/// The name of an address, or that it has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) day: u32,
    pub(super) name: Option<String>,
}

impl Named {
    pub(super) fn is_old(value: &[u8], oldest: Day) -> bool {
        decode::<Self>(value).map_or(true, |named| named.day < oldest.0)
    }
}

pub(super) fn digest(parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}

/// The day of a moment as RFC 3339 has it.
pub(super) fn day(moment: &str) -> Option<Day> {
    let digits = |from: usize, to: usize| moment.get(from..to)?.parse::<u32>().ok();
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        .get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    let date = message::date::parse(format!("{day} {name} {year:04} 00:00:00 +0000").as_bytes())?;
    u32::try_from(date.unix_seconds.div_euclid(SECONDS)).ok().map(Day)
}

pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    // What is encoded has no maps with keys that are no text, which is all that could fail.
    serde_json::to_vec(value).unwrap_or_default()
}

pub(super) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(|_| Error::Damaged("what was read of reports is damaged".into()))
}
