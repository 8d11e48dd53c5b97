//! `pillarbox import`: mail comes from another server, or from files.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use console::ImportStep;
use web::Call;

use super::failure::Failure;
use super::place::Place;
use super::show::{Format, counted};
use super::{Outcome, password, progress, say};

/// A file with accounts, or with a password, is at most so long.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bring mail from another server or from files, again and again until you switch; nothing is changed there
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    #[command(flatten)]
    format: Format,
    /// Where the mail is: imaps://user@host (imap:// for STARTTLS), maildir:DIR, mbox:PATH, eml:PATH, zip:FILE
    from: String,
    /// Whose mailbox it comes into; alice is enough where there is one only
    #[arg(long, required_unless_present = "csv", conflicts_with = "csv")]
    account: Option<String>,
    /// Whose mail it is there, if not as in the address
    #[arg(long, conflicts_with = "csv")]
    user: Option<String>,
    /// Many accounts: on each line `account here,user there`, and without --master `,password`
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// A file whose first line is the password there; without it: asked for, or standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The password is that of a master user of the other server
    #[arg(long, value_name = "USER")]
    master: Option<String>,
    /// The other server wants user and master user as one name, with this between them (Dovecot: *)
    #[arg(long, value_name = "CHARACTER", requires = "master")]
    separator: Option<char>,
    /// Only this folder there; may stand several times
    #[arg(long, value_name = "NAME")]
    folder: Vec<String>,
    /// The mailbox that a single mbox file goes into; of eml: and zip: the one above all
    #[arg(long, value_name = "MAILBOX")]
    into: Option<String>,
    /// How Dovecot made the UIDLs of a Maildir [default: %08Xu%08Xv]; none: they stay behind
    #[arg(long, value_name = "FORMAT")]
    uidl_format: Option<String>,
    /// Only messages that the account does not have now in any mailbox, octet by octet
    #[arg(long)]
    missing: bool,
    /// Trust these certificates (PEM) instead of those of the system
    #[arg(long, value_name = "FILE", conflicts_with = "any_certificate")]
    authority: Option<PathBuf>,
    /// Trust any certificate: whoever is on the way can read the password and all mail
    #[arg(long)]
    any_certificate: bool,
    /// No TLS: whoever is on the way reads the password and all mail
    #[arg(long, conflicts_with_all = ["authority", "any_certificate"])]
    no_tls: bool,
}

const EXAMPLES: &str = "\
Folders, flags, keywords, dates and subscriptions come along; folders for sent mail, drafts, junk and the like go
where they are here. Run it again whenever you like, until you switch: what is new there comes, flags that changed
there change here; what was removed there stays here. A run that broke off goes on where it stopped, and no message
comes twice.

Files are read by the server where one runs, as the user that it runs as; without one, by this command. A message is
known by the name of its file (Maildir) or by its content (mbox, eml, zip). A directory of .eml files is a folder, in a
zip archive too. docs/migration.md says what comes along of which program's files.

Each source is a device of the account: the timeline tells what it brought, and `pillarbox undo` takes it back. To bring
everything once more, revoke that device first.

Examples:
  pillarbox import imaps://alice@old.example.org --account alice --password-file alice.secret
  pillarbox import imap://old.example.org --user alice --account alice --master root --separator '*'
  pillarbox import imaps://old.example.org --master root --csv accounts.csv --password-file master.secret
  pillarbox import maildir:/old/alice/Maildir --account alice
  pillarbox import mbox:/old/alice/mail --account alice
  pillarbox import mbox:/var/mail/alice --into INBOX --account alice
  pillarbox import zip:/old/alice/export.zip --account alice
  pillarbox import maildir:/mnt/rescue/mail/alice@example.org --account alice --missing
  pillarbox undo --account alice --device \"Import from old.example.org (alice)\" --since 2026-11-01";

/// A mailbox to be filled.
#[derive(Debug, PartialEq, Eq)]
struct Move {
    account: String,
    user: Option<String>,
    password: Option<String>,
}

