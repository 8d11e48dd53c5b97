//! Lists: who gets what, who may write, who leaves, and that nothing is doubled or runs in circles.

use super::*;
use crate::outcome::Delivered;
use crate::testing::{World, world};
use crate::{Envelope, Reach, Source};
use directory::Approval;
use dkim::testing::verify;
use futures::executor::block_on;
use queue::{Entry, Limits, Policy, Queue, Via, Ways};
use sender_auth::testing::Table;
use sender_auth::{Digests, DmarcResult, Lists, examine};
use smtp_proto::ForwardPath;
use store::sim::{Fault, SIM_EPOCH};
use store::{Actor, Claim, DeviceId, EmailId, TableId};

const NOW: Timestamp = SIM_EPOCH;
const OK: RecipientOutcome = RecipientOutcome::Delivered;
const CHOIR: &str = "choir@example.org";
/// As a mail system of ours hands it over that has looked whether it comes from Ada.
const MESSAGE: &str = "Authentication-Results: mail.example.org; spf=pass smtp.mailfrom=ada@far.example; dmarc=pass\r\n\
                       From: Ada <ada@far.example>\r\nTo: choir@example.org\r\nSubject: Hello\r\n\
                       Date: Mon, 21 Sep 2026 14:13:00 +0000\r\nMessage-ID: <1@far.example>\r\n\
                       List-Id: <other.example>\r\n\r\nHello.\r\n";

/// Alice owns the choir, whose members are Bob here and Ada and Eve elsewhere.
fn choir(posting: Posting) -> (World, Queue) {
    let world = world();
    let directory = world.flow.auth.directory();
    directory.make_signing_keys("example.org", NOW).unwrap();
    directory.add_list(CHOIR, "The Choir", posting, &["alice@example.org"]).unwrap();
    for member in ["bob@example.org", "ada@far.example", "eve@other.example"] {
        directory.join_list(CHOIR, member, (By::Owner, NOW)).unwrap();
    }
    let queue = Queue::open(world.flow.auth.store(), Policy::default());
    let flow = MailFlow { queue: Some(queue.clone()), pages: Some("https://mail.example.org".into()), ..world.flow };
    (World { flow, ..world }, queue)
}

fn source(protocol: Protocol, client: &str) -> Source {
    let client = client.parse().unwrap();
    Source { protocol, helo: "client.example".into(), client, with: "ESMTPS", tls: None, by_relay: false }
}

fn arrival(world: &World, (from, to): (&str, &str), content: &str, source: Source) -> Arrival {
    let path = to.parse().map(ForwardPath::Mailbox).unwrap();
    let local = match world.flow.route(&path, Reach::Local, &ReversePath::Null, NOW).unwrap() {
        Route::Local(recipient) => vec![recipient],
        other => panic!("{to}: {other:?}"),
    };
    let reverse_path = from.parse().map_or(ReversePath::Null, ReversePath::Mailbox);
    let envelope = Envelope { local, ..Envelope::new(reverse_path, source) };
    world.flow.arrive(envelope, content.into(), None, NOW)
}

/// From a mail system of ours.
fn deliver(world: &World, from: &str, to: &str, content: &str) -> Delivered {
    let source = source(Protocol::Lmtp, "127.0.0.1");
    world.flow.deliver(arrival(world, (from, to), content, source), NOW)
}

/// The client has its answer, and whoever is to get it has it.
fn outcome_in(world: &World, delivered: Delivered) -> RecipientOutcome {
    let outcome = delivered.worst();
    delivered.accepted().into_iter().for_each(Claim::answered);
    assert_eq!(world.flow.distribute(NOW, &|| false), Ok(None));
    outcome
}

fn queued(queue: &Queue) -> Vec<(Entry, String)> {
    let all = queue.list(None, 100).unwrap().into_iter();
    all.map(|entry| (entry.clone(), String::from_utf8(queue.content(entry.id).unwrap()).unwrap())).collect()
}

fn messages(world: &World, name: &str) -> usize {
    let info = world.flow.auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap();
    let mailboxes = world.flow.auth.store().account(info.id).mailboxes().unwrap();
    mailboxes.by_name("INBOX").map_or(0, |mailbox| mailbox.counts.messages as usize)
}

fn members(world: &World) -> Vec<String> {
    let directory = world.flow.auth.directory();
    let list = directory.list(CHOIR).unwrap().unwrap();
    directory.members(&list).unwrap().into_iter().map(|member| member.address).collect()
}

#[test]
fn each_member_gets_a_copy_with_a_way_out_that_the_domain_of_the_list_signs() {
    let (world, queue) = choir(Posting::Members);
    assert_eq!(outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, MESSAGE)), OK);
    assert_eq!((messages(&world, "bob"), messages(&world, "alice")), (1, 0), "an owner is no member");
    let all = queued(&queue);
    let to: Vec<&str> = all.iter().map(|(entry, _)| entry.recipients[0].address.as_str()).collect();
    assert_eq!(to, ["ada@far.example", "eve@other.example"]);
    for (entry, content) in &all {
        assert!(entry.reverse_path.starts_with("choir+bounce-"), "{}", entry.reverse_path);
        let token = &entry.reverse_path["choir+bounce-".len()..entry.reverse_path.len() - "@example.org".len()];
        for field in [
            "From: \"Ada\" via \"The Choir\"\r\n <choir@example.org>\r\n",
            "Reply-To: <ada@far.example>\r\n",
            "List-Id: \"The Choir\" <choir.example.org>\r\n",
            "List-Post: <mailto:choir@example.org>\r\n",
            "Precedence: list\r\n",
            "Delivered-To: choir@example.org\r\n",
            &format!("List-Unsubscribe: <https://mail.example.org/lists/choir@example.org/leave/{token}>,\r\n"),
            &format!(" <mailto:choir+leave-{token}@example.org?subject=leave>\r\n"),
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            "Subject: Hello\r\n",
        ] {
            assert_eq!(content.matches(field).count(), 1, "{field} in {content}");
        }
        assert!(!content.contains("other.example\r\n") && content.matches("From: ").count() == 1, "{content}");
        // RFC 8058 §4.
        let signature = content.split("DKIM-Signature:").nth(1).unwrap().split("\r\nDelivered-To").next().unwrap();
        let signature: String = signature.split_whitespace().collect();
        for field in ["List-Unsubscribe", "List-Unsubscribe-Post"] {
            assert!(signature.contains(&format!(":{field}:")), "{signature}");
        }
        assert!(signature.contains("d=example.org;"), "{signature}");
    }
    assert_ne!(all[0].0.reverse_path, all[1].0.reverse_path);
    let directory = world.flow.auth.directory();
    let records = directory.signing_keys("example.org", NOW).unwrap().into_iter();
    let records: Vec<(String, String)> =
        records.map(|key| (format!("{}._domainkey.example.org", key.selector), key.record.clone())).collect();
    let found = verify(all[0].1.as_bytes(), &records);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|(domain, _, is_good)| domain == "example.org" && *is_good), "{found:?}");
}

