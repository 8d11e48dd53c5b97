//! Lists: an administrator makes them, an owner of a list says who is a member.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::{Kind, Problem};
use console::{
    Act, Done, InvitedLine, ListLine, MemberLine, MembershipLine, PostLine, Scope, answer_post, invitation, shown,
    waiting_posts,
};
use directory::{Address, Approval, By, List, Member, Posting, Whose};
use letter::language_to;
use posts::Posts;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Timestamp;

type Waiting = BTreeMap<String, usize>;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/lists", |caller, fields| json(all(caller, fields.text("list"))?)),
    Endpoint::post("/api/v1/lists/join", |caller, fields| json(join(caller, fields)?)),
    Endpoint::post("/api/v1/lists/leave", |caller, fields| json(leave(caller, fields)?)),
    Endpoint::post("/api/v1/lists/invite", |caller, fields| json(invite(caller, fields)?)),
    Endpoint::post("/api/v1/lists/withdraw", |caller, fields| json(withdraw(caller, fields)?)),
    Endpoint::get("/api/v1/lists/mine", |caller, _| json(mine(caller)?)),
    Endpoint::post("/api/v1/lists/mine", |caller, fields| json(decide(caller, fields)?)),
    Endpoint::post("/api/v1/lists/rules", |caller, fields| json(set_rules(caller, fields)?)),
    Endpoint::get("/api/v1/lists/posts", |caller, fields| json(posts(caller, fields.text("list"))?)),
    Endpoint::post("/api/v1/lists/posts", |caller, fields| json(answer(caller, fields)?)),
    Endpoint::post("/api/v1/admin/lists", |caller, fields| json(add(caller, fields)?)),
    Endpoint::post("/api/v1/admin/lists/posting", |caller, fields| json(set_posting(caller, fields)?)),
    Endpoint::post("/api/v1/admin/lists/joining", |caller, fields| json(set_open(caller, fields)?)),
    Endpoint::post("/api/v1/admin/lists/remove", |caller, fields| json(remove(caller, fields)?)),
];

/// All lists for an administrator, for others those that they own; or the one that is named.
pub(crate) fn all(caller: &Caller, only: &str) -> Result<Vec<ListLine>, Problem> {
    let lists = caller.site.auth().directory().lists()?;
    let administration = caller.domain_administration().ok();
    let is_theirs = |list: &List| administration.as_ref().is_some_and(|of| of.has_list(list)) || is_owner(caller, list);
    let is_shown = |list: &&Arc<List>| (only.is_empty() || list.address.eq_ignore_ascii_case(only)) && is_theirs(list);
    let waiting = waiting(caller)?;
    lists.iter().filter(is_shown).map(|list| line(caller, list, &waiting)).collect()
}

/// How many posts wait, by list: read once, however many lists there are.
fn waiting(caller: &Caller) -> Result<Waiting, Problem> {
    Ok(Posts::of(caller.site.auth().store()).held_by_list()?)
}

fn line(caller: &Caller, list: &List, waiting: &Waiting) -> Result<ListLine, Problem> {
    let directory = caller.site.auth().directory();
    let owners = list.owners.iter().filter_map(|owner| directory.account_by_id(*owner).transpose());
    let members = directory.members(list)?.into_iter();
    Ok(ListLine {
        list: list.address.clone(),
        title: list.title.clone(),
        posting: list.posting.name().to_owned(),
        open: list.is_open,
        approval: list.approval.name().to_owned(),
        posts_per_hour: list.posts_per_hour,
        post_kib_max: list.post_kib_max,
        waiting: waiting.get(&list.address).copied().unwrap_or_default(),
        owners: owners.map(|owner| owner.map(|info| info.address)).collect::<Result<_, _>>()?,
        members: members
            .map(|member| MemberLine { address: member.address, paused: member.is_paused, rests: member.rests })
            .collect(),
        invited: list
            .invited(caller.now)
            .map(|invited| InvitedLine { address: invited.address.clone(), at: shown(invited.at) })
            .collect(),
    })
}

