//! Strangers who ask for an account, and what they are answered.

use crate::administration::Administration;
use crate::error::Error;
use crate::letters::{Sender, accepted_letter, declined_letter};
use crate::moment::shown;
use auth::{RequestInfo, RequestState};
use directory::{LinkInfo, LinkMaker, LinkPurpose};
use serde::{Deserialize, Serialize};
use wording::{Language, speaking, tr};

/// A request for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestLine {
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
    pub answered_at: Option<String>,
    /// The account's address, or why there is none.
    pub answer: Option<String>,
}

/// A request that was accepted just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedRequest {
    /// Of the account.
    pub address: String,
    /// Where the answer belongs.
    pub contact: String,
    /// The link with which its owner chooses the password.
    pub password_url: String,
    /// How long it is good.
    pub expires_at: String,
    /// Whether a letter with it is under way to there.
    pub mailed: bool,
}

/// A request that was declined just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeclinedRequest {
    /// Who asked.
    #[serde(skip)]
    pub name: String,
    /// The wished address.
    pub address: String,
    /// Where the answer belongs.
    pub contact: String,
    /// Why; may be empty.
    pub reason: String,
    /// Whether a letter that says so is under way to there.
    pub mailed: bool,
}

/// A link that opens something once and was not used yet, without what opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkLine {
    /// Names it.
    pub id: String,
    /// What it is good for, in words.
    pub purpose: String,
    /// Of the account; of an invitation only if it is for one.
    pub address: Option<String>,
    /// Of an invitation that leaves the choice: in which domains; empty: in any local one.
    pub domains: Vec<String>,
    /// When it was made.
    pub made_at: String,
    /// From then on it is not good any more.
    pub expires_at: String,
}

/// How an answer gets to who asked.
pub struct Answering<'a> {
    /// The name of the server.
    pub hostname: &'a str,
    /// What is spoken to people who have no account.
    pub language: Language,
    /// The address of the page on which a password is chosen with this token.
    pub password_url: &'a dyn Fn(&str) -> String,
    /// Sends a letter to an address; whether it is under way.
    pub send: &'a dyn Fn(&str, &[u8]) -> bool,
}

impl Administration {
    /// All requests for accounts, those without an answer first.
    ///
    /// # Errors
    /// Faults.
    pub fn requests(&self) -> Result<Vec<RequestLine>, Error> {
        Ok(self.auth.requests().all(self.actor.now)?.into_iter().map(line).collect())
    }

    /// Accepts one, as `address` if it is not to be the wished one: the account is made, and a letter tells who asked.
    ///
    /// # Errors
    /// There is no such request, or it was answered; the address is taken or breaks a rule; faults.
    pub fn accept(
        &self,
        number: u32,
        address: Option<&str>,
        answering: &Answering<'_>,
    ) -> Result<AcceptedRequest, Error> {
        self.accept_where(number, address, answering, (&LinkMaker::default(), &|_| true))
    }

    /// The same by `maker`, who may have an account made where it was made.
    pub(crate) fn accept_where(
        &self,
        number: u32,
        address: Option<&str>,
        answering: &Answering<'_>,
        (maker, may): (&LinkMaker<'_>, &dyn Fn(&str) -> bool),
    ) -> Result<AcceptedRequest, Error> {
        let accepted = self.auth.requests().accept_by(number, address, self.actor.now, maker)?;
        if !may(&accepted.address) {
            return Err(Error::refused(tr!(
                "request {number} was answered by somebody else just now",
                number = number
            )));
        }
        let password_url = (answering.password_url)(&accepted.link.token);
        let letter =
            speaking(answering.language, || accepted_letter(&accepted, &password_url, &self.sender(answering)));
        let mailed = (answering.send)(&accepted.contact, &letter);
        let (address, contact, expires_at) = (accepted.address, accepted.contact, shown(accepted.link.info.expires_at));
        Ok(AcceptedRequest { address, contact, password_url, expires_at, mailed })
    }

    /// Declines one; who asked sees it on their page, with the reason, and gets a letter if there is a way.
    ///
    /// # Errors
    /// There is no such request, or it was answered; faults.
    pub fn decline(&self, number: u32, reason: &str, answering: &Answering<'_>) -> Result<DeclinedRequest, Error> {
        let declined = self.auth.requests().decline(number, reason, self.actor.now)?;
        let letter = speaking(answering.language, || declined_letter(&declined, &self.sender(answering)));
        let mailed = (answering.send)(&declined.contact, &letter);
        let (name, address, contact, reason) = (declined.name, declined.address, declined.contact, declined.reason);
        Ok(DeclinedRequest { name, address, contact, reason, mailed })
    }

    fn sender<'a>(&self, answering: &Answering<'a>) -> Sender<'a> {
        Sender { hostname: answering.hostname, now: self.actor.now }
    }
}

impl From<LinkInfo> for LinkLine {
    fn from(link: LinkInfo) -> Self {
        let (purpose, address, domains) = match link.purpose {
            LinkPurpose::Invitation { address, domains } => (tr!("to make an account"), address, domains),
            LinkPurpose::Password { address } => (tr!("to choose a password"), Some(address), Vec::new()),
        };
        let (made_at, expires_at) = (shown(link.made_at), shown(link.expires_at));
        Self { id: link.id, purpose: purpose.to_owned(), address, domains, made_at, expires_at }
    }
}

fn line(request: RequestInfo) -> RequestLine {
    let (state, at, answer) = match request.state {
        RequestState::Pending => ("pending", None, None),
        RequestState::Accepted { address, at } => ("accepted", Some(at), Some(address)),
        RequestState::Declined { reason, at } => ("declined", Some(at), Some(reason)),
    };
    RequestLine {
        number: request.number,
        name: request.name,
        address: request.address,
        taken: request.is_taken,
        reason: request.reason,
        contact: request.contact,
        from: request.from,
        asked_at: shown(request.asked_at),
        state: state.to_owned(),
        answered_at: at.map(shown),
        answer,
    }
}
