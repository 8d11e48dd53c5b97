//! RENAME (RFC 9051 §6.3.6).

use super::Answer;
use crate::context::Context;
use crate::tagged::Tagged;
use imap_proto::command::Rename;

pub(super) fn run(context: &mut Context<'_>, rename: &Rename) -> Answer {
    context.user.account.rename_mailbox(context.actor(), rename.from.as_str(), rename.to.as_str())?;
    Ok(Tagged::ok("RENAME done"))
}
