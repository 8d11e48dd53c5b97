//! imap-codec as an oracle: commands that both know must mean the same, and our responses must be read by it.

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;

use imap_codec::decode::Decoder;
use imap_codec::fragmentizer::Fragmentizer;
use imap_codec::imap_types::command::CommandBody;
use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::extensions::binary::LiteralOrLiteral8;
use imap_codec::imap_types::fetch::{MacroOrMessageDataItemNames, MessageDataItemName, Part, Section as TheirSection};
use imap_codec::imap_types::flag::{Flag as TheirFlag, StoreResponse, StoreType};
use imap_codec::imap_types::mailbox::Mailbox;
use imap_codec::imap_types::search::SearchKey as TheirKey;
use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet as TheirSet};
use imap_codec::{CommandCodec, ResponseCodec};
use imap_proto::command::{
    BodySection, Fetch, FetchItem, Login, Partial, Rename, Search, SearchKey, Section, SectionText, Select, Store,
    StoreAction, Transfer,
};
use imap_proto::response::{Address, AddressField, EnvelopeView};
use imap_proto::{
    Code, Command, Date, DateTime, Dialect, Encoder, Event, Flag, Limits, MailboxName, MessageSet, Numbering, Receiver,
    Secret, SequenceSet, Status, Tag,
};
use proptest::prelude::*;

fn ours(wire: &str) -> Event {
    let mut receiver = Receiver::new(Limits::after_login(1000));
    receiver.push(wire.as_bytes());
    loop {
        match receiver.poll() {
            Event::Literal(_) => {}
            event => return event,
        }
    }
}

/// Their reading of `wire` in our terms; `None` where they cannot read it.
fn theirs(wire: &str) -> Option<Command> {
    let (rest, command) = CommandCodec::default().decode(wire.as_bytes()).ok()?;
    assert!(rest.is_empty());
    Some(match command.body {
        CommandBody::Capability => Command::Capability,
        CommandBody::Noop => Command::Noop,
        CommandBody::Login { username, password } => Command::Login(Login {
            user: text(&username),
            password: Secret::new(text(password.declassify()).into_bytes()),
        }),
        CommandBody::Select { mailbox, .. } => {
            Command::Select(Select { mailbox: name(&mailbox), condstore: false, qresync: None })
        }
        CommandBody::Delete { mailbox } => Command::Delete(name(&mailbox)),
        CommandBody::Rename { from, to } => Command::Rename(Rename { from: name(&from), to: name(&to) }),
        CommandBody::Append { mailbox, flags: theirs, message, .. } => {
            return append(wire, name(&mailbox), flags(&theirs), &message);
        }
        CommandBody::ExpungeUid { sequence_set } => Command::UidExpunge(set(&sequence_set)),
        CommandBody::Search { criteria, uid, .. } => {
            let mut keys: Vec<_> = criteria.into_iter().map(key).collect();
            let key = if keys.len() == 1 { keys.remove(0) } else { SearchKey::And(keys) };
            Command::Search(Search { numbering: numbering(uid), returns: None, key })
        }
        CommandBody::Fetch { sequence_set, macro_or_item_names, uid, .. } => Command::Fetch(Fetch {
            numbering: numbering(uid),
            set: set(&sequence_set),
            items: items(macro_or_item_names),
            changed_since: None,
            partial: None,
        }),
        CommandBody::Store { sequence_set, kind, response, flags: theirs, uid, .. } => Command::Store(Store {
            numbering: numbering(uid),
            set: set(&sequence_set),
            unchanged_since: None,
            action: match kind {
                StoreType::Replace => StoreAction::Replace,
                StoreType::Add => StoreAction::Add,
                StoreType::Remove => StoreAction::Remove,
            },
            silent: response == StoreResponse::Silent,
            flags: flags(&theirs),
        }),
        CommandBody::Copy { sequence_set, mailbox, uid } => {
            Command::Copy(Transfer { numbering: numbering(uid), set: set(&sequence_set), mailbox: name(&mailbox) })
        }
        CommandBody::Move { sequence_set, mailbox, uid } => {
            Command::Move(Transfer { numbering: numbering(uid), set: set(&sequence_set), mailbox: name(&mailbox) })
        }
        other => panic!("not generated: {other:?}"),
    })
}

