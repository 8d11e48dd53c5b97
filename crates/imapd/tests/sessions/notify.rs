//! NOTIFY (RFC 5465): what is told between commands.

use crate::harness::Server;

const MESSAGE: &str = "Subject: x\r\n\r\n";

#[test]
fn a_thousand_mailboxes_cost_no_read_and_no_word_while_others_change() {
    let server = Server::new();
    let (mut phone, mut pc) = (server.alice(), server.alice());
    for number in 0..1000 {
        assert!(pc.send(&format!("c CREATE box{number}")).starts_with("c OK"));
    }
    phone
        .check("a NOTIFY SET (subtree box1 (MessageNew MessageExpunge FlagChange MailboxName))", &["a OK NOTIFY done"]);
    assert!(!phone.was_woken());
    pc.append("box2", MESSAGE);
    assert!(phone.was_woken());
    // Whatever would be read now fails.
    server.fail_read(0);
    phone.check_news(&[]);
    server.use_up_read_errors();
    pc.append("box1", MESSAGE);
    let news = phone.poll();
    assert!(news.starts_with("* STATUS \"box1\" (MESSAGES 1 UIDNEXT 2 ") && news.lines().count() == 1, "{news}");
    phone.check_news(&[]);
}

#[test]
fn each_message_that_came_had_all_annotations_read() {
    let server = Server::new();
    let (mut phone, mut pc) = (server.alice(), server.alice());
    assert!(pc.send("a SETMETADATA INBOX (/private/comment \"x\")").starts_with("a OK"));
    // What was set before the account was opened may have been set just now.
    phone.check("b NOTIFY SET (personal (MailboxMetadataChange))", &["b OK NOTIFY done"]);
    pc.append("INBOX", MESSAGE);
    phone.check_news(&[]);
    pc.append("INBOX", MESSAGE);
    // Whatever would be read now fails.
    server.fail_read(0);
    phone.check_news(&[]);
    server.use_up_read_errors();
    pc.send("c SETMETADATA INBOX (/private/comment \"y\")");
    phone.check_news(&["* METADATA \"INBOX\" /private/comment"]);
}

#[test]
fn what_changes_often_is_told_once() {
    let server = Server::new();
    let (mut phone, mut pc) = (server.alice(), server.alice());
    phone.check("a NOTIFY SET (personal (MessageNew MessageExpunge))", &["a OK NOTIFY done"]);
    pc.fill(50);
    let news = phone.poll();
    assert!(news.starts_with("* STATUS \"INBOX\" (MESSAGES 50 UIDNEXT 51 ") && news.lines().count() == 1, "{news}");
}

#[test]
fn nothing_is_told_within_a_command() {
    let server = Server::new();
    let (mut phone, mut pc) = (server.alice_in_inbox(), server.alice());
    phone.check("a NOTIFY SET (selected (MessageNew MessageExpunge))", &["a OK NOTIFY done"]);
    assert_eq!(phone.raw("b NO"), "");
    pc.fill(1);
    assert_eq!(phone.poll(), "");
    assert_eq!(phone.raw("OP\r\n"), "* 1 EXISTS\r\n* 1 RECENT\r\nb OK NOOP done\r\n");
}

#[test]
fn the_names_that_are_kept_are_bounded() {
    let server = Server::new();
    let mut phone = server.alice();
    let notify = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("b{number}")).collect();
        format!("a NOTIFY SET (mailboxes ({}) (MessageNew MessageExpunge))", names.join(" "))
    };
    phone.check(&notify(1000), &["a OK NOTIFY done"]);
    phone.check(&notify(1001), &["a NO [LIMIT] Too many mailboxes are named"]);
}

#[test]
fn who_hears_of_new_messages_is_woken_for_what_another_process_did() {
    let server = Server::new();
    let mut phone = server.alice();
    phone.check("a NOTIFY SET (personal (MessageNew MessageExpunge))", &["a OK NOTIFY done"]);
    let refresh = phone.deadline().unwrap();
    server.restarted().alice().fill(1);
    phone.check_news(&[]);
    phone.later(refresh - phone.now.monotonic_millis);
    assert!(phone.poll().starts_with("* STATUS \"INBOX\" (MESSAGES 1 "));
}
