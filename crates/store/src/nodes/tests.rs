use super::*;
use crate::sim::{SimEngine, SimObjects};

fn store(engine: &SimEngine) -> Store {
    Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()))
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn leads(node: &mut Node, seconds: u64) -> Option<u64> {
    node.beat(at(seconds)).unwrap().leads
}

#[test]
fn one_leads_and_another_one_when_it_has_been_silent_for_as_long_as_must_be() {
    let engine = SimEngine::new();
    let (mut one, mut two) = (Node::join(&store(&engine), "one"), Node::join(&store(&engine), "two"));
    assert_eq!((leads(&mut one, 0), leads(&mut two, 0)), (None, None), "who has just come begins nothing");
    assert_eq!((leads(&mut one, 2), leads(&mut two, 2)), (Some(1), None));
    let mut seconds = 2;
    while seconds < 10 {
        seconds += 2;
        assert_eq!(leads(&mut two, seconds), (seconds >= 10).then_some(2), "after {seconds} s");
    }
    assert!(SILENCE > LEASE, "who was silent knows it before others do");
    let standing = one.beat(at(12)).unwrap();
    assert_eq!((standing.leads, standing.was_away, standing.nodes.len()), (None, true, 2));
    assert_eq!((leads(&mut two, 12), leads(&mut one, 14)), (Some(2), None), "the lead does not come back");
}

#[test]
fn who_stops_in_good_order_is_waited_for_by_nobody() {
    let engine = SimEngine::new();
    let (mut one, mut two) = (Node::join(&store(&engine), "one"), Node::join(&store(&engine), "two"));
    leads(&mut one, 0);
    assert_eq!((leads(&mut one, 2), leads(&mut two, 2), leads(&mut two, 4)), (Some(1), None, None));
    one.leave().unwrap();
    assert_eq!(leads(&mut two, 6), Some(2));
}

#[test]
fn who_gives_up_the_lead_stays_and_another_leads_with_its_next_beat() {
    let engine = SimEngine::new();
    let (mut one, mut two) = (Node::join(&store(&engine), "one"), Node::join(&store(&engine), "two"));
    leads(&mut one, 0);
    assert_eq!((leads(&mut one, 2), leads(&mut two, 2)), (Some(1), None));
    two.resign().unwrap();
    assert_eq!((leads(&mut one, 4), leads(&mut two, 4)), (Some(1), None), "what it did not have it cannot give up");
    let mut three = Node::join(&store(&engine), "three");
    leads(&mut three, 4);
    one.resign().unwrap();
    assert_eq!((leads(&mut one, 5), leads(&mut two, 6), leads(&mut three, 6)), (None, None, Some(2)));
    assert_eq!(one.beat(at(6)).unwrap().nodes.len(), 3, "what else it does goes on");
}

/// The database takes nothing just then, and the server drains its connections for a while.
#[test]
fn a_lead_that_could_not_be_given_up_was_kept_until_the_server_had_left() {
    let engine = SimEngine::new();
    let (mut one, mut two) = (Node::join(&store(&engine), "one"), Node::join(&store(&engine), "two"));
    leads(&mut one, 0);
    assert_eq!((leads(&mut one, 2), leads(&mut two, 2)), (Some(1), None));
    engine.set_read_only(Some(crate::sim::ReadOnly::Now));
    one.resign().unwrap_err();
    engine.set_read_only(None);
    assert_eq!((leads(&mut one, 4), leads(&mut two, 4)), (None, Some(2)));
    assert_eq!((leads(&mut one, 6), leads(&mut two, 6)), (None, Some(2)), "what another one has is not given up");
}

/// The lock of a name is free when the connection of its server is cut, and that may lead on until its lease is over.
#[test]
fn a_second_server_of_a_name_led_beside_the_first() {
    let engine = SimEngine::new();
    let mut one = Node::join(&store(&engine), "one");
    leads(&mut one, 0);
    assert_eq!(leads(&mut one, 2), Some(1));
    let mut twin = Node::join(&store(&engine), "one");
    let standing = twin.beat(at(0)).unwrap();
    assert_eq!((standing.nodes.len(), standing.gone), (2, Vec::new()));
    assert_eq!((leads(&mut twin, 2), leads(&mut one, 4)), (None, Some(1)), "it has come back");
    (4..=10).step_by(2).for_each(|seconds| assert_eq!(leads(&mut twin, seconds), None, "after {seconds} s"));
    assert_eq!(leads(&mut twin, 12), Some(2), "silent for as long as any other");
}