fn is_owner(caller: &Caller, list: &List) -> bool {
    caller.own.as_ref().is_some_and(|own| list.owners.contains(&own.account))
}

fn posting(fields: &Fields) -> Result<Posting, Problem> {
    let wanted = fields.text("posting");
    Posting::named(wanted)
        .ok_or_else(|| Problem::bad(tr!("Who may write to a list are its “owners”, its “members”, or “anybody”.")))
}

fn joining(fields: &Fields) -> Result<bool, Problem> {
    match fields.text("joining") {
        "open" => Ok(true),
        "closed" => Ok(false),
        _ => Err(Problem::bad(tr!("A list is “open” or “closed”."))),
    }
}

pub(crate) fn add(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let administration = caller.domain_administration()?;
    let (list, title, posting) = (fields.text("list"), fields.text("title"), posting(fields)?);
    let owners: Vec<&str> = fields.text("owners").split([',', ' ', ';']).filter(|owner| !owner.is_empty()).collect();
    administration.may_hold(list)?;
    administration.may_name(&owners)?;
    caller.site.auth().directory().add_list(list, title, posting, &owners)?;
    Ok(Done::new(tr!("{list} is a list now.", list)))
}

pub(crate) fn set_posting(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    administers(caller, fields.text("list"))?;
    let (list, posting) = (fields.text("list"), posting(fields)?);
    caller.site.auth().directory().set_posting(list, posting)?;
    Ok(Done::new(tr!("Who may write to {list}: {name}.", list, name = posting.name())))
}

pub(crate) fn set_open(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    administers(caller, fields.text("list"))?;
    let list = fields.text("list");
    let is_open = joining(fields)?;
    let done = match is_open {
        true => tr!("Anybody may join {list}.", list),
        false => tr!("Nobody joins {list} by mail.", list),
    };
    caller.site.auth().directory().set_open(list, is_open)?;
    Ok(Done::new(done))
}

pub(crate) fn remove(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    administers(caller, fields.text("list"))?;
    let list = fields.text("list");
    let known = caller.site.auth().directory().list(list)?;
    caller.site.auth().directory().remove_list(list, caller.now)?;
    // Another list of the same address has other owners.
    if let Some(known) = known {
        let posts = Posts::of(caller.site.auth().store());
        for post in posts.held(&known.address)? {
            posts.reject(&known.address, post.id, true)?;
        }
    }
    Ok(Done::new(tr!("{list} is no list any more.", list)))
}

pub(crate) fn join(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let (list, member) = (fields.text("list"), fields.text("member"));
    keeps(caller, list)?;
    let directory = caller.site.auth().directory();
    let known_list = directory.list(list)?;
    // Whoever administers the domain of the list, and not the server, answers for accounts in their domains, and is not told which
    // there are in others; whoever only owns it, for those in its domain.
    let administration = caller.domain_administration().ok();
    let of_domain = administration.filter(|of| known_list.as_ref().is_some_and(|list| of.has_list(list)));
    let is_in_its_domain =
        |list: &Arc<List>| Address::parse(member).is_ok_and(|address| address.domain == list.domain());
    let is_theirs = match &of_domain {
        Some(of) => of.scope().has_address(member),
        None => known_list.as_ref().is_some_and(is_in_its_domain),
    };
    // Nobody elsewhere is made a member by somebody who does not answer for the server; who is one may have mail again.
    let is_here = is_theirs && directory.account(member)?.is_some();
    let members = known_list.map(|list| directory.members(&list)).transpose()?.unwrap_or_default();
    if !is_here && !members.iter().any(|known| known.address.eq_ignore_ascii_case(member)) {
        match of_domain {
            Some(of) => of.may_name(&[member])?,
            None => {
                let detail = tr!(
                    "{member} is no account in the domain of the list: invite them, and they say themselves whether they want to be \
                     a member.",
                    member
                );
                return Err(Problem::new(Kind::Forbidden, detail));
            }
        }
    }
    directory.join_list(list, member, turn(caller, member)?)?;
    Ok(Done::new(tr!("{member} gets what is written to {list}.", member, list)))
}

