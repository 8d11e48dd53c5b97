//! `pillarbox export`: all mail of an account into files that every other program reads.

mod eml;
mod form;
mod maildir;
mod mbox;
mod names;
mod table;

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use console::ExportStep;
use serde_json::json;
use web::Call;

use super::failure::Failure;
use super::place::Place;
use super::show::{Format, counted};
use super::{Outcome, progress};
use eml::Eml;
use form::{Form, Gathered, Mailbox, Message};
use maildir::Maildir;
use mbox::Mbox;

/// So often it is told how far it is: after so many messages.
const TOLD_EACH: usize = 100;

/// Write all mail of an account into files: a Maildir, mbox, or .eml files, also in a zip
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    /// Where to: a directory that is not there yet, or is empty; with --format zip a file that is not there
    to: PathBuf,
    /// Whose mail; alice is enough where there is one only
    #[arg(long)]
    account: String,
    /// What is written
    #[arg(long, value_enum, default_value_t = Written::Maildir)]
    format: Written,
    #[command(flatten)]
    shown: Format,
}

/// The forms that mail is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Written {
    /// For another server: a Maildir as Dovecot has it, with UIDs and the UIDLs of POP programs
    Maildir,
    /// For mail programs: a file for each mailbox (mboxrd), flags in X-Status and the like, UIDs in X-UID
    Mbox,
    /// For people and archives: a file for each message, octet for octet, with tables of flags and dates
    Eml,
    /// The same in one zip archive
    Zip,
}

const EXAMPLES: &str = "\
Of a Maildir, folders are those of Maildir++ (`.Work.Drafts` beside `cur`); flags stand in the names of files, keywords
beside them as Dovecot has them (26 in a folder), the date of a message is that of its file, subscriptions are in
`subscriptions`, UIDs and the UIDLs of POP programs in `dovecot-uidlist`. In the other forms `mailboxes.csv` says which
mailbox is where, and of eml and zip `messages.csv` in each directory the flags, dates and UIDLs. `pillarbox import`
brings all of it back (maildir:DIR, mbox:DIR, eml:DIR, zip:FILE), but for UIDs and the UIDLs that the server gave; mbox
has no UIDLs, and the system's line ends; a Maildir has other names where there is a dot. Nothing is changed here. The
files belong to whoever runs the command; root's, without a running server, to the user that the server's data belong to.

Examples:
  pillarbox export /backup/alice --account alice
  pillarbox export alice.zip --account alice --format zip --json";

impl Export {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let mut taking = Taking::of(self.format.begin(&self.to)?);
        let mut take = |step: ExportStep| taking.take(step);
        place.call(&Call::new("POST /api/v1/operator/export").of(&self.account), &mut take)?;
        let (total, unreadable, done) = (taking.total, taking.unreadable, taking.form.end()?);
        let answer = json!({
            "messages": done.messages,
            "mailboxes": done.folders,
            "to": self.to,
            "told": done.told,
            "unreadable": unreadable,
        });
        self.shown.show(&answer, |_| {
            let told: String = done.told.iter().map(|line| format!("  {line}\n")).collect();
            let messages = counted(done.messages, "message", "messages");
            let folders = counted(done.folders, "mailbox", "mailboxes");
            format!("Wrote {messages} of {folders} into {}.\n{told}", self.to.display())
        })?;
        if unreadable.is_empty() {
            return Ok(());
        }
        let count = unreadable.len();
        Err(Failure::Fault(format!(
            "{count} of {} cannot be read:\n{}",
            counted(total, "message", "messages"),
            unreadable.join("\n")
        )))
    }
}

/// Takes the mail of an account as it comes, and writes it.
pub(super) struct Taking {
    form: Box<dyn Form>,
    total: usize,
    unreadable: Vec<String>,
    /// Of the mailbox that comes: its name, its messages, and how many have come.
    under_way: (String, usize, usize),
}

impl Taking {
    /// Into a directory that is not there yet, or is empty.
    pub(super) fn into_maildir(to: &Path) -> Result<Self, Failure> {
        Ok(Self::of(Box::new(Maildir::create(to)?)))
    }

    fn of(form: Box<dyn Form>) -> Self {
        Self { form, total: 0, unreadable: Vec::new(), under_way: Default::default() }
    }

    pub(super) fn take(&mut self, step: ExportStep) -> Outcome {
        match step {
            ExportStep::Mailbox { name, subscribed, messages, uid_validity, uid_next, keywords } => {
                progress(0, messages, &format!("messages of {name}"));
                self.total += messages;
                self.under_way = (name.clone(), messages, 0);
                self.form.mailbox(Mailbox { name, is_subscribed: subscribed, uid_validity, uid_next, keywords })
            }
            ExportStep::Message { uid, id, uidl, flags, at, bytes } => {
                let (name, messages, done) = &mut self.under_way;
                *done += 1;
                if done.is_multiple_of(TOLD_EACH) {
                    progress(*done, *messages, &format!("messages of {name}"));
                }
                self.form.message(Message { uid, id, uidl, flags, at, bytes })
            }
            ExportStep::Octets { base64 } => {
                let octets = STANDARD.decode(base64);
                let octets = octets.map_err(|error| Failure::Fault(format!("an answer is not understood: {error}")))?;
                self.form.octets(&octets)
            }
            ExportStep::Unreadable { mailbox, uid, why } => {
                self.unreadable.push(format!("{mailbox}, UID {uid}: {why}"));
                Ok(())
            }
        }
    }

    /// How many messages were written; what could not be read; what is otherwise than in the account.
    pub(super) fn end(self) -> Result<(usize, Vec<String>, Vec<String>), Failure> {
        let done = self.form.end()?;
        Ok((done.messages, self.unreadable, done.told))
    }
}

impl Written {
    fn begin(self, to: &Path) -> Result<Box<dyn Form>, Failure> {
        Ok(match self {
            Self::Maildir => Box::new(Maildir::create(to)?),
            Self::Mbox => Box::new(Gathered::into(Mbox::create(to)?)),
            Self::Eml => Box::new(Gathered::into(Eml::files(to)?)),
            Self::Zip => Box::new(Gathered::into(Eml::archive(to)?)),
        })
    }
}
