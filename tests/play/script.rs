//! The notation of a transcript. A line is one of
//!
//! ```text
//! # text                          a comment; the first ones cite the RFC
//! pc = pop3     phone = imap      devices: a name and a protocol (pop3, imap, smtp, submission, lmtp); each is logged in
//! guest = imap, no login          one that is connected only
//! bob = imap                      one whose name begins with `bob` is of another account, bob@example.org
//! pc deletes: keep                the removal policy of a device
//! pc lists: last-days(30)         its window
//! pc lists from: inbox            its scope
//! phone has a token               from here on, another one than before
//! quota: 4096, 3 messages         so much the mailboxes may hold from now on: octets, messages, or both
//! limit: 1000 messages a command  so many messages one IMAP command may be about in this story
//! limit: 1000 messages saved by a command    so many it may bring into a mailbox
//! time: 300 ms a step             the clock goes so far with each step of a session; on a real server the machine says how
//!                                 far, so such a story is played in memory only
//! given inbox: "Hello" "Again"    messages in a mailbox before the story begins, one for each subject
//! given inbox: 400 messages       so many
//! pc    > DELE 1                  sends a line, in which
//!                                 <CRLF> <CR> <LF> <NUL> are these octets,
//!                                 <password of phone> is the application password of a device,
//!                                 <plain of phone> is what AUTH PLAIN sends for it,
//!                                 <oauthbearer of phone> and <xoauth2 of phone> what these send with its token,
//!                                 <kept url> is what another line has kept,
//!                                 <scram first of phone> and <scram proof of phone after first> what AUTH SCRAM-SHA-256 sends,
//!                                 where `first` is the challenge that was kept, and in a line that must come
//!                                 <scram verifier of phone after first> what the server says then,
//!                                 and <9 TIMES> at the beginning sends it so many times at once, with 1 to 9 for
//!                                 each <n>
//! pc    < +OK ... octets          a line that begins like this must come; `...` stands for any text,
//!                                 <keep url> too, at its end or before a quotation mark or a space; it is kept under that name
//! pc    ! * 1 EXPUNGE             no line that begins like this may have come since the last `>`
//! pc    compresses             from here on all octets of the connection are compressed (RFC 4978)
//! pc    drops                     the connection breaks
//! pc    comes back                connects and logs in again
//! ```

use imapd::MessageLimit;
use store::Quota;

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub number: usize,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Device {
        name: String,
        protocol: Protocol,
        logs_in: bool,
    },
    Choose {
        device: String,
        setting: Setting,
        name: String,
    },
    Given {
        mailbox: String,
        subjects: Vec<String>,
    },
    Token {
        device: String,
    },
    Quota {
        quota: Quota,
    },
    /// Of the server, from the beginning on.
    Limit {
        limit: MessageLimit,
    },
    /// With each step of a session.
    Time {
        step_millis: u64,
    },
    Send {
        device: String,
        text: String,
    },
    Expect {
        device: String,
        pattern: String,
    },
    Never {
        device: String,
        pattern: String,
    },
    Compress {
        device: String,
    },
    Drop {
        device: String,
    },
    Return {
        device: String,
    },
}

/// On what a story is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    pub limit: MessageLimit,
    /// 0: the clock stands still, unless a session waits for it.
    pub step_millis: u64,
}

impl Stage {
    pub fn of(lines: &[Line]) -> Self {
        let mut stage = Self::default();
        for line in lines {
            match line.action {
                Action::Limit { limit } => stage.limit = limit,
                Action::Time { step_millis } => stage.step_millis = step_millis,
                _ => {}
            }
        }
        stage
    }
}

/// What is chosen for a POP3 device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Policy,
    Window,
    Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Imap,
    Pop3,
    Smtp,
    Submission,
    Lmtp,
}

/// Reads a transcript; the error names the line.
pub fn parse(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let actions = parse_line(line).ok_or_else(|| format!("line {number} is not a transcript line: {line}"))?;
        lines.extend(actions.into_iter().map(|action| Line { number, action }));
    }
    Ok(lines)
}

