//! Commands about more messages than one commit takes: announced before anything is done, piece by piece, told as one.

use crate::harness::{Client, Server};
use session::Step;
use store::{Flags, NewMessage, PIECE_MESSAGES_MAX, Protocol, Target, Timestamp};

/// Two full pieces and one more.
const MANY: usize = 2 * PIECE_MESSAGES_MAX + 1;

fn server() -> Server {
    let server = Server::new();
    let (account, now) = (server.account(), Timestamp(crate::harness::NOW.unix_millis));
    let actor = store::Actor { device: store::DeviceId(0), protocol: Protocol::Server, now };
    for _ in 0..MANY {
        let message = NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: now };
        account.append(actor, Target::Inbox, message).unwrap();
    }
    server
}

/// With more messages in INBOX than have their flags changed in one commit; also gives how many that is.
fn server_of_flags() -> (Server, usize, usize) {
    let server = Server::new();
    let (account, now) = (server.account(), Timestamp(crate::harness::NOW.unix_millis));
    let actor = store::Actor { device: store::DeviceId(0), protocol: Protocol::Server, now };
    let uids: Vec<store::Uid> = (1..=12_000).map(store::Uid).collect();
    let mut appending = account.begin_append(actor, store::MailboxId(1), store::Amount::default());
    for at in 1..=uids.len() {
        appending.add(NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: now }).unwrap();
        if at == uids.len() || !appending.has_room(1) {
            appending.commit(at == uids.len()).unwrap();
        }
    }
    assert_eq!(appending.finish().len(), uids.len());
    (server, uids.len(), store::flags_piece(&uids).len())
}

/// Plays a command step by step; what each step wrote. `between` is called where the driver would send.
fn slices(client: &mut Client, line: &str, mut between: impl FnMut(usize)) -> Vec<String> {
    client.receive(line);
    let mut slices = Vec::new();
    loop {
        slices.push(client.step());
        if client.step != Step::Flush {
            return slices;
        }
        between(slices.len());
    }
}

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

#[test]
fn a_store_on_many_messages_begins_after_it_was_announced_and_goes_on_in_pieces() {
    let (server, all, piece) = server_of_flags();
    let mut pc = server.alice_in_inbox();
    let account = server.account();
    let mut heads = vec![account.head().unwrap()];
    let slices = slices(&mut pc, "a STORE 1:* +FLAGS (\\Seen)", |_| heads.push(account.head().unwrap()));
    assert_eq!(heads[0], heads[1], "nothing is done before there is a place for it");
    assert!(slices[0].is_empty());
    // An entry of the journal names at most 4,096.
    let entries = piece.div_ceil(4096) as u64;
    assert!(heads[1..].windows(2).all(|two| two[1].0 <= two[0].0 + entries), "a piece is a commit: {heads:?}");
    let told: Vec<usize> = slices.iter().map(|slice| count(slice, " FETCH (")).collect();
    // The last step tells of what is left of the piece before, and of its own messages.
    assert!(told.iter().all(|count| *count <= 1024 + all - piece), "{told:?}");
    let whole = slices.concat();
    assert_eq!(count(&whole, "FLAGS (\\Seen \\Recent)"), all);
    assert!(whole.ends_with("a OK STORE done\r\n") && count(&whole, "a OK") == 1);
}

#[test]
fn the_first_slice_of_a_fetch_that_reads_many_messages_was_not_announced() {
    let server = server();
    let mut pc = server.alice_in_inbox();
    let mut first_slice = |command: &str| slices(&mut pc, command, |_| {}).swap_remove(0);
    for long in ["a FETCH 1:* (ENVELOPE)", "a UID FETCH 1:* (BODY.PEEK[])", "a FETCH 1:101 (RFC822.HEADER)"] {
        assert_eq!(first_slice(long), "", "{long}");
    }
    for short in ["a FETCH 1:* (FLAGS)", "a FETCH 1:100 (ENVELOPE)", "a UID FETCH 1000:* (ENVELOPE)"] {
        assert!(first_slice(short).contains(" FETCH ("), "{short}");
    }
}

