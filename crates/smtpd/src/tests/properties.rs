//! Whatever a client sends, in whatever pieces.

use super::*;
use proptest::prelude::*;

const PIECES: &[&str] = &[
    "EHLO c\r\n",
    "LHLO c\r\n",
    "MAIL FROM:<a@x>\r\n",
    "MAIL FROM:<alice@example.org>\r\n",
    "RCPT TO:<alice@example.org>\r\n",
    "RCPT TO:<nobody@example.org>\r\n",
    "RCPT TO:<c@example.net>\r\n",
    "DATA\r\n",
    "A: b\r\n\r\n",
    ".\r\n",
    "\n.\r\n",
    "BDAT 7 LAST\r\n",
    "BDAT 3\r\n",
    "abc",
    "RSET\r\n",
    "NOOP\r\n",
    "QUIT\r\n",
    "AUTH LOGIN\r\n",
    "YWxpY2U=\r\n",
    "Y29ycmVjdCBob3JzZQ==\r\n",
    "*\r\n",
    "\0",
    "\r",
    "\n",
    "AUTH PLAIN =\r\n",
    "VRFY x\r\n",
];

fn play(connect: fn(&World) -> Client, input: &[u8], cuts: &[usize]) -> (String, (usize, usize, usize), Step) {
    let world = world();
    let mut client = connect(&world);
    let mut rest = input;
    for cut in cuts {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        client.send(piece, usize::MAX);
        rest = after;
    }
    client.send(rest, usize::MAX);
    (without_id(&client.take()), world.counts(), client.last)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn segments_change_nothing(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40),
        cuts in proptest::collection::vec(1usize..40, 0..40),
        which in 0..3,
    ) {
        let input = pieces.concat();
        let connect = [World::mx, World::lmtp, World::submission][which as usize];
        let whole = play(connect, input.as_bytes(), &[]);
        prop_assert_eq!(&whole, &play(connect, input.as_bytes(), &cuts));
        // Every reply is a line with a code.
        for line in whole.0.lines() {
            prop_assert!(line.len() >= 4 && line[..3].bytes().all(|c| c.is_ascii_digit()), "{}", line);
        }
    }

    #[test]
    fn an_accepted_message_is_there(bodies in proptest::collection::vec("[ -~]{0,60}", 1..5)) {
        let world = world();
        let mut client = world.mx();
        client.play("S: 220\n C: HELO c\n S: 250", usize::MAX);
        for body in &bodies {
            let stuffed = if body.starts_with('.') { format!(".{body}") } else { body.clone() };
            let text = format!("MAIL FROM:<a@x>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n\r\n{stuffed}\r\n.\r\n");
            client.send(text.as_bytes(), 7);
            let output = client.take();
            prop_assert!(output.lines().last().unwrap().starts_with("250 2.0.0 Accepted"), "{}", output);
        }
        let expected: Vec<String> = bodies.iter().map(|body| format!("\r\n{body}\r\n")).collect();
        prop_assert_eq!(world.contents("alice"), expected);
    }
}
