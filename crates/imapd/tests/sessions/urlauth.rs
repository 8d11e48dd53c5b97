//! Addresses that others fetch (RFC 4467).

use crate::harness::{Client, NOW, Server};
use directory::OldAddress;
use store::{Actor, DeviceId, Protocol, Timestamp};

/// Alice's, with two messages in INBOX.
fn alice(server: &Server) -> Client {
    let mut alice = server.alice_in_inbox();
    alice.append("INBOX", "Subject: a\r\n\r\nSi vis pacem");
    alice.append("INBOX", "Subject: b\r\n\r\nb");
    alice
}

/// An authorized address.
fn authorized(client: &mut Client, rump: &str) -> String {
    let answer = client.send(&format!("g GENURLAUTH \"{rump}\" INTERNAL"));
    let url = answer.strip_prefix("* GENURLAUTH \"").and_then(|rest| rest.split_once("\"\r\n"));
    let (url, rest) = url.unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(rest, "g OK GENURLAUTH done\r\n");
    assert!(url.starts_with(&format!("{rump}:INTERNAL:01")), "{url}");
    url.to_owned()
}

fn fetches(client: &mut Client, url: &str, expected: Option<&str>) {
    let told = match expected {
        Some(text) => format!("* URLFETCH \"{url}\" {{{}}}\r\n{text}\r\n", text.len()),
        None => format!("* URLFETCH \"{url}\" NIL\r\n"),
    };
    assert_eq!(client.send(&format!("f URLFETCH \"{url}\"")), told + "f OK URLFETCH done\r\n");
}

const PART: &str = "imap://alice@example.org/INBOX/;uid=1/;section=text;urlauth=";

#[test]
fn an_address_lets_in_whom_its_owner_meant() {
    let server = Server::new();
    let (mut alice, mut bob) = (alice(&server), server.bob());
    let of = |alice: &mut Client, access: &str| authorized(alice, &format!("{PART}{access}"));
    for (access, to_bob, to_alice) in [
        ("authuser", true, true),
        ("anonymous", true, true),
        ("user+bob", true, false),
        ("USER+bob%40example.org", true, false),
        ("user+alice", false, true),
        ("user+nobody", false, false),
        ("submit+bob", false, false),
    ] {
        let url = of(&mut alice, access);
        fetches(&mut bob, &url, to_bob.then_some("Si vis pacem"));
        fetches(&mut alice, &url, to_alice.then_some("Si vis pacem"));
    }
    let url =
        authorized(&mut alice, "imap://alice%40example.org@mail.example.org/INBOX/;UID=2/;PARTIAL=9;URLAUTH=user+bob");
    fetches(&mut bob, &url, Some("b\r\n\r\nb"));
    // Nothing is marked, and nobody's selected mailbox changes.
    alice.check("a SEARCH UNSEEN", &["* SEARCH 1 2", "a OK SEARCH done"]);
    bob.check("a LIST \"\" INBOX", &["* LIST (\\HasNoChildren) \"/\" \"INBOX\"", "a OK LIST done"]);
}

#[test]
fn an_address_led_nowhere_once_its_owner_had_another_name() {
    let server = Server::new();
    let (mut alice, mut bob) = (alice(&server), server.bob());
    let of_domain = authorized(&mut alice, &format!("{PART}user+bob"));
    let of_host = authorized(&mut alice, "imap://alice@mail.example.org/INBOX/;UID=2;URLAUTH=user+bob");
    let rename = |from: &str, to: &str, old| {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(NOW.unix_millis) };
        server.service.auth.directory().rename_account(from, to, old, actor).unwrap();
    };
    rename("alice@example.org", "anna@example.org", OldAddress::Stays);
    rename("bob@example.org", "rob@example.org", OldAddress::Stays);
    fetches(&mut bob, &of_domain, Some("Si vis pacem"));
    fetches(&mut bob, &of_host, Some("Subject: b\r\n\r\nb"));
    fetches(&mut alice, &of_domain, None);
    let now = authorized(&mut alice, "imap://anna@example.org/INBOX/;uid=1/;section=text;urlauth=user+rob");
    fetches(&mut bob, &now, Some("Si vis pacem"));
    // A name that went is that of somebody else, or nobody's.
    rename("anna@example.org", "ann@example.org", OldAddress::Goes);
    fetches(&mut bob, &now, None);
    fetches(&mut bob, &of_domain, Some("Si vis pacem"));
}

