use proptest::prelude::*;

use super::*;
use crate::command::{Append, CatenatePart, Command};

/// Pushes `segments`, grants every literal, and gives the events without `NeedMore`.
/// `IDLE` and `AUTHENTICATE` are accepted.
fn events<'s>(limits: Limits, segments: impl IntoIterator<Item = &'s [u8]>) -> Vec<Event> {
    let mut receiver = Receiver::new(limits);
    let mut events = Vec::new();
    for segment in segments {
        receiver.push(segment);
        loop {
            let event = receiver.poll();
            match &event {
                Event::NeedMore => break,
                Event::Command(Tagged { command: Command::Idle, .. }) => receiver.expect_done(),
                Event::Command(Tagged { command: Command::Authenticate(_), .. }) => receiver.expect_auth_line(),
                Event::Literal(_)
                | Event::Octets(_)
                | Event::Message(_)
                | Event::Command(_)
                | Event::Done
                | Event::Auth(_)
                | Event::Malformed(_) => {}
            }
            events.push(event);
        }
        assert!(!receiver.has_input());
        assert!(held(&receiver) <= bound(&limits), "{} bytes held", held(&receiver));
    }
    events
}

/// What the machine holds between two segments, bytes reserved for literals included.
fn held(receiver: &Receiver) -> usize {
    let literals: usize = receiver.command.literals.iter().map(|literal| literal.data.capacity()).sum();
    let state = match &receiver.state {
        State::Line => 0,
        State::Literal { literal, .. } => literal.data.capacity(),
        State::Discard(discard) => discard.tail.capacity(),
    };
    receiver.pending.capacity() + receiver.command.text.capacity() + literals + state
}

fn bound(limits: &Limits) -> usize {
    let literals = limits.literal_bytes_max + limits.append_bytes_max;
    IDLE_BUFFER_BYTES + 2 * limits.line_bytes_max + usize::try_from(literals).unwrap() + 4 * MARKER_BYTES_MAX
}

/// One line per event, short enough for a table.
fn summary(events: &[Event]) -> Vec<String> {
    let tag = |tag: &Option<Tag>| tag.as_ref().map_or("*".to_owned(), Tag::to_string);
    let line = |event: &Event| match event {
        Event::NeedMore => "more".to_owned(),
        Event::Literal(request) => format!("{} + {} {:?}", tag(&request.tag), request.bytes, request.role),
        Event::Octets(octets) => format!("{} octets", octets.0.len()),
        Event::Message(tagged) => format!("{} message", tagged.tag),
        Event::Command(tagged) => format!("{} {}", tagged.tag, tagged.command.name()),
        Event::Done => "done".to_owned(),
        Event::Auth(AuthLine::Cancelled) => "cancelled".to_owned(),
        Event::Auth(AuthLine::Response(secret)) => format!("response {}", secret.text()),
        Event::Malformed(malformed) => format!("{} ! {}", tag(&malformed.tag), malformed.reason),
    };
    events.iter().map(line).collect()
}

fn small() -> Limits {
    Limits {
        line_bytes_max: 60,
        literal_bytes_max: 20,
        append_bytes_max: 50,
        literals_max: 3,
        nesting_max: 4,
        ranges_max: 4,
        items_max: 4,
    }
}

/// The events of `wire` whole and byte by byte.
fn check(wire: &[u8], expected: &[&str]) {
    for segments in [vec![wire], wire.chunks(1).collect()] {
        assert_eq!(summary(&events(small(), segments)), expected, "{}", String::from_utf8_lossy(wire));
    }
}

#[test]
fn lines() {
    check(b"a NOOP\r\nb noop\n", &["a NOOP", "b NOOP"]);
    check(b"\r\n\n\r\na NOOP\r\n\r\n", &["a NOOP"]);
    check(b"a NOOP\r", &[]);
    check(b" NOOP\r\n", &["* ! Expected a tag"]);
    check(b"+ NOOP\r\n", &["* ! Expected a tag"]);
    check(b"a\r\nb \r\n", &["a ! Expected a command after the tag", "b ! Expected a command after the tag"]);
    check(b"\xff\xfe\0\r\na NOOP\r\n", &["* ! Expected a tag", "a NOOP"]);
}

