//! Clients with QRESYNC whose connection breaks at any line, and who come back with what they believe by then: in the end
//! each has exactly what the store has, whatever it believes its knowledge goes up to.

use crate::harness::{Client, Server};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use store::{Actor, DeviceId, Expunge, FlagChange, FlagMode, Flags, MailboxId, Protocol, SystemFlag, Timestamp};

/// When a client raises the mod-sequence that it will come back with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Habit {
    /// At HIGHESTMODSEQ of a tagged OK only, and after SELECT.
    Tagged,
    /// At every MODSEQ and HIGHESTMODSEQ that it reads, in FETCH, SEARCH or STATUS, at once (as ImapFlow does for FETCH).
    Everything,
    /// At the end of each command, to the highest MODSEQ of its FETCHes, but to HIGHESTMODSEQ if one came after them.
    EndOfCommand,
}

/// How it comes back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Select,
    SelectWithKnownUids,
    Fetch,
}

#[derive(Clone, Debug)]
enum Action {
    Store {
        from: u8,
        count: u8,
        add: bool,
        flag: u8,
        uid: bool,
    },
    Expunge,
    Move(u8),
    Append,
    Fetch {
        from: u8,
        uid: bool,
    },
    Search(bool),
    Status,
    Noop,
    Idle,
    Close,
    /// Another program sets and clears a flag this often.
    Burst(u16),
    /// Another program expunges a message.
    Gone(u8),
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (any::<u8>(), 0..3u8, any::<bool>(), 0..3u8, any::<bool>())
            .prop_map(|(from, count, add, flag, uid)| Action::Store { from, count, add, flag, uid }),
        2 => Just(Action::Expunge),
        1 => any::<u8>().prop_map(Action::Move),
        2 => Just(Action::Append),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(from, uid)| Action::Fetch { from, uid }),
        1 => any::<bool>().prop_map(Action::Search),
        1 => Just(Action::Status),
        2 => Just(Action::Noop),
        2 => Just(Action::Idle),
        1 => Just(Action::Close),
        1 => prop_oneof![1..20u16, 480..600u16].prop_map(Action::Burst),
        3 => any::<u8>().prop_map(Action::Gone),
    ]
}

const FLAGS: [&str; 3] = ["\\Seen", "\\Flagged", "\\Deleted"];

struct Device<'s> {
    server: &'s Server,
    habit: Habit,
    way: Way,
    client: Option<Client>,
    idles: bool,
    /// What is on its disk.
    copy: BTreeMap<u32, BTreeSet<String>>,
    modseq: u64,
    /// While it is connected: the UIDs by message number; `None`: it was told only that it is there.
    numbers: Vec<Option<u32>>,
    /// While it comes back: the last UID that was on its disk.
    coming_back: Option<u32>,
    /// What the command tells so far.
    highest_fetched: u64,
    highest_said: Option<u64>,
}

/// The connection broke.
struct Broken;

impl<'s> Device<'s> {
    fn new(server: &'s Server, habit: Habit, way: Way) -> Self {
        Self {
            server,
            habit,
            way,
            client: None,
            idles: false,
            copy: BTreeMap::new(),
            modseq: 0,
            numbers: Vec::new(),
            coming_back: None,
            highest_fetched: 0,
            highest_said: None,
        }
    }

    /// New messages are on its disk up to the first that it did not get to know.
    fn lose(&mut self) {
        self.client = None;
        self.idles = false;
        let unknown = self.numbers.iter().position(Option::is_none);
        let last = unknown.map(|at| self.numbers[..at].last().copied().flatten().unwrap_or(0));
        if let Some(last) = self.coming_back.take().or(last) {
            self.copy.retain(|uid, _| *uid <= last);
        }
        self.numbers.clear();
    }

