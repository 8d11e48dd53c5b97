use super::*;
use crate::testing::{World, world};
use auth::Attempt;
use directory::{By, Posting};
use queue::{Limits, Policy, Queue, RecipientState, Via, Ways};
use smtp_proto::{Return, ReversePath};
use std::net::{IpAddr, Ipv4Addr};
use std::task::Waker;
use store::sim::SIM_EPOCH;

const NOW: Timestamp = SIM_EPOCH;
const DAY: u32 = 24 * 3600;
const MONDAY: Timestamp = Timestamp(NOW.0 + 3 * DAY as i64 * 1000);
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CONTENT: &str = "From: alice@example.org\r\nSubject: Monday\r\nBcc: carol@example.org\r\n\r\nx\r\n";

struct Desk {
    world: World,
    queue: Queue,
}

fn desk() -> Desk {
    let world = world();
    let queue = Queue::open(world.flow.auth.store(), Policy::default());
    let queue = queue.with_limits(Limits { strangers_min: 1, ..Limits::DEFAULT });
    let flow = MailFlow { queue: Some(queue.clone()), ..world.flow };
    Desk { world: World { flow, ..world }, queue }
}

impl Desk {
    fn alice(&self) -> Presence {
        let attempt = Attempt {
            user: "alice@example.org",
            password: "correct horse",
            protocol: Protocol::Submission,
            address: HERE,
            fingerprint: None,
            tls: None,
            now: NOW,
            turn: Some(&session::testing::TURN),
        };
        let login = self.world.flow.auth.log_in(&attempt).unwrap();
        self.world.flow.auth.enter(login, Waker::noop().clone())
    }

    /// Alice submits for Monday.
    fn submit(&self, to: &[&str]) -> Accepted {
        let (presence, flow) = (self.alice(), &self.world.flow);
        let hold = Hold::For(3 * DAY);
        let appointment = flow.appointment(presence.login().account, (hold, None), 0, NOW).unwrap();
        let source = Source {
            protocol: Protocol::Submission,
            helo: "pc".into(),
            client: HERE,
            with: "ESMTPSA",
            tls: None,
            by_relay: false,
        };
        let reverse_path = ReversePath::Mailbox("alice@example.org".parse().unwrap());
        let reports = MailReports { ret: Some(Return::Header), envelope_id: Some("monday".into()) };
        let appointment = Some(appointment);
        let mut envelope = Envelope { reports, appointment, ..Envelope::new(reverse_path, source) };
        for address in to {
            match flow
                .route(&ForwardPath::Mailbox(address.parse().unwrap()), Reach::Everywhere, &ReversePath::Null, NOW)
                .unwrap()
            {
                Route::Local(recipient) => envelope.local.push(recipient),
                Route::Relay(path) => envelope.outside.push(path.into()),
                Route::Refused(why) => panic!("{address}: {why:?}"),
            }
        }
        let arrival = flow.arrive(envelope, CONTENT.into(), Some(presence.login().account), NOW);
        flow.submit(&presence, arrival, NOW).unwrap()
    }

    fn scheduled(&self) -> Entry {
        let [entry] = &self.queue.list(None, 9).unwrap()[..] else { panic!("{:?}", self.queue.list(None, 9)) };
        entry.clone()
    }

    fn release(&self, entry: &Entry, now: Timestamp) -> Result<Released, Unreleased> {
        self.world.flow.release(entry, self.queue.content(entry.id).unwrap(), now)
    }

    fn mailbox(&self, name: &str, mailbox: &str) -> Vec<String> {
        let auth = &self.world.flow.auth;
        let info = auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap();
        let account = auth.store().account(info.id);
        let mailboxes = account.mailboxes().unwrap();
        let Some(id) = mailboxes.by_name(mailbox).map(|mailbox| mailbox.id) else { return Vec::new() };
        let (view, reader) = (account.view(id).unwrap(), account.reader().unwrap());
        view.index().iter().map(|entry| String::from_utf8(reader.body(entry.email).unwrap()).unwrap()).collect()
    }
}

