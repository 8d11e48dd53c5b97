//! SASL: any initial response and any answer.
#![no_main]

use sasl::{Exchange, Mechanism, Progress};

libfuzzer_sys::fuzz_target!(|input: (u8, bool, Option<&[u8]>, &[u8])| {
    let (mechanism, binds, initial, answer) = input;
    let mechanism = Mechanism::ALL[usize::from(mechanism) % Mechanism::ALL.len()];
    let mut progress = Exchange::start(mechanism, initial, binds.then_some([7; 32]));
    loop {
        progress = match progress {
            Progress::Challenge(_, exchange) => exchange.respond(answer),
            Progress::Salt(wanted) => wanted.answer(&[1; 16], "nonce"),
            Progress::Done(_) | Progress::Proof(_) | Progress::Bearer(_) | Progress::Failed(_) => return,
        };
    }
});
