//! Each limit at its value and one past it.

use super::*;

const HELO: &str = "S: 220\n C: HELO c\n S: 250\n";
const MAIL: &str = "C: MAIL FROM:<a@x>\n S: 250\n";
const RCPT: &str = "C: RCPT TO:<alice@example.org>\n S: 250\n";
const MESSAGE: &str = "C: DATA\n S: 354\n C: A: b\n C:\n C: .\n S: 250\n";

fn check_limits(limits: Limits, script: &str) -> World {
    check_in(|| world_with(limits), World::mx, script)
}

#[test]
fn recipients() {
    let limits = Limits { recipients_max: 3, ..Limits::default() };
    check_limits(
        limits,
        &format!("{HELO}{MAIL}{}C: RCPT TO:<bob@example.org>\n S: 452 4.5.3\n{MESSAGE}", RCPT.repeat(3)),
    );
}

#[test]
fn messages() {
    let limits = Limits { messages_max: 2, ..Limits::default() };
    let message = format!("{MAIL}{RCPT}{MESSAGE}");
    let script = format!("{HELO}{}C: MAIL FROM:<a@x>\n S: 421 4.7.0\n CLOSE", message.repeat(2));
    assert_eq!(check_limits(limits, &script).counts(), (2, 0, 0));
}

/// RFC 9422.
#[test]
fn what_a_message_and_a_connection_may_have_is_told_and_so_it_is() {
    let announced = |limits: Limits, begin: &dyn Fn(&World) -> Client, hello: &str| {
        let mut client = begin(&world_with(limits));
        client.session.receive(format!("{hello} c.example\r\n").as_bytes());
        client.step();
        let answer = String::from_utf8(std::mem::take(&mut client.output)).unwrap();
        let line = answer.lines().find_map(|line| line.get(4..)?.strip_prefix("LIMITS").map(str::to_owned));
        line.unwrap_or_else(|| panic!("{answer}"))
    };
    let few = Limits { messages_max: 2, recipients_max: 3, ..Limits::default() };
    for (limits, expected) in [
        (few, " MAILMAX=2 RCPTMAX=3"),
        (Limits::default(), " MAILMAX=1000 RCPTMAX=100"),
        (Limits { messages_max: 999_999, ..few }, " MAILMAX=999999 RCPTMAX=3"),
        (Limits { messages_max: 1_000_000, ..few }, " RCPTMAX=3"),
        (Limits::trusted(), " RCPTMAX=1000"),
    ] {
        assert_eq!(announced(limits, &World::mx, "EHLO"), expected);
        assert_eq!(announced(limits, &World::submission, "EHLO"), expected);
        assert_eq!(announced(limits, &World::lmtp, "LHLO"), expected);
    }
    let message = format!("{MAIL}{}C: RCPT TO:<alice@example.org>\n S: 452 4.5.3\n{MESSAGE}", RCPT.repeat(3));
    check_limits(few, &format!("{HELO}{}C: MAIL FROM:<a@x>\n S: 421 4.7.0\n CLOSE", message.repeat(2)));
}

#[test]
fn bad_commands() {
    let limits = Limits { bad_commands_max: 3, ..Limits::default() };
    check_limits(
        limits,
        &format!("S: 220\n {}C: DATA\n S: 421 4.7.0 Too many errors\n CLOSE", "C: X\n S: 500\n".repeat(3)),
    );
}

#[test]
fn recipients_that_do_not_exist() {
    let limits = Limits { refused_recipients_max: 3, ..Limits::default() };
    let nobody = "C: RCPT TO:<nobody@example.org>\n S: 550\n".repeat(3);
    check_limits(limits, &format!("{HELO}{MAIL}{nobody}{RCPT}C: RCPT TO:<x@example.net>\n S: 421 4.7.0\n CLOSE"));
}

