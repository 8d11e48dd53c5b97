use super::*;
use std::sync::Arc;
use std::task::Waker;
use store::sim::{SimEngine, SimObjects};
use store::{TableId, Timestamp, Watch};

const ID: AccountId = AccountId(16);
const ONE_LOOK: Duration = Duration::from_millis(5);

/// What was heard here, of which somebody watches an account; what keeps it so.
fn hinted() -> (Hinted, Watch) {
    let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
    let account = store.create_account(ID, Timestamp(0)).unwrap();
    let hinted = Hinted::new(&store, Some("one".to_owned()));
    hinted.are(&["one".to_owned(), "two".to_owned()]);
    (hinted, account.watch(Waker::noop().clone()))
}

fn hear(hinted: &Hinted, node: &str, heads: &[(AccountId, ModSeq)]) {
    let mut octets = [b"PBH1".as_slice(), &[u8::try_from(node.len()).unwrap()], node.as_bytes()].concat();
    for (id, head) in heads {
        octets.extend_from_slice(&id.0.to_be_bytes());
        octets.extend_from_slice(&head.0.to_be_bytes());
    }
    hinted.heard(&Hint::decode(&octets).unwrap());
}

/// As somebody sees it who looks so much later.
fn later(hinted: &Hinted, time: Duration) -> Hints {
    hinted.lock().come(Instant::now() + time)
}

#[test]
fn hints_come_when_all_servers_are_heard_and_not_before() {
    let (hinted, _watch) = hinted();
    let lost = |why: &str| Hints::DoNotCome(why.to_owned());
    assert_eq!(hinted.come(), Hints::Awaited);
    hear(&hinted, "a stranger", &[]);
    assert_eq!(hinted.come(), Hints::Awaited, "nobody knows it");
    hear(&hinted, "one", &[]);
    assert_eq!(hinted.come(), Hints::Come, "another has its time to be heard");
    assert_eq!(later(&hinted, SILENCE + BEAT), lost("nothing is heard of one, two"));
    hinted.lock().heard.insert("two".to_owned(), Some(Instant::now() - SILENCE - BEAT));
    assert_eq!(hinted.come(), lost("nothing is heard of two"));
    hear(&hinted, "two", &[]);
    assert_eq!(hinted.come(), Hints::Come);
    hinted.lost("NATS has gone ".repeat(100));
    let Hints::DoNotCome(why) = hinted.come() else { panic!("nothing comes") };
    assert_eq!(why.chars().count(), WHY_CHARS_MAX);
    hear(&hinted, "one", &[]);
    assert_eq!(hinted.come(), lost("nothing is heard of two"), "it may not be connected again");
    hear(&hinted, "two", &[]);
    assert_eq!(hinted.come(), Hints::Come);
    hinted.lost("-ERR '\u{1b}]0;\n'".to_owned());
    assert_eq!(hinted.come(), lost("-ERR '?]0;?'"));
    ["one", "two"].iter().for_each(|node| hear(&hinted, node, &[]));
    // One that has gone is not waited for.
    hinted.lock().heard.insert("two".to_owned(), Some(Instant::now() - SILENCE - BEAT));
    hinted.are(&["one".to_owned()]);
    assert_eq!(hinted.come(), Hints::Come);
}

#[test]
fn a_server_without_hints_waits_for_none_and_says_nothing() {
    let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
    let hinted = Hinted::new(&store, None);
    hinted.are(&["one".to_owned()]);
    assert_eq!(later(&hinted, SILENCE + BEAT), Hints::Awaited);
}

#[test]
fn what_is_due_is_what_somebody_here_waits_for_with_the_highest_head_that_was_named() {
    let (hinted, _watch) = hinted();
    let queue = TableId::Queue.keyspace();
    let strangers: Vec<(AccountId, ModSeq)> = (1000..2000).map(|id| (AccountId(id), ModSeq(1))).collect();
    hear(&hinted, "two", &strangers);
    hear(&hinted, "one", &[(ID, ModSeq(9))]);
    let now = Instant::now();
    let pace = Pace::new(now);
    assert_eq!(hinted.wait(now, true, &pace), Next::Time, "nobody waits for the one, and it did the other itself");
    hear(&hinted, "two", &[(ID, ModSeq(7)), (ID, ModSeq(5)), (queue, ModSeq(2)), (AccountId(1000), ModSeq(1))]);
    hear(&hinted, "a stranger", &[(ID, ModSeq(6))]);
    let due = [(ID, ModSeq(7)), (queue, ModSeq(2))].into();
    assert_eq!(hinted.wait(now, true, &pace), Next::Due(due));
    assert_eq!(hinted.wait(now, true, &pace), Next::Time);
    hear(&hinted, "two", &[(ID, ModSeq(0)), (ID, ModSeq(8))]);
    assert_eq!(hinted.wait(now, true, &pace), Next::Due([(ID, ModSeq(u64::MAX))].into()), "it was removed");
}

#[test]
fn who_waits_goes_on_when_hints_come_no_more_and_when_the_server_stops() {
    let (hinted, _watch) = hinted();
    let pace = Pace::new(Instant::now());
    let never = Instant::now() + Duration::from_secs(3600);
    hear(&hinted, "one", &[]);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| hinted.wait(never, true, &pace));
        hinted.lost("NATS has gone".to_owned());
        assert_eq!(waits.join().unwrap(), Next::Lost);
        // Once is enough.
        let waits = scope.spawn(|| hinted.wait(never, false, &pace));
        hinted.stop();
        assert_eq!(waits.join().unwrap(), Next::Stop);
    });
}

/// However many hints come.
#[test]
fn looks_are_bounded_in_number_and_in_what_they_take() {
    let begun = Instant::now();
    let mut pace = Pace::new(begun);
    let mut looks = |span: Duration, took: Duration| {
        let (mut count, mut now) = (0, pace.next().max(begun));
        let end = now + span;
        while now < end {
            pace.took(now, took);
            count += 1;
            now = pace.next().max(now + took);
        }
        count
    };
    let second = Duration::from_secs(1);
    let at_once = looks(ONE_LOOK, Duration::ZERO);
    assert_eq!(at_once, LOOKS_AT_ONCE);
    assert!((LOOKS_PER_SECOND..=LOOKS_PER_SECOND + 1).contains(&looks(second, Duration::ZERO)));
    // A database that takes its time has half of it for others.
    assert!((9..=11).contains(&looks(second, Duration::from_millis(50))));
}

#[test]
fn a_hint_has_to_wait_for_its_turn() {
    let (hinted, _watch) = hinted();
    let now = Instant::now();
    let mut pace = Pace::new(now);
    pace.took(now + Duration::from_secs(3600), Duration::ZERO);
    hear(&hinted, "two", &[(ID, ModSeq(7))]);
    assert_eq!(hinted.wait(Instant::now(), true, &pace), Next::Time);
    assert!(matches!(hinted.wait(Instant::now(), true, &Pace::new(now)), Next::Due(_)), "it is not forgotten");
}
