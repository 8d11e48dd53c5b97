//! FETCH (RFC 9051 §6.4.5) with BINARY (RFC 3516), CONDSTORE, QRESYNC (RFC 7162), OBJECTID (RFC 8474),
//! PREVIEW (RFC 8970) and PARTIAL (RFC 9394).

use super::PartialRange;
use crate::cursor::{Cursor, Parse};
use crate::malformed::Reason;
use crate::sequence::{MessageSet, Numbering};

/// Which messages and what of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// How `set` counts.
    pub numbering: Numbering,
    /// Which messages.
    pub set: MessageSet,
    /// What of each, in the client's order; macros are replaced by what they mean.
    pub items: Vec<FetchItem>,
    /// Only those changed since.
    pub changed_since: Option<ChangedSince>,
    /// Of those that are left a page (RFC 9394 §3.3).
    pub partial: Option<PartialRange>,
}

/// `CHANGEDSINCE` (RFC 7162 §3.1.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedSince {
    /// Messages whose mod-sequence is greater than this.
    pub modseq: u64,
    /// Those that are gone too (RFC 7162 §3.2.6); only with UID FETCH and QRESYNC.
    pub vanished: bool,
}

/// A part of what is known of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// `ENVELOPE`
    Envelope,
    /// `FLAGS`
    Flags,
    /// `INTERNALDATE`
    InternalDate,
    /// `RFC822.SIZE`
    Rfc822Size,
    /// `UID`
    Uid,
    /// `MODSEQ` (RFC 7162 §3.1.5)
    ModSeq,
    /// `BODY`: the structure without extension data.
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `SAVEDATE` (RFC 8514 §4.2)
    SaveDate,
    /// `EMAILID` (RFC 8474 §5.1)
    EmailId,
    /// `THREADID` (RFC 8474 §5.2)
    ThreadId,
    /// `PREVIEW` (RFC 8970 §3.2); LAZY, which allows for less, is taken and disregarded.
    Preview,
    /// `RFC822`: the whole message; sets `\Seen` (RFC 3501 §6.4.5).
    Rfc822,
    /// `RFC822.HEADER`: does not set `\Seen`.
    Rfc822Header,
    /// `RFC822.TEXT`: sets `\Seen`.
    Rfc822Text,
    /// `BODY[…]`, `BODY.PEEK[…]`
    Section(BodySection),
    /// `BINARY[…]`, `BINARY.PEEK[…]`: the part decoded. The section's text is [`SectionText::Whole`].
    Binary(BodySection),
    /// `BINARY.SIZE[…]`: the part numbers, none for the message itself.
    BinarySize(Vec<u32>),
}

/// A piece of the message's octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodySection {
    /// Which.
    pub section: Section,
    /// `.PEEK`: does not set `\Seen`.
    pub peek: bool,
    /// How much of it.
    pub partial: Option<Partial>,
}

/// What stands between the brackets (RFC 9051 §6.4.5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The part numbers, none for the message itself.
    pub part: Vec<u32>,
    /// What of the part.
    pub text: SectionText,
}

