//! Where mail for an address goes.

use crate::flow::MailFlow;
use crate::srs::{self, Rewritten};
use directory::{List, Resolution};
use queue::Closed;
use smtp_proto::{Domain, ForwardPath, Mailbox, RcptReports, ReversePath};
use std::sync::Arc;
use store::{AccountId, Error, Timestamp};
use tracing::warn;

/// A recipient whose mail is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// As the envelope has it, without angle brackets.
    pub address: String,
    /// The accounts that it leads to, each once.
    pub(crate) accounts: Vec<AccountId>,
    /// To whom elsewhere its mail is passed on.
    pub(crate) onward: Option<Onward>,
    /// The list that it is.
    pub(crate) list: Option<ToList>,
    /// What reports are wanted (RFC 3461).
    pub reports: RcptReports,
}

/// To whom elsewhere mail for a recipient is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Onward {
    /// At least one.
    pub(crate) to: Vec<ForwardPath>,
    /// They sent a message that was passed on, and get its bounce.
    pub(crate) is_back: bool,
}

/// A list as the recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToList {
    pub(crate) list: Arc<List>,
    pub(crate) door: Door,
}

/// What mail for a list is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Post,
    Join,
    Leave(String),
    Accept(String),
    Held(String),
    Bounce(String),
}

impl ToList {
    /// Whether it takes mail from such a reverse path: what comes back to nobody is no answer.
    pub(crate) fn takes(&self, from: &ReversePath) -> bool {
        !matches!(self.door, Door::Bounce(_)) || from.mailbox().is_none()
    }
}

impl Onward {
    /// To the members of an alias; those that are none (any more) are left out.
    pub(crate) fn to_members(addresses: &[String]) -> Option<Self> {
        let to: Vec<ForwardPath> =
            addresses.iter().filter_map(|address| address.parse().map(ForwardPath::Mailbox).ok()).collect();
        (!to.is_empty()).then_some(Self { to, is_back: false })
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.to.iter().map(ToString::to_string).collect()
    }
}

/// Whether a local part is that of somebody whom everybody must be able to tell that their mail is refused (RFC 2142 §5, RFC 5321
/// §4.5.1).
#[must_use]
pub fn is_for_everybody(local_part: &str) -> bool {
    ["postmaster", "abuse"].iter().any(|name| name.eq_ignore_ascii_case(local_part))
}

impl Recipient {
    /// Whether it is one of those whom everybody must be able to tell that their mail is refused (RFC 2142 §5, RFC 5321 §4.5.1).
    #[must_use]
    pub fn is_for_everybody(&self) -> bool {
        is_for_everybody(self.address.split('@').next().unwrap_or_default())
    }

    /// How many copies mail for it makes, here and elsewhere; those of a list have a limit of their own.
    #[must_use]
    pub fn copies(&self) -> usize {
        usize::from(self.list.is_some())
            + self.accounts.len()
            + self.onward.as_ref().map_or(0, |onward| onward.to.len())
    }

    /// Whether it takes mail from such a reverse path: an address to which bounces come back takes nothing else, or whoever has
    /// seen one could send through it.
    #[must_use]
    pub fn takes(&self, from: &ReversePath) -> bool {
        self.list.as_ref().is_none_or(|list| list.takes(from))
            && (from.mailbox().is_none() || !self.onward.as_ref().is_some_and(|onward| onward.is_back))
    }
}

/// Where mail for an address goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Into mailboxes here, or to whom an address here leads elsewhere.
    Local(Recipient),
    /// Out, through the queue.
    Relay(ForwardPath),
    /// Nowhere.
    Refused(Unroutable),
}

/// Why mail for an address is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unroutable {
    /// Not now: every mailbox that the address leads to is full.
    Full,
    /// The domain is ours and the address leads nowhere.
    NoSuchUser,
    /// It looks like an address to which bounces come back, and this server did not make it, or too long ago.
    NotReturned,
    /// The domain is not ours, and whoever sends reaches none but ours.
    NotLocal,
    /// The domain is not ours, and there is no way out.
    NoWayOut,
    /// The domain is not ours, and no mail goes there, by the operator's word.
    NotSent,
    /// The domain is not ours, and no mail leaves from that sender, by the operator's word.
    NotSentFrom,
}

/// Whom somebody may write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Mailboxes here: nothing is relayed for strangers.
    Local,
    /// Everybody: an account, or the server itself.
    Everywhere,
}

