//! When the authority is asked, and for which key. Pure.

use acme::{Facts, NAMES_MAX, Way};
use directory::{HostCertificate, HostKey};

pub(super) const MINUTE_SECS: i64 = 60;
pub(super) const HOUR_SECS: i64 = 60 * MINUTE_SECS;
pub(super) const DAY_SECS: i64 = 24 * HOUR_SECS;
/// After the first failure; twice as long after each other one ...
const FIRST_PAUSE_SECS: i64 = 5 * MINUTE_SECS;
/// ... up to this.
const PAUSE_SECS_MAX: i64 = DAY_SECS;
/// A key that is older makes room for the next one, at a renewal.
const KEY_SECS_MAX: i64 = 365 * DAY_SECS;
/// The next key has been shown for so long before it is used.
const KEY_SHOWN_SECS_MIN: i64 = 14 * DAY_SECS;

/// When a certificate is renewed: at two thirds of its life, and up to a twentieth of it later. `share`, of 255, tells servers
/// apart, so that they do not come all at once; one server's is always the same.
pub(super) fn renewal(facts: &Facts, share: u8) -> i64 {
    let life = facts.not_after.saturating_sub(facts.not_before).max(0);
    facts.not_before + life / 3 * 2 + part(life / 20, share)
}

/// The moment of a window that the authority would like (RFC 9773 §4.2: a random one), the same for one server. Never later than
/// the certificate would be renewed without it.
pub(super) fn within((start, end): (i64, i64), share: u8, renewal: i64) -> i64 {
    (start + part(end.saturating_sub(start).max(0), share)).min(renewal)
}

/// How long the authority is left alone after so many failures, at least one. Authorities count them.
pub(super) fn pause_secs(failures: u32, share: u8) -> i64 {
    let doubled = FIRST_PAUSE_SECS << failures.saturating_sub(1).min(16);
    let pause = doubled.min(PAUSE_SECS_MAX);
    pause + part(pause / 4, share)
}

/// Whether a certificate is to be ordered: it is time, or it would be from another authority.
pub(super) fn is_due(kept: &HostCertificate, authority: &str, now: i64) -> bool {
    kept.next_attempt.0 / 1000 <= now || kept.authority != authority
}

/// Which of the keys the next certificate is for. The first as long as it is young, the next was not shown for long enough, or
/// others are told of the first only: `published`, the digests in the TLSA records of this host, `None` where that is not known.
pub(super) fn key_to_use<'a>(keys: &'a [HostKey], published: Option<&[Vec<u8>]>, now: i64) -> Option<&'a HostKey> {
    let [current, rest @ ..] = keys else { return None };
    let age = |key: &HostKey| now - key.made_at.0 / 1000;
    let is_published =
        |key: &HostKey| published.is_some_and(|all| all.is_empty() || all.iter().any(|one| one[..] == key.digest));
    let next = rest.first().filter(|next| age(next) >= KEY_SHOWN_SECS_MIN && is_published(next));
    Some(next.filter(|_| age(current) > KEY_SECS_MAX).unwrap_or(current))
}

/// How the names are proven next. First as they were the last time (`proven_over`, a port); after a failure in another way.
pub(super) fn way(ways: &[Way], proven_over: u16, failures: u32) -> Option<Way> {
    let first = ways.iter().position(|way| way.port() == proven_over).unwrap_or(0);
    ways.get((first + failures as usize) % ways.len().max(1)).copied()
}

/// Names that lead here, as many as a certificate has room for, and those that have none.
pub(super) fn with_room(mut names: Vec<String>) -> (Vec<String>, Vec<String>) {
    let without = names.split_off(names.len().min(NAMES_MAX));
    (names, without)
}

fn part(of: i64, share: u8) -> i64 {
    // 64 bits hold it: no span here is longer than a century.
    of.saturating_mul(i64::from(share)) / 255
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory::{Directory, DirectoryOptions, PasswordCost};
    use std::sync::Arc;
    use store::sim::{SimEngine, SimObjects};
    use store::{Store, Timestamp};

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life_and_before_nine_tenths() {
        for days in [6, 45, 90, 398] {
            let (not_before, not_after) = (1_000_000, 1_000_000 + days * DAY_SECS);
            let facts = Facts::new(vec!["mail.example.org".to_owned()], (not_before, not_after), [7; 32]);
            let times = [0, 100, 255].map(|share| renewal(&facts, share) - not_before);
            assert!(times.is_sorted() && times[0] >= days * DAY_SECS * 3 / 5 && times[2] <= days * DAY_SECS * 9 / 10);
        }
        assert_eq!(within((100, 355), 10, 1000), 110);
        assert_eq!(within((100, 355), 10, 50), 50, "an authority cannot have it expire");
        assert_eq!(within((100, 0), 255, 1000), 100);
    }

    #[test]
    fn who_fails_asks_less_and_less_often_and_at_least_daily() {
        let pauses: Vec<i64> = (1..40).map(|failures| pause_secs(failures, 255)).collect();
        assert_eq!(pauses[0], 375);
        assert!(pauses.is_sorted() && pauses[38] == DAY_SECS * 5 / 4);
    }

    #[test]
    fn what_proved_the_names_once_is_tried_first() {
        let both = [Way::TlsAlpn, Way::Http];
        let check = |ways: &[Way], proven_over: u16, tries: [Option<Way>; 3]| {
            assert_eq!([0, 1, 2].map(|failures| way(ways, proven_over, failures)), tries, "{ways:?} {proven_over}");
        };
        let (tls, http) = (Some(Way::TlsAlpn), Some(Way::Http));
        check(&both, 0, [tls, http, tls]);
        check(&both, 443, [tls, http, tls]);
        check(&both, 80, [http, tls, http]);
        check(&both[..1], 80, [tls, tls, tls]);
        check(&[], 80, [None, None, None]);
    }

    #[test]
    fn a_certificate_has_room_for_a_hundred_names() {
        let names = |count: usize| (0..count).map(|n| format!("{n}.example.org")).collect::<Vec<_>>();
        assert_eq!(with_room(names(NAMES_MAX)), (names(NAMES_MAX), Vec::new()));
        assert_eq!(with_room(names(NAMES_MAX + 1)), (names(NAMES_MAX), vec!["100.example.org".to_owned()]));
    }

    #[test]
    fn a_key_changes_when_it_is_old_and_the_world_knows_the_next_one() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let options = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let directory = Directory::open(store, &[7; 32], options).unwrap();
        let key = |digest: u8, made: i64| {
            directory.seal_host_key(b"key", [digest; 32], Timestamp(made * DAY_SECS * 1000)).unwrap()
        };
        let check = |made: [i64; 2], published: Option<&[u8]>, day: i64, expected: u8| {
            let published: Option<Vec<Vec<u8>>> =
                published.map(|all| all.iter().map(|digest| vec![*digest; 32]).collect());
            let keys = [key(1, made[0]), key(2, made[1])];
            let used = key_to_use(&keys, published.as_deref(), day * DAY_SECS).unwrap();
            assert_eq!(used.digest[0], expected, "{made:?} {published:?}");
        };
        check([0, 0], Some(&[]), 366, 2);
        check([0, 0], Some(&[1, 2]), 366, 2);
        check([0, 0], Some(&[1, 2]), 300, 1);
        check([0, 0], Some(&[1]), 366, 1);
        check([0, 0], None, 366, 1);
        check([0, 360], Some(&[]), 366, 1);
        assert_eq!(key_to_use(&[], Some(&[]), 0), None);
    }
}
