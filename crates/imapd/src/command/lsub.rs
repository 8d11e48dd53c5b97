//! LSUB (RFC 3501 §6.3.9).

use super::{Answer, list};
use crate::context::Context;
use crate::tagged::Tagged;
use imap_proto::MailboxName;
use imap_proto::command::Lsub;
use imap_proto::response::MailboxAttribute;
use std::collections::BTreeSet;

pub(super) fn run(context: &mut Context<'_>, lsub: &Lsub) -> Answer {
    if lsub.pattern.is_empty() {
        context.encoder().lsub_separator();
        return Ok(Tagged::ok("LSUB done"));
    }
    let mailboxes = context.mailboxes()?;
    // RFC 3501 §6.3.9: also what is no mailbox (any more).
    let subscribed = list::subscribed(&mailboxes);
    let names: Vec<MailboxName> = subscribed.iter().filter_map(|listed| MailboxName::new(listed.name).ok()).collect();
    let matcher = lsub.matcher();
    let known: BTreeSet<&MailboxName> = names.iter().collect();
    let mut parents = BTreeSet::new();
    for name in &names {
        if matcher.matches(name) {
            context.encoder().lsub(&[], name);
            continue;
        }
        // RFC 3501 §6.3.9: `%` shows the mailbox above one that is subscribed, as one that cannot be selected.
        let above = std::iter::successors(name.parent(), MailboxName::parent);
        parents.extend(above.filter(|parent| matcher.matches(parent) && !known.contains(parent)));
    }
    for parent in &parents {
        context.encoder().lsub(&[MailboxAttribute::NoSelect], parent);
    }
    Ok(Tagged::ok("LSUB done"))
}
