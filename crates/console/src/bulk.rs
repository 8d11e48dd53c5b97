//! Accounts from a list: a line of CSV (RFC 4180) for each.
//!
//! The first line names the columns, in any order: `address`, `name`, `password` or `hash`, `quota`, `aliases`. Commas, semicolons
//! or tabs stand between them, as spreadsheets write them. A line is done as a whole or not at all, and a list can be given
//! again: what is there already stays as it is.

use crate::administration::Administration;
use crate::error::Error;
use crate::size::parse_quota;
use csv::{Reader, ReaderBuilder, StringRecord};
use directory::{Added, BULK_MAX, InTurn, NewAccount, NewPassword};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use wording::tr;

/// So many lines are taken at once.
pub const BULK_LINES_MAX: usize = BULK_MAX;
/// Where the first account stands in a list that begins with the names of its columns.
const FIRST_LINE: u64 = 2;

/// A list of accounts that are to be made.
#[derive(Clone, Copy, Debug)]
pub struct BulkAsk<'a> {
    /// The list, or a part of it; the names of the columns stand in its first line.
    pub csv: &'a str,
    /// The number of the line that its first account stands in, of a part of a list; 2 without it.
    pub first_line: Option<u64>,
    /// Only tell what would happen.
    pub dry_run: bool,
}

/// What became of a list of accounts, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkAnswer {
    /// Whether nothing was done yet.
    pub dry_run: bool,
    /// So many accounts were made.
    pub added: usize,
    /// So many were there already.
    pub there: usize,
    /// So many were refused.
    pub refused: usize,
    /// The same in words.
    pub text: String,
    /// Each line, in order.
    pub lines: Vec<BulkLine>,
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkLine {
    /// Its number in the list; the names of the columns stand in 1.
    pub line: u64,
    /// The address, as it stands there.
    pub address: String,
    /// `added`, `there` or `refused`.
    pub outcome: String,
    /// The same in words, with the reason.
    pub text: String,
}

/// A part of a long list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkPart {
    /// [`BulkAsk::first_line`].
    pub first_line: u64,
    /// So many accounts.
    pub accounts: usize,
    /// The names of the columns, and the accounts.
    pub csv: String,
}

/// Which column has what.
#[derive(Clone, Copy, Default)]
struct Columns {
    address: usize,
    name: Option<usize>,
    password: Option<usize>,
    hash: Option<usize>,
    quota: Option<usize>,
    aliases: Option<usize>,
    count: usize,
}

impl Administration {
    /// Makes the accounts of a list, [`BULK_LINES_MAX`] at most. Passwords are hashed by `in_turn`, and nothing else waits for it.
    ///
    /// # Errors
    /// The list as a whole is not understood, or too long. What is wrong with a line is told with it.
    pub fn import(&self, ask: &BulkAsk<'_>, in_turn: InTurn<'_>) -> Result<BulkAnswer, Error> {
        self.import_where(ask, in_turn, &|_| Ok(()))
    }

