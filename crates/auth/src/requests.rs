//! Strangers ask for an account; an administrator accepts or declines.
//!
//! Who asks gets a secret address on which the answer will stand, and with an acceptance the link to choose a password:
//! it is made of the same secret, so nothing that is kept here gives it away. Nothing that is answered to a stranger tells
//! which accounts there are: whether the wished address is in use is looked up for the administrator only.
//!
//! ```text
//! R number           a request
//! Q hash             the number of the request with this secret
//! C                  the number of the next request
//! ```
//!
//! Invariant: a request that is accepted makes one account, however many administrators accept it, whatever crashes.

mod record;
#[cfg(test)]
mod tests;

use crate::login::Auth;
use crate::options::AuthOptions;
use crate::text;
use crate::throttle::network;
use directory::Error;
use directory::secret::{PurposeKey, Token};
use directory::{Address, DOMAIN_BYTES_MAX, LOCAL_PART_BYTES_MAX, any_of, normalise_domain};
use directory::{Directory, DomainInfo, LinkMaker, LinkPurpose, NewLink, chosen_address};
use record::{RequestRecord, State};
use std::cmp::Reverse;
use std::net::IpAddr;
use store::{AccountId, Store, Table, TableId, TableTx, Timestamp};
use wording::tr;

/// From one IPv4 address or IPv6 /64 come at most so many requests within 24 hours.
pub const REQUESTS_PER_NETWORK_MAX: usize = 3;
/// From all together come at most so many requests within 24 hours.
pub(crate) const REQUESTS_PER_DAY_MAX: usize = 100;
/// At most so many requests wait for an answer.
pub(crate) const REQUESTS_PENDING_MAX: usize = 1000;
/// So long after it was made, or answered, a request is forgotten.
pub(crate) const REQUEST_DAYS_MAX: i64 = 30;
/// A name is cut to this length.
pub(crate) const NAME_BYTES_MAX: usize = 100;
/// A reason, of who asks and of who declines, is cut to this length.
pub(crate) const REASON_BYTES_MAX: usize = 2000;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// What the link for the first password is, among all that could be made of a secret.
const FIRST_PASSWORD: &str = "first password";

/// The table of requests.
pub(crate) struct RequestTable {
    table: Table,
    key: PurposeKey,
    link_key: PurposeKey,
    /// Whether strangers may ask.
    open: bool,
    /// In which local domains; empty: in all.
    only: Vec<String>,
}

/// Requests for accounts.
#[derive(Clone, Copy)]
pub struct Requests<'a>(&'a Auth);

/// What a stranger asks for. All of it is cut to a length and cleaned of what could steer a page, a terminal or a message.
#[derive(Clone, Copy)]
pub struct NewRequest<'a> {
    /// The stranger's name.
    pub name: &'a str,
    /// The wished address, in a local domain.
    pub address: &'a str,
    /// Why.
    pub reason: &'a str,
    /// An address at which the stranger can be reached now.
    pub contact: &'a str,
    /// From where it is asked.
    pub from: IpAddr,
    /// The time.
    pub now: Timestamp,
}

/// A request that was made just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// 64 hexadecimal digits, for the end of the secret address of [`Requests::status`]; known nowhere else.
    pub token: String,
    /// Its number.
    pub number: u32,
}

/// What who asked is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestStatus {
    /// Nobody has answered yet.
    Pending {
        /// The wished address.
        address: String,
    },
    /// There is an account now.
    Accepted {
        /// Its address, which may be another than the wished one.
        address: String,
        /// The link to choose the password with; `None` when that was done, or it is too old.
        password_token: Option<String>,
    },
    /// There will be no account.
    Declined {
        /// The wished address.
        address: String,
        /// In the administrator's words; may be empty.
        reason: String,
    },
}

/// A request as an administrator sees it. Name, reason and contact are a stranger's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// Names it.
    pub number: u32,
    /// The stranger's name.
    pub name: String,
    /// The wished address, normalised.
    pub address: String,
    /// Why; may have several lines.
    pub reason: String,
    /// Where the stranger can be reached.
    pub contact: String,
    /// From where it was asked.
    pub from: String,
    /// When.
    pub asked_at: Timestamp,
    /// What became of it.
    pub state: RequestState,
    /// An account or alias has the wished address already.
    pub is_taken: bool,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// Nothing yet.
    Pending,
    /// An account.
    Accepted {
        /// Its address.
        address: String,
        /// When.
        at: Timestamp,
    },
    /// Nothing.
    Declined {
        /// In the administrator's words.
        reason: String,
        /// When.
        at: Timestamp,
    },
}

