//! Mutt and NeoMutt: send through submission, read over IMAP.

use super::household::{Household, USER};
use super::program::are_here;

/// A terminal for the program: `script` gives it one.
pub fn at_a_terminal(house: &Household, program: &str, keys: &str) {
    let command = format!("{program} -F muttrc -e 'set quit=yes' -e 'push {keys}'");
    house.run("script", &["-qec", &command, "/dev/null"]).ended(0);
}

/// Writes its configuration, as `docs/clients.md` has it.
pub fn configure(house: &Household, password: &str) {
    let (imaps, submissions, authority) = (house.port("imaps"), house.port("submissions"), house.authority());
    house.write(
        "muttrc",
        &format!(
            "set from=\"{USER}\" realname=\"Alice\"\nset imap_user=\"{USER}\" imap_pass=\"{password}\"\n\
             set folder=\"imaps://localhost:{imaps}/\" spoolfile=\"+INBOX\"\n\
             set record=\"+Sent\" postponed=\"+Drafts\" trash=\"+Trash\"\n\
             set smtp_url=\"smtps://{USER}@localhost:{submissions}\" smtp_pass=\"{password}\"\n\
             set certificate_file=\"{authority}\" ssl_force_tls=yes\nset copy=no delete=yes confirmappend=no\n"
        ),
    );
}

fn sends_reads_and_flags(program: &str) {
    if !are_here(&[program, "script"]) {
        return;
    }
    let house = Household::new();
    let (password, phone) = (house.device("mutt"), house.device("phone"));
    configure(&house, &password);
    house.deliver(&["One", "Two"]);
    house.feed(program, &["-F", "muttrc", "-s", "Three", "--", USER], "hello\n").ended(0);
    assert_eq!(house.subjects(&phone, "INBOX"), ["One", "Two", "Three"]);

    // Each of the two goes on to the next message.
    at_a_terminal(&house, program, "<first-entry><flag-message><delete-message><sync-mailbox><quit>");
    let seen = house.look(&phone, "INBOX");
    assert_eq!(seen.iter().map(|message| message.uid).collect::<Vec<_>>(), [1, 3]);
    assert!(seen[0].flags.contains(&"\\Flagged".to_owned()), "{seen:?}");
    assert!(seen.iter().all(|message| !message.flags.contains(&"\\Seen".to_owned())), "{seen:?}");
    assert_eq!(house.subjects(&phone, "Trash"), ["Two"]);

    at_a_terminal(
        &house,
        program,
        "<first-entry><display-message><exit><save-message>=Archive<enter><sync-mailbox><quit>",
    );
    let archived = house.look(&phone, "Archive");
    assert_eq!(archived.len(), 1);
    assert!(archived[0].flags.contains(&"\\Seen".to_owned()), "{archived:?}");
    assert_eq!(house.look(&phone, "INBOX").len(), 1);
}

#[test]
fn mutt_sends_reads_and_flags() {
    sends_reads_and_flags("mutt");
}

#[test]
fn neomutt_sends_reads_and_flags() {
    sends_reads_and_flags("neomutt");
}
