//! The conversation, with a server that says what it is told to.

use super::*;
use crate::imap::scripted::{heard, session};
use crate::imap::server::Login;

fn server(login: Login) -> Server {
    Server { login, ..Server::parse("imap://old").unwrap() }
}

fn login(master: Option<&str>, separator: Option<char>) -> Login {
    Login { user: "al\"ice".to_owned(), master: master.map(str::to_owned), separator, password: "pä".to_owned() }
}

#[test]
fn a_password_is_said_as_the_server_takes_it() {
    let plain = |authorization: Option<&str>, user: &str| sasl::client::plain(authorization, user, "pä");
    let check = |capabilities: &str, rest: &[&str], login: Login, expected: &str| {
        let greeting = format!("* OK [CAPABILITY {capabilities}] hello\r\n");
        let (mut session, told) = session(&[&[greeting.as_str()], rest].concat());
        assert!(session.greeting().unwrap());
        session.log_in(&server(login)).unwrap();
        assert_eq!(heard(&told), expected);
    };
    let done = "i1 OK [CAPABILITY IMAP4rev1] in\r\n";
    let expected = format!("i1 AUTHENTICATE PLAIN {}\r\n", plain(None, "al\"ice"));
    check("AUTH=PLAIN SASL-IR", &[done], login(None, None), &expected);
    let expected = format!("i1 AUTHENTICATE PLAIN\r\n{}\r\n", plain(Some("al\"ice"), "root"));
    check("IMAP4rev1", &["+ \r\n", done], login(Some("root"), None), &expected);
    let expected = format!("i1 AUTHENTICATE PLAIN {}\r\n", plain(None, "al\"ice*root"));
    check("AUTH=PLAIN SASL-IR", &[done], login(Some("root"), Some('*')), &expected);
    check("IMAP4rev1", &["+ go\r\n", done], login(None, None), "i1 LOGIN \"al\\\"ice\" {3}\r\npä\r\n");
}

#[test]
fn a_server_that_wants_no_password_gets_none() {
    let (mut session, told) = session(&["* OK [CAPABILITY LOGINDISABLED] hello\r\n"]);
    session.greeting().unwrap();
    let refused = session.log_in(&server(login(None, None)));
    assert!(matches!(refused, Err(SourceError::Refused(why)) if why.contains("STARTTLS")));
    assert_eq!(heard(&told), "");
}

#[test]
fn what_it_says_is_told_and_cannot_steer_a_terminal() {
    let (mut session, _) = session(&["i1 NO [AUTHENTICATIONFAILED] \u{1b}[2Jno\r\n"]);
    let refused = session.ask(&[Word::Plain("NOOP")], |_| Ok(()));
    assert_eq!(refused, Err(SourceError::Refused("old says: NO [AUTHENTICATIONFAILED] [2Jno".to_owned())));
}

#[test]
fn a_connection_that_ends_is_asked_again_and_one_that_talks_for_ever_is_not() {
    let is_broken = |says: &[&str]| {
        let (mut session, _) = session(says);
        match session.ask(&[Word::Plain("NOOP")], |_| Ok(())) {
            Err(SourceError::Broken(_)) => true,
            Err(SourceError::Refused(_)) => false,
            Ok(()) => panic!("it has not answered"),
        }
    };
    assert!(is_broken(&["* 1 EXISTS\r\n"]));
    assert!(is_broken(&["* BYE shutting down\r\n", "i1 OK\r\n"]));
    let endless = "* 1 EXISTS\r\n".repeat(RESPONSES_MAX);
    assert!(!is_broken(&[&endless, "i1 OK\r\n"]));
    let (mut session, _) = session(&[&endless["* 1 EXISTS\r\n".len()..], "i1 OK\r\n"]);
    assert_eq!(session.ask(&[Word::Plain("NOOP")], |_| Ok(())), Ok(()));
}

#[test]
fn what_it_can_do_is_listed_so_far_and_no_further() {
    let known = |count: usize| {
        let words: String = (0..count).map(|number| format!(" X{number}")).collect();
        let (mut session, _) = session(&[&format!("* OK [CAPABILITY{words}] hello\r\n")]);
        assert!(session.greeting().unwrap());
        session.capabilities.len()
    };
    assert_eq!((known(CAPABILITIES_MAX), known(CAPABILITIES_MAX + 1)), (CAPABILITIES_MAX, CAPABILITIES_MAX));
    // As often as it likes, and the last one counts.
    let told = "* CAPABILITY A B\r\n".repeat(1000) + "* CAPABILITY C\r\ni1 OK\r\n";
    let (mut session, _) = session(&[&told]);
    session.learn_capabilities().unwrap();
    assert_eq!(session.capabilities, HashSet::from(["C".to_owned()]));
}

#[test]
fn a_command_has_an_answer_of_so_many_octets() {
    let asked = |line: usize| {
        // As many lines as there may be, less one that is as long as is left; what ends them counts as well.
        let end = "i1 OK\r\n";
        let lines = COMMAND_BYTES_MAX / 1024 - 1;
        let says = ("*".repeat(1022) + "\r\n").repeat(lines) + &"*".repeat(line - 2 - end.len()) + "\r\n" + end;
        let (mut session, _) = session(&[&says]);
        session.ask(&[Word::Plain("LIST \"\" \"*\"")], |_| Ok(()))
    };
    assert_eq!(asked(1024), Ok(()));
    let refused = SourceError::Refused("old answers a command with more than any can need (16 MiB)".to_owned());
    assert_eq!(asked(1025), Err(refused));
    // The next command has its own.
    let answer = |tag: &str| ("*".repeat(1022) + "\r\n").repeat(COMMAND_BYTES_MAX / 1024 * 2 / 3) + tag + " OK\r\n";
    let (mut session, _) = session(&[&answer("i1"), &answer("i2")]);
    for _ in 0..2 {
        assert_eq!(session.ask(&[Word::Plain("NOOP")], |_| Ok(())), Ok(()));
    }
}

#[test]
fn a_command_may_take_as_long_as_what_it_brings() {
    assert_eq!(patience(0), COMMAND_PATIENCE);
    assert_eq!(patience(SLOWEST_BYTES_PER_SECOND * 60), COMMAND_PATIENCE + Duration::from_secs(60));
}

#[test]
fn a_command_that_a_literal_stops_is_not_sent() {
    let (mut session, told) = session(&["i1 NO not that\r\n"]);
    let refused = session.ask(&[Word::Plain("EXAMINE "), Word::String("ä".as_bytes())], |_| Ok(()));
    assert!(matches!(refused, Err(SourceError::Refused(_))));
    assert_eq!(heard(&told), "i1 EXAMINE {2}\r\n");
}
