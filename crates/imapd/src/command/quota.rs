//! GETQUOTA and GETQUOTAROOT (RFC 9208): all mailboxes of an account share one quota root, if there is a quota.

use super::Answer;
use crate::context::Context;
use crate::tagged::Tagged;
use imap_proto::response::StorageQuota;
use imap_proto::{Code, MailboxName};
use store::{Error, Usage};

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
    context.mailbox(name)?;
    let quota = storage(context)?;
    // RFC 9208 §3.2: a mailbox may have no root at all.
    context.encoder().quota_root(name, quota.map(|_| ROOT));
    if let Some(quota) = quota {
        context.encoder().quota(ROOT, quota);
    }
    Ok(Tagged::ok("GETQUOTAROOT done"))
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
