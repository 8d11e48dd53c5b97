//! What `pillarbox try` finds in its data directory: two accounts with passwords that it can show again, the first of them
//! an administrator.
//!
//! The passwords are in `try-accounts`, a line `ADDRESS PASSWORD` each, for the server's user only. The file is written
//! before the accounts are made, so a start that is killed is made good by the next one; then `made` stands behind each
//! of them. An account whose password was changed since, wherever that was, or that was removed, is taken out of the
//! file: then it is its owner's affair.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use auth::generate_password;
use directory::AccountInfo;
use message::date::format_rfc5322;
use store::{Actor, DeviceId, Flags, NewMessage, Protocol, Target, Timestamp};

use crate::clock::Clock;
use crate::private_file;
use crate::setup::SetupError;
use crate::stores::Stores;

/// Where the sample accounts are.
pub const DOMAIN: &str = "example.org";
const ACCOUNTS: [(&str, &str); 2] = [("alice@example.org", "Alice"), ("bob@example.org", "Bob")];
const FILE: &str = "try-accounts";
/// Behind an account that was there once.
const MADE: &str = "made";

/// A sample account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialAccount {
    /// Its address, which is also the name to log in with.
    pub address: String,
    /// Its main password.
    pub password: String,
}

/// The sample accounts, made with a welcome message each if this is the first start.
///
/// # Errors
/// The file cannot be read or written; the store's faults.
pub fn prepare(stores: &Stores, clock: Clock) -> Result<Vec<TrialAccount>, SetupError> {
    let now = Timestamp(clock.now().unix_millis);
    let file = stores.directory().join(FILE);
    let lines = match read(&file)? {
        Some(lines) => lines,
        None => {
            let accounts: Result<Vec<_>, _> = ACCOUNTS.map(|(address, _)| new_account(address)).into_iter().collect();
            let lines: Vec<Line> = accounts?.into_iter().map(|account| Line { account, is_made: false }).collect();
            write(&file, &lines)?;
            lines
        }
    };
    let mut accounts = Vec::new();
    for Line { account, is_made } in &lines {
        let fault = |error: directory::Error| {
            SetupError::new(format!("the sample account {} cannot be made: {error}", account.address))
        };
        if !is_made {
            make(stores, account, now).map_err(fault)?;
        }
        let directory = stores.auth.directory();
        if directory.is_main_password(&account.address, &account.password).map_err(|error| fault(error.into()))? {
            accounts.push(account.clone());
        }
    }
    let made: Vec<Line> = accounts.iter().map(|account| Line { account: account.clone(), is_made: true }).collect();
    if made != lines {
        write(&file, &made)?;
    }
    Ok(accounts)
}

/// A line of the file.
#[derive(PartialEq, Eq)]
struct Line {
    account: TrialAccount,
    /// It was there once.
    is_made: bool,
}

fn new_account(address: &str) -> Result<TrialAccount, SetupError> {
    let password = generate_password().map_err(|error| SetupError::new(error.to_string()))?;
    Ok(TrialAccount { address: address.to_owned(), password })
}

