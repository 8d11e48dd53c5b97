//! Mailboxes that others share (RFC 4314): who may what, and what each is told.

use super::harness::{Client, NOW, Server};
use std::collections::BTreeSet;
use store::device::Credential;
use store::{
    AccountId, Actor, DeviceId, Flags, NewMessage, Protocol, Rights, RightsChange, Timestamp, UndoRequest, UndoWhat,
};

const BOB: &str = "bob@example.org";

impl Server {
    /// Alice shares her INBOX, with messages in it; both are logged in.
    fn shared(&self, rights: &str, messages: usize) -> (Client, Client) {
        let mut alice = self.alice_in_inbox();
        alice.fill(messages);
        self.share("INBOX", rights);
        (alice, self.bob())
    }

    fn share(&self, mailbox: &str, rights: &str) {
        let mut alice = self.alice();
        let answer = alice.send(&format!("x SETACL {mailbox} {BOB} \"{rights}\""));
        assert_eq!(answer, "x OK SETACL done\r\n");
    }

    fn has_nothing_wrong(&self) {
        assert_eq!(store::check::all(&self.store, store::check::Depth::Bodies).unwrap(), []);
    }
}

fn select(client: &mut Client) -> String {
    client.send("s SELECT Shared/alice/INBOX")
}

#[test]
fn rights_are_given_told_and_taken() {
    let server = Server::new();
    let mut alice = server.alice();
    alice.check("a MYRIGHTS INBOX", &["* MYRIGHTS \"INBOX\" \"lrswipkxteacd\"", "a OK MYRIGHTS done"]);
    alice.check("b SETACL INBOX bob lrs", &["b OK SETACL done"]);
    alice.check("c SETACL INBOX bob@example.org +d", &["c OK SETACL done"]);
    alice.check(
        "d GETACL INBOX",
        &["* ACL \"INBOX\" \"alice@example.org\" \"lrswipkxteacd\" \"bob@example.org\" \"lrsted\"", "d OK GETACL done"],
    );
    alice.check(
        "e LISTRIGHTS INBOX bob",
        &[
            "* LISTRIGHTS \"INBOX\" \"bob\" \"\" \"l\" \"r\" \"s\" \"w\" \"i\" \"p\" \"k\" \"x\" \"t\" \"e\" \"a\" \"c\" \"d\"",
            "e OK LISTRIGHTS done",
        ],
    );
    alice.check(
        "f LISTRIGHTS INBOX alice",
        &["* LISTRIGHTS \"INBOX\" \"alice\" \"lrswipkxteacd\"", "f OK LISTRIGHTS done"],
    );
    for (line, answer) in [
        ("g SETACL INBOX bob lQ", "g BAD"),
        ("g SETACL INBOX \"\" l", "g BAD"),
        ("g SETACL INBOX anyone l", "g NO [CANNOT]"),
        ("g SETACL INBOX -bob l", "g NO [CANNOT]"),
        ("g SETACL INBOX alice lr", "g NO [CANNOT]"),
        ("g SETACL INBOX carol lr", "g NO There is no such account"),
        ("g SETACL Nowhere bob lr", "g NO [NONEXISTENT]"),
    ] {
        assert!(alice.send(line).starts_with(answer), "{line}");
    }
    let mut bob = server.bob();
    bob.check("a MYRIGHTS Shared/alice/INBOX", &["* MYRIGHTS \"Shared/alice/INBOX\" \"lrsted\"", "a OK MYRIGHTS done"]);
    for line in
        ["b GETACL Shared/alice/INBOX", "b SETACL Shared/alice/INBOX bob +a", "b LISTRIGHTS Shared/alice/INBOX bob"]
    {
        assert!(bob.send(line).starts_with("b NO [NOPERM]"), "{line}");
    }
    alice.check("h DELETEACL INBOX bob", &["h OK DELETEACL done"]);
    // What is not shared, and what is not there, are the same.
    let answers = ["Shared/alice/INBOX", "Shared/alice/Nowhere", "Shared/nobody/INBOX", "Shared"]
        .map(|name| ["MYRIGHTS", "GETACL", "SELECT", "DELETE"].map(|verb| bob.send(&format!("c {verb} {name}"))));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers[0].iter().all(|answer| answer.starts_with("c NO [NONEXISTENT]")), "{answers:?}");
    server.has_nothing_wrong();
}