#[test]
fn literals() {
    check(b"a LOGIN {3}\r\nbob {2+}\r\nhi\r\n", &["a + 3 Argument", "a LOGIN"]);
    check(b"a LOGIN {3}\nbob {0+}\n\n", &["a + 3 Argument", "a LOGIN"]);
    check(b"a APPEND x {3+}\r\nabc\r\n\r\nb NOOP\r\n", &["a APPEND", "b NOOP"]);
    check(b"a APPEND {1}\r\nx {50}\r\n", &["a + 1 Argument", "a + 50 Message"]);
    check(b"a APPEND x (\\Seen) {3}\r\nabc\r\n", &["a + 3 Message", "a APPEND"]);
    check(b"a append x UTF8 (~{3}\r\nabc)\r\n", &["a + 3 Message", "a APPEND"]);
    check(b"a LOGIN bob {3+}\r\n{2}\r\n", &["a LOGIN"]);
}

#[test]
fn literals_at_the_limit_and_one_past_it() {
    let user =
        |bytes: usize, plus: &str| [format!("a LOGIN {{{bytes}{plus}}}\r\n").into_bytes(), vec![b'u'; bytes]].concat();
    check(&[user(20, "+"), b" x\r\n".to_vec()].concat(), &["a LOGIN"]);
    check(&[user(21, "+"), b" x\r\nb NOOP\r\n".to_vec()].concat(), &["a ! Literal too big", "b NOOP"]);
    check(b"a LOGIN {21}\r\nb NOOP\r\n", &["a ! Literal too big", "b NOOP"]);
    check(b"a LOGIN {10+}\r\n0123456789 {11}\r\nb NOOP\r\n", &["a ! Literal too big", "b NOOP"]);
    check(b"a APPEND x {51}\r\nb NOOP\r\n", &["a ! Literal too big", "b NOOP"]);
    let append = [b"a APPEND x {51+}\r\n".to_vec(), vec![b'\n'; 51], b"\r\nb NOOP\r\n".to_vec()].concat();
    check(&append, &["a ! Literal too big", "b NOOP"]);
    check(
        b"a APPEND x {1+}\r\na {50+}\r\n01234567890123456789012345678901234567890123456789\r\n",
        &["a message", "a APPEND"],
    );
    check(b"a APPEND x {1+}\r\na {51}\r\nb NOOP\r\n", &["a ! Literal too big", "b NOOP"]);
    let four = b"a ID (NIL {1+}\r\na {1+}\r\nb {1+}\r\nc {1+}\r\nd)\r\nb NOOP\r\n";
    check(four, &["a ! Too many literals", "b NOOP"]);
    check(b"a X {1+}\r\na {1+}\r\nb {1+}\r\nc {1}\r\nb NOOP\r\n", &["a ! Too many literals", "b NOOP"]);
    check(b"a X {99999999999999999999999}\r\nb NOOP\r\n", &["a ! Literal too big", "b NOOP"]);
    check(b"a X {99999999999999999999999+}\r\nb NOOP\r\n", &[]);
}

#[test]
fn literals_behind_a_refused_one_are_swallowed_too() {
    check(
        b"a X {21+}\r\n012345678901234567890 {3+}\r\nabc {2+}\r\n\r\n\r\nb NOOP\r\n",
        &["a ! Literal too big", "b NOOP"],
    );
    check(b"a X {21+}\r\n012345678901234567890 {3}\r\nb NOOP\r\n", &["a ! Literal too big", "b NOOP"]);
    check(b"a FOO {6+}\r\nb NOOP\r\nc NOOP\r\n", &["a ! Unknown command", "c NOOP"]);
}