/// The author's domain has everything refused that it has not sent, and so has the list's.
#[test]
fn a_copy_of_a_post_passes_the_checks_of_the_far_end() {
    let (world, queue) = choir(Posting::Members);
    assert_eq!(outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, MESSAGE)), OK);
    let keys = world.flow.auth.directory().signing_keys("example.org", NOW).unwrap().into_iter();
    let published = keys.fold(Table::default(), |table, key| {
        table.txt(&format!("{}._domainkey.example.org", key.selector), &key.record)
    });
    let table = published
        .txt("_dmarc.example.org", "v=DMARC1; p=reject; adkim=s; aspf=s")
        .txt("_dmarc.far.example", "v=DMARC1; p=reject")
        .txt("far.example", "v=spf1 ip4:192.0.2.1 -all")
        .txt("example.org", "v=spf1 ip4:203.0.113.1 -all");
    for (entry, content) in queued(&queue) {
        // From our host; and once more from one that may not send for the domain: then the signature alone counts.
        for address in ["203.0.113.1", "198.51.100.9"] {
            let claim = sender_auth::Claim {
                address: address.parse().unwrap(),
                helo: "mail.example.org".into(),
                mail_from: entry.reverse_path.clone(),
                receiver: "mx.other.example".into(),
                unix_seconds: 0,
            };
            let found = block_on(examine(&table, &claim, &Digests::of(content.as_bytes()), &Lists::default()));
            let verdict = (found.dmarc.result, found.dmarc.domain.as_str(), found.dmarc.spf_aligned);
            assert_eq!(verdict, (DmarcResult::Pass, "example.org", address == "203.0.113.1"), "{content}");
        }
    }
}

#[test]
fn a_post_that_comes_again_reaches_nobody_twice() {
    let (world, queue) = choir(Posting::Members);
    let again = |world: &World| deliver(world, "ada@far.example", CHOIR, MESSAGE);
    // The client has no answer to rely on, and hands it over again.
    assert_eq!(again(&world).worst(), OK);
    assert_eq!(outcome_in(&world, again(&world)), OK);
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (1, 2));
    // Another way, or somebody else, brings the same message again.
    let traced = format!("Received: by x.example; Mon, 21 Sep 2026 14:14:00 +0000\r\n{MESSAGE}");
    assert_eq!(outcome_in(&world, deliver(&world, "x@far.example", CHOIR, &traced)), OK);
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (1, 2));
    assert_eq!(outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, &numbered(2))), OK);
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (2, 4));
}

/// Another message of Ada's.
fn numbered(number: u32) -> String {
    MESSAGE.replace("<1@", &format!("<{number}@"))
}

#[test]
fn what_the_queue_does_not_take_now_is_tried_again_and_nobody_waits_for_it() {
    let (world, queue) = choir(Posting::Members);
    let narrow = |account_entries| {
        let full = queue.clone().with_limits(Limits { account_entries, ..Limits::DEFAULT });
        World { engine: world.engine.clone(), flow: MailFlow { queue: Some(full), ..world.flow.clone() } }
    };
    let (narrow, next) = (narrow(1), narrow(3));
    assert_eq!(deliver(&narrow, "ada@far.example", CHOIR, MESSAGE).worst(), OK);
    let minute = Timestamp(NOW.0 + 60 * 1000);
    assert_eq!(narrow.flow.distribute(NOW, &|| false), Ok(Some(minute)));
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (1, 0));
    assert_eq!(world.flow.distribute(NOW, &|| false), Ok(Some(minute)), "not yet");
    assert_eq!(queued(&queue).len(), 0);
    assert_eq!(world.flow.distribute(minute, &|| false), Ok(None));
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (1, 2));
    // It stays so: the owners are told once, and nobody is paused.
    assert_eq!(deliver(&next, "ada@far.example", CHOIR, &numbered(2)).worst(), OK);
    let mut at = NOW;
    for _ in 0..200 {
        let Some(then) = next.flow.distribute(at, &|| false).unwrap() else { break };
        at = then;
    }
    assert_eq!((at.0 - NOW.0) / (24 * 60 * 60 * 1000), 5);
    assert_eq!((messages(&world, "bob"), messages(&world, "alice"), queued(&queue).len()), (2, 1, 2));
    let list = world.flow.auth.directory().list(CHOIR).unwrap().unwrap();
    assert!(list.members.iter().all(|member| member.bounces == 0));
}

/// Bob has two messages already, and no room for another.
#[test]
fn one_member_who_could_not_be_served_ended_the_round_for_all() {
    let (world, queue) = choir(Posting::Members);
    let directory = world.flow.auth.directory();
    directory.join_list(CHOIR, "carol@example.org", (By::Owner, NOW)).unwrap();
    directory.leave_list(CHOIR, "ada@far.example", (By::Owner, NOW)).unwrap();
    let post = MESSAGE.replace("ada@far.example", "carol@example.org");
    assert_eq!(deliver(&world, "carol@example.org", CHOIR, &post).worst(), OK);
    // Its account goes between the answer and the copy.
    let bob = directory.account("bob@example.org").unwrap().unwrap().id;
    world.flow.auth.store().remove_account(bob).unwrap();
    assert!(world.flow.distribute(NOW, &|| false).unwrap().is_some());
    assert_eq!((messages(&world, "carol"), queued(&queue).len()), (1, 1));
    directory.remove_account("bob@example.org").unwrap();
    let hour = Timestamp(NOW.0 + 60 * 60 * 1000);
    assert_eq!(world.flow.distribute(hour, &|| false), Ok(None));
    assert_eq!((messages(&world, "carol"), queued(&queue).len()), (1, 1));
}