impl MailFlow {
    /// Where mail for an address goes that has such a reverse path.
    ///
    /// # Errors
    /// Faults.
    pub fn route(&self, path: &ForwardPath, reach: Reach, from: &ReversePath, now: Timestamp) -> Result<Route, Error> {
        if let Some(route) = self.way_back(path, now)? {
            return Ok(route);
        }
        match self.resolve(path)? {
            Resolution::Local { accounts, outside } => {
                let accounts: Vec<AccountId> = accounts.into_iter().map(|delivery| delivery.account).collect();
                if self.are_full(&accounts)? {
                    return Ok(Route::Refused(Unroutable::Full));
                }
                let Some(onward) = Onward::to_members(&outside) else { return Ok(self.here(path, accounts, None)) };
                let from = self.passed_on_from((from, reach == Reach::Everywhere), &text(path), now)?;
                Ok(self.here(path, accounts, Some((onward, from))))
            }
            Resolution::List(list, detail) => Ok(self.route_of_list(text(path), list, detail.as_deref())),
            Resolution::NoSuchUser => Ok(Route::Refused(Unroutable::NoSuchUser)),
            Resolution::NotLocal => Ok(match reach {
                Reach::Local => Route::Refused(Unroutable::NotLocal),
                Reach::Everywhere => self.closed(from, path).map_or_else(|| Route::Relay(path.clone()), Route::Refused),
            }),
        }
    }

    /// `onward`: to whom, and from whom.
    fn here(&self, path: &ForwardPath, accounts: Vec<AccountId>, onward: Option<(Onward, ReversePath)>) -> Route {
        let address = text(path);
        let reports = RcptReports::default();
        let Some((Onward { to, is_back }, from)) = onward else {
            return Route::Local(Recipient { address, accounts, onward: None, list: None, reports });
        };
        let (to, closed) = self.that_leave(&from, to);
        if to.is_empty() && accounts.is_empty() {
            return Route::Refused(closed.unwrap_or(Unroutable::NoWayOut));
        }
        if let Some(why) = closed {
            warn!(to = address, ?why, "not passed on to everybody, because no way leads there");
        }
        let onward = (!to.is_empty()).then_some(Onward { to, is_back });
        Route::Local(Recipient { address, accounts, onward, list: None, reports })
    }

    /// Why mail with such a reverse path does not leave for an address elsewhere, if so.
    pub(crate) fn closed(&self, from: &ReversePath, path: &ForwardPath) -> Option<Unroutable> {
        let Some(queue) = &self.queue else { return Some(Unroutable::NoWayOut) };
        queue.closed(from, path).map(|closed| match closed {
            Closed::To => Unroutable::NotSent,
            Closed::From => Unroutable::NotSentFrom,
        })
    }

    /// Those of some addresses elsewhere to which mail leaves, and why it does not to one of the others.
    fn that_leave(&self, from: &ReversePath, mut paths: Vec<ForwardPath>) -> (Vec<ForwardPath>, Option<Unroutable>) {
        let mut closed = None;
        paths.retain(|path| {
            let why = self.closed(from, path);
            closed = closed.or(why);
            why.is_none()
        });
        (paths, closed)
    }

    /// Where a bounce goes of a message that was passed on; `None` if that is no such address.
    fn way_back(&self, path: &ForwardPath, now: Timestamp) -> Result<Option<Route>, Error> {
        let ForwardPath::Mailbox(mailbox) = path else { return Ok(None) };
        let directory = self.auth.directory();
        let sender = match srs::read(mailbox.local_part(), &|parts| directory.hash_of_sender(parts), now) {
            Rewritten::Not => return Ok(None),
            rewritten if !self.is_here(mailbox)? => {
                drop(rewritten);
                return Ok(None);
            }
            Rewritten::Forged => return Ok(Some(Route::Refused(Unroutable::NotReturned))),
            Rewritten::Of(sender) => ForwardPath::Mailbox(sender),
        };
        Ok(Some(match self.resolve(&sender)? {
            Resolution::Local { accounts, .. } if !accounts.is_empty() => {
                self.here(path, accounts.into_iter().map(|delivery| delivery.account).collect(), None)
            }
            Resolution::Local { .. } | Resolution::List(..) | Resolution::NoSuchUser => {
                Route::Refused(Unroutable::NoSuchUser)
            }
            Resolution::NotLocal => {
                let back = Onward { to: vec![sender], is_back: true };
                self.here(path, Vec::new(), Some((back, ReversePath::Null)))
            }
        }))
    }

    /// Whether a mailbox is in a domain of ours.
    fn is_here(&self, mailbox: &Mailbox) -> Result<bool, Error> {
        match mailbox.domain() {
            Domain::Name(domain) => self.auth.directory().is_local_domain(domain),
            Domain::Address(_) => Ok(false),
        }
    }

    fn resolve(&self, path: &ForwardPath) -> Result<Resolution, Error> {
        let directory = self.auth.directory();
        match path {
            // RFC 5321 §4.5.1: `<Postmaster>` needs no domain.
            ForwardPath::Postmaster => directory.resolve("postmaster", ""),
            ForwardPath::Mailbox(mailbox) => match mailbox.domain() {
                Domain::Name(domain) => directory.resolve(mailbox.local_part(), domain),
                Domain::Address(_) => Ok(Resolution::NotLocal),
            },
        }
    }