fn parse_line(line: &str) -> Option<Vec<Action>> {
    if let Some(rest) = line.strip_prefix("given ") {
        let (mailbox, subjects) = rest.split_once(':')?;
        let subjects: Vec<String> = match subjects.trim().strip_suffix(" messages") {
            Some(count) => (1..=count.parse().ok()?).map(|number: u32| format!("Message {number}")).collect(),
            None => subjects.split('"').skip(1).step_by(2).map(str::to_owned).collect(),
        };
        return Some(vec![Action::Given { mailbox: mailbox.trim().to_owned(), subjects }]);
    }
    if let Some(device) = line.strip_suffix(" has a token").filter(|device| !device.contains(['<', '>', '!'])) {
        return Some(vec![Action::Token { device: device.to_owned() }]);
    }
    if let Some(rest) = line.strip_prefix("limit:") {
        return Some(vec![Action::Limit { limit: parse_limit(rest.trim())? }]);
    }
    if let Some(millis) = line.strip_prefix("time: ").and_then(|rest| rest.strip_suffix(" ms a step")) {
        return Some(vec![Action::Time { step_millis: millis.parse().ok()? }]);
    }
    if let Some(rest) = line.strip_prefix("quota:") {
        return Some(vec![Action::Quota { quota: parse_quota(rest)? }]);
    }
    let (device, rest) = line.split_once(char::is_whitespace)?;
    let device = device.to_owned();
    let rest = rest.trim_start();
    if rest.starts_with('=') {
        return parse_devices(line);
    }
    let text = |rest: &str| rest.strip_prefix(' ').unwrap_or(rest).to_owned();
    Some(vec![match rest.split_at_checked(1)? {
        (">", rest) => Action::Send { device, text: text(rest) },
        ("<", rest) => Action::Expect { device, pattern: text(rest) },
        ("!", rest) => Action::Never { device, pattern: text(rest) },
        _ if rest == "compresses" => Action::Compress { device },
        _ if rest == "drops" => Action::Drop { device },
        _ if rest == "comes back" => Action::Return { device },
        _ => parse_choice(device, rest)?,
    }])
}

fn parse_quota(text: &str) -> Option<Quota> {
    let mut quota = Quota::default();
    for limit in text.split(',').map(str::trim) {
        match limit.strip_suffix(" messages") {
            Some(messages) => quota.messages = Some(messages.parse().ok()?),
            None => quota.bytes = Some(limit.parse().ok()?),
        }
    }
    Some(quota)
}

fn parse_limit(text: &str) -> Option<MessageLimit> {
    let (number, what) = text.split_once(' ')?;
    let max = number.parse().ok()?;
    match what {
        "messages a command" => Some(MessageLimit::Every(max)),
        "messages saved by a command" => Some(MessageLimit::Saving(max)),
        _ => None,
    }
}

fn parse_choice(device: String, text: &str) -> Option<Action> {
    let (setting, name) = text.split_once(':')?;
    let setting = match setting {
        "deletes" => Setting::Policy,
        "lists" => Setting::Window,
        "lists from" => Setting::Scope,
        _ => return None,
    };
    Some(Action::Choose { device, setting, name: name.trim().to_owned() })
}

fn parse_devices(line: &str) -> Option<Vec<Action>> {
    let mut words = line.split_whitespace().peekable();
    let mut actions = Vec::new();
    while let Some(name) = words.next() {
        let protocol = words.next().filter(|word| *word == "=").and_then(|_| words.next())?;
        let logs_in = !protocol.ends_with(',');
        if !logs_in && (words.next()? != "no" || words.next()? != "login") {
            return None;
        }
        let protocol = match protocol.trim_end_matches(',') {
            "imap" => Protocol::Imap,
            "pop3" => Protocol::Pop3,
            "smtp" => Protocol::Smtp,
            "submission" => Protocol::Submission,
            "lmtp" => Protocol::Lmtp,
            _ => return None,
        };
        actions.push(Action::Device { name: name.to_owned(), protocol, logs_in });
    }
    Some(actions)
}

/// Whether `line` begins like `pattern`; `...` in the pattern stands for any text.
pub fn matches(pattern: &str, line: &str) -> bool {
    behind(pattern, line).is_some()
}