/// One for the client, and not one for each member.
#[test]
fn a_client_waited_for_as_many_commits_as_a_list_has_members() {
    let (world, mut queue) = choir(Posting::Members);
    for number in 0..98 {
        world.flow.auth.directory().join_list(CHOIR, &format!("m{number}@far.example"), (By::Owner, NOW)).unwrap();
    }
    let commits = |world: &World| {
        let table = |id| world.flow.auth.store().table(id).version().unwrap().0;
        [TableId::Directory, TableId::Posts, TableId::Queue].map(table)
    };
    let before = commits(&world);
    let mails = |world: &World| messages(world, "bob");
    assert_eq!(deliver(&world, "ada@far.example", CHOIR, MESSAGE).worst(), OK);
    let after = commits(&world);
    assert_eq!([0, 1, 2].map(|table| after[table] - before[table]), [0, 1, 0]);
    assert_eq!((mails(&world), queued(&queue).len()), (0, 0));
    // It dies after the first piece, and after each one that follows.
    let mut world = world;
    for _ in 0..3 {
        let pieces = std::cell::Cell::new(0);
        let stops = || pieces.replace(pieces.get() + 1) >= 2;
        world.flow.distribute(NOW, &stops).unwrap();
        let after = world.after_a_crash();
        queue = Queue::open(after.flow.auth.store(), Policy::default());
        world = World { flow: MailFlow { queue: Some(queue.clone()), ..after.flow }, ..after };
    }
    assert_eq!(world.flow.distribute(NOW, &|| false), Ok(None));
    let all = queue.list(None, 1000).unwrap();
    let to: std::collections::BTreeSet<&str> = all.iter().map(|entry| &*entry.recipients[0].address).collect();
    assert_eq!((mails(&world), all.len(), to.len()), (1, 100, 100));
    let last = commits(&world);
    assert!(last[2] - after[2] <= 4 && last[1] - after[1] <= 4, "{after:?} {last:?}");
}

#[test]
fn who_may_write_is_asked() {
    let by = |name: &str| MESSAGE.replace("Ada <ada@far.example>", name).replace("ada@far.example", name);
    let (alice, carol) = (by("alice@example.org"), by("carol@example.org"));
    let stranger = MESSAGE.replace("ada@far.example", "mallory@far.example");
    let not_allowed = RecipientOutcome::List(ListRefusal::NotAllowed);
    for (posting, expected) in [
        (Posting::Owners, [OK, not_allowed, not_allowed, not_allowed]),
        (Posting::Members, [OK, not_allowed, OK, not_allowed]),
        (Posting::Anybody, [OK; 4]),
    ] {
        let (world, _) = choir(posting);
        let write = |content: &str| outcome_in(&world, deliver(&world, "x@far.example", CHOIR, content));
        assert_eq!([&*alice, &carol, MESSAGE, &stranger].map(write), expected, "{posting:?}");
        // From another host, and nobody looked whether it is true.
        let forged = |content: &str| {
            let source = source(Protocol::Smtp, "192.0.2.1");
            outcome_in(&world, world.flow.deliver(arrival(&world, ("x@far.example", CHOIR), content, source), NOW))
        };
        assert_eq!(forged(&alice), not_allowed, "{posting:?}");
        let expected = if posting == Posting::Anybody { OK } else { not_allowed };
        assert_eq!(forged(MESSAGE), expected, "{posting:?}");
        // A mail system of ours that says nothing has not looked.
        let unsaid = MESSAGE.split_once("\r\n").unwrap().1;
        assert_eq!(write(unsaid), expected, "{posting:?}");
    }
}

/// Whoever has mail of a member, with the signature of the member's domain, sends it to the list.
#[test]
fn mail_of_a_member_sent_again_by_somebody_else_was_distributed_in_the_members_name() {
    let (world, queue) = choir(Posting::Members);
    let not_meant = RecipientOutcome::List(ListRefusal::NotMeant);
    let message = |signed: &str, fields: &str| {
        let signature = if signed.is_empty() {
            String::new()
        } else {
            format!(
                "DKIM-Signature: v=1; a=rsa-sha256; d=far.example; s=s; h={signed};\r\n bh=aGVsbG8=; b=aGVsbG8=\r\n"
            )
        };
        let results =
            "Authentication-Results: mail.example.org; spf=pass smtp.mailfrom=mallory@bad.example; dmarc=pass";
        format!("{results}\r\n{signature}From: Ada <ada@far.example>\r\n{fields}\r\nHello.\r\n")
    };
    let all = "from:to:cc:date:message-id";
    let (to, cc, date) =
        ("To: <Choir@example.org>\r\n", "Cc: x <choir@example.org>\r\n", "Mon, 21 Sep 2026 14:13:00 +0000");
    let (date, id) = (format!("Date: {date}\r\n"), "Message-ID: <1@far.example>\r\n");
    let (old, ahead) = (date.replace("21", "16"), date.replace("21", "23"));
    let bare = |parts: &[&str]| parts.concat();
    for (signed, fields, expected) in [
        (all, bare(&[to, &date, id]), OK),
        (all, bare(&["To: eve@other.example\r\n", cc, &date, "Message-ID: <2@far.example>\r\n"]), OK),
        (all, bare(&["To: eve@other.example\r\n", &date, id]), not_meant),
        (all, bare(&[to, "To: eve@other.example\r\n", &date, id]), not_meant),
        (all, bare(&[to, &old, id]), not_meant),
        (all, bare(&[to, &ahead, id]), not_meant),
        (all, bare(&[to, &date, &date, id]), not_meant),
        (all, bare(&[to, id]), not_meant),
        (all, bare(&[to, &date]), not_meant),
        ("from:cc:date:message-id", bare(&[to, &date, id]), not_meant),
        ("from:to:message-id", bare(&[to, &date, id]), not_meant),
        ("from:to:date", bare(&[to, &date, id]), not_meant),
        ("", bare(&[to, &date, id]), not_meant),
    ] {
        let content = message(signed, &fields);
        let got = outcome_in(&world, deliver(&world, "mallory@bad.example", CHOIR, &content));
        assert_eq!(got, expected, "{content}");
    }
    // A signature that somebody else put on covers nothing of Ada's.
    let mallory =
        "DKIM-Signature: v=1; a=rsa-sha256; d=bad.example; s=s; h=from:to:date:message-id; bh=aGVsbG8=; b=aGVsbG8=";
    let content = format!("{mallory}\r\n{}", message("from:date:message-id", &bare(&[to, &date, id])));
    assert_eq!(outcome_in(&world, deliver(&world, "mallory@bad.example", CHOIR, &content)), not_meant);
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (2, 4));
}