#[test]
fn an_undo_of_a_server_that_was_away_went_on_after_another_had_closed_it() {
    use crate::device::Credential;
    use crate::{AccountId, Actor, DeviceId, Flags, NewMessage, PIECE_MESSAGES_MAX, Protocol, Target, Timestamp};
    use crate::{Change, OfAccount, UndoRequest, UndoWhat};
    let engine = SimEngine::new();
    let (here, there) = (store(&engine), store(&engine));
    let (mut one, mut two) = (Node::join(&here, "one"), Node::join(&there, "two"));
    leads(&mut one, 0);
    leads(&mut two, 0);
    let account = here.create_account(AccountId(16), Timestamp(0)).unwrap();
    let web = Actor { device: DeviceId(0), protocol: Protocol::Web, now: Timestamp(1) };
    let phone = account.add_device(web, "phone", Credential::ApplicationPassword { hash: [1; 32] }, None).unwrap();
    let append = || {
        let message = NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: Timestamp(0) };
        account.append(web, Target::Inbox, message).unwrap().mailbox
    };
    let inbox = append();
    (0..2 * PIECE_MESSAGES_MAX).for_each(|_| _ = append());
    let to = account.create_mailbox(web, "a", None).unwrap();
    let uids: Vec<_> = account.view(inbox).unwrap().index().iter().map(|entry| entry.uid).collect();
    account.move_messages(Actor { device: phone, ..web }, inbox, uids, to).unwrap();
    let what = UndoWhat::Device { device: phone, since: Timestamp(0) };
    let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
    let undone = account.undo_watched(web, request, &mut |progress| {
        if progress.done == PIECE_MESSAGES_MAX {
            (2..=10).step_by(2).for_each(|seconds| _ = leads(&mut two, seconds));
            // Whoever sees the account first closes what the other has left.
            there.account(AccountId(16)).mailboxes().unwrap();
        }
    });
    assert!(matches!(&undone, Err(Error::Fault(why)) if why.contains("away for too long")), "{undone:?}");
    let entries = account.journal(crate::ids::ModSeq(0), usize::MAX).unwrap();
    let is_note = |change: &Change| matches!(change, Change::Account(OfAccount::Undone { .. }));
    assert_eq!(entries.iter().filter(|entry| is_note(&entry.change)).count(), 1, "what was done is noted once");
    assert_eq!(account.view(inbox).unwrap().index().len(), PIECE_MESSAGES_MAX, "the rest was not done");
    account.undo(web, request).unwrap();
    assert_eq!(account.view(inbox).unwrap().index().len(), 2 * PIECE_MESSAGES_MAX + 1);
    assert_eq!(account.check(&here).unwrap(), []);
}

/// The database was away: that nobody could show a beat says of nobody that it is gone.
#[test]
fn silence_counts_only_while_somebody_looks() {
    let engine = SimEngine::new();
    let (mut one, mut two) = (Node::join(&store(&engine), "one"), Node::join(&store(&engine), "two"));
    leads(&mut one, 0);
    assert_eq!((leads(&mut one, 2), leads(&mut two, 2)), (Some(1), None));
    engine.set_read_only(Some(crate::sim::ReadOnly::Now));
    assert!(two.beat(at(4)).is_err() && two.beat(at(12)).is_err());
    engine.set_read_only(None);
    assert_eq!((leads(&mut two, 14), leads(&mut one, 14)), (None, Some(1)));
}