impl Import {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let is_in_files = files(&self.from).is_some();
        if is_in_files && self.csv.is_some() {
            return Err(Failure::Usage(
                "--csv is for accounts on another server; bring files account by account".to_owned(),
            ));
        }
        let moves = match (&self.csv, &self.account) {
            (Some(file), _) => moves(&text_of(file)?, self.master.is_some())
                .map_err(|why| Failure::Refused(format!("{}, {why}", file.display())))?,
            (None, account) => {
                let account = account.clone().unwrap_or_default();
                vec![Move { account, user: self.user.clone(), password: None }]
            }
        };
        let password = match (moves.iter().any(|one| one.password.is_none()), &self.password_file) {
            (false, _) => String::new(),
            (true, _) if is_in_files => String::new(),
            (true, Some(file)) => text_of(file)?.lines().next().unwrap_or_default().to_owned(),
            (true, None) => password::known("Password of the other server: ")?,
        };
        let (count, mut failed) = (moves.len(), Vec::new());
        for one in moves {
            let account = one.account.clone();
            if count > 1 {
                say(&self.title(&account));
            }
            match self.bring(place, one, &password) {
                Err(Failure::Refused(why)) if count > 1 => failed.push(format!("{account}: {why}")),
                outcome => outcome?,
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failure::Refused(format!(
            "{} of {} not done:\n{}",
            failed.len(),
            counted(count, "account is", "accounts are"),
            failed.join("\n")
        )))
    }

    fn title(&self, account: &str) -> String {
        if self.format.json { String::new() } else { format!("{account}:\n") }
    }

    fn bring(&self, place: &Place, one: Move, password: &str) -> Outcome {
        let authority = self.authority.as_deref().map(absolute).transpose()?;
        // The server has another working directory.
        let from = match files(&self.from) {
            Some((kind, path)) => format!("{kind}:{}", absolute(Path::new(path))?),
            None => self.from.clone(),
        };
        let call = Call::new("POST /api/v1/operator/import").of(one.account).with("from", from);
        let uidl_format = self.uidl_format.as_deref().map(|format| if format == "none" { "" } else { format });
        let call = call.with("missing", self.missing).with("into", self.into.clone()).with("uidl_format", uidl_format);
        let call = call.with("user", one.user).with("master", self.master.clone());
        let call = call.with("separator", self.separator.map(String::from)).with("folders", self.folder.join("\n"));
        let call = call.with("password", one.password.unwrap_or_else(|| password.to_owned()));
        let call = call.with("authority", authority).with("any_certificate", self.any_certificate);
        let mut step = |step: ImportStep| match &step {
            ImportStep::Looked { name, done, total } if !self.format.json => {
                progress(*done, *total, &format!("messages of {name}"));
                Ok(())
            }
            _ => self.format.show(&step, text),
        };
        place.call(&call.with("no_tls", self.no_tls), &mut step)
    }
}

/// What kind of files, and where they are.
fn files(from: &str) -> Option<(&str, &str)> {
    from.split_once(':').filter(|(kind, _)| matches!(*kind, "maildir" | "mbox" | "eml" | "zip"))
}

/// What is told of a step.
pub(super) fn text(step: &ImportStep) -> String {
    match step {
        ImportStep::Folder { name, mailbox } if name == mailbox => format!("{name}\n"),
        ImportStep::Folder { name, mailbox } => format!("{name} goes into {mailbox}\n"),
        ImportStep::LeftOut { name, why } => format!("{name} is left out: {why}\n"),
        ImportStep::Elsewhere { name, mailbox, messages: count } => {
            let count = messages(*count);
            let place = mailbox.as_ref().map_or_else(|| "a mailbox that is gone".to_owned(), |mailbox| mailbox.clone());
            format!(
                "  {name}: {count} came into {place} before and do not come again; move them, or revoke the device of this import \
                 (`pillarbox device revoke`) to have all of it brought once more\n"
            )
        }
        ImportStep::Looked { .. } => String::new(),
        ImportStep::Refused { folder, message, why } => format!("  {folder}, {message}: {why}\n"),
        ImportStep::Waiting { why, seconds } => format!("  {why}; once more in {seconds} s\n"),
        ImportStep::Done { device, brought, known, reflagged, vanished, uidls, refused, folders, left_out } => {
            let mut text = format!(
                "Brought {} of {}, as the device {device:?}.\n",
                messages(*brought),
                counted(*folders, "folder", "folders")
            );
            for (count, words) in [
                (known, "here already"),
                (reflagged, "of them now with the flags that they have there"),
                (vanished, "brought earlier and not there any more: they stay here"),
                (uidls, "with the UIDL that POP programs know them by"),
                (refused, "that did not come: see above"),
            ] {
                if *count > 0 {
                    text.push_str(&format!("  {} {words}\n", messages(*count)));
                }
            }
            if *left_out > 0 {
                text.push_str(&format!("  {} left out: see above\n", counted(*left_out, "folder", "folders")));
            }
            text
        }
    }
}

