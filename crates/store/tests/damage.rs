//! Damaged bytes: whatever is stored, reading and writing it never panics, says "fault" and not "not found", gives no
//! other body than the one that came in, and `check` goes through to the end.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use store::check::Depth;
use store::device::Credential;
use store::engine::{Commit, Engine, Write};
use store::objects::Objects;
use store::removal::RemovalPolicy;
use store::sim::{SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, EmailId, Error, Expunge, FlagChange, FlagMode, Flags, MailboxId,
    MaildropOptions, ModSeq, NewMessage, Protocol, Store, SystemFlag, Target, Timestamp, Uid,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ID: AccountId = AccountId(16);
const INBOX: MailboxId = MailboxId(1);
const ACTOR: Actor = Actor { device: DeviceId(1), protocol: Protocol::Pop3, now: NOW };

struct Sound {
    objects: Vec<(String, Vec<u8>)>,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    bodies: Vec<(EmailId, Vec<u8>)>,
}

/// An account with something of everything in it.
fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| {
        let (engine, objects) = (SimEngine::new(), SimObjects::new());
        let store = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
        let account = store.create_account(ID, NOW).unwrap();
        let mut bodies = Vec::new();
        for n in 0..12usize {
            let body = vec![b'a' + n as u8; if n % 5 == 0 { store::INLINE_BYTES_MAX + 1 } else { 100 }];
            let message = NewMessage { body: body.clone(), flags: Flags::default(), internal_date: NOW };
            bodies.push((account.append(ACTOR, Target::Inbox, message).unwrap().email, body));
        }
        flag(&account, &[1, 2], "\\Deleted").unwrap();
        account.expunge(ACTOR, INBOX, Expunge::AllDeleted).unwrap();
        flag(&account, &[3, 4], "$Label").unwrap();
        let credential = Credential::ApplicationPassword { hash: [7; 32] };
        account.add_device(ACTOR, "pc", credential, Some(RemovalPolicy::Keep.into())).unwrap();
        let maildrop = account.open_maildrop(DeviceId(1), &MaildropOptions::default(), NOW).unwrap();
        account.close_maildrop(ACTOR, &maildrop, vec![bodies[5].0, bodies[6].0], vec![bodies[6].0]).unwrap();
        // Enough copies that the index of INBOX is packed, and a change since.
        for _ in 0..7 {
            let uids = account.view(INBOX).unwrap().index().iter().map(|entry| entry.uid).collect();
            account.copy(ACTOR, INBOX, uids, INBOX).unwrap();
        }
        flag(&account, &[5], "\\Seen").unwrap();
        assert_eq!(store::check::all(&store, Depth::Bodies).unwrap(), []);
        let mut rows = Vec::new();
        let snapshot = engine.snapshot(ID).unwrap();
        let mut visit = |key: &[u8], value: &[u8]| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        snapshot.scan(&[0], &[0xff], &mut visit).unwrap();
        let names = objects.list(ID).unwrap().into_iter().map(|(name, _)| name);
        let objects = names.map(|name| (name.clone(), objects.read(ID, &name).unwrap())).collect();
        Sound { objects, rows, bodies }
    })
}

fn flag(account: &Account, uids: &[u32], name: &str) -> Result<(), Error> {
    let system: Vec<SystemFlag> = SystemFlag::ALL.into_iter().filter(|flag| flag.name() == name).collect();
    let keywords = if system.is_empty() { vec![name.to_owned()] } else { vec![] };
    let change =
        FlagChange { mode: FlagMode::Add, flags: Flags { keywords, ..Flags::system(&system) }, unchanged_since: None };
    account.change_flags(ACTOR, INBOX, uids.iter().copied().map(Uid).collect(), change).map(drop)
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(u16),
    Cut(u16),
    Add(Vec<u8>),
    Replace(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => any::<u16>().prop_map(Damage::Flip),
        2 => any::<u16>().prop_map(Damage::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Damage::Add),
        2 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Damage::Replace),
    ]
}

fn damaged(value: &[u8], damage: &Damage) -> Vec<u8> {
    let mut value = value.to_vec();
    match damage {
        Damage::Flip(at) => {
            let bit = usize::from(*at) % (value.len() * 8).max(1);
            value.get_mut(bit / 8).into_iter().for_each(|byte| *byte ^= 1 << (bit % 8));
        }
        Damage::Cut(at) => value.truncate(usize::from(*at) % (value.len() + 1)),
        Damage::Add(more) => value.extend(more),
        // The version byte stays, or nothing after it is ever looked at.
        Damage::Replace(with) => {
            value.truncate(1);
            value.extend(with);
        }
    }
    value
}

