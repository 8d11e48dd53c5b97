//! Two IMAP clients of one account, with commands that look sound: each has one answer, and what a client is told of a mailbox agrees
//! with what it was told before.
#![no_main]

use arbitrary::Arbitrary;
use imapd::{ImapService, ImapSession, Limits};
use pillarbox_fuzz::{ALICE, BODIES, Client, HOSTNAME, MESSAGE_BYTES_MAX, PASSWORD, World};
use std::sync::Arc;

const COMMANDS_MAX: usize = 24;
const BOXES: [&str; 8] = ["INBOX", "Work", "Work/Deep", "Trash", "Sent", "N&APY-rd", "Work/*", ""];
const ITEMS: [&str; 22] = [
    "FLAGS",
    "UID",
    "ENVELOPE",
    "BODYSTRUCTURE",
    "BODY",
    "BODY[]",
    "BODY.PEEK[HEADER]",
    "BODY[TEXT]<1.3>",
    "BODY.PEEK[1.MIME]",
    "BODY.PEEK[HEADER.FIELDS (SUBJECT X)]",
    "RFC822.SIZE",
    "INTERNALDATE",
    "MODSEQ",
    "RFC822",
    "BINARY.PEEK[1]",
    "BINARY.SIZE[2]",
    "PREVIEW (LAZY)",
    "EMAILID",
    "THREADID",
    "SAVEDATE",
    "BODY.PEEK[2.HEADER]",
    "RFC822.HEADER",
];
const KEYS: [&str; 30] = [
    "ALL",
    "SEEN",
    "UNSEEN",
    "DELETED",
    "NOT FLAGGED",
    "OR SEEN DRAFT",
    "SUBJECT one",
    "TEXT body",
    "BODY x",
    "FROM a",
    "LARGER 10",
    "SMALLER 100",
    "SINCE 1-Jan-2026",
    "BEFORE 1-Feb-2026",
    "SENTON 1-Feb-2026",
    "1:3",
    "UID 2:*",
    "$",
    "MODSEQ 3",
    "KEYWORD x",
    "RECENT",
    "NEW",
    "HEADER Subject \"\"",
    "OLDER 10",
    "YOUNGER 1000",
    "FUZZY SUBJECT oen",
    "SAVEDBEFORE 1-Mar-2026",
    "(1 2)",
    "EMAILID x",
    "ANNOTATION x \"y\"",
];
const RETURNS: [&str; 8] = [
    "",
    "RETURN () ",
    "RETURN (ALL COUNT) ",
    "RETURN (SAVE) ",
    "RETURN (MIN MAX) ",
    "RETURN (PARTIAL 1:2) ",
    "RETURN (SAVE ALL) ",
    "RETURN (UPDATE) ",
];
const SORTS: [&str; 6] = ["ARRIVAL", "REVERSE DATE", "SUBJECT", "SIZE", "FROM TO", "DISPLAYFROM"];
const FLAGS: [&str; 8] = ["\\Seen", "\\Deleted", "\\Flagged", "\\Answered", "\\Draft", "x", "$Junk", "\\Recent"];
const PLAIN: [&str; 28] = [
    "NOOP",
    "CHECK",
    "CLOSE",
    "UNSELECT",
    "EXPUNGE",
    "CAPABILITY",
    "NAMESPACE",
    "ENABLE CONDSTORE",
    "ENABLE QRESYNC",
    "ENABLE IMAP4rev2",
    "ENABLE UTF8=ACCEPT",
    "LIST \"\" *",
    "LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN) SUBSCRIBED CHILDREN)",
    "LSUB \"\" *",
    "ID NIL",
    "GETQUOTAROOT INBOX",
    "NOTIFY NONE",
    "NOTIFY SET (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))",
    "NOTIFY SET STATUS (personal (MessageNew MessageExpunge MailboxName))",
    "GETMETADATA INBOX /private/comment",
    "SETMETADATA INBOX (/private/comment \"x\")",
    "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %",
    "GETACL INBOX",
    "MYRIGHTS INBOX",
    "LANGUAGE",
    "GENURLAUTH \"imap://x\" INTERNAL",
    "CANCELUPDATE \"x\"",
    "SETACL Work bob@example.org lrs",
];