#[test]
fn lines_at_the_limit_and_one_past_it() {
    let line = |bytes: usize| [b"a ".to_vec(), vec![b'x'; bytes - 4], b"\r\n".to_vec()].concat();
    check(&line(60), &["a ! Unknown command"]);
    check(&line(61), &["a ! Command line too long"]);
    check(&[line(500), b"b NOOP\r\n".to_vec()].concat(), &["a ! Command line too long", "b NOOP"]);
    let with_literal = [b"a X ".to_vec(), vec![b'x'; 90], b" {8+}\r\nb NOOP\r\n y\r\nc NOOP\r\n".to_vec()].concat();
    check(&with_literal, &["a ! Command line too long", "c NOOP"]);
    let across = [b"a X ".to_vec(), vec![b'x'; 52], b" {8+}\r\nb NOOP\r\n y\r\nc NOOP\r\n".to_vec()].concat();
    check(&across, &["a ! Command line too long", "c NOOP"]);
    let waiting = [b"a X ".to_vec(), vec![b'x'; 90], b" {8}\r\nb NOOP\r\n".to_vec()].concat();
    check(&waiting, &["a ! Command line too long", "b NOOP"]);
    check(&[vec![b'x'; 100], b"\r\nb NOOP\r\n".to_vec()].concat(), &["* ! Command line too long", "b NOOP"]);
}

#[test]
fn a_done_split_anywhere_is_seen() {
    check(b"a IDLE\r\nDONE\r\nb NOOP\r\n", &["a IDLE", "done", "b NOOP"]);
    check(b"a IDLE\r\n\r\ndone \nb NOOP\r\n", &["a IDLE", "done", "b NOOP"]);
    check(b"a IDLE\r\nb NOOP\r\nc NOOP\r\n", &["a IDLE", "* ! Expected DONE", "c NOOP"]);
    let long = [b"a IDLE\r\n".to_vec(), vec![b'D'; 100], b" {3+}\r\nc NOOP\r\n".to_vec()].concat();
    check(&long, &["a IDLE", "* ! Command line too long", "c NOOP"]);
}

#[test]
fn lines_of_authenticate() {
    check(b"a AUTHENTICATE PLAIN\r\nYWJj\r\nb NOOP\r\n", &["a AUTHENTICATE", "response abc", "b NOOP"]);
    check(b"a AUTHENTICATE PLAIN\r\n\r\nb NOOP\r\n", &["a AUTHENTICATE", "response ", "b NOOP"]);
    check(b"a AUTHENTICATE PLAIN\r\n*\r\nb NOOP\r\n", &["a AUTHENTICATE", "cancelled", "b NOOP"]);
    check(b"a AUTHENTICATE PLAIN\r\n!!\r\nb NOOP\r\n", &["a AUTHENTICATE", "* ! Not base64", "b NOOP"]);
}

#[test]
fn a_refused_literal_ends_the_command() {
    let mut receiver = Receiver::new(small());
    receiver.push(b"a APPEND x {3}\r\n");
    assert!(matches!(receiver.poll(), Event::Literal(_)));
    receiver.refuse_literal();
    receiver.push(b"b NOOP\r\n");
    assert_eq!(summary(&[receiver.poll()]), ["b NOOP"]);
    receiver.refuse_literal();
    assert_eq!(receiver.poll(), Event::NeedMore);
}

#[test]
fn the_literal_of_an_append_knows_where_it_goes() {
    let check = |wire: &str, dialect: Dialect, expected: Option<&str>| {
        let mut receiver = Receiver::new(small());
        receiver.set_dialect(dialect);
        receiver.push(wire.as_bytes());
        let request = match receiver.poll() {
            Event::Literal(request) => request,
            event => panic!("{wire}: {event:?}"),
        };
        assert_eq!(request.mailbox.as_ref().map(MailboxName::as_str), expected, "{wire}");
    };
    check("a APPEND Work {3}\r\n", Dialect::Rev1, Some("Work"));
    check("a append \"to do\" (\\Seen) {3}\r\n", Dialect::Rev1, Some("to do"));
    check("a  APPEND  inbox UTF8 (~{3}\r\n", Dialect::Rev1, Some("INBOX"));
    check("a APPEND {5+}\r\nto do {3}\r\n", Dialect::Rev1, Some("to do"));
    check("a APPEND Entw&APw-rfe {3}\r\n", Dialect::Rev1, Some("Entw\u{fc}rfe"));
    check("a APPEND \"Entw\u{fc}rfe\" {3}\r\n", Dialect::Utf8, Some("Entw\u{fc}rfe"));
    check("a APPEND \"x {3}\r\n", Dialect::Rev1, None);
    check("a LOGIN x {3}\r\n", Dialect::Rev1, None);
    check("a APPEND {3}\r\n", Dialect::Rev1, None);
}