#[test]
fn a_list_tells_what_is_shared() {
    let server = Server::new();
    let mut bob = server.bob();
    assert!(!bob.send("a LIST \"\" *").contains("Shared"));
    server.share("INBOX", "lr");
    server.alice().check("x CREATE Work/2026/a", &["x OK [MAILBOXID (F9)] CREATE done"]);
    server.share("Work/2026", "lr");
    server.share("Sent", "r");
    bob.check(
        "b LIST \"\" Shared/*",
        &[
            "* LIST (\\NonExistent \\HasChildren) \"/\" \"Shared/alice\"",
            "* LIST (\\HasNoChildren) \"/\" \"Shared/alice/INBOX\"",
            "* LIST (\\NonExistent \\HasChildren) \"/\" \"Shared/alice/Work\"",
            "* LIST (\\HasNoChildren) \"/\" \"Shared/alice/Work/2026\"",
            "b OK LIST done",
        ],
    );
    bob.check(
        "c LIST \"\" (Shared Shared/%/INBOX) RETURN (MYRIGHTS STATUS (MESSAGES UNSEEN))",
        &[
            "* LIST (\\NonExistent \\HasChildren) \"/\" \"Shared\"",
            "* LIST (\\HasNoChildren) \"/\" \"Shared/alice/INBOX\"",
            "* STATUS \"Shared/alice/INBOX\" (MESSAGES 0 UNSEEN 0)",
            "* MYRIGHTS \"Shared/alice/INBOX\" \"lr\"",
            "c OK LIST done",
        ],
    );
    // What is subscribed is one's own choice.
    bob.check("d SUBSCRIBE Shared/alice/INBOX", &["d OK SUBSCRIBE done"]);
    bob.check(
        "e LIST (SUBSCRIBED) \"\" Shared/*",
        &["* LIST (\\HasNoChildren \\Subscribed) \"/\" \"Shared/alice/INBOX\"", "e OK LIST done"],
    );
    bob.check("f LSUB \"\" Shared/*", &["* LSUB () \"/\" \"Shared/alice/INBOX\"", "f OK LSUB done"]);
    // A mailbox of one's own stays what it is.
    let account = server.store.account(AccountId(17));
    let by_bob = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(NOW.unix_millis) };
    account.create_mailbox(by_bob, "Shared/alice/INBOX", None).unwrap();
    assert!(bob.append("Shared/alice/INBOX", "Subject: mine\r\n\r\nx\r\n").contains("p OK"));
    bob.check(
        "g STATUS Shared/alice/INBOX (MESSAGES)",
        &["* STATUS \"Shared/alice/INBOX\" (MESSAGES 1)", "g OK STATUS done"],
    );
    server.has_nothing_wrong();
}

