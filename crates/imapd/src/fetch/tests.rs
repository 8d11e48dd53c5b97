use super::*;
use crate::testing::{ACTOR, ENABLED_CONDSTORE, ENABLED_QRESYNC, Mailbox, NOW, request_fetch};
use imap_proto::Status;
use proptest::prelude::*;
use store::objects::Objects;

/// All that a command says, its slices joined; each slice gets an empty output, as after a flush.
fn run(command: &str, enabled: Enabled, selected: &mut Selected) -> (Vec<u8>, Tagged) {
    let mut fetch = match Fetch::new(request_fetch(command), enabled, selected) {
        Ok(fetch) => fetch,
        Err(refused) => return (Vec::new(), refused),
    };
    let mut all = Vec::new();
    loop {
        let mut output = Vec::new();
        let progress = fetch.run(selected, ACTOR, &mut output).unwrap();
        all.extend_from_slice(&output);
        match progress {
            Progress::Done(tagged) => return (all, tagged),
            Progress::More => {}
        }
    }
}

fn said(command: &str, enabled: Enabled, selected: &mut Selected) -> String {
    let (said, tagged) = run(command, enabled, selected);
    assert_eq!(tagged.status, Status::Ok, "{command}: {tagged:?}");
    String::from_utf8(said).unwrap()
}

fn check(mailbox: &Mailbox, command: &str, expected: &str) {
    assert_eq!(said(command, Enabled::default(), &mut mailbox.select()), expected, "{command}");
}

#[test]
fn what_the_index_knows() {
    let mut mailbox = Mailbox::new();
    let flags = ["\\Flagged", "\\Seen", "$Label1"];
    mailbox.add_message(b"Subject: a\r\n\r\n", &flags, NOW);
    mailbox.add_message(b"", &[], store::Timestamp(0));
    check(&mailbox, "FETCH 1 FLAGS", "* 1 FETCH (FLAGS (\\Flagged \\Seen $Label1))\r\n");
    check(&mailbox, "FETCH 2 (FLAGS UID)", "* 2 FETCH (FLAGS () UID 2)\r\n");
    check(
        &mailbox,
        "FETCH 1:* (RFC822.SIZE INTERNALDATE)",
        "* 1 FETCH (RFC822.SIZE 14 INTERNALDATE \" 1-Feb-2026 10:00:00 +0000\")\r\n\
         * 2 FETCH (RFC822.SIZE 0 INTERNALDATE \" 1-Jan-1970 00:00:00 +0000\")\r\n",
    );
    let email = mailbox.select().told.get(0).unwrap().email.text();
    // Of a message that names none it is its own.
    check(&mailbox, "FETCH 1 (EMAILID THREADID)", &format!("* 1 FETCH (EMAILID ({email}) THREADID (T{email}))\r\n"));
    check(&mailbox, "UID FETCH 2,5 (UID)", "* 2 FETCH (UID 2)\r\n");
    check(&mailbox, "UID FETCH 9 FLAGS", "");
}

const PARTS: &str = "Subject: s\r\nX-A: 1\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain\r\n\r\none\r\n\
    --b\r\nContent-Transfer-Encoding: base64\r\n\r\nYQBi\r\n\
    --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n\
    --b\r\nContent-Transfer-Encoding: x-odd\r\n\r\nodd\r\n--b--\r\n";