#[derive(Arbitrary, Debug)]
enum Command<'a> {
    Plain(u8),
    Select(u8, bool, Option<(u8, bool)>),
    Fetch(bool, Set, Vec<u8>, Option<u8>),
    Store(bool, Set, u8, bool, Vec<u8>, Option<u8>),
    Copy(bool, Set, u8, bool),
    Search(bool, u8, Vec<u8>),
    Sort(bool, u8, u8, bool),
    UidExpunge(Set),
    Append(u8, Vec<u8>, Vec<u8>),
    Mailbox(u8, u8, u8),
    Status(u8),
    Idle,
    Raw(&'a str),
}

#[derive(Arbitrary, Debug)]
struct Set(Vec<(u8, Option<u8>)>);

impl Set {
    fn text(&self) -> String {
        let number = |number: u8| if number == 0 { "*".to_owned() } else { (number % 12).max(1).to_string() };
        let range = |(from, to): &(u8, Option<u8>)| match to {
            Some(to) => format!("{}:{}", number(*from), number(*to)),
            None => number(*from),
        };
        let all: Vec<String> = self.0.iter().take(5).map(range).collect();
        if all.is_empty() { "1:*".to_owned() } else { all.join(",") }
    }
}

fn pick<'t>(all: &[&'t str], which: u8) -> &'t str {
    all[usize::from(which) % all.len()]
}

fn picked(all: &[&str], which: &[u8]) -> String {
    let words: Vec<&str> = which.iter().take(6).map(|which| pick(all, *which)).collect();
    if words.is_empty() { all[0].to_owned() } else { words.join(" ") }
}

fn uid(is: bool) -> &'static str {
    if is { "UID " } else { "" }
}

fn append(to: &str, flags: &[u8], bodies: &[u8]) -> String {
    let one = |which: &u8| {
        let body = pick(&BODIES, *which);
        format!(" ({}) {{{}+}}\r\n{body}", picked(&FLAGS[..6], flags), body.len())
    };
    let all: String = bodies.iter().take(3).map(one).collect();
    format!("APPEND {to}{}", if all.is_empty() { one(&0) } else { all })
}

/// Whether what a client says is a whole command that has one answer at once.
fn is_by_itself(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let word = upper.split([' ', '\t']).next().unwrap_or_default();
    let waits = ["IDLE", "AUTHENTICATE", "STARTTLS", "COMPRESS", ""].contains(&word);
    !waits && !upper.contains("UIDONLY") && !text.contains(['\r', '\n', '\0', '{'])
}

impl Command<'_> {
    /// The command without its tag; `None`: there is none like that.
    fn text(&self) -> Option<String> {
        let name = |which: &u8| format!("\"{}\"", pick(&BOXES, *which));
        Some(match self {
            Self::Plain(which) => pick(&PLAIN, *which).to_owned(),
            Self::Select(which, is_examine, resync) => {
                let verb = if *is_examine { "EXAMINE" } else { "SELECT" };
                let more = match resync {
                    Some((modseq, true)) => format!(" (QRESYNC (1 {} 1:5))", modseq.max(&1)),
                    Some((_, false)) => " (CONDSTORE)".to_owned(),
                    None => String::new(),
                };
                format!("{verb} {}{more}", name(which))
            }
            Self::Fetch(by_uid, set, items, since) => {
                let since = since.map(|since| format!(" (CHANGEDSINCE {})", since.max(1))).unwrap_or_default();
                format!("{}FETCH {} ({}){since}", uid(*by_uid), set.text(), picked(&ITEMS, items))
            }
            Self::Store(by_uid, set, mode, is_silent, flags, unchanged) => {
                let unchanged = unchanged.map(|at| format!(" (UNCHANGEDSINCE {at})")).unwrap_or_default();
                let (mode, silent) = (pick(&["", "+", "-"], *mode), if *is_silent { ".SILENT" } else { "" });
                format!(
                    "{}STORE {}{unchanged} {mode}FLAGS{silent} ({})",
                    uid(*by_uid),
                    set.text(),
                    picked(&FLAGS, flags)
                )
            }
            Self::Copy(by_uid, set, to, is_move) => {
                format!("{}{} {} {}", uid(*by_uid), if *is_move { "MOVE" } else { "COPY" }, set.text(), name(to))
            }
            Self::Search(by_uid, returns, keys) => {
                format!("{}SEARCH {}{}", uid(*by_uid), pick(&RETURNS, *returns), picked(&KEYS, keys))
            }
            Self::Sort(by_uid, by, key, is_thread) => {
                let by = if *is_thread {
                    pick(&["REFERENCES", "ORDEREDSUBJECT", "REFS"], *by).to_owned()
                } else {
                    format!("({})", pick(&SORTS, *by))
                };
                format!(
                    "{}{} {by} UTF-8 {}",
                    uid(*by_uid),
                    if *is_thread { "THREAD" } else { "SORT" },
                    pick(&KEYS, *key)
                )
            }
            Self::UidExpunge(set) => format!("UID EXPUNGE {}", set.text()),
            Self::Append(to, flags, bodies) => append(&name(to), flags, bodies),
            Self::Mailbox(verb, one, other) => match verb % 5 {
                0 => format!("CREATE {}", name(one)),
                1 => format!("DELETE {}", name(one)),
                2 => format!("RENAME {} {}", name(one), name(other)),
                3 => format!("SUBSCRIBE {}", name(one)),
                _ => format!("UNSUBSCRIBE {}", name(one)),
            },
            Self::Status(which) => {
                format!(
                    "STATUS {} (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE HIGHESTMODSEQ DELETED MAILBOXID)",
                    name(which)
                )
            }
            Self::Idle => "IDLE".to_owned(),
            Self::Raw(text) => return is_by_itself(text).then(|| (*text).to_owned()),
        })
    }
}

