use super::*;
use queue::{NewEntry, Queue};
use smtp_proto::MailReports;
use std::sync::Arc as Shared;
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

const ALICE: AccountId = AccountId(20);
const BOB: AccountId = AccountId(21);

fn store(engine: &SimEngine) -> Store {
    Store::new(Shared::new(engine.clone()), Shared::new(SimObjects::new()))
}

fn after(millis: i64) -> Timestamp {
    Timestamp(SIM_EPOCH.0 + millis)
}

fn arrived(results: &str) -> Arrived<'_> {
    Arrived { hostname: "mail.near.test", results, is_tls: true, is_junk: false }
}

/// A message in a queue whose envelope is called so.
fn entry(name: &str, account: AccountId) -> queue::Entry {
    let queue = Queue::open(&store(&SimEngine::new()), queue::Policy::default());
    let to = smtp_proto::ForwardPath::Mailbox("bob@far.test".parse().unwrap());
    let reports = MailReports { envelope_id: Some(name.to_owned()), ..MailReports::default() };
    let new = NewEntry::new(smtp_proto::ReversePath::Null, vec![to.into()], Shared::new(b"x".to_vec()));
    let id = queue.enqueue(NewEntry { reports, account: Some(account), ..new }, SIM_EPOCH).unwrap().id;
    queue.show(id).unwrap()
}

fn taken(at: Timestamp) -> RecipientState {
    let reply = queue::LastReply {
        at,
        code: 250,
        status: "2.0.0".into(),
        text: "as 7".into(),
        by_smarthost: true,
        host: Some("mx.far.test".into()),
        tls: false,
    };
    RecipientState::Delivered { reply, untold: false }
}

#[test]
fn what_hosts_say_and_what_comes_back_is_kept_over_a_crash() {
    let engine = SimEngine::new();
    let tests = TestMails::of(&store(&engine));
    let test = tests.begin(ALICE, ("alice@near.test", "bob@far.test"), false, SIM_EPOCH).unwrap();
    tests.sent(&test.token, 7).unwrap();
    let (entry, state) = (entry(&test.mark(), ALICE), taken(SIM_EPOCH));
    let said = Said { entry: &entry, recipient: "bob@far.test", state: &state, protection: Protection::Policy };
    tests.said(&said, after(1)).unwrap();
    let tests = TestMails::of(&store(&engine.crash()));
    let answer = format!(
        "From: Bob <bob@far.test>\r\nSubject: Re: Test ({})\r\n\r\n> Authentication-Results: mx.far.test; spf=pass\r\n",
        test.mark()
    );
    assert!(tests.take(answer.as_bytes(), &arrived(""), after(2)).unwrap());
    let [found] = tests.list(Some(ALICE)).unwrap().try_into().unwrap();
    assert_eq!(found.queue, Some(7));
    let [said] = found.said.as_slice() else { panic!("{found:?}") };
    assert_eq!((said.host.as_str(), said.reply.as_str(), said.verdict), ("mx.far.test", "250 as 7", Verdict::Taken));
    assert_eq!((said.protection, said.reports), (Protection::Policy, true));
    let [came] = found.came.as_slice() else { panic!("{found:?}") };
    assert_eq!((came.by.as_str(), &came.what, came.seen.len()), ("bob@far.test", &What::Answer, 1));
    assert_eq!(tests.list(Some(BOB)).unwrap(), []);
}

#[test]
fn a_test_that_came_in_here_says_what_this_server_found() {
    let tests = TestMails::of(&store(&SimEngine::new()));
    let test = tests.begin(ALICE, ("alice@near.test", "alice@near.test"), true, SIM_EPOCH).unwrap();
    let content = format!("Message-ID: <{}@near.test>\r\nFrom: alice@near.test\r\n\r\nx\r\n", test.mark());
    assert!(tests.comes_back(content.as_bytes()));
    assert!(
        !tests.comes_back(content.replace("Message-ID", "In-Reply-To").as_bytes()),
        "an answer is looked at as any"
    );
    let results = "mail.near.test; spf=pass smtp.mailfrom=near.test; dmarc=pass";
    assert!(tests.take(content.as_bytes(), &arrived(results), after(1)).unwrap());
    let [found] = tests.list(None).unwrap().try_into().unwrap();
    let came = &found.came[0];
    assert_eq!((&came.what, came.is_tls, came.seen.len()), (&What::Itself { is_junk: false }, Some(true), 2));
}

#[test]
fn mail_that_names_a_test_of_nobody_or_of_somebody_else_is_noted_nowhere() {
    let engine = SimEngine::new();
    let tests = TestMails::of(&store(&engine));
    let invented = mark_of(&"a".repeat(TOKEN_CHARS));
    let commits = engine.commits();
    let content = format!("Message-ID: <{invented}@x>\r\n\r\n");
    assert!(!tests.take(content.as_bytes(), &arrived(""), SIM_EPOCH).unwrap() && !tests.comes_back(content.as_bytes()));
    let (of_nobody, state) = (entry(&invented, ALICE), taken(SIM_EPOCH));
    let said = |entry| Said { entry, recipient: "x", state: &state, protection: Protection::None };
    tests.said(&said(&of_nobody), SIM_EPOCH).unwrap();
    assert_eq!(engine.commits(), commits);
    let test = tests.begin(ALICE, ("alice@near.test", "bob@far.test"), false, SIM_EPOCH).unwrap();
    let of_bob = entry(&test.mark(), BOB);
    tests.said(&said(&of_bob), SIM_EPOCH).unwrap();
    assert_eq!(tests.list(None).unwrap()[0].said, [], "another account cannot speak for it");
}

#[test]
fn tests_of_an_hour_and_what_is_kept_of_one_are_bounded() {
    let tests = TestMails::of(&store(&SimEngine::new()));
    let begin = |account, now| tests.begin(account, ("a@near.test", "b@far.test"), false, now);
    for _ in 0..HOURLY_MAX {
        begin(ALICE, SIM_EPOCH).unwrap();
    }
    assert!(matches!(begin(ALICE, after(HOUR_MILLIS)), Err(NoTest::TooMany(HOURLY_MAX))));
    begin(ALICE, after(HOUR_MILLIS + 1)).unwrap();
    let mut others = 30..;
    for _ in 1..HOURLY_MAX_OF_ALL {
        begin(AccountId(others.next().unwrap()), after(HOUR_MILLIS + 1)).unwrap();
    }
    assert!(matches!(begin(BOB, after(HOUR_MILLIS + 1)), Err(NoTest::TooMany(HOURLY_MAX_OF_ALL))));
    let last = begin(BOB, after(2 * HOUR_MILLIS + 2)).unwrap();
    let entry = entry(&last.mark(), BOB);
    for at in 0..2 * i64::try_from(SAID_MAX).unwrap() {
        let state = taken(after(at));
        tests
            .said(&Said { entry: &entry, recipient: "x", state: &state, protection: Protection::None }, after(at))
            .unwrap();
        tests.take(format!("Subject: {}\r\n\r\n", last.mark()).as_bytes(), &arrived(""), after(at)).unwrap();
    }
    let found = tests.list(Some(BOB)).unwrap();
    assert_eq!((found[0].said.len(), found[0].came.len()), (SAID_MAX, CAME_MAX));
    assert_eq!(
        found[0].said.last().unwrap().at,
        after(2 * i64::try_from(SAID_MAX).unwrap() - 1).0,
        "the last word is kept"
    );
    begin(ALICE, after(KEPT_MILLIS + 10 * HOUR_MILLIS)).unwrap();
    assert_eq!(tests.list(None).unwrap().len(), 1, "what is old goes");
}
