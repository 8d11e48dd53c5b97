//! Two POP programs with the main password, which both delete what they have taken: told apart by how they log in.

use super::household::{Household, USER};
use super::program::are_here;
use super::{fetchmail, getmail};
use serde_json::Value;
use std::fs;

const ROUNDS: usize = 5;

#[test]
fn two_programs_with_the_main_password_get_everything_and_the_mailbox_keeps_it() {
    if !are_here(&["getmail", "fetchmail"]) {
        return;
    }
    let house = Household::new();
    let generated = house.serving.says(&["account", "password", USER, "--generate", "--json"]);
    let generated: Value = serde_json::from_str(&generated).unwrap();
    let password = generated["password"].as_str().unwrap().to_owned();
    getmail::configure(&house, &password, "getmail.mbox");
    // Both have been there before the first message.
    getmail::get(&house, &["--delete"]);
    fetchmail::fetch(&house, &password, "fetchall", "fetchmail.mbox");
    let subjects: Vec<String> = (0..ROUNDS).map(|round| format!("Mail {round}")).collect();
    for subject in &subjects {
        house.deliver(&[subject]);
        getmail::get(&house, &["--delete"]);
        fetchmail::fetch(&house, &password, "fetchall", "fetchmail.mbox");
    }
    // Only fetchmail, the second one, had to wait until it was known to be another program; it got all of it then.
    for mbox in ["getmail.mbox", "fetchmail.mbox"] {
        let text = fs::read_to_string(house.home().join(mbox)).unwrap();
        let taken: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("Subject: ")).collect();
        assert_eq!(taken, subjects, "{mbox}");
    }
    let devices = house.serving.says(&["device", "list", USER, "--json"]);
    let devices: Vec<Value> = devices.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(devices.len(), 2, "{devices:?}");
    let phone = house.device("phone");
    assert_eq!(house.subjects(&phone, "INBOX"), subjects);
}
