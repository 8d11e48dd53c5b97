//! `pillarbox salvage`: what is readable of damaged data, into files.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use console::export_mail;
use serde_json::json;
use server::rebuilding::{Rebuilt, rebuild};

use super::export::Taking;
use super::failure::Failure;
use super::place::Place;
use super::show::{Format, counted};
use super::{Outcome, progress};

/// Write what can be read of damaged data into Maildirs; the data are not touched
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Salvage {
    /// Where to; it must not be there yet, or be empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "\
No server may work on the data; they may be a copy, on a disk that takes nothing, with files damaged or missing. Each
account becomes a Maildir of its address (`account 16` where that is lost too), as `pillarbox export` writes it. Where a
message is damaged, there is one that says so, with what is left of it; what is in no mailbox that is known is in
`Recovered`. `report.txt` has everything that is lost. Meanwhile it takes room for another copy of the databases.
Exit status: 0 nothing is lost, 3 something is.

Examples:
  pillarbox salvage --config /etc/pillarbox.toml --to /mnt/rescue/mail
  pillarbox salvage --data-dir /mnt/old-disk/pillarbox --to /mnt/rescue/mail";

impl Salvage {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let to = &self.to;
        if to.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            let why = format!("{} is not empty; name a directory that is not there yet", to.display());
            return Err(Failure::Refused(why));
        }
        let config = place.load()?;
        if !config.data_dir.is_dir() {
            return Err(Failure::Refused(format!("there is no directory {}", config.data_dir.display())));
        }
        must_lie_elsewhere(to, &config.data_dir)?;
        let work = to.join("work");
        let rebuilt = rebuild(&config, &work, &mut progress).inspect_err(|_| {
            // It may be that nothing was made yet.
            let _rubbish = fs::remove_dir_all(&work);
        })?;
        let (messages, more) = write_all(&rebuilt, to);
        let (losses, accounts) = (told(&rebuilt), rebuilt.accounts.len());
        drop(rebuilt);
        let removed = fs::remove_dir_all(&work).map_err(|error| failed(&work, &error));
        let losses: Vec<String> = losses.into_iter().chain(more).map(|line| on_a_line(&line)).collect();
        report(&to.join("report.txt"), &losses)?;
        removed?;
        let answer = json!({ "messages": messages, "accounts": accounts, "to": to, "lost": losses });
        self.format.show(&answer, |_| {
            let (messages, of) = (counted(messages, "message", "messages"), counted(accounts, "account", "accounts"));
            format!("Wrote {messages} of {of} into {}.\n", to.display())
        })?;
        if losses.is_empty() {
            return Ok(());
        }
        let count = losses.len();
        Err(Failure::Fault(format!(
            "{}, as {} says:\n{}",
            counted(count, "thing is lost", "things are lost"),
            to.join("report.txt").display(),
            losses.join("\n")
        )))
    }
}

/// Refuses a directory inside of the damaged one, by whatever name.
fn must_lie_elsewhere(to: &Path, data: &Path) -> Outcome {
    let failed = |error: std::io::Error| failed(to, &error);
    let to = std::path::absolute(to).map_err(failed)?;
    let there = to.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(&to);
    if there.canonicalize().map_err(failed)?.starts_with(data.canonicalize().map_err(failed)?) {
        return Err(Failure::Refused(format!(
            "{} lies in the damaged directory {}, which is not to be changed; name a directory on another disk",
            to.display(),
            data.display()
        )));
    }
    Ok(())
}

/// What is lost, one after another.
fn told(rebuilt: &Rebuilt) -> Vec<String> {
    let files = rebuilt.files.iter().map(|what| format!("files: {what}"));
    let losses = rebuilt.losses.iter().map(|(whose, loss)| format!("{whose}: {loss}"));
    files.chain(losses).collect()
}

/// What others wrote stays on its line, and moves nothing on a terminal.
fn on_a_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How many messages; what of them could not be written or read. One account hinders no other.
fn write_all(rebuilt: &Rebuilt, to: &Path) -> (usize, Vec<String>) {
    let (mut messages, mut losses) = (0, Vec::new());
    for (at, number) in rebuilt.accounts.iter().enumerate() {
        // An address has no `/`; whatever a damaged directory says, it is one name.
        let name = rebuilt.name(*number);
        let mut dir: String = name.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect();
        if dir.starts_with('.') || to.join(&dir).exists() {
            dir = format!("account {number}");
        }
        match write(rebuilt, at, &to.join(dir), &mut losses) {
            Ok(more) => messages += more,
            Err(failure) => losses.push(format!("{name}: not all of it is written: {}", failure)),
        }
    }
    (messages, losses)
}

/// The mail of one account.
fn write(rebuilt: &Rebuilt, at: usize, dir: &Path, losses: &mut Vec<String>) -> Result<usize, Failure> {
    let account = rebuilt.accounts[at];
    let name = rebuilt.name(account);
    let (mut taking, mut failure) = (Taking::into_maildir(dir)?, None);
    let exported = export_mail(&rebuilt.store.account(account), &mut |step| {
        taking.take(step).map_err(|error| {
            failure = Some(error);
            console::Error::Unheard
        })
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    if let Err(error) = exported {
        losses.push(format!("{name}: not all of it can be read: {error}"));
    }
    let (messages, unreadable, told) = taking.end()?;
    losses.extend(unreadable.into_iter().chain(told).map(|line| format!("{name}: {line}")));
    Ok(messages)
}

fn report(path: &Path, losses: &[String]) -> Outcome {
    let text: String = losses.iter().map(|line| format!("{line}\n")).collect();
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Refused(format!("cannot write {}: {error}", path.display()))
}
