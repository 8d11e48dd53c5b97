//! Reading a message on the pages: as text, or as it was sent behind a wall, with files to take away, by its owner alone.

use crate::site::CLEANED_MAX;
use crate::testing::{ALICE, PASSWORD, World};
use axum::http::StatusCode;
use store::{AccountId, Actor, DeviceId, Flags, NewMessage, Protocol, Target};

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
    let page = alice.get(&format!("/messages/{email}/read?as=text")).text;
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
    for page in ["read", "read?as=sent", "sent", "source", "files/2"] {
        let path = format!("/messages/{email}/{page}");
        let answer = bob.get(&path);
        assert!(answer.status == StatusCode::NOT_FOUND && !answer.text.contains("Hello"), "{page}: {}", answer.text);
        assert_eq!(world.browser().get(&path).status, StatusCode::SEE_OTHER, "a stranger logs in first");
    }
}

const LETTER: &str = "From: carol@example.net\r\nSubject: Sale\r\nContent-Type: multipart/related; boundary=o\r\n\r\n\
    --o\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
    --a\r\nContent-Type: text/plain\r\n\r\nplain words\r\n\
    --a\r\nContent-Type: text/html\r\n\r\n<title>x</title><p style=color:#a0b onclick=x()>rich words<script>evil()</script>\
    <img src=cid:logo><img src=cid:none><img src=https://tracker.example/pixel><img src=//tracker.example/pixel>\r\n--a--\r\n\
    --o\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <logo>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--o--\r\n";

#[test]
fn what_was_sent_is_shown_in_a_frame_behind_a_wall_of_its_own() {
    let world = World::new();
    let email = deliver(&world, LETTER.as_bytes().to_vec());
    let mut alice = world.alice();
    let text = alice.get(&format!("/messages/{email}/read"));
    assert!(text.text.contains("plain words") && !text.text.contains("<iframe"), "its plain text first: {}", text.text);
    assert!(!text.header("content-security-policy").contains("frame-src"), "nothing is framed on that page");
    let (as_sent, sent) = (format!("/messages/{email}/read?as=sent"), format!("/messages/{email}/sent"));
    assert!(text.text.contains(&as_sent), "{}", text.text);
    let page = alice.get(&as_sent);
    let frame =
        format!("<iframe class=\"sent\" src=\"{sent}\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\"");
    for expected in [
        frame.as_str(),
        "2 pictures are not shown",
        "1 picture of the message cannot be shown",
        "logo.png",
        "/read?as=text",
    ] {
        assert!(page.text.contains(expected), "{expected}: {}", page.text);
    }
    assert!(!page.text.contains("rich words") && !page.text.contains("plain words"), "{}", page.text);
    assert_eq!(
        page.header("content-security-policy").strip_suffix("; frame-src 'self'"),
        Some(text.header("content-security-policy")),
        "one wall has one door, and is else as it was"
    );
    let sent = alice.get(&sent);
    assert_eq!((sent.status, sent.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    let body = sent.text.split_once("<body>").unwrap().1;
    let expected = "<p style=\"color:#a0b\">rich words<img src=\"data:image/png;base64,iVBORw0KGgo=\"><img><img><img></p></body>\n</html>";
    assert_eq!(body.replace("\r\n", "\n"), expected);
    let wall = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
                form-action 'none'; base-uri 'none'; frame-ancestors 'self'";
    for (name, value) in [
        ("content-security-policy", wall),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", ""),
    ] {
        assert_eq!(sent.header(name), value, "{name}");
    }
    let unread = world.account(ALICE).mailboxes().unwrap().by_name("INBOX").unwrap().counts.unseen;
    assert_eq!(unread, 1, "to look at it here marks nothing as read");
}

#[test]
fn where_there_is_no_plain_text_it_is_shown_as_it_was_sent_and_where_there_is_no_html_never() {
    let world = World::new();
    let mut alice = world.alice();
    let mut read = |content_type: &str, wanted: &str| {
        let email =
            deliver(&world, format!("Subject: x\r\nContent-Type: {content_type}\r\n\r\n<p>words\r\n").into_bytes());
        let page = alice.get(&format!("/messages/{email}/read{wanted}")).text;
        (page.contains("<iframe"), page.contains("?as="), alice.get(&format!("/messages/{email}/sent")).status)
    };
    assert_eq!(read("text/html", ""), (true, true, StatusCode::OK));
    assert_eq!(read("text/html", "?as=text"), (false, true, StatusCode::OK));
    assert_eq!(read("text/plain", ""), (false, false, StatusCode::NOT_FOUND));
    assert_eq!(read("text/plain", "?as=sent"), (false, false, StatusCode::NOT_FOUND));
    assert_eq!(read("application/zip", ""), (false, false, StatusCode::NOT_FOUND));
}

#[test]
fn few_are_made_safe_at_the_same_time() {
    let world = World::new();
    let email = deliver(&world, LETTER.as_bytes().to_vec());
    let mut alice = world.alice();
    let mut get = |path: &str| alice.get(&format!("/messages/{email}/{path}"));
    let others = |n: usize| AccountId(1_000_000 + u32::try_from(n).unwrap());
    let mut places: Vec<_> = (0..CLEANED_MAX).map(|n| world.site.begin_cleaning(others(n)).unwrap()).collect();
    let busy = get("sent");
    assert_eq!(busy.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(busy.header("content-security-policy").contains("frame-ancestors 'self'"), "it is seen in the frame");
    let page = get("read?as=sent");
    assert_eq!(page.status, StatusCode::OK, "its text needs none");
    assert!(
        page.text.contains("plain words") && page.text.contains("Many messages are being looked at"),
        "{}",
        page.text
    );
    assert!(!page.text.contains("<iframe") && page.text.contains("logo.png"), "{}", page.text);
    assert!(!get("read").text.contains("Many messages"));
    places.pop();
    for path in ["sent", "read?as=sent", "sent"] {
        assert_eq!(get(path).status, StatusCode::OK, "{path}: a place is given back");
    }
    let own = world.site.begin_cleaning(world.account(ALICE).id()).unwrap();
    places.clear();
    assert_eq!(get("sent").status, StatusCode::TOO_MANY_REQUESTS, "one of an account");
    assert!(world.site.begin_cleaning(world.account(ALICE).id()).is_none(), "and who is refused takes no place");
    drop(own);
    assert_eq!(get("sent").status, StatusCode::OK);
}

#[test]
fn who_has_to_log_in_again_reads_so_in_the_frame() {
    let world = World::new();
    let mut stranger = world.browser();
    stranger.extra.push(("sec-fetch-dest", "iframe".to_owned()));
    let answer = stranger.get("/messages/1/sent");
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'self'"));
    assert_eq!(stranger.get("/messages/1/read").status, StatusCode::SEE_OTHER);
}
