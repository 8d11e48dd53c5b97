//! ENABLE (RFC 9051 §6.3.1).

use super::{Answer, Context};
use crate::tagged::Tagged;
use imap_proto::{Code, Status};

pub(super) fn run(context: &mut Context<'_>, names: &[String]) -> Answer {
    let before = context.user.enabled;
    let mut enabled = before;
    for name in names {
        match name.as_str() {
            "CONDSTORE" => enabled.condstore = true,
            // RFC 7162 §3.2.3: QRESYNC switches CONDSTORE on too.
            "QRESYNC" => (enabled.qresync, enabled.condstore) = (true, true),
            "UTF8=ACCEPT" => enabled.utf8 = true,
            "IMAP4REV2" => enabled.rev2 = true,
            // RFC 9051 §6.3.1: what is not known is passed over.
            _ => {}
        }
    }
    let news = [
        ("CONDSTORE", before.condstore, enabled.condstore),
        ("QRESYNC", before.qresync, enabled.qresync),
        ("UTF8=ACCEPT", before.utf8, enabled.utf8),
        ("IMAP4rev2", before.rev2, enabled.rev2),
    ];
    let news: Vec<&str> = news.iter().filter(|(_, before, after)| after > before).map(|(name, _, _)| *name).collect();
    context.user.enabled = enabled;
    context.encoder().enabled(&news);
    if enabled.condstore && !before.condstore {
        tell_modseq(context);
    }
    Ok(Tagged::ok("ENABLE done"))
}

/// RFC 7162 §3.1.2.1: a mailbox that is already selected now has a mod-sequence for the client.
fn tell_modseq(context: &mut Context<'_>) {
    if let Some(selected) = &context.user.selected {
        let modseq = selected.view.mailbox().highest_modseq.0;
        context.encoder().untagged(Status::Ok, Some(Code::HighestModSeq(modseq)), "Highest");
    }
}
