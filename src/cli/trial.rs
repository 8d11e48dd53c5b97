//! `pillarbox try`: a server to play with. What it prints is made for copying.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::thread;

use clap::Args;
use server::config::{Config, Log, LogLevel};
use server::lifecycle::Running;
use server::listen::has_ipv6_loopback;
use server::service::Service;
use server::setup::SetupError;
use server::trial::{self, TrialAccount};

use super::failure::Failure;
use super::place::Place;
use super::story::Stage;
use super::{Outcome, say, warn};

/// Start a server to play with: no root, no network, no file to edit
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Try {
    /// Listen on ports that are free instead of the usual ones; the table says which
    #[arg(long)]
    free_ports: bool,
    /// Play what it is for, in five scenes: three devices, one of them POP3, one that goes wrong
    #[arg(long)]
    story: bool,
    /// Log what happens, to standard error
    #[arg(long)]
    verbose: bool,
}

/// Whose the story and the commands are if no sample account is left.
const ALICE: &str = "alice@example.org";

const EXAMPLES: &str = "\
It listens on this machine only: SMTP 2525, submission 5587 and 4650, LMTP 2424, IMAP 1143 and 1993, POP3 1110 and 1995,
pages on 8443 (HTTPS) and 8080 (HTTP, so that no browser warns of the certificate).
It makes the accounts alice@example.org and bob@example.org with passwords that it prints at every start, and a
certificate authority of its own. All of it is in the data directory; started again it finds its mail there.
Ctrl-C stops it. To start anew remove the data directory.

The passwords are in the file `try-accounts` of the data directory, for its owner only, until you change them.

Examples:
  pillarbox try
  pillarbox try --story                  what one mailbox for all devices means, in three minutes
  pillarbox try --data-dir /tmp/mail --free-ports
  pillarbox account list                 in another terminal: the commands find the server of `try`";

impl Try {
    pub(super) fn run(self, place: &Place) -> Outcome {
        if place.config.is_some() {
            return Err(Failure::Usage("try takes no --config; `pillarbox serve --config FILE` does".to_owned()));
        }
        let data_dir = std::path::absolute(place.trial_dir()).unwrap_or_else(|_| place.trial_dir());
        let level = if self.verbose { LogLevel::Info } else { LogLevel::Warn };
        let config = Config { log: Log { level, ..Log::default() }, ..Config::trial(data_dir) };
        let config = match (self.free_ports, has_ipv6_loopback()) {
            (true, _) => config.on_free_ports(),
            (false, true) => config.on_ipv6_loopback_too(),
            (false, false) => config,
        };
        let (named, kept_in) = (place.data_dir.clone(), config.data_dir.display().to_string());
        server::run(&config, |stores, running, clock| {
            let accounts = trial::prepare(stores, clock)?;
            let guide = Guide::new(running, accounts, stores.directory(), named.as_deref())?;
            say(&guide.text());
            if self.story {
                play(guide.stage());
            }
            Ok(())
        })?;
        say(&format!("\nPillarbox has stopped. All mail is in {kept_in}; the same command goes on with it.\n"));
        Ok(())
    }
}

/// Plays the story beside the server, which goes on if the story does not.
fn play(stage: Stage) {
    thread::spawn(move || {
        if let Err(failure) = stage.play() {
            warn(&format!("pillarbox: {failure}"));
        }
        say("Ctrl-C stops the server; the same command plays it again.\n");
    });
}

/// All that a person needs to begin.
struct Guide {
    ports: Vec<(Service, u16)>,
    accounts: Vec<TrialAccount>,
    authority: PathBuf,
    data_dir: PathBuf,
    /// What the commands in another terminal need to find the server.
    option: String,
}

impl Guide {
    fn new(
        running: &Running,
        accounts: Vec<TrialAccount>,
        data_dir: &Path,
        named: Option<&Path>,
    ) -> Result<Self, SetupError> {
        let ports: BTreeSet<_> = running.addresses().iter().map(|(service, at)| (*service, at.port())).collect();
        let authority = running.certificates().authority_file();
        let authority = authority.ok_or_else(|| SetupError::new("the certificate is not an own one"))?;
        Ok(Self {
            ports: ports.into_iter().collect(),
            accounts,
            authority,
            data_dir: data_dir.to_owned(),
            option: named.map(|dir| format!(" --data-dir {}", quoted(dir))).unwrap_or_default(),
        })
    }

    fn port(&self, wanted: Service) -> u16 {
        self.ports.iter().find(|(service, _)| *service == wanted).map_or(0, |(_, port)| *port)
    }