#[test]
fn sections_are_exact() {
    let mut mailbox = Mailbox::new();
    mailbox.add(PARTS);
    let check = |item: &str, expected: &str| {
        check(&mailbox, &format!("FETCH 1 {item}"), &format!("* 1 FETCH ({expected})\r\n"));
    };
    let header = PARTS.find("--b").unwrap();
    let (length, rest) = (PARTS.len(), PARTS.len() - header);
    check("BODY.PEEK[]", &format!("BODY[] {{{length}}}\r\n{PARTS}"));
    check("RFC822", &format!("RFC822 {{{length}}}\r\n{PARTS}"));
    check("BODY.PEEK[HEADER]", &format!("BODY[HEADER] {{{header}}}\r\n{}", &PARTS[..header]));
    check("RFC822.HEADER", &format!("RFC822.HEADER {{{header}}}\r\n{}", &PARTS[..header]));
    check("BODY.PEEK[TEXT]", &format!("BODY[TEXT] {{{rest}}}\r\n{}", &PARTS[header..]));
    check("RFC822.TEXT", &format!("RFC822.TEXT {{{rest}}}\r\n{}", &PARTS[header..]));
    check("BODY.PEEK[1]", "BODY[1] {3}\r\none");
    check("BODY.PEEK[1.MIME]", "BODY[1.MIME] {28}\r\nContent-Type: text/plain\r\n\r\n");
    check("BODY.PEEK[3.HEADER]", "BODY[3.HEADER] {15}\r\nSubject: in\r\n\r\n");
    check("BODY.PEEK[3.TEXT]", "BODY[3.TEXT] {1}\r\nx");
    check("BODY.PEEK[9]", "BODY[9] NIL");
    check("BODY.PEEK[1.HEADER]", "BODY[1.HEADER] NIL");
    check("BODY.PEEK[HEADER.FIELDS (x-a nix)]", "BODY[HEADER.FIELDS (x-a nix)] {10}\r\nX-A: 1\r\n\r\n");
    check("BODY.PEEK[3.HEADER.FIELDS.NOT (Subject)]", "BODY[3.HEADER.FIELDS.NOT (Subject)] {2}\r\n\r\n");
    check("BODY.PEEK[1.HEADER.FIELDS (A)]", "BODY[1.HEADER.FIELDS (A)] NIL");
    check("BODY.PEEK[]<9.3>", "BODY[]<9> {3}\r\ns\r\n");
    check("BODY.PEEK[1]<2.100>", "BODY[1]<2> {1}\r\ne");
    check("BODY.PEEK[1]<3.1>", "BODY[1]<3> {0}\r\n");
    check("BODY.PEEK[]<99999999999.99999999999>", "BODY[]<99999999999> {0}\r\n");
    check("BODY.PEEK[HEADER.FIELDS (X-A)]<3.2>", "BODY[HEADER.FIELDS (X-A)]<3> {2}\r\n: ");
    check("BINARY.PEEK[2]", "BINARY[2] ~{3}\r\na\0b");
    check("BINARY.PEEK[2]<2.9>", "BINARY[2]<2> {1}\r\nb");
    check("(BINARY.SIZE[2] BINARY.SIZE[9])", "BINARY.SIZE[2] 3 BINARY.SIZE[9] 0");
    check("BINARY.PEEK[9]", "BINARY[9] NIL");
    check("(BODY.PEEK[1] UID BODY.PEEK[3.TEXT])", "BODY[1] {3}\r\none UID 1 BODY[3.TEXT] {1}\r\nx");
    check("BINARY.PEEK[]<0.7>", "BINARY[]<0> {7}\r\nSubject");
}

#[test]
fn an_unknown_encoding_is_said_at_the_end() {
    let mut mailbox = Mailbox::new();
    mailbox.add(PARTS);
    for (item, expected) in
        [("BINARY.PEEK[4]", "* 1 FETCH (BINARY[4] NIL)\r\n"), ("BINARY.SIZE[4]", "* 1 FETCH (BINARY.SIZE[4] 3)\r\n")]
    {
        let (said, tagged) = run(&format!("FETCH 1 {item}"), Enabled::default(), &mut mailbox.select());
        assert_eq!(String::from_utf8(said).unwrap(), expected);
        assert_eq!(tagged, Tagged::refused(Code::UnknownCte, tagged.text.clone()));
    }
}

