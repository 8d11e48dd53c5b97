//! A post as it is kept.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use store::{Error, Timestamp};

/// The number of a post; never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostId(pub u64);

/// Whoever gets a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goes {
    /// An account here.
    Account(u32),
    /// An address elsewhere.
    Outside(String),
}

/// How a post came: what its trace field says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// How this server calls it, in its log and in its trace field.
    pub name: String,
    /// What the client called itself.
    pub helo: String,
    /// The client's address.
    pub client: IpAddr,
    /// RFC 3848.
    pub with: String,
    /// The TLS session in words.
    pub tls: Option<String>,
    /// The fields that say what was found out about its sender; maybe empty.
    pub results: String,
    /// What it is known by.
    pub digest: [u8; 16],
    /// Tells it from others of the same moment.
    pub serial: u32,
}

/// A post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Its number.
    #[serde(skip)]
    pub id: PostId,
    /// The address of the list.
    pub list: String,
    /// The address of whoever wrote it.
    pub author: String,
    /// When it was taken.
    pub at_millis: i64,
    /// Octets of its message.
    pub size_bytes: u64,
    /// It keeps its author in From: an account here submitted it.
    pub keeps_author: bool,
    /// It goes on protected by TLS, or not at all (RFC 8689).
    pub requires_tls: bool,
    /// How it came.
    pub way: Way,
    /// How far it is.
    pub stage: Stage,
    /// Before that there is nothing to do.
    #[serde(default)]
    pub next_millis: i64,
    /// Whoever wrote it is known to have; only then are they written to.
    #[serde(default)]
    pub is_proven: bool,
    /// They are a member, or an owner; only of one that waits.
    #[serde(default)]
    pub is_known: bool,
    /// The domain that whoever wrote it has, and all below it.
    #[serde(default)]
    pub site: String,
    /// What it is about.
    #[serde(default)]
    pub subject: String,
    /// The account here that has sent it, logged in.
    #[serde(default)]
    pub account: Option<u32>,
    /// Its Message-ID, as it stands.
    #[serde(default)]
    pub message_id: String,
}

/// How far a post is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// On its way to members.
    Going(Going),
    /// It waits for an owner of the list.
    Held(Held),
    /// It goes to nobody; whoever wrote it is to be told.
    Refused {
        /// Nobody answered.
        is_over: bool,
    },
}

/// A post that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Then it is over.
    pub until_millis: i64,
    /// The owners have been written to.
    pub is_told: bool,
    /// Why it waits, in words.
    pub why: String,
}

/// A post on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Going {
    /// Who is left; `None`: nobody was tried, it is for all members.
    pub to: Option<Vec<Goes>>,
    /// Somebody could not be served so often.
    pub tried: u32,
}

impl Post {
    /// When there is something to do.
    pub(crate) fn due_at(&self) -> Timestamp {
        let stage = match &self.stage {
            Stage::Held(held) if held.is_told => held.until_millis,
            Stage::Held(_) | Stage::Going(_) | Stage::Refused { .. } => 0,
        };
        Timestamp(stage.max(self.next_millis))
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(|error| Error::Fault(format!("a post cannot be written: {error}")))
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Self, Error> {
        let id = id_of(key);
        let post: Self = serde_json::from_slice(value)
            .map_err(|error| Error::Fault(format!("post {} of a list cannot be read: {error}", id.0)))?;
        Ok(Self { id, ..post })
    }
}

impl Stage {
    /// Whether it waits for an owner.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }
}

pub(crate) fn id_of(key: &[u8]) -> PostId {
    PostId(u64::from_be_bytes(key.last_chunk().copied().unwrap_or_default()))
}

pub(crate) fn key(id: PostId) -> Vec<u8> {
    [&b"p"[..], &id.0.to_be_bytes()].concat()
}