fn messages(count: usize) -> String {
    counted(count, "message", "messages")
}

/// The server has another working directory.
pub(super) fn absolute(path: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::Refused(format!("no such place: {error}")))?;
    let text = path.to_str().ok_or_else(|| Failure::Refused(format!("{} is no UTF-8", path.display())))?;
    Ok(text.to_owned())
}

fn text_of(file: &Path) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| Failure::Refused(format!("cannot read {}: {error}", file.display()));
    if fs::metadata(file).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(Failure::Refused(format!("{} is longer than such a file can be", file.display())));
    }
    fs::read_to_string(file).map_err(unreadable)
}

/// The accounts of a file (RFC 4180): account, user, and a password unless a master user has it.
fn moves(text: &str, has_master: bool) -> Result<Vec<Move>, String> {
    let without = "the account here and the user there, with a comma between them";
    let with = "the account here, the user there and the password there, with commas between them";
    let expected = if has_master { without } else { with };
    let mut moves = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut fields = fields(line).unwrap_or_default().into_iter();
        let (account, user, password) = (fields.next(), fields.next(), fields.next());
        let (Some(account), Some(user), None) = (account, user, fields.next()) else {
            return Err(format!("line {}: expected {expected}", at + 1));
        };
        if password.is_some() == has_master || account.is_empty() || user.is_empty() {
            return Err(format!("line {}: expected {expected}", at + 1));
        }
        moves.push(Move { account, user: Some(user), password });
    }
    if moves.is_empty() { Err("there is no account in it".to_owned()) } else { Ok(moves) }
}

/// RFC 4180 §2: fields between commas; one in quotes may have commas, and a quote that is doubled. `None`: a quote has no end.
fn fields(line: &str) -> Option<Vec<String>> {
    let (mut fields, mut field, mut in_quotes) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if in_quotes && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if in_quotes || field.is_empty() => in_quotes = !in_quotes,
            ',' if !in_quotes => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    (!in_quotes).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_come_from_a_file() {
        let one = |account: &str, user: &str, password: Option<&str>| Move {
            account: account.to_owned(),
            user: Some(user.to_owned()),
            password: password.map(str::to_owned),
        };
        let text = "alice,al,\"a,b\"\"c\"\r\n\nbob@example.org,bob, x\n";
        assert_eq!(
            moves(text, false),
            Ok(vec![one("alice", "al", Some("a,b\"c")), one("bob@example.org", "bob", Some(" x"))])
        );
        assert_eq!(moves("alice,al", true), Ok(vec![one("alice", "al", None)]));
        for (text, has_master) in
            [("", true), ("alice", true), ("a,b,c", true), ("a,b", false), ("a,\"b", true), (",b", true)]
        {
            assert!(moves(text, has_master).is_err(), "{text}");
        }
        assert!(matches!(moves("a,b\nc", true), Err(why) if why.starts_with("line 2")));
    }

    #[test]
    fn what_was_brought_is_told_in_words() {
        let done = ImportStep::Done {
            device: "Import".to_owned(),
            brought: 1,
            known: 20,
            reflagged: 0,
            vanished: 0,
            uidls: 0,
            refused: 2,
            folders: 3,
            left_out: 0,
        };
        let expected = "Brought 1 message of 3 folders, as the device \"Import\".\n  20 messages here already\n  \
                        2 messages that did not come: see above\n";
        assert_eq!(text(&done), expected);
    }
}