#[test]
fn each_reader_sees_what_they_have_seen() {
    let server = Server::new();
    let (mut alice, mut bob) = server.shared("lrsw", 2);
    let selected = select(&mut bob);
    assert!(selected.contains("* 2 EXISTS"), "{selected}");
    assert!(selected.contains("PERMANENTFLAGS (\\Answered \\Flagged \\Seen \\Draft \\*)"), "{selected}");
    assert!(selected.ends_with("s OK [READ-WRITE] Selected\r\n"), "{selected}");
    bob.send("i IDLE");
    alice.send("a STORE 1 +FLAGS (\\Seen \\Flagged)");
    assert!(bob.was_woken());
    bob.check_news(&["* 1 FETCH (UID 1 FLAGS (\\Flagged))"]);
    bob.check("DONE", &["i OK IDLE done"]);
    bob.check("b STORE 2 +FLAGS (\\Seen)", &["* 2 FETCH (UID 2 FLAGS (\\Seen))", "b OK STORE done"]);
    bob.check("c SEARCH UNSEEN", &["* SEARCH 1", "c OK SEARCH done"]);
    alice.check("b NOOP", &["b OK NOOP done"]);
    alice.check("c SEARCH UNSEEN", &["* SEARCH 2", "c OK SEARCH done"]);
    bob.check(
        "d STATUS Shared/alice/INBOX (UNSEEN)",
        &["* STATUS \"Shared/alice/INBOX\" (UNSEEN 1)", "d OK STATUS done"],
    );
    alice.check("d STATUS INBOX (UNSEEN)", &["* STATUS \"INBOX\" (UNSEEN 1)", "d OK STATUS done"]);
    // To read is to have seen.
    assert!(bob.send("e FETCH 1 BODY[TEXT]").contains("* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))"));
    bob.check(
        "f STORE 1 +FLAGS (\\Deleted)",
        &["f NO [NOPERM] its owner has not given you the right to do that in this mailbox"],
    );
    bob.check("g EXPUNGE", &["g NO [NOPERM] its owner has not given you the right to do that in this mailbox"]);
    assert!(bob.send("h CLOSE").starts_with("h OK"));
    server.has_nothing_wrong();
}

#[test]
fn a_guest_that_comes_back_hears_what_they_missed() {
    let server = Server::new();
    let (mut alice, mut bob) = server.shared("lrs", 3);
    bob.send("a ENABLE QRESYNC");
    let selected = select(&mut bob);
    let number = |text: &str, before: &str| {
        let rest = text.split_once(before).unwrap().1;
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<u64>().unwrap()
    };
    let (uidvalidity, modseq) = (number(&selected, "UIDVALIDITY "), number(&selected, "HIGHESTMODSEQ "));
    let mut other = server.bob();
    select(&mut other);
    other.send("a STORE 2 +FLAGS.SILENT (\\Seen)");
    alice.send("a STORE 1 +FLAGS.SILENT (\\Deleted)");
    alice.send("b EXPUNGE");
    let mut back = server.bob();
    back.send("a ENABLE QRESYNC");
    let told = back.send(&format!("b SELECT Shared/alice/INBOX (QRESYNC ({uidvalidity} {modseq}))"));
    assert!(told.contains("* VANISHED (EARLIER) 1\r\n"), "{told}");
    assert!(told.contains("* 1 FETCH (UID 2 FLAGS (\\Seen) MODSEQ ("), "{told}");
    assert!(number(&told, "HIGHESTMODSEQ ") > modseq, "{told}");
    // Alice has not seen it, and hears nothing.
    alice.check("c FETCH 1 FLAGS", &["* 1 FETCH (FLAGS ())", "c OK FETCH done"]);
}

#[test]
fn rights_that_are_withdrawn_end_the_view() {
    let server = Server::new();
    let (mut alice, mut bob) = server.shared("lr", 2);
    let selected = select(&mut bob);
    assert!(selected.ends_with("s OK [READ-ONLY] Selected, to be read only\r\n"), "{selected}");
    alice.send("a SETACL INBOX bob \"\"");
    for line in ["b FETCH 1 BODY[]", "b SEARCH ALL", "b COPY 1 INBOX"] {
        let told = bob.send(line);
        assert!(told.ends_with("b NO [NONEXISTENT] The selected mailbox is not shared any more\r\n"), "{told}");
        // RFC 9051 §7.5.1: what is gone is not told while messages are counted.
        let is_told = told.starts_with("* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n* NO [NONEXISTENT]");
        assert_eq!(is_told, line.starts_with("b COPY"), "{told}");
    }
    // The same for an account that is locked, or gone.
    for end in [true, false] {
        alice.send("b SETACL INBOX bob lrs");
        let mut bob = server.bob();
        assert!(select(&mut bob).contains("* 2 EXISTS"));
        bob.send("i IDLE");
        let directory = server.service.auth.directory();
        match end {
            true => directory.set_disabled("alice@example.org", true).unwrap(),
            false => directory.remove_account("alice@example.org").unwrap(),
        }
        let told = bob.poll();
        assert!(told.starts_with("* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n"), "{end}: {told:?}");
        assert!(bob.send("DONE").ends_with("i OK IDLE done\r\n"));
        assert!(!bob.send("b LIST \"\" *").contains("Shared"));
        if end {
            directory.set_disabled("alice@example.org", false).unwrap();
            alice = server.alice();
        }
    }
}

