//! `pillarbox try --story`: what Pillarbox is for, played in the running server over SMTP, IMAP and POP3, with nothing
//! pretended: each number is what a device was told by the protocol.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write, stdin, stdout};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use console::{AddedDevice, DeviceCard, UndoAnswer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use web::Call;

use super::failure::Failure;
use super::place::Place;
use super::{Outcome, say, undo};

/// How long an answer of the own server may take before the story ends.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many messages come; fewer than what makes the damage brake look (docs/decisions/0008), for the phone's removal of
/// them is to be seen.
const MESSAGES: u64 = 6;

/// Where the story plays.
pub(super) struct Stage {
    pub(super) data_dir: PathBuf,
    /// What the commands in another terminal need to find the server.
    pub(super) option: String,
    pub(super) account: String,
    pub(super) authority: PathBuf,
    pub(super) smtp: u16,
    pub(super) imaps: u16,
    pub(super) pop3s: u16,
    pub(super) http: u16,
}

/// A program of the account, with the password that is its own.
struct Player {
    name: String,
    password: String,
}

impl Stage {
    /// Plays it from the first scene to the last. A person at a terminal goes on with Enter.
    ///
    /// # Errors
    /// The server refuses a step, or a connection breaks off.
    pub(super) fn play(&self) -> Outcome {
        let place = Place::of_data_dir(self.data_dir.clone());
        say(&format!(
            "\nThe story of a mailbox. Watch it as {} on http://127.0.0.1:{}/\n\n\
             1. A phone and a PC read it over IMAP. An old PC fetches it over POP3.\n",
            self.account, self.http
        ));
        let [phone, pc, old] = self.devices(&place)?;
        let before = self.uid_next(&phone)?;
        self.counts(&phone, &pc, &old)?;
        self.seen_at("/devices");

        go_on()?;
        say(&format!("2. {MESSAGES} messages come in.\n"));
        self.deliver()?;
        self.counts(&phone, &pc, &old)?;
        self.seen_at("/timeline");

        go_on()?;
        say("3. The old PC downloads everything and deletes it from the server, as POP3 programs do.\n");
        let taken = self.download_and_delete(&old)?;
        self.counts(&phone, &pc, &old)?;
        say(&format!(
            "   It deleted {taken} messages: its own list is empty, and nobody else has lost one. Elsewhere they would be \
             gone from all.\n"
        ));
        self.seen_at("/timeline");

        go_on()?;
        say(&format!("4. The phone goes wrong: it deletes the {MESSAGES} new messages and expunges them.\n"));
        self.expunge_from(&phone, before)?;
        self.counts(&phone, &pc, &old)?;
        self.seen_at("/undo");

        go_on()?;
        let Self { account, option, .. } = self;
        let undo =
            format!("pillarbox undo{option} --account {account} --device \"{}\" --since \"1 day ago\"", phone.name);
        say(&format!("5. The owner takes that back, by a page or by\n   {undo}\n"));
        let call = Call::new("POST /api/v1/undo").of(account.clone()).with("device", Some(phone.name.clone()));
        for answer in place.all::<UndoAnswer>(&call.with("since", Some("1 day ago".to_owned())))? {
            undo::shown(&answer).lines().for_each(|line| say(&format!("   {line}\n")));
        }
        self.counts(&phone, &pc, &old)?;
        say(&format!(
            "   All is back on every device, and the old PC does not download again what it has.\n\n\
             What each device did: pillarbox timeline{option} {account}\n"
        ));
        self.seen_at("/timeline");
        Ok(())
    }

    /// The page that shows a scene.
    fn seen_at(&self, page: &str) {
        say(&format!("   See it: http://127.0.0.1:{}{page}\n", self.http));
    }