/// A request that was accepted just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The account's address.
    pub address: String,
    /// Its owner's name.
    pub name: String,
    /// Where to tell them.
    pub contact: String,
    /// The link to choose the password with, to be sent there.
    pub link: NewLink,
}

/// A request that was declined just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// The wished address.
    pub address: String,
    /// The stranger's name.
    pub name: String,
    /// Where to tell them.
    pub contact: String,
    /// Why.
    pub reason: String,
}

impl Auth {
    /// Requests for accounts.
    #[must_use]
    pub fn requests(&self) -> Requests<'_> {
        Requests(self)
    }
}

impl Requests<'_> {
    /// Whether the operator lets strangers ask, and there is a domain to ask for.
    ///
    /// # Errors
    /// Faults.
    pub fn are_allowed(&self) -> Result<bool, store::Error> {
        Ok(self.0.request_table().open && !self.domains()?.is_empty())
    }

    /// In which domains strangers may wish for an address.
    ///
    /// # Errors
    /// Faults.
    pub fn domains(&self) -> Result<Vec<DomainInfo>, store::Error> {
        let only = &self.0.request_table().only;
        let only: Vec<String> = only.iter().filter_map(|domain| normalise_domain(domain)).collect();
        let mut domains = self.directory().domains()?;
        if !self.0.request_table().only.is_empty() {
            domains.retain(|domain| only.contains(&domain.name));
        }
        Ok(domains)
    }

    /// Asks for an account. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`], in words for who asks: requests are not taken here, something is missing or cannot be an
    /// address, too many requests; never that an address is in use.
    pub fn ask(&self, request: &NewRequest<'_>) -> Result<Asked, Error> {
        if !self.are_allowed()? {
            return Err(Error::refused(tr!("accounts cannot be requested on this server; ask its operator")));
        }
        let table = self.0.request_table();
        let token = Token::generate()?;
        let record = self.checked(request, &token)?;
        let number = table.table.change(|tx| {
            make_room(tx, &record)?;
            let number = record::next_number(tx)?;
            record.write(tx, number);
            tx.put(&record::secret_key(&record.secret), number.to_be_bytes().to_vec());
            Ok::<_, Error>(number)
        })?;
        Ok(Asked { token: token.text(), number })
    }

    /// What became of a request, for who has its secret; `None` for any other, and when it was forgotten.
    ///
    /// # Errors
    /// Faults.
    pub fn status(&self, token: &str, now: Timestamp) -> Result<Option<RequestStatus>, store::Error> {
        let Some(token) = Token::parse(token) else { return Ok(None) };
        let table = self.0.request_table();
        let Some(number) = table.table.get(&record::secret_key(&token.hash(&table.key)))? else { return Ok(None) };
        let Some(record) = table.read(record::number_of(&number)?)?.filter(|record| !record.is_old(now)) else {
            return Ok(None);
        };
        Ok(Some(match record.state {
            State::Pending | State::Accepting => RequestStatus::Pending { address: record.address },
            State::Declined { reason, .. } => RequestStatus::Declined { address: record.address, reason },
            State::Accepted { address, .. } => {
                let password = token.derived(&table.link_key, FIRST_PASSWORD).text();
                let link = self.directory().link(&password, now)?;
                let good = link.filter(|link| matches!(link.purpose, LinkPurpose::Password { .. }));
                RequestStatus::Accepted { address, password_token: good.map(|_| password) }
            }
        }))
    }

    /// All requests, those without an answer first, then the newest first.
    ///
    /// # Errors
    /// Faults.
    pub fn all(&self, now: Timestamp) -> Result<Vec<RequestInfo>, store::Error> {
        let mut requests = Vec::new();
        for (key, value) in self.0.request_table().table.scan(record::REQUEST, record::REQUEST, usize::MAX)? {
            let (number, record) = (record::number_in(&key)?, RequestRecord::of_value(&value)?);
            if !record.is_old(now) {
                let is_taken = self.directory().is_taken(&record.address)?;
                requests.push(record.info(number, is_taken));
            }
        }
        requests.sort_by_key(|request| (request.state != RequestState::Pending, Reverse(request.number)));
        Ok(requests)
    }

    /// Accepts a request: makes the account, of which nobody knows the password yet, and a link to choose it. `address`:
    /// another than the wished one. Durable when it returns. After a crash it can be called again, with the same outcome.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is no such request, it was declined or accepted, the address is in use, not local, or one
    /// of whoever runs the server.
    pub fn accept(&self, number: u32, address: Option<&str>, now: Timestamp) -> Result<Accepted, Error> {
        self.accept_by(number, address, now, &LinkMaker::default())
    }

    /// The same for an administrator: the link that it gives is good for as long as they may do what they may now; the one that
    /// stands where the answer does is for who asked, and stays.
    ///
    /// # Errors
    /// The same; [`Directory::password_link_by`].
    pub fn accept_by(
        &self,
        number: u32,
        address: Option<&str>,
        now: Timestamp,
        maker: &LinkMaker<'_>,
    ) -> Result<Accepted, Error> {
        let table = self.0.request_table();
        let request = table.change_state(number, now, |state| match state {
            State::Pending | State::Accepting => Ok(State::Accepting),
            State::Accepted { .. } | State::Declined { .. } => Err(answered(number)),
        })?;
        let (account, link) = match self.make_account(&request, address.unwrap_or(&request.address), now, maker) {
            Ok(made) => made,
            Err(error) => {
                self.give_back(number, &request, now);
                return Err(error);
            }
        };
        table.change_state(number, now, |state| match state {
            State::Pending | State::Accepting => Ok(State::Accepted { address: account.clone(), at: now }),
            State::Accepted { .. } | State::Declined { .. } => Err(answered(number)),
        })?;
        Ok(Accepted { address: account, name: request.name, contact: request.contact, link })
    }

    /// Declines a request. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is no such request, it was declined or accepted, or is being accepted.
    pub fn decline(&self, number: u32, reason: &str, now: Timestamp) -> Result<Declined, Error> {
        let reason = text::lines(reason, REASON_BYTES_MAX);
        let request = self.0.request_table().change_state(number, now, |state| match state {
            State::Pending => Ok(State::Declined { reason: reason.clone(), at: now }),
            State::Accepting => Err(Error::refused(tr!(
                "request {number} was about to be accepted; accept it once more, and remove the account if it is \
                 unwanted",
                number = number
            ))),
            State::Accepted { .. } | State::Declined { .. } => Err(answered(number)),
        })?;
        Ok(Declined { address: request.address, name: request.name, contact: request.contact, reason })
    }

    /// A request of which the account could not be made waits for another answer. When that cannot be written, it can be
    /// accepted again all the same.
    fn give_back(&self, number: u32, request: &RequestRecord, now: Timestamp) {
        if !matches!(self.directory().account_of_link(&request.link), Ok(None)) {
            return;
        }
        let _ = self.0.request_table().change_state(number, now, |state| match state {
            State::Accepting => Ok(State::Pending),
            State::Pending | State::Accepted { .. } | State::Declined { .. } => Err(answered(number)),
        });
    }

    fn directory(&self) -> &Directory {
        self.0.directory()
    }

    fn checked(&self, request: &NewRequest<'_>, token: &Token) -> Result<RequestRecord, Error> {
        let name = text::one_line(request.name, NAME_BYTES_MAX);
        if name.is_empty() {
            return Err(Error::refused(tr!("please say who you are: a name is missing")));
        }
        let reason = text::lines(request.reason, REASON_BYTES_MAX);
        if reason.is_empty() {
            return Err(Error::refused(tr!("please say in a sentence what you want the account for")));
        }
        let address = chosen_address(request.address)?;
        let domains = self.domains()?;
        if !domains.iter().any(|domain| domain.name == address.domain) {
            let domains: Vec<String> = domains.into_iter().map(|domain| domain.shown).collect();
            return Err(Error::refused(tr!(
                "“{address}” is not an address of this server; wish for one that ends in {domains}",
                address = address.text(),
                domains = any_of(&domains)
            )));
        }
        let table = self.0.request_table();
        Ok(RequestRecord {
            name,
            address: address.text(),
            reason,
            contact: contact(request.contact)?,
            from: request.from.to_canonical().to_string(),
            network: network(request.from),
            asked_at: request.now,
            state: State::Pending,
            secret: token.hash(&table.key),
            link: self.directory().hash_of_link(&token.derived(&table.link_key, FIRST_PASSWORD)),
        })
    }

    /// Makes the account of a request, unless a crash came after it was made. Gives its address, and a link.
    fn make_account(
        &self,
        request: &RequestRecord,
        address: &str,
        now: Timestamp,
        maker: &LinkMaker<'_>,
    ) -> Result<(String, NewLink), Error> {
        let directory = self.directory();
        let known = |id: AccountId| directory.account_by_id(id);
        let made = directory.account_of_link(&request.link)?.map(known).transpose()?.flatten();
        let address = match made {
            Some(info) => info.address,
            None => {
                let id = directory.add_account_with_link(address, &request.name, request.link, now)?;
                known(id)?.ok_or(store::Error::NoSuchAccount)?.address
            }
        };
        let link = directory.password_link_by(&address, now, maker)?;
        Ok((address, link))
    }
}

