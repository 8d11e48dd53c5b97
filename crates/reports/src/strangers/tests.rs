use super::*;
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

fn started(engine: &SimEngine) -> Strangers {
    Strangers::of(&Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())))
}

fn stranger<'a>(address: &str, domain: &'a str, is_proven: bool) -> Stranger<'a> {
    Stranger { address: address.parse().unwrap(), domain, is_proven }
}

fn after(millis: i64) -> Timestamp {
    Timestamp(SIM_EPOCH.0 + millis)
}

#[test]
fn who_brought_mail_is_known_until_he_is_not_heard_of_for_long() {
    let engine = SimEngine::new();
    let strangers = started(&engine);
    let known = |strangers: &Strangers, address, domain, is_proven, now| {
        strangers.knows(stranger(address, domain, is_proven), now).unwrap()
    };
    assert!(!known(&strangers, "192.0.2.1", "a.example", false, SIM_EPOCH));
    strangers.brought(stranger("192.0.2.1", "a.example", false), SIM_EPOCH).unwrap();
    strangers.brought(stranger("2001:db8::1", "b.example", true), SIM_EPOCH).unwrap();
    let check = |strangers: &Strangers| {
        for (address, domain, is_proven, expected) in [
            ("192.0.2.77", "a.example", false, true),
            ("::ffff:192.0.2.77", "a.example", false, true),
            ("192.0.3.1", "a.example", false, false),
            ("192.0.2.1", "other.example", false, false),
            // What was proven is known wherever it is proven, and nowhere else.
            ("203.0.113.1", "b.example", true, true),
            ("203.0.113.1", "b.example", false, false),
        ] {
            assert_eq!(known(strangers, address, domain, is_proven, SIM_EPOCH), expected, "{address} {domain}");
        }
    };
    check(&strangers);
    strangers.write(SIM_EPOCH).unwrap();
    check(&strangers);
    let again = started(&engine.crash());
    check(&again);
    assert!(known(&again, "192.0.2.1", "a.example", false, after(KNOWN_MILLIS - 1)));
    assert!(!known(&again, "192.0.2.1", "a.example", false, after(KNOWN_MILLIS)));
}

#[test]
fn a_host_that_passes_on_is_known_after_some_days_for_all_domains() {
    let strangers = started(&SimEngine::new());
    let other = stranger("192.0.2.1", "other.example", false);
    for day in 0..i64::from(HOST_DAYS_MIN) {
        assert!(!strangers.knows(other, after(day * DAY_MILLIS)).unwrap());
        // However much it brings in a day.
        for n in 0..3 {
            let domain = format!("d{day}-{n}.example");
            strangers.brought(stranger("192.0.2.1", &domain, false), after(day * DAY_MILLIS)).unwrap();
        }
    }
    assert!(strangers.knows(other, after(5 * DAY_MILLIS)).unwrap());
}

#[test]
fn who_tries_again_in_time_is_remembered_also_after_a_crash() {
    let engine = SimEngine::new();
    let strangers = started(&engine);
    let one = stranger("192.0.2.1", "a.example", false);
    assert_eq!(strangers.tried(one, SIM_EPOCH).unwrap(), SIM_EPOCH);
    assert_eq!(strangers.tried(one, after(1)).unwrap(), SIM_EPOCH);
    strangers.write(SIM_EPOCH).unwrap();
    let strangers = started(&engine.crash());
    let neighbour = stranger("192.0.2.9", "a.example", false);
    assert_eq!(strangers.tried(neighbour, after(TRIED_MILLIS - 1)).unwrap(), SIM_EPOCH);
    assert_eq!(strangers.tried(one, after(TRIED_MILLIS)).unwrap(), after(TRIED_MILLIS));
}

#[test]
fn a_flood_of_strangers_takes_a_bounded_place_and_one_commit() {
    let engine = SimEngine::new();
    let strangers = started(&engine);
    let table = &strangers.0.table;
    let before = table.version().unwrap();
    let tried = |n: usize, at| strangers.tried(stranger("192.0.2.1", &format!("d{n}.example"), false), at).unwrap();
    (0..PER_NETWORK + 10).for_each(|n| assert_eq!(tried(n, SIM_EPOCH), SIM_EPOCH));
    // The hundred and first was let in: nobody noted when it had tried.
    assert_eq!((tried(PER_NETWORK - 1, after(9)), tried(PER_NETWORK, after(9))), (SIM_EPOCH, after(9)));
    let other = stranger("198.51.100.1", "a.example", false);
    assert_eq!(strangers.tried(other, SIM_EPOCH), Ok(SIM_EPOCH));
    assert_eq!(strangers.tried(other, after(9)), Ok(SIM_EPOCH));
    let noted = PER_NETWORK;
    strangers.write(SIM_EPOCH).unwrap();
    strangers.write(SIM_EPOCH).unwrap();
    assert_eq!(table.version().unwrap().0, before.0 + 1);
    strangers.tidy(after(TRIED_MILLIS)).unwrap();
    assert_eq!(table.scan(b"t", b"t", usize::MAX).unwrap().len(), noted + 1);
    strangers.tidy(after(TRIED_MILLIS + 1)).unwrap();
    assert_eq!(table.scan(b"t", b"t", usize::MAX).unwrap().len(), 0);
}

#[test]
fn what_a_flood_left_was_forgotten_in_one_commit_for_which_mail_waited() {
    let strangers = started(&SimEngine::new());
    let table = &strangers.0.table;
    for n in 0..=FORGOTTEN_AT_ONCE {
        let address = format!("10.{}.{}.1", n / 256, n % 256);
        strangers.tried(stranger(&address, "a.example", false), SIM_EPOCH).unwrap();
    }
    strangers.write(SIM_EPOCH).unwrap();
    let before = table.version().unwrap();
    strangers.tidy(after(TRIED_MILLIS + 1)).unwrap();
    assert_eq!(table.scan(b"t", b"t", usize::MAX).unwrap().len(), 0);
    assert_eq!(table.version().unwrap().0, before.0 + 2);
}

#[test]
fn strangers_grew_to_any_number_between_two_rounds_of_forgetting() {
    let strangers = started(&SimEngine::new());
    let rows = || strangers.0.table.scan(b"t", b"t", usize::MAX).unwrap().len();
    let (mut n, mut most) = (0, 0);
    while n < ROWS_MAX + 3 * GROWN_MAX {
        for _ in 0..1000 {
            let address = format!("{}.{}.{}.1", 10 + n / 65_536, n / 256 % 256, n % 256);
            strangers.tried(stranger(&address, "a.example", false), after(n as i64)).unwrap();
            n += 1;
        }
        strangers.write(after(n as i64)).unwrap();
        most = most.max(rows());
    }
    assert!(most > ROWS_MAX && most <= ROWS_MAX + GROWN_MAX, "{most}");
    // The latest are those that are kept.
    let last = stranger("10.0.0.1", "a.example", false);
    assert!(strangers.tried(last, after(n as i64)).unwrap() == after(n as i64), "the first is forgotten");
}

/// As in `waiting`.
const PER_NETWORK: usize = 100;
