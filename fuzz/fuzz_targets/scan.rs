//! What filters beside us say of a message: a reason is one line, and whatever they change of a header stays in it.
#![no_main]

use arbitrary::Arbitrary;
use scan::{Question, check};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    says: Says<'a>,
    content: &'a [u8],
    recipients: u8,
}

#[derive(Arbitrary, Debug)]
enum Says<'a> {
    /// As it comes over the connection.
    Octets(&'a [u8]),
    /// Packets behind a negotiation that succeeds.
    Packets(u32, Vec<(u8, &'a [u8])>),
    Rspamd(&'a [u8]),
}

fn packet(letter: u8, data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32 + 1).to_be_bytes()[..], &[letter], data].concat()
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let question = Question {
        id: "1a".into(),
        hostname: "mail.example.org".into(),
        address: [192, 0, 2, 1].into(),
        name: None,
        helo: "client.example".into(),
        tls: None,
        mail_from: String::new(),
        recipients: (0..=input.recipients % 3).map(|n| format!("{n}@example.org")).collect(),
        // As it is when filters are asked: whole lines.
        content: message::line_ends::canonical(&[b"Subject: x\r\n", input.content, b"\r\n"].concat()).into_owned(),
    };
    let held = match input.says {
        Says::Octets(octets) => check::milter(&question, octets),
        Says::Packets(steps, packets) => {
            let numbers = [6, 0x31, steps & 0x1f_ffff].map(u32::to_be_bytes).concat();
            let mut says = packet(b'O', &numbers);
            packets.iter().for_each(|(letter, data)| says.extend(packet(*letter, data)));
            check::milter(&question, &says)
        }
        Says::Rspamd(octets) => check::rspamd(&question, octets),
    };
    if let Err(broken) = held {
        panic!("{broken}");
    }
});
