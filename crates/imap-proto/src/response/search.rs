//! SEARCH (RFC 3501 §7.2.5) and ESEARCH (RFC 9051 §7.3.3) responses.

use super::{Encoder, string};
use crate::command::PartialRange;
use crate::mailbox::MailboxName;
use crate::sequence::{Numbering, SequenceSet};
use crate::tag::Tag;

/// The answer to a SEARCH with RETURN, or of any SEARCH once IMAP4rev2 is enabled.
#[derive(Clone, Copy, Debug)]
pub struct Esearch<'a> {
    /// Of the SEARCH.
    pub tag: &'a Tag,
    /// Of several mailboxes, which one, and its UIDVALIDITY (RFC 7377 §2.1).
    pub mailbox: Option<(&'a MailboxName, u32)>,
    /// How the numbers count.
    pub numbering: Numbering,
    /// The lowest, or the first in order (RFC 5267 §3.1); left out when nothing was found.
    pub min: Option<u32>,
    /// The highest, or the last in order; left out when nothing was found.
    pub max: Option<u32>,
    /// All; an empty set is left out (RFC 9051 §6.4.4).
    pub all: Option<&'a SequenceSet>,
    /// A page of them (RFC 9394 §3.1), as it was asked for and what is on it, which may be nothing.
    pub partial: Option<(PartialRange, &'a SequenceSet)>,
    /// How well each of `all`, of the page, or of what was found fits, in that order (RFC 6203 §4); nothing is left out.
    pub relevancy: &'a [u8],
    /// How many.
    pub count: Option<u32>,
    /// The highest mod-sequence among them, if MODSEQ was a key (RFC 7162 §3.1.10).
    pub modseq: Option<u64>,
}

/// What a thread is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadMark {
    /// A thread or a branch begins.
    Open,
    /// A message number or UID.
    Message(u32),
    /// It ends.
    Close,
}

impl Encoder<'_> {
    /// `* SEARCH 2 3 6 (MODSEQ n)`
    pub fn search(&mut self, numbers: impl IntoIterator<Item = u32>, modseq: Option<u64>) {
        self.numbers("* SEARCH", numbers, modseq);
    }

    /// `* SORT 3 2 6 (MODSEQ n)` (RFC 5256 §4, RFC 7162 §3.1.6)
    pub fn sort(&mut self, numbers: impl IntoIterator<Item = u32>, modseq: Option<u64>) {
        self.numbers("* SORT", numbers, modseq);
    }

    /// `* THREAD (2)(3 6 (4 23)(44 7 96))` (RFC 5256 §4)
    pub fn thread(&mut self, marks: impl IntoIterator<Item = ThreadMark>) {
        self.raw("* THREAD");
        let mut is_first = true;
        for mark in marks {
            // RFC 5256 §5: thread-data has a space before all threads, and one after a number that is not the last.
            if mark != ThreadMark::Close && (is_first || self.out.last().is_some_and(u8::is_ascii_digit)) {
                self.raw(" ");
            }
            is_first = false;
            match mark {
                ThreadMark::Open => self.raw("("),
                ThreadMark::Message(number) => string::decimal(self.out, number.into()),
                ThreadMark::Close => self.raw(")"),
            }
        }
        self.raw("\r\n");
    }

    fn numbers(&mut self, head: &str, numbers: impl IntoIterator<Item = u32>, modseq: Option<u64>) {
        self.raw(head);
        let mut found = false;
        for number in numbers {
            found = true;
            self.raw(" ");
            string::decimal(self.out, number.into());
        }
        // RFC 7162 §3.1.6: no MODSEQ when nothing was found.
        if let Some(modseq) = modseq.filter(|_| found) {
            self.format(format_args!(" (MODSEQ {modseq})"));
        }
        self.raw("\r\n");
    }

    /// `* ESEARCH (TAG "a") UID REMOVEFROM (0 7) ADDTO (3 12:13 9 4)`: positions, and what goes from there or comes there
    /// (RFC 5267 §4.3.2).
    pub fn esearch_update(
        &mut self,
        of: (&Tag, Option<(&MailboxName, u32)>),
        numbering: Numbering,
        removed: &[(u32, SequenceSet)],
        added: &[(u32, SequenceSet)],
    ) {
        self.begin_esearch(of, numbering);
        for (what, placed) in [("REMOVEFROM", removed), ("ADDTO", added)] {
            for (at, (position, set)) in placed.iter().enumerate() {
                match at {
                    0 => self.format(format_args!(" {what} ({position} {set}")),
                    _ => self.format(format_args!(" {position} {set}")),
                }
            }
            self.raw(if placed.is_empty() { "" } else { ")" });
        }
        self.raw("\r\n");
    }

    /// `* UIDBATCHES (TAG "a") 900:501,500:1`: of each batch its highest and its lowest UID.
    pub fn uid_batches(&mut self, tag: &Tag, batches: impl IntoIterator<Item = (u32, u32)>) {
        self.format(format_args!("* UIDBATCHES (TAG \"{tag}\")"));
        for (at, (highest, lowest)) in batches.into_iter().enumerate() {
            self.raw(if at == 0 { " " } else { "," });
            string::decimal(self.out, highest.into());
            if lowest != highest {
                self.raw(":");
                string::decimal(self.out, lowest.into());
            }
        }
        self.raw("\r\n");
    }

    fn begin_esearch(&mut self, (tag, mailbox): (&Tag, Option<(&MailboxName, u32)>), numbering: Numbering) {
        // A tag has no character that would need escaping.
        self.format(format_args!("* ESEARCH (TAG \"{tag}\""));
        if let Some((name, uidvalidity)) = mailbox {
            self.raw(" MAILBOX ");
            self.mailbox(name);
            self.format(format_args!(" UIDVALIDITY {uidvalidity}"));
        }
        self.raw(if numbering == Numbering::Uid { ") UID" } else { ")" });
    }

    /// `* ESEARCH (TAG "a") UID COUNT 3`
    pub fn esearch(&mut self, answer: &Esearch<'_>) {
        self.begin_esearch((answer.tag, answer.mailbox), answer.numbering);
        if let Some(min) = answer.min {
            self.format(format_args!(" MIN {min}"));
        }
        if let Some(max) = answer.max {
            self.format(format_args!(" MAX {max}"));
        }
        if let Some(all) = answer.all.filter(|all| !all.is_empty()) {
            self.format(format_args!(" ALL {all}"));
        }
        match answer.partial {
            Some((range, page)) if page.is_empty() => self.format(format_args!(" PARTIAL ({range} NIL)")),
            Some((range, page)) => self.format(format_args!(" PARTIAL ({range} {page})")),
            None => {}
        }
        for (at, score) in answer.relevancy.iter().enumerate() {
            self.raw(if at == 0 { " RELEVANCY (" } else { " " });
            string::decimal(self.out, (*score).into());
        }
        if !answer.relevancy.is_empty() {
            self.raw(")");
        }
        if let Some(count) = answer.count {
            self.format(format_args!(" COUNT {count}"));
        }
        if let Some(modseq) = answer.modseq {
            self.format(format_args!(" MODSEQ {modseq}"));
        }
        self.raw("\r\n");
    }
}
