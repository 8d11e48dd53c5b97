use super::*;
use crate::testing::Table;
use futures::executor::block_on;
use mail_auth::AuthenticationResults;
use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;

const MESSAGE: &str = "From: Ada <ada@example.org>\r\nTo: bob@example.net\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n";

/// A key made of one octet, and the record that publishes it.
fn key() -> (Ed25519Key, String) {
    let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8().unwrap()).unwrap();
    let record = format!("v=DKIM1; k=ed25519; p={}", base64(&key.public_key()));
    (key, record)
}

fn base64(octets: &[u8]) -> String {
    let groups = octets.chunks(3).flat_map(|group| {
        let whole: Vec<u8> = group.iter().copied().chain(std::iter::repeat_n(0, 6 - group.len())).take(6).collect();
        start(&whole)
            .chars()
            .take(4)
            .enumerate()
            .map(|(at, c)| if at > group.len() { '=' } else { c })
            .collect::<Vec<_>>()
    });
    groups.collect()
}

fn signed(key: Ed25519Key, fields: &[&str], message: &str) -> String {
    let signer = DkimSigner::from_key(key).domain("example.org").selector("s").headers(fields.iter().copied());
    signer.sign(message.as_bytes()).unwrap().to_header() + message
}

fn verify_in(table: &Table, message: &str) -> (Vec<Dkim>, Arc) {
    let digests = Digests::of(message.as_bytes());
    block_on(verify(&digests, &Budget::new(table), &Budget::new(table)))
}

fn published(record: &str) -> Table {
    Table::default().txt("s._domainkey.example.org", record)
}

fn results(found: &[Dkim]) -> Vec<DkimResult> {
    found.iter().map(|one| one.result).collect()
}

#[test]
fn a_signature_holds_as_long_as_nothing_changes() {
    let (key, record) = key();
    let message = signed(key, &["From", "Subject"], MESSAGE);
    let (found, _) = verify_in(&published(&record), &message);
    let [Dkim { result: DkimResult::Pass, domain, selector, start, reason: None }] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((domain.as_str(), selector.as_str(), start.len()), ("example.org", "s", 8));
    for (table, message, expected) in [
        (published(&record), message.replace("Hello, Bob", "Hello, Eve"), DkimResult::Fail),
        (published(&record), message.replace("Subject: Hello", "Subject: Hallo"), DkimResult::Fail),
        (published(&record), format!("Received: from x\r\n{message}"), DkimResult::Pass),
        (Table::default(), message.clone(), DkimResult::PermError),
        (published("v=DKIM1; k=ed25519; p="), message.clone(), DkimResult::PermError),
        (Table::default().broken("example.org"), message.clone(), DkimResult::TempError),
    ] {
        assert_eq!(results(&verify_in(&table, &message).0), [expected], "{message}");
    }
}

#[test]
fn a_thousand_signatures_ask_few_questions() {
    let (key, record) = key();
    let message = signed(key, &["From"], MESSAGE);
    let (signature, _) = message.split_once("From: Ada").unwrap();
    let many: String = (0..1000).map(|at| signature.replacen("s=s;", &format!("s=s{at};"), 1)).collect();
    let table = published(&record);
    let many = many + MESSAGE;
    // As many fields as are looked at, and one more.
    assert_eq!(results(&verify_in(&table, &many).0), [DkimResult::Policy]);
    assert_eq!(table.asked(), []);
    let some: String = (0..900).map(|at| signature.replacen("s=s;", &format!("s=s{at};"), 1)).collect();
    let (found, _) = verify_in(&table, &(some + MESSAGE));
    assert_eq!((found.len(), table.asked().len()), (SIGNATURES_MAX, SIGNATURES_MAX));
}

#[test]
fn weak_signatures_count_for_nothing() {
    let (key, record) = key();
    let message = signed(key, &["From"], MESSAGE);
    let check = |message: &str, expected: DkimResult, reason: &str| {
        let table = published(&record);
        let (found, _) = verify_in(&table, message);
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.result, one.reason.as_deref()), (expected, Some(reason)));
        assert_eq!(table.asked(), [], "{reason}: no question is needed for that");
    };
    check(&message.replacen("a=ed25519-sha256", "a=rsa-sha1", 1), DkimResult::Policy, "rsa-sha1 counts for nothing");
    check(&message.replacen("h=From", "h=To", 1), DkimResult::Policy, "From is not signed");
    check(&message.replacen("h=From", "l=5; h=From", 1), DkimResult::Policy, "l= covers a part only");
    let (found, _) = verify_in(&published(&record), &message.replacen("bh=", "bh=!", 1));
    assert_eq!(results(&found), [DkimResult::PermError]);
}

#[test]
fn a_short_key_is_none() {
    // 512 bits (RFC 8301 §3.2).
    let short = "v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMISsTk4CdDWZ6gPGCFMzC0/5ymWZ3pF5rGT2bJ+ZtGtM+nmq0yTxMIKaRYvHkDjqBC3sbJ8sE0kJvKM1OpzB6kCAwEAAQ==";
    let key = key_of(&[short.into()]);
    let Err(Error::Io(reason)) = key.map(|_| ()) else { panic!("it is taken") };
    assert_eq!(reason, "the key is shorter than 1024 bits");
}