    /// Sends a line and reads `cut` parts in 256 of the lines of the answer; then the connection breaks.
    fn run(&mut self, line: &str, cut: Option<u8>) -> Result<(), Broken> {
        let Some(client) = &mut self.client else { return Err(Broken) };
        let answer = client.send(line);
        (self.highest_fetched, self.highest_said) = (0, None);
        let lines: Vec<&str> = answer.split_terminator("\r\n").collect();
        let read = cut.map_or(lines.len(), |cut| usize::from(cut) * (lines.len() + 1) / 256);
        for line in &lines[..read] {
            self.believe(line);
        }
        if cut.is_some() {
            self.lose();
            return Err(Broken);
        }
        let last = lines.last().copied().unwrap_or_default();
        let is_fine = last.starts_with("a OK") || last.starts_with("a NO [EXPUNGEISSUED]");
        assert!(is_fine || answer.starts_with("+ idling"), "{line}: {answer}");
        if last.starts_with("a ") {
            self.end();
        }
        Ok(())
    }

    fn believe(&mut self, line: &str) {
        let numbers = |after: &str| line.split_once(after).map(|(_, rest)| rest.split([')', ']']).next().unwrap());
        let number = |after: &str| numbers(after).and_then(|text| text.parse::<u64>().ok());
        if let Some(modseq) = number("MODSEQ (").or(number("(MODSEQ ")).or(number("HIGHESTMODSEQ ")) {
            if line.contains(" FETCH (") {
                self.highest_fetched = self.highest_fetched.max(modseq);
            } else if line.contains("[HIGHESTMODSEQ") {
                self.highest_said = Some(modseq);
                self.highest_fetched = 0;
            }
            if self.habit == Habit::Everything {
                self.modseq = self.modseq.max(modseq);
            }
        }
        if let Some(set) = line.strip_prefix("* VANISHED (EARLIER) ") {
            uids(set).iter().for_each(|uid| drop(self.copy.remove(uid)));
            return;
        }
        if line.contains(" FETCH (") || line.starts_with("* VANISHED ") {
            self.place_old();
        }
        if let Some(set) = line.strip_prefix("* VANISHED ") {
            uids(set).into_iter().for_each(|uid| self.forget(uid));
        } else if let Some(rest) = line.strip_prefix("* ") {
            let Some((Ok(number), rest)) = rest.split_once(' ').map(|(n, rest)| (n.parse::<usize>(), rest)) else {
                return;
            };
            if rest == "EXISTS" {
                assert!(number >= self.numbers.len(), "{line}");
                self.numbers.resize(number, None);
            } else if rest.starts_with("FETCH (") {
                let uid: u32 = line.split_once("UID ").unwrap().1.split([' ', ')']).next().unwrap().parse().unwrap();
                let slot = &mut self.numbers[number - 1];
                assert!(slot.is_none_or(|known| known == uid), "{line}: it was {slot:?}");
                if let Some(flags) = numbers("FLAGS (") {
                    *slot = Some(uid);
                    let flags = flags.split_whitespace().filter(|flag| *flag != "\\Recent");
                    self.copy.insert(uid, flags.map(str::to_owned).collect());
                }
            }
        }
    }

    /// What was on its disk and did not vanish stands before all that is new.
    fn place_old(&mut self) {
        let Some(last) = self.coming_back.filter(|_| !self.numbers.iter().any(Option::is_some)) else { return };
        let old: Vec<u32> = self.copy.range(..=last).map(|(uid, _)| *uid).collect();
        assert!(old.len() <= self.numbers.len(), "{} exist, not all of {self:?}", self.numbers.len());
        self.numbers.iter_mut().zip(old).for_each(|(slot, uid)| *slot = Some(uid));
    }

    fn forget(&mut self, gone: u32) {
        self.copy.remove(&gone);
        let below = self.numbers.iter().rposition(|uid| uid.is_some_and(|uid| uid < gone));
        let at = self.numbers.iter().position(|uid| *uid == Some(gone)).unwrap_or(below.map_or(0, |at| at + 1));
        let uid = self.numbers.remove(at);
        assert!(uid.is_none_or(|uid| uid == gone), "{gone} was not known");
    }