fn append(wire: &str, mailbox: MailboxName, flags: Vec<Flag>, message: &LiteralOrLiteral8<'_>) -> Option<Command> {
    let LiteralOrLiteral8::Literal(literal) = message else { return None };
    let Event::Command(tagged) = ours(wire) else { return None };
    let Command::Append(mut append) = tagged.command else { return None };
    // The date is ours: their calendar type is compared in the search keys.
    (append.mailbox, append.flags, append.message) = (mailbox, flags, literal.as_ref().to_vec());
    Some(Command::Append(append))
}

fn text(theirs: &AString<'_>) -> String {
    String::from_utf8(theirs.as_ref().to_vec()).unwrap()
}

fn name(theirs: &Mailbox<'_>) -> MailboxName {
    match theirs {
        Mailbox::Inbox => MailboxName::inbox(),
        Mailbox::Other(other) => MailboxName::from_wire(other.inner().as_ref(), Dialect::Rev1).unwrap(),
    }
}

fn numbering(uid: bool) -> Numbering {
    if uid { Numbering::Uid } else { Numbering::Sequence }
}

fn set(theirs: &TheirSet) -> MessageSet {
    let number = |number: &SeqOrUid| match number {
        SeqOrUid::Value(value) => value.to_string(),
        SeqOrUid::Asterisk => "*".to_owned(),
    };
    let elements = theirs.0.as_ref().iter().map(|element| match element {
        Sequence::Single(single) => number(single),
        Sequence::Range(first, last) => format!("{}:{}", number(first), number(last)),
    });
    MessageSet::Numbers(SequenceSet::parse(elements.collect::<Vec<_>>().join(",").as_bytes(), 100).unwrap())
}