    fn stage(&self) -> Stage {
        Stage {
            data_dir: self.data_dir.clone(),
            option: self.option.clone(),
            account: self.accounts.first().map_or_else(|| ALICE.to_owned(), |account| account.address.clone()),
            authority: self.authority.clone(),
            smtp: self.port(Service::Smtp),
            imaps: self.port(Service::Imaps),
            pop3s: self.port(Service::Pop3s),
            http: self.port(Service::Http),
        }
    }

    fn text(&self) -> String {
        let mut text = "Pillarbox runs. Copy this into any mail program:\n\n".to_owned();
        // Writing to a String cannot fail, here and below.
        let mut line = |what: &str, service: Service, security: &str| {
            let port = self.port(service);
            let _infallible = writeln!(text, "  {what:<18} localhost   {port:<6} {security}");
        };
        line("read: IMAP", Service::Imaps, "SSL/TLS");
        line("", Service::Imap, "STARTTLS");
        line("read: POP3", Service::Pop3s, "SSL/TLS");
        line("", Service::Pop3, "STARTTLS");
        line("send: submission", Service::Submissions, "SSL/TLS");
        line("", Service::Submission, "STARTTLS");
        line("receive: SMTP", Service::Smtp, "STARTTLS, no login");
        line("receive: LMTP", Service::Lmtp, "no login");
        text.insert_str(text.find("  read: IMAP").unwrap_or(0), "                     server      port   security\n");
        let (http, https) = (self.port(Service::Http), self.port(Service::Https));
        let _infallible = write!(text, "\nIn a browser: http://127.0.0.1:{http}/ or https://localhost:{https}/\n");
        text.push_str("\n  user                 password\n");
        for TrialAccount { address, password } in &self.accounts {
            let _infallible = writeln!(text, "  {address:<20} {password}");
        }
        if self.accounts.is_empty() {
            let _infallible = writeln!(text, "  yours now: pillarbox account list{}", self.option);
        }
        let _infallible = write!(
            text,
            "\nThe certificate is signed by an own authority; programs ask once, or import\n  {}\n\n\
             Try next, in another terminal:\n\n{}\
             \nMail is kept in {}\nCtrl-C stops the server; `pillarbox try --help` tells more.\n",
            self.authority.display(),
            self.commands(),
            self.data_dir.display()
        );
        text
    }

    /// Three commands: send, read over IMAP, list over POP3.
    fn commands(&self) -> String {
        let curl = format!("curl -sS --cacert {}", quoted(&self.authority));
        let login = |place: usize| match self.accounts.get(place) {
            Some(TrialAccount { address, password }) => (address.clone(), format!("-u {address}:{password}")),
            // curl asks for the password.
            None => (ALICE.to_owned(), format!("-u {ALICE}")),
        };
        let ((alice, as_alice), (bob, as_bob)) = (login(0), login(self.accounts.len().saturating_sub(1)));
        let (send, imap, pop) = (self.port(Service::Submissions), self.port(Service::Imaps), self.port(Service::Pop3s));
        format!(
            "  printf '%s\\r\\n' 'From: {bob}' 'To: {alice}' \\\n    \
             'Subject: Hello' '' 'It works.' |\n  {curl} \\\n    {as_bob} --mail-from {bob} \\\n    \
             --mail-rcpt {alice} -T - smtps://localhost:{send}\n\n  \
             {curl} \\\n    {as_alice} \\\n    \
             'imaps://localhost:{imap}/INBOX' -X 'FETCH 1:* (FLAGS ENVELOPE)'\n\n  \
             {curl} \\\n    {as_alice} pop3s://localhost:{pop}/\n"
        )
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_what_a_mail_program_asks_for() {
        let ports = Service::ALL.into_iter().zip(3001..).collect();
        let account = |address: &str| TrialAccount { address: address.to_owned(), password: "abcd-efgh".to_owned() };
        let guide = Guide {
            ports,
            accounts: vec![account("alice@example.org"), account("bob@example.org")],
            authority: "/da ta/tls/ca.pem".into(),
            data_dir: "/da ta".into(),
            option: String::new(),
        };
        let text = guide.text();
        for part in [
            "read: IMAP         localhost   3006   SSL/TLS",
            "In a browser: http://127.0.0.1:3010/ or https://localhost:3009/",
            "alice@example.org    abcd-efgh",
            "--cacert '/da ta/tls/ca.pem' \\\n    -u bob@example.org:abcd-efgh --mail-from bob@example.org \\\n",
            "smtps://localhost:3003",
            "pop3s://localhost:3008/",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(quoted(Path::new("/it's")), r"'/it'\''s'");
    }
}
