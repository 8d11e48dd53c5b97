//! Mail comes from another server, or from files.

use crate::account::AccountConsole;
use crate::checking::Steps;
use crate::error::Error;
use crate::restoring::contents;
use import::{
    Event, Failure, FileKind, FileOptions, ImapSource, Import, Known, Login, Report, Security, Server, Source,
    SourceError,
};
use serde::{Deserialize, Serialize};
use std::path::Path;
use store::Timestamp;
use store::device::import_name;
use wording::tr;

/// What is to be brought, and from where.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ImportAsk {
    /// `imaps://user@host:port`, or `imap://` for STARTTLS; `maildir:`, `mbox:`, `eml:` or `zip:` before a path from the root on.
    pub from: String,
    /// Whose mail there, where the address does not say it.
    pub user: Option<String>,
    /// Who has the password, if that is another: a master user.
    pub master: Option<String>,
    /// What stands between user and master, where the server wants one name of both.
    pub separator: Option<char>,
    /// The password there.
    pub password: String,
    /// No TLS.
    pub no_tls: bool,
    /// A file with certificates to be trusted.
    pub authority: Option<String>,
    /// Any certificate is taken.
    pub any_certificate: bool,
    /// Folders by name; none: all.
    pub folders: Vec<String>,
    /// The mailbox that a single mbox file goes into, if not one of the file's name; that all folders of `eml:` and `zip:` come below.
    pub into: Option<String>,
    /// How Dovecot made UIDLs, if not as it does by itself; empty: they stay behind.
    pub uidl_format: Option<String>,
    /// Only messages of which the account does not have the octets in any mailbox now.
    pub missing: bool,
}

/// What an import tells as it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportStep {
    /// A folder goes into a mailbox.
    Folder {
        /// Its name there.
        name: String,
        /// The mailbox here.
        mailbox: String,
    },
    /// A folder, or a script that sorts mail, is left out.
    LeftOut {
        /// Its name there.
        name: String,
        /// Why.
        why: String,
    },
    /// Messages of a folder came into another mailbox before, and do not come again.
    Elsewhere {
        /// Its name there.
        name: String,
        /// The mailbox that they came into; none: it is gone.
        mailbox: Option<String>,
        /// How many.
        messages: usize,
    },
    /// So much of a folder is looked through.
    Looked {
        /// Its name there.
        name: String,
        /// Messages.
        done: usize,
        /// All of them.
        total: usize,
    },
    /// A message that does not come, or not with all that it has.
    Refused {
        /// Its folder there.
        folder: String,
        /// What it is found by there.
        message: String,
        /// Why.
        why: String,
    },
    /// The other server broke off, and is asked again.
    Waiting {
        /// What it said.
        why: String,
        /// After so many seconds.
        seconds: u64,
    },
    /// It is done, and durable.
    Done {
        /// The name of the device that stands for it.
        device: String,
        /// Messages that were brought.
        brought: usize,
        /// Messages that an earlier import had brought.
        known: usize,
        /// Of those, with flags that had changed there.
        reflagged: usize,
        /// Messages brought earlier that are not there any more.
        vanished: usize,
        /// Messages that have the UIDL of the other server since now.
        uidls: usize,
        /// Messages that were not brought.
        refused: usize,
        /// Folders looked through.
        folders: usize,
        /// Folders left out.
        left_out: usize,
    },
}

impl ImportAsk {
    fn server(self) -> Result<Server, Error> {
        let mut server = Server::parse(&self.from).map_err(Error::Refused)?;
        let user = self.user.unwrap_or_else(|| server.login.user.clone());
        if user.is_empty() {
            return Err(Error::refused(tr!("Say whose mail it is there: imaps://user@host, or --user.")));
        }
        if self.no_tls {
            if server.security == Security::Tls {
                return Err(Error::refused(tr!("imaps:// is TLS; write imap:// for a connection without it.")));
            }
            server.security = Security::Nothing;
        }
        server.authorities = if self.any_certificate { Some(None) } else { self.authority.map(Some) };
        server.login = Login { user, master: self.master, separator: self.separator, password: self.password };
        Ok(server)
    }
}

impl AccountConsole {
    /// Brings what is new on another server, or in files that this process can read, into this account, as a device of its own. Messages of more than
    /// `message_bytes_max` octets are refused.
    ///
    /// # Errors
    /// The other server will not; faults; `step` fails. What was brought stays, and the next import goes on from there.
    pub fn import(
        &self,
        ask: ImportAsk,
        (now, message_bytes_max): (&dyn Fn() -> Timestamp, u64),
        step: Steps<'_, ImportStep>,
    ) -> Result<(), Error> {
        let folders = ask.folders.clone();
        let here = ask.missing.then(|| contents(&self.account)).transpose()?;
        let known = here.as_ref().map_or(Known::All, Known::OrHere);
        let refused = |error: SourceError| Error::Refused(error.to_string());
        if let Some((kind, path)) = FileKind::parse(&ask.from) {
            let options = FileOptions { into: ask.into, uidl_format: ask.uidl_format, message_bytes_max };
            let mut source = kind.open(Path::new(path), &options).map_err(refused)?;
            let name = import_name(&ask.from);
            return self.bring((&ask.from, &name), &mut *source, (now, message_bytes_max, &folders), (step, known));
        }
        let server = ask.server()?;
        let (origin, name) = (server.source(), import_name(&format!("{} ({})", server.host, server.login.user)));
        let mut source = ImapSource::begin(server, message_bytes_max).map_err(refused)?;
        self.bring((&origin, &name), &mut source, (now, message_bytes_max, &folders), (step, known))
    }

    /// What all imports have in common.
    pub(crate) fn bring(
        &self,
        (origin, name): (&str, &str),
        source: &mut dyn Source,
        (now, message_bytes_max, only): (&dyn Fn() -> Timestamp, u64, &[String]),
        (step, known): (Steps<'_, ImportStep>, Known<'_>),
    ) -> Result<(), Error> {
        let device = self.account.import_device(self.actor, origin, name)?;
        let import = Import { account: &self.account, device, now, message_bytes_max, only, known };
        let report = import.run(source, &mut |event| step(event.into()).map_err(|_| Failure::Unheard));
        let Report { brought, known, reflagged, vanished, uidls, refused, folders, left_out } = report?;
        let device = self.device(device)?.shown_name().to_string();
        step(ImportStep::Done { device, brought, known, reflagged, vanished, uidls, refused, folders, left_out })
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Broken(why) | Failure::Refused(why) => {
                Self::Refused(tr!("{why}. What was brought is here; the same command goes on from there.", why = why))
            }
            Failure::Store(error) => Self::Store(error),
            Failure::Unheard => Self::Unheard,
        }
    }
}

impl From<Event> for ImportStep {
    fn from(event: Event) -> Self {
        match event {
            Event::Folder { name, mailbox } => Self::Folder { name, mailbox },
            Event::LeftOut { name, why } => Self::LeftOut { name, why },
            Event::Elsewhere { name, mailbox, messages } => Self::Elsewhere { name, mailbox, messages },
            Event::Looked { name, done, total } => Self::Looked { name, done, total },
            Event::Refused { folder, message, why } => Self::Refused { folder, message, why },
            Event::Waiting { why, seconds } => Self::Waiting { why, seconds },
        }
    }
}