pub(crate) fn leave(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let (list, member) = (fields.text("list"), fields.text("member"));
    keeps(caller, list)?;
    caller.site.auth().directory().leave_list(list, member, turn(caller, member)?)?;
    Ok(Done::new(tr!("{member} gets nothing of {list} any more.", member, list)))
}

/// Who makes a member, or none any more, and when.
fn turn(caller: &Caller, member: &str) -> Result<(By, Timestamp), Problem> {
    let account = caller.site.auth().directory().account(member)?.map(|account| account.address);
    let own = caller.own.as_ref().map(|own| &own.address);
    let by = if account.is_some() && account.as_ref() == own { By::Member } else { By::Owner };
    Ok((by, caller.now))
}

/// Asks an address whether it wants to be a member: whoever reads its mail answers.
pub(crate) fn invite(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let (address, member) = (fields.text("list"), fields.text("member").trim());
    keeps(caller, address)?;
    let directory = caller.site.auth().directory();
    let list = directory.list(address)?.ok_or_else(Problem::not_found)?;
    let by = caller.own.as_ref().map_or("postmaster", |own| own.address.as_str());
    let token = directory.invite_to_list(&list.address, member, caller.now)?;
    let page = caller.site.url(&format!("/lists/{}/join/{token}", list.address));
    let mail = format!("{}+accept-{token}@{}", list.name(), list.domain());
    let names = (list.address.as_str(), list.title.as_str());
    // Whoever invites may know better than this server what a stranger reads.
    let language = language_to(directory, caller.site.auth().store(), member).unwrap_or_else(wording::language);
    let write = || invitation(names, (member, by), (&page, &mail), (caller.site.hostname(), caller.now));
    let letter = wording::speaking(language, write);
    if !caller.site.post(member, &letter) {
        directory.withdraw_invitation(&list.address, member)?;
        return Err(Problem::new(Kind::Refused, tr!("The letter to {member} cannot be sent.", member)));
    }
    Ok(Done::new(tr!(
        "{member} is asked, and is a member of {address} once they say so.",
        member,
        address = list.address
    )))
}

pub(crate) fn withdraw(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let (list, member) = (fields.text("list"), fields.text("member"));
    keeps(caller, list)?;
    caller.site.auth().directory().withdraw_invitation(list, member)?;
    Ok(Done::new(tr!("{member} is not asked any more.", member)))
}

/// The lists of which they are a member.
pub(crate) fn mine(caller: &Caller) -> Result<Vec<MembershipLine>, Problem> {
    let account = caller.own()?.account;
    let line = |list: &Arc<List>| {
        let member = list.members.iter().find(|member| member.whose == Whose::Account(account));
        MembershipLine {
            list: list.address.clone(),
            title: list.title.clone(),
            writes: list.posting != Posting::Owners || list.owners.contains(&account),
            paused: member.is_some_and(Member::is_paused),
            rests: member.is_some_and(|member| member.rests),
        }
    };
    Ok(caller.site.auth().directory().lists_of(account)?.iter().map(line).collect())
}

/// They want nothing of it for now, its mail again, or to be no member.
pub(crate) fn decide(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    caller.may(Act::Decide)?;
    let (list, account) = (fields.text("list"), caller.own()?.account);
    let directory = caller.site.auth().directory();
    let text = match fields.text("wish") {
        "pause" => {
            directory.rest_from_list(list, account, true)?;
            tr!("You get nothing of {list} until you say otherwise.", list)
        }
        "resume" => {
            directory.rest_from_list(list, account, false)?;
            tr!("You get what is written to {list} from now on.", list)
        }
        "leave" => {
            directory.leave_own_list(list, account, caller.now)?;
            tr!("You get nothing of {list} any more.", list)
        }
        _ => return Err(Problem::bad(tr!("The wish is “pause”, “resume” or “leave”."))),
    };
    Ok(Done::new(text))
}

