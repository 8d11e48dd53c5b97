//! What clients do: operations drawn from the seed, on messages and mailboxes that mostly exist.

use crate::model::{Model, Names, Op};
use store::pop::{PopSettings, Scope, Window};
use store::removal::RemovalPolicy;
use store::sim::Random;
use store::{DeviceId, EmailId, FlagMode, MailboxId, ModSeq, Protocol, Quota, Role, Timestamp};

const NAMES: [&str; 12] = [
    "Work",
    "Work/2026",
    "Work/2026/May",
    "Old",
    "Old/Work",
    "inbox",
    "INBOX/sub",
    "Inbox/sub/b",
    "Trash",
    "Sent",
    "Été",
    "Archive",
];
const FLAGS: [&str; 8] = ["\\Seen", "\\Deleted", "\\Flagged", "\\Answered", "\\Draft", "$Label1", "Junk", "$MDNSent"];
/// Copying all messages stops here.
const MESSAGES_MAX: usize = 5000;

pub fn pick<'a, T>(random: &mut Random, items: &'a [T]) -> Option<&'a T> {
    items.get(random.below(items.len() as u64) as usize)
}

fn flags(random: &mut Random, most: u64) -> Names {
    (0..random.below(most + 1)).filter_map(|_| pick(random, &FLAGS)).map(|name| (*name).to_owned()).collect()
}

fn mailbox(random: &mut Random, model: &Model) -> MailboxId {
    let ids: Vec<MailboxId> = model.mailboxes.keys().copied().collect();
    match random.below(20) {
        // One that is not there, or not any more.
        0 => MailboxId(random.below(20) as u32),
        1..12 => model.inbox(),
        _ => *pick(random, &ids).unwrap(),
    }
}

fn name(random: &mut Random, model: &Model) -> String {
    let names: Vec<String> = model.mailboxes.values().map(|mailbox| mailbox.name.clone()).collect();
    if random.chance(500) { pick(random, &names).unwrap().clone() } else { (*pick(random, &NAMES).unwrap()).to_owned() }
}

/// A few of the messages, or nearly all, or some that are gone; sometimes one twice and in no order.
fn uids(random: &mut Random, model: &Model, id: MailboxId) -> Vec<u32> {
    let Some(mailbox) = model.mailboxes.get(&id) else { return vec![1, 2] };
    let there: Vec<u32> = mailbox.messages.keys().copied().collect();
    let mut uids: Vec<u32> = match random.below(10) {
        0 => there.iter().copied().filter(|_| random.chance(800)).collect(),
        1..3 => (0..3).map(|_| 1 + random.below(u64::from(mailbox.uid_next)) as u32).collect(),
        _ => (0..=random.below(3)).filter_map(|_| pick(random, &there).copied()).collect(),
    };
    if random.chance(100) {
        uids.extend(uids.first().copied());
    }
    uids
}

pub fn pop(random: &mut Random) -> PopSettings {
    let policies = [&RemovalPolicy::ALL[..], &[RemovalPolicy::ExpungeAfterDays(0)]].concat();
    PopSettings {
        removal: *pick(random, &policies).unwrap(),
        window: *pick(random, &[Window::Everything, Window::Everything, Window::FromNowOn, Window::LastDays(1)])
            .unwrap(),
        scope: *pick(random, &[Scope::InboxAndFiled, Scope::InboxAndFiled, Scope::Inbox, Scope::AllButSpecial])
            .unwrap(),
    }
}

fn device(random: &mut Random, model: &Model) -> DeviceId {
    match model.devices.len() as u64 {
        0 => DeviceId(1),
        // The server itself, or one that is not there.
        all if random.chance(200) => DeviceId([0, all + 1][random.below(2) as usize] as u32),
        all => DeviceId(1 + random.below(all) as u32),
    }
}

pub fn some<T: Clone>(random: &mut Random, items: &[T], per_mille: u16) -> Vec<T> {
    items.iter().filter(|_| random.chance(per_mille)).cloned().collect()
}

fn body(random: &mut Random) -> Vec<u8> {
    let length =
        if random.chance(80) { store::INLINE_BYTES_MAX as u64 + 1 + random.below(2000) } else { random.below(200) };
    let header = format!("Subject: {}\r\n\r\n", random.next_u64());
    header.bytes().chain((0..length).map(|n| (n % 251) as u8 + 1)).collect()
}

