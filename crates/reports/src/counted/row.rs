//! The byte forms of what is counted.

use crate::day::Day;
use crate::dmarc::Published;
use queue::Promise;
use sender_auth::{Asks, DmarcPolicy};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use store::Error;

/// Of the digest that tells rows apart.
const DIGEST_BYTES: usize = 16;

/// Of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Mail that names a domain in From.
    Mail,
    /// Sessions with its hosts.
    Sessions,
}

impl Kind {
    pub(crate) fn of_domains(self) -> u8 {
        match self {
            Self::Mail => b'a',
            Self::Sessions => b't',
        }
    }

    pub(crate) fn of_rows(self) -> u8 {
        match self {
            Self::Mail => b'e',
            Self::Sessions => b's',
        }
    }
}

/// A day of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) day: Day,
    pub(crate) domain: String,
}

impl Key {
    pub(crate) fn of_domain(&self) -> Vec<u8> {
        named(self.kind.of_domains(), self.day, &self.domain)
    }

    /// All rows begin so.
    pub(crate) fn of_rows(&self) -> Vec<u8> {
        let mut key = named(self.kind.of_rows(), self.day, &self.domain);
        // No name has one.
        key.push(0);
        key
    }

    pub(crate) fn of_row(&self, kind: &impl Serialize) -> Vec<u8> {
        let mut key = self.of_rows();
        let digest = blake3::hash(&encode(kind));
        key.extend_from_slice(digest.as_bytes().get(..DIGEST_BYTES).unwrap_or_default());
        key
    }

    /// What [`Self::of_domain`] gave.
    pub(crate) fn parse(key: &[u8], kind: Kind) -> Option<Self> {
        let (day, domain) = key.strip_prefix(&[kind.of_domains()])?.split_first_chunk()?;
        let domain = String::from_utf8(domain.to_vec()).ok()?;
        Some(Self { kind, day: Day(u32::from_be_bytes(*day)), domain })
    }
}

pub(crate) fn of_day(day: Day) -> Vec<u8> {
    named(b'n', day, "")
}

pub(crate) fn of_organisation(day: Day, organisation: &str) -> Vec<u8> {
    named(b'g', day, organisation)
}

fn named(letter: u8, day: Day, name: &str) -> Vec<u8> {
    [&[letter][..], &day.0.to_be_bytes(), name.as_bytes()].concat()
}

/// What a domain published that asks for reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) rua: String,
    pub(crate) published: Published,
    pub(crate) rows: u32,
}

impl Policy {
    pub(crate) fn of(asks: &Asks) -> Self {
        let strict = |is_strict: bool| if is_strict { "s" } else { "r" }.to_owned();
        let published = Published {
            policy: asks.policy.name().to_owned(),
            subdomains: asks.subdomains.name().to_owned(),
            missing_subdomains: asks.missing_subdomains.map(DmarcPolicy::name).unwrap_or_default().to_owned(),
            dkim: strict(asks.is_dkim_strict),
            spf: strict(asks.is_spf_strict),
            percent: asks.percent,
            is_test: asks.is_test,
        };
        Self { rua: asks.rua.clone(), published, rows: 0 }
    }
}

/// Sessions that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Sessions {
    /// What the domain promised.
    pub(crate) promise: Promise,
    /// The host; empty where all was well.
    pub(crate) host: String,
    /// Its address.
    pub(crate) address: Option<IpAddr>,
    /// What was wrong, as reports call it; empty where all was well.
    pub(crate) failure: String,
    /// How many.
    pub(crate) count: u64,
}

pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    // What is encoded has no maps with keys that are no text, which is all that could fail.
    serde_json::to_vec(value).unwrap_or_default()
}

pub(crate) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(|_| Error::Damaged("what was counted for reports is damaged".into()))
}
