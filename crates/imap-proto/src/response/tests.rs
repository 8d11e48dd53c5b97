use super::*;
use crate::command::{BodySection, Command};
use crate::datetime::DateTime;
use crate::limits::Limits;
use crate::mailbox::SpecialUse;
use crate::malformed::Reason;
use crate::receiver::{Event, Receiver};
use crate::sequence::Numbering;

fn check_in(dialect: Dialect, write: impl FnOnce(&mut Encoder<'_>), expected: &str) {
    let mut out = Vec::new();
    write(&mut Encoder::new(&mut out, dialect));
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

fn check(write: impl FnOnce(&mut Encoder<'_>), expected: &str) {
    check_in(Dialect::Rev1, write, expected);
}

fn tag() -> Tag {
    Tag::new("a1").unwrap()
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

#[test]
fn status_responses() {
    check(|e| e.ok(&tag(), None, "done"), "a1 OK done\r\n");
    check(|e| e.no(&tag(), Some(Code::TryCreate), "No such mailbox"), "a1 NO [TRYCREATE] No such mailbox\r\n");
    check(|e| e.bad(&tag(), None, "x\r\ny é"), "a1 BAD x??y ?\r\n");
    check(|e| e.untagged(Status::Ok, Some(Code::UidNext(5)), ""), "* OK [UIDNEXT 5] -\r\n");
    check(|e| e.bye(Some(Code::Unavailable), "later"), "* BYE [UNAVAILABLE] later\r\n");
    check(|e| e.continuation("idling"), "+ idling\r\n");
    check(|e| e.challenge(b""), "+ \r\n");
    check(|e| e.challenge(b"abc"), "+ YWJj\r\n");
}

#[test]
fn answers_to_the_malformed() {
    let tagged = |reason| Malformed { tag: Some(tag()), reason };
    check(|e| e.malformed(&tagged(Reason::LiteralTooBig)), "a1 NO [TOOBIG] Literal too big\r\n");
    check(|e| e.malformed(&tagged(Reason::Expected("a space"))), "a1 BAD Expected a space\r\n");
    check(
        |e| e.malformed(&tagged(Reason::Charset)),
        "a1 NO [BADCHARSET (US-ASCII UTF-8)] Only US-ASCII and UTF-8 can be searched\r\n",
    );
    check(|e| e.malformed(&Malformed { tag: None, reason: Reason::Tag }), "* BAD Expected a tag\r\n");
}

#[test]
fn untagged_data() {
    let uids = SequenceSet::from_sorted([41, 43, 44, 45]);
    check(|e| e.capability(&["IMAP4rev1", "IDLE"]), "* CAPABILITY IMAP4rev1 IDLE\r\n");
    check(|e| e.enabled(&["CONDSTORE"]), "* ENABLED CONDSTORE\r\n");
    check(|e| e.enabled(&[]), "* ENABLED\r\n");
    check(|e| e.exists(23), "* 23 EXISTS\r\n");
    check(|e| e.recent(0), "* 0 RECENT\r\n");
    check(|e| e.expunge(44), "* 44 EXPUNGE\r\n");
    check(|e| e.uid_fetch(25_996).finish(), "* 25996 UIDFETCH ()\r\n");
    let tag = Tag::new("A1").unwrap();
    check(|e| e.uid_batches(&tag, [(900, 501), (500, 500)]), "* UIDBATCHES (TAG \"A1\") 900:501,500\r\n");
    check(|e| e.uid_batches(&tag, []), "* UIDBATCHES (TAG \"A1\")\r\n");
    check(|e| e.vanished(Vanished::Now, &uids), "* VANISHED 41,43:45\r\n");
    check(|e| e.vanished(Vanished::Earlier, &uids), "* VANISHED (EARLIER) 41,43:45\r\n");
    check(|e| e.flags(["\\Seen", "$Label1"]), "* FLAGS (\\Seen $Label1)\r\n");
    check(|e| e.namespace("Shared/"), "* NAMESPACE ((\"\" \"/\")) ((\"Shared/\" \"/\")) NIL\r\n");
    check(|e| e.id(&[("name", "Pillarbox"), ("version", "1")]), "* ID (\"name\" \"Pillarbox\" \"version\" \"1\")\r\n");
    check(|e| e.id(&[]), "* ID NIL\r\n");
}

#[test]
fn lists() {
    let plain = |attributes, name| ListEntry { attributes, name, old_name: None, child_info: &[] };
    let sent = [MailboxAttribute::HasNoChildren, MailboxAttribute::SpecialUse(SpecialUse::Sent)];
    let (drafts, old, quoted) = (name("Entwürfe"), name("R&D"), name("Sent \"x\""));
    check(|e| e.list(&plain(&sent, &quoted)), "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent \\\"x\\\"\"\r\n");
    check(|e| e.list(&plain(&[], &drafts)), "* LIST () \"/\" \"Entw&APw-rfe\"\r\n");
    check_in(Dialect::Utf8, |e| e.list(&plain(&[], &drafts)), "* LIST () \"/\" \"Entwürfe\"\r\n");
    check(
        |e| e.list(&ListEntry { child_info: &["SUBSCRIBED"], ..plain(&[], &drafts) }),
        "* LIST () \"/\" \"Entw&APw-rfe\" (CHILDINFO (\"SUBSCRIBED\"))\r\n",
    );
    check_in(
        Dialect::Utf8,
        |e| e.list(&ListEntry { child_info: &["SUBSCRIBED"], old_name: Some(&old), ..plain(&[], &drafts) }),
        "* LIST () \"/\" \"Entwürfe\" (CHILDINFO (\"SUBSCRIBED\") OLDNAME (\"R&D\"))\r\n",
    );
    check(
        |e| e.list(&ListEntry { old_name: Some(&old), ..plain(&[MailboxAttribute::Subscribed], &drafts) }),
        "* LIST (\\Subscribed) \"/\" \"Entw&APw-rfe\" (OLDNAME (\"R&-D\"))\r\n",
    );
    check(|e| e.lsub(&[MailboxAttribute::NoSelect], &old), "* LSUB (\\Noselect) \"/\" \"R&-D\"\r\n");
    check(|e| e.list_separator(), "* LIST (\\Noselect) \"/\" \"\"\r\n");
    check(|e| e.lsub_separator(), "* LSUB (\\Noselect) \"/\" \"\"\r\n");
}

#[test]
fn statuses() {
    use StatusValue::*;
    let values = [
        Messages(1),
        Recent(0),
        UidNext(2),
        UidValidity(3),
        Unseen(4),
        Deleted(5),
        Size(6),
        HighestModSeq(7),
        MailboxId("M8"),
        AppendLimit(Some(9)),
        AppendLimit(None),
        DeletedStorage(10),
    ];
    check(
        |e| e.status(&name("a b"), values),
        "* STATUS \"a b\" (MESSAGES 1 RECENT 0 UIDNEXT 2 UIDVALIDITY 3 UNSEEN 4 DELETED 5 SIZE 6 HIGHESTMODSEQ 7 \
         MAILBOXID (M8) APPENDLIMIT 9 APPENDLIMIT NIL DELETED-STORAGE 10)\r\n",
    );
    check(|e| e.status(&name("a"), []), "* STATUS \"a\" ()\r\n");
}

#[test]
fn access_control() {
    let inbox = name("INBOX");
    check(|e| e.acl(&inbox, [("a@b", "lr"), ("c", "l")]), "* ACL \"INBOX\" \"a@b\" \"lr\" \"c\" \"l\"\r\n");
    check(|e| e.list_rights(&inbox, "a", ("", &["l", "r"])), "* LISTRIGHTS \"INBOX\" \"a\" \"\" \"l\" \"r\"\r\n");
    check(|e| e.my_rights(&inbox, "lrs"), "* MYRIGHTS \"INBOX\" \"lrs\"\r\n");
}

#[test]
fn quotas() {
    let storage = ResourceQuota { resource: "STORAGE", used: 10, limit: 512 };
    let messages = ResourceQuota { resource: "MESSAGE", used: 2, limit: 3 };
    check(|e| e.quota("Account", &[storage]), "* QUOTA \"Account\" (STORAGE 10 512)\r\n");
    check(|e| e.quota("Account", &[storage, messages]), "* QUOTA \"Account\" (STORAGE 10 512 MESSAGE 2 3)\r\n");
    check(|e| e.quota("Account", &[]), "* QUOTA \"Account\" ()\r\n");
    check(|e| e.quota_root(&name("INBOX"), Some("Account")), "* QUOTAROOT \"INBOX\" \"Account\"\r\n");
    check(|e| e.quota_root(&name("a b"), None), "* QUOTAROOT \"a b\"\r\n");
}

#[test]
fn metadata() {
    let values = [("/private/comment", Some(&b"x y"[..])), ("/private/a b", None), ("/private/n", Some(b"a\0b"))];
    check(
        |e| e.metadata(Some(&name("INBOX")), values),
        "* METADATA \"INBOX\" (/private/comment \"x y\" \"/private/a b\" NIL /private/n ~{3}\r\na\0b)\r\n",
    );
    check(|e| e.metadata_changed(None, ["/private/a", "/private/b"]), "* METADATA \"\" /private/a /private/b\r\n");
}

#[test]
fn searches() {
    let (tag, set, none) = (tag(), SequenceSet::from_sorted([2, 3, 6]), SequenceSet::from_sorted([]));
    check(|e| e.search([2, 3, 6], None), "* SEARCH 2 3 6\r\n");
    check(|e| e.search([2], Some(9)), "* SEARCH 2 (MODSEQ 9)\r\n");
    check(|e| e.search([], Some(9)), "* SEARCH\r\n");
    let empty = Esearch {
        tag: &tag,
        mailbox: None,
        numbering: Numbering::Sequence,
        min: None,
        max: None,
        all: Some(&none),
        partial: None,
        relevancy: &[],
        count: None,
        modseq: None,
    };
    check(|e| e.esearch(&empty), "* ESEARCH (TAG \"a1\")\r\n");
    let full = Esearch {
        numbering: Numbering::Uid,
        min: Some(2),
        max: Some(6),
        all: Some(&set),
        count: Some(3),
        modseq: Some(9),
        ..empty
    };
    check(|e| e.esearch(&full), "* ESEARCH (TAG \"a1\") UID MIN 2 MAX 6 ALL 2:3,6 COUNT 3 MODSEQ 9\r\n");
    let ranked = Esearch { all: Some(&set), relevancy: &[4, 100, 42], count: Some(3), ..empty };
    check(|e| e.esearch(&ranked), "* ESEARCH (TAG \"a1\") ALL 2:3,6 RELEVANCY (4 100 42) COUNT 3\r\n");
    let lists = name("Lists/\u{e9}");
    let other = Esearch { mailbox: Some((&lists, 7)), ..full };
    check(
        |e| e.esearch(&other),
        "* ESEARCH (TAG \"a1\" MAILBOX \"Lists/&AOk-\" UIDVALIDITY 7) UID MIN 2 MAX 6 ALL 2:3,6 COUNT 3 MODSEQ 9\r\n",
    );
    let (one, two) = (SequenceSet::from_sorted([7]), SequenceSet::from_sorted([12, 13]));
    let (removed, added) = ([(0, one.clone())], [(3, two), (9, one)]);
    check(
        |e| e.esearch_update((&tag, None), Numbering::Uid, &removed, &added),
        "* ESEARCH (TAG \"a1\") UID REMOVEFROM (0 7) ADDTO (3 12:13 9 7)\r\n",
    );
    check(
        |e| e.esearch_update((&tag, None), Numbering::Sequence, &[], &added),
        "* ESEARCH (TAG \"a1\") ADDTO (3 12:13 9 7)\r\n",
    );
    let range = page_range("-1:-3");
    let page = Esearch { partial: Some((range, &set)), ..empty };
    check(|e| e.esearch(&page), "* ESEARCH (TAG \"a1\") PARTIAL (-1:-3 2:3,6)\r\n");
    let past = Esearch { partial: Some((range, &none)), numbering: Numbering::Uid, ..empty };
    check(|e| e.esearch(&past), "* ESEARCH (TAG \"a1\") UID PARTIAL (-1:-3 NIL)\r\n");
}

/// As the parser gives it.
fn page_range(range: &str) -> crate::command::PartialRange {
    let mut receiver = Receiver::new(Limits::after_login(0));
    receiver.push(format!("a SEARCH RETURN (PARTIAL {range}) ALL\r\n").as_bytes());
    let Event::Command(tagged) = receiver.poll() else { panic!("{range}") };
    let Command::Search(search) = tagged.command else { panic!("{range}") };
    search.returns.unwrap().partial.unwrap()
}

/// The section of `FETCH 1 item`, as the parser gives it.
fn section(item: &str) -> BodySection {
    let mut receiver = Receiver::new(Limits::after_login(0));
    receiver.push(format!("a FETCH 1 {item}\r\n").as_bytes());
    let Event::Command(tagged) = receiver.poll() else { panic!("{item}") };
    let Command::Fetch(fetch) = tagged.command else { panic!("{item}") };
    match fetch.items.into_iter().next() {
        Some(crate::command::FetchItem::Section(section) | crate::command::FetchItem::Binary(section)) => section,
        other => panic!("{other:?}"),
    }
}

fn check_fetch(write: impl FnOnce(&mut FetchWriter<'_>), expected: &str) {
    check(
        |e| {
            let mut fetch = e.fetch(12);
            write(&mut fetch);
            fetch.finish();
        },
        &format!("* 12 FETCH ({expected})\r\n"),
    );
}

#[test]
fn fetches() {
    check_fetch(
        |f| {
            f.uid(7);
            f.flags(["\\Seen", "$x"]);
            f.modseq(99);
            f.internal_date(DateTime::from_unix_seconds(0));
            f.rfc822_size(5);
            f.email_id("M1");
            f.thread_id(None);
            f.thread_id(Some("T1"));
        },
        "UID 7 FLAGS (\\Seen $x) MODSEQ (99) INTERNALDATE \" 1-Jan-1970 00:00:00 +0000\" RFC822.SIZE 5 EMAILID (M1) \
         THREADID NIL THREADID (T1)",
    );
    check_fetch(
        |f| {
            f.rfc822(b"a");
            f.rfc822_header_literal_header(0);
            f.rfc822_text_literal_header(2);
        },
        "RFC822 {1}\r\na RFC822.HEADER {0}\r\n RFC822.TEXT {2}\r\n",
    );
}

#[test]
fn sections_come_back_as_asked_for() {
    for (asked, answered) in [
        ("BODY[]", "BODY[]"),
        ("body.peek[header]", "BODY[HEADER]"),
        ("BODY[1.2.MIME]", "BODY[1.2.MIME]"),
        ("BODY[3]<5.10>", "BODY[3]<5>"),
        ("BODY.PEEK[HEADER.FIELDS (From \"x y\")]", "BODY[HEADER.FIELDS (From \"x y\")]"),
        ("BODY[2.HEADER.FIELDS.NOT (DATE)]<0.1>", "BODY[2.HEADER.FIELDS.NOT (DATE)]<0>"),
    ] {
        check_fetch(|f| f.section(&section(asked), Some(b"abc")), &format!("{answered} {{3}}\r\nabc"));
        check_fetch(|f| f.section(&section(asked), None), &format!("{answered} NIL"));
    }
    check_fetch(|f| f.binary(&section("BINARY[1]"), Some(b"abc")), "BINARY[1] {3}\r\nabc");
    check_fetch(|f| f.binary(&section("BINARY.PEEK[1]<2.3>"), Some(b"a\0")), "BINARY[1]<2> ~{2}\r\na\0");
    check_fetch(|f| f.binary_size(&[1, 2], 77), "BINARY.SIZE[1.2] 77");
}

#[test]
fn a_section_in_pieces() {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, Dialect::Rev1);
    let mut fetch = encoder.fetch(1);
    fetch.uid(2);
    fetch.section_header(&section("BODY[]"), 4);
    fetch.suspend();
    out.extend_from_slice(b"ab");
    out.extend_from_slice(b"cd");
    let mut encoder = Encoder::new(&mut out, Dialect::Rev1);
    let mut fetch = encoder.resume_fetch();
    fetch.modseq(3);
    fetch.finish();
    assert_eq!(out, b"* 1 FETCH (UID 2 BODY[] {4}\r\nabcd MODSEQ (3))\r\n");
}

#[derive(Clone, Copy)]
struct TestEnvelope;

impl EnvelopeView for TestEnvelope {
    fn date(&self) -> Option<&[u8]> {
        Some(b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)")
    }
    fn subject(&self) -> Option<&[u8]> {
        Some("é".as_bytes())
    }
    fn in_reply_to(&self) -> Option<&[u8]> {
        None
    }
    fn message_id(&self) -> Option<&[u8]> {
        Some(b"<a@b>")
    }
    fn addresses(&self, field: AddressField) -> impl Iterator<Item = Address<'_>> {
        let gray =
            Address { name: Some(b"Terry Gray"), adl: None, mailbox: Some(b"gray"), host: Some(b"cac.washington.edu") };
        let group = Address { mailbox: Some(b"list"), ..Address::default() };
        let addresses = match field {
            AddressField::From => vec![gray],
            AddressField::To => vec![group, gray, Address::default()],
            AddressField::Sender | AddressField::ReplyTo | AddressField::Cc | AddressField::Bcc => vec![],
        };
        addresses.into_iter()
    }
}

const ENVELOPE: &str = "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" {2}\r\né \
    ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
    ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
    ((NIL NIL \"list\" NIL)(\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")(NIL NIL NIL NIL)) NIL NIL NIL \"<a@b>\")";

#[test]
fn envelopes() {
    check_fetch(|f| f.envelope(TestEnvelope), &format!("ENVELOPE {ENVELOPE}"));
}

#[derive(Clone, Copy)]
enum TestBody<'a> {
    Text,
    Image,
    Multipart(&'a [TestBody<'a>]),
    Message(&'a TestBody<'a>),
}

impl<'a> BodyView for TestBody<'a> {
    type Envelope = TestEnvelope;

    fn kind(&self) -> BodyKind {
        match self {
            Self::Text => BodyKind::Text,
            Self::Image => BodyKind::Basic,
            Self::Multipart(_) => BodyKind::Multipart,
            Self::Message(_) => BodyKind::Message,
        }
    }
    fn media_type(&self) -> (&[u8], &[u8]) {
        match self {
            Self::Text => (b"text", b"plain"),
            Self::Image => (b"image", b"png"),
            Self::Multipart(_) => (b"multipart", b"mixed"),
            Self::Message(_) => (b"message", b"rfc822"),
        }
    }
    fn parameters(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        matches!(self, Self::Text).then_some((b"charset".as_slice(), b"us-ascii".as_slice())).into_iter()
    }
    fn id(&self) -> Option<&[u8]> {
        None
    }
    fn description(&self) -> Option<&[u8]> {
        matches!(self, Self::Image).then_some(b"a picture")
    }
    fn encoding(&self) -> &[u8] {
        if matches!(self, Self::Image) { b"base64" } else { b"7bit" }
    }
    fn octets(&self) -> u64 {
        100
    }
    fn lines(&self) -> u64 {
        4
    }
    fn md5(&self) -> Option<&[u8]> {
        None
    }
    fn disposition(&self) -> Option<&[u8]> {
        matches!(self, Self::Image).then_some(b"attachment")
    }
    fn disposition_parameters(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        [(b"filename".as_slice(), b"a.png".as_slice()), (b"size".as_slice(), b"100".as_slice())].into_iter()
    }
    fn languages(&self) -> impl Iterator<Item = &[u8]> {
        matches!(self, Self::Text).then_some([b"en".as_slice(), b"de".as_slice()]).into_iter().flatten()
    }
    fn location(&self) -> Option<&[u8]> {
        None
    }
    fn children(&self) -> impl Iterator<Item = Self> {
        match self {
            Self::Multipart(children) => children.iter().copied(),
            Self::Text | Self::Image | Self::Message(_) => [].iter().copied(),
        }
    }
    fn message(&self) -> Option<(TestEnvelope, Self)> {
        match self {
            Self::Message(inner) => Some((TestEnvelope, **inner)),
            Self::Text | Self::Image | Self::Multipart(_) => None,
        }
    }
}

const TEXT: &str = "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 100 4";

#[test]
fn body_without_extensions() {
    check_fetch(|f| f.body(TestBody::Text), &format!("BODY {TEXT})"));
    let parts = [TestBody::Text, TestBody::Image];
    check_fetch(
        |f| f.body(TestBody::Multipart(&parts)),
        &format!("BODY ({TEXT})(\"image\" \"png\" NIL NIL \"a picture\" \"base64\" 100) \"mixed\")"),
    );
    check_fetch(
        |f| f.body(TestBody::Message(&TestBody::Text)),
        &format!("BODY (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 100 {ENVELOPE} {TEXT}) 4)"),
    );
}

#[test]
fn body_structure_with_extensions() {
    let parts = [TestBody::Text, TestBody::Image];
    check_fetch(
        |f| f.body_structure(TestBody::Multipart(&parts)),
        &format!(
            "BODYSTRUCTURE ({TEXT} NIL NIL (\"en\" \"de\") NIL)(\"image\" \"png\" NIL NIL \"a picture\" \"base64\" 100 NIL \
             (\"attachment\" (\"filename\" \"a.png\" \"size\" \"100\")) NIL NIL) \"mixed\" NIL NIL NIL NIL)"
        ),
    );
    check_fetch(|f| f.body(TestBody::Multipart(&[])), "BODY ((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0) \"mixed\")");
}

#[test]
fn a_structure_deeper_than_the_limit_ends_there() {
    fn nest(inner: TestBody<'_>, levels: usize, written: &mut Vec<u8>) {
        if levels == 0 {
            let mut encoder = Encoder::new(written, Dialect::Rev1);
            let mut fetch = encoder.fetch(1);
            fetch.body(inner);
            fetch.finish();
        } else {
            nest(TestBody::Multipart(&[inner]), levels - 1, written);
        }
    }
    for (levels, cut) in [(body::BODY_DEPTH_MAX - 1, false), (body::BODY_DEPTH_MAX, true)] {
        let mut out = Vec::new();
        nest(TestBody::Text, levels, &mut out);
        assert_eq!(String::from_utf8(out).unwrap().contains("OCTET-STREAM"), cut);
    }
}
