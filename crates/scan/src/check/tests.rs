//! What filters say is heard, and what must hold of it can fail.

use super::*;
use crate::edit::Edit;

/// A message whose header and body are told apart by an empty line.
fn question() -> Question {
    Question {
        id: "1a".into(),
        hostname: "mail.example.org".into(),
        address: [192, 0, 2, 1].into(),
        name: None,
        helo: "client.example".into(),
        tls: None,
        mail_from: "a@client.example".into(),
        recipients: vec!["b@example.org".into()],
        content: b"Subject: x\r\n\r\ntext\r\n".to_vec(),
    }
}

#[test]
fn what_is_held_of_opinions_can_fail() {
    let reason = |reason: &str| Opinion { reason: reason.to_owned(), ..Opinion::default() };
    assert_eq!(holds(&reason("it looks odd"), &question()), Ok(()));
    assert!(holds(&reason("it\r\n250 looks well"), &question()).is_err());
    let edits = vec![Edit::append("X", b"y").unwrap(); EDITS_MAX + 1];
    assert!(holds(&Opinion { edits, ..Opinion::default() }, &question()).is_err());
}

#[test]
fn a_milter_and_rspamd_are_heard() {
    let packet = |letter: u8, data: &[u8]| {
        let length = u32::try_from(data.len() + 1).unwrap().to_be_bytes();
        [&length[..], &[letter], data].concat()
    };
    let numbers = [6_u32, 0x31, 0].map(u32::to_be_bytes).concat();
    // It negotiates, hears all, and changes something at the end.
    let says =
        [packet(b'O', &numbers), packet(b'c', b"").repeat(8), packet(b'h', b"X\0y\0"), packet(b'a', b"")].concat();
    assert_eq!(milter(&question(), &says), Ok(()));
    let heard = block_on(milter::converse(tokio::io::join(&says[..], tokio::io::sink()), &question())).unwrap();
    assert_eq!(heard.edits, [Edit::append("X", b"y").unwrap()]);
    let says = br#"{"action": "reject", "messages": {"smtp_message": "a\r\nb"}}"#;
    assert_eq!(rspamd(&question(), says), Ok(()));
    assert_eq!(rspamd::read(says).unwrap().reason, "a b");
}
