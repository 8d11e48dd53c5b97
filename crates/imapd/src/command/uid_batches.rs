//! UIDBATCHES (draft-ietf-mailmaint-imap-uidbatches): where a client cuts a mailbox into parts of as many messages each.

use super::Answer;
use crate::context::Context;
use crate::selected::Selected;
use crate::tagged::Tagged;
use imap_proto::command::UidBatches;
use imap_proto::{Code, Tag};

/// An answer tells of at most so many batches, a line of some 200 KB.
const BATCHES_MAX: usize = 10_000;

pub(super) fn run(context: &mut Context<'_>, tag: &Tag, request: &UidBatches) -> Answer {
    let batches = batches(context.selected()?, request)
        .ok_or_else(|| Tagged::refused(Code::Limit, "Too many batches: ask for larger ones, or for some of them"))?;
    context.encoder().uid_batches(tag, batches);
    Ok(Tagged::ok("UIDBATCHES done"))
}

/// Of each batch its highest and its lowest UID; `None` where there are too many.
fn batches(selected: &Selected, request: &UidBatches) -> Option<Vec<(u32, u32)>> {
    batches_within(selected, request, BATCHES_MAX)
}

fn batches_within(selected: &Selected, request: &UidBatches, batches_max: usize) -> Option<Vec<(u32, u32)>> {
    let (messages, exists) = (request.messages as usize, selected.told.len());
    let last = exists.div_ceil(messages);
    let wanted = match &request.batches {
        Some(batches) => (*batches.start() as usize)..=(*batches.end() as usize).min(last),
        None => 1..=last,
    };
    if wanted.clone().count() > batches_max {
        return None;
    }
    let uid = |position| selected.told.get(position).map_or(0, |entry| entry.uid.0);
    let ends = |batch: usize| {
        // From the newest message back.
        let end = exists - (batch - 1) * messages;
        (uid(end - 1), uid(end.saturating_sub(messages)))
    };
    Some(wanted.map(ends).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Mailbox;

    #[test]
    fn parts_of_a_mailbox() {
        let mut mailbox = Mailbox::with_messages(7);
        mailbox.expunge(&[2]);
        let selected = mailbox.select();
        let told = |messages, wanted| batches(&selected, &UidBatches { messages, batches: wanted });
        assert_eq!(told(2, None), Some(vec![(7, 6), (5, 4), (3, 1)]));
        assert_eq!(told(4, None), Some(vec![(7, 4), (3, 1)]));
        assert_eq!(told(5, None), Some(vec![(7, 3), (1, 1)]));
        assert_eq!(told(6, None), Some(vec![(7, 1)]));
        assert_eq!(told(u32::MAX, None), Some(vec![(7, 1)]));
        assert_eq!(told(2, Some(2..=9)), Some(vec![(5, 4), (3, 1)]));
        assert_eq!(told(2, Some(4..=u32::MAX)), Some(vec![]));
        assert_eq!(batches(&Mailbox::new().select(), &UidBatches { messages: 2, batches: None }), Some(vec![]));
    }

    #[test]
    fn too_many_batches_are_refused() {
        let mailbox = Mailbox::with_messages(3);
        let asked = |batches| UidBatches { messages: 1, batches };
        let selected = mailbox.select();
        assert_eq!(batches_within(&selected, &asked(None), 3).map(|batches| batches.len()), Some(3));
        assert_eq!(batches_within(&selected, &asked(None), 2), None);
        assert_eq!(batches_within(&selected, &asked(Some(2..=3)), 2), Some(vec![(2, 2), (1, 1)]));
    }
}
