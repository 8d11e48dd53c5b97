//! A whole source, with a server that says what it is told to.

use super::*;

fn listed(attributes: &[&str], delimiter: &str, name: &str) -> Listed {
    let attributes = attributes.iter().map(|name| name.as_bytes().to_vec()).collect();
    let (delimiter, name) = (delimiter.bytes().next(), name.as_bytes().to_vec());
    Listed { attributes, delimiter, name, is_readable: true }
}

#[test]
fn folders_of_other_servers() {
    let namespaces = Namespaces { own: vec![b"INBOX.".to_vec(), Vec::new()], others: vec![b"shared.".to_vec()] };
    let folder = |attributes: &[&str], delimiter: &str, name: &str| {
        listed(attributes, delimiter, name).folder(&namespaces, &HashSet::from([b"INBOX.Sent".to_vec()]))
    };
    let sent = folder(&["\\Sent", "\\HasNoChildren"], ".", "INBOX.Sent");
    assert_eq!((sent.levels, sent.role, sent.is_subscribed), (vec!["Sent".to_owned()], Some(Role::Sent), true));
    assert_eq!(folder(&[], ".", "INBOX").levels, ["INBOX"]);
    assert_eq!(folder(&[], ".", "INBOX.").levels.join("/"), "INBOX/");
    assert_eq!(folder(&[], ".", "INBOX.Entw&APw-rfe.a/b").levels, ["Entwürfe", "a/b"]);
    assert_eq!(folder(&[], "/", "Entwürfe/2026").levels, ["Entwürfe", "2026"]);
    assert_eq!(folder(&[], "", "a.b/c").levels, ["a.b/c"]);
    assert_eq!(folder(&[], "/", "R&D").levels, ["R&D"], "no modified UTF-7, and a name all the same");
    assert!(folder(&[], ".", "shared.team").left_out.is_some());
    assert!(folder(&["\\All"], "/", "[Gmail]/All Mail").left_out.is_some());
    assert!(!listed(&["\\noselect"], "/", "x").can_be_opened());
}

#[test]
fn what_fetch_says() {
    let response = [
        reader::Part::Text(
            b"* 3 FETCH (UID 7 FLAGS (\\Seen x) INTERNALDATE \" 1-Jan-2020 00:00:00 +0100\" BODY[] ".to_vec(),
        ),
        reader::Part::Literal(b"text".to_vec()),
        reader::Part::Text(b" RFC822.SIZE 4)".to_vec()),
    ];
    let values = value::parse(response.to_vec()).unwrap().split_off(3);
    let (uid, mut fetched) = Fetched::of(values);
    assert_eq!((uid, fetched.bytes, fetched.flags.clone()), (Some(7), Some(4), Some(of_words([&b"\\Seen"[..], b"x"]))));
    assert_eq!(fetched.date, Some(Timestamp(1_577_833_200_000)));
    fetched.take(Fetched { bytes: Some(2), ..Fetched::default() });
    assert_eq!((fetched.body, fetched.bytes), (Some(Value::Text(b"text".to_vec())), Some(4)));
    assert_eq!(Fetched::of(vec![Value::Nil]).0, None);
}

#[test]
fn numbers_in_codes() {
    assert_eq!(code_number(b"* OK [uidvalidity 12] x", b"[UIDVALIDITY "), Some(12));
    assert_eq!(code_number(b"* OK [UIDVALIDITY 0]", b"[UIDVALIDITY "), None);
    assert_eq!(code_number(b"* OK [UIDVALIDITY x]", b"[UIDVALIDITY "), None);
}

/// A source whose server says this.
fn source(says: &[&str]) -> ImapSource {
    let server = Server::parse("imap://alice@old").unwrap();
    ImapSource { server, message_bytes_max: 1000, session: scripted::session(says).0 }
}

