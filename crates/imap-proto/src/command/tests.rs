//! What the tests of all commands use, and the tests of the dispatcher.

use super::*;
use crate::receiver::{Event, Receiver};
use crate::sequence::MessageSet;

/// The one event that `wire` (a command without tag and line end) comes to, continuations granted.
fn event(wire: &[u8]) -> Event {
    let mut receiver = Receiver::new(Limits::after_login(1000));
    receiver.push(b"a1 ");
    receiver.push(wire);
    receiver.push(b"\r\n");
    loop {
        match receiver.poll() {
            Event::Literal(_) => {}
            event => {
                assert_eq!(receiver.poll(), Event::NeedMore);
                return event;
            }
        }
    }
}

pub(crate) fn parse_one(wire: &str) -> Command {
    match event(wire.as_bytes()) {
        Event::Command(Tagged { tag, command }) => {
            assert_eq!(tag.as_str(), "a1");
            command
        }
        other => panic!("{wire}: {other:?}"),
    }
}

pub(crate) fn check(wire: &str, expected: Command) {
    assert_eq!(parse_one(wire), expected, "{wire}");
}

pub(crate) fn refuse_one(wire: &str, reason: Reason) {
    assert_eq!(event(wire.as_bytes()), Event::Malformed(Malformed { tag: Tag::new("a1"), reason }), "{wire}");
}

pub(crate) fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

pub(crate) fn set(text: &str) -> SequenceSet {
    SequenceSet::parse(text.as_bytes(), 100).unwrap()
}

pub(crate) fn messages(text: &str) -> MessageSet {
    if text == "$" { MessageSet::Saved } else { MessageSet::Numbers(set(text)) }
}

#[test]
fn commands_without_arguments() {
    for (wire, command) in [
        ("CAPABILITY", Command::Capability),
        ("noop", Command::Noop),
        ("Logout  ", Command::Logout),
        ("STARTTLS", Command::StartTls),
        ("NAMESPACE", Command::Namespace),
        ("IDLE", Command::Idle),
        ("CHECK", Command::Check),
        ("CLOSE", Command::Close),
        ("UNSELECT", Command::Unselect),
        ("EXPUNGE", Command::Expunge),
    ] {
        check(wire, command.clone());
        assert_eq!(command.name(), wire.trim().to_ascii_uppercase());
        refuse_one(&format!("{wire} x"), Reason::Trailing);
    }
}

#[test]
fn what_is_no_command() {
    refuse_one("", Reason::MissingCommand);
    refuse_one("FOO", Reason::UnknownCommand);
    refuse_one("NOOP {3}\r\nabc", Reason::Trailing);
    refuse_one("NOOP\r", Reason::Trailing);
    refuse_one("LOGIN \"a", Reason::Expected("the end of a quoted string"));
    refuse_one("LOGIN \"a {3+}\r\nabc\" b", Reason::Expected("the end of a quoted string"));
    refuse_one("SELECT a{1}\r\nb", Reason::Trailing);
}

#[test]
fn lists_are_bounded() {
    let many = |count: usize| format!("STATUS a ({})", "UNSEEN ".repeat(count));
    assert!(matches!(parse_one(&many(2_000)), Command::Status(_)));
    refuse_one(&many(2_001), Reason::TooMany);
    let ranges = |count: usize| format!("UID EXPUNGE 1{}", ",2".repeat(count - 1));
    assert!(matches!(parse_one(&ranges(10_000)), Command::UidExpunge(_)));
    refuse_one(&ranges(10_001), Reason::TooMany);
    let keys = |count: usize| format!("SEARCH{}", " ALL".repeat(count));
    assert!(matches!(parse_one(&keys(2_000)), Command::Search(_)));
    refuse_one(&keys(2_001), Reason::TooMany);
}

#[test]
fn names_are_read_in_the_dialect() {
    let mut receiver = Receiver::new(Limits::after_login(0));
    receiver.push(b"a DELETE R&-D\r\n");
    receiver.push("b DELETE \"Entwürfe&-\"\r\n".as_bytes());
    assert!(matches!(receiver.poll(), Event::Command(t) if t.command == Command::Delete(name("R&D"))));
    receiver.set_dialect(Dialect::Utf8);
    assert!(matches!(receiver.poll(), Event::Command(t) if t.command == Command::Delete(name("Entwürfe&-"))));
}
