//! Mail comes from another server, and POP programs go on where they stopped: `pillarbox import-uidl`.

use super::household::{Household, USER};
use std::fs;
use std::path::PathBuf;

const MESSAGES: [&str; 4] = [
    "From: a@example.net\r\nMessage-ID: <one@example.net>\r\nSubject: One\r\n\r\nfirst\r\n",
    "From: a@example.net\r\nMessage-ID: <two@example.net>\r\nSubject: Two\r\n\r\nsecond\r\n",
    "From: a@example.net\r\nSubject: Three\r\n\r\nwithout a Message-ID\r\n",
    "From: a@example.net\r\nMessage-ID: <four@example.net>\r\nSubject: Four\r\n\r\nnew here\r\n",
];

/// A Maildir of another server, with Unix line ends; the second message was changed on its way here.
fn maildir(house: &Household, file: &str, text: &str) -> PathBuf {
    let dir = house.home().join("old");
    fs::create_dir_all(dir.join("cur")).unwrap();
    fs::create_dir_all(dir.join("new")).unwrap();
    let unix = |message: &str| message.replace("\r\n", "\n");
    fs::write(dir.join("cur/1.host,S=9:2,S"), unix(MESSAGES[0])).unwrap();
    fs::write(dir.join("cur/2.host:2,"), unix(MESSAGES[1]).replace("second", "second, longer")).unwrap();
    fs::write(dir.join("new/3.host"), unix(MESSAGES[2])).unwrap();
    fs::write(dir.join("new/9.host"), "Subject: never moved\n\n").unwrap();
    fs::write(dir.join(file), text).unwrap();
    dir
}

/// A household whose mail has been moved here over IMAP.
fn moved() -> (Household, String) {
    let house = Household::new();
    let phone = house.device("phone");
    let mut imap = house.imap(&phone);
    for message in MESSAGES {
        imap.ask(&format!("a APPEND INBOX {{{}}}", message.len()), "+ ");
        imap.ask(message, "a OK");
    }
    let pc = house.device("pc");
    (house, pc)
}

fn uidls(house: &Household, password: &str) -> Vec<String> {
    let mut pop = house.serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask(&format!("USER {USER}"), "+OK");
    pop.ask(&format!("PASS {password}"), "+OK");
    let lines = pop.ask("UIDL", ".");
    pop.ask("QUIT", "+OK");
    let uidl = |line: &String| Some(line.split_once(' ')?.1.to_owned()).filter(|_| !line.starts_with('+'));
    lines.iter().filter_map(uidl).collect()
}

#[test]
fn a_maildir_of_dovecot() {
    let (house, pc) = moved();
    let list = "3 V1275660208 N10\n1 :1.host,S=9:2,S\n2 W9 :2.host:2,\n3 PUID3-117 :3.host\n9 :9.host\n7 :gone.host\n";
    let dir = maildir(&house, "dovecot-uidlist", list);
    let dir = dir.to_str().unwrap();
    let before = uidls(&house, &pc);
    let import =
        |more: &[&str]| house.serving.says(&[&["import-uidl", "--account", "alice", "--dovecot", dir], more].concat());
    let expected = "Found here: 2 messages by content, 1 message by Message-ID.\n  \
                    3 messages would have the UIDL of the old server\n  \
                    1 message of the old server: not here (000000094c0907b0)\n  \
                    1 message in the list of the old server without a file (000000074c0907b0)\n";
    assert_eq!(import(&["--dry-run"]), expected);
    assert_eq!(uidls(&house, &pc), before);
    assert!(import(&[]).contains("3 messages now with the UIDL of the old server"));
    let after = ["000000014c0907b0", "000000024c0907b0", "UID3-117", before[3].as_str()];
    assert_eq!(uidls(&house, &pc), after);
    assert!(import(&[]).contains("3 messages with it already"));
    assert!(import(&["--format", "%v.%u"]).contains("2 messages with another one, which stays"));
    assert_eq!(uidls(&house, &pc), after);
    assert!(house.serving.says(&["check"]).starts_with("All is well"));
}

#[test]
fn a_maildir_of_courier_a_mailbox_of_cyrus_and_a_list() {
    let (house, pc) = moved();
    let dir = maildir(&house, "courierpop3dsizelist", "/2 4 117\n1.host,S=9:2,S 70 1:117\n");
    let says = |arguments: &[&str]| house.serving.says(&[&["import-uidl", "--account", USER], arguments].concat());
    assert!(says(&["--courier", dir.to_str().unwrap()]).contains("1 message now with"));
    let cyrus = house.home().join("cyrus");
    fs::create_dir(&cyrus).unwrap();
    fs::write(cyrus.join("17."), MESSAGES[2]).unwrap();
    fs::write(cyrus.join("cyrus.index"), "x").unwrap();
    let told = says(&["--cyrus", cyrus.to_str().unwrap(), "--uidvalidity", "1272179246"]);
    assert!(told.contains("1 message now with"), "{told}");
    let list = house.write("uidls", "# by hand\nAB 1\t<two@example.net>\nAB2\ttwo@example.net\n");
    let told = says(&["--list", &list]);
    assert!(told.contains("2 messages not told apart by Message-ID: left alone (AB 1, AB2)"), "{told}");
    let list = house.write("uidls", "AB 1\t<two@example.net>\nAB2\tfour@example.net\n");
    let told = says(&["--list", &list]);
    assert!(told.contains("1 message with a UIDL that POP3 does not allow: left alone (AB 1)"), "{told}");
    let after = uidls(&house, &pc);
    assert_eq!((&after[0], &after[2], &after[3]), (&"UID1-117".into(), &"1272179246.17".into(), &"AB2".into()));
}
