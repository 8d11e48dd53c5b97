//! `pillarbox import-uidl`: POP programs go on where they stopped at another server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use console::{KeptUidl, MessageMark, UIDLS_MAX, UidlResult, mark_of};
use uidl_import::{Format, Found, Here, Kept, Mark, Matches, match_up};
use web::Call;

use super::failure::Failure;
use super::place::Place;
use super::show::counted;
use super::{Outcome, progress, say};

/// A file of another server is at most this long.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// So many UIDLs are named of those that need a look.
const NAMED_MAX: usize = 5;

/// Keep the UIDLs of another server, so that no POP program downloads twice
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("from").required(true).args(["dovecot", "courier", "cyrus", "list"]))]
pub(super) struct ImportUidl {
    /// Whose mail; alice is enough where there is one only
    #[arg(long)]
    account: String,
    /// A Maildir of Dovecot, with its dovecot-uidlist
    #[arg(long, value_name = "DIR")]
    dovecot: Option<PathBuf>,
    /// A Maildir of Courier, with its courierpop3dsizelist
    #[arg(long, value_name = "DIR")]
    courier: Option<PathBuf>,
    /// A mailbox directory of Cyrus, with files such as `17.`
    #[arg(long, value_name = "DIR", requires = "uidvalidity")]
    cyrus: Option<PathBuf>,
    /// The UIDVALIDITY of the mailbox at Cyrus
    #[arg(long, value_name = "NUMBER", requires = "cyrus")]
    uidvalidity: Option<u32>,
    /// A list: on each line a UIDL, a tab and the Message-ID
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// How the old server made UIDLs: %u the UID, %v the UIDVALIDITY, %f the file's name
    #[arg(long, conflicts_with_all = ["courier", "list"])]
    format: Option<Format>,
    /// Only tell what would happen
    #[arg(long)]
    dry_run: bool,
}

const EXAMPLES: &str = "\
A POP program remembers messages by their UIDL. Bring the mail here first (`pillarbox import`), then give the
messages the UIDLs that the old server gave them, before a POP program logs in. A message is found by its content, or else by
its Message-ID where that is unique. A UIDL stays for ever, wherever the message goes. What is not sure is not done but told;
the command can be repeated.

Without --format Dovecot's is %08Xu%08Xv (pop3_uidl_format), that of Cyrus %v.%u. The list is for any other server: a UIDL, a
tab, the Message-ID, as UIDL and TOP of its POP service tell them.

Examples:
  pillarbox import-uidl --account alice --dovecot /old/alice/Maildir --dry-run
  pillarbox import-uidl --account alice --courier /old/alice/Maildir
  pillarbox import-uidl --account alice --cyrus /var/spool/cyrus/mail/user/alice --uidvalidity 1272179246
  pillarbox import-uidl --account alice --list alice.uidls";

impl ImportUidl {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let (found, without_file) = self.found()?;
        let here = here(place, &self.account)?;
        let matches = match_up(&found, &here);
        let pairs: Vec<(String, String)> = matches.by_content.iter().chain(&matches.by_message_id).cloned().collect();
        let mut kept = Vec::new();
        for uidls in pairs.chunks(UIDLS_MAX) {
            let lines: String = uidls.iter().map(|(id, uidl)| format!("{id}\t{uidl}\n")).collect();
            let call = Call::new("POST /api/v1/operator/uidls").of(&self.account).with("uidls", lines);
            kept.extend(place.all::<KeptUidl>(&call.with("dry_run", self.dry_run))?);
            progress(kept.len(), pairs.len(), "UIDLs");
        }
        say(&report(&matches, &without_file, &kept, self.dry_run));
        Ok(())
    }

    /// The messages of the old server, and the UIDLs of those whose file is not there.
    fn found(&self) -> Result<(Vec<Found>, Vec<String>), Failure> {
        let format = |usual: Format| self.format.clone().unwrap_or(usual);
        if let Some(dir) = &self.dovecot {
            let file = dir.join("dovecot-uidlist");
            let kept = uidl_import::dovecot(&text_of(&file)?, &format(Format::dovecot()))
                .map_err(|bad| refused(&file, &bad))?;
            return with_files(kept, &[dir.join("cur"), dir.join("new")]);
        }
        if let Some(dir) = &self.courier {
            let file = dir.join("courierpop3dsizelist");
            let kept = uidl_import::courier(&text_of(&file)?).map_err(|bad| refused(&file, &bad))?;
            return with_files(kept, &[dir.join("cur"), dir.join("new")]);
        }
        if let Some(dir) = &self.cyrus {
            let kept = cyrus(dir, self.uidvalidity.unwrap_or_default(), &format(Format::cyrus()))?;
            return with_files(kept, std::slice::from_ref(dir));
        }
        let file = self.list.clone().unwrap_or_default();
        let listed = uidl_import::list(&text_of(&file)?).map_err(|bad| refused(&file, &bad))?;
        let found = listed.into_iter().map(|listed| {
            let mark = Mark { content: String::new(), message_id: listed.message_id };
            Found { uidl: listed.uidl, mark }
        });
        Ok((found.collect(), Vec::new()))
    }
}

/// The messages here.
fn here(place: &Place, account: &str) -> Result<Vec<Here>, Failure> {
    let mut here = Vec::new();
    let mut take = |MessageMark { id, content, message_id }| {
        here.push(Here { id, mark: Mark { content, message_id } });
        Ok(())
    };
    place.call(&Call::new("GET /api/v1/operator/messages").of(account), &mut take)?;
    Ok(here)
}