#[test]
fn a_mail_for_monday_is_in_no_mailbox_before_and_in_all_afterwards() {
    let desk = desk();
    let accepted = desk.submit(&["bob@example.org", "carol@example.org", "dave@example.net"]);
    assert_eq!((accepted.held_until, accepted.waits), (Some(MONDAY), false));
    for (name, mailbox) in [("bob", "INBOX"), ("carol", "INBOX"), ("alice", "Sent")] {
        assert_eq!(desk.mailbox(name, mailbox), Vec::<String>::new(), "{name}");
    }
    let entry = desk.scheduled();
    assert_eq!((entry.next_at, entry.recipients.len()), (MONDAY, 3));
    let released = desk.release(&entry, MONDAY).unwrap();
    assert_eq!(released.refused, []);
    // The server died before it could be written down that it was submitted.
    drop(released);
    let again = desk.release(&entry, Timestamp(MONDAY.0 + 60_000)).unwrap();
    again.claims.into_iter().for_each(store::Claim::answered);
    let (bob, sent) = (desk.mailbox("bob", "INBOX"), desk.mailbox("alice", "Sent"));
    assert_eq!((bob.len(), desk.mailbox("carol", "INBOX").len(), sent.len()), (1, 1, 1));
    assert!(bob[0].contains("Subject: Monday") && !bob[0].contains("Bcc") && sent[0].contains("Bcc: carol"), "{bob:?}");
    assert!(bob[0].contains("from pc") && bob[0].contains("ESMTPSA"), "{bob:?}");
    let queued = desk.queue.list(None, 9).unwrap();
    let [_, outside] = &queued[..] else { panic!("{queued:?}") };
    assert_eq!(
        (outside.recipients[0].address.as_str(), outside.envelope_id.as_deref()),
        ("dave@example.net", Some("monday"))
    );
    // RFC 4865 §5.1.2: what is reported of it says when it came, and what was asked for.
    assert_eq!((outside.hold, outside.arrived_at(), &outside.later), (Some(Hold::For(3 * DAY)), NOW, &None));
}

#[test]
fn what_holds_when_it_goes_counts_and_not_what_held_when_it_was_submitted() {
    let desk = desk();
    drop(desk.submit(&["bob@example.org", "carol@example.org", "x1@example.net", "x2@example.net"]));
    let directory = desk.world.flow.auth.directory();
    directory.remove_account("carol@example.org").unwrap();
    let Released { refused, .. } = desk.release(&desk.scheduled(), MONDAY).unwrap();
    let refused: Vec<_> = refused.iter().map(|(place, reply)| (*place, reply.code)).collect();
    assert_eq!(refused, [(1, 550)]);
    // Strangers are counted when it goes: its owner is asked.
    let queued = desk.queue.list(None, 9).unwrap();
    assert!(queued.iter().any(|entry| entry.is_asked && entry.later.is_none()), "{queued:?}");
}

#[test]
fn one_recipient_who_could_not_have_it_kept_it_from_all_others() {
    let desk = desk();
    let directory = desk.world.flow.auth.directory();
    directory.add_list("choir@example.org", "", Posting::Owners, &["carol@example.org"]).unwrap();
    directory.join_list("choir@example.org", "bob@example.org", (By::Owner, NOW)).unwrap();
    drop(desk.submit(&["bob@example.org", "choir@example.org", "carol@example.org", "dave@example.net"]));
    let bob = directory.account("bob@example.org").unwrap().unwrap().id;
    let quota = |bytes| {
        let actor = store::Actor { device: store::DeviceId(0), protocol: Protocol::Cli, now: NOW };
        desk.world.flow.auth.store().account(bob).set_quota(actor, store::Quota { bytes, messages: None }).unwrap();
    };
    // Full for this message alone, and not yet when it is looked who it is for.
    quota(Some(1));
    let mut entry = desk.scheduled();
    let Released { claims, refused, later } = desk.release(&entry, MONDAY).unwrap();
    drop(claims);
    let places = |of: &[(usize, Reply)]| of.iter().map(|(place, reply)| (*place, reply.code)).collect::<Vec<_>>();
    assert_eq!((places(&refused), places(&later)), (vec![(1, 550)], vec![(0, 450)]));
    let sizes =
        || [("bob", "INBOX"), ("carol", "INBOX"), ("alice", "Sent")].map(|(name, of)| desk.mailbox(name, of).len());
    assert_eq!(sizes(), [0, 1, 1]);
    assert_eq!(desk.queue.list(None, 9).unwrap().len(), 2, "the one outside has it, too");

    // Bob makes room. What the queue has settled meanwhile it settled.
    quota(None);
    entry.recipients.drain(1..);
    let Released { refused, later, .. } = desk.release(&entry, Timestamp(MONDAY.0 + 4 * 24 * 3_600_000)).unwrap();
    assert_eq!((places(&refused), places(&later), sizes()), (vec![], vec![], [1, 1, 1]));
    assert_eq!(desk.queue.list(None, 9).unwrap().len(), 2);
}

