//! What was done, and addresses as lists have them.

use crate::administration::AccountLine;
use crate::people::LinkLine;
use crate::words;
use directory::DomainLimits;
use serde::{Deserialize, Serialize};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// In words.
    pub text: String,
    /// A link that is shown only now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How long it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The account that was changed, as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountLine>,
}

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasLine {
    /// The alias; `@example.org` is the catch-all of that domain.
    pub alias: String,
    /// The accounts that it leads to, then addresses elsewhere.
    pub targets: Vec<String>,
}

/// A list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListLine {
    /// Its address.
    pub list: String,
    /// What people call it; may be empty.
    pub title: String,
    /// Who may write to it: `owners`, `members` or `anybody`.
    pub posting: String,
    /// Anybody may join it by mail.
    #[serde(default)]
    pub open: bool,
    /// Which posts wait for an owner: of `nobody`, of `others` than members, of `all`.
    #[serde(default)]
    pub approval: String,
    /// So many posts are taken in an hour.
    #[serde(default)]
    pub posts_per_hour: u16,
    /// A post has so many KiB at most; 0: as many as the server takes.
    #[serde(default)]
    pub post_kib_max: u32,
    /// So many posts wait for an owner.
    #[serde(default)]
    pub waiting: usize,
    /// The accounts that look after it.
    pub owners: Vec<String>,
    /// Who gets what is written to it.
    pub members: Vec<MemberLine>,
    /// Who is asked whether they want to be one, and has not answered.
    #[serde(default)]
    pub invited: Vec<InvitedLine>,
}

/// A member of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLine {
    /// The account, or the address elsewhere.
    pub address: String,
    /// It gets nothing: its mail came back, or it wants nothing for now.
    pub paused: bool,
    /// It wants nothing for now.
    #[serde(default)]
    pub rests: bool,
}

/// Somebody who is asked whether they want to be a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitedLine {
    /// The address.
    pub address: String,
    /// When they were asked.
    pub at: String,
}

/// A list of which somebody is a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipLine {
    /// Its address: what is sent there goes to all members.
    pub list: String,
    /// What people call it.
    pub title: String,
    /// They may write to it.
    pub writes: bool,
    /// They get nothing of it: their mail came back, or they want nothing for now.
    pub paused: bool,
    /// They want nothing for now.
    pub rests: bool,
}

/// A local domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainLine {
    /// As programs write it: in A-labels.
    pub domain: String,
    /// As people read it: in U-labels.
    pub shown: String,
    /// The accounts that mail to its postmaster and about abuse reaches.
    pub postmasters: Vec<String>,
    /// The accounts whose owners administer it, and not the server.
    #[serde(default)]
    pub administrators: Vec<String>,
    /// It has so many accounts at most; `None`: as many as the server holds.
    #[serde(default)]
    pub accounts_max: Option<u64>,
    /// Its administrators let an account hold so many octets at most; `None`: as many as they like.
    #[serde(default)]
    pub quota_bytes_max: Option<u64>,
}

impl DomainLine {
    /// How far its administrators go, in words.
    #[must_use]
    pub fn limits(&self) -> String {
        words::domain_limits(DomainLimits { accounts: self.accounts_max, quota_bytes: self.quota_bytes_max })
    }
}

impl Done {
    /// That.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), url: None, expires_at: None, account: None }
    }

    /// That, and a link was made.
    #[must_use]
    pub fn linking(text: impl Into<String>, url: String, link: &LinkLine) -> Self {
        Self { url: Some(url), expires_at: Some(link.expires_at.clone()), ..Self::new(text) }
    }
}