#[test]
fn nothing_pipelined_before_tls_survives() {
    let mut receiver = Receiver::new(small());
    receiver.push(b"a STARTTLS\r\nb LOGIN x y\r\nc LOG");
    assert_eq!(summary(&[receiver.poll()]), ["a STARTTLS"]);
    assert!(receiver.has_input());
    receiver.discard_input();
    receiver.push(b"d NOOP\r\n");
    assert_eq!(summary(&[receiver.poll(), receiver.poll()]), ["d NOOP", "more"]);
}

#[test]
fn limits_change_between_two_pipelined_commands() {
    let mut receiver = Receiver::new(small());
    receiver.push(b"a LOGIN x y\r\nb SEARCH 1,2,3,4,5\r\n");
    assert_eq!(summary(&[receiver.poll()]), ["a LOGIN"]);
    receiver.set_limits(Limits { ranges_max: 5, ..small() });
    assert_eq!(summary(&[receiver.poll()]), ["b SEARCH"]);
}

#[test]
fn a_declared_size_reserves_little_and_an_idle_machine_holds_little() {
    let mut receiver = Receiver::new(Limits::after_login(1 << 30));
    receiver.push(b"a APPEND x {1000000000+}\r\n");
    assert_eq!(receiver.poll(), Event::NeedMore);
    assert!(held(&receiver) <= 66 * 1024);
    let mut receiver = Receiver::new(Limits::after_login(1 << 30));
    receiver.push(&b"a NOOP\r\n".repeat(5000));
    while receiver.poll() != Event::NeedMore {}
    assert!(held(&receiver) <= IDLE_BUFFER_BYTES);
}

#[test]
fn debug_shows_no_input() {
    let mut receiver = Receiver::new(small());
    receiver.push(b"a LOGIN bob swordfish");
    let shown = format!("{receiver:?}");
    assert!(!shown.contains("swordfish") && !shown.contains("115"), "{shown}");
    let shown = format!("{:?}", events(small(), [b"a AUTHENTICATE X\r\nc3dvcmRmaXNo\r\n".as_slice()]));
    assert!(!shown.contains("swordfish") && !shown.contains("115"), "{shown}");
}

