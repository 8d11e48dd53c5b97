//! Plays a transcript: sends, waits for what must come, and looks for what must not.

use super::script::{Action, Line, Protocol, Setting, keeping, kept, matches};
use super::tokens::{base64, expand};
use std::collections::BTreeMap;
use store::Quota;

/// Whose device it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Alice,
    /// Another account on the same server; it is there as soon as a device of it is.
    Bob,
}

impl Whose {
    fn device(name: &str) -> Self {
        if name.starts_with("bob") { Self::Bob } else { Self::Alice }
    }
}

/// A place where transcripts are played: the account `alice@example.org`, perhaps another one, and the means to reach them.
pub trait World {
    /// Connects over a protocol.
    fn connect(&mut self, protocol: Protocol) -> Box<dyn Link>;
    /// Adds a device to an account and gives its application password.
    fn add_device(&mut self, whose: Whose, name: &str) -> String;
    /// Chooses a POP3 setting of a device by its name.
    fn choose(&mut self, device: &str, setting: Setting, name: &str);
    /// Changes how many octets the mailboxes may hold.
    fn set_quota(&mut self, quota: Quota);
    /// A token for a device of Alice's.
    fn make_token(&mut self, device: &str) -> String;
    /// Puts messages into a mailbox.
    fn deliver(&mut self, mailbox: &str, subjects: &[String]);
    /// The login name of an account.
    fn user(&self, whose: Whose) -> String;
    /// `alice` and `bob` in a script stand for this.
    fn translate(&self, text: &str) -> String;
}

/// A connection. Lines come without their line ends.
pub trait Link {
    fn send(&mut self, bytes: &[u8]);
    /// Waits until `is_enough` of the lines that came so far, or nothing more can be expected; adds them to `lines`.
    fn receive(&mut self, lines: &mut Vec<String>, is_enough: &dyn Fn(&[String]) -> bool);
    /// From here on all octets are compressed, both ways.
    fn compress(&mut self);
    /// Adds what has come to `lines`. In memory that is all that will come; over a network nothing is waited for.
    fn settle(&mut self, lines: &mut Vec<String>);
}

struct Device {
    whose: Whose,
    protocol: Protocol,
    password: Option<String>,
    link: Option<Box<dyn Link>>,
    /// What came since the last line was sent.
    lines: Vec<String>,
    /// Up to where `<` has looked.
    seen: usize,
    last_tag: String,
    in_data: bool,
    token: Option<String>,
}

/// What lines have kept, by its name.
type Kept = BTreeMap<String, String>;

/// Plays a whole script; the error says which line failed and what came instead.
pub fn play(world: &mut dyn World, script: &[Line]) -> Result<(), String> {
    let mut devices: BTreeMap<String, Device> = BTreeMap::new();
    // Devices are all there before the story begins: whether a mailbox is shared must not depend on who speaks first.
    for line in script {
        if let Action::Device { name, protocol, logs_in } = &line.action {
            let whose = Whose::device(name);
            let password = logs_in.then(|| match protocol {
                Protocol::Smtp | Protocol::Lmtp => String::new(),
                Protocol::Imap | Protocol::Pop3 | Protocol::Submission => world.add_device(whose, name),
            });
            let (protocol, last_tag) = (*protocol, String::new());
            let device = Device {
                token: None,
                whose,
                protocol,
                password,
                link: None,
                lines: Vec::new(),
                seen: 0,
                last_tag,
                in_data: false,
            };
            devices.insert(name.clone(), device);
        }
    }
    let mut kept = Kept::new();
    for line in script {
        step(world, &mut devices, &mut kept, &line.action).map_err(|why| format!("line {}: {why}", line.number))?;
    }
    Ok(())
}

fn step(
    world: &mut dyn World,
    devices: &mut BTreeMap<String, Device>,
    kept: &mut Kept,
    action: &Action,
) -> Result<(), String> {
    let name = match action {
        Action::Given { mailbox, subjects } => {
            world.deliver(mailbox, subjects);
            return Ok(());
        }
        Action::Quota { quota } => {
            world.set_quota(*quota);
            return Ok(());
        }
        Action::Token { device } => {
            let token = world.make_token(device);
            devices.get_mut(device).ok_or_else(|| format!("there is no device {device}"))?.token = Some(token);
            return Ok(());
        }
        Action::Choose { device, setting, name } => {
            world.choose(device, *setting, name);
            return Ok(());
        }
        Action::Device { .. } | Action::Limit { .. } | Action::Time { .. } => return Ok(()),
        Action::Send { device, .. }
        | Action::Expect { device, .. }
        | Action::Never { device, .. }
        | Action::Compress { device }
        | Action::Drop { device }
        | Action::Return { device } => device,
    };
    // What must come may depend on what was kept, too.
    let text = match action {
        Action::Send { text, .. } => Some(text),
        Action::Expect { pattern, .. } => Some(pattern).filter(|pattern| pattern.contains("<scram ")),
        _ => None,
    };
    let expanded = match text {
        Some(text) => {
            let password = |name: &str| match name.split_once(' ') {
                Some(("token", device)) => devices.get(device)?.token.clone(),
                Some(("kept", name)) => kept.get(name).cloned(),
                _ => devices.get(name)?.password.clone(),
            };
            Some(expand(&world.translate(text), &world.user(Whose::device(name)), password)?)
        }
        None => None,
    };
    let device = devices.get_mut(name).ok_or_else(|| format!("there is no device {name}"))?;
    match action {
        Action::Send { .. } => device.send(world, &expanded.unwrap_or_default()),
        Action::Expect { pattern, .. } => match expanded {
            Some(pattern) => device.find(&pattern),
            None => device.expect(world, pattern, kept),
        },
        Action::Never { pattern, .. } => device.never(&world.translate(pattern)),
        Action::Compress { .. } => {
            device.link.as_mut().ok_or("not connected")?.compress();
            Ok(())
        }
        Action::Drop { .. } => {
            device.link = None;
            Ok(())
        }
        Action::Return { .. } => {
            device.link = None;
            device.connected(world)
        }
        Action::Device { .. }
        | Action::Choose { .. }
        | Action::Given { .. }
        | Action::Quota { .. }
        | Action::Limit { .. }
        | Action::Time { .. }
        | Action::Token { .. } => Ok(()),
    }
}

