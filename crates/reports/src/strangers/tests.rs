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
    strangers.write().unwrap();
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
    assert_eq!(strangers.tried(one, SIM_EPOCH).unwrap(), Some(SIM_EPOCH));
    assert_eq!(strangers.tried(one, after(1)).unwrap(), Some(SIM_EPOCH));
    strangers.write().unwrap();
    let strangers = started(&engine.crash());
    let neighbour = stranger("192.0.2.9", "a.example", false);
    assert_eq!(strangers.tried(neighbour, after(TRIED_MILLIS - 1)).unwrap(), Some(SIM_EPOCH));
    assert_eq!(strangers.tried(one, after(TRIED_MILLIS)).unwrap(), Some(after(TRIED_MILLIS)));
}

#[test]
fn a_flood_of_strangers_takes_a_bounded_place_and_one_commit() {
    let engine = SimEngine::new();
    let strangers = started(&engine);
    let table = &strangers.0.table;
    let before = table.version().unwrap();
    let mut noted = 0;
    for n in 0..PER_NETWORK + 10 {
        let domain = format!("d{n}.example");
        noted += usize::from(strangers.tried(stranger("192.0.2.1", &domain, false), SIM_EPOCH).unwrap().is_some());
    }
    assert_eq!(noted, PER_NETWORK);
    assert!(strangers.tried(stranger("198.51.100.1", "a.example", false), SIM_EPOCH).unwrap().is_some());
    strangers.write().unwrap();
    strangers.write().unwrap();
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
        assert!(strangers.tried(stranger(&address, "a.example", false), SIM_EPOCH).unwrap().is_some());
    }
    strangers.write().unwrap();
    let before = table.version().unwrap();
    strangers.tidy(after(TRIED_MILLIS + 1)).unwrap();
    assert_eq!(table.scan(b"t", b"t", usize::MAX).unwrap().len(), 0);
    assert_eq!(table.version().unwrap().0, before.0 + 2);
}

/// As in `waiting`.
const PER_NETWORK: usize = 100;
