//! Where mail for an address goes.

use crate::flow::MailFlow;
use directory::Resolution;
use smtp_proto::{Domain, ForwardPath, RcptReports};
use store::{AccountId, Error};

/// A recipient whose mail is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// As the envelope has it, without angle brackets.
    pub address: String,
    /// The accounts that it leads to, each once.
    pub(crate) accounts: Vec<AccountId>,
    /// What reports are wanted (RFC 3461).
    pub reports: RcptReports,
}

impl Recipient {
    /// How many accounts it leads to.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }
}

/// Where mail for an address goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Into mailboxes here.
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
    /// The domain is not ours, and whoever sends reaches none but ours.
    NotLocal,
    /// The domain is not ours, and there is no way out.
    NoWayOut,
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
    /// Where mail for an address goes.
    ///
    /// # Errors
    /// Faults.
    pub fn route(&self, path: &ForwardPath, reach: Reach) -> Result<Route, Error> {
        match self.resolve(path)? {
            Resolution::Local { accounts } => {
                let accounts: Vec<AccountId> = accounts.into_iter().map(|delivery| delivery.account).collect();
                if self.are_full(&accounts)? {
                    return Ok(Route::Refused(Unroutable::Full));
                }
                let address = match path {
                    ForwardPath::Postmaster => "postmaster".to_owned(),
                    ForwardPath::Mailbox(mailbox) => mailbox.to_string(),
                };
                Ok(Route::Local(Recipient { address, accounts, reports: RcptReports::default() }))
            }
            Resolution::NoSuchUser => Ok(Route::Refused(Unroutable::NoSuchUser)),
            Resolution::NotLocal => Ok(match (reach, &self.queue) {
                (Reach::Local, _) => Route::Refused(Unroutable::NotLocal),
                (Reach::Everywhere, None) => Route::Refused(Unroutable::NoWayOut),
                (Reach::Everywhere, Some(_)) => Route::Relay(path.clone()),
            }),
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
        }
        Ok(!accounts.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::world;
    use queue::{Policy, Queue};

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
                let found = match flow.route(&path, reach).unwrap() {
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
}
