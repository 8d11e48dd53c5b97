//! GNU SASL, which mutt, msmtp and others are built on: SCRAM, bound to the TLS session and not, by its own program.

use super::household::{Household, USER};
use super::program::are_here;

#[test]
fn gsasl_proves_a_password_and_its_tls_session() {
    if !are_here(&["gsasl"]) {
        return;
    }
    let house = Household::with("scram = \"plus\"\n");
    let (password, authority) = (house.device("gsasl"), house.authority());
    let log_in = |(protocol, service): (&str, &str), more: &[&str], password: &str| {
        let to = format!("localhost:{}", house.port(service));
        let as_who = ["--x509-ca-file", &authority, "-a", USER, "-p", password, "--connect", &to];
        house.feed("gsasl", &[&["--verbose", protocol], &as_who[..], more].concat(), "")
    };
    let without_dashes = password.replace('-', "");
    for door in [("--imap", "imap"), ("--smtp", "submission")] {
        let proven = |more: &[&str]| log_in(door, more, &password).ended(0);
        proven(&["-m", "SCRAM-SHA-256-PLUS"]);
        proven(&["-m", "SCRAM-SHA-256", "--no-cb"]);
        // Of its own choice it takes the strongest.
        let talk = proven(&[]);
        assert!(talk.contains("SCRAM-SHA-256-PLUS"), "{talk}");
        log_in(door, &["-m", "SCRAM-SHA-256-PLUS"], &without_dashes).ended(0);
        log_in(door, &["-m", "SCRAM-SHA-256-PLUS"], "wrong horse").ended(1);
        // What fails is not announced there, until the password was said.
        log_in(door, &["-m", "PLAIN"], &password).ended(0);
        proven(&["-m", "SCRAM-SHA-256-PLUS"]);
    }
}
