//! Lists: an administrator makes them, an owner of a list says who is a member.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{Act, Done, ListLine, MemberLine};
use directory::{List, Posting};
use std::sync::Arc;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/lists", |caller, fields| json(all(caller, fields.text("list"))?)),
    Endpoint::post("/api/v1/lists/join", |caller, fields| json(join(caller, fields)?)),
    Endpoint::post("/api/v1/lists/leave", |caller, fields| json(leave(caller, fields)?)),
    Endpoint::post("/api/v1/admin/lists", |caller, fields| json(add(caller, fields)?)),
    Endpoint::post("/api/v1/admin/lists/posting", |caller, fields| json(set_posting(caller, fields)?)),
    Endpoint::post("/api/v1/admin/lists/joining", |caller, fields| json(set_open(caller, fields)?)),
    Endpoint::post("/api/v1/admin/lists/remove", |caller, fields| json(remove(caller, fields)?)),
];

/// All lists for an administrator, for others those that they own; or the one that is named.
pub(crate) fn all(caller: &Caller, only: &str) -> Result<Vec<ListLine>, Problem> {
    let lists = caller.site.auth().directory().lists()?;
    let is_administrator = caller.administration().is_ok();
    let is_shown = |list: &&Arc<List>| {
        (only.is_empty() || list.address.eq_ignore_ascii_case(only)) && (is_administrator || is_owner(caller, list))
    };
    lists.iter().filter(is_shown).map(|list| line(caller, list)).collect()
}

fn line(caller: &Caller, list: &List) -> Result<ListLine, Problem> {
    let directory = caller.site.auth().directory();
    let owners = list.owners.iter().filter_map(|owner| directory.account_by_id(*owner).transpose());
    let members = directory.members(list)?.into_iter();
    Ok(ListLine {
        list: list.address.clone(),
        title: list.title.clone(),
        posting: list.posting.name().to_owned(),
        open: list.is_open,
        owners: owners.map(|owner| owner.map(|info| info.address)).collect::<Result<_, _>>()?,
        members: members.map(|member| MemberLine { address: member.address, paused: member.is_paused }).collect(),
    })
}

fn is_owner(caller: &Caller, list: &List) -> bool {
    caller.own.as_ref().is_some_and(|own| list.owners.contains(&own.account))
}

fn posting(fields: &Fields) -> Result<Posting, Problem> {
    let wanted = fields.text("posting");
    Posting::named(wanted)
        .ok_or_else(|| Problem::bad("Who may write to a list are its “owners”, its “members”, or “anybody”."))
}

pub(crate) fn add(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    caller.administration()?;
    let (list, title, posting) = (fields.text("list"), fields.text("title"), posting(fields)?);
    let owners: Vec<&str> = fields.text("owners").split([',', ' ', ';']).filter(|owner| !owner.is_empty()).collect();
    caller.site.auth().directory().add_list(list, title, posting, &owners)?;
    Ok(Done::new(format!("{list} is a list now.")))
}

pub(crate) fn set_posting(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    caller.administration()?;
    let (list, posting) = (fields.text("list"), posting(fields)?);
    caller.site.auth().directory().set_posting(list, posting)?;
    Ok(Done::new(format!("Who may write to {list}: {}.", posting.name())))
}

pub(crate) fn set_open(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    caller.administration()?;
    let list = fields.text("list");
    let (is_open, done) = match fields.text("joining") {
        "open" => (true, format!("Anybody may join {list}.")),
        "closed" => (false, format!("Nobody joins {list} by mail.")),
        _ => return Err(Problem::bad("A list is “open” or “closed”.")),
    };
    caller.site.auth().directory().set_open(list, is_open)?;
    Ok(Done::new(done))
}

pub(crate) fn remove(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    caller.administration()?;
    let list = fields.text("list");
    caller.site.auth().directory().remove_list(list)?;
    Ok(Done::new(format!("{list} is no list any more.")))
}

pub(crate) fn join(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let (list, member) = (fields.text("list"), fields.text("member"));
    keeps(caller, list)?;
    let directory = caller.site.auth().directory();
    // Nobody elsewhere is made a member by somebody who does not answer for the server.
    let is_here = directory.account(member)?.is_some();
    if !is_here {
        caller.administration()?;
    }
    directory.join_list(list, member)?;
    Ok(Done::new(format!("{member} gets what is written to {list}.")))
}

pub(crate) fn leave(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let (list, member) = (fields.text("list"), fields.text("member"));
    keeps(caller, list)?;
    caller.site.auth().directory().leave_list(list, member)?;
    Ok(Done::new(format!("{member} gets nothing of {list} any more.")))
}

/// Whether they may say who is a member.
fn keeps(caller: &Caller, address: &str) -> Result<(), Problem> {
    let list = caller.site.auth().directory().list(address)?;
    if list.is_some_and(|list| is_owner(caller, &list)) {
        return caller.may(Act::Decide);
    }
    caller.administration().map(drop)
}