/// The MODSEQs among which UNCHANGEDSINCE is drawn.
pub struct Moment {
    pub head: ModSeq,
    pub now: Timestamp,
}

pub fn draw(random: &mut Random, model: &Model, moment: &Moment) -> Op {
    let at = mailbox(random, model);
    match random.below(100) {
        0..26 => {
            let mailbox = random.chance(500).then_some(at);
            let date = Timestamp(moment.now.0 - random.below(1_000_000) as i64);
            Op::Append { mailbox, body: body(random), flags: flags(random, 2), date }
        }
        26..30 => {
            let all = |mailbox: &crate::model::Mailbox| mailbox.messages.keys().copied().collect();
            let uids = model.mailboxes.get(&at).map(all).unwrap_or_default();
            Op::Flags { mailbox: at, uids, mode: FlagMode::Add, flags: ["\\Deleted".to_owned()].into(), since: None }
        }
        30..46 => {
            let since = random.chance(200).then(|| ModSeq(moment.head.0 - random.below(moment.head.0.min(20))));
            let mode = *pick(random, &[FlagMode::Add, FlagMode::Remove, FlagMode::Replace]).unwrap();
            Op::Flags { mailbox: at, uids: uids(random, model, at), mode, flags: flags(random, 3), since }
        }
        46..56 => {
            let among = random.chance(500).then(|| uids(random, model, at));
            Op::Expunge { by: device(random, model), mailbox: at, uids: among }
        }
        56..62 => {
            Op::Copy { by: device(random, model), from: at, uids: uids(random, model, at), to: mailbox(random, model) }
        }
        62..72 => {
            Op::Move { by: device(random, model), from: at, uids: uids(random, model, at), to: mailbox(random, model) }
        }
        72..77 => {
            let role = random.chance(200).then(|| *pick(random, &Role::ALL[1..]).unwrap());
            Op::Create { name: name(random, model), role }
        }
        77..80 => Op::Rename { from: name(random, model), to: name(random, model) },
        80..82 => Op::Delete { by: device(random, model), name: name(random, model) },
        82 => Op::Answer { hold: 1 + random.below(u64::from(model.last_hold) + 1) as u32, kept: random.chance(500) },
        83 if random.chance(500) => {
            let bytes = random.chance(600).then(|| random.below(60_000));
            let messages = random.chance(400).then(|| random.below(120));
            Op::Quota { quota: Quota { bytes, messages } }
        }
        83 if random.chance(300) => Op::Brake { device: device(random, model), on: random.chance(700) },
        83..85 => Op::Subscribe { name: name(random, model), subscribed: random.chance(500) },
        85..88 => Op::AddDevice { name: format!("device {}", random.below(6)), pop: pop(random) },
        88..90 => Op::MainDevice { fingerprint: format!("imap:{}", random.below(2)) },
        90..92 => {
            let any = *pick(random, &Protocol::ALL).unwrap();
            Op::Login { device: device(random, model), protocol: if random.chance(500) { Protocol::Pop3 } else { any } }
        }
        92..94 => Op::Policy { device: device(random, model), pop: pop(random) },
        94 => Op::Revoke { device: device(random, model) },
        95 => Op::RemoveDue,
        96 => Op::Purge { before: Timestamp(moment.now.0 - random.below(200_000) as i64) },
        _ => {
            let of = |id: &MailboxId| model.mailboxes.get(id).map_or(0, |m| m.messages.len());
            let all = model.mailboxes.get(&at).filter(|_| of(&at) * 2 < MESSAGES_MAX);
            Op::Copy {
                by: DeviceId(0),
                from: at,
                uids: all.into_iter().flat_map(|m| m.messages.keys().copied()).collect(),
                to: at,
            }
        }
    }
}

/// What a POP session took and deletes of what it was shown.
pub fn quit(random: &mut Random, device: DeviceId, shown: &[(EmailId, MailboxId)]) -> Op {
    let taken = some(random, shown, 600);
    let of: &[(EmailId, MailboxId)] = if random.chance(800) { &taken } else { shown };
    let deleted = some(random, of, 500);
    let taken = taken.into_iter().map(|(email, _)| email).collect();
    Op::PopQuit { device, taken, deleted }
}