#[test]
fn a_command_that_took_long_read_on_in_a_mailbox_that_was_not_shared_any_more() {
    const MESSAGES: usize = 60;
    let text = format!("Subject: a\r\n\r\n{}", "All of this is alice's.\r\n".repeat(1500));
    for line in ["b UID FETCH 1:* BODY.PEEK[]", "b UID COPY 1:* INBOX"] {
        let server = Server::new();
        let (mut alice, mut bob) = server.shared("lr", 0);
        (0..MESSAGES).for_each(|_| assert!(alice.append("INBOX", &text).contains("APPENDUID")));
        select(&mut bob);
        let mut pauses = 0;
        let told = bob.send_slowly(line, || {
            pauses += 1;
            if pauses == 1 {
                alice.check("x DELETEACL INBOX bob", &["x OK DELETEACL done"]);
            }
        });
        assert!(pauses > 0 && told.contains("b NO [NONEXISTENT]"), "{line}: {pauses} {}", told.len());
        assert!(told.matches("BODY[]").count() < MESSAGES / 2, "{line}");
        bob.check("c STATUS INBOX (MESSAGES)", &["* STATUS \"INBOX\" (MESSAGES 0)", "c OK STATUS done"]);
        server.has_nothing_wrong();
    }
}

#[test]
fn a_search_of_the_selected_mailbox_and_others_read_on_where_it_was_not_shared_any_more() {
    const MESSAGES: usize = 100;
    let text = format!("Subject: a\r\n\r\n{}", "All of this is alice's.\r\n".repeat(3500));
    let server = Server::new();
    let (mut alice, mut bob) = server.shared("lr", 0);
    (0..MESSAGES).for_each(|_| assert!(alice.append("INBOX", &text).contains("APPENDUID")));
    bob.append("INBOX", "Subject: bob's\r\n\r\nalice's\r\n");
    select(&mut bob);
    for ends_at in 1.. {
        let mut pauses = 0;
        let told = bob.send_slowly("b ESEARCH IN (selected inboxes) BODY alice's", || {
            pauses += 1;
            if pauses == ends_at {
                alice.check("x DELETEACL INBOX bob", &["x OK DELETEACL done"]);
            }
        });
        let of_alice = told.contains("MAILBOX \"Shared/alice/INBOX\"");
        if pauses < ends_at {
            assert!(ends_at > 3 && of_alice && told.ends_with("b OK ESEARCH done\r\n"), "{ends_at}: {told}");
            break;
        }
        // What is one's own is told all the same. After the last of the pauses in one mailbox comes the next one.
        assert!(told.contains("MAILBOX \"INBOX\" UIDVALIDITY"), "{ends_at}: {told}");
        assert!(of_alice || told.contains("b NO [NONEXISTENT]"), "{ends_at}: {told}");
        alice.check("y SETACL INBOX bob lr", &["y OK SETACL done"]);
        assert!(ends_at > 3 || !of_alice, "{ends_at}: {told}");
        select(&mut bob);
    }
}

