//! SASL: any initial response and any answer.
#![no_main]

use sasl::{Exchange, Mechanism, Progress};

libfuzzer_sys::fuzz_target!(|input: (bool, Option<&[u8]>, &[u8])| {
    let (plain, initial, answer) = input;
    let mechanism = if plain { Mechanism::Plain } else { Mechanism::Login };
    let mut progress = Exchange::start(mechanism, initial);
    while let Progress::Challenge(_, exchange) = progress {
        progress = exchange.respond(answer);
    }
});