    /// The same of those that may be made.
    pub(crate) fn import_where(
        &self,
        ask: &BulkAsk<'_>,
        in_turn: InTurn<'_>,
        may: &dyn Fn(&NewAccount<'_>) -> Result<(), Error>,
    ) -> Result<BulkAnswer, Error> {
        let mut reader = reader(ask.csv);
        let columns = Columns::of(reader.headers().map_err(not_csv)?)?;
        let records: Vec<StringRecord> =
            reader.records().take(BULK_LINES_MAX + 1).collect::<Result<_, _>>().map_err(not_csv)?;
        if records.len() > BULK_LINES_MAX {
            return Err(Error::refused(tr!(
                "the list has more than {most} accounts; give it in parts, or use `pillarbox account import`",
                most = BULK_LINES_MAX
            )));
        }
        let first_line = ask.first_line.unwrap_or(FIRST_LINE);
        let line_of = |record: &StringRecord| {
            let (_, within) = begin(without_mark(ask.csv), record);
            first_line.saturating_add(within).saturating_sub(FIRST_LINE)
        };
        let mut seen = HashMap::new();
        let mut outcomes: Vec<(u64, &str, Result<Added, String>)> = Vec::new();
        let mut wanted = Vec::new();
        for record in &records {
            let line = line_of(record);
            let address = record.get(columns.address).unwrap_or_default().trim();
            let account = match seen.insert(address.to_lowercase(), line) {
                Some(before) => Err(tr!("it stands in line {before} already", before = before)),
                None => columns
                    .account(record)
                    .and_then(|account| may(&account).map(|()| account).map_err(|error| error.to_string())),
            };
            // What it says of one that is to be made is replaced.
            outcomes.push((line, address, account.as_ref().map(|_| Added::New).map_err(Clone::clone)));
            wanted.extend(account.ok());
        }
        let directory = self.auth.directory();
        let made = match ask.dry_run {
            true => directory.try_accounts(&wanted, self.actor),
            false => directory.add_accounts(&wanted, in_turn, self.actor),
        };
        let mut made = made.into_iter();
        for (_, _, outcome) in outcomes.iter_mut().filter(|(_, _, outcome)| outcome.is_ok()) {
            if let Some(made) = made.next() {
                *outcome = made.map_err(|error| error.to_string());
            }
        }
        let lines = outcomes.into_iter().map(|(line, address, outcome)| told(line, address, outcome, ask.dry_run));
        Ok(BulkAnswer::of(ask.dry_run, lines.collect()))
    }
}

impl BulkAnswer {
    /// What became of these lines.
    #[must_use]
    pub fn of(dry_run: bool, lines: Vec<BulkLine>) -> Self {
        let count = |outcome: &str| lines.iter().filter(|line| line.outcome == outcome).count();
        let [added, there, refused] = ["added", "there", "refused"].map(count);
        let text = match dry_run {
            true => tr!(
                "Nothing was done yet. {added} to be added, {there} there already, {refused} to be refused.",
                added = added,
                there = there,
                refused = refused
            ),
            false => tr!(
                "{added} added, {there} there already, {refused} refused.",
                added = added,
                there = there,
                refused = refused
            ),
        };
        Self { dry_run, added, there, refused, text, lines }
    }
}

/// Cuts a list into parts of `accounts` accounts, between its lines.
///
/// # Errors
/// It is not understood.
pub fn bulk_parts(text: &str, accounts: usize) -> Result<Vec<BulkPart>, Error> {
    let mut reader = reader(text);
    let text = without_mark(text);
    Columns::of(reader.headers().map_err(not_csv)?)?;
    let mut starts = Vec::new();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(not_csv)? {
        starts.push(begin(text, &record));
    }
    let head = starts.first().and_then(|(at, _)| text.get(..*at)).unwrap_or_default().trim_end_matches(['\r', '\n']);
    let ends = starts.iter().skip(accounts).step_by(accounts).map(|(at, _)| *at).chain([text.len()]);
    let parts = starts.chunks(accounts).zip(ends).map(|(starts, end)| {
        let (at, first_line) = starts[0];
        let csv = format!("{head}\n{}", text.get(at..end).unwrap_or_default());
        BulkPart { first_line, accounts: starts.len(), csv }
    });
    Ok(parts.collect())
}

fn reader(text: &str) -> Reader<&[u8]> {
    let text = without_mark(text);
    let head = text.lines().next().unwrap_or_default();
    let delimiter = [b';', b'\t'].into_iter().find(|delimiter| head.contains(char::from(*delimiter)));
    ReaderBuilder::new().delimiter(delimiter.unwrap_or(b',')).flexible(true).from_reader(text.as_bytes())
}

/// The octet and the line that a record begins at: what was read of blank lines before it is skipped.
fn begin(text: &str, record: &StringRecord) -> (usize, u64) {
    let Some(position) = record.position() else { return (text.len(), FIRST_LINE) };
    let at = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.get(at..).unwrap_or_default();
    let blank = &rest[..rest.len() - rest.trim_start_matches(['\r', '\n']).len()];
    (at.saturating_add(blank.len()), position.line() + blank.matches('\n').count() as u64)
}

/// Spreadsheets put a byte order mark before it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

impl Columns {
    fn of(head: &StringRecord) -> Result<Self, Error> {
        let mut columns = Self { address: usize::MAX, count: head.len(), ..Self::default() };
        for (n, name) in head.iter().enumerate() {
            let name = name.trim().to_lowercase();
            let column = match name.as_str() {
                "address" if columns.address == usize::MAX => {
                    columns.address = n;
                    continue;
                }
                "name" => &mut columns.name,
                "password" => &mut columns.password,
                "hash" => &mut columns.hash,
                "quota" => &mut columns.quota,
                "aliases" => &mut columns.aliases,
                _ => return Err(wrong_columns(&tr!("“{name}” is none of them, or stands there twice", name = name))),
            };
            if column.replace(n).is_some() {
                return Err(wrong_columns(&tr!("“{name}” stands there twice", name = name)));
            }
        }
        if columns.address == usize::MAX {
            return Err(wrong_columns(tr!("the column “address” is missing")));
        }
        if columns.password.is_none() && columns.hash.is_none() {
            return Err(wrong_columns(tr!("there is neither a column “password” nor a column “hash”")));
        }
        Ok(columns)
    }

