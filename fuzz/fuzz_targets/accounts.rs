//! Lists of accounts that an administrator uploads: cut into parts, all lines are there, and the parts are lists.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u8, &str)| {
    let (accounts, text) = input;
    let accounts = usize::from(accounts) + 1;
    let Ok(parts) = console::bulk_parts(text, accounts) else { return };
    let mut line = 0;
    for part in &parts {
        assert!((1..=accounts).contains(&part.accounts));
        assert!(part.first_line > line, "{parts:?}");
        line = part.first_line;
        let again = console::bulk_parts(&part.csv, accounts).expect("a part is a list");
        assert_eq!(again.iter().map(|part| part.accounts).sum::<usize>(), part.accounts, "{parts:?}");
    }
});
