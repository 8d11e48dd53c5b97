use super::*;
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

struct World {
    engine: SimEngine,
    refusals: Refusals,
}

fn world() -> World {
    let engine = SimEngine::new();
    let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
    let options = directory::DirectoryOptions { cost: directory::PasswordCost::LEAST, ..Default::default() };
    let directory = Directory::open(store.clone(), &[1; 32], options).unwrap();
    World { engine, refusals: Refusals::new(&store, directory) }
}

fn refusal(minute: i64, client: &str, to: &str) -> Refusal {
    Refusal {
        at: Timestamp(SIM_EPOCH.0 + minute * 60_000),
        times: 1,
        protocol: "smtp".into(),
        client: client.parse().unwrap(),
        from: "ada@example.com".into(),
        to: to.into(),
        code: 550,
        reply: "Nobody here is called that".into(),
        id: String::new(),
        about: About::default(),
    }
}

fn all(refusals: &Refusals, account: Option<AccountId>) -> Listed {
    refusals.list(account, &Wanted { limit: usize::MAX, ..Wanted::default() }).unwrap()
}

#[test]
fn refused_mail_could_not_be_found() {
    let World { refusals, .. } = world();
    let directory = &refusals.0.directory;
    directory.add_domain("example.org").unwrap();
    let alice = directory.add_account("alice@example.org", "correct horse", "", SIM_EPOCH).unwrap();
    let about =
        About::of(b"From: Ada <ada@example.net>\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\nMessage-ID: <1@x>\r\n\r\nx");
    assert_eq!((about.subject.as_str(), about.author.as_str()), ("Café", "ada@example.net"));
    refusals.note(Whose::Recipient, refusal(1, "192.0.2.1", "nobody@example.org"));
    refusals.note(Whose::Recipient, Refusal { about, ..refusal(2, "2001:db8::1", "alice@example.org") });
    refusals.note(Whose::Sender(alice), Refusal { to: String::new(), ..refusal(3, "192.0.2.2", "") });
    assert_eq!(all(&refusals, None), Listed::default(), "nothing is written before its round");
    refusals.write(SIM_EPOCH).unwrap();
    assert_eq!(all(&refusals, None).refusals, [refusal(1, "192.0.2.1", "nobody@example.org")]);
    let of_alice = all(&refusals, Some(alice)).refusals;
    assert_eq!(of_alice.iter().map(|row| row.client.to_string()).collect::<Vec<_>>(), ["192.0.2.2", "2001:db8::1"]);
    let at = |minute: i64| Some(Timestamp(SIM_EPOCH.0 + minute * 60_000));
    let found = |words: &[&str], since: i64, until: i64| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let wanted = Wanted { words, since: at(since), until: at(until), limit: 10 };
        refusals.list(Some(alice), &wanted).unwrap().refusals.len()
    };
    for (words, since, until, expected) in [
        (&["CAFÉ"][..], 0, 9, 1),
        (&["cafe\u{301}"], 0, 9, 1),
        (&["café"], 3, 9, 0),
        (&["café"], 0, 1, 0),
        (&["<1@x>"], 2, 2, 1),
        // Of several words each may stand in another place.
        (&["café", "ada@example.net", "nobody here"], 0, 9, 1),
        (&["café", "somebody"], 0, 9, 0),
        (&[], 0, 9, 2),
        (&[], 3, 9, 1),
        (&[], 0, 2, 1),
    ] {
        assert_eq!(found(words, since, until), expected, "{words:?} {since} {until}");
    }
}

#[test]
fn what_is_alike_is_one_row_and_a_flood_of_one_network_leaves_room_for_others() {
    let World { refusals, engine } = world();
    for minute in 0..3 {
        refusals.note(Whose::Recipient, refusal(minute, "192.0.2.1", "nobody@example.org"));
    }
    for number in 0..60 {
        refusals.note(Whose::Recipient, refusal(0, "2001:db8::1", &format!("x{number}@example.org")));
        refusals.note(Whose::Recipient, refusal(0, "2001:db8::ffff", &format!("y{number}@example.org")));
    }
    refusals.note(Whose::Recipient, refusal(0, "198.51.100.1", "nobody@example.org"));
    let before = engine.commits();
    refusals.write(SIM_EPOCH).unwrap();
    refusals.write(SIM_EPOCH).unwrap();
    assert_eq!(engine.commits() - before, 1);
    let Listed { refusals: rows, not_written } = all(&refusals, None);
    assert_eq!((rows.len(), not_written), (1 + 50 + 1, 70));
    assert_eq!((rows[0].times, rows[0].at), (3, Timestamp(SIM_EPOCH.0 + 2 * 60_000)));
}