fn engine_of(rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> SimEngine {
    let engine = SimEngine::new();
    let writes = rows.map(|(key, value)| Write::Put { key, value }).collect();
    engine.commit(Commit { account: ID, expected: ModSeq(0), next: ModSeq(10_000), writes }).unwrap();
    engine
}

/// A store on these rows, with every object.
fn store_of(rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Store {
    let objects = SimObjects::new();
    sound().objects.iter().for_each(|(name, content)| objects.put(ID, name, content).unwrap());
    Store::new(Arc::new(engine_of(rows)), Arc::new(objects))
}

fn fault_or_fine<T>(what: &str, outcome: Result<T, Error>) -> Result<(), TestCaseError> {
    match outcome {
        Ok(_) | Err(Error::Damaged(_) | Error::Fault(_)) => Ok(()),
        Err(error) => Err(TestCaseError::fail(format!("{what}: {error}"))),
    }
}

/// Everything that clients ask for. Only damage to a device's record may make it a device that is revoked.
fn use_all(account: &Account, device_damaged: bool) -> Result<(), TestCaseError> {
    fault_or_fine("mailboxes", account.mailboxes())?;
    fault_or_fine("devices", account.devices())?;
    fault_or_fine("journal", account.journal(ModSeq(0), usize::MAX))?;
    if let Ok(mailboxes) = account.mailboxes() {
        for mailbox in mailboxes.iter() {
            fault_or_fine("view", account.view(mailbox.id))?;
        }
        // A damaged UIDNEXT of four thousand million would be answered with as many UIDs.
        if mailboxes.iter().all(|mailbox| mailbox.uid_next < Uid(100_000)) {
            fault_or_fine("vanished", account.vanished_since(INBOX, ModSeq(3)))?;
        }
    }
    for (email, body) in &sound().bodies {
        let reader = account.reader().unwrap();
        match reader.body(*email) {
            Ok(read) => prop_assert!(read == *body, "another body"),
            Err(error) => prop_assert!(matches!(error, Error::Damaged(_) | Error::Fault(_)), "body: {}", error),
        }
        fault_or_fine("summary", reader.summary(*email))?;
    }
    let maildrop = account.open_maildrop(DeviceId(1), &MaildropOptions::default(), NOW);
    if !device_damaged {
        fault_or_fine("maildrop", maildrop)?;
    }
    Ok(())
}

fn change_all(account: &Account) -> Result<(), TestCaseError> {
    let message = NewMessage { body: b"new".to_vec(), flags: Flags::default(), internal_date: NOW };
    let outcomes = [
        account.append(ACTOR, Target::Inbox, message).map(drop),
        flag(account, &[3, 4, 5], "\\Deleted"),
        account.copy(ACTOR, INBOX, vec![Uid(3), Uid(5)], MailboxId(2)).map(drop),
        account.move_messages(ACTOR, INBOX, vec![Uid(6)], MailboxId(2)).map(drop),
        account.expunge(ACTOR, INBOX, Expunge::AllDeleted).map(drop),
        account.create_mailbox(ACTOR, "New/One", None).map(drop),
        account.purge(Timestamp(NOW.0 + 1)).map(drop),
    ];
    for outcome in outcomes {
        // A number that is damaged to its largest value is used up.
        if !matches!(outcome, Err(Error::Limit(_) | Error::NoSuchMailbox)) {
            fault_or_fine("change", outcome)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn damaged_values_are_faults_and_never_panics(letter in 0usize..12, row: u16, how in damage()) {
        let sound = sound();
        // Each kind of record as often as any other.
        let letters = b"ABDEJKLMPRTY";
        let of_kind: Vec<usize> = (0..sound.rows.len()).filter(|n| sound.rows[*n].0[0] == letters[letter]).collect();
        let hit = of_kind[usize::from(row) % of_kind.len()];
        let rows = sound.rows.iter().enumerate().map(|(n, (key, value))| {
            (key.clone(), if n == hit { damaged(value, &how) } else { value.clone() })
        });
        let store = store_of(rows);
        let findings = store::check::all(&store, Depth::Bodies);
        prop_assert!(findings.is_ok(), "{:?}", findings);
        let account = store.account(ID);
        use_all(&account, letters[letter] == b'D')?;
        change_all(&account)?;
        prop_assert!(store::check::all(&store, Depth::Bodies).is_ok());
    }

    #[test]
    fn a_record_that_is_lost_is_found_by_the_check(row: prop::sample::Index) {
        let sound = sound();
        let hit = row.index(sound.rows.len());
        let (lost, _) = &sound.rows[hit];
        let rows = sound.rows.iter().enumerate().filter(|(n, _)| *n != hit).map(|(_, row)| row.clone());
        let store = store_of(rows);
        let findings = store::check::all(&store, Depth::Bodies).unwrap();
        // Summaries are a cache; a device's own notes, how fast it removes, a journal entry that no index needs, an empty
        // mailbox and a device that nobody used leave no trace elsewhere; the size of the journal is counted anew.
        let traceless = matches!(lost[0], b'T' | b'P' | b'J' | b'B' | b'D' | b'V' | b'Z');
        prop_assert!(traceless || !findings.is_empty(), "{:02x?}", lost);
        fault_or_fine("mailboxes", store.account(ID).mailboxes())?;
    }
}
