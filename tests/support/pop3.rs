//! A POP3 client.

use super::link::Link;
use super::{Failure, Outcome};

/// A client after its greeting.
pub struct Pop3 {
    link: Link,
}

impl Pop3 {
    pub fn connect(link: Link) -> Outcome<Self> {
        let mut client = Self { link };
        client.status("the greeting")?;
        Ok(client)
    }

    pub fn login(&mut self, user: &str, password: &str) -> Outcome<()> {
        self.command(&format!("USER {user}"))?;
        self.command(&format!("PASS {password}")).map(drop)
    }

    /// A command with an answer of one line; gives what follows `+OK`.
    pub fn command(&mut self, line: &str) -> Outcome<String> {
        self.link.send(format!("{line}\r\n").as_bytes())?;
        self.status(line)
    }

    /// Many commands at once; their answers in order.
    pub fn commands(&mut self, lines: &[String]) -> Outcome<Vec<String>> {
        let bytes: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.link.send(bytes.as_bytes())?;
        lines.iter().map(|line| self.status(line)).collect()
    }

    /// UIDL: message numbers and unique ids.
    pub fn uidl(&mut self) -> Outcome<Vec<(u32, String)>> {
        self.link.send(b"UIDL\r\n")?;
        let listing = self.multi_line("UIDL")?;
        let listing = String::from_utf8_lossy(&listing).into_owned();
        let entry = |line: &str| line.split_once(' ').and_then(|(number, id)| Some((number.parse().ok()?, id.into())));
        listing.lines().map(|line| entry(line).ok_or_else(|| Failure::refused("UIDL", line))).collect()
    }

    /// RETR of many messages at once; they come in order.
    pub fn retrieve(&mut self, numbers: impl Iterator<Item = u32> + Clone) -> Outcome<Vec<Vec<u8>>> {
        let commands: String = numbers.clone().map(|number| format!("RETR {number}\r\n")).collect();
        self.link.send(commands.as_bytes())?;
        numbers.map(|number| self.multi_line(&format!("RETR {number}"))).collect()
    }

    /// The header of a message (TOP with no lines of its body).
    pub fn top(&mut self, number: u32) -> Outcome<Vec<u8>> {
        let command = format!("TOP {number} 0");
        self.link.send(format!("{command}\r\n").as_bytes())?;
        self.multi_line(&command)
    }

    /// The answer comes after what was deleted is gone for good.
    pub fn quit(mut self) -> Outcome<()> {
        self.command("QUIT").map(drop)
    }

    fn status(&mut self, command: &str) -> Outcome<String> {
        let line = self.link.line()?;
        match line.strip_prefix(b"+OK") {
            Some(text) => Ok(String::from_utf8_lossy(text).trim_start().to_owned()),
            None => Err(Failure::refused(command, line)),
        }
    }

    /// RFC 1939 §3: lines, stuffed, up to a lone dot.
    fn multi_line(&mut self, command: &str) -> Outcome<Vec<u8>> {
        self.status(command)?;
        let mut content = Vec::new();
        loop {
            let line = self.link.line()?;
            let line = match line.strip_prefix(b".") {
                Some(b"") => return Ok(content),
                Some(unstuffed) => unstuffed,
                None => &line,
            };
            content.extend_from_slice(line);
            content.extend_from_slice(b"\r\n");
        }
    }
}