#[test]
fn who_was_to_come_again_later_asked_for_recipients_without_end() {
    let limits = Limits { recipients_max: 1, put_off_recipients_max: 3, ..Limits::default() };
    let put_off = "C: RCPT TO:<bob@example.org>\n S: 452 4.5.3\n";
    // A message that was taken begins a new account.
    let message = format!("{MAIL}{RCPT}{}{MESSAGE}", put_off.repeat(3));
    let script =
        format!("{HELO}{message}{MAIL}{RCPT}{}C: RCPT TO:<b@example.org>\n S: 421 4.7.0\n CLOSE", put_off.repeat(3));
    check_limits(limits, &script);
}

#[test]
fn commands_that_lead_nowhere() {
    let limits = Limits { idle_commands_max: 3, ..Limits::default() };
    let idle = "C: NOOP\n S: 250\n C: RSET\n S: 250\n C: VRFY a\n S: 252\n";
    check_limits(limits, &format!("S: 220\n {idle}C: NOOP\n S: 421 4.7.0\n CLOSE"));
    // A message begins a new account.
    let limits = Limits { idle_commands_max: 4, ..limits };
    check_limits(limits, &format!("{HELO}{idle}{MAIL}{RCPT}{MESSAGE}{idle}C: NOOP\n S: 250\n C: NOOP\n S: 421"));
}

#[test]
fn size() {
    let limits = Limits { message_bytes_max: 10, ..Limits::default() };
    let send =
        |content: &str, reply: &str| format!("{MAIL}{RCPT}C: DATA\n S: 354\n C: {content}\n C: .\n S: {reply}\n");
    check_limits(
        limits,
        &format!(
            "{HELO}C: MAIL FROM:<a@x> SIZE=11\n S: 552 5.3.4\n C: MAIL FROM:<a@x> SIZE=10\n S: 250\n C: RSET\n S: 250\n{}{}",
            send("A: 5678", "552 5.3.4").replace("A: 5678", "A: 567890"),
            send("A: 45678", "250")
        ),
    );
    let chunks =
        |second: &str, reply: &str| format!("{MAIL}{RCPT}C: BDAT 4\n C: A:\n S: 250\n C: BDAT {second}\n S: {reply}\n");
    check_limits(
        limits,
        &format!("{HELO}{}{}", chunks("6 LAST\n C: 1234", "250"), chunks("7\n C: 12345", "552 5.3.4")),
    );
    // What comes after a chunk too many belongs to no message.
    check_limits(limits, &format!("{HELO}{}C: BDAT 2 LAST\n C:\n S: 503", chunks("7\n C: 12345", "552 5.3.4")));
}

#[test]
fn the_room_for_what_is_coming_in() {
    let with = |bytes: u64| {
        move || {
            let world = world();
            let common = Common { spool: spool(bytes), ..world.common.clone() };
            World { common, ..world }
        }
    };
    let kib = 64 * 1024;
    let available = |world: &World| world.common.spool.available_to(Holder::stranger("192.0.2.1".parse().unwrap()));
    check_in(
        with(kib),
        World::mx,
        &format!("{HELO}C: MAIL FROM:<a@x> SIZE=65537\n S: 452 4.3.1\n{MAIL}{RCPT}{MESSAGE}"),
    );
    check_in(with(kib - 1), World::mx, &format!("{HELO}{MAIL}{RCPT}C: DATA\n S: 452 4.3.1"));
    // In the middle of a message there is no reply but the last one: the rest is passed over, and takes no room.
    let world = with(kib)();
    let mut client = world.mx();
    client.play(&format!("{HELO}{MAIL}{RCPT}C: DATA\n S: 354"), usize::MAX);
    client.send(&vec![b'x'; 2 * kib as usize], 1000);
    assert_eq!((client.last, available(&world)), (Step::Wait, kib));
    client.play(&format!("C: \\r\\n.\n S: 452 4.3.1\n{MAIL}{RCPT}{MESSAGE}"), usize::MAX);
    assert_eq!(available(&world), kib);
    // What is under way counts, and who goes gives it back.
    client.play(&format!("{MAIL}{RCPT}C: DATA\n S: 354"), usize::MAX);
    client.send(&vec![b'x'; kib as usize], 1000);
    assert!(available(&world) < kib);
    drop(client);
    assert_eq!(available(&world), kib);
    // Of chunks the one that is too many is told, and those after it belong to no message.
    let mut client = world.mx();
    client.play(&format!("{HELO}{MAIL}{RCPT}"), usize::MAX);
    client.send(&[b"BDAT 65536\r\n", &vec![b'x'; kib as usize][..], b"BDAT 1\r\nx"].concat(), usize::MAX);
    client.play("S: 250\n S: 452 4.3.1\n C: BDAT 6 LAST\n C: QUIT\n S: 503", usize::MAX);
    assert_eq!(available(&world), kib);
}

