//! RFC 5464 and RFC 5466: what may be kept is bounded, and so is what a filter stands for.

use crate::harness::Server;

#[test]
fn values_and_their_number_have_a_limit_that_the_client_is_told() {
    let mut client = Server::new().alice();
    let set = |bytes: usize| format!("a SETMETADATA INBOX (/private/a \"{}\")", "x".repeat(bytes));
    client.check(&set(16 * 1024), &["a OK SETMETADATA done"]);
    client.check(&set(16 * 1024 + 1), &["a NO [METADATA MAXSIZE 16384] The value is too large"]);
    let entries = |count: usize| (0..count).map(|n| format!("/private/{n} \"x\"")).collect::<Vec<_>>().join(" ");
    let answer = client.send(&format!("b SETMETADATA INBOX ({})", entries(100)));
    assert!(answer.starts_with("b NO [METADATA TOOMANY]"), "with the one before: {answer}");
    client.check("c GETMETADATA INBOX (DEPTH 1) /private/1", &["c OK GETMETADATA done"]);
    client.check(&format!("d SETMETADATA INBOX ({})", entries(99)), &["d OK SETMETADATA done"]);
    let long = format!("/private/{}", "n".repeat(247));
    assert!(client.send(&format!("e SETMETADATA Sent ({long} \"x\")")).starts_with("e NO [CANNOT]"));
}

#[test]
fn a_filter_that_names_others_many_times_is_refused() {
    let mut client = Server::new().alice_in_inbox();
    let many = |name: &str| vec![format!("FILTER {name}"); 100].join(" ");
    let set = format!(
        "a SETMETADATA \"\" (/private/filters/values/c \"{}\" /private/filters/values/b \"{}\" /private/filters/values/a \"{}\")",
        vec!["ALL"; 100].join(" "),
        many("c"),
        many("b"),
    );
    client.check(&set, &["a OK SETMETADATA done"]);
    client.check("b SEARCH FILTER c", &["* SEARCH", "b OK SEARCH done"]);
    assert!(client.send("c SEARCH FILTER a").starts_with("c NO [LIMIT]"));
}

#[test]
fn a_long_filter_was_put_in_as_often_as_it_was_named() {
    let mut client = Server::new().alice_in_inbox();
    let set = format!("a SETMETADATA \"\" (/private/filters/values/a \"SUBJECT {}\")", "x".repeat(16_000));
    client.check(&set, &["a OK SETMETADATA done"]);
    let names = |count: usize| vec!["FILTER a"; count].join(" ");
    client.check(&format!("b SEARCH {}", names(4)), &["* SEARCH", "b OK SEARCH done"]);
    assert!(client.send(&format!("c SEARCH {}", names(5))).starts_with("c NO [LIMIT]"));
}

#[test]
fn metadata_of_all_mailboxes_was_told_whatever_its_length() {
    let mut client = Server::new().alice();
    (0..100).for_each(|n| assert!(client.send(&format!("a CREATE m{n}")).ends_with(" CREATE done\r\n")));
    let entries: Vec<String> = (0..1900).map(|n| format!("/shared/{n:020}")).collect();
    let list = format!("b LIST \"\" * RETURN (METADATA ({}))", entries.join(" "));
    let answer = client.send(&list);
    assert!(answer.ends_with("b NO [LIMIT] Too many entries of too many mailboxes\r\n"), "{} octets", answer.len());
    assert!(answer.len() < 5 * 1024 * 1024, "{} octets", answer.len());
    assert!(client.send(&list.replace('*', "m1")).ends_with("b OK LIST done\r\n"));
}

#[test]
fn opening_a_mailbox_does_not_say_what_is_noted_beside_it() {
    let mut client = Server::new().alice();
    let before = client.send("a SELECT INBOX");
    client.check("b SETMETADATA INBOX (/private/a \"x\")", &["b OK SETMETADATA done"]);
    let after = client.send("a SELECT INBOX");
    assert_eq!(after.lines().count(), before.lines().count() + 1, "CLOSED: {after}");
}

#[test]
fn annotations_and_keys_of_addresses_cost_no_read_when_a_mailbox_is_opened() {
    let server = Server::new();
    let mut pc = server.alice();
    pc.fill(3);
    // In a process of its own, which knows nothing yet.
    let reads = |server: &Server| {
        let again = server.restarted();
        let mut phone = again.alice();
        let before = again.reads();
        assert!(phone.send("a SELECT INBOX").contains("a OK"));
        again.reads() - before
    };
    let before = reads(&server);
    for number in 0..50 {
        let answer = pc.send(&format!("a SETMETADATA INBOX (/private/vendor/x/{number} \"value\")"));
        assert!(answer.starts_with("a OK"), "{answer}");
    }
    let answer = pc.send("b GENURLAUTH \"imap://alice@example.org/INBOX/;uid=1;urlauth=authuser\" INTERNAL");
    assert!(answer.contains("b OK"), "{answer}");
    assert!(before > 0);
    assert_eq!(reads(&server), before);
}
