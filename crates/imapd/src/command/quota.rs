//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208): all mailboxes of an account share one quota root, if there is a quota.

use super::Answer;
use crate::context::Context;
use crate::tagged::Tagged;
use imap_proto::command::SetQuota;
use imap_proto::response::ResourceQuota;
use imap_proto::{Code, MailboxName};
use store::{Error, Quota, Rights, Usage};

/// The name of the one root; programs show it to people.
const ROOT: &str = "Account";
/// RFC 9208 §5.1, §5.2
const STORAGE: &str = "STORAGE";
const MESSAGE: &str = "MESSAGE";
/// RFC 9208 §5.1: STORAGE counts in units of so many octets.
const UNIT_BYTES: u64 = 1024;

pub(super) fn run(context: &mut Context<'_>, root: &str) -> Answer {
    let resources = resources(context)?;
    if resources.is_empty() || root != ROOT {
        return Err(no_such_root());
    }
    context.encoder().quota(ROOT, &resources);
    Ok(Tagged::ok("GETQUOTA done"))
}

pub(super) fn root_of(context: &mut Context<'_>, name: &MailboxName) -> Answer {
    // RFC 9208 §4.1.2: of a mailbox that is not there the server may tell as well; a typing error is better told.
    if context.locate(name, Rights::READ)?.is_shared() {
        // What is put there counts for its owner, and how much that may be is told to nobody else.
        context.encoder().quota_root(name, None);
        return Ok(Tagged::ok("GETQUOTAROOT done"));
    }
    let resources = resources(context)?;
    // RFC 9208 §3.2: a mailbox may have no root at all.
    context.encoder().quota_root(name, (!resources.is_empty()).then_some(ROOT));
    if !resources.is_empty() {
        context.encoder().quota(ROOT, &resources);
    }
    Ok(Tagged::ok("GETQUOTAROOT done"))
}

/// RFC 9208 §4.1.3. How much there may be says an administrator, who has said the main password: what a program with another
/// one does, its owner's devices do.
pub(super) fn set(context: &mut Context<'_>, request: &SetQuota) -> Answer {
    let login = context.user.presence.login();
    let record = context.service.auth.directory().record(login.account)?;
    if !login.main_password || record.is_none_or(|record| !record.admin) {
        return Err(Tagged::refused(Code::NoPerm, "Administrators say how much there may be"));
    }
    if request.root != ROOT {
        return Err(no_such_root());
    }
    // What is not named has no limit.
    let mut quota = Quota::default();
    for (resource, limit) in &request.limits {
        let (of_resource, limit) = match resource.as_str() {
            STORAGE => (&mut quota.bytes, limit.saturating_mul(UNIT_BYTES)),
            MESSAGE => (&mut quota.messages, *limit),
            _ => return Err(Tagged::refused(Code::Cannot, "There are limits for STORAGE and MESSAGE alone")),
        };
        if of_resource.replace(limit).is_some() {
            return Err(Tagged::refused(Code::Cannot, "A resource has one limit"));
        }
    }
    context.user.account.set_quota(context.actor(), quota)?;
    let resources = resources(context)?;
    // RFC 9208 §4.1.3: the answer says what holds now.
    if !resources.is_empty() {
        context.encoder().quota(ROOT, &resources);
    }
    Ok(Tagged::ok("SETQUOTA done"))
}

/// What has a limit. What is used is rounded up, and what there is rounded down: a program that sees room finds some.
fn resources(context: &Context<'_>) -> Result<Vec<ResourceQuota>, Error> {
    let Usage { bytes, messages, quota } = context.user.account.usage()?;
    let of_bytes = quota.bytes.map(|limit| (STORAGE, units(bytes), limit / UNIT_BYTES));
    let of_messages = quota.messages.map(|limit| (MESSAGE, messages, limit));
    let limited = of_bytes.into_iter().chain(of_messages);
    Ok(limited.map(|(resource, used, limit)| ResourceQuota { resource, used, limit }).collect())
}

fn no_such_root() -> Tagged {
    Tagged::refused(Code::NonExistent, "No such quota root")
}

/// Rounded up.
pub(super) fn units(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT_BYTES)
}
