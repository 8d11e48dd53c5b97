//! Help with a mail that was lost: its owner asks for it, and an administrator finds the mail.

use super::history::wanted;
use super::{Endpoint, json};
use crate::caller::{Caller, Proof};
use crate::form::Fields;
use crate::problem::Problem;
use console::{AccountConsole, Act, HelpCard, HelpDesk, HelpFor, HelpedMessage, HelpedPage, UndoAnswer};
use directory::AccountInfo;
use message::html::Cleaned;
use store::{Actor, DeviceId};
use wording::tr;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/help", |caller, _| json(show(caller)?)),
    Endpoint::post("/api/v1/help", |caller, fields| json(ask(caller, fields)?)),
    Endpoint::post("/api/v1/help/end", |caller, _| json(end(caller)?)),
    Endpoint::get("/api/v1/admin/accounts/{id}/messages", |caller, fields| json(find(caller, fields)?)),
    Endpoint::get("/api/v1/admin/accounts/{id}/messages/{message}", |caller, _| json(open(caller)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/messages/{message}/bring-back", |caller, _| json(bring_back(caller)?)),
];

/// Whether help is asked for, and who has looked.
pub(crate) fn show(caller: &Caller) -> Result<HelpCard, Problem> {
    Ok(caller.console()?.help(caller.site.auth())?)
}

/// Asks for it. Not by an application password: it lets somebody else look at the mail.
pub(crate) fn ask(caller: &Caller, fields: &Fields) -> Result<HelpCard, Problem> {
    caller.may(Act::Decide)?;
    let long = HelpFor::named(fields.text("for"))
        .ok_or_else(|| Problem::bad(tr!("Help is asked for an “hour”, a “day” or a “week”.")))?;
    Ok(caller.console()?.ask_help(caller.site.auth(), Some((long, fields.is_on("texts"))))?)
}

/// Not any more.
pub(crate) fn end(caller: &Caller) -> Result<HelpCard, Problem> {
    caller.may(Act::Decide)?;
    Ok(caller.console()?.ask_help(caller.site.auth(), None)?)
}

/// Mail of the account that the path names.
pub(crate) fn find(caller: &Caller, fields: &Fields) -> Result<HelpedPage, Problem> {
    let (desk, info) = desk(caller)?;
    let page = desk.find(&wanted(caller, fields)?)?;
    note(caller, &desk, &info);
    Ok(page)
}

/// That mail of the account may be looked for at all; nothing is.
pub(crate) fn may_find(caller: &Caller) -> Result<HelpedPage, Problem> {
    Ok(desk(caller)?.0.nothing())
}

/// A message of it.
pub(crate) fn open(caller: &Caller) -> Result<HelpedMessage, Problem> {
    let (desk, info) = desk(caller)?;
    let message = desk.open(caller.parameter("message"))?;
    note(caller, &desk, &info);
    Ok(message)
}

/// The same without its texts, for a page with [`as_sent`] in a frame.
pub(crate) fn look_at(caller: &Caller) -> Result<HelpedMessage, Problem> {
    let (desk, info) = desk(caller)?;
    let message = desk.look_at(caller.parameter("message"))?;
    note(caller, &desk, &info);
    Ok(message)
}

/// A message as it was sent. No endpoint has it.
pub(crate) fn as_sent(caller: &Caller) -> Result<Cleaned, Problem> {
    let (desk, info) = desk(caller)?;
    let cleaned = desk.as_sent(caller.parameter("message"))?;
    note(caller, &desk, &info);
    Ok(cleaned)
}

/// Brings one back; what was done is written down where it is called.
pub(crate) fn bring_back(caller: &Caller) -> Result<UndoAnswer, Problem> {
    let (desk, info) = desk(caller)?;
    let answer = desk.bring_back(caller.parameter("message"))?;
    caller.did(&format!("brought a message of {} back, as its owner had asked for help", info.address));
    Ok(answer)
}

/// A burst of looks stands in the audit once, as in the timeline.
fn note(caller: &Caller, desk: &HelpDesk, info: &AccountInfo) {
    if desk.begins() {
        caller.did(&format!("looked for mail of {}, as its owner had asked for help", info.address));
    }
}

fn desk(caller: &Caller) -> Result<(HelpDesk, AccountInfo), Problem> {
    let administration = caller.domain_administration()?;
    let info = administration.find(caller.parameter("id"))?;
    let who = match (&caller.proof, &caller.own) {
        (Proof::Session(_) | Proof::Password, Some(own)) => own.address.as_str(),
        (_, _) => "the operator",
    };
    // No device of that account does it.
    let actor = Actor { device: DeviceId(0), ..caller.actor() };
    let mail = caller.site.auth().store().account(info.id);
    let console =
        AccountConsole::new(mail, actor).with_queue(caller.site.queue().clone()).with_refusals(caller.refusals());
    let desk = administration.help_desk(&info, console, who)?;
    Ok((desk, info))
}