    fn end(&mut self) {
        match (self.habit, self.highest_said) {
            (Habit::Tagged, Some(said)) => self.modseq = self.modseq.max(said),
            (Habit::EndOfCommand, Some(said)) => self.modseq = said.max(self.highest_fetched),
            (Habit::EndOfCommand, None) => self.modseq = self.modseq.max(self.highest_fetched),
            (Habit::Tagged, None) | (Habit::Everything, _) => {}
        }
    }

    fn come_back(&mut self, cut: Option<u8>) -> Result<(), Broken> {
        let mut client = self.server.alice();
        client.send("e ENABLE QRESYNC");
        self.client = Some(client);
        let validity = self.server.account().mailboxes().unwrap().by_name("INBOX").unwrap().uid_validity;
        let known = match (self.way, self.copy.last_key_value()) {
            (Way::SelectWithKnownUids, Some((last, _))) => format!(" 1:{last}"),
            _ => String::new(),
        };
        let modseq = self.modseq;
        self.coming_back = Some(self.copy.last_key_value().map_or(0, |(last, _)| *last));
        if self.way == Way::Fetch || modseq == 0 {
            // What SELECT says is believed once all was asked for that it is about.
            let before = self.modseq;
            self.run("a SELECT INBOX", None)?;
            let said = self.highest_said;
            self.modseq = before;
            let since = modseq.max(1);
            self.run(&format!("a UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)"), cut)?;
            self.modseq = self.modseq.max(said.unwrap());
        } else {
            self.run(&format!("a SELECT INBOX (QRESYNC ({validity} {modseq}{known}))"), cut)?;
            self.modseq = self.modseq.max(self.highest_said.unwrap());
        }
        self.place_old();
        self.coming_back = None;
        Ok(())
    }

    fn ask_unknown(&mut self, cut: Option<u8>) -> Result<(), Broken> {
        while let Some(position) = self.numbers.iter().position(Option::is_none) {
            self.run(&format!("a FETCH {}:{} (UID FLAGS)", position + 1, self.numbers.len()), cut)?;
        }
        Ok(())
    }

    /// Comes back if it has to, and does something; what it reads last breaks off at `cut`.
    fn act(&mut self, action: &Action, cut: Option<u8>) -> Result<(), Broken> {
        if self.client.is_none() {
            let at_once = cut.filter(|cut| cut % 2 == 0);
            self.come_back(at_once)?;
        }
        if self.idles {
            self.run("DONE", cut.filter(|cut| cut % 3 == 0))?;
            self.idles = false;
        }
        self.ask_unknown(cut.filter(|cut| cut % 5 == 0))?;
        let count = self.numbers.len();
        let place = |from: u8| usize::from(from) * count / 256;
        let uid = |at: usize| self.numbers[at].unwrap();
        match *action {
            Action::Append => self.run("a APPEND INBOX {12+}\r\nSubject: a\r\n", cut),
            Action::Expunge => self.run("a EXPUNGE", cut),
            Action::Noop => self.run("a NOOP", cut),
            Action::Status => self.run("a STATUS INBOX (HIGHESTMODSEQ)", cut),
            Action::Search(uid) => self.run(if uid { "a UID SEARCH MODSEQ 1" } else { "a SEARCH MODSEQ 1" }, cut),
            Action::Close => {
                self.run("a UNSELECT", cut)?;
                self.lose();
                Ok(())
            }
            Action::Idle => {
                self.run("a IDLE", cut)?;
                self.idles = true;
                Ok(())
            }
            Action::Burst(count) => {
                burst(self.server, count);
                Ok(())
            }
            Action::Gone(which) => {
                gone(self.server, which);
                Ok(())
            }
            _ if count == 0 => self.run("a NOOP", cut),
            Action::Store { from, count: more, add, flag, uid: by_uid } => {
                let (first, last) = (place(from), (place(from) + usize::from(more)).min(count - 1));
                let item = if add { "+FLAGS" } else { "-FLAGS" };
                let flag = FLAGS[usize::from(flag)];
                let command = match by_uid {
                    true => format!("a UID STORE {}:{} {item} ({flag})", uid(first), uid(last)),
                    false => format!("a STORE {}:{} {item} ({flag})", first + 1, last + 1),
                };
                self.run(&command, cut)
            }
            Action::Move(from) => self.run(&format!("a UID MOVE {} Trash", uid(place(from))), cut),
            Action::Fetch { from, uid: true } => self.run(&format!("a UID FETCH {} (FLAGS)", uid(place(from))), cut),
            Action::Fetch { from, uid: false } => self.run(&format!("a FETCH {} (UID FLAGS)", place(from) + 1), cut),
        }
    }

