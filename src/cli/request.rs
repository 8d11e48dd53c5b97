//! `pillarbox request`: strangers who ask for an account.

use clap::{Args, Subcommand};
use console::{AcceptedRequest, RequestLine};
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::Format;

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
        match self.verb {
            Verb::List => self.format.list(place, &Call::new("GET /api/v1/admin/requests"), listed),
            Verb::Accept { number, address } => {
                let call = Call::new("POST /api/v1/admin/requests/{id}/accept").at("id", number);
                self.format.each(place, &call.with("address", address), accepted).map(drop)
            }
            Verb::Decline { number, reason } => {
                let call = Call::new("POST /api/v1/admin/requests/{id}/decline").at("id", number);
                self.format.done(place, &call.with("reason", reason), &format!("Request {number} was declined.\n"))
            }
        }
    }
}

fn accepted(accepted: &AcceptedRequest) -> String {
    let AcceptedRequest { address, contact, password_url, expires_at, mailed } = accepted;
    if *mailed {
        return format!(
            "{address} was added. A letter with the link for the first password is under way to {contact}.\n"
        );
    }
    format!(
        "{address} was added. Send this link to {contact}; it is good once, until {expires_at}, to choose the password:\n\
         {password_url}\n"
    )
}

fn listed(requests: &[RequestLine]) -> String {
    let all: Vec<String> = requests.iter().map(shown).collect();
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