/// What of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SectionText {
    /// Everything: of a part its body, of the message header and text.
    #[default]
    Whole,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS (…)`: the names as the client wrote them, at least one.
    HeaderFields(Vec<String>),
    /// `HEADER.FIELDS.NOT (…)`
    HeaderFieldsNot(Vec<String>),
    /// `TEXT`
    Text,
    /// `MIME`: the header of the part itself; `part` is not empty.
    Mime,
}

/// `<offset.length>`: octets of the section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Octets to leave out.
    pub offset: u64,
    /// Octets to send at most; never 0.
    pub length: u64,
}

impl Partial {
    /// The octets of `section` asked for; none when it ends before the offset.
    #[must_use]
    pub fn of<'s>(&self, section: &'s [u8]) -> &'s [u8] {
        let start = usize::try_from(self.offset).unwrap_or(usize::MAX).min(section.len());
        let length = usize::try_from(self.length).unwrap_or(usize::MAX).min(section.len() - start);
        section.get(start..start + length).unwrap_or_default()
    }
}

impl FetchItem {
    /// Whether fetching it sets `\Seen` (RFC 9051 §6.4.5, RFC 3501 §6.4.5).
    #[must_use]
    pub fn sets_seen(&self) -> bool {
        match self {
            Self::Rfc822 | Self::Rfc822Text => true,
            Self::Section(section) | Self::Binary(section) => !section.peek,
            Self::Envelope
            | Self::Flags
            | Self::InternalDate
            | Self::Rfc822Size
            | Self::Uid
            | Self::ModSeq
            | Self::Body
            | Self::BodyStructure
            | Self::SaveDate
            | Self::EmailId
            | Self::ThreadId
            | Self::Preview
            | Self::Rfc822Header
            | Self::BinarySize(_) => false,
        }
    }

    fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let name = item_name(cursor);
        Ok(match name.as_str() {
            "ENVELOPE" => Self::Envelope,
            "FLAGS" => Self::Flags,
            "INTERNALDATE" => Self::InternalDate,
            "RFC822.SIZE" => Self::Rfc822Size,
            "UID" => Self::Uid,
            "MODSEQ" => Self::ModSeq,
            "BODYSTRUCTURE" => Self::BodyStructure,
            "SAVEDATE" => Self::SaveDate,
            "EMAILID" => Self::EmailId,
            "THREADID" => Self::ThreadId,
            "PREVIEW" => {
                cursor.eat_text(" (LAZY)");
                Self::Preview
            }
            "RFC822" => Self::Rfc822,
            "RFC822.HEADER" => Self::Rfc822Header,
            "RFC822.TEXT" => Self::Rfc822Text,
            "BODY" if cursor.peek() != Some(b'[') => Self::Body,
            "BODY" | "BODY.PEEK" => Self::Section(BodySection::parse(name == "BODY.PEEK", cursor)?),
            "BINARY" | "BINARY.PEEK" => Self::Binary(BodySection::parse_binary(name == "BINARY.PEEK", cursor)?),
            "BINARY.SIZE" => {
                cursor.expect(b'[', "[")?;
                let part = part_numbers(cursor)?;
                cursor.expect(b']', "]")?;
                Self::BinarySize(part)
            }
            _ => return Err(Reason::Unknown("FETCH item")),
        })
    }
}

fn item_name(cursor: &mut Cursor<'_>) -> String {
    let name = cursor.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    name.iter().map(|byte| char::from(byte.to_ascii_uppercase())).collect()
}

impl Fetch {
    pub(super) fn parse(numbering: Numbering, cursor: &mut Cursor<'_>) -> Parse<Self> {
        let set = cursor.message_set()?;
        cursor.space()?;
        let items = fetch_items(cursor)?;
        let mut fetch = Self { numbering, set, items, changed_since: None, partial: None };
        if cursor.more() {
            fetch.modifiers(cursor)?;
        }
        Ok(fetch)
    }

    fn modifiers(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        let mut modseq = None;
        let mut vanished = false;
        cursor.list(|cursor| {
            match cursor.keyword("a FETCH modifier")?.as_str() {
                "CHANGEDSINCE" => {
                    cursor.space()?;
                    modseq = Some(cursor.modseq()?);
                }
                "PARTIAL" if self.partial.is_none() => {
                    cursor.space()?;
                    self.partial = Some(PartialRange::parse(cursor)?);
                }
                "VANISHED" => vanished = true,
                _ => return Err(Reason::Unknown("FETCH modifier")),
            }
            Ok(())
        })?;
        // RFC 7162 §3.2.6: VANISHED only with UID FETCH and CHANGEDSINCE.
        if vanished && (modseq.is_none() || self.numbering != Numbering::Uid) {
            return Err(Reason::Expected("UID FETCH and CHANGEDSINCE with VANISHED"));
        }
        self.changed_since = modseq.map(|modseq| ChangedSince { modseq, vanished });
        Ok(())
    }
}

/// A macro, one item, or a list of items.
pub(super) fn fetch_items(cursor: &mut Cursor<'_>) -> Parse<Vec<FetchItem>> {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Rfc822Size};
    // RFC 9051 §6.4.5: macros stand alone.
    if cursor.eat_word("ALL") {
        return Ok(vec![Flags, InternalDate, Rfc822Size, Envelope]);
    }
    if cursor.eat_word("FAST") {
        return Ok(vec![Flags, InternalDate, Rfc822Size]);
    }
    if cursor.eat_word("FULL") {
        return Ok(vec![Flags, InternalDate, Rfc822Size, Envelope, Body]);
    }
    let items = if cursor.peek() == Some(b'(') { cursor.list(FetchItem::parse)? } else { bare_items(cursor)? };
    if items.is_empty() { Err(Reason::Expected("a FETCH item")) } else { Ok(items) }
}

fn bare_items(cursor: &mut Cursor<'_>) -> Parse<Vec<FetchItem>> {
    Ok(vec![FetchItem::parse(cursor)?])
}

impl BodySection {
    fn parse(peek: bool, cursor: &mut Cursor<'_>) -> Parse<Self> {
        cursor.expect(b'[', "[")?;
        let section = Section::parse(cursor)?;
        cursor.expect(b']', "]")?;
        Ok(Self { section, peek, partial: Partial::parse(cursor)? })
    }

    fn parse_binary(peek: bool, cursor: &mut Cursor<'_>) -> Parse<Self> {
        cursor.expect(b'[', "[")?;
        let section = Section { part: part_numbers(cursor)?, text: SectionText::Whole };
        cursor.expect(b']', "]")?;
        Ok(Self { section, peek, partial: Partial::parse(cursor)? })
    }
}

/// RFC 9051 §9: section-part, or nothing.
fn part_numbers(cursor: &mut Cursor<'_>) -> Parse<Vec<u32>> {
    let mut part = Vec::new();
    while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        if part.len() == cursor.limits.nesting_max {
            return Err(Reason::TooDeep);
        }
        part.push(cursor.nz_number()?);
        if !cursor.eat(b'.') {
            break;
        }
    }
    Ok(part)
}

impl Section {
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        cursor.spaces();
        let part = part_numbers(cursor)?;
        let text = match item_name(cursor).as_str() {
            "" => SectionText::Whole,
            "HEADER" => SectionText::Header,
            "HEADER.FIELDS" => SectionText::HeaderFields(header_names(cursor)?),
            "HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(header_names(cursor)?),
            "TEXT" => SectionText::Text,
            "MIME" if !part.is_empty() => SectionText::Mime,
            _ => return Err(Reason::Unknown("section")),
        };
        cursor.spaces();
        Ok(Self { part, text })
    }
}

fn header_names(cursor: &mut Cursor<'_>) -> Parse<Vec<String>> {
    cursor.spaces();
    let names = cursor.list(|cursor| cursor.astring_utf8("a header field"))?;
    if names.is_empty() { Err(Reason::Expected("a header field")) } else { Ok(names) }
}

impl Partial {
    fn parse(cursor: &mut Cursor<'_>) -> Parse<Option<Self>> {
        if !cursor.eat(b'<') {
            return Ok(None);
        }
        let offset = cursor.number64()?;
        cursor.expect(b'.', ". within <>")?;
        // RFC 9051 §9: nz-number64.
        let length = cursor.number64()?;
        if length == 0 {
            return Err(Reason::Number);
        }
        cursor.expect(b'>', ">")?;
        Ok(Some(Self { offset, length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check, messages, parse_one, refuse_one};

    fn fetch(set: &str, items: &[FetchItem]) -> Fetch {
        Fetch {
            numbering: Numbering::Sequence,
            set: messages(set),
            items: items.to_vec(),
            changed_since: None,
            partial: None,
        }
    }

    fn check_items(text: &str, items: &[FetchItem]) {
        check(&format!("FETCH 1:* {text}"), Command::Fetch(fetch("1:*", items)));
    }

    fn section(part: &[u32], text: SectionText) -> BodySection {
        BodySection { section: Section { part: part.to_vec(), text }, peek: false, partial: None }
    }

    fn body(part: &[u32], text: SectionText) -> FetchItem {
        FetchItem::Section(section(part, text))
    }

    #[test]
    fn single_items_and_macros() {
        use FetchItem::*;
        check_items("FLAGS", &[Flags]);
        check_items("(uid rfc822.size flags)", &[Uid, Rfc822Size, Flags]);
        check_items("( MODSEQ  EMAILID THREADID SaveDate )", &[ModSeq, EmailId, ThreadId, SaveDate]);
        check_items("fast", &[Flags, InternalDate, Rfc822Size]);
        check_items("ALL", &[Flags, InternalDate, Rfc822Size, Envelope]);
        check_items("PREVIEW", &[Preview]);
        check_items("preview (lazy)", &[Preview]);
        check_items("(PREVIEW (LAZY) FLAGS)", &[Preview, Flags]);
        check_items("FULL", &[Flags, InternalDate, Rfc822Size, Envelope, Body]);
        check_items("(BODY BODYSTRUCTURE ENVELOPE)", &[Body, BodyStructure, Envelope]);
        check_items("(RFC822 RFC822.HEADER RFC822.TEXT)", &[Rfc822, Rfc822Header, Rfc822Text]);
    }

    #[test]
    fn sections() {
        let fields = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        check_items("body[]", &[body(&[], SectionText::Whole)]);
        check_items("BODY[HEADER]", &[body(&[], SectionText::Header)]);
        check_items("BODY[1.2.TEXT]", &[body(&[1, 2], SectionText::Text)]);
        check_items("BODY[4.1.MIME]", &[body(&[4, 1], SectionText::Mime)]);
        check_items("BODY[3]", &[body(&[3], SectionText::Whole)]);
        check_items(
            "BODY[HEADER.FIELDS (From \"X-Y Z\")]",
            &[body(&[], SectionText::HeaderFields(fields(&["From", "X-Y Z"])))],
        );
        check_items(
            "BODY[2.header.fields.not (SUBJECT)]",
            &[body(&[2], SectionText::HeaderFieldsNot(fields(&["SUBJECT"])))],
        );
        let peek = BodySection { peek: true, ..section(&[], SectionText::Whole) };
        let partial = Some(Partial { offset: 0, length: 1024 });
        check_items("BODY.PEEK[]<0.1024>", &[FetchItem::Section(BodySection { partial, ..peek })]);
    }

    #[test]
    fn binary() {
        let part = section(&[1, 2], SectionText::Whole);
        check_items("BINARY[1.2]", &[FetchItem::Binary(part.clone())]);
        check_items("BINARY.PEEK[1.2]", &[FetchItem::Binary(BodySection { peek: true, ..part.clone() })]);
        let partial = Some(Partial { offset: 5, length: 7 });
        check_items("BINARY[1.2]<5.7>", &[FetchItem::Binary(BodySection { partial, ..part })]);
        check_items("(BINARY.SIZE[1] BINARY.SIZE[])", &[FetchItem::BinarySize(vec![1]), FetchItem::BinarySize(vec![])]);
    }

    #[test]
    fn modifiers() {
        let flags = Fetch { numbering: Numbering::Uid, ..fetch("1:*", &[FetchItem::Flags]) };
        for (text, vanished) in [("CHANGEDSINCE 12345", false), ("CHANGEDSINCE 12345 VANISHED", true)] {
            let changed_since = Some(ChangedSince { modseq: 12_345, vanished });
            check(&format!("uid fetch 1:* (FLAGS) ({text})"), Command::Fetch(Fetch { changed_since, ..flags.clone() }));
        }
        let vanished = Reason::Expected("UID FETCH and CHANGEDSINCE with VANISHED");
        refuse_one("FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", vanished);
        refuse_one("UID FETCH 1 FLAGS (VANISHED)", vanished);
        let partial = Some(super::super::partial::tests::range("-1:-5"));
        let since = Some(ChangedSince { modseq: 9, vanished: false });
        let both = Fetch { partial, changed_since: since, ..flags.clone() };
        check("UID FETCH 1:* FLAGS (PARTIAL -1:-5 CHANGEDSINCE 9)", Command::Fetch(both.clone()));
        check("UID FETCH 1:* FLAGS (CHANGEDSINCE 9 PARTIAL -1:-5)", Command::Fetch(both));
        refuse_one("UID FETCH 1 FLAGS (PARTIAL 1:5 PARTIAL 1:2)", Reason::Unknown("FETCH modifier"));
        refuse_one("FETCH 1 FLAGS (FOO)", Reason::Unknown("FETCH modifier"));
    }

    #[test]
    fn refused() {
        refuse_one("FETCH 1", Reason::Expected("a space"));
        refuse_one("FETCH 1 ()", Reason::Expected("a FETCH item"));
        refuse_one("FETCH 1 FOO", Reason::Unknown("FETCH item"));
        refuse_one("FETCH 1 (PREVIEW (EAGER))", Reason::Unknown("FETCH item"));
        refuse_one("FETCH 1 (ALL)", Reason::Unknown("FETCH item"));
        refuse_one("FETCH 1 BODY[MIME]", Reason::Unknown("section"));
        refuse_one("FETCH 1 BODY[0]", Reason::Number);
        refuse_one("FETCH 1 BODY[", Reason::Expected("]"));
        refuse_one("FETCH 1 BODY[HEADER.FIELDS ()]", Reason::Expected("a header field"));
        refuse_one("FETCH 1 BODY[]<1>", Reason::Expected(". within <>"));
        refuse_one("FETCH 1 FLAGS UID", Reason::Expected("a parenthesised list"));
        refuse_one(&format!("FETCH 1 BODY[{}1]", "1.".repeat(100)), Reason::TooDeep);
        assert!(matches!(parse_one(&format!("FETCH 1 BODY[{}1]", "1.".repeat(99))), Command::Fetch(_)));
    }

    #[test]
    fn what_sets_seen() {
        for (item, expected) in
            [("BODY[]", true), ("BODY.PEEK[]", false), ("RFC822", true), ("RFC822.HEADER", false), ("BINARY[1]", true)]
        {
            let Command::Fetch(fetch) = parse_one(&format!("FETCH 1 {item}")) else { panic!("not FETCH") };
            assert_eq!(fetch.items[0].sets_seen(), expected, "{item}");
        }
    }

    #[test]
    fn partial_octets() {
        for (offset, length, expected) in
            [(0, 3, "abc"), (2, 2, "cd"), (4, 9, "e"), (5, 1, ""), (9, 9, ""), (0, u64::MAX, "abcde"), (1, 0, "")]
        {
            assert_eq!(Partial { offset, length }.of(b"abcde"), expected.as_bytes());
        }
    }
}