#[test]
fn a_few_messages_are_changed_at_once() {
    let server = server();
    let mut pc = server.alice_in_inbox();
    assert_eq!(slices(&mut pc, "a STORE 1:3 +FLAGS.SILENT (\\Seen)", |_| {}), ["a OK STORE done\r\n"]);
}

#[test]
fn what_others_changed_between_two_pieces_is_told_and_not_overwritten() {
    let (server, all, _) = server_of_flags();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    phone.send("b ENABLE CONDSTORE");
    let since = server.account().head().unwrap();
    let mut done = false;
    let slices = slices(&mut phone, &format!("c STORE 1:* (UNCHANGEDSINCE {since}) +FLAGS.SILENT (\\Seen)"), |step| {
        if step == 2 && !done {
            done = true;
            pc.send(&format!("d STORE {all} FLAGS.SILENT (\\Flagged)"));
        }
    });
    let whole = slices.concat();
    assert!(whole.contains(&format!("c OK [MODIFIED {all}] ")), "{}", whole.lines().last().unwrap());
    assert_eq!(count(&whole, "FLAGS (\\Flagged)"), 1, "the other's change is news");
}

#[test]
fn expunge_move_copy_and_delete_of_many_are_one_answer_of_many_pieces() {
    let server = server();
    let (mut pc, account) = (server.alice_in_inbox(), server.account());
    let commits = |client: &mut Client, line: &str| {
        let mut heads = vec![account.head().unwrap()];
        let whole = slices(client, line, |_| heads.push(account.head().unwrap())).concat();
        heads.push(account.head().unwrap());
        heads.dedup();
        (whole, heads.len() - 1)
    };
    let (copied, pieces) = commits(&mut pc, "a COPY 1:* Archive");
    assert!(copied.contains(&format!(" 1:{MANY} 1:{MANY}] COPY done\r\n")) && count(&copied, "COPYUID") == 1);
    assert_eq!(pieces, 3);
    let (moved, pieces) = commits(&mut pc, "b MOVE 1:* Junk");
    assert!(moved.starts_with("* OK [COPYUID ") && moved.contains(&format!(" 1:{MANY} 1:{MANY}] Moved\r\n")));
    assert_eq!((count(&moved, "COPYUID"), count(&moved, " EXPUNGE\r\n"), pieces), (1, MANY, 3));
    pc.send("c SELECT Archive");
    pc.send("d STORE 1:* +FLAGS.SILENT (\\Deleted)");
    let (gone, pieces) = commits(&mut pc, "e EXPUNGE");
    assert_eq!((count(&gone, " EXPUNGE\r\n"), pieces), (MANY, 3));
    assert!(gone.ends_with("e OK EXPUNGE done\r\n"));
    let (deleted, pieces) = commits(&mut pc, "f DELETE Junk");
    assert_eq!((deleted.as_str(), pieces), ("f OK DELETE done\r\n", 4));
}

#[test]
fn close_expunges_many_in_pieces() {
    let server = server();
    let mut pc = server.alice_in_inbox();
    pc.send("a STORE 1:* +FLAGS.SILENT (\\Deleted)");
    let slices = slices(&mut pc, "b CLOSE", |_| {});
    assert!(slices.len() > 3 && slices.concat() == "b OK Closed\r\n", "{slices:?}");
    pc.check("c STATUS INBOX (MESSAGES)", &["* STATUS \"INBOX\" (MESSAGES 0)", "c OK STATUS done"]);
}

#[test]
fn a_copy_of_many_that_fails_is_taken_back_before_the_client_hears_of_it() {
    let server = server();
    let mut pc = server.alice_in_inbox();
    let mut planned = false;
    let whole = slices(&mut pc, "a COPY 1:* Archive", |step| {
        if step == 2 && !std::mem::replace(&mut planned, true) {
            server.fail_next_commit(store::sim::Fault::Full);
        }
    });
    assert!(whole.concat().starts_with("a NO [OVERQUOTA]"), "{whole:?}");
    pc.check("b STATUS Archive (MESSAGES)", &["* STATUS \"Archive\" (MESSAGES 0)", "b OK STATUS done"]);
}
