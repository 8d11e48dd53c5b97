//! The codes, and what is kept of them.

use super::*;
use crate::testing::{NOW, SECRET, server};
use proptest::prelude::*;

/// The code that the owner's program shows.
pub(crate) fn code_at(setup: &SecondFactorSetup, now: Timestamp) -> String {
    let secret: String = setup.secret.split(' ').collect();
    let mut bits = secret.bytes().flat_map(|c| {
        let digit = if c.is_ascii_digit() { c - b'2' + 26 } else { c - b'A' };
        (0..5).rev().map(move |place| digit >> place & 1)
    });
    let secret = [0; SECRET_BYTES].map(|_| (0..8).fold(0, |byte, _| byte << 1 | bits.next().unwrap()));
    totp(secret).generate(u64::try_from(now.unix_seconds()).unwrap()).to_string()
}

#[test]
fn codes_are_those_of_rfc_6238() {
    // RFC 6238 appendix B, SHA-1, the last six of eight digits.
    for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
        assert_eq!(totp(*b"12345678901234567890").generate(seconds).to_string(), code);
    }
    assert_eq!(base32(b"12345678901234567890"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
}

#[test]
fn one_step_early_or_late_is_in_time() {
    let (_, auth, [alice, _]) = server();
    let factors = auth.second_factors();
    let check = |steps: i64, expected: bool| {
        factors.switch_off(alice).unwrap();
        let setup = factors.begin(alice, "alice@example.org").unwrap();
        let code = code_at(&setup, Timestamp(NOW.0 + steps * 30_000));
        assert_eq!(factors.confirm(alice, &code, NOW).is_ok(), expected, "{steps}");
    };
    for (steps, expected) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        check(steps, expected);
    }
}

#[test]
fn a_code_that_was_used_lets_no_earlier_one_in() {
    let (_, auth, [alice, _]) = server();
    let factors = auth.second_factors();
    let setup = factors.begin(alice, "alice@example.org").unwrap();
    let code = |steps: i64| code_at(&setup, Timestamp(NOW.0 + steps * 30_000));
    factors.confirm(alice, &code(0), NOW).unwrap();
    for (steps, expected) in [(0, false), (-1, false), (1, true), (1, false), (0, false)] {
        assert_eq!(factors.take(alice, &code(steps), NOW).unwrap(), expected, "{steps}");
    }
}

#[test]
fn a_set_up_that_is_not_confirmed_changes_nothing() {
    let (_, auth, [alice, bob]) = server();
    let factors = auth.second_factors();
    let first = factors.begin(alice, "alice@example.org").unwrap();
    assert!(!factors.is_on(alice).unwrap() && factors.take(alice, "", NOW).unwrap());
    assert_eq!(factors.begun(alice, "alice@example.org").unwrap(), Some(first.clone()));
    assert_eq!(factors.begun(bob, "bob@example.org").unwrap(), None);
    let second = factors.begin(alice, "alice@example.org").unwrap();
    assert_ne!(first, second);
    assert!(factors.confirm(alice, &code_at(&first, NOW), NOW).is_err(), "of the first set-up");
    assert!(factors.confirm(bob, &code_at(&second, NOW), NOW).is_err());
    assert_eq!(factors.confirm(alice, &code_at(&second, NOW), NOW).unwrap().len(), RECOVERY_CODES);
    assert!(factors.is_on(alice).unwrap());
    assert!(factors.begin(alice, "alice@example.org").is_err());
    assert_eq!(factors.begun(alice, "alice@example.org").unwrap(), None, "shown once");
}

#[test]
fn what_is_kept_says_neither_the_secret_nor_a_recovery_code() {
    let (_, auth, [alice, _]) = server();
    let factors = auth.second_factors();
    let setup = factors.begin(alice, "jürgen&co@example.org").unwrap();
    assert!(setup.uri.starts_with("otpauth://totp/Pillarbox:j%C3%BCrgen%26co%40example.org?secret="), "{}", setup.uri);
    let codes = factors.confirm(alice, &code_at(&setup, NOW), NOW).unwrap();
    let kept = factors.table.get(&key(alice)).unwrap().unwrap();
    let secret = factors.secret(alice, &FactorRecord::decode(&kept).unwrap());
    for part in [&secret[..], &SECRET[..], codes[0].as_bytes(), codes[0].replace('-', "").as_bytes()] {
        assert!(!kept.windows(part.len()).any(|window| window == part));
    }
    // Another account with the same row has another secret.
    assert_ne!(secret, factors.secret(AccountId(99), &FactorRecord::decode(&kept).unwrap()));
}

#[test]
fn a_damaged_record_lets_nobody_in_and_can_be_switched_off() {
    let (_, auth, [alice, _]) = server();
    let factors = auth.second_factors();
    let damage = |tx: &mut TableTx<'_>| {
        tx.put(&key(alice), vec![9]);
        Ok::<_, store::Error>(())
    };
    factors.table.change(damage).unwrap();
    assert!(factors.take(alice, "123456", NOW).is_err() && factors.is_on(alice).is_err());
    assert!(factors.switch_off(alice).unwrap());
    assert!(factors.take(alice, "", NOW).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn what_is_written_is_read(confirmed: bool, salt: [u8; SALT_BYTES], last_step: u64, recovery: Vec<[u8; 32]>) {
        let record = FactorRecord { confirmed, salt, last_step, recovery };
        let value = record.encode();
        prop_assert_eq!(FactorRecord::decode(&value), Ok(record));
        prop_assert_eq!(FactorRecord::decode(&[&value[..], b"x"].concat()), Err(Corrupt));
        prop_assert_eq!(FactorRecord::decode(&value[..value.len() - 1]), Err(Corrupt));
    }
}

#[test]
fn a_factor_has_the_octets_that_it_always_had() {
    let record =
        FactorRecord { confirmed: true, salt: [b's'; SALT_BYTES], last_step: 258, recovery: vec![[b'r'; 32]; 2] };
    let octets = [&b"\x01\x01"[..], &[b's'; SALT_BYTES], b"\0\0\0\0\0\0\x01\x02", &[b'r'; 64]].concat();
    assert_eq!(record.encode(), octets);
    assert_eq!(FactorRecord::decode(&octets), Ok(record));
}
