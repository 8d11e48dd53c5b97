//! `pillarbox export`: all mail of an account into files that every other program reads.

mod maildir;

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use console::ExportStep;
use web::Call;

use super::failure::Failure;
use super::place::Place;
use super::{Outcome, progress, say};
use maildir::{Maildir, Message};

/// Write all mail of an account into a Maildir that Dovecot, mutt and others read
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    /// Where to; it must not be there yet, or be empty
    dir: PathBuf,
    /// Whose mail; alice is enough where there is one only
    #[arg(long)]
    account: String,
}

const EXAMPLES: &str = "\
Folders are those of Maildir++ (`.Work.Drafts` beside `cur`); flags stand in the names of files, keywords beside them
as Dovecot has them (26 in a folder), the date of a message is that of its file, subscriptions are in `subscriptions`,
UIDs and the UIDLs of POP programs in `dovecot-uidlist`. `pillarbox import maildir:DIR` brings all of it back, but for
UIDs. Nothing is changed here. The files belong to whoever runs the command;
root's, without a running server, to the user that the server's data belong to.

Examples:
  pillarbox export /backup/alice --account alice";

impl Export {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let mut maildir = Maildir::create(&self.dir)?;
        let (mut total, mut unreadable) = (0, Vec::new());
        let mut take = |step: ExportStep| match step {
            ExportStep::Mailbox { name, subscribed, messages, uid_validity, uid_next } => {
                progress(0, messages, &format!("messages of {name}"));
                total += messages;
                maildir.folder(&name, subscribed, (uid_validity, uid_next))
            }
            ExportStep::Message { uid, id, uidl, flags, at, bytes } => {
                maildir.message(Message { uid, id, uidl, flags, at, bytes })
            }
            ExportStep::Octets { base64 } => {
                let octets = STANDARD.decode(base64);
                let octets = octets.map_err(|error| Failure::Fault(format!("an answer is not understood: {error}")))?;
                maildir.octets(&octets)
            }
            ExportStep::Unreadable { mailbox, uid, why } => {
                unreadable.push(format!("{mailbox}, UID {uid}: {why}"));
                Ok(())
            }
        };
        place.call(&Call::new("POST /api/v1/operator/export").of(&self.account), &mut take)?;
        let done = maildir.end()?;
        say(&format!(
            "Wrote {} messages of {} mailboxes into {}.\n{}",
            done.messages,
            done.folders,
            self.dir.display(),
            done.told.iter().map(|line| format!("  {line}\n")).collect::<String>()
        ));
        if unreadable.is_empty() {
            return Ok(());
        }
        let count = unreadable.len();
        Err(Failure::Fault(format!("{count} of {total} messages cannot be read:\n{}", unreadable.join("\n"))))
    }
}
