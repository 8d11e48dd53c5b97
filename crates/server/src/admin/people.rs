//! People who want to get in: requests for accounts, invitations, one-time links.

use console::{Answering, shown};
use directory::{LinkInfo, LinkPurpose, NewLink};
use serde::{Deserialize, Serialize};

use super::{Admin, Item, Items};
use crate::control::Failure;

/// What can be asked about people who want to get in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeopleRequest {
    /// All requests for accounts: [`Item::PersonRequest`] each, those without an answer first.
    Requests,
    /// Accepts one. Answered with [`Item::Link`], with which its owner chooses the password.
    Accept {
        /// Its number.
        number: u32,
        /// Another address than the wished one.
        address: Option<String>,
    },
    /// Declines one. No items.
    Decline {
        /// Its number.
        number: u32,
        /// Why, for who asked; may be empty.
        reason: String,
    },
    /// Makes a link with which somebody makes an account, once. Answered with [`Item::Link`].
    Invite {
        /// Which account; `None` leaves the choice.
        address: Option<String>,
        /// In which domains; empty: in any local one.
        #[serde(default)]
        domains: Vec<String>,
        /// How long the link is good.
        days: u16,
    },
    /// Makes a link with which an owner chooses a new password, once. Answered with [`Item::Link`].
    PasswordLink {
        /// Whose.
        address: String,
    },
    /// All links that are open: [`Item::Link`] each.
    Links,
    /// Takes a link back. No items.
    TakeBack {
        /// Its id.
        id: String,
    },
}

/// A one-time link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkItem {
    /// Names it in lists.
    pub id: String,
    /// `invitation` or `password`.
    pub purpose: String,
    /// Of the account; of an invitation only if it is for one.
    pub address: Option<String>,
    /// Of an invitation that leaves the choice: in which domains; empty: in any local one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// When it was made.
    pub made_at: String,
    /// From then on it is not good any more.
    pub expires_at: String,
    /// The link itself, if it was made just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where to send it, if it is the answer to a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Whether a letter with it is under way to there.
    #[serde(default)]
    pub mailed: bool,
}

impl PeopleRequest {
    pub(super) fn execute(self, admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
        let auth = &admin.stores.auth;
        let now = admin.now();
        match self {
            Self::Requests => {
                let requests = admin.administration().requests()?;
                requests.into_iter().try_for_each(|request| Ok(item(Item::PersonRequest(request))?))
            }
            Self::Accept { number, address } => {
                let accept =
                    |answering: &Answering<'_>| admin.administration().accept(number, address.as_deref(), answering);
                let accepted = admin.answer(accept)?;
                let (contact, mailed) = (Some(accepted.contact), accepted.mailed);
                Ok(item(Item::Link(LinkItem { contact, mailed, ..admin.new_link(accepted.link) }))?)
            }
            Self::Decline { number, reason } => {
                // Without a way to send a letter, who asked still sees the answer on their page.
                let decline = |answering: &Answering<'_>| admin.administration().decline(number, &reason, answering);
                Ok(admin.answer(decline).map(drop)?)
            }
            Self::Invite { address, domains, days } => {
                let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
                let link = auth.directory().invite(address.as_deref(), &domains, days, now)?;
                Ok(item(Item::Link(admin.new_link(link)))?)
            }
            Self::PasswordLink { address } => {
                Ok(item(Item::Link(admin.new_link(auth.directory().password_link(&address, now)?)))?)
            }
            Self::Links => {
                for link in auth.directory().links(now)? {
                    item(Item::Link(LinkItem::of(link)))?;
                }
                Ok(())
            }
            Self::TakeBack { id } => Ok(auth.directory().take_link_back(&id)?),
        }
    }
}

impl Admin {
    fn answer<T>(&self, answer: impl FnOnce(&Answering<'_>) -> T) -> T {
        let (flow, now) = (&self.stores.flow, self.now());
        let password_url = |token: &str| self.link("password", token);
        let send = |to: &str, letter: &[u8]| flow.send_letter(to, letter, now);
        answer(&Answering { hostname: flow.hostname(), password_url: &password_url, send: &send })
    }

    fn link(&self, path: &str, token: &str) -> String {
        format!("{}/{path}/{token}", self.stores.pages())
    }

    fn new_link(&self, link: NewLink) -> LinkItem {
        let NewLink { token, info } = link;
        let path = match &info.purpose {
            LinkPurpose::Invitation { .. } => "invitation",
            LinkPurpose::Password { .. } => "password",
        };
        LinkItem { url: Some(self.link(path, &token)), ..LinkItem::of(info) }
    }
}

impl LinkItem {
    fn of(info: LinkInfo) -> Self {
        let (purpose, address, domains) = match info.purpose {
            LinkPurpose::Invitation { address, domains } => ("invitation", address, domains),
            LinkPurpose::Password { address } => ("password", Some(address), Vec::new()),
        };
        Self {
            id: info.id,
            purpose: purpose.to_owned(),
            address,
            domains,
            made_at: shown(info.made_at),
            expires_at: shown(info.expires_at),
            url: None,
            contact: None,
            mailed: false,
        }
    }
}
