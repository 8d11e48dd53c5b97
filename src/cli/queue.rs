//! `pillarbox queue`: mail on its way to outside addresses.

use clap::{Args, Subcommand};
use console::{QueueChanged, QueueDestination, QueueDestinations, QueueLine, QueuePage};
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::{Format, bytes, counted, or_dash, table};

/// List, show, retry, hold, release and remove mail for outside addresses
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Queue {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  pillarbox queue list
  pillarbox queue destinations what waits for whom, and why
  pillarbox queue show 17      what other servers said about each recipient
  pillarbox queue retry 17     try now instead of later
  pillarbox queue hold 17      do not try until it is released
  pillarbox queue remove 17    throw it away; its sender is not told";

#[derive(Debug, Subcommand)]
enum Verb {
    /// List all messages
    List,
    /// Show what waits for which domain
    Destinations,
    /// Show a message and the state of its recipients
    Show {
        /// Its number
        id: u64,
    },
    /// Try a message, or all for a domain, now
    Retry(Which),
    /// Keep a message, or all for a domain, from being tried
    Hold(Which),
    /// End a hold; what was held is tried now
    Release(Which),
    /// Throw a message away; nobody is told
    Remove {
        /// Its number
        id: u64,
    },
}

/// One message, or all for a domain.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Its number
    id: Option<u64>,
    /// All that wait for recipients of this domain
    #[arg(long, value_name = "DOMAIN")]
    to: Option<String>,
}

impl Queue {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let (endpoint, id) = match self.verb {
            Verb::List => return self.list(place),
            Verb::Show { id } => ("GET /api/v1/admin/queue/{id}", id),
            Verb::Destinations => return self.destinations(place),
            Verb::Retry(ref which) => return self.change(place, "retry", which),
            Verb::Hold(ref which) => return self.change(place, "hold", which),
            Verb::Release(ref which) => return self.change(place, "release", which),
            Verb::Remove { id } => {
                let call = Call::new("POST /api/v1/admin/queue/{id}/remove").at("id", id);
                return self.format.done(place, &call, &format!("Message {id} was thrown away.\n"));
            }
        };
        self.format.each(place, &Call::new(endpoint).at("id", id), shown).map(drop)
    }

    fn change(&self, place: &Place, verb: &str, which: &Which) -> Outcome {
        if let Some(domain) = &which.to {
            let call = Call::new(&format!("POST /api/v1/admin/destinations/{verb}")).with("domain", domain.as_str());
            let text = |changed: &QueueChanged| {
                let wait = counted(changed.messages, "message waits", "messages wait");
                format!("{wait} for {}.\n", changed.domain)
            };
            return self.format.each(place, &call, text).map(drop);
        }
        let endpoint = format!("POST /api/v1/admin/queue/{{id}}/{verb}");
        self.format.each(place, &Call::new(&endpoint).at("id", which.id), shown).map(drop)
    }

    fn destinations(&self, place: &Place) -> Outcome {
        let call = Call::new("GET /api/v1/admin/destinations");
        self.format.each(place, &call, |all: &QueueDestinations| by_domain(&all.destinations)).map(drop)
    }

    fn list(&self, place: &Place) -> Outcome {
        let (mut messages, mut after): (Vec<QueueLine>, _) = (Vec::new(), None);
        loop {
            let call = Call::new("GET /api/v1/admin/queue").with("after", after);
            let Some(page) = place.all::<QueuePage>(&call)?.pop() else { break };
            if self.format.json {
                page.messages.iter().try_for_each(|message| self.format.show(message, shown))?;
            } else {
                messages.extend(page.messages);
            }
            after = page.next_after;
            if after.is_none() {
                break;
            }
        }
        if self.format.json { Ok(()) } else { self.format.show(&(), |()| listed(&messages)) }
    }
}

fn by_domain(destinations: &[QueueDestination]) -> String {
    let row = |destination: &QueueDestination| {
        [
            destination.domain.clone(),
            destination.messages.to_string(),
            destination.why.clone(),
            destination.ways.join(", "),
            destination.oldest_at.clone(),
            or_dash(destination.next_at.as_deref()),
            or_dash(destination.answer.as_deref()),
        ]
    };
    let rows: Vec<_> = destinations.iter().map(row).collect();
    table(["DOMAIN", "MESSAGES", "WHY", "BY", "OLDEST", "NEXT", "LAST ANSWER"], &rows, "The queue is empty.")
}

/// Nobody to send back to is `<>`, as in a bounce.
fn sender(message: &QueueLine) -> String {
    if message.from.is_empty() { "<>".to_owned() } else { message.from.clone() }
}

fn next(message: &QueueLine) -> String {
    match &message.damaged {
        Some(why) => format!("never: {why}"),
        None => message.next_at.clone().unwrap_or_else(|| "held".to_owned()),
    }
}

fn listed(messages: &[QueueLine]) -> String {
    let row = |message: &QueueLine| {
        let waiting = message.recipients.iter().filter(|recipient| recipient.state == "waiting");
        let waiting: Vec<&str> = waiting.map(|recipient| recipient.address.as_str()).collect();
        let to = match waiting[..] {
            [] => "-".to_owned(),
            [one] => one.to_owned(),
            [first, ..] => format!("{first} and {} more", waiting.len() - 1),
        };
        let attempts = message.attempts.to_string();
        [message.id.to_string(), sender(message), to, bytes(message.bytes), attempts, next(message)]
    };
    let rows: Vec<_> = messages.iter().map(row).collect();
    table(["ID", "FROM", "WAITS FOR", "SIZE", "TRIED", "NEXT"], &rows, "The queue is empty.")
}

fn shown(message: &QueueLine) -> String {
    let recipients = message.recipients.iter();
    let row = |recipient: &console::QueueRecipient| {
        [
            recipient.address.clone(),
            recipient.state.clone(),
            or_dash(recipient.way.as_deref()),
            or_dash(recipient.answer.as_deref()),
        ]
    };
    let rows: Vec<_> = recipients.map(row).collect();
    format!(
        "Message    {}\nFrom       {}\nSize       {}\nQueued     {}\nTried      {}\nNext       {}\nGiven up   {}\n\n{}",
        message.id,
        sender(message),
        bytes(message.bytes),
        message.enqueued_at,
        times(message.attempts),
        next(message),
        message.expires_at,
        table(["RECIPIENT", "STATE", "BY", "LAST ANSWER"], &rows, "It has no recipients."),
    )
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