fn flags(theirs: &[TheirFlag<'_>]) -> Vec<Flag> {
    theirs.iter().filter_map(|flag| Flag::parse(flag.to_string().as_bytes()).unwrap()).collect()
}

fn items(theirs: MacroOrMessageDataItemNames<'_>) -> Vec<FetchItem> {
    match theirs {
        MacroOrMessageDataItemNames::Macro(all) => all.expand().iter().map(item).collect(),
        MacroOrMessageDataItemNames::MessageDataItemNames(items) => items.iter().map(item).collect(),
    }
}

fn item(theirs: &MessageDataItemName<'_>) -> FetchItem {
    let part = |section, partial: &Option<(u32, std::num::NonZeroU32)>| {
        let partial = partial.map(|(offset, length)| Partial { offset: offset.into(), length: length.get().into() });
        BodySection { section, peek: false, partial }
    };
    match theirs {
        MessageDataItemName::Body => FetchItem::Body,
        MessageDataItemName::BodyStructure => FetchItem::BodyStructure,
        MessageDataItemName::Envelope => FetchItem::Envelope,
        MessageDataItemName::Flags => FetchItem::Flags,
        MessageDataItemName::InternalDate => FetchItem::InternalDate,
        MessageDataItemName::Rfc822 => FetchItem::Rfc822,
        MessageDataItemName::Rfc822Header => FetchItem::Rfc822Header,
        MessageDataItemName::Rfc822Size => FetchItem::Rfc822Size,
        MessageDataItemName::Rfc822Text => FetchItem::Rfc822Text,
        MessageDataItemName::Uid => FetchItem::Uid,
        MessageDataItemName::BodyExt { section: theirs, partial, peek } => FetchItem::Section(BodySection {
            peek: *peek,
            ..part(theirs.as_ref().map_or_else(Section::default, section), partial)
        }),
        MessageDataItemName::Binary { section, partial, peek } => {
            let section = Section { part: section.iter().map(|n| n.get()).collect(), text: SectionText::Whole };
            FetchItem::Binary(BodySection { peek: *peek, ..part(section, partial) })
        }
        MessageDataItemName::BinarySize { section } => FetchItem::BinarySize(section.iter().map(|n| n.get()).collect()),
    }
}

fn section(theirs: &TheirSection<'_>) -> Section {
    let numbers = |part: &Part| part.0.as_ref().iter().map(|number| number.get()).collect::<Vec<u32>>();
    let optional = |part: &Option<Part>| part.as_ref().map(numbers).unwrap_or_default();
    let names = |names: &[AString<'_>]| names.iter().map(text).collect::<Vec<_>>();
    match theirs {
        TheirSection::Part(part) => Section { part: numbers(part), text: SectionText::Whole },
        TheirSection::Header(part) => Section { part: optional(part), text: SectionText::Header },
        TheirSection::HeaderFields(part, fields) => {
            Section { part: optional(part), text: SectionText::HeaderFields(names(fields.as_ref())) }
        }
        TheirSection::HeaderFieldsNot(part, fields) => {
            Section { part: optional(part), text: SectionText::HeaderFieldsNot(names(fields.as_ref())) }
        }
        TheirSection::Text(part) => Section { part: optional(part), text: SectionText::Text },
        TheirSection::Mime(part) => Section { part: numbers(part), text: SectionText::Mime },
    }
}

fn key(theirs: TheirKey<'_>) -> SearchKey {
    use SearchKey::{Has, Lacks};
    let keyword = |atom: &dyn AsRef<str>| Flag::Keyword(atom.as_ref().to_owned());
    match theirs {
        TheirKey::And(keys) => {
            let mut keys: Vec<_> = keys.into_iter().map(key).collect();
            if keys.len() == 1 { keys.remove(0) } else { SearchKey::And(keys) }
        }
        TheirKey::Or(one, other) => SearchKey::Or(Box::new(key(*one)), Box::new(key(*other))),
        TheirKey::Not(inner) => SearchKey::Not(Box::new(key(*inner))),
        TheirKey::SequenceSet(numbers) => SearchKey::Sequence(set(&numbers)),
        TheirKey::Uid(numbers) => SearchKey::Uid(set(&numbers)),
        TheirKey::All => SearchKey::All,
        TheirKey::Seen => Has(Flag::Seen),
        TheirKey::Unseen => Lacks(Flag::Seen),
        TheirKey::Deleted => Has(Flag::Deleted),
        TheirKey::Undraft => Lacks(Flag::Draft),
        TheirKey::Keyword(atom) => Has(keyword(&atom)),
        TheirKey::Unkeyword(atom) => Lacks(keyword(&atom)),
        TheirKey::New => SearchKey::New,
        TheirKey::Old => SearchKey::Old,
        TheirKey::Since(date) => SearchKey::Since(day(date.as_ref())),
        TheirKey::SentBefore(date) => SearchKey::SentBefore(day(date.as_ref())),
        TheirKey::Larger(octets) => SearchKey::Larger(octets.into()),
        TheirKey::Smaller(octets) => SearchKey::Smaller(octets.into()),
        TheirKey::From(value) => SearchKey::From(text(&value)),
        TheirKey::Subject(value) => SearchKey::Subject(text(&value)),
        TheirKey::Header(field, value) => SearchKey::Header(text(&field), text(&value)),
        TheirKey::Text(value) => SearchKey::Text(text(&value)),
        other => panic!("not generated: {other:?}"),
    }
}

fn day(date: &impl std::fmt::Display) -> Date {
    let text = date.to_string();
    let mut numbers = text.split('-');
    let (year, month, day) = (numbers.next().unwrap(), numbers.next().unwrap(), numbers.next().unwrap());
    Date::new(year.parse().unwrap(), month.parse().unwrap(), day.parse().unwrap()).unwrap()
}

fn check(wire: &str) {
    let Event::Command(tagged) = ours(wire) else { panic!("{wire:?}: {:?}", ours(wire)) };
    assert_eq!(Some(&tagged.command), theirs(wire).as_ref(), "{wire:?}");
}

/// One of these texts.
fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(texts).prop_map(str::to_owned)
}

fn numbers() -> impl Strategy<Value = String> {
    one_of(&["1", "2:4", "7:*", "*", "1,3:5", "1:2,9,12:30", "4294967295"])
}

fn mailbox() -> impl Strategy<Value = String> {
    one_of(&["INBOX", "inBox", "a/b", "\"a b\"", "Entw&APw-rfe", "x]y", "{3+}\r\na b", "\"q\\\"\\\\\"", "{1}\r\nz"])
}

fn string() -> impl Strategy<Value = String> {
    one_of(&["abc", "\"\"", "\"a b\"", "\"\\\"\"", "{2+}\r\n\r\n", "<a@b.c>", "x]", "NIL"])
}

fn flag_list() -> impl Strategy<Value = String> {
    one_of(&["()", "(\\Seen)", "(\\seen $Label1 NonJunk)", "(\\Answered \\Flagged \\Deleted \\Draft)"])
}

fn fetch_item() -> impl Strategy<Value = String> {
    let text = one_of(&[
        "",
        "1",
        "1.2.3",
        "HEADER",
        "2.HEADER",
        "TEXT",
        "1.TEXT",
        "3.MIME",
        "HEADER.FIELDS (From To)",
        "1.header.fields.not (\"X Y\")",
    ]);
    let section = (one_of(&["BODY", "BODY.PEEK", "body"]), text, one_of(&["", "<0.10>", "<5.1>"]));
    prop_oneof![
        one_of(&[
            "UID",
            "flags",
            "ENVELOPE",
            "INTERNALDATE",
            "RFC822.SIZE",
            "BODY",
            "BODYSTRUCTURE",
            "RFC822",
            "RFC822.HEADER",
            "RFC822.TEXT",
            "BINARY[1.2]",
            "BINARY.PEEK[1]<0.5>",
            "BINARY.SIZE[2]",
        ]),
        section.prop_map(|(head, text, partial)| format!("{head}[{text}]{partial}")),
    ]
}

fn search_key() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        one_of(&[
            "ALL",
            "seen",
            "UNSEEN",
            "DELETED",
            "UNDRAFT",
            "KEYWORD $x",
            "UNKEYWORD y",
            "NEW",
            "OLD",
            "SINCE 1-Feb-1994",
            "SENTBEFORE \"12-Dec-2020\"",
            "LARGER 10",
            "SMALLER 99",
            "HEADER Message-ID <a@b>",
        ]),
        numbers(),
        numbers().prop_map(|numbers| format!("UID {numbers}")),
        (one_of(&["FROM", "SUBJECT", "TEXT"]), string()).prop_map(|(key, value)| format!("{key} {value}")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|key| format!("NOT {key}")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("OR {one} {other}")),
            prop::collection::vec(inner, 1..4).prop_map(|keys| format!("({})", keys.join(" "))),
        ]
    })
}

