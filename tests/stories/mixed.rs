//! Four programs on one account at the same time: mbsync and Mutt over IMAP, getmail and fetchmail over POP3, which
//! both delete what they have taken. Elsewhere such a household loses mail; here everybody gets everything once.

use super::household::Household;
use super::mbsync::Synced;
use super::program::are_here;
use super::{fetchmail, getmail, mutt};
use std::fs;
use std::thread;

const ROUNDS: usize = 4;
const PER_ROUND: usize = 3;

#[test]
fn two_imap_programs_keep_everything_and_two_pop_programs_get_everything_once() {
    if !are_here(&["mbsync", "mutt", "script", "getmail", "fetchmail"]) {
        return;
    }
    let synced = Synced::new();
    let house = &synced.house;
    let (old_pc, gateway) = (house.device("old PC"), house.device("gateway"));
    getmail::configure(house, &old_pc, "getmail.mbox");
    mutt::configure(house, &house.device("laptop"));
    let subjects: Vec<String> = (0..ROUNDS * PER_ROUND).map(|number| format!("Mail {number}")).collect();
    for round in subjects.chunks(PER_ROUND) {
        house.deliver(&round.iter().map(String::as_str).collect::<Vec<_>>());
        thread::scope(|scope| {
            scope.spawn(|| synced.sync());
            scope.spawn(|| drop(getmail::get(house, &["--delete"])));
            scope.spawn(|| drop(fetchmail::fetch(house, &gateway, "fetchall", "fetchmail.mbox")));
            // The newest is flagged, and the mailbox is left as it is otherwise.
            scope.spawn(|| mutt::at_a_terminal(house, "mutt", "<last-entry><flag-message><sync-mailbox><quit>"));
        });
    }
    // What came in while a program was already leaving.
    synced.sync();
    getmail::get(house, &["--delete"]);
    fetchmail::fetch(house, &gateway, "fetchall", "fetchmail.mbox");

    let seen = house.look(&synced.phone, "INBOX");
    assert_eq!(seen.iter().map(|message| message.subject.clone()).collect::<Vec<_>>(), subjects);
    assert!(seen.iter().all(|message| !message.flags.contains(&"\\Seen".to_owned())), "{seen:?}");
    assert!(seen.last().unwrap().flags.contains(&"\\Flagged".to_owned()), "{seen:?}");
    let flagged = |flags: &str| if flags.contains("Flagged") { "F" } else { "" };
    let files = synced.files("INBOX");
    let maildir: Vec<&str> = files.iter().map(|(_, flags)| flags.as_str()).collect();
    assert_eq!(maildir, seen.iter().map(|message| flagged(&message.flags.concat())).collect::<Vec<_>>());
    for mbox in ["getmail.mbox", "fetchmail.mbox"] {
        let mut taken = taken(house, mbox);
        taken.sort_by_key(|subject| subjects.iter().position(|known| known == subject));
        assert_eq!(taken, subjects, "{mbox}");
    }
}

/// The subjects in a file that a program wrote, each as often as it stands there.
fn taken(house: &Household, mbox: &str) -> Vec<String> {
    let text = fs::read_to_string(house.home().join(mbox)).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned).collect()
}
