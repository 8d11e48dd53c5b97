//! What a FETCH says of each message, and what has to be read for it.

use crate::enabled::Enabled;
use imap_proto::Numbering;
use imap_proto::command::{BodySection, Fetch as Request, FetchItem, Section, SectionText};

/// What is said of each message.
#[derive(Debug)]
pub(super) struct Plan {
    /// In the client's order, each once; never empty.
    pub(super) items: Vec<FetchItem>,
    pub(super) needs: Needs,
    /// RFC 9051 §6.4.5: whether the items set `\Seen`.
    pub(super) sets_seen: bool,
    pub(super) enabled: Enabled,
}

/// What of a message has to be read; its entry in the index is at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Since when it is in the mailbox.
    pub(super) saved: bool,
    /// The summary, to be shown.
    pub(super) shown: bool,
    /// The structure in the summary, to find parts of the message.
    pub(super) structure: bool,
    pub(super) octets: Octets,
}

/// How much of a message's octets; more includes less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Octets {
    #[default]
    None,
    /// The header with its empty line: of a large message it is at hand without the rest.
    Header,
    All,
}

impl Plan {
    pub(super) fn new(request: &Request, enabled: Enabled) -> Self {
        let mut items: Vec<FetchItem> = Vec::with_capacity(request.items.len() + 2);
        // RFC 9051 §6.4.9: a UID FETCH tells the UID, asked for or not. RFC 9586 §3.3: UIDFETCH does so by itself.
        if request.numbering == Numbering::Uid && !enabled.uid_only && !request.items.contains(&FetchItem::Uid) {
            items.push(FetchItem::Uid);
        }
        for item in &request.items {
            if !items.contains(item) {
                items.push(item.clone());
            }
        }
        // RFC 7162 §3.1.4.1: CHANGEDSINCE adds MODSEQ; who uses CONDSTORE must not see flags without it (§3.1).
        let tells_flags = enabled.condstore && items.contains(&FetchItem::Flags);
        if (request.changed_since.is_some() || tells_flags) && !items.contains(&FetchItem::ModSeq) {
            items.push(FetchItem::ModSeq);
        }
        Self {
            needs: items.iter().fold(Needs::default(), |all, item| all.and(Needs::of(item))),
            sets_seen: items.iter().any(FetchItem::sets_seen),
            enabled,
            items,
        }
    }
}

impl Needs {
    /// What can be said of each message once its summary is read.
    pub(super) const SHOWN: Self = Self { saved: false, shown: true, structure: false, octets: Octets::None };

    fn octets(octets: Octets) -> Self {
        Self { octets, ..Self::default() }
    }

    fn and(self, other: Self) -> Self {
        Self {
            saved: self.saved || other.saved,
            shown: self.shown || other.shown,
            structure: self.structure || other.structure,
            octets: self.octets.max(other.octets),
        }
    }

    fn of(item: &FetchItem) -> Self {
        match item {
            FetchItem::Flags
            | FetchItem::InternalDate
            | FetchItem::Rfc822Size
            | FetchItem::Uid
            | FetchItem::ModSeq
            | FetchItem::EmailId => Self::default(),
            FetchItem::SaveDate => Self { saved: true, ..Self::default() },
            FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure => Self::SHOWN,
            FetchItem::Preview => Self { structure: true, ..Self::octets(Octets::All) },
            FetchItem::Rfc822Header | FetchItem::ThreadId => Self::octets(Octets::Header),
            FetchItem::Rfc822 | FetchItem::Rfc822Text => Self::octets(Octets::All),
            FetchItem::Section(BodySection { section, .. }) => Self::of_section(section),
            FetchItem::Binary(BodySection { section: Section { part, .. }, .. }) | FetchItem::BinarySize(part) => {
                Self::of_part(part)
            }
        }
    }

    pub(super) fn of_section(section: &Section) -> Self {
        match section.text {
            SectionText::Header | SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_)
                if section.part.is_empty() =>
            {
                Self::octets(Octets::Header)
            }
            SectionText::Whole
            | SectionText::Header
            | SectionText::HeaderFields(_)
            | SectionText::HeaderFieldsNot(_)
            | SectionText::Text
            | SectionText::Mime => Self::of_part(&section.part),
        }
    }

    /// Where the header of the message ends can be seen without its structure.
    fn of_part(part: &[u32]) -> Self {
        Self { structure: !part.is_empty(), ..Self::octets(Octets::All) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ENABLED_CONDSTORE, request_fetch};

    fn check(command: &str, enabled: Enabled, items: &[FetchItem]) {
        assert_eq!(Plan::new(&request_fetch(command), enabled).items, items, "{command}");
    }

    #[test]
    fn items_that_go_without_saying() {
        use FetchItem::{Envelope, Flags, ModSeq, Uid};
        check("FETCH 1 (FLAGS FLAGS)", Enabled::default(), &[Flags]);
        check("UID FETCH 1 FLAGS", Enabled::default(), &[Uid, Flags]);
        check("UID FETCH 1 (FLAGS UID)", Enabled::default(), &[Flags, Uid]);
        check("FETCH 1 FLAGS", ENABLED_CONDSTORE, &[Flags, ModSeq]);
        check("FETCH 1 (MODSEQ FLAGS)", ENABLED_CONDSTORE, &[ModSeq, Flags]);
        check("FETCH 1 ENVELOPE", ENABLED_CONDSTORE, &[Envelope]);
        check("FETCH 1 ENVELOPE (CHANGEDSINCE 1)", ENABLED_CONDSTORE, &[Envelope, ModSeq]);
    }

    #[test]
    fn what_is_read() {
        use Octets::{All, Header, None};
        let check = |items: &str, (shown, structure): (bool, bool), octets: Octets, sets_seen: bool| {
            let plan = Plan::new(&request_fetch(&format!("FETCH 1 ({items})")), Enabled::default());
            let saved = items.contains("SAVEDATE");
            assert_eq!((plan.needs, plan.sets_seen), (Needs { saved, shown, structure, octets }, sets_seen), "{items}");
        };
        check("FLAGS UID RFC822.SIZE INTERNALDATE MODSEQ EMAILID", (false, false), None, false);
        check("THREADID", (false, false), Header, false);
        check("FLAGS BODYSTRUCTURE", (true, false), None, false);
        check("FLAGS SAVEDATE", (false, false), None, false);
        check("BODY.PEEK[HEADER.FIELDS (SUBJECT)]", (false, false), Header, false);
        check("BODY[HEADER.FIELDS.NOT (SUBJECT)] ENVELOPE", (true, false), Header, true);
        check("BODY.PEEK[HEADER] RFC822.SIZE", (false, false), Header, false);
        check("BODY.PEEK[HEADER] BODY.PEEK[]", (false, false), All, false);
        check("BODY.PEEK[2.HEADER]", (false, true), All, false);
        check("BODY[]", (false, false), All, true);
        check("BODY.PEEK[1.MIME] FLAGS", (false, true), All, false);
        check("BINARY[1]", (false, true), All, true);
        check("BINARY.SIZE[1]", (false, true), All, false);
        check("PREVIEW (LAZY)", (false, true), All, false);
        check("RFC822.HEADER", (false, false), Header, false);
        check("ENVELOPE RFC822.TEXT", (true, false), All, true);
    }
}
