//! Reading a message on the pages: as text, with files to take away, by its owner alone.

use crate::testing::{ALICE, PASSWORD, World};
use axum::http::StatusCode;
use store::{Actor, DeviceId, Flags, NewMessage, Protocol, Target};

const MESSAGE: &str = "From: \"<img src=x>\" <carol@example.net>\r\nTo: alice@example.org\r\n\
    Date: Fri, 27 Nov 2026 10:00:00 +0100\r\nSubject: Read me\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n\
    --o\r\nContent-Type: text/html\r\n\r\n<p onclick=x()>Hello <b>Alice</b>, 1 &lt; 2</p><script>evil()</script>\
    <img src=\"https://tracker.example/pixel\"><iframe src=//evil.example></iframe>\r\n\
    --o\r\nContent-Type: text/html; name=\"page <b>.html\"\r\nContent-Disposition: attachment\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nPHNjcmlwdD5ldmlsKCk8L3NjcmlwdD4=\r\n--o--\r\n";

fn deliver(world: &World, body: Vec<u8>) -> String {
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: world.now() };
    let message = NewMessage { body, flags: Flags::default(), internal_date: world.now() };
    world.account(ALICE).append(actor, Target::Inbox, message).unwrap().email.text()
}

#[test]
fn a_message_is_read_as_text_and_nothing_of_it_is_html() {
    let world = World::new();
    let email = deliver(&world, MESSAGE.as_bytes().to_vec());
    let mut alice = world.alice();
    assert!(alice.get("/find?text=hello").text.contains(&format!("/messages/{email}/read")));
    assert!(alice.get(&format!("/messages/{email}")).text.contains("<b>Now</b> <bdi>in INBOX</bdi>"));
    let page = alice.get(&format!("/messages/{email}/read")).text;
    for text in
        ["Hello Alice, 1 &#60; 2", "27 November 2026, 09:00 UTC", "&#60;img src=x&#62; &#60;carol@example.net&#62;"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    for text in ["evil", "tracker", "<iframe", "onclick", "<img src=x", "page <b>"] {
        assert!(!page.contains(text), "{text}: {page}");
    }
    let unread = world.account(ALICE).mailboxes().unwrap().by_name("INBOX").unwrap().counts.unseen;
    assert_eq!(unread, 1, "to look at it here marks nothing as read");
}

#[test]
fn a_file_is_taken_away_and_never_shown() {
    let world = World::new();
    let email = deliver(&world, MESSAGE.as_bytes().to_vec());
    let mut alice = world.alice();
    let page = alice.get(&format!("/messages/{email}/read")).text;
    let path = format!("/messages/{email}/files/2");
    assert!(page.contains(&path) && page.contains("page &#60;b&#62;.html"), "{page}");
    let file = alice.get(&path);
    assert_eq!(file.text, "<script>evil()</script>");
    let disposition = "attachment; filename=\"page _b_.html\"; filename*=UTF-8''page%20%3Cb%3E.html";
    assert_eq!(file.header("content-disposition"), disposition);
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    let source = alice.get(&format!("/messages/{email}/source"));
    assert_eq!(source.text, MESSAGE, "octet for octet");
    assert_eq!(source.header("content-type"), "application/octet-stream");
    assert!(source.header("content-disposition").starts_with("attachment; filename=\"message.eml\""));
    for nothing in ["files/9", "files/x", "files/2.1", "files/0", "files/4294967296"] {
        assert_eq!(alice.get(&format!("/messages/{email}/{nothing}")).status, StatusCode::NOT_FOUND, "{nothing}");
    }
}

#[test]
fn a_large_file_comes_in_pieces_and_whole() {
    let world = World::new();
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5\r\n";
    let head = "Subject: large\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let email = deliver(&world, format!("{head}{}", line.repeat(20_000)).into_bytes());
    let mut alice = world.alice();
    let file = alice.get(&format!("/messages/{email}/files/1"));
    assert_eq!(file.text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxy".repeat(20_000));
    assert!(alice.get(&format!("/messages/{email}/read")).text.contains("There is no text in this message."));
}

#[test]
fn nobody_else_reads_it() {
    let world = World::new();
    let email = deliver(&world, MESSAGE.as_bytes().to_vec());
    let mut bob = world.browser();
    bob.log_in("bob@example.org", PASSWORD);
    for page in ["read", "source", "files/2"] {
        let path = format!("/messages/{email}/{page}");
        let answer = bob.get(&path);
        assert!(answer.status == StatusCode::NOT_FOUND && !answer.text.contains("Hello"), "{page}: {}", answer.text);
        assert_eq!(world.browser().get(&path).status, StatusCode::SEE_OTHER, "a stranger logs in first");
    }
}
