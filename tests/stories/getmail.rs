//! getmail: remembers UIDLs in a file of its own.

use super::household::{Household, USER};
use super::program::are_here;
use std::fs;

/// Writes its configuration; what it takes goes to the end of the file `mbox` in the home directory.
pub fn configure(house: &Household, password: &str, mbox: &str) {
    let (port, authority, home) = (house.port("pop3s"), house.authority(), house.home().display());
    house.write(
        "getmailrc",
        &format!(
            "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {port}\nusername = {USER}\n\
             password = {password}\nca_certs = {authority}\n\n\
             [destination]\ntype = MDA_external\npath = /bin/sh\narguments = (\"-c\", \"cat >> {home}/{mbox}\")\n\
             allow_root_commands = true\n\n[options]\nread_all = false\ndelete = false\n"
        ),
    );
}

/// One run, which must end well; gives what it prints.
pub fn get(house: &Household, more: &[&str]) -> String {
    let home = house.home().to_str().unwrap();
    house.run("getmail", &[&["--getmaildir", home, "--rcfile", "getmailrc"], more].concat()).ended(0)
}

#[test]
fn getmail_takes_each_message_once_and_deletes_when_told() {
    if !are_here(&["getmail"]) {
        return;
    }
    let house = Household::new();
    let (password, phone) = (house.device("getmail"), house.device("phone"));
    configure(&house, &password, "mbox");
    let getmail = |more: &[&str]| get(&house, more);
    house.deliver(&["One", "Two"]);
    assert!(getmail(&[]).contains("2 messages"));
    assert!(getmail(&[]).contains("0 messages (0 bytes) retrieved, 2 skipped"));
    house.deliver(&["Three"]);
    // What it took earlier it deletes without RETR.
    let told = getmail(&["--delete"]);
    assert!(told.contains("1 messages") && told.contains("2 skipped"), "{told}");
    assert!(getmail(&[]).contains("0 messages (0 bytes) retrieved, 0 skipped"));
    let mbox = fs::read_to_string(house.home().join("mbox")).unwrap();
    let subjects: Vec<_> = mbox.lines().filter_map(|line| line.strip_prefix("Subject: ")).collect();
    assert_eq!(subjects, ["One", "Two", "Three"]);
    assert_eq!(house.subjects(&phone, "INBOX"), ["One", "Two", "Three"]);
}
