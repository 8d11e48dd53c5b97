//! Another IMAP server, which answers what it likes: what is understood is the same however it is cut, and has limits.
#![no_main]

use arbitrary::Arbitrary;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    step: u8,
    greeting: Option<&'a [u8]>,
    answers: Vec<Answer<'a>>,
}

/// What is said to a command, and whether its end is said by itself.
#[derive(Arbitrary, Debug)]
struct Answer<'a> {
    says: &'a [u8],
    has_no_end: bool,
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let mut says = input.greeting.unwrap_or(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR NAMESPACE] x\r\n").to_vec();
    for (number, answer) in (1..).zip(&input.answers) {
        says.extend_from_slice(answer.says);
        if !answer.has_no_end {
            says.extend_from_slice(format!("\r\ni{number} OK\r\n").as_bytes());
        }
    }
    if let Err(broken) = import::check::imap(&says, usize::from(input.step) + 1) {
        panic!("{broken}");
    }
});
