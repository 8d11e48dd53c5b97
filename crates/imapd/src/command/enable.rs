//! ENABLE (RFC 9051 §6.3.1).

use super::Answer;
use crate::context::Context;
use crate::tagged::Tagged;

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
            "UIDONLY" => enabled.uid_only = true,
            // RFC 9051 §6.3.1: what is not known is passed over.
            _ => {}
        }
    }
    let news = [
        ("CONDSTORE", before.condstore, enabled.condstore),
        ("QRESYNC", before.qresync, enabled.qresync),
        ("UTF8=ACCEPT", before.utf8, enabled.utf8),
        ("IMAP4rev2", before.rev2, enabled.rev2),
        ("UIDONLY", before.uid_only, enabled.uid_only),
    ];
    let news: Vec<&str> = news.iter().filter(|(_, before, after)| after > before).map(|(name, _, _)| *name).collect();
    context.user.enabled = enabled;
    if let Some(selected) = context.user.selected.as_mut().filter(|_| enabled.rev2) {
        selected.recent.forget();
    }
    context.encoder().enabled(&news);
    if enabled.condstore && !before.condstore {
        context.tell_modseq();
    }
    Ok(Tagged::ok("ENABLE done"))
}
