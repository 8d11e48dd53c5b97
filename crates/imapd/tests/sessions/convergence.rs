//! Several devices, random commands, and clients that believe every response: in the end each has exactly what the store
//! has, and none was ever told a number that it could not place; even if commits and reads fail in between.

use crate::harness::{Client, Server};
use proptest::prelude::*;
use std::collections::BTreeSet;
use store::MailboxId;
use store::sim::{Fault, FaultRates, SimEngine};

#[derive(Clone, Debug)]
enum Action {
    Append(bool),
    Store { from: u8, count: u8, flags: u8, mode: u8, silent: bool, uid: bool },
    Expunge,
    UidExpunge(u8, u8),
    Move { from: u8, count: u8, uid: bool },
    CopyHere(u8, u8),
    Fetch { from: u8, count: u8, uid: bool },
    Search(bool),
    Noop,
    Idle,
    Reselect,
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => any::<bool>().prop_map(Action::Append),
        4 => (any::<u8>(), 0..6u8, any::<u8>(), 0..3u8, any::<bool>(), any::<bool>())
            .prop_map(|(from, count, flags, mode, silent, uid)| Action::Store { from, count, flags, mode, silent, uid }),
        1 => Just(Action::Expunge),
        1 => (any::<u8>(), 0..6u8).prop_map(|(from, count)| Action::UidExpunge(from, count)),
        1 => (any::<u8>(), 0..3u8, any::<bool>()).prop_map(|(from, count, uid)| Action::Move { from, count, uid }),
        1 => (any::<u8>(), 0..3u8).prop_map(|(from, count)| Action::CopyHere(from, count)),
        2 => (any::<u8>(), 0..4u8, any::<bool>()).prop_map(|(from, count, uid)| Action::Fetch { from, count, uid }),
        1 => any::<bool>().prop_map(Action::Search),
        2 => Just(Action::Noop),
        2 => Just(Action::Idle),
        1 => Just(Action::Reselect),
    ]
}

/// What goes wrong next.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Commit(Fault),
    /// After so many reads more.
    Read(u64),
}

fn troubles() -> impl Strategy<Value = Option<Trouble>> {
    prop_oneof![
        5 => Just(None),
        1 => Just(Some(Trouble::Commit(Fault::Full))),
        1 => Just(Some(Trouble::Commit(Fault::Failed))),
        1 => Just(Some(Trouble::Commit(Fault::Conflict))),
        1 => (0..4u64).prop_map(|reads| Some(Trouble::Read(reads))),
    ]
}

type Flags = BTreeSet<String>;

/// A message as a client knows it; `None`: it was told only that it is there.
type Known = Option<(u32, Flags)>;

struct Device {
    client: Client,
    known: Vec<Known>,
    idling: bool,
}

const FLAGS: [&str; 5] = ["\\Seen", "\\Flagged", "\\Deleted", "$Label1", "Work"];

impl Device {
    fn new(server: &Server, enable: &str) -> Self {
        let mut client = server.alice();
        if !enable.is_empty() {
            client.send(&format!("e ENABLE {enable}"));
        }
        let mut device = Self { client, known: Vec::new(), idling: false };
        device.select();
        device
    }

    /// It is told of the mailbox between its commands too (RFC 5465).
    fn told_at_once(mut self) -> Self {
        self.run("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))", true);
        self
    }

    fn select(&mut self) {
        for _ in 0..10 {
            self.known.clear();
            let answer = self.client.send("s SELECT INBOX");
            self.believe(&answer, true);
            if answer.contains("s OK") {
                return self.ask_unknown();
            }
            assert!(answer.contains("s NO [UNAVAILABLE]"), "{answer}");
        }
        panic!("INBOX cannot be selected");
    }

    /// Sends a command and believes what comes; it may be refused when something goes wrong.
    fn run(&mut self, command: &str, expunges_allowed: bool) {
        self.run_assuming(command, expunges_allowed, |_| {});
    }

    /// `assume`: what the client takes for granted when the answer is OK.
    fn run_assuming(&mut self, command: &str, expunges_allowed: bool, assume: impl FnOnce(&mut Self)) {
        let answer = self.client.send(&format!("a {command}"));
        let last = answer.rsplit_terminator("\r\n").next().unwrap();
        if last.starts_with("a OK") {
            assume(self);
        } else {
            assert!(
                last.starts_with("a NO [UNAVAILABLE]") || last.starts_with("a NO [OVERQUOTA]"),
                "{command}: {answer}"
            );
        }
        self.believe(&answer, expunges_allowed);
    }