    fn settle(&mut self) {
        let settled = self.act(&Action::Noop, None).and_then(|()| self.ask_unknown(None));
        assert!(settled.is_ok());
        self.lose();
        assert!(self.act(&Action::Noop, None).is_ok());
    }
}

impl std::fmt::Debug for Device<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { habit, way, modseq, copy, .. } = self;
        write!(f, "{habit:?} {way:?} at {modseq} with {copy:?}")
    }
}

fn uids(set: &str) -> BTreeSet<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
    };
    set.split(',').flat_map(range).collect()
}

const PROGRAM: Actor = Actor { device: DeviceId(1), protocol: Protocol::Web, now: Timestamp(1_769_940_000_000) };

fn burst(server: &Server, count: u16) {
    let account = server.account();
    let Some(uid) = account.view(MailboxId(1)).unwrap().index().last().map(|entry| entry.uid) else { return };
    for n in 0..count {
        let mode = if n % 2 == 0 { FlagMode::Add } else { FlagMode::Remove };
        let change = FlagChange { mode, flags: Flags::system(&[SystemFlag::Answered]), unchanged_since: None };
        account.change_flags(PROGRAM, MailboxId(1), vec![uid], change).unwrap();
    }
}

fn gone(server: &Server, which: u8) {
    let account = server.account();
    let view = account.view(MailboxId(1)).unwrap();
    let Some(uid) = view.index().get(usize::from(which) * view.index().len() / 256).map(|entry| entry.uid) else {
        return;
    };
    let change =
        FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Deleted]), unchanged_since: None };
    account.change_flags(PROGRAM, MailboxId(1), vec![uid], change).unwrap();
    account.expunge(PROGRAM, MailboxId(1), Expunge::DeletedAmong(vec![uid])).unwrap();
}

fn truth(server: &Server) -> BTreeMap<u32, BTreeSet<String>> {
    let view = server.account().view(MailboxId(1)).unwrap();
    let flags = |entry: &store::Entry| {
        let set = SystemFlag::ALL.into_iter().filter(|flag| entry.flags.has(*flag));
        set.map(|flag| flag.name().to_owned()).collect()
    };
    view.index().iter().map(|entry| (entry.uid.0, flags(entry))).collect()
}

fn habits() -> impl Strategy<Value = (Habit, Way)> {
    let habit = prop_oneof![Just(Habit::Tagged), Just(Habit::Everything), Just(Habit::EndOfCommand)];
    let way = prop_oneof![Just(Way::Select), Just(Way::SelectWithKnownUids), Just(Way::Fetch)];
    (habit, way)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn who_comes_back_never_misses_an_expunge_that_was_held_back(
        habits in prop::collection::vec(habits(), 3),
        script in prop::collection::vec((0..3usize, actions(), prop::option::weighted(0.2, any::<u8>())), 1..60),
    ) {
        let server = Server::new();
        server.alice().fill(8);
        let mut devices: Vec<Device<'_>> =
            habits.iter().map(|(habit, way)| Device::new(&server, *habit, *way)).collect();
        for (which, action, cut) in &script {
            let _broken = devices[*which].act(action, *cut);
        }
        devices.iter_mut().for_each(Device::settle);
        let truth = truth(&server);
        for device in &devices {
            prop_assert_eq!(&device.copy, &truth, "{:?}", device);
        }
    }
}