/// Line by line and in chunks, past what a part, the memory of the spool and a step take.
#[test]
fn a_large_message_is_kept_octet_for_octet() {
    let text: String = (0..40_000).map(|n| format!("{n}\r\n..two dots\r\n")).collect();
    let content = format!("Subject: large\r\n\r\n{text}");
    let stuffed = content.replace("\r\n..", "\r\n...");
    for (wire, segment) in [
        (format!("DATA\r\n{stuffed}.\r\n"), 100_000),
        (format!("DATA\r\n{stuffed}.\r\n"), 997),
        (format!("BDAT {}\r\n{}BDAT {} LAST\r\n{}", 100, &content[..100], content.len() - 100, &content[100..]), 997),
    ] {
        let world = world();
        let mut client = world.mx();
        client.play(&format!("{HELO}{MAIL}{RCPT}"), usize::MAX);
        client.send(wire.as_bytes(), segment);
        let answers = client.take();
        assert!(answers.lines().last().is_some_and(|line| line.starts_with("250 2.0.0 Accepted")), "{answers}");
        assert!(world.contents("alice") == [content.clone()], "{segment}");
    }
}

fn passes(client: &mut Client, millis: u64) {
    client.now = client.now.plus_millis(millis);
    client.step();
}

#[test]
fn silence() {
    let idle = Limits::default().idle_millis;
    let mut client = world().mx();
    client.play("S: 220", 1);
    passes(&mut client, idle - 1);
    client.play("C: NOOP\n S: 250", 1);
    passes(&mut client, idle - 1);
    // Half a command is no sign of life.
    client.send(b"NO", 1);
    passes(&mut client, 1);
    client.play("S: 421 4.4.2\n CLOSE", 1);
}

#[test]
fn silence_in_a_message() {
    let idle = Limits::default().idle_millis;
    let mut client = world().mx();
    client.play(&format!("{HELO}{MAIL}{RCPT}C: DATA\n S: 354"), 1);
    for _ in 0..3 {
        passes(&mut client, idle - 1);
        client.send(b"x", 1);
    }
    assert_eq!(client.last, Step::Wait);
    client.later();
    client.play("S: 421 4.4.2\n CLOSE", 1);
}

#[test]
fn time_before_data() {
    let limits = Limits::default();
    let mut client = world().mx();
    client.play("S: 220", 1);
    for _ in 0..4 {
        passes(&mut client, limits.envelope_millis / 5);
        client.play("C: NOOP\n S: 250", 1);
    }
    passes(&mut client, limits.envelope_millis / 5 - 1);
    client.play("C: NOOP\n S: 250", 1);
    passes(&mut client, 1);
    client.play("S: 421 4.4.2\n CLOSE", 1);
}

#[test]
fn time_for_a_message() {
    let limits = Limits::default();
    let mut client = world().mx();
    client.play(&format!("{HELO}{MAIL}{RCPT}C: DATA\n S: 354"), 1);
    for _ in 0..9 {
        passes(&mut client, limits.content_millis / 10);
        client.send(b"x", 1);
    }
    passes(&mut client, limits.content_millis / 10 - 1);
    assert_eq!(client.last, Step::Wait);
    passes(&mut client, 1);
    client.play("S: 421 4.4.2\n CLOSE", 1);
}

#[test]
fn a_trusted_system_keeps_its_connection() {
    let trusted = Limits::trusted();
    assert_eq!(trusted.messages_max, u32::MAX);
    assert!(trusted.recipients_max > Limits::default().recipients_max);
}

