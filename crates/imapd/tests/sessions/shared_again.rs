//! Guests who come back (RFC 7162 §3.1.4, §3.2.5) to a mailbox that they could not read for a while: whatever their programs were told
//! meanwhile, they end with what there is.

use super::harness::{Client, NOW, Server};
use std::collections::BTreeMap;
use store::device::Credential;
use store::{Actor, DeviceId, Protocol, Timestamp};

/// What a program keeps of a mailbox.
#[derive(Default)]
struct Cache {
    uidvalidity: u64,
    modseq: u64,
    /// By UID.
    flags: BTreeMap<u64, String>,
}

fn number(text: &str, before: &str) -> Option<u64> {
    let rest = text.split_once(before)?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

impl Cache {
    /// Believes all that is told, and the MODSEQ of each message at once if `hasty`.
    fn hear(&mut self, told: &str, hasty: bool) {
        for line in told.lines() {
            if line.contains("VANISHED") {
                let set = line.rsplit(' ').next().unwrap();
                for range in set.split(',') {
                    let (first, last) = range.split_once(':').unwrap_or((range, range));
                    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
                    self.flags.retain(|uid, _| !(first..=last).contains(uid));
                }
            } else if let Some(uid) = number(line, "(UID ") {
                // After a silent STORE there is a MODSEQ alone.
                if let Some((_, flags)) = line.split_once("FLAGS (") {
                    self.flags.insert(uid, flags.split_once(')').unwrap().0.to_owned());
                }
                self.modseq = self.modseq.max(number(line, "MODSEQ (").filter(|_| hasty).unwrap_or_default());
            } else if let Some(uidvalidity) = number(line, "[UIDVALIDITY ") {
                self.uidvalidity = uidvalidity;
            } else if let Some(modseq) = number(line, "[HIGHESTMODSEQ ") {
                self.modseq = modseq;
            }
        }
    }

    fn sees(&self, expected: &[(u64, &str)]) {
        let seen: Vec<(u64, &str)> = self.flags.iter().map(|(uid, flags)| (*uid, flags.as_str())).collect();
        assert_eq!(seen, expected);
    }

    /// RFC 7162 §3.2.5; `known`: the UIDs that the program says it knows.
    fn come_back(&mut self, client: &mut Client, known: &str) -> String {
        assert!(client.send("q ENABLE QRESYNC").contains("q OK"));
        let told = client
            .send(&format!("s SELECT Shared/alice/INBOX (QRESYNC ({} {}{known}))", self.uidvalidity, self.modseq));
        self.hear(&told, false);
        told
    }
}

fn by_alice() -> Actor {
    Actor { device: DeviceId(0), protocol: Protocol::Web, now: Timestamp(NOW.unix_millis) }
}

/// Alice shares her INBOX, and Bob's program has a cache of it.
fn shared() -> (Server, Client, Client, Cache) {
    let server = Server::new();
    let mut alice = server.alice_in_inbox();
    alice.fill(3);
    alice.send("a SETACL INBOX bob lrs");
    let (mut bob, mut cache) = (server.bob(), Cache::default());
    bob.send("q ENABLE QRESYNC");
    let told = bob.send("s SELECT Shared/alice/INBOX");
    cache.hear(&told, false);
    cache.hear(&bob.send("b UID FETCH 1:* FLAGS"), false);
    cache.hear(&bob.send("c STORE 2 +FLAGS.SILENT (\\Seen)"), false);
    cache.flags.insert(2, "\\Seen".to_owned());
    cache.hear(&bob.send("d NOOP"), false);
    cache.modseq = number(&server.bob().send("t STATUS Shared/alice/INBOX (HIGHESTMODSEQ)"), "HIGHESTMODSEQ ").unwrap();
    cache.sees(&[(1, ""), (2, "\\Seen"), (3, "")]);
    (server, alice, bob, cache)
}

#[test]
fn a_right_that_was_given_again_left_messages_out_of_what_a_client_knew() {
    for (is_told, known) in [(true, ""), (true, " 1:3"), (true, " 9"), (false, ""), (false, " 1:3")] {
        let (server, mut alice, mut bob, mut cache) = shared();
        alice.send("a DELETEACL INBOX bob");
        if is_told {
            cache.hear(&bob.send("e NOOP"), false);
            cache.sees(&[]);
        }
        alice.send("b STORE 1 +FLAGS.SILENT (\\Deleted)");
        alice.send("c EXPUNGE");
        alice.append("INBOX", "Subject: new\r\n\r\n\r\n");
        alice.send("d SETACL INBOX bob lrs");
        let told = cache.come_back(&mut server.bob(), known);
        // What they had seen themselves is as it was.
        cache.sees(&[(2, "\\Seen"), (3, ""), (4, "")]);
        let status = server.bob().send("t STATUS Shared/alice/INBOX (HIGHESTMODSEQ)");
        assert_eq!(number(&status, "HIGHESTMODSEQ "), Some(cache.modseq), "{told}");
        // From then on they hear of changes alone, and of the last one again.
        alice.send("e STORE 2 +FLAGS.SILENT (\\Flagged)");
        cache.come_back(&mut server.bob(), "");
        cache.sees(&[(2, "\\Seen"), (3, "\\Flagged"), (4, "")]);
        let told = cache.come_back(&mut server.bob(), "");
        assert!(!told.contains("(UID 2 ") && told.contains("(UID 3 "), "{told}");
    }
}

#[test]
fn a_client_with_condstore_alone_hears_of_all_after_a_right_was_given_again() {
    let (server, mut alice, mut bob, mut cache) = shared();
    let before = cache.modseq;
    alice.send("a DELETEACL INBOX bob");
    cache.hear(&bob.send("e NOOP"), false);
    alice.send("b SETACL INBOX bob lrsw");
    let mut back = server.bob();
    back.send("s SELECT Shared/alice/INBOX (CONDSTORE)");
    cache.hear(&back.send(&format!("a UID FETCH 1:* (FLAGS) (CHANGEDSINCE {before})")), false);
    cache.sees(&[(1, ""), (2, "\\Seen"), (3, "")]);
    let found = back.send(&format!("b UID SEARCH MODSEQ {}", before + 1));
    assert!(found.starts_with("* SEARCH 1 2 3 (MODSEQ "), "{found}");
    // RFC 7162 §3.1.3: what they knew of it is older than what there is.
    let told = back.send(&format!("c UID STORE 3 (UNCHANGEDSINCE {before}) +FLAGS (\\Flagged)"));
    assert!(told.contains("c OK [MODIFIED 3]"), "{told}");
    let now = number(&server.bob().send("t STATUS Shared/alice/INBOX (HIGHESTMODSEQ)"), "HIGHESTMODSEQ ").unwrap();
    let told = back.send(&format!("d UID STORE 3 (UNCHANGEDSINCE {now}) +FLAGS (\\Flagged)"));
    assert!(told.ends_with("d OK STORE done\r\n"), "{told}");
    assert!(!back.send(&format!("e UID FETCH 1:* (FLAGS) (CHANGEDSINCE {now})")).contains("(UID 1 "));
}

#[test]
fn an_account_that_was_locked_for_a_while_left_messages_out_of_what_a_guest_knew() {
    let (server, _, mut bob, mut cache) = shared();
    let directory = server.service.auth.directory();
    directory.set_disabled("alice@example.org", true).unwrap();
    cache.hear(&bob.send("e NOOP"), false);
    cache.sees(&[]);
    directory.set_disabled("alice@example.org", false).unwrap();
    cache.come_back(&mut server.bob(), "");
    cache.sees(&[(1, ""), (2, "\\Seen"), (3, "")]);
}

#[test]
fn a_program_that_was_shut_out_and_comes_with_another_password_has_all() {
    let (server, _, mut bob, mut cache) = shared();
    let account = server.account();
    let devices = account.devices().unwrap();
    let guest = devices.values().find(|device| matches!(device.credential, Credential::Guest { .. })).unwrap();
    account.revoke_device(by_alice(), guest.id).unwrap();
    cache.hear(&bob.send("e NOOP"), false);
    cache.sees(&[]);
    let auth = &server.service.auth;
    let (_, password) = auth.add_device(store::AccountId(17), "new", None, Timestamp(NOW.unix_millis)).unwrap();
    let mut back = server.connect();
    assert!(back.send(&format!("l LOGIN bob@example.org {password}")).starts_with("l OK"));
    cache.come_back(&mut back, "");
    cache.sees(&[(1, ""), (2, "\\Seen"), (3, "")]);
}

#[test]
fn a_connection_that_broke_while_all_was_told_again_lost_nothing() {
    const MESSAGES: u32 = 700;
    let server = Server::new();
    let mut alice = server.alice_in_inbox();
    alice.fill(MESSAGES as usize);
    alice.send("a SETACL INBOX bob lr");
    let mut cache = Cache::default();
    let mut bob = server.bob();
    cache.hear(&bob.send("s SELECT Shared/alice/INBOX (CONDSTORE)"), false);
    alice.send("b DELETEACL INBOX bob");
    bob.send("b NOOP");
    alice.send("c SETACL INBOX bob lr");
    // Whoever believes the MODSEQ of each message at once, and hears of a few at a time.
    for cut in [3, 300, 10, 200] {
        let mut back = server.bob();
        back.send("q ENABLE QRESYNC");
        let (uidvalidity, modseq) = (cache.uidvalidity, cache.modseq);
        let told = back.send(&format!("s SELECT Shared/alice/INBOX (QRESYNC ({uidvalidity} {modseq}))"));
        let heard: Vec<&str> = told.lines().filter(|line| line.contains(" FETCH ")).take(cut).collect();
        cache.hear(&heard.join("\r\n"), true);
    }
    cache.come_back(&mut server.bob(), "");
    assert_eq!(cache.flags.len() as u32, MESSAGES);
}