#[test]
fn who_holds_an_expunge_back_says_how_far_it_is_safe_to_believe() {
    let server = Server::new();
    let mut phone = server.alice();
    phone.fill(4);
    phone.send("a ENABLE QRESYNC");
    phone.send("a SELECT INBOX");
    let highest = || server.account().mailboxes().unwrap().by_name("INBOX").unwrap().highest_modseq.0;
    let safe = highest();
    gone(&server, 64);
    burst(&server, 3);
    let says = |answer: String, end: &str| assert!(answer.ends_with(end), "{answer}, not {end}");
    says(phone.send("a FETCH 1 FLAGS"), &format!("a OK [HIGHESTMODSEQ {safe}] FETCH done\r\n"));
    says(phone.send("a STORE 1 +FLAGS \\Seen"), &format!("a OK [HIGHESTMODSEQ {safe}] STORE done\r\n"));
    let stale = phone.send("a STORE 1 (UNCHANGEDSINCE 1) +FLAGS \\Draft");
    says(stale, &format!("* OK [HIGHESTMODSEQ {safe}] Highest\r\na OK [MODIFIED 1] Some have changed since\r\n"));
    says(phone.send("a SEARCH 9:8"), &format!("a OK [HIGHESTMODSEQ {safe}] SEARCH done\r\n"));
    let status = phone.send("a STATUS INBOX (HIGHESTMODSEQ)");
    assert!(status.starts_with(&format!("* STATUS \"INBOX\" (HIGHESTMODSEQ {safe})\r\n* VANISHED 2\r\n")), "{status}");
    says(status, &format!("a OK [HIGHESTMODSEQ {}] STATUS done\r\n", highest()));
    says(phone.send("a FETCH 1 FLAGS"), "a OK FETCH done\r\n");
}

#[test]
fn a_store_by_number_far_above_an_expunge_that_is_held_back_is_refused() {
    let server = Server::new();
    let mut phone = server.alice();
    phone.fill(4);
    phone.send("a ENABLE CONDSTORE");
    phone.send("a SELECT INBOX");
    gone(&server, 64);
    // With the expunge itself and the STORE 512 changes: as many as may be told.
    burst(&server, 510);
    let answer = phone.send("a STORE 1 +FLAGS \\Seen");
    assert!(answer.contains("* 1 FETCH (UID 1 FLAGS (\\Seen"), "{answer}");
    let answer = phone.send("a STORE 1 +FLAGS \\Draft");
    assert!(answer.contains("a NO [EXPUNGEISSUED]") && !answer.contains("\\Draft"), "{answer}");
    assert!(phone.send("a NOOP").contains("* 2 EXPUNGE\r\n"));
    let answer = phone.send("a STORE 1 +FLAGS \\Draft");
    assert!(answer.contains("* 1 FETCH (UID 1 FLAGS (\\Seen \\Draft") && answer.contains("a OK"), "{answer}");
}

#[test]
fn a_fetch_that_is_refused_for_an_expunge_that_is_held_back_told_the_expunge() {
    let server = Server::new();
    let mut phone = server.alice();
    phone.fill(4);
    phone.send("a SELECT INBOX");
    gone(&server, 64);
    burst(&server, 600);
    // Without CONDSTORE nobody holds MODSEQs down.
    assert!(!phone.send("a FETCH 1 FLAGS").contains("EXPUNGE"));
    // RFC 9051 §7.5.1
    phone.check("a FETCH 1 (MODSEQ)", &["a NO [EXPUNGEISSUED] Messages are gone that you count: ask by NOOP"]);
    assert!(phone.send("a NOOP").contains("* 2 EXPUNGE\r\n"));
    assert!(phone.send("a FETCH 1 (MODSEQ)").ends_with("a OK FETCH done\r\n"));
}