#[test]
fn an_id_of_a_message_was_that_of_another_one_in_ones_own_mailbox() {
    let server = Server::new();
    let (_, mut bob) = server.shared("lr", 1);
    // The same moment, so the accounts have given the same number to both.
    bob.append("INBOX", "Subject: bob's\r\n\r\nb\r\n");
    let ids = |bob: &mut Client, mailbox: &str| {
        bob.send(&format!("s SELECT {mailbox}"));
        let told = bob.send("f FETCH 1 (EMAILID THREADID)");
        let id = |name: &str| told.split_once(name).unwrap().1.split_once(')').unwrap().0.to_owned();
        (id("EMAILID ("), id("THREADID ("))
    };
    let (own, shared) = (ids(&mut bob, "INBOX"), ids(&mut bob, "Shared/alice/INBOX"));
    let of_alice = |id: &str| format!("{}16-{}", &id[..1], &id[1..]);
    assert_eq!(shared, (of_alice(&own.0), of_alice(&own.1)), "the numbers are the same");
    assert_eq!(ids(&mut server.alice(), "INBOX"), own, "of one's own they are told as they always were");
    // They find what they are told of, and nothing else.
    for (mailbox, ids, others) in [("INBOX", &own, &shared), ("Shared/alice/INBOX", &shared, &own)] {
        bob.send(&format!("s SELECT {mailbox}"));
        for (key, id, other) in [("EMAILID", &ids.0, &others.0), ("THREADID", &ids.1, &others.1)] {
            bob.check(&format!("a SEARCH {key} {id}"), &["* SEARCH 1", "a OK SEARCH done"]);
            bob.check(&format!("a SEARCH {key} {other}"), &["* SEARCH", "a OK SEARCH done"]);
        }
        for id in ["M", "M16", "M16-", "x", "\"\"", "M17-0000000000001"] {
            assert_eq!(bob.send(&format!("a SEARCH EMAILID {id}")), "* SEARCH\r\na OK SEARCH done\r\n", "{id}");
        }
    }
}

#[test]
fn what_a_guest_may_not_see_stays_when_they_rename_what_is_above() {
    let server = Server::new();
    let mut alice = server.alice();
    alice.send("a CREATE Work/secret");
    alice.send("b CREATE Plans");
    server.share("Work", "lrx");
    server.share("Plans", "lrk");
    let mut bob = server.bob();
    bob.check("a RENAME Shared/alice/Work Shared/alice/Plans/Work", &["a OK RENAME done"]);
    bob.check(
        "b LIST \"\" Shared/alice/*",
        &[
            "* LIST (\\HasChildren) \"/\" \"Shared/alice/Plans\"",
            "* LIST (\\HasNoChildren) \"/\" \"Shared/alice/Plans/Work\"",
            "b OK LIST done",
        ],
    );
    alice.check(
        "c LIST \"\" (Work* Plans*)",
        &[
            "* LIST (\\HasChildren) \"/\" \"Plans\"",
            "* LIST (\\HasNoChildren) \"/\" \"Plans/Work\"",
            "* LIST (\\HasChildren) \"/\" \"Work\"",
            "* LIST (\\HasNoChildren) \"/\" \"Work/secret\"",
            "c OK LIST done",
        ],
    );
    alice.send("d CREATE Plans/Work/mine");
    alice.send("e SETACL Plans/Work/mine bob lr");
    bob.check(
        "d RENAME Shared/alice/Plans/Work Shared/alice/Plans/w",
        &["d NO [NOPERM] its owner has not given you the right to rename \"Plans/Work/mine\", which is below it"],
    );
    server.has_nothing_wrong();
}

#[test]
fn that_metadata_are_the_owners_told_of_a_mailbox_that_may_not_be_seen() {
    let server = Server::new();
    let (_, mut bob) = server.shared("i", 0);
    for name in ["Shared/alice/INBOX", "Shared/alice/Nowhere"] {
        for line in [format!("GETMETADATA {name} /private/comment"), format!("RESETKEY {name}")] {
            assert!(bob.send(&format!("a {line}")).starts_with("a NO [NONEXISTENT]"), "{line}");
        }
    }
}