    /// Three devices; an earlier story's keep their names.
    fn devices(&self, place: &Place) -> Result<[Player; 3], Failure> {
        let list = Call::new("GET /api/v1/devices").of(self.account.clone()).with("revoked", true);
        let there: Vec<String> = place.all::<DeviceCard>(&list)?.into_iter().map(|card| card.name).collect();
        let add = |name: &str| {
            let again = (2..).map(|number| format!("{name} {number}"));
            let name = [name.to_owned()].into_iter().chain(again).find(|name| !there.contains(name));
            let call = Call::new("POST /api/v1/operator/devices").of(self.account.clone()).with("name", name);
            let added = place.all::<AddedDevice>(&call)?.pop();
            let AddedDevice { card, password } = added.ok_or_else(|| fault("a device was added, and not told of"))?;
            Ok::<_, Failure>(Player { name: card.name, password })
        };
        Ok([add("phone")?, add("PC")?, add("old PC")?])
    }

    fn deliver(&self) -> Outcome {
        let account = &self.account;
        let mut smtp = Conversation::new(Box::new(connect(self.smtp)?));
        smtp.until("220 ")?;
        smtp.ask("EHLO mail.example.net", "250 ")?;
        for number in 1..=MESSAGES {
            smtp.ask("MAIL FROM:<carol@example.net>", "250 ")?;
            smtp.ask(&format!("RCPT TO:<{account}>"), "250 ")?;
            smtp.ask("DATA", "354 ")?;
            let head = format!("From: Carol <carol@example.net>\r\nTo: {account}\r\nSubject: Chapter {number}");
            smtp.ask(&format!("{head}\r\n\r\nThis is chapter {number} of {MESSAGES}.\r\n."), "250 ")?;
        }
        smtp.ask("QUIT", "221 ").map(drop)
    }

    /// What each device is told.
    fn counts(&self, phone: &Player, pc: &Player, old: &Player) -> Outcome {
        for (player, how) in [(phone, "IMAP"), (pc, "IMAP")] {
            let mut imap = self.imap(player)?;
            let status = imap.ask("s STATUS INBOX (MESSAGES)", "s OK")?;
            say(&format!("   {:<12} {how}   {:>3} in INBOX\n", player.name, number(&status, "MESSAGES ")?));
            imap.ask("l LOGOUT", "l OK")?;
        }
        let mut pop = self.pop(old)?;
        let count = number(&pop.ask("STAT", "+OK")?, "+OK ")?;
        say(&format!("   {:<12} POP3   {count:>3} in its list\n", old.name));
        pop.ask("QUIT", "+OK").map(drop)
    }

    fn uid_next(&self, phone: &Player) -> Result<u64, Failure> {
        let mut imap = self.imap(phone)?;
        let uid_next = number(&imap.ask("s STATUS INBOX (UIDNEXT)", "s OK")?, "UIDNEXT ")?;
        imap.ask("l LOGOUT", "l OK")?;
        Ok(uid_next)
    }

    /// How many messages were taken.
    fn download_and_delete(&self, old: &Player) -> Result<u64, Failure> {
        let mut pop = self.pop(old)?;
        let count = number(&pop.ask("STAT", "+OK")?, "+OK ")?;
        for message in 1..=count {
            pop.ask(&format!("RETR {message}"), "+OK")?;
            // RFC 1939 §3: a line of a dot ends it; others that begin with one have two.
            while pop.line()? != "." {}
            pop.ask(&format!("DELE {message}"), "+OK")?;
        }
        pop.ask("QUIT", "+OK")?;
        Ok(count)
    }

    fn expunge_from(&self, phone: &Player, uid: u64) -> Outcome {
        let mut imap = self.imap(phone)?;
        imap.ask("b SELECT INBOX", "b OK")?;
        // No `*`: it is an older message where none is new (RFC 9051 §9, seq-range).
        let new = format!("{uid}:{}", uid + MESSAGES - 1);
        imap.ask(&format!("c UID STORE {new} +FLAGS.SILENT (\\Deleted)"), "c OK")?;
        imap.ask(&format!("d UID EXPUNGE {new}"), "d OK")?;
        imap.ask("l LOGOUT", "l OK").map(drop)
    }