#[test]
fn who_reads_a_body_has_seen_it() {
    let check = |item: &str, read_only: bool, seen: bool| {
        let mailbox = Mailbox::with_messages(2);
        let mut selected = mailbox.select();
        selected.read_only = read_only;
        said(&format!("FETCH 1 {item}"), Enabled::default(), &mut selected);
        assert_eq!(mailbox.flags_of(1).has(SystemFlag::Seen), seen, "{item}");
        assert!(!mailbox.flags_of(2).has(SystemFlag::Seen));
    };
    check("BODY[]", false, true);
    check("BODY[]", true, false);
    check("BODY.PEEK[]", false, false);
    check("(FLAGS RFC822)", false, true);
    check("RFC822.HEADER", false, false);
    check("BINARY[1]", false, true);
    check("BODY[9]", false, true);
}

#[test]
fn seen_is_one_commit_for_all_messages_of_a_slice() {
    let mut mailbox = Mailbox::with_messages(20);
    mailbox.flag(&[3], &["\\Seen"]);
    let before = mailbox.engine.commits();
    said("FETCH 1:* BODY[]", Enabled::default(), &mut mailbox.select());
    assert_eq!(mailbox.engine.commits(), before + 1);
    said("FETCH 1:* BODY[]", Enabled::default(), &mut mailbox.select());
    assert_eq!(mailbox.engine.commits(), before + 1, "all are seen: nothing to commit");
}

#[test]
fn a_full_disk_keeps_nobody_from_reading() {
    let mailbox = Mailbox::with_messages(1);
    mailbox.engine.plan(0, store::sim::Fault::Full);
    check(&mailbox, "FETCH 1 BODY[TEXT]", "* 1 FETCH (BODY[TEXT] {8}\r\nbody 1\r\n)\r\n");
    assert!(!mailbox.flags_of(1).has(SystemFlag::Seen));
}

#[test]
fn a_message_that_another_device_expunged_is_served() {
    let mut mailbox = Mailbox::with_messages(3);
    let mut selected = mailbox.select();
    mailbox.expunge(&[2]);
    let said = said("FETCH 1:* (UID BODY.PEEK[TEXT])", Enabled::default(), &mut selected);
    assert!(said.contains("* 2 FETCH (UID 2 BODY[TEXT] {8}\r\nbody 2\r\n)\r\n"), "{said}");
    assert!(said.contains("* 3 FETCH (UID 3 "), "{said}");
}

#[test]
fn a_message_that_left_retention_is_left_out() {
    let mut mailbox = Mailbox::with_messages(2);
    let mut selected = mailbox.select();
    mailbox.expunge(&[1]);
    mailbox.account.purge(store::Timestamp(NOW.0 + 1)).unwrap();
    let (said, tagged) = run("FETCH 1:* BODY.PEEK[TEXT]", Enabled::default(), &mut selected);
    assert_eq!(said, b"* 2 FETCH (BODY[TEXT] {8}\r\nbody 2\r\n)\r\n");
    assert_eq!(tagged, Tagged::refused(Code::ExpungeIssued, tagged.text.clone()));
    let (_, tagged) = run("UID FETCH 1:* BODY.PEEK[TEXT]", Enabled::default(), &mut selected);
    assert_eq!(tagged.status, Status::Ok, "RFC 9051 §6.4.9");
}

#[test]
fn a_message_that_cannot_be_read_does_not_hide_the_others() {
    let mailbox = Mailbox::with_messages(3);
    let mut selected = mailbox.select();
    // A snapshot, the first body; the second fails.
    mailbox.engine.plan_read_error(2);
    let (said, tagged) = run("FETCH 1:* (UID BODY.PEEK[])", Enabled::default(), &mut selected);
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("UID 1 ") && !said.contains("UID 2 ") && said.contains("UID 3 "), "{said}");
    assert_eq!(tagged.status, Status::No);
}