#[test]
fn rows_are_bounded_and_old_ones_go() {
    let World { refusals, .. } = world();
    for minute in 0..i64::try_from(ROWS_PER_ACCOUNT_MAX).unwrap() + 1 {
        refusals.note(Whose::Sender(AccountId(16)), refusal(minute, "192.0.2.1", &minute.to_string()));
        refusals.write(SIM_EPOCH).unwrap();
    }
    let rows = all(&refusals, Some(AccountId(16))).refusals;
    assert_eq!((rows.len(), rows.last().map(|row| row.to.as_str())), (ROWS_PER_ACCOUNT_MAX, Some("1")));
    refusals.tidy(Timestamp(SIM_EPOCH.0 + KEPT_MILLIS)).unwrap();
    assert_eq!(all(&refusals, Some(AccountId(16))).refusals.len(), ROWS_PER_ACCOUNT_MAX);
    refusals.tidy(Timestamp(SIM_EPOCH.0 + KEPT_MILLIS + 3 * 60_000)).unwrap();
    assert_eq!(all(&refusals, Some(AccountId(16))).refusals.len(), ROWS_PER_ACCOUNT_MAX - 2);
    refusals.tidy(Timestamp(SIM_EPOCH.0 + 2 * KEPT_MILLIS)).unwrap();
    assert_eq!(all(&refusals, Some(AccountId(16))), Listed::default());
}

#[test]
fn a_flood_that_names_no_recipient_is_one_row_with_a_count() {
    let World { refusals, .. } = world();
    let invented = |minute: i64, number: usize, client: &str| Refusal {
        from: format!("x{number}@example.com"),
        reply: format!("no way back to x{number}@example.com"),
        ..refusal(minute, client, "")
    };
    for number in 0..300 {
        refusals.note(Whose::Recipient, invented(0, number, &format!("192.0.2.{}", number % 256)));
    }
    refusals.note(Whose::Recipient, Refusal { code: 421, ..invented(0, 0, "192.0.2.1") });
    refusals.note(Whose::Recipient, refusal(0, "192.0.2.1", "nobody@example.org"));
    refusals.write(SIM_EPOCH).unwrap();
    // In later rounds too, for an hour.
    for (minute, number) in [(1, 300), (59, 301), (200, 302)] {
        refusals.note(Whose::Recipient, invented(minute, number, "192.0.2.9"));
        refusals.write(SIM_EPOCH).unwrap();
    }
    let rows: Vec<_> =
        all(&refusals, None).refusals.into_iter().map(|row| (row.to, row.code, row.times, row.from)).collect();
    let row = |to: &str, code, times, from: &str| (to.to_owned(), code, times, from.to_owned());
    assert_eq!(rows[..2], [row("", 550, 1, "x302@example.com"), row("", 550, 302, "x301@example.com")]);
    assert!(rows.contains(&row("", 421, 1, "x0@example.com")), "another code is another matter");
    assert!(rows.contains(&row("nobody@example.org", 550, 1, "ada@example.com")));
    assert_eq!(rows.len(), 4);
}

#[test]
fn floods_of_many_networks_leave_what_was_for_addresses_that_lead_nowhere() {
    let World { refusals, .. } = world();
    refusals.note(Whose::Recipient, refusal(0, "192.0.2.1", "nobody@example.org"));
    for network in 0..=ROWS_OF_NO_RECIPIENT_MAX {
        let client = format!("198.{}.{}.1", 18 + network / 256, network % 256);
        refusals.note(Whose::Recipient, refusal(1, &client, ""));
        if network % 100 == 0 {
            refusals.write(SIM_EPOCH).unwrap();
        }
    }
    refusals.write(SIM_EPOCH).unwrap();
    let rows = refusals.rows(None).unwrap();
    assert_eq!(rows.len(), ROWS_OF_NO_RECIPIENT_MAX + 1);
    assert_eq!(Refusal::decode(&rows.last().unwrap().1).unwrap().to, "nobody@example.org");
}

#[test]
fn one_row_that_cannot_be_read_hid_the_others_and_let_none_be_written() {
    let World { refusals, .. } = world();
    let note = |minute| {
        refusals.note(Whose::Recipient, refusal(minute, "192.0.2.1", ""));
        refusals.write(SIM_EPOCH)
    };
    note(0).unwrap();
    let damaged = Key { account: NO_RECIPIENT, at: SIM_EPOCH, number: 7 }.to_bytes();
    let short = [b"r".as_slice(), &NO_RECIPIENT.0.to_be_bytes()].concat();
    let change = refusals.0.table.change::<_, Error>(|tx| {
        tx.put(&damaged, b"\xff".to_vec());
        tx.put(&short, b"".to_vec());
        tx.put(&row::day(SIM_EPOCH), b"x".to_vec());
        Ok(())
    });
    change.unwrap();
    note(1).unwrap();
    let found = all(&refusals, None);
    assert_eq!((found.refusals.len(), found.refusals[0].times, found.not_written), (1, 2, 0));
    refusals.tidy(Timestamp(SIM_EPOCH.0 + 2 * KEPT_MILLIS)).unwrap();
    assert_eq!(refusals.0.table.scan(b"r", b"r", 9).unwrap(), []);
}
