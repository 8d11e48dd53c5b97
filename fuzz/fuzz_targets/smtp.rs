//! SMTP: any bytes, cut anywhere, give the same events; end of data is CRLF.CRLF and nothing else.
#![no_main]

use smtp_proto::{Command, Event, Receiver};

fn events(pieces: &[&[u8]]) -> Vec<String> {
    let mut receiver = Receiver::new();
    let mut seen = Vec::new();
    for piece in pieces {
        receiver.push(piece);
        while let Some(event) = receiver.poll() {
            match &event {
                Event::Command(Ok(Command::Data)) => receiver.begin_data(10_000),
                Event::Command(Ok(Command::Auth(_))) => receiver.begin_auth(),
                Event::Command(Ok(Command::Bdat(_))) => receiver.begin_chunk(0, 10_000),
                Event::Command(_)
                | Event::AuthLine(_)
                | Event::Octets(_)
                | Event::Message
                | Event::Chunk
                | Event::TooBig => {}
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