    fn believe(&mut self, answer: &str, expunges_allowed: bool) {
        for line in answer.split_terminator("\r\n") {
            let Some((first, rest)) = line.strip_prefix("* ").and_then(|line| line.split_once(' ')) else { continue };
            if first == "VANISHED" {
                assert!(expunges_allowed, "{line}");
                numbers(rest).into_iter().for_each(|uid| self.forget(uid));
            } else if let Ok(number) = first.parse::<usize>() {
                self.believe_numbered(number, rest, expunges_allowed);
            }
        }
    }

    /// A message vanished: the one with this UID, or else one of those whose UID was never told, where it would stand.
    fn forget(&mut self, gone: u32) {
        let is_gone = |known: &Known| known.as_ref().is_some_and(|(uid, _)| *uid == gone);
        let below = self.known.iter().rposition(|known| known.as_ref().is_some_and(|(uid, _)| *uid < gone));
        let unknown = || below.map_or(0, |at| at + 1);
        let at = self.known.iter().position(is_gone).unwrap_or_else(unknown);
        let known = self.known.remove(at);
        assert!(known.is_none_or(|(uid, _)| uid == gone), "{gone} was not known");
    }

    fn believe_numbered(&mut self, number: usize, rest: &str, expunges_allowed: bool) {
        if rest == "EXPUNGE" {
            assert!(expunges_allowed);
            self.known.remove(number - 1);
        } else if rest == "EXISTS" {
            assert!(number >= self.known.len(), "EXISTS must not shrink");
            self.known.resize(number, None);
        } else if let Some(items) = rest.strip_prefix("FETCH (") {
            let uid = after(items, "UID ").split([' ', ')']).next().unwrap().parse().unwrap();
            let slot = &mut self.known[number - 1];
            assert!(slot.as_ref().is_none_or(|(known, _)| *known == uid), "{number} is not {uid}");
            if items.contains("FLAGS (") {
                let flags = after(items, "FLAGS (").split(')').next().unwrap();
                *slot = Some((
                    uid,
                    flags.split_whitespace().filter(|flag| *flag != "\\Recent").map(str::to_owned).collect(),
                ));
            }
        }
    }

    /// Clients ask for what EXISTS announced.
    fn ask_unknown(&mut self) {
        while let Some(position) = self.known.iter().position(Option::is_none) {
            let command = format!("FETCH {}:{} (UID FLAGS)", position + 1, self.known.len());
            self.run(&command, false);
        }
    }

    /// Some numbers and their UIDs; `None` if there is nothing to count.
    fn choose(&self, from: u8, count: u8) -> Option<(String, String, Vec<usize>)> {
        let length = self.known.len();
        if length == 0 {
            return None;
        }
        let first = usize::from(from) * length / 256;
        let last = (first + usize::from(count)).min(length - 1);
        let uid = |position: usize| self.known[position].as_ref().unwrap().0;
        let sequence = format!("{}:{}", first + 1, last + 1);
        Some((sequence, format!("{}:{}", uid(first), uid(last)), (first..=last).collect()))
    }

    fn act(&mut self, action: &Action) {
        // What came since the last command, where the client wants to hear of it.
        let news = self.client.poll();
        self.believe(&news, true);
        if self.idling {
            let news = self.client.poll();
            self.believe(&news, true);
            let done = self.client.send("DONE");
            assert!(done.ends_with(" IDLE done\r\n") && done.contains("a OK "), "{done}");
            self.believe(&done, true);
            self.idling = false;
        }
        self.ask_unknown();
        match *action {
            Action::Append(seen) => {
                let flags = if seen { "(\\Seen $Label1)" } else { "()" };
                self.run(&format!("APPEND INBOX {flags} {{12+}}\r\nSubject: a\r\n"), true);
            }
            Action::Store { from, count, flags, mode, silent, uid } => {
                self.store((from, count), (flags, mode), silent, uid);
            }
            Action::Expunge => self.run("EXPUNGE", true),
            Action::UidExpunge(from, count) => {
                if let Some((_, uids, _)) = self.choose(from, count) {
                    self.run(&format!("UID EXPUNGE {uids}"), true);
                }
            }
            Action::Move { from, count, uid } => {
                let Some((numbers, uids, _)) = self.choose(from, count) else { return };
                let command = if uid { format!("UID MOVE {uids} Trash") } else { format!("MOVE {numbers} Trash") };
                self.run(&command, true);
            }
            Action::CopyHere(from, count) => {
                if let Some((_, uids, _)) = self.choose(from, count) {
                    self.run(&format!("UID COPY {uids} INBOX"), true);
                }
            }
            Action::Fetch { from, count, uid } => {
                let Some((numbers, uids, _)) = self.choose(from, count) else { return };
                let set = if uid { format!("UID FETCH {uids}") } else { format!("FETCH {numbers}") };
                self.run(&format!("{set} (UID BODY[TEXT])"), uid);
            }
            Action::Search(uid) => self.run(if uid { "UID SEARCH ALL" } else { "SEARCH UNSEEN" }, uid),
            Action::Noop => self.run("NOOP", true),
            Action::Idle => {
                let answer = self.client.send("a IDLE");
                self.believe(&answer, true);
                self.idling = true;
            }
            Action::Reselect => self.select(),
        }
    }