#[test]
fn an_address_that_was_changed_or_taken_back_leads_nowhere() {
    let server = Server::new();
    let (mut alice, mut bob) = (alice(&server), server.bob());
    let url = authorized(&mut alice, &format!("{PART}authuser"));
    for changed in [
        url.replace("uid=1", "uid=2"),
        url.replace("/;section=text", ""),
        url.replace("INBOX", "inbox"),
        url.replace("authuser", "anonymous"),
        url.replace(":01", ":02"),
        url.replace("INTERNAL", "XSAMPLE"),
        url.replace("alice@", "bob@"),
        format!("{url}0"),
        format!("{PART}authuser"),
        format!("{PART}authuser:INTERNAL:01{}", "0".repeat(64)),
        "imap://alice@example.org/Nowhere/;uid=1;urlauth=authuser:INTERNAL:01".to_owned() + &"0".repeat(64),
        "imap://nobody@example.org/INBOX/;uid=1;urlauth=authuser:INTERNAL:01".to_owned() + &"0".repeat(64),
        "imap://alice@example.org/INBOX".to_owned(),
        "/INBOX/;UID=1".to_owned(),
        "x".to_owned(),
    ] {
        fetches(&mut bob, &changed, None);
    }
    fetches(&mut bob, &url, Some("Si vis pacem"));
    let other = authorized(&mut alice, "imap://alice@example.org/Drafts/;uid=1;urlauth=authuser");
    alice.check("a RESETKEY INBOX", &["a OK [URLMECH INTERNAL] There is another key"]);
    fetches(&mut bob, &url, None);
    let again = authorized(&mut alice, &format!("{PART}authuser"));
    assert_ne!(again, url);
    fetches(&mut bob, &again, Some("Si vis pacem"));
    alice.append("Drafts", "c");
    fetches(&mut bob, &other, Some("c"));
    alice.check("a RESETKEY", &["a OK All keys are gone"]);
    fetches(&mut bob, &again, None);
    fetches(&mut bob, &other, None);
}

#[test]
fn an_address_counts_as_long_as_it_says_and_its_message_is_there() {
    let server = Server::new();
    let (mut alice, mut bob) = (alice(&server), server.bob());
    let expiring =
        |at: &str| format!("imap://alice@example.org/INBOX/;UID=2/;SECTION=TEXT;EXPIRE={at};URLAUTH=authuser");
    // It is 10:00:00.
    let now = authorized(&mut alice, &expiring("2026-02-01T11:00:00+01:00"));
    let over = authorized(&mut alice, &expiring("2026-02-01T09:59:59Z"));
    fetches(&mut bob, &now, Some("b"));
    fetches(&mut bob, &over, None);
    bob.now.unix_millis += 1;
    fetches(&mut bob, &now, None);
    let url = authorized(&mut alice, &format!("{PART}authuser"));
    let no_part = authorized(&mut alice, "imap://alice@example.org/INBOX/;UID=1/;SECTION=7;URLAUTH=authuser");
    let other_validity = authorized(&mut alice, "imap://alice@example.org/INBOX;UIDVALIDITY=1/;UID=1;URLAUTH=authuser");
    // RFC 4467 §7: an empty string.
    fetches(&mut bob, &no_part, Some(""));
    fetches(&mut bob, &other_validity, None);
    server.service.auth.directory().set_disabled("alice@example.org", true).unwrap();
    fetches(&mut bob, &url, None);
    server.service.auth.directory().set_disabled("alice@example.org", false).unwrap();
    // After a crash too: what was told is on disk.
    let after = server.after_crash();
    let (mut alice, mut bob) = (after.alice_in_inbox(), after.bob());
    fetches(&mut bob, &url, Some("Si vis pacem"));
    alice.send("a STORE 1 +FLAGS (\\Deleted)");
    alice.send("a EXPUNGE");
    fetches(&mut bob, &url, None);
}

#[test]
fn what_cannot_be_authorized_is_bad() {
    let server = Server::new();
    let mut alice = alice(&server);
    for (url, mechanism) in [
        ("imap://alice@example.org/INBOX/;uid=1", "INTERNAL"),
        ("imap://example.org/INBOX/;uid=1;urlauth=authuser", "INTERNAL"),
        ("imap://bob@example.org/INBOX/;uid=1;urlauth=authuser", "INTERNAL"),
        ("imap://alice@example.org/Nowhere/;uid=1;urlauth=authuser", "INTERNAL"),
        ("imap://alice@example.org/INBOX;urlauth=authuser", "INTERNAL"),
        ("imap://alice@example.org/INBOX/;uid=1;urlauth=authuser:INTERNAL:00", "INTERNAL"),
        ("imap://alice@example.org/INBOX/;uid=1;urlauth=authuser", "XSAMPLE"),
    ] {
        let answer = alice.send(&format!("a GENURLAUTH \"{url}\" {mechanism}"));
        assert!(answer.starts_with("a BAD"), "{url}: {answer}");
    }
    assert!(alice.send("a RESETKEY INBOX XSAMPLE").starts_with("a BAD"));
    assert!(alice.send("a RESETKEY Nowhere").starts_with("a NO [NONEXISTENT]"));
    let mut stranger = server.connect();
    assert!(
        stranger.send("a URLFETCH \"imap://alice@example.org/INBOX/;uid=1;urlauth=anonymous\"").starts_with("a BAD")
    );
}

#[test]
fn a_long_message_is_told_in_pieces() {
    let server = Server::new();
    let mut alice = alice(&server);
    let long = "0123456789abcdef".repeat(5000);
    alice.append("INBOX", &format!("Subject: c\r\n\r\n{long}"));
    let url = authorized(&mut alice, "imap://alice@example.org/INBOX/;uid=3/;section=text;urlauth=authuser");
    let mut bob = server.bob();
    let told = bob.send_slowly(&format!("a URLFETCH \"{url}\" \"x\" \"{url}\""), || {});
    let one = format!("* URLFETCH \"{url}\" {{{}}}\r\n{long}\r\n", long.len());
    assert_eq!(told, format!("{one}* URLFETCH \"x\" NIL\r\n{one}a OK URLFETCH done\r\n"));
}
