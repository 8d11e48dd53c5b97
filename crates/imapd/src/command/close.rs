//! CLOSE and UNSELECT (RFC 9051 §6.4.1, §6.4.2).

use super::{Answer, Context};
use crate::tagged::Tagged;
use store::{Error, Expunge};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// CLOSE
    Expunge,
    /// UNSELECT
    Keep,
}

/// CLOSE has no HIGHESTMODSEQ (RFC 7162 §3.2.8 would allow it): other devices' changes that this client was not told lie
/// below it, and would be lost to its next QRESYNC.
pub(super) fn run(context: &mut Context<'_>, how: How) -> Answer {
    let actor = context.actor();
    let selected = context.selected()?;
    let (account, mailbox, read_only) = (selected.account.clone(), selected.mailbox, selected.read_only);
    if how == How::Expunge && !read_only {
        match account.expunge(actor, mailbox, Expunge::AllDeleted) {
            Ok(_) | Err(Error::NoSuchMailbox) => {}
            Err(error) => return Err(error.into()),
        }
    }
    context.user.selected = None;
    Ok(Tagged::ok("Closed"))
}