#[test]
fn a_message_that_nothing_readable_is_said_of_is_no_message_that_is_not_there() {
    let mut source = source(&[
        "* 1 FETCH (UID 7 FLAGS (\\Seen) RFC822.SIZE 4)\r\n",
        // Parentheses that do not close, a UID that is none, no flags.
        "* 2 FETCH (UID 8 FLAGS (\\Seen)\r\n* 3 FETCH (UID x FLAGS () RFC822.SIZE 4)\r\n* 4 FETCH (UID 10 RFC822.SIZE 4)\r\n",
        "i1 OK\r\n",
        "* 1 FETCH (UID 7 BODY[] \"text\")\r\n* 2 FETCH (UID 8 BODY[] \"text)\r\n* 4 FETCH (UID 10 BODY[] NIL)\r\n",
        "i2 OK\r\n",
    ]);
    let looked = source.look(&[7, 8, 9, 10]).unwrap();
    let unknown = |uid: u64| Unknown { mark: uid, label: format!("UID {uid}"), why: UNREADABLE.to_owned() };
    let item = |mark| Item {
        mark,
        bytes: Some(4),
        flags: of_words([&b"\\Seen"[..]]),
        date: None,
        label: format!("UID {mark}"),
    };
    assert_eq!(looked, [Ok(item(7)), Err(unknown(8)), Err(unknown(9)), Err(unknown(10))]);
    let missing = || Content::Missing(UNREADABLE.to_owned());
    let read = source.read(&[7, 8, 10].map(item)).unwrap();
    assert_eq!(read, [Content::Octets(b"text".to_vec()), missing(), missing()]);
}

#[test]
fn a_message_that_is_gone_is_told_so_and_flags_that_changed_just_now_hide_none() {
    let mut source = source(&["* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (UID 99 FLAGS ())\r\ni1 OK\r\n"]);
    let looked = source.look(&[7]).unwrap();
    assert_eq!(looked, [Err(Unknown { mark: 7, label: "UID 7".to_owned(), why: UNSAID.to_owned() })]);
}

#[test]
fn a_size_that_is_not_said_is_none() {
    let mut source = source(&["* 1 FETCH (UID 7 FLAGS ())\r\ni1 OK\r\n"]);
    assert_eq!(source.look(&[7]).unwrap()[0].as_ref().map(|item| item.bytes), Ok(None));
}

#[test]
fn flags_and_messages_have_limits() {
    let flags = |count: usize| {
        let says = format!("* 1 FETCH (UID 7 FLAGS ({}))\r\ni1 OK\r\n", "x ".repeat(count));
        source(&[&says]).look(&[7]).unwrap()[0].is_ok()
    };
    assert_eq!((flags(FLAGS_MAX), flags(FLAGS_MAX + 1)), (true, false));
    let messages = |count: usize| {
        let says = format!("* OK [UIDVALIDITY 1] x\r\ni1 OK\r\n* SEARCH{}\r\ni2 OK\r\n", " 1".repeat(count));
        source(&[&says]).open(&Folder::default())
    };
    assert_eq!(messages(FOLDER_MESSAGES_MAX), Ok(Opened { validity: 1, marks: vec![1] }));
    let refused = messages(FOLDER_MESSAGES_MAX + 1).unwrap_err().to_string();
    assert_eq!(refused, "old has more than 1000000 messages in the folder");
}

#[test]
fn a_number_that_is_none_leaves_no_message_out_in_silence() {
    let says = "* OK [UIDVALIDITY 1] x\r\ni1 OK\r\n* SEARCH 1 x2 3\r\ni2 OK\r\n";
    let refused = source(&[says]).open(&Folder::default()).unwrap_err();
    assert_eq!(refused, SourceError::Refused("old says that a message has the number \"x2\"".to_owned()));
}

#[test]
fn a_folder_that_cannot_be_read_is_told_and_names_do_not_steer_a_terminal() {
    let says = "* LIST () \"/\" \"a\u{1b}[2Jb\"\r\n* LIST (\\x \"/\" open\r\ni1 OK\r\ni2 OK\r\n";
    let folders = source(&[says]).folders().unwrap();
    let told: Vec<_> = folders.iter().map(|folder| (folder.name.as_str(), folder.left_out.is_some())).collect();
    assert_eq!(told, [("a\u{fffd}[2Jb", false), ("* LIST (\\x \"/\" open", true)]);
}
