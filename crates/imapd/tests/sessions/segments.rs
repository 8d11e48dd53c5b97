//! However the client's bytes are split, the answers are the same.

use crate::harness::{PASSWORD, Server};
use proptest::prelude::*;

/// A session with literals of both kinds, IDLE, pipelining, empty lines and nonsense.
fn script() -> Vec<u8> {
    let lines = [
        format!("a1 LOGIN {{17}}\r\nalice@example.org {{{}+}}\r\n{PASSWORD}", PASSWORD.len()),
        "a2 ENABLE CONDSTORE".into(),
        "a3 SELECT INBOX".into(),
        "a4 APPEND INBOX (\\Seen) {18+}\r\nSubject: a\r\n\r\nbody".into(),
        String::new(),
        "a4b APPEND INBOX (\\Seen) {1+}\r\na {1}\r\nb (\\Flagged) {1+}\r\nc".into(),
        "a5 APPEND INBOX {16}\r\nSubject: b\r\n\r\nx\n".into(),
        "a6 IDLE\r\nDONE".into(),
        "a7 FETCH 1:* (FLAGS UID ENVELOPE BODY.PEEK[] MODSEQ)".into(),
        "a8 UID STORE 1:* +FLAGS ($Label1 \\Flagged)".into(),
        "a9 UID SEARCH RETURN (ALL COUNT) KEYWORD $label1".into(),
        "a10 FROB\r\na11 FETCH 9 FLAGS\r\na12 COPY 1:2 Trash".into(),
        "a13 LIST \"\" *\r\na14 STATUS Trash (MESSAGES UIDNEXT)".into(),
        "a15 IDLE\r\nnonsense\r\na16 STORE 1 +FLAGS.SILENT (\\Deleted)\r\na17 EXPUNGE".into(),
        "a18 LOGOUT".into(),
    ];
    let mut script = lines.join("\r\n").into_bytes();
    script.extend_from_slice(b"\r\n");
    script
}

fn play<'a>(segments: impl Iterator<Item = &'a [u8]>) -> String {
    let mut client = Server::new().connect();
    segments.map(|segment| client.raw(segment)).collect()
}

#[test]
fn byte_by_byte_and_all_at_once() {
    let script = script();
    let whole = play(std::iter::once(script.as_slice()));
    assert!(whole.ends_with("* BYE Goodbye\r\na18 OK LOGOUT done\r\n"), "{whole}");
    assert_eq!(whole.matches("BAD").count(), 3, "{whole}");
    assert_eq!(play(script.chunks(1)), whole);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn any_split(lengths in prop::collection::vec(1..40usize, 1..60)) {
        let script = script();
        let mut rest = script.as_slice();
        let mut segments = Vec::new();
        for length in lengths {
            let (segment, after) = rest.split_at(length.min(rest.len()));
            segments.push(segment);
            rest = after;
        }
        segments.push(rest);
        prop_assert_eq!(play(segments.into_iter()), play(std::iter::once(script.as_slice())));
    }
}
