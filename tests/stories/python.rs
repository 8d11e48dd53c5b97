//! The mail modules of Python's standard library, which many scripts are made of.

use super::household::{Household, USER};
use super::program::are_here;

#[test]
fn python_sends_reads_and_takes() {
    if !are_here(&["python3"]) {
        return;
    }
    let house = Household::new();
    let (password, phone) = (house.device("script"), house.device("phone"));
    let script = house.write("script.py", include_str!("script.py"));
    let ports = ["submission", "smtp", "imaps", "imap", "pop3s", "pop3"].map(|service| house.port(service).to_string());
    let mut arguments = vec![script, house.authority(), USER.to_owned(), password];
    arguments.extend(ports);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert!(house.run("python3", &arguments).ended(0).ends_with("done\n"));
    assert_eq!(house.subjects(&phone, "INBOX"), ["first", "second"]);
}