impl Device {
    fn connected(&mut self, world: &mut dyn World) -> Result<(), String> {
        if self.link.is_some() {
            return Ok(());
        }
        self.link = Some(world.connect(self.protocol));
        self.lines.clear();
        self.seen = 0;
        self.in_data = false;
        self.wait(&|lines| !lines.is_empty());
        let Some(password) = self.password.clone() else { return Ok(()) };
        let user = world.user(self.whose);
        match self.protocol {
            Protocol::Imap => self.say(&format!("login LOGIN {user} \"{password}\""), "login OK"),
            Protocol::Pop3 => {
                self.say(&format!("USER {user}"), "+OK")?;
                self.say(&format!("PASS {password}"), "+OK")
            }
            Protocol::Submission => {
                self.say("EHLO client.example", "250 ")?;
                self.say("AUTH LOGIN", "334")?;
                self.say(&base64(user.as_bytes()), "334")?;
                self.say(&base64(password.as_bytes()), "235")
            }
            Protocol::Smtp | Protocol::Lmtp => Ok(()),
        }
    }

    fn say(&mut self, text: &str, expected: &str) -> Result<(), String> {
        self.put(text);
        self.find(expected)
    }

    fn put(&mut self, text: &str) {
        self.lines.clear();
        self.seen = 0;
        if let Some(link) = &mut self.link {
            link.send(format!("{text}\r\n").as_bytes());
        }
    }

    fn send(&mut self, world: &mut dyn World, text: &str) -> Result<(), String> {
        self.connected(world)?;
        let old_tag = format!("{} ", self.last_tag);
        let is_asked = self.lines.iter().any(|line| line.starts_with('+'));
        let continues = is_asked && !self.lines.iter().any(|line| line.starts_with(&old_tag));
        self.put(text);
        match self.protocol {
            Protocol::Imap => {
                // What follows `+` belongs to the command before.
                if !continues {
                    self.last_tag = text.split(' ').next().unwrap_or_default().to_owned();
                }
                let tag = format!("{} ", self.last_tag);
                self.wait(&|lines| lines.iter().any(|line| line.starts_with(&tag) || line.starts_with('+')));
            }
            Protocol::Pop3 => self.wait(&|lines| !lines.is_empty()),
            Protocol::Smtp | Protocol::Submission | Protocol::Lmtp => {
                self.in_data &= text != ".";
                if !self.in_data {
                    self.wait(&|lines| lines.iter().any(|line| line.as_bytes().get(3) == Some(&b' ')));
                }
            }
        }
        Ok(())
    }

    fn expect(&mut self, world: &mut dyn World, pattern: &str, all_kept: &mut Kept) -> Result<(), String> {
        self.connected(world)?;
        let pattern = world.translate(pattern);
        let Some((name, before, after)) = keeping(&pattern) else { return self.find(&pattern) };
        self.find(&format!("{before}...{after}"))?;
        let text = kept(before, &self.lines[self.seen - 1]).unwrap_or_default();
        all_kept.insert(name.to_owned(), text.to_owned());
        Ok(())
    }

    fn find(&mut self, pattern: &str) -> Result<(), String> {
        let seen = self.seen;
        self.wait(&|lines| lines.iter().skip(seen).any(|line| matches(pattern, line)));
        match self.lines.iter().skip(seen).position(|line| matches(pattern, line)) {
            Some(at) => {
                self.seen = seen + at + 1;
                Ok(())
            }
            None => Err(format!("expected {pattern:?}, came:\n    {}", self.lines[seen..].join("\n    "))),
        }
    }

    fn never(&mut self, pattern: &str) -> Result<(), String> {
        if let Some(link) = &mut self.link {
            link.settle(&mut self.lines);
        }
        match self.lines.iter().find(|line| matches(pattern, line)) {
            Some(line) => Err(format!("must not come: {line:?}")),
            None => Ok(()),
        }
    }

    fn wait(&mut self, is_enough: &dyn Fn(&[String]) -> bool) {
        if let Some(link) = &mut self.link {
            link.receive(&mut self.lines, is_enough);
        }
        let is_smtp = matches!(self.protocol, Protocol::Smtp | Protocol::Submission | Protocol::Lmtp);
        self.in_data |= is_smtp && self.lines.iter().any(|line| line.starts_with("354"));
    }
}
