//! Two clients with QRESYNC (RFC 7162 §3.2), one of which is off line every now and then, also in the middle of an answer:
//! whatever they did, in the end each has exactly what the store has.
//!
//! The clients are hasty: they believe the MODSEQ of each line as it comes, and ask for what is above it the next time.

use crate::harness::{Client, NOW, Server};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use store::{MailboxId, SystemFlag, Timestamp};

type Messages = BTreeMap<u32, BTreeSet<String>>;

/// A client, and what it keeps while it is off line.
#[derive(Default)]
struct Device {
    client: Option<Client>,
    uid_validity: u64,
    modseq: u64,
    messages: Messages,
    /// What EXISTS said last.
    exists: usize,
    /// What is below was asked for. A FETCH that comes unasked may be of a message above others that nobody told of yet.
    next: u32,
}

#[derive(Clone, Debug)]
enum Action {
    Append(u8),
    Store {
        from: u8,
        count: u8,
        flag: u8,
        adds: bool,
        silent: bool,
        uid: bool,
    },
    Expunge {
        from: u8,
        count: u8,
    },
    MoveAway {
        from: u8,
        count: u8,
    },
    Fetch,
    Noop,
    /// The journal is cut: what was gone before is not known any more.
    Purge,
    /// The connection breaks when so many lines of the next answer were read.
    Breaks(usize),
    Returns,
}

const FLAGS: [&str; 4] = ["\\Seen", "\\Flagged", "\\Answered", "Work"];

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => (1..4_u8).prop_map(Action::Append),
        5 => (any::<u8>(), 0..6_u8, 0..4_u8, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(from, count, flag, adds, silent, uid)| Action::Store { from, count, flag, adds, silent, uid }
        ),
        3 => (any::<u8>(), 0..4_u8).prop_map(|(from, count)| Action::Expunge { from, count }),
        1 => (any::<u8>(), 0..3_u8).prop_map(|(from, count)| Action::MoveAway { from, count }),
        2 => Just(Action::Fetch),
        2 => Just(Action::Noop),
        1 => Just(Action::Purge),
        3 => (0..12_usize).prop_map(Action::Breaks),
        3 => Just(Action::Returns),
    ]
}

impl Device {
    fn come_back(&mut self, server: &Server) {
        if self.client.is_some() {
            return;
        }
        let mut client = server.alice();
        client.send("e ENABLE QRESYNC");
        self.client = Some(client);
        let known = match self.uid_validity {
            0 => String::new(),
            _ => format!(" (QRESYNC ({} {}))", self.uid_validity, self.modseq),
        };
        self.run(&format!("SELECT INBOX{known}"), usize::MAX);
        self.ask_for_new();
    }

    /// Sends a command and believes so many lines of the answer; with fewer than there are the connection is broken.
    fn run(&mut self, command: &str, lines_max: usize) {
        let Some(client) = &mut self.client else { return };
        let answer = client.send(&format!("a {command}"));
        let count = answer.lines().count();
        for line in answer.lines().take(lines_max) {
            self.believe(line);
        }
        if lines_max < count {
            self.client = None;
        } else {
            assert!(answer.contains("\r\na OK") || answer.starts_with("a OK"), "{command}: {answer}");
        }
    }

    fn believe(&mut self, line: &str) {
        if let Some(uids) = line.strip_prefix("* VANISHED ") {
            let gone = uids.strip_prefix("(EARLIER) ").unwrap_or(uids);
            self.messages.retain(|uid, _| !holds(gone, *uid));
        } else if let Some((_, items)) = line.split_once(" FETCH (") {
            let uid = number(items, "UID ").unwrap();
            if let Some((_, flags)) = items.split_once("FLAGS (") {
                let flags = flags.split(')').next().unwrap().split_whitespace();
                let flags = flags.filter(|flag| *flag != "\\Recent").map(str::to_owned).collect();
                self.messages.insert(u32::try_from(uid).unwrap(), flags);
            }
            self.modseq = self.modseq.max(number(items, "MODSEQ (").unwrap_or(0));
        } else if let Some(count) = line.strip_suffix(" EXISTS") {
            self.exists = count.trim_start_matches("* ").parse().unwrap();
        }
        if let Some(validity) = number(line, "[UIDVALIDITY ") {
            assert!(self.uid_validity == 0 || self.uid_validity == validity);
            self.uid_validity = validity;
        }
        if let Some(modseq) = number(line, "[HIGHESTMODSEQ ") {
            self.modseq = self.modseq.max(modseq);
        }
    }

