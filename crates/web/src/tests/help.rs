//! Help with a lost mail: what an administrator sees of somebody's mail, with the owner's leave and without.

use crate::testing::{ALICE, Answered, Browser, PASSWORD, World};
use axum::http::StatusCode;
use serde_json::{Value, json};
use store::{Actor, DeviceId, Expunge, Flags, NewMessage, Protocol, SystemFlag, Target};

const BOB: &str = "bob@example.org";
const MESSAGE: &str = "From: Carol <carol@far.example>\r\nTo: bob@example.org\r\nCc: dan@far.example\r\nSubject: The invoice\r\n\
    Message-ID: <one@far.example>\r\nX-Secret-Field: hush\r\nDate: Mon, 21 Sep 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nthe confidential body\r\n--b\r\n\
    Content-Type: application/pdf; name=salary.pdf\r\nContent-Disposition: attachment; filename=salary.pdf\r\n\r\nx\r\n--b--\r\n";

fn session<'a>(world: &'a World, address: &str) -> Browser<'a> {
    let mut browser = world.browser();
    assert_eq!(browser.log_in(address, PASSWORD).status, StatusCode::SEE_OTHER, "{address}");
    let token = browser.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    browser.extra.push(("x-csrf-token", token));
    browser
}

/// Alice administers the server; Bob has a message, which he removed.
fn world() -> (World, String) {
    let world = World::new();
    world.auth.directory().set_admin(ALICE, true).unwrap();
    let account = world.account(BOB);
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: world.now() };
    let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    let flags = Flags::system(&[SystemFlag::Deleted]);
    let new = NewMessage { body: MESSAGE.as_bytes().to_vec(), flags, internal_date: world.now() };
    let email = account.append(actor, Target::Inbox, new).unwrap().email;
    let (device, _) = world.auth.add_device(account.id(), "phone", None, world.now()).unwrap();
    account.expunge(Actor { device, ..actor }, inbox, Expunge::AllDeleted).unwrap();
    (world, email.text())
}

const FOUND: &str = "/api/v1/admin/accounts/bob@example.org/messages";

fn found(answer: &Answered) -> usize {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()["messages"].as_array().unwrap().len()
}

