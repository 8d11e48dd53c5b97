//! An IMAP program that keeps a copy of each mailbox: with QRESYNC it comes back with what it knows, without it asks anew.

use crate::house::{ALICE, Door, House, message};
use crate::link::Link;
use std::collections::{BTreeMap, BTreeSet};
use store::DeviceId;

const MAILBOXES: [&str; 4] = ["INBOX", "Archive", "Trash", "Held"];
/// After so long a session looks by itself.
const LOOK_MILLIS: u64 = 60_000;

#[derive(Default)]
pub struct Imap {
    pub device: DeviceId,
    password: String,
    qresync: bool,
    link: Option<Link>,
    todo: Vec<Ask>,
    selected: Option<Selected>,
    idles: bool,
    /// What it knew of a mailbox when it left it.
    copies: BTreeMap<String, Copy>,
    /// What it sees in the end.
    pub views: BTreeMap<String, Copy>,
}

#[derive(Clone, Debug, Default)]
pub struct Copy {
    validity: u32,
    modseq: u64,
    pub messages: BTreeMap<u32, Known>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub flags: BTreeSet<String>,
    /// EMAILID.
    pub email: Option<String>,
}

struct Selected {
    name: String,
    validity: u32,
    modseq: u64,
    /// By number; `None`: it was told only that it is there.
    known: Vec<Option<(u32, Known)>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Ask {
    Login,
    Enable,
    Select(String),
    Append { mailbox: &'static str, subject: String },
    Command { text: String, tells_expunges: bool },
    Body(u32),
    Idle,
    Done,
    Close,
}

impl Imap {
    pub fn new(device: DeviceId, password: String, qresync: bool) -> Self {
        Self { device, password, qresync, ..Self::default() }
    }

    pub fn lose_connection(&mut self) {
        self.leave();
        self.link = None;
        self.todo.clear();
        self.idles = false;
    }

    /// What is known of the mailbox is remembered, if all of it is known.
    fn leave(&mut self) {
        let Some(Selected { name, validity, modseq, known }) = self.selected.take() else { return };
        if let Some(all) = known.into_iter().collect::<Option<Vec<(u32, Known)>>>() {
            self.copies.insert(name, Copy { validity, modseq, messages: all.into_iter().collect() });
        }
    }

    fn connect(&mut self, house: &mut House) {
        let process = house.any_process();
        self.link = Some(house.link(&Door::Imap(process)));
        self.todo = vec![Ask::Enable, Ask::Login];
    }

    pub fn step(&mut self, house: &mut House) {
        if self.link.is_none() {
            return self.connect(house);
        }
        if self.idles {
            let news = self.link.as_mut().unwrap().news(house.now);
            self.believe(&news, true);
            if house.random.chance(600) {
                return;
            }
            self.idles = false;
            self.todo.push(Ask::Done);
        }
        if self.todo.is_empty() {
            let next = self.unknown().unwrap_or_else(|| self.choose(house));
            self.todo.push(next);
        }
        let ask = self.todo.last().cloned().unwrap();
        if !self.link.as_ref().unwrap().is_busy() {
            if house.random.chance(10) {
                return self.lose_connection();
            }
            let text = self.begin(&ask);
            self.link.as_mut().unwrap().begin(&text);
        }
        if let Some(answer) = self.link.as_mut().unwrap().go_on(house.now, &mut house.random) {
            if self.link.as_ref().is_some_and(|link| link.is_closed) {
                assert!(answer.contains("* BYE"), "{ask:?}: {answer}");
                return self.lose_connection();
            }
            self.todo.pop();
            self.answered(&ask, &answer, house);
        }
    }

    /// Gives what is sent.
    fn begin(&mut self, ask: &Ask) -> String {
        if let Ask::Select(_) = ask {
            self.leave();
        }
        self.text(ask)
    }

    fn text(&self, ask: &Ask) -> String {
        match ask {
            Ask::Login => format!("a LOGIN {ALICE} {}", self.password),
            Ask::Enable if self.qresync => "a ENABLE QRESYNC".to_owned(),
            Ask::Enable => "a NOOP".to_owned(),
            Ask::Select(name) => match self.copies.get(name).filter(|_| self.qresync) {
                Some(copy) => format!("a SELECT {name} (QRESYNC ({} {}))", copy.validity, copy.modseq),
                None => format!("a SELECT {name}"),
            },
            Ask::Append { mailbox, subject } => {
                let message = message(subject);
                format!("a APPEND {mailbox} (\\Seen) {{{}+}}\r\n{message}", message.len())
            }
            Ask::Command { text, .. } => format!("a {text}"),
            Ask::Body(uid) => format!("a UID FETCH {uid} (UID EMAILID BODY.PEEK[HEADER])"),
            Ask::Idle => "a IDLE".to_owned(),
            Ask::Done => "DONE".to_owned(),
            Ask::Close => "a CLOSE".to_owned(),
        }
    }

    fn answered(&mut self, ask: &Ask, answer: &str, house: &mut House) {
        let last = answer.lines().last().unwrap_or_default();
        let is_ok = last.starts_with("a OK");
        let idles = *ask == Ask::Idle && answer.lines().any(|line| line.starts_with('+'));
        assert!(is_ok || last.starts_with("a NO") || idles, "{ask:?}: {answer}");
        match ask {
            Ask::Login | Ask::Enable => assert!(is_ok, "{ask:?}: {answer}"),
            Ask::Select(name) => {
                if is_ok {
                    self.opened(name, answer);
                }
            }
            Ask::Append { subject, .. } => {
                if is_ok {
                    house.checker.acknowledged(subject);
                }
                self.believe(answer, true);
            }
            Ask::Command { tells_expunges, .. } => self.believe(answer, *tells_expunges),
            Ask::Body(_) => {
                if let Some(subject) = answer.lines().find_map(|line| line.strip_prefix("Subject: ")) {
                    house.checker.seen(subject, between(answer, "EMAILID (", ')'));
                }
                self.believe(answer, true);
            }
            Ask::Idle => {
                self.believe(answer, true);
                self.idles = true;
            }
            Ask::Done => self.believe(answer, true),
            Ask::Close => self.selected = None,
        }
    }

    fn opened(&mut self, name: &str, answer: &str) {
        let code = |what: &str| between(answer, what, ']').parse::<u64>().unwrap();
        let (validity, modseq) = (code("[UIDVALIDITY ") as u32, code("[HIGHESTMODSEQ "));
        let copy = self.copies.get(name).filter(|copy| self.qresync && copy.validity == validity);
        let mut messages = copy.map(|copy| copy.messages.clone()).unwrap_or_default();
        for gone in answer.lines().filter_map(|line| line.strip_prefix("* VANISHED (EARLIER) ")).flat_map(numbers) {
            messages.remove(&gone);
        }
        let known = messages.into_iter().map(Some).collect();
        self.selected = Some(Selected { name: name.to_owned(), validity, modseq, known });
        self.believe(answer, false);
    }

    /// What a program asks for next: what EXISTS announced.
    fn unknown(&self) -> Option<Ask> {
        let known = &self.selected.as_ref()?.known;
        let is_unknown = |slot: &Option<(u32, Known)>| slot.as_ref().is_none_or(|(_, known)| known.email.is_none());
        let first = known.iter().position(is_unknown)? + 1;
        let text = format!("FETCH {first}:{} (UID FLAGS EMAILID)", known.len());
        Some(Ask::Command { text, tells_expunges: false })
    }

    fn choose(&self, house: &mut House) -> Ask {
        let random = &mut house.random;
        let mailbox = MAILBOXES[random.below(4) as usize];
        let Some(selected) = &self.selected else { return Ask::Select(mailbox.to_owned()) };
        let command = |text: String, tells_expunges| Ask::Command { text, tells_expunges };
        let uids: Vec<u32> = selected.known.iter().flatten().map(|(uid, _)| *uid).collect();
        let some = {
            let count = if random.chance(150) { uids.len() } else { random.below(3) as usize + 1 };
            let from = random.below(uids.len() as u64 + 1) as usize;
            let chosen = uids.iter().cycle().skip(from).take(count.min(uids.len())).map(u32::to_string);
            chosen.collect::<Vec<_>>().join(",")
        };
        match random.below(100) {
            0..12 => command("NOOP".to_owned(), true),
            12..24 => Ask::Select(mailbox.to_owned()),
            24..30 => command("EXPUNGE".to_owned(), true),
            30..34 => {
                let subject = house.subject();
                Ask::Append { mailbox: if house.random.chance(500) { "INBOX" } else { "Archive" }, subject }
            }
            34..40 => Ask::Idle,
            40..42 => Ask::Close,
            _ if uids.is_empty() => command("NOOP".to_owned(), true),
            42..66 => {
                let mode = ["+FLAGS", "-FLAGS", "FLAGS"][random.below(3) as usize];
                let flags = ["\\Seen", "\\Deleted", "\\Deleted", "\\Flagged $Label1"][random.below(4) as usize];
                command(format!("UID STORE {some} {mode} ({flags})"), true)
            }
            66..71 => command(format!("UID EXPUNGE {some}"), true),
            71..80 => command(format!("UID MOVE {some} {mailbox}"), true),
            80..85 => command(format!("UID COPY {some} {mailbox}"), true),
            _ => Ask::Body(uids[random.below(uids.len() as u64) as usize]),
        }
    }

    fn believe(&mut self, answer: &str, tells_expunges: bool) {
        let Some(selected) = &mut self.selected else { return };
        for line in answer.lines() {
            if let Some(set) = line.strip_prefix("* VANISHED ").filter(|set| !set.starts_with('(')) {
                assert!(tells_expunges, "{line}");
                numbers(set).into_iter().for_each(|uid| selected.forget(uid));
            }
            let Some((number, rest)) = line.strip_prefix("* ").and_then(|line| line.split_once(' ')) else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            if rest == "EXPUNGE" {
                assert!(tells_expunges, "{line}");
                selected.known.remove(number - 1);
            } else if rest == "EXISTS" {
                assert!(
                    number >= selected.known.len(),
                    "{line}: EXISTS must not shrink below {}",
                    selected.known.len()
                );
                selected.known.resize(number, None);
            } else if let Some(items) = rest.strip_prefix("FETCH (") {
                selected.believe_fetch(number, items);
            }
        }
    }

    /// Ends what it is at.
    pub fn finish(&mut self, house: &mut House) {
        while self.link.as_ref().is_some_and(Link::is_busy) {
            self.step(house);
        }
    }

    /// Everything is looked at: in the session that is open, and by coming back.
    pub fn settle(&mut self, house: &mut House) {
        house.now = house.now.plus_millis(LOOK_MILLIS);
        if self.idles {
            let news = self.link.as_mut().unwrap().tick(house.now);
            self.believe(&news, true);
            self.ask(&Ask::Done, house);
            self.idles = false;
        }
        self.look(house);
        let open = self.selected.as_ref().map(|selected| selected.name.clone());
        self.lose_connection();
        self.connect(house);
        for ask in [Ask::Login, Ask::Enable] {
            self.ask(&ask, house);
        }
        for name in MAILBOXES.into_iter().filter(|name| open.as_deref() != Some(name)) {
            self.ask(&Ask::Select(name.to_owned()), house);
            self.look(house);
        }
    }

    fn look(&mut self, house: &mut House) {
        if self.selected.is_none() {
            return;
        }
        self.link.as_mut().unwrap().tick(house.now);
        self.ask(&Ask::Command { text: "NOOP".to_owned(), tells_expunges: true }, house);
        while let Some(ask) = self.unknown() {
            self.ask(&ask, house);
        }
        let Some(Selected { name, validity, modseq, known }) = &self.selected else { return };
        let messages = known.iter().flatten().cloned().collect();
        self.views.insert(name.clone(), Copy { validity: *validity, modseq: *modseq, messages });
    }

    fn ask(&mut self, ask: &Ask, house: &mut House) {
        let text = self.begin(ask);
        let answer = self.link.as_mut().unwrap().ask(&text, house.now);
        self.answered(ask, &answer, house);
    }
}

impl Selected {
    /// A message vanished: the one with this UID, or one of those whose UID was never told, where it would stand.
    fn forget(&mut self, gone: u32) {
        let is_gone = |slot: &Option<(u32, Known)>| slot.as_ref().is_some_and(|(uid, _)| *uid == gone);
        let below = self.known.iter().rposition(|slot| slot.as_ref().is_some_and(|(uid, _)| *uid < gone));
        let at = self.known.iter().position(is_gone).unwrap_or_else(|| below.map_or(0, |at| at + 1));
        let slot = self.known.remove(at);
        assert!(slot.is_none_or(|(uid, _)| uid == gone), "UID {gone} was not known");
    }

    fn believe_fetch(&mut self, number: usize, items: &str) {
        let uid = between(items, "UID ", ' ').trim_end_matches(')').parse::<u32>().unwrap();
        let slot = &mut self.known[number - 1];
        assert!(slot.as_ref().is_none_or(|(known, _)| *known == uid), "{number} is not UID {uid}");
        let email = items.contains("EMAILID (").then(|| between(items, "EMAILID (", ')').to_owned());
        if items.contains("FLAGS (") {
            // `\Recent` is the session's, not the message's (RFC 3501 §2.3.2).
            let flags = between(items, "FLAGS (", ')').split_whitespace().filter(|flag| *flag != "\\Recent");
            let flags = flags.map(str::to_owned).collect();
            let before = slot.take().and_then(|(_, known)| known.email);
            *slot = Some((uid, Known { flags, email: email.or(before) }));
        }
    }
}

fn between<'a>(text: &'a str, from: &str, to: char) -> &'a str {
    text.split_once(from).unwrap_or_else(|| panic!("no {from} in {text}")).1.split(to).next().unwrap()
}

fn numbers(set: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
    };
    set.split(',').flat_map(range).collect()
}