#[test]
fn programs_and_circles_are_refused() {
    let (world, queue) = choir(Posting::Anybody);
    let automatic = RecipientOutcome::List(ListRefusal::Automatic);
    let with = |field: &str| format!("{field}\r\n{MESSAGE}");
    for (from, content, expected) in [
        ("ada@far.example", with("Auto-Submitted: auto-replied"), automatic),
        ("", MESSAGE.to_owned(), automatic),
        ("ada@far.example", with("List-Id: The choir <Choir.example.org>"), RecipientOutcome::Loop),
        ("ada@far.example", with("From: eve@other.example"), RecipientOutcome::List(ListRefusal::NotAllowed)),
        ("ada@far.example", with("Auto-Submitted: no"), OK),
    ] {
        assert_eq!(outcome_in(&world, deliver(&world, from, CHOIR, &content)), expected, "{content}");
    }
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (1, 2));
}

#[test]
fn whoever_proves_to_want_it_joins_an_open_list() {
    let (world, queue) = choir(Posting::Members);
    let join = "choir+join@example.org";
    let ask = |from: &str| {
        let results = "Authentication-Results: mail.example.org; spf=pass smtp.mailfrom=far.example; dmarc=pass";
        let date = "Date: Mon, 21 Sep 2026 14:13:00 +0000";
        format!("{results}\r\nFrom: <{from}>\r\n{date}\r\nTo: Choir <choir+JOIN@example.org>\r\nSubject: join\r\n\r\n")
    };
    let path = ForwardPath::Mailbox(join.parse().unwrap());
    let not_allowed = RecipientOutcome::List(ListRefusal::NotAllowed);
    // Closed: it is a subaddress like any other, and who is no member may not write.
    assert_eq!(outcome_in(&world, deliver(&world, "zoe@far.example", join, &ask("zoe@far.example"))), not_allowed);
    world.flow.auth.directory().set_open(CHOIR, true).unwrap();
    assert!(matches!(world.flow.route(&path, Reach::Local, &ReversePath::Null, NOW).unwrap(), Route::Local(_)));
    let from_elsewhere = source(Protocol::Smtp, "192.0.2.1");
    let forged = arrival(&world, ("zoe@far.example", join), &ask("zoe@far.example"), from_elsewhere);
    assert_eq!(outcome_in(&world, world.flow.deliver(forged, NOW)), not_allowed, "nothing proves it");
    let nobody_looked = "From: <zoe@far.example>\r\n\r\n";
    assert_eq!(outcome_in(&world, deliver(&world, "zoe@far.example", join, nobody_looked)), not_allowed);
    let automatic = format!("Auto-Submitted: auto-replied\r\n{}", ask("zoe@far.example"));
    let refused = RecipientOutcome::List(ListRefusal::Automatic);
    assert_eq!(outcome_in(&world, deliver(&world, "zoe@far.example", join, &automatic)), refused);
    // What zoe wrote to eve has a good signature, wherever eve sends it.
    let to_eve = ask("zoe@far.example").replace("choir+JOIN@example.org", "eve@other.example");
    let both = format!("To: <{join}>\r\n{to_eve}");
    for of_another in [to_eve, both] {
        let not_meant = RecipientOutcome::List(ListRefusal::NotMeant);
        assert_eq!(outcome_in(&world, deliver(&world, "eve@other.example", join, &of_another)), not_meant);
    }
    assert_eq!((members(&world).len(), queued(&queue).len()), (3, 0));
    for _ in 0..2 {
        assert_eq!(outcome_in(&world, deliver(&world, "zoe@far.example", join, &ask("zoe@far.example"))), OK);
        assert_eq!(members(&world)[3], "zoe@far.example");
        assert_eq!(queued(&queue).len(), 1, "told once");
    }
    assert_eq!(outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, MESSAGE)), OK);
    let (_, content) = queued(&queue).pop().unwrap();
    assert!(content.contains("List-Subscribe: <mailto:choir+join@example.org?subject=join>\r\n"), "{content}");
}

/// The letters in a mailbox, the newest last.
fn letters_of(world: &World, name: &str) -> Vec<String> {
    let info = world.flow.auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap();
    let account = world.flow.auth.store().account(info.id);
    let reader = account.reader().unwrap();
    let read = |email| String::from_utf8_lossy(&reader.body(email).unwrap()).into_owned();
    account.emails_after(EmailId(0), 100).unwrap().into_iter().map(read).collect()
}