#[test]
fn numbers_that_are_not_there() {
    let mailbox = Mailbox::with_messages(2);
    let (_, tagged) = run("FETCH 3 FLAGS", Enabled::default(), &mut mailbox.select());
    assert_eq!(tagged.status, Status::Bad);
    let empty = Mailbox::new();
    check(&empty, "FETCH 1:* FLAGS", "");
    check(&empty, "UID FETCH 1:* FLAGS", "");
}

#[test]
fn the_header_of_a_large_message_is_read_alone() {
    let mut mailbox = Mailbox::new();
    mailbox.add(&format!("Subject: large\r\nX-A: 1\r\n\r\n{}", "x".repeat(200_000)));
    // The next read of a large body fails.
    mailbox.objects.plan_read_error(0);
    for (item, expected) in [
        ("RFC822.HEADER", "RFC822.HEADER {26}\r\nSubject: large\r\nX-A: 1\r\n\r\n"),
        ("BODY.PEEK[HEADER]<9.5>", "BODY[HEADER]<9> {5}\r\nlarge"),
        ("BODY.PEEK[HEADER.FIELDS (X-A)]", "BODY[HEADER.FIELDS (X-A)] {10}\r\nX-A: 1\r\n\r\n"),
        ("BODY.PEEK[HEADER.FIELDS.NOT (X-A)]", "BODY[HEADER.FIELDS.NOT (X-A)] {18}\r\nSubject: large\r\n\r\n"),
    ] {
        check(&mailbox, &format!("FETCH 1 {item}"), &format!("* 1 FETCH ({expected})\r\n"));
    }
    let (_, tagged) = run("FETCH 1 BODY.PEEK[TEXT]<0.1>", Enabled::default(), &mut mailbox.select());
    assert_eq!(tagged.status, Status::No, "no large body was read before");
}

#[test]
fn only_what_changed_since() {
    let mut mailbox = Mailbox::with_messages(3);
    let since = mailbox.select().view.mailbox().highest_modseq;
    mailbox.flag(&[2], &["\\Flagged"]);
    let modseq = mailbox.select().told.get(1).unwrap().modseq;
    let command = format!("FETCH 1:* FLAGS (CHANGEDSINCE {since})");
    check(&mailbox, &command, &format!("* 2 FETCH (FLAGS (\\Flagged) MODSEQ ({modseq}))\r\n"));
    let said = said("UID FETCH 2 FLAGS", ENABLED_CONDSTORE, &mut mailbox.select());
    assert_eq!(said, format!("* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ ({modseq}))\r\n"));
}

#[test]
fn vanished_comes_first() {
    let mut mailbox = Mailbox::with_messages(6);
    let since = mailbox.select().view.mailbox().highest_modseq;
    mailbox.expunge(&[2, 3, 6]);
    mailbox.flag(&[4], &["\\Flagged"]);
    let mut selected = mailbox.select();
    mailbox.expunge(&[5]);
    let command = format!("UID FETCH 1:* (UID) (CHANGEDSINCE {since} VANISHED)");
    let told = said(&command, ENABLED_QRESYNC, &mut selected);
    // 5 is told later, as VANISHED without EARLIER: the client still counts it.
    assert!(told.starts_with("* VANISHED (EARLIER) 2:3,6\r\n* 2 FETCH (UID 4 MODSEQ ("), "{told}");
    let command = format!("UID FETCH 3 (UID) (CHANGEDSINCE {since} VANISHED)");
    assert_eq!(said(&command, ENABLED_QRESYNC, &mut selected), "* VANISHED (EARLIER) 3\r\n");
    let (_, tagged) = run(&command, ENABLED_CONDSTORE, &mut selected);
    assert_eq!(tagged.status, Status::Bad, "RFC 7162 §3.2.6");
}

#[test]
fn commands_that_switch_condstore_on() {
    for (command, expected) in
        [("FETCH 1 FLAGS", false), ("FETCH 1 (FLAGS MODSEQ)", true), ("UID FETCH 1 FLAGS (CHANGEDSINCE 1)", true)]
    {
        assert_eq!(enables_condstore(&request_fetch(command)), expected, "{command}");
    }
}

