//! What an account sends and what of it waits, because it is far more than ever.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{AccountConsole, Act, SendingAnswer, SendingCard};
use serde::Serialize;

/// So many accounts are listed.
const ACCOUNTS_MAX: usize = 1000;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/sending", |caller, _| json(show(caller)?)),
    Endpoint::post("/api/v1/sending", |caller, fields| json(answer(caller, fields)?)),
    Endpoint::get("/api/v1/admin/sending", |caller, _| json(all(caller)?)),
    Endpoint::post("/api/v1/admin/sending/{id}", |caller, fields| json(answer_for(caller, fields)?)),
];

/// An account of which mail waits.
#[derive(Serialize)]
struct AccountLine {
    number: u32,
    address: String,
    #[serde(flatten)]
    card: SendingCard,
}

pub(crate) fn show(caller: &Caller) -> Result<SendingCard, Problem> {
    Ok(caller.console()?.sending(caller.site.queue())?)
}

/// Lets it go or throws it away. Not by an application password: it may be the one that sends.
pub(crate) fn answer(caller: &Caller, fields: &Fields) -> Result<SendingCard, Problem> {
    caller.may(Act::Decide)?;
    Ok(caller.console()?.answer_sending(caller.site.queue(), chosen(fields)?)?)
}

fn all(caller: &Caller) -> Result<Vec<AccountLine>, Problem> {
    let administration = caller.administration()?;
    let mut lines = Vec::new();
    for account in
        caller.site.queue().accounts_waiting(ACCOUNTS_MAX).map_err(|error| Problem::fault(&error.to_string()))?
    {
        let Ok(info) = administration.find(&account.0.to_string()) else { continue };
        let card = console_of(caller, account).sending(caller.site.queue())?;
        lines.push(AccountLine { number: account.0, address: info.address, card });
    }
    Ok(lines)
}

fn answer_for(caller: &Caller, fields: &Fields) -> Result<SendingCard, Problem> {
    let account = caller.administration()?.find(caller.parameter("id"))?.id;
    Ok(console_of(caller, account).answer_sending(caller.site.queue(), chosen(fields)?)?)
}

fn console_of(caller: &Caller, account: store::AccountId) -> AccountConsole {
    caller.console_of(caller.site.auth().store().account(account))
}

fn chosen(fields: &Fields) -> Result<SendingAnswer, Problem> {
    match fields.text("answer") {
        "let-go" => Ok(SendingAnswer::LetGo),
        "throw-away" => Ok(SendingAnswer::ThrowAway),
        _ => Err(Problem::bad(tr!("The answer is “let-go” or “throw-away”."))),
    }
}
