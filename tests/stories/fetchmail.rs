//! fetchmail: takes mail over POP3 and hands it on, keeping it here or not.

use super::household::{Household, USER};
use super::program::{Ran, are_here};
use std::fs;

/// Exit code of fetchmail: there was nothing new.
const NO_MAIL: i32 = 1;

struct Fetching {
    house: Household,
    password: String,
}

/// One run with `options` of the user; what it takes goes to the end of the file `mbox` in the home directory.
pub fn fetch(house: &Household, password: &str, options: &str, mbox: &str) -> Ran {
    let (port, authority, home) = (house.port("pop3s"), house.authority(), house.home().display());
    let config = house.write(
        "fetchmailrc",
        &format!(
            "poll localhost protocol pop3 service {port} uidl\n  user \"{USER}\" password \"{password}\"\n  \
             ssl sslcertck sslcertfile \"{authority}\"\n  {options}\n  mda \"cat >> {home}/{mbox}\"\n"
        ),
    );
    house.run("fetchmail", &["--nodetach", "--idfile", "ids", "--pidfile", "pid", "-f", &config])
}

impl Fetching {
    fn new() -> Self {
        let house = Household::new();
        let password = house.device("fetchmail");
        Self { house, password }
    }

    fn run(&self, options: &str) -> Ran {
        fetch(&self.house, &self.password, options, "mbox")
    }

    fn subjects(&self) -> Vec<String> {
        let mbox = fs::read_to_string(self.house.home().join("mbox")).unwrap();
        mbox.lines().filter_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned).collect()
    }
}

#[test]
fn fetchmail_keeps_and_takes_only_what_is_new() {
    if !are_here(&["fetchmail"]) {
        return;
    }
    let fetching = Fetching::new();
    let phone = fetching.house.device("phone");
    fetching.house.deliver(&["One", "Two"]);
    fetching.run("keep").ended(0);
    fetching.run("keep").ended(NO_MAIL);
    fetching.house.deliver(&["Three"]);
    fetching.run("keep").ended(0);
    assert_eq!(fetching.subjects(), ["One", "Two", "Three"]);
    let seen = fetching.house.look(&phone, "INBOX");
    assert!(seen.len() == 3 && seen.iter().all(|message| message.flags.is_empty()), "{seen:?}");
}

#[test]
fn fetchmail_deletes_and_the_phone_loses_nothing() {
    if !are_here(&["fetchmail"]) {
        return;
    }
    let fetching = Fetching::new();
    let phone = fetching.house.device("phone");
    fetching.house.deliver(&["One", "Two"]);
    fetching.run("fetchall").ended(0);
    fetching.run("fetchall").ended(NO_MAIL);
    fetching.house.deliver(&["Three"]);
    fetching.run("fetchall").ended(0);
    assert_eq!(fetching.subjects(), ["One", "Two", "Three"]);
    let seen = fetching.house.look(&phone, "INBOX");
    assert_eq!(seen.iter().map(|message| message.uid).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(seen.iter().all(|message| message.flags.is_empty()), "{seen:?}");
}

#[test]
fn fetchmail_alone_empties_the_mailbox() {
    if !are_here(&["fetchmail"]) {
        return;
    }
    let fetching = Fetching::new();
    fetching.house.deliver(&["One", "Two"]);
    assert_eq!(fetching.house.count_in_inbox(), 2);
    fetching.run("fetchall").ended(0);
    assert_eq!(fetching.house.count_in_inbox(), 0);
}