    /// Whether none of the accounts has room for anything. One that has gets its copy; what the others miss comes again.
    fn are_full(&self, accounts: &[AccountId]) -> Result<bool, Error> {
        for account in accounts {
            match self.auth.store().account(*account).usage() {
                Ok(usage) if usage.is_full() => {}
                // One that goes just now is found out at the delivery.
                Ok(_) | Err(Error::NoSuchAccount) => return Ok(false),
                Err(error) => return Err(error),
            }
            // What it gets goes elsewhere.
            if self.auth.directory().forward(*account)?.is_some_and(|forward| !forward.keeps_copy) {
                return Ok(false);
            }
        }
        Ok(!accounts.is_empty())
    }
}

/// A path without angle brackets.
fn text(path: &ForwardPath) -> String {
    match path {
        ForwardPath::Postmaster => "postmaster".to_owned(),
        ForwardPath::Mailbox(mailbox) => mailbox.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::world;
    use queue::{Policy, Queue, Via, Ways};
    use store::sim::SIM_EPOCH;

    #[test]
    fn an_address_stays_here_goes_out_or_is_refused() {
        let with = world().flow;
        let with = MailFlow { queue: Some(Queue::open(with.auth.store(), Policy::default())), ..with };
        let without = MailFlow { queue: None, ..with.clone() };
        let check = |path: &str, expected: [Result<(), Unroutable>; 3]| {
            let path = match path {
                "postmaster" => ForwardPath::Postmaster,
                path => ForwardPath::Mailbox(path.parse().unwrap()),
            };
            let ways = [(&with, Reach::Local), (&without, Reach::Everywhere), (&with, Reach::Everywhere)];
            for ((flow, reach), expected) in ways.into_iter().zip(expected) {
                let found = match flow.route(&path, reach, &ReversePath::Null, SIM_EPOCH).unwrap() {
                    Route::Local(_) => Ok(()),
                    Route::Refused(why) => Err(why),
                    Route::Relay(to) => {
                        assert_eq!((&to, reach), (&path, Reach::Everywhere));
                        assert_eq!(expected, Ok(()), "{path}");
                        continue;
                    }
                };
                assert_eq!(found, expected, "{path} {reach:?}");
            }
        };
        let outside = [Err(Unroutable::NotLocal), Err(Unroutable::NoWayOut), Ok(())];
        check("alice@example.org", [Ok(()); 3]);
        check("postmaster", [Ok(()); 3]);
        check("nobody@example.org", [Err(Unroutable::NoSuchUser); 3]);
        check("alice@example.net", outside);
        check("alice@[192.0.2.1]", outside);
    }

    #[test]
    fn mail_for_a_domain_that_the_operator_closed_was_taken_and_returned() {
        let mut world = world();
        let ways = Ways {
            routes: [("open.example".to_owned(), Via::Mx), ("closed.example".to_owned(), Via::Refuse)].into(),
            ..Ways::all(Via::Refuse)
        };
        let queue = Queue::open(world.flow.auth.store(), Policy::default()).with_ways(ways);
        world.flow.queue = Some(queue);
        for (to, expected) in [
            ("a@open.example", None),
            ("a@OPEN.example", None),
            ("a@closed.example", Some(Unroutable::NotSent)),
            ("a@other.example", Some(Unroutable::NotSent)),
            ("a@[192.0.2.1]", Some(Unroutable::NotSent)),
        ] {
            let path = ForwardPath::Mailbox(to.parse().unwrap());
            let route = world.flow.route(&path, Reach::Everywhere, &ReversePath::Null, SIM_EPOCH).unwrap();
            assert_eq!(route, expected.map_or(Route::Relay(path), Route::Refused), "{to}");
        }
        // Nor is what comes in passed on there.
        let to = |members: &[&str]| {
            let members: Vec<String> = members.iter().map(|member| (*member).to_owned()).collect();
            let path = ForwardPath::Mailbox("team@example.org".parse().unwrap());
            match world.flow.here(
                &path,
                Vec::new(),
                Onward::to_members(&members).map(|onward| (onward, ReversePath::Null)),
            ) {
                Route::Local(recipient) => Ok(recipient.onward.unwrap().addresses()),
                Route::Refused(why) => Err(why),
                Route::Relay(_) => panic!("it is here"),
            }
        };
        assert_eq!(to(&["a@open.example", "b@closed.example"]), Ok(vec!["<a@open.example>".to_owned()]));
        assert_eq!(to(&["b@closed.example"]), Err(Unroutable::NotSent));
    }
}