    fn imap(&self, player: &Player) -> Result<Conversation, Failure> {
        let mut imap = Conversation::new(self.tls(self.imaps)?);
        imap.until("* OK")?;
        imap.ask(&format!("a LOGIN \"{}\" \"{}\"", self.account, player.password), "a OK")?;
        Ok(imap)
    }

    fn pop(&self, player: &Player) -> Result<Conversation, Failure> {
        let mut pop = Conversation::new(self.tls(self.pop3s)?);
        pop.until("+OK")?;
        pop.ask(&format!("USER {}", self.account), "+OK")?;
        pop.ask(&format!("PASS {}", player.password), "+OK")?;
        Ok(pop)
    }

    fn tls(&self, port: u16) -> Result<Box<dyn Stream>, Failure> {
        let config = trusting(&self.authority)?;
        let name = ServerName::try_from("localhost").map_err(fault)?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(fault)?;
        Ok(Box::new(StreamOwned::new(connection, connect(port)?)))
    }
}

/// TLS that trusts the own authority and nobody else.
fn trusting(authority: &Path) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).map_err(fault)?).map_err(fault)?;
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

fn connect(port: u16) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(fault)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(fault)?;
    Ok(stream)
}

/// Waits for Enter where a person can press it.
fn go_on() -> Outcome {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        say("\n");
        return Ok(());
    }
    say("   (Enter: on)");
    stdin().lock().read_line(&mut String::new()).map(drop).map_err(fault)
}

/// The number behind `before` in the first line that has one.
fn number(lines: &[String], before: &str) -> Result<u64, Failure> {
    let after = lines.iter().find_map(|line| line.split_once(before)).map(|(_, after)| after);
    let digits = after.and_then(|after| after.split(|c: char| !c.is_ascii_digit()).next());
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| fault(format!("no {before:?} in {lines:?}")))
}

fn fault(error: impl ToString) -> Failure {
    Failure::Fault(format!("the story breaks off: {}", error.to_string()))
}

/// Both halves of a connection.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A conversation in lines, with a server that is our own.
struct Conversation(BufReader<Box<dyn Stream>>);

impl Conversation {
    fn new(stream: Box<dyn Stream>) -> Self {
        Self(BufReader::new(stream))
    }

    fn line(&mut self) -> Result<String, Failure> {
        // Mail in the mailbox may be in any charset.
        let mut line = Vec::new();
        match self.0.read_until(b'\n', &mut line).map_err(fault)? {
            0 => Err(fault("the server has closed the connection")),
            _ => Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()),
        }
    }

    /// Lines up to one that begins with `end`.
    fn until(&mut self, end: &str) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            let (is_end, is_refusal) = (line.starts_with(end), refuses(&line));
            lines.push(line);
            if is_end {
                return Ok(lines);
            }
            if is_refusal {
                return Err(fault(lines.concat()));
            }
        }
    }

    /// Sends a line and reads up to the line that begins with `end`.
    fn ask(&mut self, line: &str, end: &str) -> Result<Vec<String>, Failure> {
        let stream = self.0.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes()).and_then(|()| stream.flush()).map_err(fault)?;
        self.until(end)
    }
}

/// In any of the three protocols: RFC 5321 §4.2.1, RFC 1939 §3, RFC 9051 §7.1.
fn refuses(line: &str) -> bool {
    let result = line.split_once(' ').map_or("", |(_, rest)| rest);
    line.starts_with(['4', '5'])
        || line.starts_with("-ERR")
        || !line.starts_with('*') && ["NO ", "BAD "].iter().any(|word| result.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn a_message_that_was_not_in_utf_8_broke_off_the_story() {
        let mut pop = Conversation::new(Box::new(Cursor::new(b"Gr\xfc\xdfe \r\n.\r\n".to_vec())));
        for line in ["Gr\u{fffd}\u{fffd}e ", "."] {
            assert_eq!(pop.line().ok().as_deref(), Some(line));
        }
    }
}
