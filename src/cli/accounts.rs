//! Of `pillarbox account`, what is done with many: the list, and accounts from a list.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};

use clap::Args;
use console::{AccountLine, AccountsPage, BulkAnswer, BulkLine, bulk_parts};
use web::Call;

use super::failure::Failure;
use super::passwd_file::{LINES_BEFORE, Said, as_list};
use super::place::Place;
use super::show::{Format, bytes, counted, or_dash, table};
use super::{Outcome, progress, say};

/// So many accounts are asked for at once.
const PER_PAGE: u32 = 500;
/// So many accounts of a list are made at once: they share commits.
const PER_PART: usize = 100;
/// A list is at most this long.
const LIST_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(super) const IMPORT_HELP: &str = "\
The columns are address, name, password or hash, quota, aliases; commas, semicolons or tabs stand between them:

  address,name,hash,quota,aliases
  alice@example.org,Alice,{SHA512-CRYPT}$6$...,5GB,info@example.org sales@example.org
  bob@example.org,Bob,{BLF-CRYPT}$2y$...,,

With --passwd-file it is what Dovecot has: user:{SCHEME}hash:uid:gid:name:home:shell:fields, of which the quota (userdb_quota_rule,
userdb_quota_storage_size) comes along. Whom Dovecot keeps out (nologin, allow_nets, proxy, host) is refused: here the old password
would let them in from everywhere.

A hash is what Dovecot has it as (BLF-CRYPT, SHA512-CRYPT, SHA256-CRYPT, ARGON2I, ARGON2ID, SSHA, SSHA256, SSHA512, PBKDF2) or
crypt(3): the password stays, and is hashed anew when its owner logs in. A line is done as a whole or not at all, and is told
when it is not. The list can be given again: accounts that are there stay as they are.";

pub(super) fn list(
    place: &Place,
    format: Format,
    search: &str,
    mut after: Option<String>,
    limit: Option<u32>,
) -> Outcome {
    let (mut rows, mut left) = (Vec::new(), limit.unwrap_or(u32::MAX));
    while left > 0 {
        let call = Call::new("GET /api/v1/admin/accounts").with("search", search).with("after", after);
        let Some(page) = place.all::<AccountsPage>(&call.with("limit", left.min(PER_PAGE)))?.pop() else { break };
        for account in &page.accounts {
            if format.json {
                format.show(account, |_| String::new())?;
            } else {
                rows.push(row(account));
            }
        }
        left = left.saturating_sub(u32::try_from(page.accounts.len()).unwrap_or(u32::MAX));
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    if !format.json {
        let none = match search {
            "" => "There are no accounts; `pillarbox account add` makes one.",
            _ => "No account has that in its address or name.",
        };
        say(&table(["ADDRESS", "NAME", "LOGIN", "LAST SEEN", "USED", "QUOTA", "CREATED"], &rows, none));
    }
    Ok(())
}

fn row(account: &AccountLine) -> [String; 7] {
    let login = match (&account.damage, account.disabled) {
        (Some(_), _) => "DAMAGED",
        (None, true) => "no",
        (None, false) => "yes",
    };
    let quota = or_dash(account.quota_bytes.map(bytes).as_deref());
    let (name, used, seen) =
        (or_dash(Some(&account.name)), bytes(account.used_bytes), or_dash(account.last_seen_at.as_deref()));
    [account.address.clone(), name, login.to_owned(), seen, used, quota, account.created_at.clone()]
}

/// A list of accounts.
#[derive(Debug, Args)]
pub(super) struct List {
    /// The list; - is what comes in at standard input
    file: PathBuf,
    /// It is a passwd-file of Dovecot
    #[arg(long)]
    passwd_file: bool,
    /// The domain of users of a passwd-file that have none
    #[arg(long, requires = "passwd_file")]
    domain: Option<String>,
    /// Only tell what would happen
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn import(place: &Place, format: Format, list: &List) -> Outcome {
    let List { file, dry_run, .. } = list;
    let (file, dry_run) = (file.as_path(), *dry_run);
    let refused = |error: console::Error| Failure::Refused(format!("{}: {error}", file.display()));
    let text = text_of(file)?;
    let (said, lines_before) = match list.passwd_file {
        true => (as_list(&text, list.domain.as_deref()), LINES_BEFORE),
        false => (Said { list: text, refused: Vec::new() }, 0),
    };
    let Said { list: text, refused: not_asked } = said;
    let parts = bulk_parts(&text, PER_PART).map_err(refused)?;
    let total = parts.iter().map(|part| part.accounts).sum();
    let (mut lines, mut seen) = (Vec::new(), BTreeSet::new());
    for part in parts {
        let call = Call::new("POST /api/v1/admin/accounts/import").with("csv", part.csv).with("dry_run", dry_run);
        for answer in place.all::<BulkAnswer>(&call.with("first_line", part.first_line.saturating_sub(lines_before)))? {
            lines.extend(answer.lines);
        }
        progress(lines.len(), total, "accounts");
    }
    lines.extend(not_asked.into_iter().map(|(line, address, text)| BulkLine {
        line,
        address,
        outcome: "refused".to_owned(),
        text,
    }));
    lines.sort_by_key(|line| line.line);
    // Nothing of a part is there yet when the next one is tried.
    for line in lines.iter_mut().filter(|line| dry_run && line.outcome == "added") {
        if !seen.insert(line.address.to_lowercase()) {
            line.outcome = "there".to_owned();
            line.text = "stands in an earlier line already".to_owned();
        }
    }
    let answer = BulkAnswer::of(dry_run, lines);
    if format.json {
        return answer.lines.iter().try_for_each(|line| format.show(line, |_| String::new()));
    }
    say(&told(&answer));
    match answer.refused {
        0 => Ok(()),
        count => Err(Failure::Refused(format!(
            "{} refused; mend and give the list again",
            counted(count, "line was", "lines were")
        ))),
    }
}

fn told(answer: &BulkAnswer) -> String {
    let refused = answer.lines.iter().filter(|line| line.outcome == "refused");
    let mut text: String =
        refused.map(|line| format!("line {}: {}: {}\n", line.line, line.address, line.text)).collect();
    text.push_str(&answer.text);
    text.push('\n');
    text
}

pub(super) fn text_of(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let is_read = match file.to_str() {
        Some("-") => stdin().take(LIST_BYTES_MAX + 1).read_to_string(&mut text),
        _ => fs::File::open(file).and_then(|list| list.take(LIST_BYTES_MAX + 1).read_to_string(&mut text)),
    };
    is_read
        .map_err(|error| Failure::Refused(format!("{} cannot be read: {error}; it must be UTF-8", file.display())))?;
    if text.len() as u64 > LIST_BYTES_MAX {
        return Err(Failure::Refused(format!("{} is longer than 64 MiB; cut it into parts", file.display())));
    }
    Ok(text)
}