fn read(file: &PathBuf) -> Result<Option<Vec<Line>>, SetupError> {
    match fs::read_to_string(file) {
        Ok(text) => {
            let line = |line: &str| {
                let mut words = line.split(' ');
                let (address, password) = (words.next()?.to_owned(), words.next()?.to_owned());
                Some(Line { account: TrialAccount { address, password }, is_made: words.next() == Some(MADE) })
            };
            Ok(Some(text.lines().filter_map(line).collect()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SetupError::file("read", file, &error, "check who owns it")),
    }
}

fn write(file: &Path, lines: &[Line]) -> Result<(), SetupError> {
    let line = |Line { account: TrialAccount { address, password }, is_made }: &Line| {
        let made = if *is_made { format!(" {MADE}") } else { String::new() };
        format!("{address} {password}{made}\n")
    };
    let text: String = lines.iter().map(line).collect();
    private_file::write(file, text.as_bytes())
        .map_err(|error| SetupError::file("write", file, &error, "check who owns the data directory"))
}

/// Makes an account, unless it is there.
fn make(stores: &Stores, account: &TrialAccount, now: Timestamp) -> Result<(), directory::Error> {
    let directory = stores.auth.directory();
    if directory.account(&account.address)?.is_some() {
        return Ok(());
    }
    if !directory.is_local_domain(DOMAIN)? {
        directory.add_domain(DOMAIN)?;
    }
    let name = ACCOUNTS.iter().find(|(address, _)| *address == account.address).map_or("", |(_, name)| name);
    directory.add_account(&account.address, &account.password, name, now)?;
    // Somebody must see the pages of administration. Later it is theirs to take back.
    directory.set_admin(&account.address, account.address == ACCOUNTS[0].0)?;
    if let Some(info) = directory.account(&account.address)? {
        welcome(stores, &info, now)?;
    }
    Ok(())
}

fn welcome(stores: &Stores, info: &AccountInfo, now: Timestamp) -> Result<(), store::Error> {
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now };
    let message = NewMessage { body: welcome_message(info, now), flags: Flags::default(), internal_date: now };
    stores.store.account(info.id).append(actor, Target::Inbox, message).map(drop)
}

const WELCOME: &str = "\
this mailbox is yours to try. It is the same one over IMAP and POP3, on every
device. Some things to see for yourself:

- Set up two programs, one with IMAP and one with POP3, and write to yourself.
  Both get the mail. Read it in one IMAP program: it is read in the other.
- Let the POP3 program delete what it has downloaded (most do). It is gone
  there, and stays here for the others.
- Give each device a password of its own, and take it back when it is lost:
      pillarbox device add {address} \"my phone\"
      pillarbox device list {address}
      pillarbox device revoke {address} \"my phone\"
- Let one device be the one that clears the mailbox for all:
      pillarbox device policy {address} \"old PC\" expunge
- Write to {user}+shopping@example.org: it arrives here, too.
- Stop the server with Ctrl-C, or pull the plug. What was acknowledged is
  there at the next start.

`pillarbox --help` tells the rest.
";

fn welcome_message(info: &AccountInfo, now: Timestamp) -> Vec<u8> {
    let AccountInfo { address, display, .. } = info;
    let user = address.split('@').next().unwrap_or_default();
    let text = WELCOME.replace("{address}", address).replace("{user}", user);
    let date = format_rfc5322(now.unix_seconds());
    let head = format!(
        "From: Pillarbox <postmaster@{DOMAIN}>\nTo: {display} <{address}>\nSubject: Welcome to Pillarbox\nDate: {date}\n\
         Message-ID: <welcome.{user}.{}@{DOMAIN}>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\n\
         Hello {display},\n\n",
        now.0
    );
    (head + &text).replace('\n', "\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::lifecycle::DataDir;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn the_second_start_finds_the_same_accounts_and_one_welcome_each() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::trial(dir.path().join("data"));
        let data_dir = DataDir::open(&config.data_dir).unwrap();
        let stores = Stores::open(&data_dir, &config).unwrap();
        let clock = Clock::start();
        let first = prepare(&stores, clock).unwrap();
        assert_eq!(first.len(), 2);
        assert_eq!(prepare(&stores, clock).unwrap(), first);
        let inbox = |address: &str| {
            let info = stores.auth.directory().account(address).unwrap().unwrap();
            stores.store.account(info.id).mailboxes().unwrap().by_name("INBOX").unwrap().counts.messages
        };
        assert_eq!([inbox("alice@example.org"), inbox("bob@example.org")], [1, 1]);

        // Killed after the file was written, by a version that wrote no more than that.
        let file = config.data_dir.join(FILE);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace(" made", "")).unwrap();
        stores.auth.directory().remove_account("bob@example.org").unwrap();
        assert_eq!(prepare(&stores, clock).unwrap(), first);
        assert_eq!(inbox("bob@example.org"), 1);

        // Removed by hand: it does not come back.
        stores.auth.directory().remove_account("bob@example.org").unwrap();
        assert_eq!(prepare(&stores, clock).unwrap(), first[..1]);
        assert_eq!(stores.auth.directory().accounts().unwrap().len(), 1);
        stores.auth.directory().set_password("alice@example.org", "her own affair").unwrap();
        assert_eq!(prepare(&stores, clock).unwrap(), [], "a password that was changed is not shown");
        assert_eq!(fs::read_to_string(&file).unwrap(), "");
    }

    #[test]
    fn the_welcome_is_a_message_in_plain_ascii_with_short_lines() {
        let (address, display) = ("alice@example.org".to_owned(), "Alice".to_owned());
        let (id, administers) = (store::AccountId(16), std::sync::Arc::default());
        let info = AccountInfo { id, address, display, disabled: false, admin: false, administers, created_at: NOW };
        let text = String::from_utf8(welcome_message(&info, NOW)).unwrap();
        assert!(text.is_ascii() && !text.contains('{') && text.contains("\r\n\r\nHello Alice,\r\n"));
        assert!(text.lines().all(|line| line.len() < 79));
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    }
}