    /// EXISTS told of more than the client knows.
    fn ask_for_new(&mut self) {
        self.run(&format!("UID FETCH {}:* (UID FLAGS)", self.next.max(1)), usize::MAX);
        self.next = self.messages.last_key_value().map_or(1, |(uid, _)| uid + 1);
    }

    fn uids(&self, from: u8, count: u8) -> Option<String> {
        let known: Vec<u32> = self.messages.keys().copied().collect();
        let first = usize::from(from) * known.len() / 256;
        let last = (first + usize::from(count)).min(known.len().checked_sub(1)?);
        Some(format!("{}:{}", known[first], known[last]))
    }

    fn act(&mut self, server: &Server, action: &Action, lines_max: usize) {
        match action {
            Action::Append(count) => {
                for _ in 0..*count {
                    self.run("APPEND INBOX {12+}\r\nSubject: a\r\n", lines_max);
                }
            }
            Action::Store { from, count, flag, adds, silent, uid } => {
                let Some(uids) = self.uids(*from, *count) else { return };
                let sign = if *adds { '+' } else { '-' };
                let silence = if *silent { ".SILENT" } else { "" };
                let flag = FLAGS[usize::from(*flag)];
                let (verb, set) = if *uid { ("UID STORE", uids.as_str()) } else { ("STORE", "1") };
                if *uid || self.exists > 0 {
                    let before = self.modseq;
                    self.run(&format!("{verb} {set} {sign}FLAGS{silence} ({flag})"), lines_max);
                    // What was silent is not known until it is asked for.
                    if *silent {
                        self.run(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {before} VANISHED)"), usize::MAX);
                        self.modseq = if self.client.is_some() { self.modseq } else { before };
                    }
                }
            }
            Action::Expunge { from, count } => {
                let Some(uids) = self.uids(*from, *count) else { return };
                self.run(&format!("UID STORE {uids} +FLAGS (\\Deleted)"), usize::MAX);
                self.run(&format!("UID EXPUNGE {uids}"), lines_max);
            }
            Action::MoveAway { from, count } => {
                let Some(uids) = self.uids(*from, *count) else { return };
                self.run(&format!("UID MOVE {uids} Trash"), lines_max);
            }
            Action::Fetch => self.run("UID FETCH 1:* (FLAGS)", lines_max),
            Action::Noop => self.run("NOOP", lines_max),
            Action::Purge => {
                server.account().purge(Timestamp(NOW.unix_millis + 400 * 24 * 60 * 60 * 1000)).unwrap();
            }
            Action::Breaks(_) | Action::Returns => {}
        }
    }
}

fn number(text: &str, after: &str) -> Option<u64> {
    let (_, rest) = text.split_once(after)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn holds(set: &str, uid: u32) -> bool {
    set.split(',').any(|range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        (first.parse::<u32>().unwrap()..=last.parse().unwrap()).contains(&uid)
    })
}

fn truth(server: &Server) -> Messages {
    let view = server.account().view(MailboxId(1)).unwrap();
    let keywords = view.mailbox().keywords.clone();
    let flags = |bits| {
        let system = SystemFlag::ALL
            .into_iter()
            .filter(|flag| store::FlagBits::has(bits, *flag))
            .map(|flag| flag.name().to_owned());
        system.chain(keywords.flags(bits).keywords).collect()
    };
    view.index().iter().map(|entry| (entry.uid.0, flags(entry.flags))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn who_was_off_line_ends_up_with_what_the_store_has(
        script in prop::collection::vec((any::<bool>(), actions()), 1..40),
    ) {
        let server = Server::new();
        server.alice().fill(5);
        let (mut phone, mut pc) = (Device::default(), Device::default());
        phone.come_back(&server);
        pc.come_back(&server);
        let mut lines_max = usize::MAX;
        for (is_phone, action) in &script {
            match action {
                Action::Breaks(lines) => lines_max = *lines,
                Action::Returns => phone.come_back(&server),
                action if *is_phone => {
                    phone.act(&server, action, lines_max);
                    lines_max = usize::MAX;
                }
                action => pc.act(&server, action, usize::MAX),
            }
        }
        let truth = truth(&server);
        for device in [&mut phone, &mut pc] {
            device.come_back(&server);
            device.run("NOOP", usize::MAX);
            device.ask_for_new();
            prop_assert_eq!(&device.messages, &truth);
        }
    }
}