    fn store(&mut self, (from, count): (u8, u8), (flags, mode): (u8, u8), silent: bool, uid: bool) {
        let Some((numbers, uids, positions)) = self.choose(from, count) else { return };
        let flags: Flags = FLAGS
            .iter()
            .enumerate()
            .filter(|(n, _)| flags & (1 << n) != 0)
            .map(|(_, flag)| (*flag).to_owned())
            .collect();
        let list = flags.iter().cloned().collect::<Vec<_>>().join(" ");
        let item = ["FLAGS", "+FLAGS", "-FLAGS"][usize::from(mode)];
        let silence = if silent { ".SILENT" } else { "" };
        let set = if uid { format!("UID STORE {uids}") } else { format!("STORE {numbers}") };
        // RFC 9051 §6.4.6: the client assumes that its change came about.
        let assume = |device: &mut Self| {
            for position in positions.iter().filter(|_| silent) {
                let known = &mut device.known[*position].as_mut().unwrap().1;
                match mode {
                    0 => known.clone_from(&flags),
                    1 => known.extend(flags.iter().cloned()),
                    _ => known.retain(|flag| !flags.contains(flag)),
                }
            }
        };
        self.run_assuming(&format!("{set} {item}{silence} ({list})"), uid, assume);
    }

    fn settle(&mut self) {
        self.act(&Action::Noop);
        self.ask_unknown();
    }
}

fn after<'a>(text: &'a str, what: &str) -> &'a str {
    text.split_once(what).unwrap().1
}

fn numbers(set: &str) -> BTreeSet<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
    };
    set.split(',').flat_map(range).collect()
}

fn truth(server: &Server) -> Vec<Known> {
    let view = server.account().view(MailboxId(1)).unwrap();
    let keywords = view.mailbox().keywords.clone();
    let flags = |bits| {
        let flags = keywords.flags(bits);
        let system =
            store::SystemFlag::ALL.into_iter().filter(|flag| bits.has(*flag)).map(|flag| flag.name().to_owned());
        system.chain(flags.keywords).collect()
    };
    view.index().iter().map(|entry| Some((entry.uid.0, flags(entry.flags)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn every_device_ends_up_with_what_the_store_has(
        script in prop::collection::vec((0..6usize, actions(), troubles()), 1..40),
        seed in any::<u64>(),
    ) {
        let server = Server::on(SimEngine::with_faults(seed, FaultRates::default()));
        let mut first = server.alice_in_inbox();
        first.fill(6);
        let mut devices = [
            Device::new(&server, ""),
            Device::new(&server, "CONDSTORE"),
            Device::new(&server, "CONDSTORE").told_at_once(),
            Device::new(&server, "QRESYNC IMAP4rev2"),
            Device::new(&server, "QRESYNC").told_at_once(),
            Device::new(&server, ""),
        ];
        for (which, action, trouble) in &script {
            match trouble {
                Some(Trouble::Commit(fault)) => server.fail_next_commit(*fault),
                Some(Trouble::Read(reads)) => server.fail_read(*reads),
                None => {}
            }
            // The last device only polls.
            devices[*which].act(if *which == 5 { &Action::Noop } else { action });
        }
        server.use_up_read_errors();
        let truth = {
            devices.iter_mut().for_each(Device::settle);
            truth(&server)
        };
        for device in &devices {
            prop_assert_eq!(&device.known, &truth);
        }
    }
}
