//! A server that says what it should.

use super::*;

const SAYS: &str = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello\r\ni1 OK in\r\ni2 OK\r\n\
    * LIST () \"/\" INBOX\r\ni3 OK\r\ni4 OK\r\n* OK [UIDVALIDITY 7] x\r\ni5 OK\r\n* SEARCH 1 3\r\ni6 OK\r\n\
    * 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE 4)\r\n* 2 FETCH (UID 3 FLAGS ())\r\ni7 OK\r\n\
    * 1 FETCH (UID 1 BODY[] {4}\r\ntext)\r\n* 2 FETCH (UID 3 BODY[] \"more\")\r\ni8 OK\r\n";

#[test]
fn what_a_server_says_is_understood_however_it_comes() {
    let understood = understood(SAYS.as_bytes(), 1000);
    assert_eq!(understood.error, None);
    assert_eq!(understood.read, [Content::Octets(b"text".to_vec()), Content::Octets(b"more".to_vec())]);
    for step in 1..SAYS.len() {
        assert_eq!(imap(SAYS.as_bytes(), step), Ok(()), "{step}");
    }
    for end in 0..SAYS.len() {
        assert_eq!(imap(&SAYS.as_bytes()[..end], 7), Ok(()), "{end}");
    }
}