/// Pieces that make something happen more often than random bytes do.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"a ",
        b"\r\n",
        b"\n",
        b" ",
        b"{3+}\r\n",
        b"{3}\r\n",
        b"{30+}\r\n",
        b"~{2+}\r\n",
        b"{60+}\r\n",
        b"(",
        b")",
        b"\"",
        b"\\",
        b"a LOGIN u p\r\n",
        b"b IDLE\r\n",
        b"DONE\r\n",
        b"c AUTHENTICATE PLAIN\r\n",
        b"YQ==\r\n",
        b"*",
        b"APPEND x ",
        b"UID ",
        b"FETCH 1 ",
        b"BODY[",
        b"]",
        b"<0.5>",
        b"SEARCH ",
        b"NOT ",
        b"OR ",
        b"1:*",
        b"FLAGS",
        b"STORE 1 +FLAGS ",
        b"LIST ",
        b"RETURN ",
        b"SELECT x (QRESYNC (1 2 ",
        b"xxxxxxxxxxxxxxxxxxxxxxxx",
        b"$",
        b"NIL",
        b"HEADER.FIELDS ",
    ];
    prop_oneof![
        6 => prop::sample::select(pieces.to_vec()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        pieces in prop::collection::vec(piece(), 0..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let wire = pieces.concat();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        at.extend([0, wire.len()]);
        at.sort_unstable();
        let segments = at.windows(2).map(|pair| &wire[pair[0]..pair[1]]);
        let whole = events(small(), [wire.as_slice()]);
        prop_assert_eq!(&events(small(), segments), &whole);
        prop_assert_eq!(&events(small(), wire.chunks(1)), &whole);
    }

    #[test]
    fn any_bytes_are_survived(wire in prop::collection::vec(any::<u8>(), 0..400)) {
        events(small(), wire.chunks(7));
        events(Limits::before_login(), wire.chunks(50));
    }
}

#[test]
fn a_long_message_is_given_away_as_it_comes() {
    let limits = Limits::after_login(10_000_000);
    let message: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let wire = [b"a APPEND INBOX {1000000+}\r\n", message.as_slice(), b"\r\nb NOOP\r\n"].concat();
    for segment in [1_000, 16 * 1024, 70_000, wire.len()] {
        let mut receiver = Receiver::new(limits);
        let (mut came, mut commands) = (Vec::new(), Vec::new());
        for segment in wire.chunks(segment) {
            receiver.push(segment);
            loop {
                match receiver.poll() {
                    Event::NeedMore => break,
                    Event::Octets(octets) => came.extend(octets.0),
                    Event::Command(Tagged { command: Command::Append(append), .. }) => came.extend(append.message),
                    event => commands.push(event),
                }
            }
            assert!(held(&receiver) <= 3 * MESSAGE_OCTETS_MAX, "{} bytes held", held(&receiver));
        }
        assert!(came == message, "{segment}");
        assert_eq!(summary(&commands), ["b NOOP"]);
    }
}

/// The messages of an APPEND in the order in which they come: flags, date, octets.
fn messages(wire: &[u8], segment: usize) -> Vec<String> {
    let of = |tagged: &Tagged| {
        let Command::Append(append) = &tagged.command else { return "?".to_owned() };
        let text = String::from_utf8_lossy(&append.message).into_owned();
        format!("{} {:?} {} {text}", append.mailbox.as_str(), append.flags, append.date.is_some())
    };
    let told = |event: Event| match event {
        Event::Message(tagged) => Some(of(&tagged)),
        Event::Command(tagged) => Some(of(&tagged)),
        Event::Malformed(malformed) => Some(malformed.reason.to_string()),
        _ => None,
    };
    let limits = Limits { line_bytes_max: 80, ..small() };
    events(limits, wire.chunks(segment)).into_iter().filter_map(told).collect()
}

#[test]
fn each_of_several_messages_comes_with_its_own_flags_and_date() {
    let check = |wire: &str, expected: &[&str]| {
        for segment in [1, 7, wire.len()] {
            assert_eq!(messages(wire.as_bytes(), segment), expected, "{wire}");
        }
    };
    check(
        "a APPEND x (\\Seen) {2+}\r\nab \" 7-Jul-1996 02:44:25 -0700\" {1+}\r\nc {2+}\r\nde\r\n",
        &["x [Seen] false ab", "x [] true c", "x [] false de"],
    );
    check(
        "a APPEND {4+}\r\na bc UTF8 (~{1+}\r\na) (\\Seen) UTF8 (~{1+}\r\nb ) {1}\r\nc\r\n",
        &["a bc [] false a", "a bc [Seen] false b", "a bc [] false c"],
    );
    check("a APPEND x {1+}\r\na NOOP {1+}\r\nb\r\n", &["x [] false a", "Expected a literal"]);
    check("a APPEND x y {1+}\r\na {1+}\r\nb {1+}\r\nc\r\n", &["Expected a literal"]);
    check("a APPEND x {1+}\r\na {1+}\r\nb trailing\r\n", &["x [] false a", "Unexpected text after the command"]);
}

#[test]
fn a_catenation_comes_text_by_text() {
    let part = |part: &CatenatePart, text: &[u8]| match part {
        CatenatePart::Text => format!("'{}'", String::from_utf8_lossy(text)),
        CatenatePart::Url(url) => url.clone(),
    };
    let of = |append: &Append| {
        let parts: Vec<String> = append.parts.iter().map(|of| part(of, &append.message)).collect();
        format!("{:?} {}{}", append.flags, parts.join(" "), if append.goes_on { " …" } else { "" })
    };
    let told = |event: Event| match event {
        Event::Message(Tagged { command: Command::Append(append), .. })
        | Event::Command(Tagged { command: Command::Append(append), .. }) => {
            append.before.iter().chain([&append]).map(of).collect()
        }
        Event::Malformed(malformed) => vec![malformed.reason.to_string()],
        _ => Vec::new(),
    };
    let check = |wire: &str, expected: &[&str]| {
        let limits = Limits { line_bytes_max: 100, ..small() };
        for segment in [1, 7, wire.len()] {
            let events = events(limits, wire.as_bytes().chunks(segment));
            assert_eq!(events.into_iter().flat_map(told).collect::<Vec<String>>(), expected, "{wire}");
        }
    };
    check(
        "a APPEND x (\\Seen) CATENATE (URL a TEXT {2+}\r\n)( URL \")\" TEXT {1+}\r\nb URL {3+}\r\nc)d)\r\n",
        &["[Seen] a ')(' …", "[] ) 'b' c)d"],
    );
    check("a APPEND {5+}\r\nURL ( CATENATE (TEXT {1+}\r\na TEXT {0+}\r\n)\r\n", &["[] 'a' …", "[] ''"]);
    check(
        "a APPEND x CATENATE (URL a) (\\Seen) CATENATE (TEXT {1+}\r\nb URL c) (\\Draft) {1+}\r\nd CATENATE (URL e)\r\n",
        &["[] a", "[Seen] 'b' c", "[Draft] ", "[] e"],
    );
    check("a APPEND x CATENATE (TEXT {1+}\r\na\r\n", &["Expected the end of CATENATE"]);
    check("a APPEND x CATENATE (TEXT {1+}\r\na TEXT {1+}\r\nb\r\n", &["[] 'a' …", "Expected the end of CATENATE"]);
    check("a APPEND x CATENATE (TEXT {1+}\r\na URL) TEXT {1+}\r\nb)\r\n", &["Expected a space"]);
    check("a APPEND x CATENATE (URL {3+}\r\na\rb)\r\n", &["[] a b"]);
    check("a APPEND x CATENATE (URL {2+}\r\nab URL {2+}\r\nab)\r\n", &["Literal too big"]);
    let texts = " TEXT {40+}\r\n0123456789012345678901234567890123456789".repeat(1000);
    let wire = format!("a APPEND x CATENATE (URL a{texts})\r\n");
    // `events` looks at what is held.
    assert_eq!(events(small(), wire.as_bytes().chunks(16)).len(), 1000);
}

#[test]
fn a_replacement_put_together_of_parts_was_refused() {
    let told = |event: &Event| match event {
        Event::Message(Tagged { command: Command::Replace(replace), .. })
        | Event::Command(Tagged { command: Command::Replace(replace), .. }) => {
            let Append { message, parts, goes_on, .. } = &replace.append;
            format!("{} of {} {goes_on}", String::from_utf8_lossy(message), parts.len())
        }
        Event::Malformed(malformed) => malformed.reason.to_string(),
        _ => String::new(),
    };
    let check = |wire: &str, expected: &[&str]| {
        let events = events(small(), wire.as_bytes().chunks(7));
        assert_eq!(events.iter().map(told).collect::<Vec<String>>(), expected, "{wire}");
    };
    // RFC 8508 §4.2
    check("a UID REPLACE 7 x CATENATE (URL a TEXT {1+}\r\nb URL {1+}\r\nc)\r\n", &["b of 3 false"]);
    check("a REPLACE 7 x CATENATE (TEXT {1+}\r\na TEXT {1+}\r\nb)\r\n", &["a of 1 true", "b of 1 false"]);
    check("a REPLACE 7 x CATENATE (TEXT {1+}\r\na) {1+}\r\nb\r\n", &["Unexpected text after the command"]);
    check("a REPLACE 7 x CATENATE (TEXT {1+}\r\na\r\n", &["Expected the end of CATENATE"]);
}

#[test]
fn any_number_of_messages_holds_the_memory_of_one() {
    let one = " (\\Seen) {50+}\r\n01234567890123456789012345678901234567890123456789";
    let wire = format!("a APPEND x{}\r\n", one.repeat(1000));
    // `events` looks at what is held.
    assert_eq!(events(small(), wire.as_bytes().chunks(16)).len(), 1000);
}