#[test]
fn a_process_among_others_leaves_what_a_living_one_has_half_way_and_takes_back_what_a_dead_one_left() {
    use crate::{AccountId, Actor, DeviceId, Flags, NewMessage, PIECE_MESSAGES_MAX, Protocol, Target, Timestamp};
    let engine = SimEngine::new();
    let (here, there) = (store(&engine), store(&engine));
    let (mut one, mut two) = (Node::join(&here, "one"), Node::join(&there, "two"));
    leads(&mut one, 0);
    leads(&mut two, 0);
    let account = here.create_account(AccountId(16), Timestamp(0)).unwrap();
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: Timestamp(1) };
    let append = || {
        let message = NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: Timestamp(0) };
        account.append(actor, Target::Inbox, message).unwrap()
    };
    let inbox = append().mailbox;
    (0..PIECE_MESSAGES_MAX).for_each(|_| _ = append());
    let to = account.create_mailbox(actor, "a", None).unwrap();
    let uids = || account.view(inbox).unwrap().index().iter().map(|entry| entry.uid).collect::<Vec<_>>();
    let count = |store: &Store| {
        let account = store.account(AccountId(16));
        account.refresh().unwrap();
        account.view(to).unwrap().index().len()
    };
    let mut copying = account.begin_copy(actor, inbox, uids(), to);
    assert!(copying.piece().unwrap());
    assert_eq!(count(&there), PIECE_MESSAGES_MAX, "the other one lives");
    assert!(!copying.piece().unwrap());
    assert_eq!(count(&there), PIECE_MESSAGES_MAX + 1);

    let mut copying = account.begin_copy(actor, inbox, uids(), to);
    assert!(copying.piece().unwrap());
    (2..=10).step_by(2).for_each(|seconds| _ = leads(&mut two, seconds));
    assert_eq!(count(&there), PIECE_MESSAGES_MAX + 1, "the other one has gone");
    // It was only away.
    assert!(copying.piece().is_err(), "a copy without its first half must not succeed");
    drop(copying);
    assert_eq!((count(&here), count(&there)), (PIECE_MESSAGES_MAX + 1, PIECE_MESSAGES_MAX + 1));
    assert_eq!(account.check(&here).unwrap(), []);
}

#[test]
fn a_maildrop_belongs_to_one_session_on_whichever_node_and_is_free_when_that_has_gone() {
    use crate::device::Credential;
    use crate::{AccountId, Actor, DeviceId, Flags, MaildropOptions, NewMessage, Protocol, Target, Timestamp};
    let engine = SimEngine::new();
    let (here, there) = (store(&engine), store(&engine));
    let (mut one, mut two) = (Node::join(&here, "one"), Node::join(&there, "two"));
    leads(&mut one, 0);
    leads(&mut two, 0);
    let account = here.create_account(AccountId(16), Timestamp(0)).unwrap();
    let other = there.account(AccountId(16));
    let cli = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(1) };
    let add = |name: &str| account.add_device(cli, name, Credential::ApplicationPassword { hash: [1; 32] }, None);
    let (pc, tablet) = (add("pc").unwrap(), add("tablet").unwrap());
    let message = NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: Timestamp(0) };
    let email = account.append(cli, Target::Inbox, message).unwrap().email;
    let open =
        |account: &crate::Account, device| account.open_maildrop(device, &MaildropOptions::default(), Timestamp(2));
    let in_use = |account: &crate::Account, device| matches!(open(account, device), Err(Error::MaildropInUse));
    let held = open(&account, pc).unwrap();
    assert!(in_use(&other, pc) && in_use(&account, pc) && !in_use(&other, tablet));
    drop(held);
    let held = open(&other, pc).unwrap();
    assert_eq!(held.messages().len(), 1);
    assert!(in_use(&account, pc));
    drop(held);

    let held = open(&account, pc).unwrap();
    (2..=10).step_by(2).for_each(|seconds| _ = leads(&mut two, seconds));
    let taken_over = open(&other, pc).unwrap();
    let quit = |account: &crate::Account, held: &crate::Maildrop| {
        let actor = Actor { device: pc, protocol: Protocol::Pop3, now: Timestamp(3) };
        account.close_maildrop(actor, held, vec![email], vec![email])
    };
    assert_eq!(quit(&account, &held), Err(Error::MaildropInUse), "the session of a node that was taken for gone");
    drop(held);
    assert!(in_use(&account, pc), "what it gives back is not its own any more");
    quit(&other, &taken_over).unwrap();
    drop(taken_over);
    assert_eq!(open(&account, pc).unwrap().messages(), []);
    assert_eq!(account.check(&here).unwrap(), []);
}