    /// The account of a line.
    fn account<'a>(&self, record: &'a StringRecord) -> Result<NewAccount<'a>, String> {
        if record.len() > self.count {
            return Err(tr!(
                "it has {columns} columns, and the first line names {named}",
                columns = record.len(),
                named = self.count
            ));
        }
        let raw = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default();
        let text = |column| raw(column).trim();
        // A password is what stands there, blanks and all.
        let password = match (raw(self.password), text(self.hash)) {
            ("", "") => return Err(tr!("it has neither a password nor a hash").to_owned()),
            ("", hash) => NewPassword::Hash(hash),
            (password, "") if looks_like_a_hash(password) => {
                return Err(tr!("the password looks like a hash; put it into the column “hash”").to_owned());
            }
            (password, "") => NewPassword::Plain(password),
            (_, _) => return Err(tr!("it has both a password and a hash; leave one of them out").to_owned()),
        };
        let quota_bytes = match text(self.quota) {
            "" => None,
            quota => {
                Some(parse_quota(quota).map_err(|how| tr!("“{quota}” is no quota; {how}", quota = quota, how = how))?)
            }
        };
        let aliases = text(self.aliases).split([' ', ';', ',']).filter(|alias| !alias.is_empty()).collect();
        Ok(NewAccount { address: text(Some(self.address)), display: text(self.name), password, quota_bytes, aliases })
    }
}

/// Other servers call the column of their hashes `password`, and nobody chooses one that begins so.
fn looks_like_a_hash(password: &str) -> bool {
    let scheme = password.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        scheme.len() > 1 && scheme.bytes().all(|b| b.is_ascii_uppercase() || b"0123456789-.".contains(&b))
    };
    scheme.is_some_and(is_scheme)
        || ["$2a$", "$2b$", "$2y$", "$5$", "$6$", "$argon2"].iter().any(|begin| password.starts_with(begin))
}

fn wrong_columns(what: &str) -> Error {
    Error::refused(tr!(
        "the first line must name the columns: address, name, password or hash, quota, aliases; {what}",
        what = what
    ))
}

fn not_csv(error: csv::Error) -> Error {
    Error::refused(tr!("the list is no CSV: {error}", error = error))
}