impl RequestTable {
    pub(crate) fn new(store: &Store, secret: &[u8; 32], options: &AuthOptions) -> Self {
        Self {
            table: store.table(TableId::People),
            key: PurposeKey::new("pillarbox 2026 requests for accounts", secret),
            link_key: PurposeKey::new("pillarbox 2026 links of accepted requests", secret),
            open: options.account_requests,
            only: options.account_request_domains.clone(),
        }
    }

    fn read(&self, number: u32) -> Result<Option<RequestRecord>, store::Error> {
        self.table.get(&record::request_key(number))?.map(|value| RequestRecord::of_value(&value)).transpose()
    }

    /// Changes what became of a request. Gives the request.
    fn change_state(
        &self,
        number: u32,
        now: Timestamp,
        change: impl Fn(&State) -> Result<State, Error>,
    ) -> Result<RequestRecord, Error> {
        self.table.change(|tx| {
            let record = RequestRecord::read(tx, number)?.filter(|record| !record.is_old(now));
            let mut record = record.ok_or_else(|| no_such_request(number))?;
            record.state = change(&record.state)?;
            record.write(tx, number);
            Ok(record)
        })
    }
}

/// What is said of a request that is not there.
#[must_use]
pub fn no_such_request(number: u32) -> Error {
    Error::refused(tr!("there is no request {number}; `pillarbox request list` shows all", number = number))
}

