//! HTML: what is made safe is known, also when it is made safe again; the text of it is the same wherever it is cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u16, &str)| {
    let (cut, html) = input;
    if let Err(broken) = message::check::html(html, usize::from(cut)) {
        panic!("{broken}");
    }
});