/// What a client knows.
struct Device {
    client: Client,
    tags: u32,
    /// UIDs by message number, as far as they were told; `None`: no mailbox is selected.
    known: Option<Vec<Option<u32>>>,
    /// It has asked for another mailbox.
    selects: bool,
    idles: Option<String>,
    /// Of the last command.
    status: String,
}

impl Device {
    fn new(service: &Arc<ImapService>) -> Self {
        let mut client = Client::new(|peer| Box::new(ImapSession::new(Arc::clone(service), peer)));
        let greeting = client.say(b"", |said| said.ends_with(b"\r\n")).expect("a greeting");
        assert!(greeting.starts_with(b"* OK "));
        let mut device = Self { client, tags: 0, known: None, selects: false, idles: None, status: String::new() };
        device.command(&format!("LOGIN {ALICE} \"{PASSWORD}\""));
        assert!(!device.client.is_closed);
        device
    }

    fn play(&mut self, command: &Command<'_>) {
        let Some(text) = command.text() else { return };
        if let Some(tag) = self.idles.take() {
            self.exchange(b"DONE\r\n", &tag);
        }
        if let Command::Idle = command {
            self.tags += 1;
            let tag = format!("t{}", self.tags);
            let said = self.client.say(format!("{tag} IDLE\r\n").as_bytes(), |said| !said.is_empty());
            let said = said.expect("an answer to IDLE");
            let is_refused = self.heard(&said, &tag) > 0;
            self.idles = (!is_refused && !self.client.is_closed).then_some(tag);
            return;
        }
        if let Command::Select(..) = command {
            self.selects = true;
        }
        self.command(&text);
        self.selects = false;
        let leaves = match command {
            Command::Select(..) => self.status == "NO",
            _ => ["CLOSE", "UNSELECT"].contains(&text.as_str()),
        };
        if leaves {
            self.known = None;
        }
    }

    fn command(&mut self, text: &str) {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.exchange(format!("{tag} {text}\r\n").as_bytes(), &tag);
    }

    fn exchange(&mut self, octets: &[u8], tag: &str) {
        let is_answer = |response: &(Vec<u8>, usize)| response.0.starts_with(format!("{tag} ").as_bytes());
        let said = self.client.say(octets, |said| responses(said).0.iter().any(is_answer));
        let said = said.unwrap_or_else(|| panic!("no answer to {}", octets.escape_ascii()));
        let answers = self.heard(&said, tag);
        assert!(
            answers == 1 || answers == 0 && self.client.is_closed,
            "{answers} answers to {}: {}",
            octets.escape_ascii(),
            said.escape_ascii()
        );
    }

    /// So many of them are answers to `tag`.
    fn heard(&mut self, said: &[u8], tag: &str) -> usize {
        let (all, rest) = responses(said);
        assert!(rest.is_empty() || self.client.is_closed, "half a response: {}", rest.escape_ascii());
        let mut answers = 0;
        for (text, _) in all {
            let text = String::from_utf8_lossy(&text).into_owned();
            if let Some(untagged) = text.strip_prefix("* ") {
                self.untagged(untagged, &text);
            } else if text.starts_with(&format!("{tag} ")) {
                answers += 1;
                let status = text.split(' ').nth(1).unwrap_or_default();
                assert!(["OK", "NO", "BAD"].contains(&status), "{text}");
                self.status = status.to_owned();
            } else {
                assert!(text.starts_with('+'), "{text}");
            }
        }
        answers
    }