#[test]
fn without_the_owners_leave_nobody_looks() {
    let (world, id) = world();
    let mut alice = session(&world, ALICE);
    let paths = [FOUND.to_owned(), format!("{FOUND}/{id}"), format!("{FOUND}/{id}/bring-back")];
    let pages = ["find".to_owned(), format!("messages/{id}"), "find?text=invoice".to_owned()];
    let number = world.account(BOB).id();
    let mut refused = |which: &str| {
        for path in &paths {
            let answer = match path.ends_with("bring-back") {
                true => alice.call(path, "{}"),
                false => alice.get(path),
            };
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{which} {path}: {}", answer.text);
            assert!(!answer.text.contains("invoice") && !answer.text.contains("carol"), "{}", answer.text);
        }
        for page in &pages {
            let answer = alice.get(&format!("/admin/accounts/{number}/{page}"));
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{which} {page}: {}", answer.text);
        }
    };
    refused("never asked");
    let mut bob = session(&world, BOB);
    assert_eq!(bob.call("/api/v1/help", r#"{"for": "hour", "texts": true}"#).json()["open"], true);
    bob.call("/api/v1/help/end", "{}");
    refused("ended by its owner");
    bob.call("/api/v1/help", r#"{"for": "hour"}"#);
    world.wait_millis(3600 * 1000);
    refused("over by itself");
    let card = bob.get("/api/v1/help").json();
    assert_eq!((&card["open"], &card["looks"]), (&json!(false), &json!([])), "nothing was seen, nothing is noted");
    assert_eq!(bob.call("/api/v1/help", r#"{"for": "year"}"#).status, StatusCode::BAD_REQUEST);
    assert_eq!(bob.get(FOUND).status, StatusCode::FORBIDDEN, "who is no administrator helps nobody");
}

#[test]
fn headers_are_found_and_no_text_tells_what_it_says() {
    let (world, id) = world();
    let (mut alice, mut bob) = (session(&world, ALICE), session(&world, BOB));
    let card = bob.call("/api/v1/help", r#"{"for": "day"}"#).json();
    assert_eq!((&card["open"], &card["texts"]), (&json!(true), &json!(false)));
    for (query, expected) in [
        ("text=invoice", 1),
        ("text=carol", 1),
        ("text=dan@far", 1),
        ("text=one@far.example", 1),
        ("text=invoice+carol", 1),
        ("text=invoice+nobody", 0),
        ("from=carol", 1),
        ("from=dan", 0),
        ("subject=INVOICE", 1),
        ("subject=carol", 0),
        ("since=2026-09-21&until=2026-09-21", 1),
        ("until=2026-09-20", 0),
        ("removed=on", 1),
        // None of these may be an oracle.
        ("text=confidential", 0),
        ("text=%22the+confidential+body%22", 0),
        ("text=hush", 0),
        ("text=salary", 0),
        ("text=multipart", 0),
    ] {
        assert_eq!(found(&alice.get(&format!("{FOUND}?{query}"))), expected, "{query}");
    }
    let line = alice.get(&format!("{FOUND}?text=invoice")).json()["messages"][0].clone();
    assert!(line["text"].as_str().unwrap().contains("removed") && line["comes_back"].is_string(), "{line}");
    let number = world.account(BOB).id();
    for path in [format!("{FOUND}/{id}"), format!("/admin/accounts/{number}/messages/{id}")] {
        let answer = alice.get(&path);
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        for shown in ["The invoice", "carol@far.example", "bob@example.org", "dan@far.example", "2026"] {
            assert!(answer.text.contains(shown), "{path} lacks {shown}: {}", answer.text);
        }
        for hidden in ["confidential", "salary", "hush"] {
            assert!(!answer.text.contains(hidden), "{path} has {hidden}: {}", answer.text);
        }
    }
    for path in ["source", "read", "files/2"] {
        let answer = alice.get(&format!("/messages/{id}/{path}"));
        assert!(!answer.status.is_success(), "{path}: what is not hers");
    }
    let page = alice.get(&format!("/admin/accounts/{number}/find?text=invoice")).text;
    assert!(page.contains("The invoice") && page.contains("Bring it back") && page.contains("no text"), "{page}");
}

#[test]
fn texts_are_seen_where_their_owner_lets_them_be() {
    let (world, id) = world();
    let (mut alice, mut bob) = (session(&world, ALICE), session(&world, BOB));
    bob.submit("/account", "/account/help", &[("for", "week"), ("texts", "on")]);
    assert!(bob.get("/account").text.contains("An administrator may look for your mail, and read its text."));
    assert_eq!(found(&alice.get(&format!("{FOUND}?text=confidential"))), 1);
    let message = alice.get(&format!("{FOUND}/{id}")).json();
    assert!(message["texts"][0].as_str().unwrap().contains("the confidential body"), "{message}");
    let number = world.account(BOB).id();
    let page = alice.get(&format!("/admin/accounts/{number}/messages/{id}")).text;
    assert!(page.contains("the confidential body") && page.contains("salary.pdf") && !page.contains("hush"), "{page}");
    bob.call("/api/v1/help", r#"{"for": "hour"}"#);
    assert_eq!(found(&alice.get(&format!("{FOUND}?text=confidential"))), 0, "asked anew, without");
}

#[test]
fn what_was_sent_is_seen_where_texts_are_and_without_pictures() {
    let (world, _) = world();
    let account = world.account(BOB);
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: world.now() };
    let body = b"Subject: Rich\r\nContent-Type: text/html\r\n\r\n<p>confidential<img src=data:image/png;base64,iVBORw0KGgo=>\r\n";
    let new = NewMessage { body: body.to_vec(), flags: Flags::default(), internal_date: world.now() };
    let id = account.append(actor, Target::Inbox, new).unwrap().email.text();
    let (mut alice, mut bob) = (session(&world, ALICE), session(&world, BOB));
    let page = format!("/admin/accounts/{}/messages/{id}", account.id());
    assert_eq!(alice.get(&format!("{page}/sent")).status, StatusCode::FORBIDDEN, "never asked");
    bob.call("/api/v1/help", r#"{"for": "day"}"#);
    let refused = alice.get(&format!("{page}/sent"));
    assert!(refused.status == StatusCode::FORBIDDEN && !refused.text.contains("confidential"), "{}", refused.text);
    let shown = alice.get(&format!("{page}?as=sent")).text;
    assert!(!shown.contains("<iframe") && !shown.contains("confidential") && !shown.contains("?as=sent"), "{shown}");
    assert_eq!(bob.get("/api/v1/help").json()["looks"][0]["opened"], json!(1), "one look");
    bob.call("/api/v1/help", r#"{"for": "day", "texts": true}"#);
    world.wait_millis(11 * 60 * 1000);
    let text = alice.get(&page).text;
    assert!(text.contains("confidential") && text.contains(&format!("{page}?as=sent")), "{text}");
    world.wait_millis(11 * 60 * 1000);
    let framing = alice.get(&format!("{page}?as=sent"));
    assert!(framing.text.contains(&format!("<iframe class=\"sent\" src=\"{page}/sent\" sandbox=")), "{}", framing.text);
    assert!(
        framing.header("content-security-policy").ends_with("; frame-src 'self'")
            && !framing.text.contains("confidential")
    );
    let sent = alice.get(&format!("{page}/sent"));
    assert!(sent.text.contains("<body><p>confidential<img>"), "{}", sent.text);
    assert!(sent.header("content-security-policy").starts_with("sandbox "));
    let look = bob.get("/api/v1/help").json()["looks"][0].clone();
    assert_eq!((&look["opened"], &look["read"]), (&json!(1), &json!(1)), "{look}");
}

#[test]
fn every_look_is_in_the_timeline_of_the_owner_and_in_the_audit() {
    let (world, id) = world();
    let (mut alice, mut bob) = (session(&world, ALICE), session(&world, BOB));
    bob.call("/api/v1/help", r#"{"for": "day"}"#);
    for n in 0..40 {
        alice.get(&format!("{FOUND}?text=word{}", n % 3));
    }
    alice.get(&format!("{FOUND}/{id}"));
    let back = alice.call(&format!("{FOUND}/{id}/bring-back"), "{}");
    assert_eq!((back.status, &back.json()["restored"]), (StatusCode::OK, &json!(1)), "{}", back.text);
    let looks = bob.get("/api/v1/help").json()["looks"].clone();
    let look = &looks[0];
    assert_eq!((looks.as_array().unwrap().len(), &look["who"], &look["searches"]), (1, &json!(ALICE), &json!(40)));
    assert_eq!(look["questions"], json!(["word0", "word1", "word2"]));
    assert_eq!((&look["opened"], &look["read"], &look["brought_back"]), (&json!(1), &json!(0), &json!(1)));
    let told = "alice@example.org helped to look for mail here: searched 40 times (“word0”, “word1”, “word2”), looked at the headers \
                of 1 message, brought back 1 message";
    assert!(bob.get("/timeline").text.contains(told), "{}", bob.get("/timeline").text);
    assert!(bob.get("/account").text.contains(told));
    let line = bob.get("/api/v1/timeline?search=helped").json()["lines"][0].clone();
    assert_eq!((&line["entry"], &line["messages"][0]["id"]), (&json!(0), &json!(id)));
    let inbox = world.account(BOB).mailboxes().unwrap().by_name("INBOX").unwrap().id;
    assert_eq!(world.account(BOB).view(inbox).unwrap().index().len(), 1, "it is back");
    let audit = alice.get("/api/v1/admin/audit").json();
    let acts: Vec<&str> = audit["acts"].as_array().unwrap().iter().map(|act| act["text"].as_str().unwrap()).collect();
    let count = |part: &str| acts.iter().filter(|act| act.contains(part)).count();
    assert_eq!(count("looked for mail of bob@example.org, as its owner had asked for help"), 1, "a burst: {acts:?}");
    assert_eq!(count("brought a message of bob@example.org back"), 1, "{acts:?}");
    world.wait_millis(11 * 60 * 1000);
    alice.get(&format!("{FOUND}?from=carol&subject=x&since=2026-09-01&removed=on"));
    let looks = bob.get("/api/v1/help").json()["looks"].clone();
    assert_eq!(looks[0]["questions"], json!(["from carol, subject x, since 2026-09-01, removed"]));
    assert_eq!(looks.as_array().unwrap().len(), 2, "another look");
    // The page without a question looks at nothing.
    world.wait_millis(11 * 60 * 1000);
    assert!(
        alice.get(&format!("/admin/accounts/{}/find", world.account(BOB).id())).text.contains("Its owner has asked")
    );
    assert_eq!(bob.get("/api/v1/help").json()["looks"].as_array().unwrap().len(), 2);
}

#[test]
fn help_is_given_by_whoever_administers_the_account_and_by_nobody_with_less() {
    let (world, id) = world();
    let directory = world.auth.directory();
    for (address, domain) in [("dora@example.org", "example.org"), ("eve@other.example", "other.example")] {
        if domain != "example.org" {
            directory.add_domain(domain).unwrap();
        }
        directory.add_account(address, PASSWORD, "", world.now()).unwrap();
        directory.set_administers(address, &[domain]).unwrap();
    }
    for owner in [BOB, ALICE] {
        let asked = session(&world, owner).call("/api/v1/help", r#"{"for": "day", "texts": true}"#);
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.text);
    }
    let (mut dora, mut eve) = (session(&world, "dora@example.org"), session(&world, "eve@other.example"));
    assert_eq!(found(&dora.get(&format!("{FOUND}?text=confidential"))), 1);
    assert_eq!(dora.get(&format!("{FOUND}/{id}")).status, StatusCode::OK);
    assert_eq!(
        dora.get("/api/v1/admin/accounts/alice@example.org/messages").status,
        StatusCode::FORBIDDEN,
        "she is more"
    );
    let missing = eve.get("/api/v1/admin/accounts/nobody@example.org/messages");
    for path in [FOUND.to_owned(), format!("{FOUND}/{id}")] {
        let answer = eve.get(&path);
        assert_eq!((answer.status, missing.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND), "{}", answer.text);
    }
    assert_eq!(eve.call(&format!("{FOUND}/{id}/bring-back"), "{}").status, StatusCode::NOT_FOUND);
    let (_, password) = world.auth.add_device(world.account(BOB).id(), "script", None, world.now()).unwrap();
    let mut program = world.browser();
    let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{BOB}:{password}"));
    program.extra.push(("authorization", format!("Basic {basic}")));
    for path in ["/api/v1/help", "/api/v1/help/end"] {
        assert_eq!(program.call(path, r#"{"for": "day"}"#).status, StatusCode::FORBIDDEN, "{path}");
    }
    let looks: Value = program.get("/api/v1/help").json()["looks"].clone();
    assert_eq!(looks[0]["who"], "dora@example.org");
}
