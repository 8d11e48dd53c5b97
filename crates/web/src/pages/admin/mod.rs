//! Administration, for administrators: accounts, requests and invitations, domains and aliases, the integrity of all mail,
//! what waits to leave, what others report, who is connected.

mod accounts;
mod addresses;
mod audit;
mod doctor;
mod help;
mod lists;
mod people;
mod queue;
mod records;
mod report;
mod reports;
mod sessions;

use crate::answer::{Answer, Outcome};
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::problem::{Kind, Problem};
use crate::route::Route;
use crate::visit::Owner;
use console::Done;

pub(super) const ROUTES: &[&[Route]] = &[
    accounts::ROUTES,
    people::ROUTES,
    addresses::ROUTES,
    audit::ROUTES,
    lists::ROUTES,
    queue::ROUTES,
    records::ROUTES,
    doctor::ROUTES,
    help::ROUTES,
    report::ROUTES,
    reports::ROUTES,
    sessions::ROUTES,
];

/// The page again with what was done, or why it was not.
fn settled(owner: &Owner, outcome: Result<Done, Problem>, path: &str) -> Outcome {
    if let Ok(done) = &outcome {
        owner.did(&done.text);
    }
    match outcome {
        Ok(Done { text, url: None, .. }) => owner.say(Notice::good(text)),
        Ok(Done { text, url: Some(url), .. }) => owner.say(Notice::good(format!("{text} {url}"))),
        Err(problem) if problem.kind == Kind::Refused => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    Ok(Answer::see_other(&OwnPath::new(path)))
}