fn text_of(file: &Path) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| Failure::Refused(format!("cannot read {}: {error}", file.display()));
    if fs::metadata(file).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(Failure::Refused(format!("{} is longer than such a file can be", file.display())));
    }
    Ok(String::from_utf8_lossy(&fs::read(file).map_err(unreadable)?).into_owned())
}

fn refused(file: &Path, bad: &uidl_import::BadLine) -> Failure {
    Failure::Refused(format!("{}: {bad}", file.display()))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| Failure::Refused(format!("cannot read {}: {error}", dir.display()));
    let entries = fs::read_dir(dir).map_err(unreadable)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(unreadable)).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Cyrus keeps message 17 in the file `17.`.
fn cyrus(dir: &Path, uid_validity: u32, format: &Format) -> Result<Vec<Kept>, Failure> {
    let mut uids: Vec<u32> = Vec::new();
    for path in entries(dir)? {
        uids.extend(name_of(&path).strip_suffix('.').and_then(|uid| uid.parse::<u32>().ok()));
    }
    uids.sort_unstable();
    let kept = |uid: u32| {
        let file = format!("{uid}.");
        Kept { uidl: format.uidl(uid, uid_validity, &file), file }
    };
    Ok(uids.into_iter().map(kept).collect())
}

/// Reads the file of each message.
fn with_files(kept: Vec<Kept>, dirs: &[PathBuf]) -> Result<(Vec<Found>, Vec<String>), Failure> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for dir in dirs {
        files.extend(entries(dir)?.into_iter().map(|path| (uidl_import::file_base(&name_of(&path)).to_owned(), path)));
    }
    let (mut found, mut without_file) = (Vec::new(), Vec::new());
    for Kept { file, uidl } in kept {
        match files.get(&file).map(fs::read) {
            Some(Ok(octets)) => found.push(Found { uidl, mark: mark_of(&octets) }),
            Some(Err(error)) => return Err(Failure::Refused(format!("cannot read the file {file}: {error}"))),
            None => without_file.push(uidl),
        }
    }
    Ok((found, without_file))
}

/// What was matched, what became of it, and what needs a look.
fn report(matches: &Matches, without_file: &[String], kept: &[KeptUidl], dry_run: bool) -> String {
    let Matches { by_content, by_message_id, missing, ambiguous, doubled } = matches;
    let mut text = format!(
        "Found here: {} by content, {} by Message-ID.\n",
        messages(by_content.len()),
        messages(by_message_id.len())
    );
    for (outcome, words) in RESULTS {
        let of: Vec<&str> = kept.iter().filter(|kept| kept.outcome == outcome).map(|kept| kept.uidl.as_str()).collect();
        match outcome {
            UidlResult::Kept if dry_run => text.push_str(&line("would have the UIDL of the old server", of.len(), &[])),
            UidlResult::Kept | UidlResult::Same => text.push_str(&line(words, of.len(), &[])),
            UidlResult::Invalid
            | UidlResult::InUse
            | UidlResult::HasAnother
            | UidlResult::Downloaded
            | UidlResult::NoMessage => text.push_str(&line(words, of.len(), &of)),
        }
    }
    for (uidls, words) in [
        (missing.as_slice(), "of the old server: not here"),
        (ambiguous, "not told apart by Message-ID: left alone"),
        (doubled, "with a UIDL that the old server gave twice: left alone"),
        (without_file, "in the list of the old server without a file"),
    ] {
        let named: Vec<&str> = uidls.iter().map(String::as_str).collect();
        text.push_str(&line(words, named.len(), &named));
    }
    text
}

const RESULTS: [(UidlResult, &str); 7] = [
    (UidlResult::Kept, "now with the UIDL of the old server"),
    (UidlResult::Same, "with it already"),
    (UidlResult::HasAnother, "with another one, which stays"),
    (UidlResult::InUse, "without it: another message has it"),
    (UidlResult::Downloaded, "known to a POP device by another one already: left alone"),
    (UidlResult::Invalid, "with a UIDL that POP3 does not allow: left alone"),
    (UidlResult::NoMessage, "gone meanwhile"),
];

/// How many, and some of those that need a look. Nothing where there are none.
fn line(words: &str, count: usize, named: &[&str]) -> String {
    if count == 0 {
        return String::new();
    }
    let more = if named.len() > NAMED_MAX { ", ..." } else { "" };
    let shown = named.get(..NAMED_MAX.min(named.len())).unwrap_or_default().join(", ");
    let names = if named.is_empty() { String::new() } else { format!(" ({shown}{more})") };
    format!("  {} {words}{names}\n", messages(count))
}

fn messages(count: usize) -> String {
    counted(count, "message", "messages")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_look_is_named() {
        let uidl = |n: usize, outcome| KeptUidl { id: "M".to_owned(), uidl: n.to_string(), outcome };
        let kept: Vec<KeptUidl> = (0..7)
            .map(|n| uidl(n, UidlResult::InUse))
            .chain([uidl(7, UidlResult::Kept), uidl(8, UidlResult::Same)])
            .collect();
        let matches = Matches { missing: vec!["x".to_owned()], ..Matches::default() };
        let expected = "Found here: 0 messages by content, 0 messages by Message-ID.\n  \
                        1 message now with the UIDL of the old server\n  1 message with it already\n  \
                        7 messages without it: another message has it (0, 1, 2, 3, 4, ...)\n  \
                        1 message of the old server: not here (x)\n";
        assert_eq!(report(&matches, &[], &kept, false), expected);
    }
}
