//! Mail on its way to other servers, by where it goes.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::problem::Problem;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{Done, QueueChanged, QueueConsole, QueueDestination, QueuePage, words};
use store::Timestamp;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/admin/queue", Handler::Owner(show)),
    Route::post(
        "/admin/queue/retry",
        Handler::Owner(|owner, fields| settled(owner, retry(owner, fields), "/admin/queue")),
    ),
    Route::post(
        "/admin/queue/hold",
        Handler::Owner(|owner, fields| settled(owner, hold(owner, fields), "/admin/queue")),
    ),
    Route::get("/admin/queue/messages", Handler::Owner(messages_page)),
    Route::post(
        "/admin/queue/messages/{id}/retry",
        Handler::Owner(|owner, _| {
            one(owner, |queue, id| queue.retry(id).map(drop), |id| tr!("Message {id} will be tried now.", id))
        }),
    ),
    Route::post(
        "/admin/queue/messages/{id}/hold",
        Handler::Owner(|owner, _| {
            one(owner, |queue, id| queue.hold(id).map(drop), |id| tr!("Message {id} is held back.", id))
        }),
    ),
    Route::post(
        "/admin/queue/messages/{id}/release",
        Handler::Owner(|owner, _| {
            one(owner, |queue, id| queue.release(id).map(drop), |id| tr!("Message {id} may go now.", id))
        }),
    ),
    Route::post(
        "/admin/queue/messages/{id}/remove",
        Handler::Owner(|owner, _| {
            one(owner, QueueConsole::remove, |id| tr!("Message {id} was thrown away, and nobody is told.", id))
        }),
    ),
    Route::post(
        "/admin/queue/release",
        Handler::Owner(|owner, fields| settled(owner, release(owner, fields), "/admin/queue")),
    ),
];

/// Nobody reads more of them on a page; the command line has all.
const SHOWN_MAX: usize = 100;

#[derive(Template)]
#[template(path = "admin_queue.html")]
struct Page {
    frame: Frame,
    destinations: Vec<QueueDestination>,
    /// That are not shown.
    further: usize,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "admin_queue_messages.html")]
struct MessagesPage {
    frame: Frame,
    page: QueuePage,
    now: Timestamp,
}

fn messages_page(owner: &Owner, fields: &Fields) -> Outcome {
    let page = api::queue::page(owner, fields)?;
    Answer::page(&MessagesPage { frame: Frame::of(owner, "admin"), page, now: owner.now })
}

/// Does something with one message, and says what.
fn one(
    owner: &Owner,
    act: impl FnOnce(&QueueConsole, u64) -> Result<(), console::Error>,
    done: fn(u64) -> String,
) -> Outcome {
    let id = owner.number("id")?;
    let outcome = match act(&owner.queue()?, id) {
        Ok(()) => Ok(Done::new(done(id))),
        // It left before the button was pressed.
        Err(console::Error::Unknown(_)) => Ok(Done::new(tr!("Message {id} does not wait any more.", id))),
        Err(error) => Err(error.into()),
    };
    settled(owner, outcome, "/admin/queue/messages")
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    let mut destinations = owner.queue()?.destinations()?.destinations;
    let further = destinations.len().saturating_sub(SHOWN_MAX);
    destinations.truncate(SHOWN_MAX);
    Answer::page(&Page { frame: Frame::of(owner, "admin"), destinations, further, now: owner.now })
}

fn retry(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    let domain = fields.text("domain");
    told(domain, owner.queue()?.retry_all(domain), |domain, n| {
        trn!(n, "{n} message for {domain} will be tried now.", "{n} messages for {domain} will be tried now.", domain)
    })
}

fn hold(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    let domain = fields.text("domain");
    told(domain, owner.queue()?.hold_all(domain), |domain, n| {
        trn!(
            n,
            "{n} message for {domain} held back until you let go.",
            "{n} messages for {domain} held back until you let go.",
            domain
        )
    })
}

fn release(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    let domain = fields.text("domain");
    told(domain, owner.queue()?.release_all(domain), |domain, n| {
        trn!(n, "{n} message for {domain} may go now.", "{n} messages for {domain} may go now.", domain)
    })
}

fn told(
    domain: &str,
    changed: Result<QueueChanged, console::Error>,
    done: fn(&str, u64) -> String,
) -> Result<Done, Problem> {
    let text = match changed {
        Ok(QueueChanged { domain, messages }) => done(&domain, messages),
        // It left before the button was pressed.
        Err(console::Error::Unknown(_)) => tr!("Nothing waits for {domain} any more.", domain),
        Err(error) => return Err(error.into()),
    };
    Ok(Done { text, url: None, expires_at: None, account: None })
}

fn messages(count: u64) -> String {
    trn!(count, "{n} message", "{n} messages")
}

/// What became of a message for a recipient.
fn state(state: &str) -> &str {
    match state {
        "waiting" => trc!("a message for a recipient", "waiting"),
        "delivered" => trc!("a message for a recipient", "delivered"),
        "failed" => trc!("a message for a recipient", "failed"),
        other => other,
    }
}

/// Why it waits, in a word: never by colour alone.
fn word(why: &str) -> &'static str {
    match why {
        "held" => tr!("Held back"),
        "deferred" => tr!("Its servers say later"),
        "unreachable" => tr!("Cannot be reached"),
        _ => tr!("On its way"),
    }
}

/// Where it goes; of what goes to the same domain, some may go elsewhere because of its sender.
fn way(ways: &[String]) -> String {
    let sentences = ways.iter().map(|way| match way.as_str() {
        "mx" => tr!("It goes to the hosts of that domain."),
        "smarthost" => tr!("It goes to the smarthost."),
        _ => tr!("It goes back, because no mail leaves that way."),
    });
    match ways {
        [one, other] if [one.as_str(), other.as_str()] == ["mx", "smarthost"] => {
            tr!("It goes to the hosts of that domain, or to the smarthost.").to_owned()
        }
        _ => sentences.collect::<Vec<_>>().join(" "),
    }
}

fn colour(why: &str) -> &'static str {
    match why {
        "unreachable" => "red",
        "held" | "deferred" => "amber",
        _ => "green",
    }
}
