//! IMAP: any bytes, cut anywhere, give the same commands.
#![no_main]

use imap_proto::{Event, Limits, Receiver};

fn events(pieces: &[&[u8]]) -> Vec<String> {
    let mut receiver = Receiver::new(Limits::after_login(100_000));
    let mut seen = Vec::new();
    for piece in pieces {
        receiver.push(piece);
        loop {
            let event = receiver.poll();
            if matches!(event, Event::NeedMore) {
                break;
            }
            seen.push(format!("{event:?}"));
        }
    }
    seen
}

libfuzzer_sys::fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let (first, second) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    assert_eq!(events(&[bytes]), events(&[first, second]));
});