#[test]
fn what_an_address_that_was_taken_away_had_scheduled_went_in_its_name() {
    let desk = desk();
    drop(desk.submit(&["bob@example.org"]));
    desk.world.flow.auth.directory().set_password("alice@example.org", "another horse").unwrap();
    let mut entry = desk.scheduled();
    let Err(Unreleased::Never(reply)) = desk.release(&entry, MONDAY) else { panic!("released") };
    assert!(reply.text().contains("another password"), "{reply:?}");
    assert_eq!(desk.mailbox("bob", "INBOX"), Vec::<String>::new());
    // Its owner says that it is theirs.
    entry.later.as_mut().unwrap().is_asked_for = true;
    drop(desk.release(&entry, MONDAY).unwrap());
    assert_eq!(desk.mailbox("bob", "INBOX").len(), 1);
    desk.world.flow.auth.directory().remove_account("alice@example.org").unwrap();
    assert!(matches!(desk.release(&entry, MONDAY), Err(Unreleased::Never(_))), "the account is gone");
}

#[test]
fn a_message_is_held_for_a_year_at_most_and_not_beyond_its_deadline() {
    let desk = desk();
    let account = desk.alice().login().account;
    let by = |seconds| Some(DeliverBy { seconds, returns: true, trace: false });
    let at =
        |hold, by| desk.world.flow.appointment(account, (hold, by), 0, NOW).map(|appointment| appointment.at.0 - NOW.0);
    assert_eq!(at(Hold::For(HOLD_SECONDS_MAX), None), Ok(i64::from(HOLD_SECONDS_MAX) * 1000));
    assert_eq!(at(Hold::For(HOLD_SECONDS_MAX + 1), None), Err(NotHeld::TooLong));
    assert_eq!(at(Hold::Until(NOW.0 + 5000), None), Ok(5000));
    assert_eq!(at(Hold::Until(NOW.0 - 5000), None), Ok(-5000), "it goes at once");
    assert_eq!(at(Hold::For(60), by(60)), Ok(60_000));
    assert_eq!(at(Hold::For(61), by(60)), Err(NotHeld::AfterDeadline));
}

/// RFC 4865 §5.1.2.
#[test]
fn a_report_on_it_says_when_it_came_and_what_was_asked_for() {
    let desk = desk();
    drop(desk.submit(&["dave@example.net"]));
    let mut entry = desk.scheduled();
    let reply = queue::LastReply {
        at: MONDAY,
        code: 550,
        status: "5.1.1".into(),
        text: "nobody".into(),
        by_smarthost: false,
        host: None,
        tls: false,
    };
    entry.recipients[0].state = RecipientState::Failed { reply, reported: false };
    let report = queue::Report {
        matter: queue::Matter::Failed,
        entry: &entry,
        original: CONTENT.as_bytes(),
        other_server: "another server",
        expires_at: MONDAY,
        handover: Handover::new(&[b"report"], MONDAY, 0),
    };
    drop(desk.world.flow.deliver_report(queue::Notice::Report(report), MONDAY).unwrap());
    let letters = desk.mailbox("alice", "INBOX");
    let arrival = message::date::format_rfc5322(NOW.unix_seconds());
    assert!(letters[0].contains("Future-Release-Request: for;259200\r\n"), "{letters:?}");
    assert!(letters[0].contains(&format!("Arrival-Date: {arrival}\r\n")), "{letters:?}");
}

/// `delivery.refuse_from` was set after it was taken: what went by it has failed, and whoever is here has theirs.
#[test]
fn what_a_sender_had_scheduled_left_although_mail_from_it_was_refused_by_then() {
    let mut desk = desk();
    drop(desk.submit(&["bob@example.org", "dave@example.net"]));
    let entry = desk.scheduled();
    let ways = Ways { senders: [("example.org".to_owned(), Via::Refuse)].into(), ..Ways::all(Via::Mx) };
    desk.queue = desk.queue.with_ways(ways);
    desk.world.flow.queue = Some(desk.queue.clone());
    let Released { refused, later, .. } = desk.release(&entry, MONDAY).unwrap();
    assert_eq!(later, []);
    let [(1, reply)] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((reply.code, reply.enhanced), (550, Some(Enhanced(5, 7, 1))));
    assert_eq!((desk.mailbox("bob", "INBOX").len(), desk.queue.list(None, 9).unwrap().len()), (1, 1));
}