#[test]
fn output_is_handed_over_before_it_grows() {
    let limits = Limits { idle_commands_max: u32::MAX, ..Limits::default() };
    let mut client = world_with(limits).mx();
    client.session.receive("NOOP\r\n".repeat(10_000).as_bytes());
    let mut output = Vec::new();
    assert_eq!(client.session.step(client.now, &mut output), Step::Flush);
    assert!(output.len() < ::session::OUTPUT_HIGH_WATER_BYTES + 1000);
}

/// An alias multiplies: `team` leads to two accounts.
#[test]
fn accounts_that_a_message_reaches_through_aliases() {
    let team = "C: RCPT TO:<team@example.org>\n S: 250\n";
    let limits = Limits { accounts_max: 4, ..Limits::default() };
    let one_more = "C: RCPT TO:<alice@example.org>\n S: 452 4.5.3\n";
    check_limits(limits, &format!("{HELO}{MAIL}{}{one_more}{MESSAGE}", team.repeat(2)));
    let limits = Limits { accounts_max: 2, ..Limits::default() };
    check_limits(limits, &format!("{HELO}{MAIL}{team}{MESSAGE}"));
    let limits = Limits { accounts_max: 1, ..Limits::default() };
    let alone = "C: RCPT TO:<team@example.org>\n S: 550 5.5.3\n";
    check_limits(limits, &format!("{HELO}{MAIL}{alone}{RCPT}{MESSAGE}"));
}

/// A message that takes long is taken in after the driver has given the session a place for it, and a short one at once.
#[test]
fn a_large_message_and_one_for_many_are_announced() {
    let check = |octets: usize, recipient: &str, count: usize, announced: bool| {
        let world = world();
        let mut session = world.mx().session;
        let mut output = Vec::new();
        assert_eq!(session.step(Moment::default(), &mut output), Step::Wait);
        let head =
            format!("HELO c\r\nMAIL FROM:<a@x>\r\n{}DATA\r\n", format!("RCPT TO:<{recipient}>\r\n").repeat(count));
        session.receive(head.as_bytes());
        assert_eq!(session.step(Moment::default(), &mut output), Step::Wait);
        session.receive("a: b\r\n\r\n".as_bytes());
        session.receive(&"x".repeat(998 - 2).into_bytes());
        for _ in 0..octets / 1000 {
            session.receive(("\r\n".to_owned() + &"x".repeat(998)).as_bytes());
        }
        output.clear();
        session.receive(b"\r\n.\r\n");
        let step = session.step(Moment::default(), &mut output);
        assert_eq!((step == Step::Flush, output.is_empty()), (announced, announced), "{octets} for {count}: {step:?}");
        if announced {
            assert_eq!(session.step(Moment::default(), &mut output), Step::Wait);
        }
        assert!(output.starts_with(b"250 "), "{}", String::from_utf8_lossy(&output));
    };
    check(1_000, "alice@example.org", 4, false);
    check(1_000, "alice@example.org", 5, true);
    check(1_000, "team@example.org", 3, true);
    check(250_000, "alice@example.org", 1, false);
    check(300_000, "alice@example.org", 1, true);
}

#[test]
fn who_speaks_before_the_greeting_has_to_go() {
    let world = world_with(Limits { greeting_pause_millis: 1500, ..Limits::default() });
    let mut patient = world.mx();
    assert_eq!((patient.take(), patient.last), (String::new(), Step::Wait));
    patient.play("LATER\nS: 220 mail.example.org\nC: NOOP\nS: 250", usize::MAX);
    let mut hasty = world.mx();
    hasty.send(b"EHLO x\r\nMAIL FROM:<a@x>\r\n", usize::MAX);
    hasty.play("S: 554 5.5.1 You speak before the greeting\nCLOSE", usize::MAX);
    // Nobody on this machine waits, and no mail program of an own user.
    Client::new(SmtpService::mx(world.common.clone()), "::1", false).play("S: 220", usize::MAX);
    world.submission_from("192.0.2.1", true).play("S: 220", usize::MAX);
}