#[test]
fn what_a_guest_removes_comes_back_to_the_owner() {
    let server = Server::new();
    let (mut alice, mut bob) = server.shared("lrste", 2);
    select(&mut bob);
    bob.send("a STORE 1 +FLAGS (\\Deleted)");
    bob.check("b EXPUNGE", &["* 1 EXPUNGE", "b OK EXPUNGE done"]);
    alice.check("a NOOP", &["* 1 EXPUNGE", "a OK NOOP done"]);
    let account = server.account();
    let devices = account.devices().unwrap();
    let is_guest = |credential: &Credential| matches!(credential, Credential::Guest { .. });
    let guest = devices.values().find(|device| is_guest(&device.credential)).unwrap();
    assert!(guest.name.starts_with("bob@example.org: "), "{}", guest.name);
    let by_alice = Actor { device: DeviceId(0), protocol: Protocol::Web, now: Timestamp(NOW.unix_millis) };
    let what = UndoWhat::Device { device: guest.id, since: Timestamp(0) };
    let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
    assert_eq!(account.undo(by_alice, request).unwrap().restored, 1);
    alice.check("b NOOP", &["* 2 EXISTS", "b OK NOOP done"]);
    server.has_nothing_wrong();
}

#[test]
fn messages_cross_from_account_to_account() {
    let server = Server::new();
    let (_, mut bob) = server.shared("lrsw", 3);
    bob.append("INBOX", "Subject: bob's\r\n\r\nfrom bob\r\n");
    select(&mut bob);
    bob.send("a STORE 2 +FLAGS (\\Seen $Work)");
    let told = bob.send("b COPY 2,3 INBOX");
    assert!(told.starts_with("b OK [COPYUID ") && told.ends_with(" 2:3 2:3] COPY done\r\n"), "{told}");
    assert!(bob.send("c COPY 1 Shared/alice/INBOX").starts_with("c NO [NOPERM]"));
    bob.send("d SELECT INBOX");
    let told = bob.send("e FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    assert!(told.contains("* 2 FETCH (FLAGS (\\Seen \\Recent $Work)") && told.contains("Subject: message 2"), "{told}");
    assert!(told.contains("Subject: message 3"), "{told}");
    server.has_nothing_wrong();
}

#[test]
fn a_move_between_accounts_leaves_the_source_after_it_came_to_the_target() {
    let server = Server::new();
    let (mut alice, mut bob) = server.shared("lrswi", 1);
    bob.append("INBOX", "Subject: bob's\r\n\r\nfrom bob\r\n");
    bob.send("a SELECT INBOX");
    let told = bob.send("b MOVE 1 Shared/alice/INBOX");
    assert!(told.starts_with("* OK [COPYUID ") && told.contains(" 1 2] Moved\r\n* 1 EXPUNGE\r\n"), "{told}");
    assert!(told.ends_with("b OK MOVE done\r\n"), "{told}");
    assert!(alice.send("a NOOP").contains("* 2 EXISTS"));
    assert!(alice.send("b FETCH 2 BODY[TEXT]").contains("from bob"));
    // Back: without the right to remove it there it stays there.
    select(&mut bob);
    assert!(bob.send("c MOVE 2 INBOX").starts_with("c NO [NOPERM]"));
    server.share("INBOX", "lrswite");
    let told = bob.send("d MOVE 2 INBOX");
    assert!(told.contains("* 2 EXPUNGE\r\n") && told.ends_with("d OK MOVE done\r\n"), "{told}");
    bob.check("e STATUS INBOX (MESSAGES)", &["* STATUS \"INBOX\" (MESSAGES 1)", "e OK STATUS done"]);
    server.has_nothing_wrong();
}

#[test]
fn commands_for_the_owner_alone_say_so() {
    let server = Server::new();
    let (_, mut bob) = server.shared("lrswipkxtea", 1);
    for line in [
        "a GETMETADATA Shared/alice/INBOX /private/comment",
        "a SETMETADATA Shared/alice/INBOX (/private/comment \"x\")",
        "a RESETKEY Shared/alice/INBOX",
    ] {
        assert!(bob.send(line).starts_with("a NO [NOPERM]"), "{line}");
    }
    assert!(
        bob.send("a NOTIFY SET (MAILBOXES Shared/alice/INBOX (MessageNew MessageExpunge))")
            .starts_with("a NO [CANNOT]")
    );
    assert!(bob.send("a CREATE Shared/mine").starts_with("a NO [NOPERM]"));
    assert!(bob.send("a RENAME Shared/alice/INBOX Mine").starts_with("a NO [CANNOT]"));
    assert!(bob.send("a CREATE Shared/alice/Top").starts_with("a NO [NOPERM]"));
    bob.check("b GETQUOTAROOT Shared/alice/INBOX", &["* QUOTAROOT \"Shared/alice/INBOX\"", "b OK GETQUOTAROOT done"]);
    bob.check("c CREATE Shared/alice/INBOX/Projects", &["c OK [MAILBOXID (F16-7)] CREATE done"]);
    bob.check("d RENAME Shared/alice/INBOX/Projects Shared/alice/INBOX/Plans", &["d OK RENAME done"]);
    assert!(bob.append("Shared/alice/INBOX/Plans", "Subject: a\r\n\r\nb\r\n").contains("p OK [APPENDUID"));
    bob.check("e DELETE Shared/alice/INBOX/Plans", &["e OK DELETE done"]);
    server.has_nothing_wrong();
}

#[test]
fn what_a_guest_uploads_counts_for_the_owner() {
    let server = Server::new();
    let (_, mut bob) = server.shared("lri", 0);
    let by_alice = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(NOW.unix_millis) };
    server.account().set_quota(by_alice, store::Quota::of_bytes(40)).unwrap();
    assert!(bob.append("Shared/alice/INBOX", "Subject: a\r\n\r\nb\r\n").contains("p OK"));
    let large = format!("Subject: a\r\n\r\n{}\r\n", "b".repeat(60));
    assert!(bob.append("Shared/alice/INBOX", &large).contains("p NO [OVERQUOTA]"));
    bob.append("INBOX", &large);
    bob.send("a SELECT INBOX");
    assert!(bob.send("b COPY 1 Shared/alice/INBOX").contains("b NO [OVERQUOTA]"));
    assert!(bob.send("c MOVE 1 Shared/alice/INBOX").contains("c NO [OVERQUOTA]"));
    bob.check("d STATUS INBOX (MESSAGES)", &["* STATUS \"INBOX\" (MESSAGES 1)", "d OK STATUS done"]);
    server.has_nothing_wrong();
}

#[test]
fn a_device_that_is_revoked_does_nothing_elsewhere_either() {
    let server = Server::new();
    let (_, mut bob) = server.shared("lrs", 1);
    select(&mut bob);
    let account = server.store.account(AccountId(17));
    let devices = account.devices().unwrap();
    let by_bob = Actor { device: DeviceId(0), protocol: Protocol::Web, now: Timestamp(NOW.unix_millis) };
    for device in devices.keys() {
        account.revoke_device(by_bob, *device).unwrap();
    }
    assert!(bob.send("a STORE 1 +FLAGS (\\Seen)").starts_with("* BYE"));
}

#[test]
fn a_list_told_a_device_that_the_owner_had_revoked_what_is_in_a_mailbox() {
    let server = Server::new();
    let (_, mut bob) = server.shared("lrs", 1);
    select(&mut bob);
    let list = "b LIST \"\" Shared/* RETURN (MYRIGHTS STATUS (MESSAGES UNSEEN))";
    assert!(bob.send(list).contains("* STATUS \"Shared/alice/INBOX\" (MESSAGES 1 UNSEEN 1)"));
    let by_alice = Actor { device: DeviceId(0), protocol: Protocol::Web, now: Timestamp(NOW.unix_millis) };
    let alice = server.account();
    let devices = alice.devices().unwrap();
    let guest = devices.values().find(|device| matches!(device.credential, Credential::Guest { .. })).unwrap();
    alice.revoke_device(by_alice, guest.id).unwrap();
    bob.send("c UNSELECT");
    assert!(bob.send("d STATUS Shared/alice/INBOX (MESSAGES)").starts_with("d NO [NONEXISTENT]"));
    bob.check(list, &["b OK LIST done"]);
}

#[test]
fn a_share_that_broke_off_before_the_right_was_given_is_a_note_too_many() {
    let server = Server::new();
    // As a crash between the two commits leaves it.
    server.store.account(AccountId(17)).note_owner(server.account().id(), true).unwrap();
    let after = server.after_crash();
    let directory = after.service.auth.directory();
    let (alice, bob) = (after.account(), after.store.account(AccountId(17)));
    assert!(!after.bob().send("a LIST \"\" *").contains("Shared"));
    assert!(after.bob().send("a SELECT Shared/alice/INBOX").starts_with("a NO [NONEXISTENT]"));
    let inbox = alice.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    let by_alice = Actor { device: DeviceId(0), protocol: Protocol::Web, now: Timestamp(NOW.unix_millis) };
    let lr = RightsChange::Replace(Rights::parse("lr").unwrap());
    directory.share(&alice, by_alice, inbox, bob.id(), lr).unwrap();
    assert!(after.bob().send("a LIST \"\" Shared/*").contains("Shared/alice/INBOX"));
    directory.share(&alice, by_alice, inbox, bob.id(), RightsChange::Replace(Rights::default())).unwrap();
    assert!(bob.owners().unwrap().is_empty());
}

#[test]
fn a_crash_in_a_move_between_accounts_lost_messages() {
    // More than one commit brings, with a crash after the first, the second, … of the pauses in between.
    const MESSAGES: u32 = 510;
    let mut looks = BTreeSet::new();
    for crash_at in 1.. {
        let server = Server::new();
        let (_, mut bob) = server.shared("lrswite", 1);
        let by_bob = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(NOW.unix_millis) };
        let message = || {
            let (body, flags) = (b"Subject: a\r\n\r\nb".to_vec(), Flags::default());
            NewMessage { body, flags, internal_date: by_bob.now }
        };
        let own = server.store.account(AccountId(17));
        let inbox = own.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        let all = (0..MESSAGES).map(|_| (inbox, message())).collect();
        assert!(own.append_in_turn(by_bob, all).iter().all(Result::is_ok));
        bob.send("a SELECT INBOX");
        let (mut pauses, mut crashed) = (0, None);
        let told = bob.send_slowly("b MOVE 1:* Shared/alice/INBOX", || {
            pauses += 1;
            if pauses == crash_at {
                crashed = Some(server.after_crash());
            }
        });
        let after = crashed.as_ref().unwrap_or(&server);
        let count = |account: u32| {
            let mailboxes = after.store.account(AccountId(account)).mailboxes().unwrap();
            mailboxes.by_name("INBOX").unwrap().counts.messages
        };
        let (left, there) = (count(17), count(16));
        assert!(there == MESSAGES + 1 || (left, there) == (MESSAGES, 1), "{crash_at}: {left} {there}");
        after.has_nothing_wrong();
        looks.insert((left, there));
        if crashed.is_none() {
            assert!(told.ends_with("b OK MOVE done\r\n"), "{told}");
            assert_eq!((left, there), (0, MESSAGES + 1));
            break;
        }
    }
    assert!(looks.contains(&(MESSAGES, 1)) && looks.contains(&(MESSAGES, MESSAGES + 1)), "{looks:?}");
}
