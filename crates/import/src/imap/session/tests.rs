//! The conversation, with a server that says what it is told to.

use super::*;
use crate::imap::server::Login;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

/// Says a piece at a time, and notes what it hears.
struct Scripted {
    says: VecDeque<Vec<u8>>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Read for Scripted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(mut piece) = self.says.pop_front() else { return Ok(0) };
        let count = piece.len().min(into.len());
        into[..count].copy_from_slice(&piece[..count]);
        let rest = piece.split_off(count);
        if !rest.is_empty() {
            self.says.push_front(rest);
        }
        Ok(count)
    }
}

impl Write for Scripted {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.heard.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn session(says: &[&str]) -> (Session, Arc<Mutex<Vec<u8>>>) {
    let heard = Arc::default();
    let says = says.iter().map(|piece| piece.as_bytes().to_vec()).collect();
    (Session::over(Box::new(Scripted { says, heard: Arc::clone(&heard) }), "old"), heard)
}

fn heard(heard: &Mutex<Vec<u8>>) -> String {
    String::from_utf8(heard.lock().unwrap().clone()).unwrap()
}

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
fn a_command_that_a_literal_stops_is_not_sent() {
    let (mut session, told) = session(&["i1 NO not that\r\n"]);
    let refused = session.ask(&[Word::Plain("EXAMINE "), Word::String("ä".as_bytes())], |_| Ok(()));
    assert!(matches!(refused, Err(SourceError::Refused(_))));
    assert_eq!(heard(&told), "i1 EXAMINE {2}\r\n");
}