#[test]
fn whatever_is_long_goes_out_in_pieces() {
    let (line, plain) = ("0123456789abcde\r\n", "MDEyMzQ1Njc4OWFiY2RlZmc=\r\n");
    let part = format!("Content-Transfer-Encoding: base64\r\n\r\n{}", plain.repeat(12_000));
    let decoded = "0123456789abcdefg".repeat(12_000);
    let long = "0123456789abcde\r\n ".repeat(9000);
    let header = format!("X-A: {long}.\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
    let text = format!("{}--b\r\n{part}\r\n--b--\r\n", line.repeat(1000));
    let whole = format!("{header}{text}");
    let check = |item: &str, name: &str, octets: &str| {
        let mut mailbox = Mailbox::new();
        mailbox.add(&whole);
        let mut selected = mailbox.select();
        let request = request_fetch(&format!("FETCH 1 ({item} FLAGS)"));
        let mut fetch = Fetch::new(request, Enabled::default(), &selected).unwrap();
        let (mut all, mut done) = (Vec::new(), false);
        while !done {
            let mut output = b"before".to_vec();
            done = matches!(fetch.run(&mut selected, ACTOR, &mut output).unwrap(), Progress::Done(_));
            assert!(output.len() <= OUTPUT_HIGH_WATER_BYTES + 100, "{item}: {}", output.len());
            all.extend_from_slice(&output["before".len()..]);
            let seen = mailbox.flags_of(1).has(SystemFlag::Seen);
            assert_eq!(seen, done && !item.contains("HEADER"), "{item}: seen only when all is written");
        }
        let expected = format!("* 1 FETCH ({name} {{{}}}\r\n{octets} FLAGS ())\r\n", octets.len());
        assert!(String::from_utf8(all).unwrap() == expected, "{item}");
    };
    check("BODY[]", "BODY[]", &whole);
    check("RFC822", "RFC822", &whole);
    check("BINARY[]", "BINARY[]", &whole);
    check("RFC822.TEXT", "RFC822.TEXT", &text);
    check("BODY[1]", "BODY[1]", &plain.repeat(12_000));
    check("BINARY[1]", "BINARY[1]", &decoded);
    check("BINARY[1]<7.100000>", "BINARY[1]<7>", &decoded[7..100_007]);
    check("RFC822.HEADER", "RFC822.HEADER", &header);
    let field = format!("{}\r\n\r\n", header.split("\r\nContent").next().unwrap());
    check("BODY.PEEK[HEADER.FIELDS (X-A)]", "BODY[HEADER.FIELDS (X-A)]", &field);
}

const LARGE_BYTES: usize = 20 * 1024 * 1024;

/// A mailbox with a large message between two small ones, and the name of the object of the large one.
fn with_large_message() -> (Mailbox, String) {
    let mut mailbox = Mailbox::with_messages(1);
    let part = "QUJDREVGR0hJSktMTU5P\r\n".repeat(LARGE_BYTES / 22);
    mailbox.add(&format!("Subject: large\r\nContent-Transfer-Encoding: base64\r\n\r\n{part}"));
    mailbox.add("Subject: last\r\n\r\nlast\r\n");
    let name = mailbox.objects.list(mailbox.account.id()).unwrap().remove(0).0;
    (mailbox, name)
}

#[test]
fn a_message_that_was_not_read_was_held_whole() {
    let (mailbox, _) = with_large_message();
    for item in ["BODY[]", "BODY[TEXT]", "BODY[1]", "RFC822", "BINARY[1]", "(BINARY.SIZE[1] BODY[]<5000.9000000>)"] {
        let mut selected = mailbox.select();
        let mut fetch = Fetch::new(request_fetch(&format!("FETCH 1:* {item}")), Enabled::default(), &selected).unwrap();
        let mut slices = 0;
        loop {
            let mut output = Vec::new();
            let progress = fetch.run(&mut selected, ACTOR, &mut output).unwrap();
            slices += 1;
            let held = fetch.response.as_ref().map_or(0, Response::held_bytes);
            assert!(held <= 128 * 1024, "{item}: {held} of a message");
            assert!(output.capacity() <= 256 * 1024, "{item}: {} of output", output.capacity());
            if matches!(progress, Progress::Done(_)) {
                break;
            }
        }
        assert!(slices > 30, "{item}: {slices}");
    }
}

#[test]
fn a_large_message_is_looked_through_in_slices_and_once_for_all_its_parts() {
    let (mailbox, name) = with_large_message();
    let mut selected = mailbox.select();
    let mut first = Fetch::new(request_fetch("FETCH 2 BODY[]<0.10>"), Enabled::default(), &selected).unwrap();
    let mut slices = 1;
    while first.run(&mut selected, ACTOR, &mut Vec::new()).unwrap() == Progress::More {
        slices += 1;
    }
    assert_eq!(slices, LARGE_BYTES.div_ceil(READ_BYTES_PER_SLICE_MAX));
    let known = selected.known.as_ref().unwrap();
    assert!(known.held_bytes() <= LARGE_BYTES / 1024, "{}", known.held_bytes());
    let mut second = Fetch::new(request_fetch("FETCH 2 BODY[]<0.16>"), Enabled::default(), &selected).unwrap();
    let mut output = Vec::new();
    assert!(matches!(second.run(&mut selected, ACTOR, &mut output).unwrap(), Progress::Done(_)));
    assert_eq!(String::from_utf8(output).unwrap(), "* 2 FETCH (BODY[]<0> {16}\r\nSubject: large\r\n)\r\n");
    // What is known is not believed: another object, or a damaged one, is looked at again.
    assert!(mailbox.objects.corrupt(mailbox.account.id(), &name));
    let middle = format!("FETCH 2 BODY[]<{}.100>", LARGE_BYTES / 2);
    let mut third = Fetch::new(request_fetch(&middle), Enabled::default(), &selected).unwrap();
    assert!(third.run(&mut selected, ACTOR, &mut Vec::new()).is_err());
}

/// They are read in one go, and each stands for itself.
#[test]
fn a_summary_that_is_damaged_does_not_hide_the_others() {
    let mut mailbox = Mailbox::with_messages(300);
    mailbox.expunge(&[7]);
    let mut selected = mailbox.select();
    let envelopes = |selected: &mut Selected| {
        let (said, tagged) = run("UID FETCH 1:* ENVELOPE", Enabled::default(), selected);
        let said = String::from_utf8(said).unwrap();
        let subjects: Vec<u32> = said
            .lines()
            .map(|line| {
                line.split("\"message ").nth(1).and_then(|rest| rest.split('"').next()).unwrap().parse().unwrap()
            })
            .collect();
        (subjects, tagged.status)
    };
    let but = |gone: &[u32]| (1..=300).filter(|uid| !gone.contains(uid)).collect::<Vec<u32>>();
    assert_eq!(envelopes(&mut selected), (but(&[7]), Status::Ok));
    let email = selected.told.find(Uid(200)).unwrap().email;
    let key = [b"T".as_slice(), &email.0.to_be_bytes()].concat();
    mailbox.engine.spoil_mail(mailbox.account.id(), &key);
    assert_eq!(envelopes(&mut selected), (but(&[7, 200]), Status::No));
}

#[test]
fn a_body_that_is_damaged_is_passed_over_and_one_that_becomes_so_ends_the_connection() {
    let (mailbox, name) = with_large_message();
    let mut selected = mailbox.select();
    let mut fetch = Fetch::new(request_fetch("FETCH 2 BODY[]"), Enabled::default(), &selected).unwrap();
    let mut sent = Vec::new();
    while sent.is_empty() {
        fetch.run(&mut selected, ACTOR, &mut sent).unwrap();
    }
    assert!(mailbox.objects.corrupt(mailbox.account.id(), &name));
    let broken = loop {
        match fetch.run(&mut selected, ACTOR, &mut Vec::new()) {
            Ok(Progress::More) => {}
            Ok(Progress::Done(_)) => break false,
            Err(Broken) => break true,
        }
    };
    assert!(broken, "nothing that is not the message may be taken for it");
    let (said, tagged) = run("FETCH 1:* BODY.PEEK[]", Enabled::default(), &mut mailbox.select());
    assert_eq!(tagged.status, Status::No);
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("* 1 FETCH") && !said.contains("* 2 FETCH") && said.contains("* 3 FETCH"), "{said}");
}

