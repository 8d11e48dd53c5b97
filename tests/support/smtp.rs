//! SMTP and LMTP clients.

use super::link::Link;
use super::{Failure, Outcome};
use base64::prelude::{BASE64_STANDARD, Engine};

/// A client after its greeting.
pub struct Smtp {
    link: Link,
    is_lmtp: bool,
}

/// A reply: its code and the text of its last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub text: String,
}

impl Smtp {
    /// Waits for the greeting and says EHLO.
    pub fn connect(link: Link) -> Outcome<Self> {
        Self::begin(link, false)
    }

    /// Waits for the greeting and says LHLO.
    pub fn lmtp(link: Link) -> Outcome<Self> {
        Self::begin(link, true)
    }

    fn begin(link: Link, is_lmtp: bool) -> Outcome<Self> {
        let mut client = Self { link, is_lmtp };
        client.expect("the greeting", 220)?;
        client.command(if is_lmtp { "LHLO test.example.net" } else { "EHLO test.example.net" }, 250)?;
        Ok(client)
    }

    /// AUTH PLAIN.
    pub fn login(&mut self, user: &str, password: &str) -> Outcome<()> {
        let secret = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
        self.command(&format!("AUTH PLAIN {secret}"), 235).map(drop)
    }

    /// Sends a message (lines end with CRLF) and gives the replies to it: one for each recipient over LMTP, else one.
    /// A recipient that is refused is a failure.
    pub fn deliver(&mut self, sender: &str, recipients: &[&str], message: &[u8]) -> Outcome<Vec<Reply>> {
        self.start(sender, recipients, message)?;
        let count = if self.is_lmtp { recipients.len() } else { 1 };
        (0..count).map(|_| self.reply()).collect()
    }

    /// Sends a message as far as its last octet; the caller reads the replies, one after another.
    pub fn start(&mut self, sender: &str, recipients: &[&str], message: &[u8]) -> Outcome<()> {
        self.start_with(&format!("<{sender}> BODY=8BITMIME"), recipients, message)
    }

    /// The same, with `sender` as it stands behind MAIL FROM, and what stands behind it.
    pub fn start_with(&mut self, sender: &str, recipients: &[&str], message: &[u8]) -> Outcome<()> {
        let mut commands = format!("MAIL FROM:{sender}\r\n");
        recipients.iter().for_each(|recipient| commands += &format!("RCPT TO:<{recipient}>\r\n"));
        commands += "DATA\r\n";
        self.link.send(commands.as_bytes())?;
        self.expect("MAIL", 250)?;
        for recipient in recipients {
            self.expect(recipient, 250)?;
        }
        self.expect("DATA", 354)?;
        Ok(self.link.send(&stuffed(message))?)
    }

    pub fn quit(mut self) -> Outcome<()> {
        self.command("QUIT", 221).map(drop)
    }

    fn command(&mut self, line: &str, expected: u16) -> Outcome<Reply> {
        self.link.send(format!("{line}\r\n").as_bytes())?;
        self.expect(line, expected)
    }

    fn expect(&mut self, what: &str, expected: u16) -> Outcome<Reply> {
        let reply = self.reply()?;
        match reply.code == expected {
            true => Ok(reply),
            false => Err(Failure::refused(what, format!("{} {}", reply.code, reply.text))),
        }
    }

    /// The next reply, of one line or more.
    pub fn reply(&mut self) -> Outcome<Reply> {
        loop {
            let line = self.link.line()?;
            let text = String::from_utf8_lossy(&line).into_owned();
            let code = text.get(..3).and_then(|code| code.parse().ok());
            let (Some(code), Some(separator)) = (code, text.as_bytes().get(3)) else {
                return Err(Failure::refused("a command", &line));
            };
            match separator {
                b'-' => {}
                b' ' => return Ok(Reply { code, text: text[4..].to_owned() }),
                _ => return Err(Failure::refused("a command", &line)),
            }
        }
    }
}

/// RFC 5321 §4.5.2: transparency, and the end of the mail data.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(message.len() + 1024);
    let mut at_start = true;
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if at_start && line.starts_with(b".") {
            made.push(b'.');
        }
        made.extend_from_slice(line);
        at_start = line.ends_with(b"\r\n");
    }
    if !(message.is_empty() || at_start) {
        made.extend_from_slice(b"\r\n");
    }
    made.extend_from_slice(b".\r\n");
    made
}
