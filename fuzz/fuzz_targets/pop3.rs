//! POP3: any bytes, cut anywhere, give the same commands; what is stuffed has no early end.
#![no_main]

use pop3_proto::{Receiver, encode_message};

fn events(pieces: &[&[u8]]) -> Vec<String> {
    let mut receiver = Receiver::new();
    let mut seen = Vec::new();
    for piece in pieces {
        receiver.push(piece);
        while let Some(event) = receiver.poll() {
            seen.push(format!("{event:?}"));
        }
    }
    seen
}

libfuzzer_sys::fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let (first, second) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    assert_eq!(events(&[bytes]), events(&[first, second]));
    let mut output = Vec::new();
    encode_message(bytes, &mut output);
    let end = output.windows(5).position(|window| window == b"\r\n.\r\n").map(|at| at + 5);
    assert!(end == Some(output.len()) || output == b".\r\n");
});