#[test]
fn large_messages_that_could_not_be_read_were_waited_for_one_after_the_other_in_one_slice() {
    let (mut mailbox, _) = with_large_message();
    mailbox.add(&format!("Subject: another\r\n\r\n{}", "large\r\n".repeat(LARGE_BYTES / 7)));
    for (name, _) in mailbox.objects.list(mailbox.account.id()).unwrap() {
        mailbox.objects.remove(mailbox.account.id(), &name).unwrap();
    }
    let mut selected = mailbox.select();
    let mut fetch = Fetch::new(request_fetch("FETCH 1:* BODY.PEEK[]"), Enabled::default(), &selected).unwrap();
    let mut slices = 1;
    while fetch.run(&mut selected, ACTOR, &mut Vec::new()).unwrap() == Progress::More {
        slices += 1;
    }
    assert_eq!(slices, 3);
}

#[test]
fn what_the_index_knows_goes_on_where_the_output_was_full() {
    let mut mailbox = Mailbox::with_messages(12);
    mailbox.expunge(&[3, 5]);
    let mut selected = mailbox.select();
    for set in ["1:*", "2,4,7:9,12", "12", "1:2,10", "3,5", "11:*"] {
        let command = format!("UID FETCH {set} (FLAGS RFC822.SIZE)");
        let (expected, _) = run(&command, Enabled::default(), &mut selected);
        for room in [1, 50, 120] {
            let mut fetch = Fetch::new(request_fetch(&command), Enabled::default(), &selected).unwrap();
            let (mut all, mut slices) = (Vec::new(), 0);
            loop {
                let fill = OUTPUT_HIGH_WATER_BYTES - room;
                let mut output = vec![0; fill];
                let progress = fetch.run(&mut selected, ACTOR, &mut output).unwrap();
                all.extend_from_slice(&output[fill..]);
                slices += 1;
                if matches!(progress, Progress::Done(_)) {
                    break;
                }
            }
            assert!(all == expected, "{set} {room}");
            assert!(slices > expected.len() / (room + 60), "{set} {room}: {slices}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn how_full_the_output_is_makes_no_difference(
        sizes in prop::collection::vec(0_usize..250_000, 1..6),
        fills in prop::collection::vec(0_usize..OUTPUT_HIGH_WATER_BYTES, 1..8),
    ) {
        let mut mailbox = Mailbox::new();
        for size in &sizes {
            mailbox.add(&format!("Subject: {size}\r\n\r\n{}", "x".repeat(*size)));
        }
        let mut selected = mailbox.select();
        let command = "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[] FLAGS BODY.PEEK[TEXT]<5.70000>)";
        let (expected, _) = run(command, Enabled::default(), &mut selected);
        let mut fetch = Fetch::new(request_fetch(command), Enabled::default(), &selected).unwrap();
        let mut all = Vec::new();
        for fill in fills.iter().cycle() {
            let mut output = vec![0; *fill];
            let progress = fetch.run(&mut selected, ACTOR, &mut output).unwrap();
            all.extend_from_slice(&output[*fill..]);
            if matches!(progress, Progress::Done(_)) {
                break;
            }
        }
        prop_assert!(all == expected);
    }
}