fn command() -> impl Strategy<Value = String> {
    let uid = || one_of(&["", "UID ", "uid "]);
    prop_oneof![
        one_of(&["NOOP", "capability"]),
        (string(), string()).prop_map(|(user, password)| format!("LOGIN {user} {password}")),
        mailbox().prop_map(|name| format!("SELECT {name}")),
        mailbox().prop_map(|name| format!("DELETE {name}")),
        (mailbox(), mailbox()).prop_map(|(from, to)| format!("RENAME {from} {to}")),
        (mailbox(), flag_list(), one_of(&["", "\"17-Jul-1996 02:44:25 -0700\" "]))
            .prop_map(|(name, flags, date)| format!("APPEND {name} {flags} {date}{{4+}}\r\na\r\nb")),
        numbers().prop_map(|numbers| format!("UID EXPUNGE {numbers}")),
        (uid(), prop::collection::vec(search_key(), 1..4))
            .prop_map(|(uid, keys)| format!("{uid}SEARCH {}", keys.join(" "))),
        (uid(), numbers(), prop_oneof![one_of(&["ALL", "FAST", "full"]), fetch_item()])
            .prop_map(|(uid, numbers, item)| format!("{uid}FETCH {numbers} {item}")),
        (uid(), numbers(), prop::collection::vec(fetch_item(), 1..5))
            .prop_map(|(uid, numbers, items)| format!("{uid}FETCH {numbers} ({})", items.join(" "))),
        (uid(), numbers(), one_of(&["FLAGS", "+FLAGS", "-flags.silent"]), flag_list())
            .prop_map(|(uid, numbers, action, flags)| format!("{uid}STORE {numbers} {action} {flags}")),
        (uid(), one_of(&["COPY", "MOVE"]), numbers(), mailbox())
            .prop_map(|(uid, verb, numbers, name)| format!("{uid}{verb} {numbers} {name}")),
    ]
}

