//! `pillarbox repair`: a new data directory of what is sound of a damaged one.

use std::env;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use clap::Args;
use server::repairing::{Repaired, look, repair};

use super::failure::Failure;
use super::place::Place;
use super::{Outcome, progress, say};

/// Make a new data directory of what is sound of a damaged one, which is not touched
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Repair {
    /// The new data directory; without it, only tell what would be lost
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

const EXAMPLES: &str = "\
No server may work on the data. Call it without --to first: it tells each message that would be lost, and makes nothing (but
for a while it needs room for up to twice the databases in $TMPDIR). With --to it makes a data directory beside the
damaged one, with all accounts, mailboxes and messages that are sound, indexes made anew, and a message in place of each that
is lost. That needs room for everything once more. `report.txt` in it names what is lost; damaged large messages are kept in
`damaged`. All of it is read again and compared before it is said to be ready; no server starts with what is not, and the
same call begins anew. It is refused where mail is in PostgreSQL or a bucket, where something cannot be read (that is not
lost for sure: copy it to a sound disk first), and where who has an account is lost too: then there is `pillarbox salvage`,
or a backup.
Exit status: 0 nothing is lost, 3 something is, 1 nothing was made.

Examples:
  pillarbox repair --config /etc/pillarbox.toml
  pillarbox repair --config /etc/pillarbox.toml --to /var/lib/pillarbox.new";

/// So much of what is lost is shown, where a file has all of it.
const SHOWN_MAX: usize = 20;

impl Repair {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let config = place.load()?;
        match self.to {
            None => {
                let work = Work::new()?;
                let repaired = look(&config, &work.0, &mut progress)?;
                drop(work);
                told(&repaired, None)
            }
            Some(to) => {
                let repaired = repair(&config, &to, &mut progress)?;
                let to = std::path::absolute(&to).unwrap_or(to);
                told(&repaired, Some((&to, place)))
            }
        }
    }
}

/// A directory for what is needed meanwhile.
struct Work(PathBuf);

impl Work {
    /// Nobody else has it, nor may read it.
    fn new() -> Result<Self, Failure> {
        let mut number = 0;
        loop {
            let path = env::temp_dir().join(format!("pillarbox-repair-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Failure::Refused(format!("cannot make {}: {error}", path.display()))),
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _rubbish = fs::remove_dir_all(&self.0);
    }
}

fn told(repaired: &Repaired, made: Option<(&Path, &Place)>) -> Outcome {
    let Repaired { accounts, messages, losses, data } = repaired;
    let shown = if made.is_some() { SHOWN_MAX } else { losses.len() };
    for line in losses.iter().take(shown) {
        say(&format!("{line}\n"));
    }
    if losses.len() > shown {
        say(&format!("and {} more\n", losses.len() - shown));
    }
    let Some((to, place)) = made else {
        say(&format!(
            "It would have {accounts} accounts with {messages} messages. Nothing was made; --to DIR makes a new data directory.\n"
        ));
        return lost(losses, "would be lost");
    };
    let (to, data, report) = (to.display(), data.display(), to.join("report.txt"));
    let old = (0..).map(|n| format!("{data}.damaged{}", if n == 0 { String::new() } else { n.to_string() }));
    let old = old.into_iter().find(|old| !Path::new(old).exists()).unwrap_or_default();
    let check = match &place.config {
        Some(file) => format!("pillarbox check --bodies --config {}", quoted(&file.display().to_string())),
        None => format!("pillarbox check --bodies --data-dir {}", quoted(&data.to_string())),
    };
    say(&format!(
        "{to} is ready: {accounts} accounts with {messages} messages. {data} is as it was.\n\
         Look at {}. While no server runs, put the new directory in place:\n  mv {} {}\n  mv {} {}\n  {check}\n\
         Start the server, and keep {old} until nobody misses anything. The next backup copies everything, and a standby begins anew.\n",
        report.display(),
        quoted(&data.to_string()),
        quoted(&old),
        quoted(&to.to_string()),
        quoted(&data.to_string()),
    ));
    lost(losses, "are lost or may be, as the report says")
}

fn lost(losses: &[String], how: &str) -> Outcome {
    match losses.len() {
        0 => Ok(()),
        count => Err(Failure::Fault(format!("{count} things {how}"))),
    }
}

/// For a shell.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,:=".contains(c);
    match path.chars().all(is_plain) && !path.is_empty() {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}
