//! LIST, LSUB, STATUS, CREATE, DELETE, RENAME, SUBSCRIBE, NAMESPACE (RFC 9051 §6.3).

use crate::harness::Server;

#[test]
fn the_special_mailboxes_are_there_from_the_start() {
    let mut client = Server::new().alice();
    client.check(
        "a LIST \"\" *",
        &[
            "* LIST (\\HasNoChildren) \"/\" \"INBOX\"",
            "* LIST (\\HasNoChildren \\Archive) \"/\" \"Archive\"",
            "* LIST (\\HasNoChildren \\Drafts) \"/\" \"Drafts\"",
            "* LIST (\\HasNoChildren \\Junk) \"/\" \"Junk\"",
            "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent\"",
            "* LIST (\\HasNoChildren \\Trash) \"/\" \"Trash\"",
            "a OK LIST done",
        ],
    );
    client.check("a LIST \"\" \"\"", &["* LIST (\\Noselect) \"/\" \"\"", "a OK LIST done"]);
    client.check("a NAMESPACE", &["* NAMESPACE ((\"\" \"/\")) ((\"Shared/\" \"/\")) NIL", "a OK NAMESPACE done"]);
}

#[test]
fn extended_lists() {
    let mut client = Server::new().alice();
    client.send("a CREATE Work/2026/May");
    client.send("a SUBSCRIBE Work/2026/May");
    client.check(
        "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" Work*",
        &["* LIST (\\HasNoChildren \\Subscribed) \"/\" \"Work/2026/May\"", "a OK LIST done"],
    );
    client.check(
        "a LIST (SPECIAL-USE) \"\" (J% %t) RETURN (SUBSCRIBED STATUS (MESSAGES UIDNEXT))",
        &[
            "* LIST (\\HasNoChildren \\Subscribed \\Junk) \"/\" \"Junk\"",
            "* STATUS \"Junk\" (MESSAGES 0 UIDNEXT 1)",
            "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" \"Sent\"",
            "* STATUS \"Sent\" (MESSAGES 0 UIDNEXT 1)",
            "a OK LIST done",
        ],
    );
    client.check("a LIST (SPECIAL-USE) \"\" \"INBOX/*\"", &["a OK LIST done"]);
    client.check("a LSUB \"\" W%", &["* LSUB (\\Noselect) \"/\" \"Work\"", "a OK LSUB done"]);
    client.check("a LSUB \"\" J*", &["* LSUB () \"/\" \"Junk\"", "a OK LSUB done"]);
    client.check("a LIST Work/ %", &["* LIST (\\HasChildren) \"/\" \"Work/2026\"", "a OK LIST done"]);
}

#[test]
fn names_travel_as_the_client_reads_them() {
    let mut client = Server::new().alice();
    client.send("a CREATE Entw&APw-rfe");
    client.check("a LIST \"\" E*", &["* LIST (\\HasNoChildren \\Drafts) \"/\" \"Entw&APw-rfe\"", "a OK LIST done"]);
    client.send("a ENABLE UTF8=ACCEPT");
    client.check("a LIST \"\" E*", &["* LIST (\\HasNoChildren \\Drafts) \"/\" \"Entwürfe\"", "a OK LIST done"]);
}

#[test]
fn create_with_a_use_and_with_an_alias() {
    let server = Server::new();
    let mut client = server.alice();
    client.check("a CREATE Archive", &["a NO [ALREADYEXISTS] it exists already"]);
    client.check("a CREATE inbox", &["a NO [ALREADYEXISTS] it exists already"]);
    client.check("a CREATE Bin (USE (\\Trash))", &["a OK [MAILBOXID (F7)] CREATE done"]);
    client.check("a CREATE Every (USE (\\All))", &["a NO [USEATTR] A mailbox cannot have this use"]);
    client.send("a CREATE \"Sent Items\"");
    client.append("Drafts", "Subject: a\r\n\r\n");
    client.send("a CREATE Draft");
    client.check(
        "a LIST (SPECIAL-USE) \"\" *",
        &[
            "* LIST (\\HasNoChildren \\Archive) \"/\" \"Archive\"",
            "* LIST (\\HasNoChildren \\Trash) \"/\" \"Bin\"",
            "* LIST (\\HasNoChildren \\Drafts) \"/\" \"Drafts\"",
            "* LIST (\\HasNoChildren \\Junk) \"/\" \"Junk\"",
            "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent Items\"",
            "a OK LIST done",
        ],
    );
}

#[test]
fn delete_and_rename() {
    let mut client = Server::new().alice();
    client.send("a CREATE a/b");
    client.check("a DELETE a", &["a NO [HASCHILDREN] The mailbox has mailboxes below it; delete those first"]);
    client.check("a RENAME a c", &["a OK RENAME done"]);
    client.check("a DELETE c/b", &["a OK DELETE done"]);
    client.check("a DELETE c/b", &["a NO [NONEXISTENT] no such mailbox"]);
    client.check("a DELETE INBOX", &["a NO [CANNOT] INBOX cannot be deleted"]);
    client.check("a RENAME c Sent", &["a NO [ALREADYEXISTS] it exists already"]);
    client.check("a UNSUBSCRIBE Nowhere", &["a OK UNSUBSCRIBE done"]);
    client.check("a SUBSCRIBE Nowhere", &["a OK SUBSCRIBE done"]);
    client.check(
        "a SUBSCRIBE ..",
        &["a NO [CANNOT] no level of a mailbox name can be . or .., which are no names of directories"],
    );
}

#[test]
fn renaming_inbox_leaves_an_empty_one() {
    let mut client = Server::new().alice_in_inbox();
    client.fill(2);
    client.check("a RENAME INBOX Old", &["* 2 EXPUNGE", "* 1 EXPUNGE", "a OK RENAME done"]);
    client.check("a STATUS Old (MESSAGES)", &["* STATUS \"Old\" (MESSAGES 2)", "a OK STATUS done"]);
}

#[test]
fn status_knows_every_item() {
    let server = Server::new();
    let mut client = server.alice();
    client.fill(2);
    let inbox = server.account().mailboxes().unwrap().by_name("INBOX").unwrap().clone();
    client.check(
        "a STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ MAILBOXID APPENDLIMIT)",
        &[
            &format!(
                "* STATUS \"INBOX\" (MESSAGES 2 RECENT 2 UIDNEXT 3 UIDVALIDITY {} UNSEEN 2 DELETED 0 SIZE 56 \
                 HIGHESTMODSEQ {} MAILBOXID (F1) APPENDLIMIT 100000)",
                inbox.uid_validity, inbox.highest_modseq
            ),
            "a OK STATUS done",
        ],
    );
    client.check("a STATUS Nowhere (MESSAGES)", &["a NO [NONEXISTENT] no such mailbox"]);
}