#[test]
fn a_post_waits_until_an_owner_answers_and_is_answered_once() {
    let (world, queue) = choir(Posting::Members);
    world.flow.auth.directory().set_approval(CHOIR, Approval::Others).unwrap();
    let not_allowed = RecipientOutcome::List(ListRefusal::NotAllowed);
    let week = 7 * 24 * 60 * 60 * 1000;
    let take = |from: &str, content: &str| {
        let outcome = deliver(&world, from, CHOIR, content).worst();
        world.flow.distribute(NOW, &|| false).unwrap();
        outcome
    };
    // A member's goes out, a stranger's waits, and what is said to be a member's as well.
    assert_eq!(take("ada@far.example", MESSAGE), OK);
    assert_eq!((messages(&world, "bob"), queued(&queue).len(), messages(&world, "alice")), (1, 2, 0));
    let by_zoe = numbered(2).replace("ada@far.example", "zoe@far.example");
    assert_eq!(take("zoe@far.example", &by_zoe), OK);
    let forged = numbered(3).split_once("\r\n").unwrap().1.replace("Hello", "Viagra");
    assert_eq!(take("ada@far.example", &forged), OK);
    assert_eq!((messages(&world, "bob"), queued(&queue).len(), messages(&world, "alice")), (1, 2, 2));
    let questions = letters_of(&world, "alice");
    assert!(
        questions[0].contains("From:     zoe@far.example") && questions[0].contains("may not write"),
        "{}",
        questions[0]
    );
    assert!(questions[1].contains("nothing proves") && questions[1].contains("Viagra"), "{}", questions[1]);
    let token = |question: &str| {
        let at = question.find("Reply-To: <").unwrap() + 11;
        question[at..].split('>').next().unwrap().to_owned()
    };
    let (first, second) = (token(&questions[0]), token(&questions[1]));
    let say = |from: &str, to: &str, text: &str| {
        let content = format!("From: <{from}>\r\nTo: <{to}>\r\nSubject: Re: Approve?\r\n\r\n{text}\r\n");
        let source = source(Protocol::Submission, "192.0.2.1");
        let outcome = world.flow.deliver(arrival(&world, (from, to), &content, source), NOW).worst();
        world.flow.distribute(NOW, &|| false).unwrap();
        outcome
    };
    assert_eq!(say("bob@example.org", &first, "approve"), not_allowed, "no owner");
    let wrong = first.replace("+held-2", "+held-3");
    assert_eq!(say("alice@example.org", &wrong, "approve"), not_allowed, "the token is of another post");
    let outside = format!("From: <alice@example.org>\r\nTo: <{first}>\r\n\r\napprove\r\n");
    assert_eq!(
        deliver(&world, "x@far.example", &first, &outside).worst(),
        not_allowed,
        "nothing proves that it is Alice"
    );
    let automatic = RecipientOutcome::List(ListRefusal::Automatic);
    let vacation = format!("Auto-Submitted: auto-replied\r\n{outside}");
    assert_eq!(deliver(&world, "alice@example.org", &first, &vacation).worst(), automatic);
    assert_eq!(say("alice@example.org", &first, "Hm"), RecipientOutcome::List(ListRefusal::NoAnswer));
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (1, 2));
    assert_eq!(say("alice@example.org", &first, "approve"), OK);
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (2, 4));
    for again in ["approve", "reject"] {
        assert_eq!(say("alice@example.org", &first, again), RecipientOutcome::List(ListRefusal::Answered));
    }
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (2, 4));
    // Who is not known to have written it is told nothing: it could be anybody.
    assert_eq!(say("alice@example.org", &second, "reject"), OK);
    assert_eq!((queued(&queue).len(), world.flow.posts().held(CHOIR).unwrap().len()), (4, 0));
    // Nobody answers.
    assert_eq!(take("zoe@far.example", &by_zoe.replace("<2@", "<4@")), OK);
    assert_eq!(world.flow.distribute(Timestamp(NOW.0 + week - 1), &|| false), Ok(Some(Timestamp(NOW.0 + week))));
    assert_eq!(queued(&queue).len(), 4);
    world.flow.distribute(Timestamp(NOW.0 + week), &|| false).unwrap();
    assert_eq!(world.flow.distribute(Timestamp(NOW.0 + week), &|| false), Ok(None));
    let (entry, content) = queued(&queue).pop().unwrap();
    assert_eq!((queued(&queue).len(), &*entry.recipients[0].address), (5, "zoe@far.example"));
    assert!(
        content.contains("Subject: Not distributed: Hello") && content.contains("nobody who looks after"),
        "{content}"
    );
}

#[test]
fn everything_waits_that_is_written_to_a_list_whose_owners_want_it_so() {
    let (world, queue) = choir(Posting::Members);
    let directory = world.flow.auth.directory();
    directory.set_approval(CHOIR, Approval::All).unwrap();
    directory.set_post_limits(CHOIR, 2, 1).unwrap();
    let take = |content: &str| {
        let outcome = deliver(&world, "ada@far.example", CHOIR, content).worst();
        world.flow.distribute(NOW, &|| false).unwrap();
        outcome
    };
    assert_eq!((take(MESSAGE), queued(&queue).len()), (OK, 0));
    assert_eq!((take(MESSAGE), world.flow.posts().held(CHOIR).unwrap().len()), (OK, 1), "once");
    let by_alice = numbered(2).replace("ada@far.example", "alice@example.org");
    assert_eq!((take(&by_alice), queued(&queue).len()), (OK, 2), "an owner is asked nothing");
    assert_eq!(take(&numbered(3)), RecipientOutcome::ListBusy);
    let large = numbered(4) + &"x".repeat(1024);
    assert_eq!(take(&large), RecipientOutcome::List(ListRefusal::TooLarge));
}

/// Whoever has a domain has as many addresses as they like.
#[test]
fn one_domain_could_take_all_places_of_an_open_list() {
    let (world, _) = choir(Posting::Members);
    world.flow.auth.directory().set_open(CHOIR, true).unwrap();
    let ask = |from: &str, domain: &str| {
        let content = format!(
            "Authentication-Results: mail.example.org; spf=pass smtp.mailfrom={domain}; dmarc=pass\r\nFrom: <{from}@{domain}>\r\n\
             Date: Mon, 21 Sep 2026 14:13:00 +0000\r\nTo: <choir+join@example.org>\r\n\r\n"
        );
        outcome_in(&world, deliver(&world, &format!("{from}@{domain}"), "choir+join@example.org", &content))
    };
    for number in 0..50 {
        assert_eq!(ask(&format!("m{number}"), &format!("sub{}.evil.example", number % 3)), OK, "{number}");
    }
    let not_allowed = RecipientOutcome::List(ListRefusal::NotAllowed);
    assert_eq!((ask("m50", "evil.example"), ask("m50", "x.evil.example")), (not_allowed, not_allowed));
    assert_eq!((ask("m0", "sub0.evil.example"), ask("zoe", "good.example")), (OK, OK), "who is a member stays one");
    assert_eq!(members(&world).len(), 54);
}

/// A host without SMTPUTF8 refuses a header beyond ASCII, for each member behind it.
#[test]
fn what_leaves_for_members_has_a_header_in_ascii() {
    let (world, queue) = choir(Posting::Members);
    let raw = MESSAGE.replace("Subject: Hello", "Subject: Grüße").replace("From: Ada", "From: Adä");
    assert_eq!(outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, &raw)), OK);
    for (entry, content) in queued(&queue) {
        let (head, body) = content.split_once("\r\n\r\n").unwrap();
        assert!(head.is_ascii() && !entry.smtputf8 && body == "Hello.\r\n", "{content}");
        let field = |name: &str| message::header::find(content.as_bytes(), name).unwrap().unfolded().into_owned();
        assert_eq!(message::encoded_word::decode(field("Subject").trim_ascii()), "Grüße");
        assert!(message::encoded_word::decode(&field("From")).contains("Adä via The Choir"), "{head}");
        assert!(field("From").trim_ascii().ends_with(b"<choir@example.org>"), "{head}");
    }
}

#[test]
fn a_member_leaves_by_mail() {
    let (world, queue) = choir(Posting::Members);
    let _ = outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, MESSAGE));
    let leave = queued(&queue)[0].0.reverse_path.replace("+bounce-", "+leave-");
    assert_eq!(outcome_in(&world, deliver(&world, "x@far.example", "choir+leave-aaaa@example.org", MESSAGE)), OK);
    assert_eq!(members(&world).len(), 3);
    for _ in 0..2 {
        assert_eq!(outcome_in(&world, deliver(&world, "ada@far.example", &leave, MESSAGE)), OK);
        assert_eq!(members(&world), ["bob@example.org", "eve@other.example"]);
    }
    let letters = queued(&queue).into_iter().filter(|(entry, _)| entry.reverse_path.is_empty());
    let to: Vec<String> = letters.map(|(entry, _)| entry.recipients[0].address.clone()).collect();
    assert_eq!(to, ["ada@far.example"], "told once");
}

