//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208): all mailboxes of an account share one quota root, if there is a quota.

use super::Answer;
use crate::context::Context;
use crate::tagged::Tagged;
use imap_proto::command::SetQuota;
use imap_proto::response::StorageQuota;
use imap_proto::{Code, MailboxName};
use store::{Error, Rights, Usage};

/// The name of the one root; programs show it to people.
const ROOT: &str = "Account";
/// RFC 9208 §5.1: STORAGE counts in units of so many octets.
const UNIT_BYTES: u64 = 1024;

pub(super) fn run(context: &mut Context<'_>, root: &str) -> Answer {
    let quota = storage(context)?.filter(|_| root == ROOT);
    let quota = quota.ok_or_else(|| Tagged::refused(Code::NonExistent, "No such quota root"))?;
    context.encoder().quota(ROOT, quota);
    Ok(Tagged::ok("GETQUOTA done"))
}

pub(super) fn root_of(context: &mut Context<'_>, name: &MailboxName) -> Answer {
    // RFC 9208 §4.1.2: of a mailbox that is not there the server may tell as well; a typing error is better told.
    if context.locate(name, Rights::READ)?.is_shared() {
        // What is put there counts for its owner, and how much that may be is told to nobody else.
        context.encoder().quota_root(name, None);
        return Ok(Tagged::ok("GETQUOTAROOT done"));
    }
    let quota = storage(context)?;
    // RFC 9208 §3.2: a mailbox may have no root at all.
    context.encoder().quota_root(name, quota.map(|_| ROOT));
    if let Some(quota) = quota {
        context.encoder().quota(ROOT, quota);
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
    let quota_bytes = match request.limits.as_slice() {
        _ if request.root != ROOT => return Err(Tagged::refused(Code::NonExistent, "No such quota root")),
        // What is not named has no limit.
        [] => None,
        [(resource, units)] if resource == "STORAGE" => Some(units.saturating_mul(UNIT_BYTES)),
        _ => return Err(Tagged::refused(Code::Cannot, "There is a limit for STORAGE alone")),
    };
    context.user.account.set_quota(context.actor(), quota_bytes)?;
    if let Some(quota) = storage(context)? {
        context.encoder().quota(ROOT, quota);
    }
    Ok(Tagged::ok("SETQUOTA done"))
}

/// What is used is rounded up, and what there is rounded down: a program that sees room finds some.
fn storage(context: &Context<'_>) -> Result<Option<StorageQuota>, Error> {
    let Usage { bytes, quota_bytes, .. } = context.user.account.usage()?;
    Ok(quota_bytes.map(|limit| StorageQuota { used: units(bytes), limit: limit / UNIT_BYTES }))
}

/// Rounded up.
pub(super) fn units(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT_BYTES)
}