    fn untagged(&mut self, untagged: &str, whole: &str) {
        let mut words = untagged.split([' ', '\r']);
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if untagged.starts_with("OK [CLOSED]") {
            self.known = None;
        } else if first == "VANISHED" && !second.starts_with('(') {
            let known = self.known.as_mut().unwrap_or_else(|| panic!("none selected: {whole}"));
            let gone = second.split(',').map(|range| {
                let (from, to) = range.split_once(':').unwrap_or((range, range));
                to.parse::<usize>().expect("a UID") + 1 - from.parse::<usize>().expect("a UID")
            });
            let gone: usize = gone.sum();
            assert!(gone <= known.len(), "{whole}");
            // Which ones these were is not known of all.
            *known = vec![None; known.len() - gone];
        }
        let Ok(number) = first.parse::<usize>() else { return };
        if second == "EXISTS" && self.selects && self.known.is_none() {
            self.known = Some(vec![None; number]);
            return;
        }
        if !["EXISTS", "EXPUNGE", "FETCH"].contains(&second) {
            return;
        }
        if second == "EXISTS" && self.selects {
            // Selected again without a word of what was selected before.
            self.known = Some(vec![None; number]);
            return;
        }
        let known = self.known.as_mut().unwrap_or_else(|| panic!("none selected: {whole}"));
        match second {
            "EXISTS" => {
                assert!(number >= known.len(), "{} messages, and then {whole}", known.len());
                known.resize(number, None);
            }
            "EXPUNGE" => {
                assert!((1..=known.len()).contains(&number), "{} messages, and then {whole}", known.len());
                known.remove(number - 1);
            }
            _ => {
                assert!((1..=known.len()).contains(&number), "{} messages, and then {whole}", known.len());
                let at = untagged.find("(UID ").or_else(|| untagged.find(" UID "));
                let uid = at.and_then(|at| untagged[at + 5..].split([' ', ')']).next()?.parse::<u32>().ok());
                let Some(uid) = uid else { return };
                let before = known[..number - 1].iter().flatten().next_back();
                let after = known[number..].iter().flatten().next();
                assert!(
                    before.is_none_or(|before| *before < uid) && after.is_none_or(|after| uid < *after),
                    "{known:?} and then {whole}"
                );
                assert!(known[number - 1].is_none_or(|known| known == uid), "{known:?} and then {whole}");
                known[number - 1] = Some(uid);
            }
        }
    }
}

/// Whole responses, each with its text up to its first literal, and how long it is; and what is behind the last one.
fn responses(said: &[u8]) -> (Vec<(Vec<u8>, usize)>, &[u8]) {
    let (mut all, mut rest) = (Vec::new(), said);
    'responses: loop {
        let (mut at, mut text) = (0, None);
        loop {
            let Some(end) = rest[at..].windows(2).position(|two| two == b"\r\n").map(|end| at + end) else {
                return (all, rest);
            };
            let line = &rest[at..end];
            let is_first = text.is_none();
            text.get_or_insert_with(|| line.to_vec());
            let word = line.split(|octet| *octet == b' ').nth(1).unwrap_or_default();
            let is_of_people =
                is_first && (line.starts_with(b"+") || [&b"OK"[..], b"NO", b"BAD", b"BYE"].contains(&word));
            let literal = line.strip_suffix(b"}").filter(|_| !is_of_people).and_then(|inner| {
                let open = inner.iter().rposition(|octet| *octet == b'{')?;
                str::from_utf8(&inner[open + 1..]).ok()?.parse::<usize>().ok()
            });
            at = end + 2;
            match literal {
                Some(length) if at + length <= rest.len() => at += length,
                Some(_) => return (all, rest),
                None => {
                    all.push((text.unwrap_or_default(), at));
                    rest = &rest[at..];
                    continue 'responses;
                }
            }
        }
    }
}

libfuzzer_sys::fuzz_target!(|commands: Vec<(bool, Command<'_>)>| {
    let world = World::new();
    let service = Arc::new(ImapService {
        auth: world.auth.clone(),
        hostname: HOSTNAME.to_owned(),
        tls_available: true,
        message_bytes_max: MESSAGE_BYTES_MAX,
        spool: Arc::clone(&world.spool),
        indexes: None,
        sheets: Arc::default(),
        limits: Limits::default(),
        commands: metrics::Commands::default(),
    });
    let mut devices = [Device::new(&service), Device::new(&service)];
    for (which, command) in commands.iter().take(COMMANDS_MAX) {
        devices[usize::from(*which)].play(command);
    }
    world.check();
});