#[test]
fn a_member_whose_mail_comes_back_is_paused_and_an_owner_is_told() {
    let (world, queue) = choir(Posting::Members);
    let _ = outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, MESSAGE));
    let bounces = queued(&queue)[1].0.reverse_path.clone();
    let path = ForwardPath::Mailbox(bounces.parse().unwrap());
    let Route::Local(recipient) = world.flow.route(&path, Reach::Local, &ReversePath::Null, NOW).unwrap() else {
        panic!("it is here")
    };
    assert!(recipient.takes(&ReversePath::Null));
    assert!(!recipient.takes(&"a@far.example".parse().map(ReversePath::Mailbox).unwrap()), "a bounce has no sender");
    let report = |action: &str| {
        format!(
            "From: <mailer-daemon@other.example>\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
             --b\r\n\r\nIt came back.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; other.example\r\n\r\nFinal-Recipient: rfc822; eve@other.example\r\n\
             Action: {action}\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 no such user\r\n\r\n--b--\r\n"
        )
    };
    let comes_back = |days: i64, content: &str| {
        let now = Timestamp(NOW.0 + days * 24 * 60 * 60 * 1000);
        let letter = Handover::new(&[b"x", &days.to_be_bytes()], now, 0);
        assert!(world.flow.post(&bounces, content.as_bytes(), letter, now).unwrap().is_empty());
    };
    for day in 0..3 {
        comes_back(day, &report("delayed"));
        // What is the matter with a message is not the member's fault.
        for status in ["5.6.7", "5.7.1", "5.2.3", "5.3.4"] {
            comes_back(day, &report("failed").replace("Status: 5.1.1", &format!("Status: {status}")));
        }
        comes_back(day, "Subject: I am on holiday\r\n\r\nUntil Monday.\r\n");
        assert_eq!(messages(&world, "alice"), 0);
        comes_back(day, &report("failed"));
    }
    assert_eq!(messages(&world, "alice"), 1, "the owner is told");
    let before = queued(&queue).len();
    assert_eq!(outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, &numbered(2))), OK);
    let to: Vec<String> =
        queued(&queue)[before..].iter().map(|(entry, _)| entry.recipients[0].address.clone()).collect();
    assert_eq!(to, ["ada@far.example"]);
}

#[test]
fn what_an_account_here_writes_keeps_its_author() {
    let (world, queue) = choir(Posting::Owners);
    let content = "From: Alice <alice@example.org>\r\nTo: choir@example.org\r\nSubject: Concert\r\n\r\nOn Monday.\r\n";
    let source = source(Protocol::Submission, "192.0.2.1");
    let arrival = arrival(&world, ("alice@example.org", CHOIR), content, source);
    assert_eq!(outcome_in(&world, world.flow.deliver(arrival, NOW)), OK);
    for (_, content) in queued(&queue) {
        assert!(content.contains("\r\nFrom: Alice <alice@example.org>\r\n"), "{content}");
        assert!(content.contains("\r\nList-Post: NO\r\n") && !content.contains("\r\nReply-To: "), "{content}");
    }
}

#[test]
fn the_name_of_an_author_is_a_word() {
    let list = List {
        address: CHOIR.into(),
        title: String::new(),
        posting: Posting::Anybody,
        is_open: false,
        approval: Approval::Nobody,
        posts_per_hour: 60,
        post_kib_max: 0,
        owners: Vec::new(),
        members: Vec::new(),
        invited: Vec::new(),
    };
    let check = |from: &str, expected: &str| {
        let content = format!("From: {from}\r\n\r\n");
        let author = Author::of(content.as_bytes()).unwrap();
        let message = String::from_utf8(form::message(&list, &author, content.as_bytes(), false)).unwrap();
        assert!(message.starts_with(&format!("From: {expected} via \"choir\"\r\n <{CHOIR}>\r\n")), "{message}");
    };
    check("ada@far.example", "\"ada@far.example\"");
    check("Ada <ada@far.example>", "\"Ada\"");
    check("\"Ada \\\"A.\\\" L., x\" <ada@far.example>", "\"Ada A. L., x\"");
    check("=?utf-8?q?Ad=C3=A4?= <ada@far.example>", "=?utf-8?q?Ad=C3=A4?=");
    check("\"=?x?= <evil@x>\" <ada@far.example>", "\"=?x?= <evil@x>\"");
    check(&format!("{} <ada@far.example>", "x".repeat(201)), "\"ada@far.example\"");
    assert_eq!(Author::of(b"From: a@b.example, c@d.example\r\n\r\n"), None);
    assert_eq!(Author::of(b"Subject: x\r\n\r\n"), None);
}

/// Alice has a question about what Zoe wrote: the letter, and where it is answered to.
fn asked(world: &World, content: &str) -> (String, String) {
    world.flow.auth.directory().set_approval(CHOIR, Approval::Others).unwrap();
    assert_eq!(deliver(world, "zoe@far.example", CHOIR, content).worst(), OK);
    world.flow.distribute(NOW, &|| false).unwrap();
    let question = letters_of(world, "alice").pop().unwrap();
    let at = question.find("Reply-To: <").unwrap() + 11;
    let answer = question[at..].split('>').next().unwrap().to_owned();
    (question, answer)
}

fn by_zoe(number: u32) -> String {
    numbered(number).replace("ada@far.example", "zoe@far.example")
}

#[test]
fn whoever_shares_an_alias_with_an_owner_answered_for_the_owner() {
    let (world, _) = choir(Posting::Members);
    let directory = world.flow.auth.directory();
    directory.add_alias("board@example.org", &["alice@example.org", "bob@example.org"]).unwrap();
    directory.add_alias("chair@example.org", &["alice@example.org"]).unwrap();
    let (_, answer) = asked(&world, &by_zoe(2));
    let say = |from: &str| {
        let content = format!("From: <{from}>\r\nTo: <{answer}>\r\n\r\napprove\r\n");
        let source = source(Protocol::Submission, "192.0.2.1");
        world.flow.deliver(arrival(&world, (from, &answer), &content, source), NOW).worst()
    };
    assert_eq!(say("board@example.org"), RecipientOutcome::List(ListRefusal::NotAllowed));
    assert_eq!(say("chair@example.org"), OK);
}