proptest! {
    #[test]
    fn both_read_the_same_command(command in command()) {
        check(&format!("a.1 {command}\r\n"));
    }

    /// Both see the same ends of commands, so no command can be smuggled in a literal.
    #[test]
    fn both_see_the_same_frame(command in command(), next in command()) {
        let wire = format!("a {command}\r\nb {next}\r\n");
        let mut fragmentizer = Fragmentizer::without_max_message_size();
        fragmentizer.enqueue_bytes(wire.as_bytes());
        let mut frames = 0;
        while fragmentizer.progress().is_some() {
            frames += usize::from(fragmentizer.is_message_complete());
        }
        let mut receiver = Receiver::new(Limits::after_login(1000));
        receiver.push(wire.as_bytes());
        let mut commands = 0;
        let end = std::iter::repeat_with(|| receiver.poll()).try_for_each(|event| match event {
            Event::Command(_) => { commands += 1; ControlFlow::Continue(()) }
            Event::Literal(_) => ControlFlow::Continue(()),
            other => ControlFlow::Break(other),
        });
        prop_assert_eq!(end, ControlFlow::Break(Event::NeedMore));
        prop_assert_eq!((frames, commands), (2, 2));
    }
}

/// What `write` appends must be whole responses in their reading.
fn check_responses(write: impl FnOnce(&mut Encoder<'_>), expected: usize) {
    let mut out = Vec::new();
    write(&mut Encoder::new(&mut out, Dialect::Rev1));
    let mut rest = out.as_slice();
    for _ in 0..expected {
        let decoded = ResponseCodec::default().decode(rest);
        rest = decoded.unwrap_or_else(|error| panic!("{error:?} in {:?}", String::from_utf8_lossy(rest))).0;
    }
    assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(rest));
}

#[derive(Clone, Copy)]
struct OneAddress;

impl EnvelopeView for OneAddress {
    fn date(&self) -> Option<&[u8]> {
        None
    }
    fn subject(&self) -> Option<&[u8]> {
        Some(b"a \"quoted\" subject")
    }
    fn in_reply_to(&self) -> Option<&[u8]> {
        Some(b"line\r\nend")
    }
    fn message_id(&self) -> Option<&[u8]> {
        Some(b"<a@b>")
    }
    fn addresses(&self, field: AddressField) -> impl Iterator<Item = Address<'_>> {
        let address = Address { mailbox: Some(b"a"), host: Some(b"b"), ..Address::default() };
        (field == AddressField::From).then_some(address).into_iter()
    }
}

#[test]
fn our_responses_are_read() {
    let (tag, uids) = (Tag::new("a1").unwrap(), SequenceSet::from_sorted([1, 2, 3, 9]));
    let section = BodySection {
        section: Section { part: vec![1], text: SectionText::HeaderFields(vec!["X Y".into(), "To".into()]) },
        peek: true,
        partial: Some(Partial { offset: 3, length: 4 }),
    };
    check_responses(
        |e| {
            e.ok(&tag, Some(Code::CopyUid { uidvalidity: 1, source: &uids, target: &uids }), "Copied");
            e.no(&tag, Some(Code::TryCreate), "No such mailbox");
            e.untagged(Status::Ok, Some(Code::UidNext(7)), "next");
            e.capability(&["IMAP4rev1", "LITERAL+"]);
            e.flags(["\\Seen", "$Label1"]);
            e.exists(5);
            e.search([1, 2], None);
            e.bye(None, "bye");
            let mut fetch = e.fetch(3);
            fetch.uid(9);
            fetch.flags(["\\Seen"]);
            fetch.internal_date(DateTime::from_unix_seconds(1_000_000_000));
            fetch.envelope(OneAddress);
            fetch.section(&section, Some(b"a)\r\n"));
            fetch.finish();
        },
        9,
    );
}
