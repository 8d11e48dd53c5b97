//! People who want to get in: requests for accounts, invitations, one-time links.

use auth::{LinkInfo, LinkPurpose, NewLink, RequestInfo, RequestState};
use console::{Sender, accepted_letter, declined_letter};
use serde::{Deserialize, Serialize};
use store::Timestamp;

use super::{Admin, Item, Items, text_of};
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

/// A request for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRequestItem {
    /// Names it.
    pub number: u32,
    /// Who asks.
    pub name: String,
    /// The wished address.
    pub address: String,
    /// Whether an account or alias has that address already.
    pub taken: bool,
    /// Why.
    pub reason: String,
    /// Where to answer.
    pub contact: String,
    /// From where it was asked.
    pub from: String,
    /// When.
    pub asked_at: String,
    /// `pending`, `accepted` or `declined`.
    pub state: String,
    /// When it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<String>,
    /// The account's address, or why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
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
                for request in auth.requests().all(now)? {
                    item(Item::PersonRequest(PersonRequestItem::of(request)))?;
                }
                Ok(())
            }
            Self::Accept { number, address } => {
                let accepted = auth.requests().accept(number, address.as_deref(), now)?;
                let link = admin.new_link(accepted.link.clone());
                let letter = accepted_letter(&accepted, link.url.as_deref().unwrap_or_default(), &admin.sender(now));
                let mailed = admin.stores.flow.send_letter(&accepted.contact, &letter, now);
                Ok(item(Item::Link(LinkItem { contact: Some(accepted.contact), mailed, ..link }))?)
            }
            Self::Decline { number, reason } => {
                let declined = auth.requests().decline(number, &reason, now)?;
                let letter = declined_letter(&declined, &admin.sender(now));
                // Without a way to send it, who asked still sees the answer on their page.
                let _mailed = admin.stores.flow.send_letter(&declined.contact, &letter, now);
                Ok(())
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
    fn sender(&self, now: Timestamp) -> Sender<'_> {
        Sender { hostname: self.stores.flow.hostname(), now }
    }

    fn new_link(&self, link: NewLink) -> LinkItem {
        let NewLink { token, info } = link;
        let path = match &info.purpose {
            LinkPurpose::Invitation { .. } => "invitation",
            LinkPurpose::Password { .. } => "password",
        };
        LinkItem { url: Some(format!("{}/{path}/{token}", self.stores.pages())), ..LinkItem::of(info) }
    }
}

impl PersonRequestItem {
    fn of(request: RequestInfo) -> Self {
        let (state, at, answer) = match request.state {
            RequestState::Pending => ("pending", None, None),
            RequestState::Accepted { address, at } => ("accepted", Some(at), Some(address)),
            RequestState::Declined { reason, at } => ("declined", Some(at), Some(reason)),
        };
        Self {
            number: request.number,
            name: request.name,
            address: request.address,
            taken: request.is_taken,
            reason: request.reason,
            contact: request.contact,
            from: request.from,
            asked_at: text_of(request.asked_at),
            state: state.to_owned(),
            answered_at: at.map(text_of),
            answer,
        }
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
            made_at: text_of(info.made_at),
            expires_at: text_of(info.expires_at),
            url: None,
            contact: None,
            mailed: false,
        }
    }
}