#[test]
fn who_was_invited_joins_by_a_mail_and_by_no_vacation_notice() {
    let (world, _) = choir(Posting::Members);
    let directory = world.flow.auth.directory();
    let token = directory.invite_to_list(CHOIR, "zoe@far.example", NOW).unwrap();
    let door = format!("choir+accept-{token}@example.org");
    let answer = |from: &str, header: &str| {
        let content = format!("From: Zoe <zoe@far.example>\r\nTo: {door}\r\n{header}Subject: join\r\n\r\n");
        outcome_in(&world, deliver(&world, from, &door, &content))
    };
    let automatic = RecipientOutcome::List(ListRefusal::Automatic);
    assert_eq!(answer("", ""), automatic);
    assert_eq!(answer("zoe@far.example", "Auto-Submitted: auto-replied\r\n"), automatic);
    assert_eq!(members(&world).len(), 3);
    assert_eq!(answer("zoe@home.example", ""), OK, "the token proves it, whichever address they write from");
    assert_eq!(members(&world).last().unwrap(), "zoe@far.example");
    assert_eq!(answer("zoe@home.example", ""), RecipientOutcome::List(ListRefusal::NotAllowed), "once");
    // A member who rests gets nothing, and its copies are nobody's loss.
    let bob = directory.account("bob@example.org").unwrap().unwrap().id;
    directory.rest_from_list(CHOIR, bob, true).unwrap();
    assert_eq!(outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, MESSAGE)), OK);
    assert_eq!(messages(&world, "bob"), 0);
}

/// The address leads to both; who logs in is one of them.
#[test]
fn an_owner_who_wrote_as_an_alias_shared_with_others_was_refused() {
    let (world, queue) = choir(Posting::Owners);
    let directory = world.flow.auth.directory();
    directory.add_alias("board@example.org", &["alice@example.org", "carol@example.org"]).unwrap();
    let content = |number: u32| numbered(number).replace("Ada <ada@far.example>", "board@example.org");
    let write = |name: &str, number: u32| {
        let account = directory.account(&format!("{name}@example.org")).unwrap().unwrap().id;
        let arrival =
            arrival(&world, ("board@example.org", CHOIR), &content(number), source(Protocol::Submission, "192.0.2.7"));
        outcome_in(&world, world.flow.deliver(Arrival { account: Some(account), ..arrival }, NOW))
    };
    assert_eq!(write("alice", 2), OK);
    assert_eq!(queued(&queue).len(), 2);
    assert_eq!(write("carol", 3), RecipientOutcome::List(ListRefusal::NotAllowed));
    // Of mail that comes from elsewhere nothing says which of them wrote it.
    let from_elsewhere = content(4).replace("far.example;", "example.org;");
    assert_ne!(outcome_in(&world, deliver(&world, "board@example.org", CHOIR, &from_elsewhere)), OK);
}

/// Each hour, for ever.
#[test]
fn a_post_of_which_a_part_was_missing_was_tried_for_ever() {
    let (world, queue) = choir(Posting::Members);
    assert_eq!(deliver(&world, "ada@far.example", CHOIR, MESSAGE).worst(), OK);
    let posts = world.flow.auth.store().table(TableId::Posts);
    let body = posts.scan(b"b", &[], 1).unwrap().remove(0).0;
    let remove = |tx: &mut store::TableTx<'_>| -> Result<(), Error> {
        tx.delete(&body);
        Ok(())
    };
    posts.change(remove).unwrap();
    assert_eq!(world.flow.distribute(NOW, &|| false), Ok(None));
    assert_eq!((queued(&queue).len(), messages(&world, "bob")), (0, 0));
    let told = letters_of(&world, "alice");
    assert!(told[0].contains("What ada@far.example wrote to choir@example.org on "), "{told:?}");
    assert_eq!(told.len(), 1);
}

/// The line that ended the attachment was the same in each letter.
#[test]
fn an_owner_approved_what_the_letter_did_not_show() {
    let (world, _) = choir(Posting::Members);
    let (first, _) = asked(&world, &by_zoe(2));
    let boundary = |letter: &str| letter.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let known = boundary(&first);
    let (second, _) = asked(&world, &format!("{}--{known}--\r\nViagra\r\n", by_zoe(3)));
    assert_ne!(boundary(&second), known);
    let large = format!("{}{}Viagra\r\n", by_zoe(4), "x\r\n".repeat(100 * 1024));
    let (third, _) = asked(&world, &large);
    assert!(!third.contains("Viagra") && third.contains("It has 300 KiB; only the first 256 are attached."));
}

/// Of one who is first in the row; the letters to the others came again after five days, each ten minutes.
#[test]
fn an_owner_whose_mailbox_is_full_kept_the_others_from_being_asked() {
    let (world, _) = choir(Posting::Members);
    let directory = world.flow.auth.directory();
    directory.add_list("duo@example.org", "", Posting::Members, &["carol@example.org", "alice@example.org"]).unwrap();
    directory.join_list("duo@example.org", "bob@example.org", (By::Owner, NOW)).unwrap();
    directory.set_approval("duo@example.org", Approval::Others).unwrap();
    let carol = directory.account("carol@example.org").unwrap().unwrap().id;
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
    world.flow.auth.store().account(carol).set_quota(actor, store::Quota::of_bytes(1)).unwrap();
    assert_eq!(deliver(&world, "zoe@far.example", "duo@example.org", &by_zoe(2)).worst(), OK);
    let mut at = NOW;
    for _ in 0..2_000 {
        match world.flow.distribute(at, &|| false).unwrap() {
            Some(then) => at = Timestamp(then.0.max(at.0)),
            None => break,
        }
    }
    assert_eq!((messages(&world, "alice"), messages(&world, "carol")), (1, 0));
    assert_eq!(at.0 - NOW.0, 7 * 24 * 60 * 60 * 1000);
}