/// A message that `sets` hosts have sealed.
fn sealed(sets: usize, table: Table) -> (String, Table) {
    let (mut message, mut table) = (MESSAGE.to_owned(), table);
    for at in 1..=sets {
        let (key, record) = key();
        table = table.txt(&format!("s._domainkey.hop{at}.example"), &record);
        let next = {
            let parsed = AuthenticatedMessage::parse(message.as_bytes()).unwrap();
            let keys = keys_of(&parsed, &table);
            let chain = block_on(authenticator().verify_arc(Parameters::new(&parsed).with_txt_cache(&keys)));
            let results = AuthenticationResults::new("hop.example");
            let sealer =
                ArcSealer::from_key(key).domain(format!("hop{at}.example")).selector("s").headers(["From", "Subject"]);
            sealer.seal(&parsed, &results, &chain).unwrap().to_header()
        };
        message = next + &message;
    }
    (message, table)
}

fn keys_of(message: &AuthenticatedMessage<'_>, table: &Table) -> Keys {
    let mut keys = Keys::default();
    let dns = Budget::new(table);
    if let Some(last) = message.ams_headers.last() {
        block_on(keys.fetch(&last.header, &dns));
    }
    for seal in &message.as_headers {
        block_on(keys.fetch(&seal.header, &dns));
    }
    keys
}

#[test]
fn a_chain_holds_until_somebody_breaks_it() {
    let (message, table) = sealed(3, Table::default());
    let (_, chain) = verify_in(&table, &message);
    assert_eq!((chain.result, chain.sets, chain.sealer.as_str()), (DkimResult::Pass, 3, "hop3.example"));
    let (_, broken) = verify_in(&table, &message.replacen("cv=pass", "cv=none", 1));
    assert_eq!(broken.result, DkimResult::Fail);
    let (_, changed) = verify_in(&table, &message.replace("Hello, Bob", "Hello, Eve"));
    assert_eq!(changed.result, DkimResult::Fail);
    let (_, none) = verify_in(&table, MESSAGE);
    assert_eq!(none.result, DkimResult::None);
    // RFC 8617 §5.2.1: there is no “later”, and no key is no chain.
    let (_, unknown) = verify_in(&Table::default(), &message);
    assert_eq!(unknown.result, DkimResult::Fail);
    let (_, silent) = verify_in(&table.broken("hop3.example"), &message);
    assert_eq!(silent.result, DkimResult::Fail);
    let signs_seal = message.replacen("h=Subject:", "h=ARC-Seal:", 1);
    assert_ne!(signs_seal, message);
    let (_, signs_seal) = verify_in(&Table::default(), &signs_seal);
    assert_eq!(signs_seal.reason.as_deref(), Some("a signature signs a seal"));
    // A set of which a field is missing.
    let (message, table) = sealed(1, Table::default());
    for field in ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"] {
        let (_, incomplete) = verify_in(&table, &message.replacen(&format!("{field}:"), "X-Lost:", 1));
        assert_eq!(incomplete.result, DkimResult::Fail, "{field}");
    }
}

#[test]
fn the_longest_chain_is_fifty_sets() {
    let (message, table) = sealed(ARC_SETS_MAX, Table::default());
    assert_eq!(verify_in(&table, &message).1.result, DkimResult::Pass);
    let longer = message.replacen("i=50;", "i=51;", 3);
    let (fields, _) = message.split_once("From: Ada").unwrap();
    let table = Table::default();
    let (_, chain) = verify_in(&table, &format!("{fields}{longer}"));
    assert_eq!((chain.result, table.asked().len()), (DkimResult::Fail, 0));
}

#[test]
fn a_header_without_end_is_not_looked_through() {
    let (key, record) = key();
    let message = signed(key, &["From"], MESSAGE);
    let long = format!("X: {}\r\n{message}", "x".repeat(HEADER_BYTES_MAX));
    let table = published(&record);
    assert_eq!(results(&verify_in(&table, &long).0), [DkimResult::Policy]);
    let fits = format!("X: {}\r\n{message}", "x".repeat(HEADER_BYTES_MAX - message.len()));
    assert_eq!(results(&verify_in(&table, &fits).0), [DkimResult::Pass]);
    let fields = |count: usize| "X: y\r\n".repeat(count - 4) + &message;
    assert_eq!(results(&verify_in(&table, &fields(FIELDS_MAX)).0), [DkimResult::Pass]);
    assert_eq!(results(&verify_in(&table, &fields(FIELDS_MAX + 1)).0), [DkimResult::Policy]);
}

/// RFC 8463 appendix A: what its authors signed, by both algorithms.
#[test]
fn the_message_of_the_law_holds() {
    let message = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
                   q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n \
                   bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n \
                   b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n\
                   DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
                   q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n date : message-id : from : subject : date;\r\n \
                   bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n \
                   b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n \
                   DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n \
                   dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n\
                   From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\n\
                   Subject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
                   Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n\
                   Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
    let rsa = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/\
               byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
    let table = Table::default()
        .txt(
            "brisbane._domainkey.football.example.com",
            "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        )
        .txt("test._domainkey.football.example.com", rsa);
    assert_eq!(results(&verify_in(&table, message).0), [DkimResult::Pass; 2]);
    let changed = message.replace("We lost", "We won");
    assert_eq!(results(&verify_in(&table, &changed).0), [DkimResult::Fail; 2]);
}