fn answered(number: u32) -> Error {
    Error::refused(tr!("request {number} was answered already; `pillarbox request list` shows how", number = number))
}

/// Forgets old requests, and refuses when there are too many.
fn make_room(tx: &mut TableTx<'_>, new: &RequestRecord) -> Result<(), Error> {
    let (mut pending, mut today, mut from_there) = (0, 0, 0);
    for (key, value) in tx.scan_before(record::REQUEST, record::REQUEST, usize::MAX)? {
        let known = RequestRecord::of_value(&value)?;
        if known.is_old(new.asked_at) {
            tx.delete(&key);
            tx.delete(&record::secret_key(&known.secret));
            continue;
        }
        pending += usize::from(matches!(known.state, State::Pending | State::Accepting));
        // A clock that was set back lets nobody in more often.
        if new.asked_at.0.saturating_sub(known.asked_at.0) < DAY_MILLIS {
            today += 1;
            from_there += usize::from(known.network == new.network);
        }
    }
    if from_there >= REQUESTS_PER_NETWORK_MAX {
        return Err(Error::refused(tr!("several requests came from your network today; try again tomorrow")));
    }
    if today >= REQUESTS_PER_DAY_MAX || pending >= REQUESTS_PENDING_MAX {
        return Err(Error::refused(tr!("too many requests wait for an answer; try again tomorrow")));
    }
    Ok(())
}

/// Where a stranger can be reached: an address of any domain.
fn contact(text: &str) -> Result<String, Error> {
    let wrong = || {
        Error::refused(tr!(
            "please give an address at which you can be reached now, such as name@example.com; without one nobody can \
             tell you the answer"
        ))
    };
    let address = Address::parse(text).map_err(|_| wrong())?;
    if address.local_part.is_empty() || text.trim().len() > LOCAL_PART_BYTES_MAX + 1 + DOMAIN_BYTES_MAX {
        return Err(wrong());
    }
    // The local part as it was written: other servers may tell upper case from lower case (RFC 5321 §2.4).
    let (local_part, _) = text.trim().rsplit_once('@').ok_or_else(wrong)?;
    Ok(format!("{local_part}@{}", address.domain))
}