/// What of `line` is behind `pattern`.
fn behind<'a>(pattern: &str, line: &'a str) -> Option<&'a str> {
    let mut parts = pattern.split("...");
    let mut rest = line.strip_prefix(parts.next()?)?;
    for part in parts {
        rest = rest.split_once(part)?.1;
    }
    Some(rest)
}

/// The name under which a pattern keeps something, what comes before that in the pattern, and what after it.
pub fn keeping(pattern: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = pattern.split_once("<keep ")?;
    let (name, after) = rest.split_once('>')?;
    Some((name, before, after))
}

/// What is kept of a line.
pub fn kept<'a>(before: &str, line: &'a str) -> Option<&'a str> {
    behind(before, line)?.split(['"', ' ']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_beginnings_with_gaps() {
        for (pattern, line, expected) in [
            ("+OK", "+OK 2 320", true),
            ("+OK ... 320", "+OK 2 320", true),
            ("* 1 EXPUNGE", "* 11 EXPUNGE", false),
            ("* ... FETCH (...\\Seen", "* 3 FETCH (UID 3 FLAGS (\\Seen))", true),
            ("", "anything", true),
            ("a OK", "b OK", false),
        ] {
            assert_eq!(matches(pattern, line), expected, "{pattern} ~ {line}");
        }
    }

    #[test]
    fn a_part_of_a_line_is_kept() {
        let (name, before, after) = keeping("* ... \"<keep url>\" b").unwrap();
        assert_eq!((name, before, after), ("url", "* ... \"", "\" b"));
        assert_eq!(kept(before, "* URL \"x:y\" b"), Some("x:y"));
        assert_eq!(kept(before, "+ x"), None);
        assert_eq!(keeping("* <a@b>"), None);
    }

    #[test]
    fn many_messages_are_given_by_their_number() {
        let given = parse("given inbox: 3 messages").unwrap().remove(0).action;
        let subjects = ["Message 1", "Message 2", "Message 3"].map(str::to_owned).to_vec();
        assert_eq!(given, Action::Given { mailbox: "inbox".into(), subjects });
        assert!(parse("given inbox: many messages").is_err());
    }

    #[test]
    fn every_kind_of_line_is_read() {
        let text = "# RFC\npc = pop3     guest = imap, no login\ngiven inbox: \"A b\" \"C\"\nquota: 9, 2 messages\npc deletes: keep\n\
                    pc    > DELE 1\npc < +OK\npc ! x\npc compresses\npc drops\npc comes back\n";
        let actions: Vec<Action> = parse(text).unwrap().into_iter().map(|line| line.action).collect();
        let pc = || "pc".to_owned();
        assert_eq!(
            actions,
            [
                Action::Device { name: pc(), protocol: Protocol::Pop3, logs_in: true },
                Action::Device { name: "guest".into(), protocol: Protocol::Imap, logs_in: false },
                Action::Given { mailbox: "inbox".into(), subjects: vec!["A b".into(), "C".into()] },
                Action::Quota { quota: Quota { bytes: Some(9), messages: Some(2) } },
                Action::Choose { device: pc(), setting: Setting::Policy, name: "keep".into() },
                Action::Send { device: pc(), text: "DELE 1".into() },
                Action::Expect { device: pc(), pattern: "+OK".into() },
                Action::Never { device: pc(), pattern: "x".into() },
                Action::Compress { device: pc() },
                Action::Drop { device: pc() },
                Action::Return { device: pc() },
            ]
        );
        let limit = parse("limit: 1000 messages saved by a command").unwrap().remove(0).action;
        assert_eq!(limit, Action::Limit { limit: MessageLimit::Saving(1000.try_into().unwrap()) });
        let time = parse("time: 300 ms a step").unwrap();
        assert_eq!(Stage::of(&time), Stage { limit: MessageLimit::None, step_millis: 300 });
        assert!(parse("limit: 1000").is_err() && parse("limit: 0 messages a command").is_err());
        assert!(parse("pc = telnet").is_err() && parse("nonsense").is_err());
    }
}