fn told(line: u64, address: &str, outcome: Result<Added, String>, dry_run: bool) -> BulkLine {
    let (outcome, text) = match outcome {
        Ok(Added::New) if dry_run => ("added", tr!("would be added").to_owned()),
        Ok(Added::New) => ("added", tr!("was added").to_owned()),
        Ok(Added::There) => ("there", tr!("is there already; nothing of it is changed").to_owned()),
        Err(reason) => ("refused", reason),
    };
    BulkLine { line, address: address.to_owned(), outcome: outcome.to_owned(), text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::administration;
    use directory::ToHash;

    fn ask(csv: &str) -> BulkAsk<'_> {
        BulkAsk { csv, first_line: None, dry_run: false }
    }

    fn lines(answer: &BulkAnswer) -> Vec<String> {
        answer
            .lines
            .iter()
            .map(|line| format!("{} {} {}: {}", line.line, line.address, line.outcome, line.text))
            .collect()
    }

    #[test]
    fn each_line_says_what_became_of_it() {
        let administration = administration(1);
        let list = "\u{feff}Address;Name;Password;Hash;Quota;Aliases\r\n\
            carol@example.org;\"Carol; of\nthe house\";long enough;;5GB;c@example.org ca@example.org\r\n\
            dave@example.org;Dave;;{SSHA}1WRiFncH9cCFT4iSwarmsCD7wZ6iO3Ux;none;\r\n\
            eve@example.org;Eve;;{MD5}AAAA;;\r\n\
            frank@example.org;Frank\r\n\
            grace@example.org;Grace;long enough;;much;\r\n\
            user00@example.org;;long enough;;;\r\n\
            heidi@example.org;;long enough;;;;more\r\n\
            Dave@example.org;;long enough;;;\r\n\
            ivan@example.org;;long enough;{SSHA}1WRiFncH9cCFT4iSwarmsCD7wZ6iO3Ux;;\r\n\
            judy@example.org;;{SSHA}1WRiFncH9cCFT4iSwarmsCD7wZ6iO3Ux;;;\r\n\
            mallory@example.org;;$6$salt$hash;;;\r\n";
        let dry = administration.import(&BulkAsk { dry_run: true, ..ask(list) }, &ToHash::hash).unwrap();
        assert_eq!((dry.added, administration.find("dave@example.org").is_err()), (1, true));
        let answer = administration.import(&ask(list), &ToHash::hash).unwrap();
        let said = lines(&answer);
        let expected = [
            "2 carol@example.org refused: the display name",
            "4 dave@example.org added: was added",
            "5 eve@example.org refused: the hash is of a scheme that gives passwords away",
            "6 frank@example.org refused: it has neither",
            "7 grace@example.org refused: “much” is no quota; write it as 5GB",
            "8 user00@example.org there: is there already",
            "9 heidi@example.org refused: it has 7 columns, and the first line names 6",
            "10 Dave@example.org refused: it stands in line 4 already",
            "11 ivan@example.org refused: it has both",
            "12 judy@example.org refused: the password looks like a hash",
            "13 mallory@example.org refused: the password looks like a hash",
        ];
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said}");
        }
        assert_eq!((answer.added, answer.there, answer.refused), (1, 1, 9));
    }

    #[test]
    fn a_list_whose_columns_are_not_understood_is_refused() {
        let administration = administration(0);
        for (list, reason) in [
            ("", "“address” is missing"),
            ("address,name\n", "neither a column “password”"),
            ("address,password,colour\n", "“colour”"),
            ("address,password,password\n", "twice"),
            ("address,password,address\n", "twice"),
            ("name,password\n", "“address” is missing"),
        ] {
            let Err(Error::Refused(said)) = administration.import(&ask(list), &ToHash::hash) else { panic!("{list}") };
            assert!(said.contains(reason), "{list}: {said}");
            assert!(bulk_parts(list, 10).is_err(), "{list}");
        }
    }

    #[test]
    fn as_many_lines_are_taken_as_the_limit_and_not_one_more() {
        let administration = administration(0);
        let list = |count| "address,hash\n".to_owned() + &"x,{PLAIN}\n".repeat(count);
        let taken = administration.import(&ask(&list(BULK_LINES_MAX)), &ToHash::hash).unwrap();
        assert_eq!(taken.refused, BULK_LINES_MAX);
        assert!(administration.import(&ask(&list(BULK_LINES_MAX + 1)), &ToHash::hash).is_err());
    }

    #[test]
    fn a_long_list_is_cut_between_lines_and_counts_them_on() {
        let list = "address,name,hash\na@x,\"A\nB\",h\nb@x,B,h\n\nc@x,C,h\n";
        let parts = bulk_parts(list, 2).unwrap();
        let part = |first_line, accounts, csv: &str| BulkPart { first_line, accounts, csv: csv.to_owned() };
        let expected =
            [part(2, 2, "address,name,hash\na@x,\"A\nB\",h\nb@x,B,h\n\n"), part(6, 1, "address,name,hash\nc@x,C,h\n")];
        assert_eq!(parts, expected);
        assert_eq!(bulk_parts("address,hash\n", 2).unwrap(), []);
        let administration = administration(0);
        let last = &parts[1];
        let answer = administration
            .import(&BulkAsk { first_line: Some(last.first_line), ..ask(&last.csv) }, &ToHash::hash)
            .unwrap();
        assert_eq!(answer.lines[0].line, 6);
    }
}
