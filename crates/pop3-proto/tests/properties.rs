//! What holds for all input: segmentation, round trips, bounds.
#![allow(clippy::unwrap_used, missing_docs)]

use pop3_proto::{Command, Event, MessageEncoder, Receiver, encode_message, first_lines};
use proptest::collection::vec;
use proptest::prelude::*;

fn events(pieces: &[&[u8]]) -> Vec<String> {
    let mut receiver = Receiver::new();
    let mut log = Vec::new();
    for piece in pieces {
        receiver.push(piece);
        while let Some(event) = receiver.poll() {
            log.push(format!("{event:?}"));
            if matches!(event, Event::Command(Ok(Command::Auth(_)))) {
                receiver.begin_auth();
            }
        }
    }
    log
}

fn talk() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => prop::sample::select(vec![
            "\r\n", "\n", "\r", "STAT\r\n", "RETR 1\r\n", "TOP 1 2\n", "AUTH PLAIN\r\n", "PASS a b\r\n", "LIST ", "1", "\0", "ä", "AUTH ",
        ]).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..5),
        1 => (0usize..700).prop_map(|count| vec![b'x'; count]),
        1 => (12_200usize..12_400).prop_map(|count| vec![b'x'; count]),
    ];
    vec(word, 0..30).prop_map(|words| words.concat())
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(vec!["a", ".", "\r\n", "\r\n.", "b c"]), 0..60)
        .prop_map(|words| words.concat().into_bytes())
}

/// What a client does (RFC 1939 §3).
fn unstuff(answer: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut rest = answer;
    loop {
        let end = rest.windows(2).position(|octets| octets == b"\r\n")? + 2;
        let (line, after) = rest.split_at(end);
        if line == b".\r\n" {
            return after.is_empty().then_some(message);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        rest = after;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn segmentation_does_not_matter(talk in talk(), segment in 1usize..40) {
        let whole = events(&[&talk]);
        prop_assert_eq!(&events(&talk.chunks(segment).collect::<Vec<_>>()), &whole);
        if talk.len() < 2000 {
            prop_assert_eq!(&events(&talk.chunks(1).collect::<Vec<_>>()), &whole);
        }
    }

    #[test]
    fn unstuffing_undoes_stuffing(message in message(), segment in 1usize..10) {
        let mut whole = Vec::new();
        encode_message(&message, &mut whole);
        let mut pieces = Vec::new();
        let mut encoder = MessageEncoder::new();
        for piece in message.chunks(segment) {
            encoder.write(piece, &mut pieces);
        }
        encoder.finish(&mut pieces);
        prop_assert_eq!(&pieces, &whole);
        let mut expected = message;
        if !expected.is_empty() && !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        prop_assert_eq!(unstuff(&whole), Some(expected));
    }

    #[test]
    fn no_message_ends_its_own_answer_at_any_line_feed(message in vec(prop::sample::select(b".\r\na".to_vec()), 0..60)) {
        let mut answer = Vec::new();
        encode_message(&message, &mut answer);
        let ends = answer.split_inclusive(|octet| *octet == b'\n').filter(|line| matches!(line, [b'.', b'\n'] | [b'.', b'\r', b'\n']));
        prop_assert_eq!(ends.count(), 1);
    }

    #[test]
    fn the_first_lines_are_the_same_in_any_pieces(body in message(), lines in 0u64..5, cut in 0usize..60) {
        let (first, rest) = body.split_at(cut.min(body.len()));
        let mut left = lines;
        let shown = [first_lines(first, &mut left), first_lines(rest, &mut left)].concat();
        let lines = usize::try_from(lines).unwrap();
        let expected: Vec<u8> = body.split_inclusive(|octet| *octet == b'\n').take(lines).flatten().copied().collect();
        prop_assert_eq!(shown, expected);
    }

    #[test]
    fn no_line_makes_the_parser_panic(line in vec(any::<u8>(), 0..60), keyword in prop::sample::select(vec!["", "TOP ", "LIST ", "AUTH ", "PASS ", "LANG "])) {
        let mut whole = keyword.as_bytes().to_vec();
        whole.extend_from_slice(&line);
        if let Ok(Command::Lang(Some(range))) = Command::parse(&whole) {
            prop_assert!(!range.is_empty() && !range.contains(' '));
        }
    }
}