/// Those of a list's rules that are named; an owner says them, too.
pub(crate) fn set_rules(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let address = fields.text("list");
    keeps(caller, address)?;
    let directory = caller.site.auth().directory();
    let list = directory.list(address)?.ok_or_else(|| Problem::bad(tr!("There is no list {address}.", address)))?;
    // What is wrong with one of them is found before any is changed.
    let posting = fields.optional("posting").map(|_| posting(fields)).transpose()?;
    let is_open = fields.optional("joining").map(|_| joining(fields)).transpose()?;
    let approval = fields.optional("approval").map(|name| {
        Approval::named(name).ok_or_else(|| {
            Problem::bad(tr!("What waits for an owner is what “nobody” writes, “others” than members, or “all”."))
        })
    });
    let (approval, per_hour, kib) =
        (approval.transpose()?, fields.number("posts_per_hour")?, fields.number("post_kib_max")?);
    if per_hour.is_some() || kib.is_some() {
        let limits = (per_hour.unwrap_or(list.posts_per_hour), kib.unwrap_or(list.post_kib_max));
        directory.set_post_limits(address, limits.0, limits.1)?;
    }
    if let Some(posting) = posting {
        directory.set_posting(address, posting)?;
    }
    if let Some(is_open) = is_open {
        directory.set_open(address, is_open)?;
    }
    if let Some(approval) = approval {
        directory.set_approval(address, approval)?;
    }
    Ok(Done::new(tr!("The rules of {address} are as you said.", address)))
}

/// The posts of a list that wait for an owner.
pub(crate) fn posts(caller: &Caller, list: &str) -> Result<Vec<PostLine>, Problem> {
    keeps(caller, list)?;
    let list = caller.site.auth().directory().list(list)?.ok_or_else(Problem::not_found)?;
    Ok(waiting_posts(&Posts::of(caller.site.auth().store()), &list.address)?)
}

/// Says whether one of them goes out.
pub(crate) fn answer(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let list = fields.text("list");
    keeps(caller, list)?;
    let (is_approved, text) = match fields.text("answer") {
        "approve" => (true, tr!("It goes to all members.")),
        "reject" => (false, tr!("It goes to nobody.")),
        _ => return Err(Problem::bad(tr!("The answer is “approve” or “reject”."))),
    };
    let number = fields.number("post")?.ok_or_else(|| Problem::bad(tr!("Say which post.")))?;
    let list = caller.site.auth().directory().list(list)?.ok_or_else(Problem::not_found)?;
    answer_post(&Posts::of(caller.site.auth().store()), &list.address, number, is_approved)?;
    Ok(Done::new(text.to_owned()))
}

/// The lists that they look after.
pub(crate) fn own(caller: &Caller) -> Result<Vec<ListLine>, Problem> {
    let lists = caller.site.auth().directory().lists()?;
    let waiting = waiting(caller)?;
    lists.iter().filter(|list| is_owner(caller, list)).map(|list| line(caller, list, &waiting)).collect()
}

/// Whether they may say who is a member.
fn keeps(caller: &Caller, address: &str) -> Result<(), Problem> {
    let list = caller.site.auth().directory().list(address)?;
    if list.is_some_and(|list| is_owner(caller, &list)) {
        return caller.may(Act::Decide);
    }
    administers(caller, address)
}

/// Writes down what somebody did with a list that is not their own, as an administrator.
pub(crate) fn note(caller: &Caller, address: &str, done: &str) {
    let list = caller.site.auth().directory().list(address).ok().flatten();
    if !list.is_some_and(|list| is_owner(caller, &list)) {
        caller.did(done);
    }
}

/// Whether they administer the domain of a list. One that is not theirs is told as one that is not there.
fn administers(caller: &Caller, address: &str) -> Result<(), Problem> {
    let administration = caller.domain_administration()?;
    match caller.site.auth().directory().list(address)? {
        Some(list) if !administration.has_list(&list) => Err(Problem::not_found()),
        None if administration.scope() != &Scope::Server => Err(Problem::not_found()),
        Some(_) | None => Ok(()),
    }
}
