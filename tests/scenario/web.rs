//! The web: what the owner asks for on the pages, by the same calls.

use crate::house::House;
use console::{AccountConsole, ClearAsk, HeldAnswer, HeldAsk, HeldThen, UndoAsk};
use store::removal::RemovalPolicy;
use store::{Actor, DeviceId, Protocol};

pub fn step(house: &mut House) {
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: house.timestamp() };
    let account = house.account();
    let console = AccountConsole::new(account.clone(), actor);
    let devices = house.devices();
    let device = devices[house.random.below(devices.len() as u64) as usize];
    match house.random.below(10) {
        0..2 => {
            let since = ["1 hour ago", "2 days ago", "20 minutes ago"][house.random.below(3) as usize].to_owned();
            let (device_text, relist) = (Some(device.0.to_string()), house.random.chance(300));
            let ask = UndoAsk { device: device_text, since: Some(since), relist, ..UndoAsk::default() };
            if console.undo(&ask, &mut |_| {}).is_ok() {
                house.put_back(device);
            }
        }
        2 => {
            let undone = account.journal(store::ModSeq(0), usize::MAX).unwrap();
            let undone = undone
                .iter()
                .rev()
                .find(|entry| matches!(entry.change, store::Change::Account(store::OfAccount::Undone { .. })));
            if let Some(entry) = undone.map(|entry| entry.modseq.0) {
                let _full = console.undo(&UndoAsk { entry: Some(entry), ..UndoAsk::default() }, &mut |_| {});
                devices.into_iter().for_each(|device| house.put_back(device));
            }
        }
        3..7 => {
            let holds = account.holds().unwrap();
            let Some(hold) = holds.iter().find(|hold| hold.answer.is_none()) else { return };
            let keep = house.random.chance(600);
            if !keep {
                let emails = account.held(hold.id).unwrap();
                house.checker.allowed(emails.into_iter().flat_map(|held| held.emails));
            }
            let answer = if keep { HeldAnswer::Keep } else { HeldAnswer::Allow };
            let ask = HeldAsk { id: hold.id.0, answer, then: HeldThen::Stays };
            let _full = console.answer_hold(ask);
        }
        7..9 => {
            let policy = RemovalPolicy::ALL[house.random.below(8) as usize];
            let policy =
                if policy == RemovalPolicy::ExpungeAfterDays(30) { RemovalPolicy::ExpungeAfterDays(1) } else { policy };
            let _full = account.set_pop_settings(actor, house.deleter(), policy.into());
        }
        _ if house.random.chance(500) => {
            let on = house.random.chance(700);
            let _full = console.set_brake(device, on);
        }
        _ => {
            let before = house.checker.places(&account);
            if console.clear(&ClearAsk { older_than_days: None, dry_run: false }, &mut |_| {}).is_ok() {
                let after = house.checker.places(&account);
                house.checker.allowed(before.difference(&after).copied());
            }
        }
    }
}
