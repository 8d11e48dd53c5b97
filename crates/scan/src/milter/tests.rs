use super::*;
use crate::opinion::Verdict;
use std::collections::VecDeque;

fn question(recipients: &[&str], content: &str) -> Question {
    Question {
        id: "1a".into(),
        hostname: "mail.example.org".into(),
        address: "192.0.2.1".parse().unwrap(),
        name: Some("mail.client.example".into()),
        helo: "client.example".into(),
        tls: None,
        mail_from: "a@client.example".into(),
        recipients: recipients.iter().map(ToString::to_string).collect(),
        content: content.as_bytes().to_vec(),
    }
}

/// What a milter heard, and the opinion. `says`: what it answers to a letter, in its order; `c` otherwise. `steps`: what it asks for.
fn play(question: &Question, steps: u32, says: &[(u8, &[u8])]) -> (Vec<u8>, Result<Opinion, NoAnswer>) {
    let (mut talk, mut heard, mut last) = (Talk::new(question), Vec::new(), b'O');
    let mut says: VecDeque<(u8, &[u8])> = says.iter().copied().collect();
    let numbers = [6, 0x31, steps].map(u32::to_be_bytes).concat();
    let negotiated = [vec![b'O'], numbers].concat();
    loop {
        match talk.next() {
            Next::Send(mut bytes) => {
                while !bytes.is_empty() {
                    let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
                    let packet: Vec<u8> = bytes.drain(..4 + length).skip(4).collect();
                    assert!(packet.len() <= 65_536);
                    last = packet[0];
                    if last != b'D' {
                        heard.push(last);
                    }
                }
            }
            Next::Hear => {
                let said = match says.front() {
                    _ if last == b'O' => negotiated.clone(),
                    Some((to, _)) if *to == last => says.pop_front().unwrap().1.to_vec(),
                    _ => b"c".to_vec(),
                };
                if let Err(error) = talk.hear(&said) {
                    return (heard, Err(error));
                }
            }
            Next::Over(opinion) => return (heard, Ok(opinion)),
        }
    }
}

const MAIL: &str = "Subject: x\r\nTo: y\r\n\r\ntext\r\n";

fn check(to: u8, answers: &[&[u8]], verdict: Verdict, reason: &str) -> Opinion {
    let question = question(&["b@example.org", "c@example.org"], MAIL);
    let says: Vec<(u8, &[u8])> = answers.iter().map(|answer| (to, *answer)).collect();
    let opinion = play(&question, 0, &says).1.unwrap();
    assert_eq!((opinion.verdict, opinion.reason.as_str()), (verdict, reason), "{} {answers:?}", char::from(to));
    opinion
}

#[test]
fn a_milter_hears_all_of_it_in_order() {
    let (heard, opinion) = play(&question(&["b@example.org", "c@example.org"], MAIL), 0, &[]);
    assert_eq!((String::from_utf8(heard).unwrap().as_str(), opinion), ("OCHMRRTLLNBE", Ok(Opinion::default())));
}

#[test]
fn what_a_milter_leaves_out_is_not_told_and_what_it_does_not_answer_is_not_waited_for() {
    let heard = |steps| String::from_utf8(play(&question(&["b@example.org"], MAIL), steps, &[]).0).unwrap();
    assert_eq!(heard(0x01 | 0x02 | 0x20 | 0x200), "OMRNBE");
    assert_eq!(heard(0x7f | 0x200), "OE");
    // No answer but to the negotiation and to the end: `play` would give one, which is one too many.
    assert_eq!(heard(0xf_f080), "OCHMRTLLNBE");
}

#[test]
fn a_milter_that_has_heard_enough_of_the_body_gets_its_end() {
    let long = format!("Subject: x\r\n\r\n{}", "x".repeat(200_000));
    let bodies = |says: &[(u8, &[u8])]| {
        let (heard, _) = play(&question(&["b@example.org"], &long), 0x400, says);
        (heard.iter().filter(|letter| **letter == b'B').count(), heard.last().copied())
    };
    assert_eq!(bodies(&[]), (4, Some(b'E')));
    assert_eq!(bodies(&[(b'B', b"s")]), (1, Some(b'E')));
}

#[test]
fn whatever_a_milter_decides_and_when_it_is_done() {
    let (later, refused) = (
        "A filter of this server cannot take the message now; try again later",
        "A filter of this server refuses the message",
    );
    for stage in *b"CHMTLNBE" {
        check(stage, &[b"a"], Verdict::Deliver, "");
        check(stage, &[b"t"], Verdict::Later, later);
        check(stage, &[b"r"], Verdict::Refuse, refused);
        check(stage, &[b"d"], Verdict::Junk, "A filter would throw it away");
        check(stage, &[b"y550 5.7.1 Eicar\r\nfound\0"], Verdict::Refuse, "Eicar found");
        check(stage, &[b"y451 4.7.1 Come again\0"], Verdict::Later, "Come again");
    }
}

#[test]
fn a_recipient_alone_is_not_refused() {
    check(b'R', &[b"r"], Verdict::Deliver, "");
    check(b'R', &[b"r", b"y550 5.1.1 No such thing\0"], Verdict::Refuse, "No such thing");
    check(b'R', &[b"c", b"t"], Verdict::Deliver, "");
}

#[test]
fn changes_of_the_header_are_taken_at_the_end() {
    let changes: [&[u8]; 6] = [
        b"p",
        b"hX-Added\0one\0",
        b"i\0\0\0\0X-First\0two\0",
        b"m\0\0\0\x01Subject\0three\0",
        b"m\0\0\0\x01To\0\0",
        b"c",
    ];
    let opinion = check(b'E', &changes, Verdict::Deliver, "");
    let edited = opinion.edits.iter().fold(MAIL.as_bytes().to_vec(), |content, edit| edit.apply(&content));
    assert_eq!(edited, b"X-First: two\r\nSubject: three\r\nX-Added: one\r\n\r\ntext\r\n");
    check(b'E', &[b"qfound something\0", b"c"], Verdict::Junk, "A filter keeps it apart: found something");
}

#[test]
fn what_no_milter_may_say_ends_the_conversation() {
    let question = question(&["b@example.org"], MAIL);
    let broken: [&[(u8, &[u8])]; 10] = [
        &[(b'C', b"s")],
        &[(b'C', b"hX\0y\0")],
        &[(b'E', b"b replaced")],
        &[(b'E', b"+<other@example.org>\0")],
        &[(b'E', b"hX")],
        &[(b'E', b"hX: Y\0y\0")],
        &[(b'E', b"m\0\0")],
        &[(b'E', b"y250 fine\0")],
        &[(b'E', b"z")],
        &[(b'E', b"")],
    ];
    for says in broken {
        assert!(play(&question, 0, says).1.is_err(), "{says:?}");
    }
    let endless = vec![(b'E', &b"p"[..]); 20_000];
    assert!(play(&question, 0, &endless).1.is_err());
    let many = vec![(b'E', &b"hX\0y\0"[..]); 101];
    assert!(play(&question, 0, &many).1.is_err());
    for steps in [0x20_0000, 0x1000_0000] {
        assert!(play(&question, steps, &[]).1.is_err());
    }
}

#[test]
fn a_packet_without_a_sane_length_is_not_read() {
    for bytes in [[0; 4], [0, 2, 0, 0], [0xff; 4]] {
        assert!(packet::length(bytes).is_err());
    }
    assert_eq!(packet::length([0, 0, 0, 1]), Ok(1));
}