/// Its age counted from when it came: one try, no other, and no receipt that counted.
#[test]
fn a_post_that_was_approved_late_was_given_up_at_once_and_doubled_by_a_crash() {
    let (world, queue) = choir(Posting::Members);
    asked(&world, &by_zoe(2));
    let id = world.flow.posts().held(CHOIR).unwrap()[0].id;
    let sixth = Timestamp(NOW.0 + 6 * 24 * 60 * 60 * 1000);
    let again = Timestamp(sixth.0 + 60 * 1000);
    assert_eq!(world.flow.posts().approve(CHOIR, id), Ok(true));
    let narrow = |queue: &Queue| queue.clone().with_limits(Limits { account_entries: 1, ..Limits::DEFAULT });
    // Bob has his copy, and the process dies before that is noted.
    world.engine.plan(1, Fault::CrashBefore);
    let flow = MailFlow { queue: Some(narrow(&queue)), ..world.flow.clone() };
    assert!(flow.distribute(sixth, &|| false).is_err());
    let world = world.after_a_crash();
    assert_eq!(messages(&world, "bob"), 1);
    let queue = Queue::open(world.flow.auth.store(), Policy::default());
    let flow = MailFlow { queue: Some(narrow(&queue)), ..world.flow.clone() };
    assert_eq!(flow.distribute(sixth, &|| false), Ok(Some(again)));
    assert_eq!((messages(&world, "bob"), messages(&world, "alice")), (1, 1));
    let flow = MailFlow { queue: Some(queue.clone()), ..world.flow.clone() };
    assert_eq!(flow.distribute(again, &|| false), Ok(None));
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (1, 2));
}

/// With its Message-ID, before it.
#[test]
fn what_was_forged_in_a_members_name_swallowed_what_the_member_wrote() {
    let (world, queue) = choir(Posting::Members);
    world.flow.auth.directory().set_approval(CHOIR, Approval::Others).unwrap();
    let forged = MESSAGE.split_once("\r\n").unwrap().1.replace("Hello", "Viagra");
    let take = |content: &str| {
        assert_eq!(deliver(&world, "ada@far.example", CHOIR, content).worst(), OK);
        world.flow.distribute(NOW, &|| false).unwrap();
        (world.flow.posts().held(CHOIR).unwrap().len(), queued(&queue).len())
    };
    assert_eq!(take(&forged), (1, 0));
    assert_eq!(take(&forged), (1, 0), "once");
    assert_eq!(take(MESSAGE), (1, 2));
    assert_eq!(take(MESSAGE), (1, 2), "once");
    assert_eq!(take(&forged), (1, 2));
    assert_eq!(take(&forged.replace("<1@", "<2@")), (2, 2));
}

#[test]
fn a_post_to_a_list_whose_domain_stood_in_u_labels_was_refused() {
    let (world, _) = choir(Posting::Members);
    let directory = world.flow.auth.directory();
    directory.add_domain("bücher.example").unwrap();
    directory.add_list("lesen@bücher.example", "", Posting::Members, &["alice@example.org"]).unwrap();
    directory.join_list("lesen@bücher.example", "bob@example.org", (By::Owner, NOW)).unwrap();
    directory.join_list("lesen@bücher.example", "ada@größe.example", (By::Owner, NOW)).unwrap();
    for (number, to) in [(1, "lesen@bücher.example"), (2, "lesen@xn--bcher-kva.example")] {
        let content = numbered(number).replace("To: choir@example.org", &format!("To: {to}"));
        let content = content.replace("ada@far.example", "ada@größe.example");
        assert_eq!(deliver(&world, "ada@größe.example", to, &content).worst(), OK, "{to}");
    }
}

#[test]
fn a_list_from_which_no_mail_leaves_reaches_its_members_here() {
    let (world, queue) = choir(Posting::Members);
    let ways = Ways { senders: [(CHOIR.to_owned(), Via::Refuse)].into(), ..Ways::all(Via::Mx) };
    let flow = MailFlow { queue: Some(queue.clone().with_ways(ways)), ..world.flow };
    let world = World { flow, ..world };
    assert_eq!(outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, MESSAGE)), OK);
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (1, 0));
}

/// A server that leads no more is in the middle of a post as the next one hands it on, to its end.
#[test]
fn a_post_was_handed_on_by_the_server_that_led_before_as_well() {
    let (world, queue) = choir(Posting::Members);
    let accepted = deliver(&world, "ada@far.example", CHOIR, MESSAGE);
    accepted.accepted().into_iter().for_each(Claim::answered);
    let led = |term| world.flow.in_term(queue.lead(term).unwrap(), term).unwrap();
    let (first, asked) = (led(1), std::cell::Cell::new(0));
    let taken_over = || {
        asked.set(asked.get() + 1);
        // It has read the post by now.
        if asked.get() == 2 {
            assert_eq!(led(2).distribute(NOW, &|| false), Ok(None));
            world.flow.auth.store().tidy_receipts(NOW);
            queue.tidy_receipts(NOW).unwrap();
        }
        false
    };
    assert!(matches!(first.distribute(NOW, &taken_over), Err(Error::Fault(why)) if why.contains("another server")));
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (1, 2));
    assert!(asked.get() >= 2);
}

#[test]
fn a_member_who_is_to_be_removed_was_given_copies_that_would_be_thrown_away() {
    let (world, queue) = choir(Posting::Members);
    let directory = world.flow.auth.directory();
    directory.leave("bob@example.org", NOW).unwrap();
    assert_eq!(outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, MESSAGE)), OK);
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (0, 2));
    directory.stay("bob@example.org").unwrap();
    assert_eq!(outcome_in(&world, deliver(&world, "ada@far.example", CHOIR, &MESSAGE.replace("<1@", "<2@"))), OK);
    assert_eq!((messages(&world, "bob"), queued(&queue).len()), (1, 4), "a member still");
}

#[test]
fn an_owner_who_is_to_be_removed_was_given_letters_that_would_be_thrown_away() {
    let (world, _) = choir(Posting::Owners);
    let directory = world.flow.auth.directory();
    directory.add_list("crew@example.org", "", Posting::Owners, &["alice@example.org", "bob@example.org"]).unwrap();
    let write = |world: &World, number: u8| {
        let message = MESSAGE.replace("<1@", &format!("<{number}@"));
        let delivered = deliver(world, "ada@far.example", "crew+owner@example.org", &message);
        (outcome_in(world, delivered), messages(world, "alice"), messages(world, "bob"))
    };
    assert_eq!(write(&world, 1), (OK, 1, 1));
    directory.leave("alice@example.org", NOW).unwrap();
    assert_eq!(write(&world, 2), (OK, 1, 2));
    directory.leave("bob@example.org", NOW).unwrap();
    let path = ForwardPath::Mailbox("crew+owner@example.org".parse().unwrap());
    let route = world.flow.route(&path, Reach::Local, &ReversePath::Null, NOW).unwrap();
    assert!(matches!(route, Route::Refused(Unroutable::NoSuchUser)), "{route:?}");
    directory.stay("alice@example.org").unwrap();
    assert_eq!(write(&world, 3), (OK, 2, 2));
}
