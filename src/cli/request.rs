//! `pillarbox request`: strangers who ask for an account.

use clap::{Args, Subcommand};
use server::admin::{Item, LinkItem, PeopleRequest, Request as Ask, RequestLine};

use super::place::Place;
use super::show::Format;
use super::{Outcome, say};

/// List, accept and decline requests for accounts
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Request {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Strangers can ask on the pages if the configuration says `account_requests = true`, or lists domains there.

Examples:
  pillarbox request list                             those without an answer first
  pillarbox request accept 7                         makes the account; prints the link for the first password
  pillarbox request accept 7 --address c@example.org under another address than the wished one
  pillarbox request decline 7 --reason \"Members of the choir only\"";

#[derive(Debug, Subcommand)]
enum Verb {
    /// List all requests of the last 30 days
    List,
    /// Make the account, and a link with which its owner chooses the password
    Accept {
        /// Which
        number: u32,
        /// Another address than the wished one
        #[arg(long)]
        address: Option<String>,
    },
    /// Say no; who asked sees it, with the reason
    Decline {
        /// Which
        number: u32,
        /// Why
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
}

impl Request {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let ask = |request| place.collect(&Ask::People(request));
        match self.verb {
            Verb::List => self.format.show(&ask(PeopleRequest::Requests)?, listed),
            Verb::Accept { number, address } => {
                let items = ask(PeopleRequest::Accept { number, address })?;
                self.format.show(&items, |items| items.iter().filter_map(link).map(accepted).collect())
            }
            Verb::Decline { number, reason } => {
                ask(PeopleRequest::Decline { number, reason })?;
                say(&format!("Request {number} was declined.\n"));
                Ok(())
            }
        }
    }
}

/// The link in an answer.
pub(super) fn link(item: &Item) -> Option<&LinkItem> {
    if let Item::Link(link) = item { Some(link) } else { None }
}

fn accepted(link: &LinkItem) -> String {
    let [address, contact, url] = [&link.address, &link.contact, &link.url].map(|text| text.as_deref().unwrap_or("-"));
    let until = &link.expires_at;
    if link.mailed {
        return format!(
            "{address} was added. A letter with the link for the first password is under way to {contact}.\n"
        );
    }
    format!(
        "{address} was added. Send this link to {contact}; it is good once, until {until}, to choose the password:\n{url}\n"
    )
}

fn listed(items: &[Item]) -> String {
    let request = |item: &Item| if let Item::PersonRequest(request) = item { Some(shown(request)) } else { None };
    let all: Vec<String> = items.iter().filter_map(request).collect();
    if all.is_empty() { "There are no requests.\n".to_owned() } else { all.join("\n") }
}

fn shown(request: &RequestLine) -> String {
    let RequestLine { number, name, address, contact, from, asked_at, state, .. } = request;
    let taken = if request.taken && state == "pending" { " (in use already)" } else { "" };
    let answer = match (&request.answer, &request.answered_at) {
        (Some(answer), Some(at)) => format!("\n  answer   {answer} ({at})"),
        (_, _) => String::new(),
    };
    let reason = request.reason.replace('\n', "\n           ");
    format!(
        "{number}  {state}  {name}\n  wishes   {address}{taken}\n  contact  {contact}\n  asked    {asked_at} from {from}\n  \
         reason   {reason}{answer}\n"
    )
}
