//! What is left of a damaged data directory, made into a store elsewhere in which everything agrees: to be looked at (salvage), or as
//! part of another data directory ([`crate::repairing`]).
//!
//! Invariant: where the damage is nothing is written.

mod beside;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use directory::{Directory, DirectoryOptions};
use store::engine::Engine;
use store::objects::Objects;
use store::salvage::{Aim, Loss, Salvage, table};
use store::{AccountId, Store, TableId, Timestamp};
use store_objects::DirectoryObjects;
use store_sqlite::{SqliteEngine, SqliteOptions, SqliteRemains};

use crate::clock::Clock;
use crate::config::{Config, StorageEngine};
use crate::lifecycle::DataDir;
use crate::moved::{OBJECTS, bodies_must_be, must_be_there};
use crate::setup::SetupError;
use crate::stores::{SECRET_FILE, UNFINISHED_FILE, open_objects};
use beside::Beside;

/// Where SQLite keeps its files.
pub(crate) const STORE: &str = "store";
/// What was found, while it is looked at.
pub(crate) const NOTES: &str = "notes.sqlite";
const ADVICE: &str = "check who owns it, and whether there is room";

/// How far it is: so much of so much is done, and of what.
pub type OnStep<'a> = &'a mut dyn FnMut(usize, usize, &str);

/// What was made of what is left.
pub struct Rebuilt {
    /// Everything that is left.
    pub store: Store,
    /// What accounts are called, as far as that is left.
    pub names: BTreeMap<AccountId, String>,
    /// Whatever has anything.
    pub accounts: Vec<AccountId>,
    /// What is lost, and of whom: an address, or which table.
    pub losses: Vec<(String, Loss)>,
    /// What is wrong with the files.
    pub files: Vec<String>,
    /// What is there and could not be read: nobody knows whether it is lost.
    pub(crate) unread: Vec<String>,
    /// Rows of the outbound queue may be missing.
    pub(crate) lacks_queue: bool,
    /// What does not agree; nothing, unless there is a fault in the program.
    pub(crate) faults: Vec<String>,
}

/// Reads what is left of the mail of a server that does not run, and makes a store of it in `work`, a directory that is not there yet.
/// The data directory may be a copy, and is not written to.
///
/// # Errors
/// A server works on the data; the mail is not in files, or was moved elsewhere; large messages are in a bucket and nothing says
/// where; there is nothing of a server; `work` cannot be written.
pub fn rebuild(config: &Config, work: &Path, step: OnStep<'_>) -> Result<Rebuilt, SetupError> {
    let data = &config.data_dir;
    if let Some(owner) = DataDir::owner(data) {
        return Err(DataDir::in_use(data, &owner));
    }
    if config.engine != StorageEngine::Sqlite {
        return Err(SetupError::new(
            "the mail of this server is in PostgreSQL, whose files only PostgreSQL's own tools can mend (pg_amcheck finds what is \
             damaged there); `pillarbox check --bodies` names the messages that are concerned, `pillarbox export` brings out what \
             can be read, and a backup brings an account back",
        ));
    }
    must_be_there(data, config.engine)?;
    let mut files = Vec::new();
    if data.join(UNFINISHED_FILE).exists() {
        files.push(
            "a restore into this directory did not come to its end: what it has not brought yet is not here".to_owned(),
        );
    }
    let old = objects(config, &mut files)?;
    build((data, old), work, (Aim::Export, files), step)
}

/// Makes a store in `work` of what is left in `data`; `files` is known to be wrong already.
pub(crate) fn build(
    (data, old): (&Path, Option<Arc<dyn Objects>>),
    work: &Path,
    (aim, mut files): (Aim, Vec<String>),
    step: OnStep<'_>,
) -> Result<Rebuilt, SetupError> {
    make(&work.join(OBJECTS))?;
    let new = DirectoryObjects::open(&work.join(OBJECTS)).map_err(|error| SetupError::new(error.what))?;
    let objects: Arc<dyn Objects> = Arc::new(Beside { old, new });
    let notes = work.join(NOTES);
    let remains = SqliteRemains::read(&data.join(STORE), &notes, &mut |done, total| step(done, total, "pages"))
        .map_err(|error| SetupError::new(error.to_string()))?;
    files.extend_from_slice(remains.told());
    if aim == Aim::Server {
        must_be_readable(&remains, data)?;
    }
    let options = SqliteOptions { shards: remains.shards(), ..SqliteOptions::default() };
    let engine = SqliteEngine::open(&work.join(STORE), &options).map_err(|error| SetupError::new(error.what))?;
    let engine: Arc<dyn Engine> = Arc::new(engine);
    let store = Store::new(Arc::clone(&engine), Arc::clone(&objects));
    let now = Timestamp(Clock::start().now().unix_millis);
    let salvage = Salvage { remains: &remains, engine, objects, now, aim };
    let (losses, names, accounts) = (Vec::new(), BTreeMap::new(), Vec::new());
    let (unread, faults) = (Vec::new(), Vec::new());
    let mut rebuilt = Rebuilt { store, names, accounts, losses, files, unread, lacks_queue: false, faults };
    rebuilt.fill(&salvage, data, step)?;
    if aim == Aim::Server {
        // Long values were read just now.
        must_be_readable(&remains, data)?;
    }
    Ok(rebuilt)
}

impl Rebuilt {
    /// What an account is called.
    #[must_use]
    pub fn name(&self, account: AccountId) -> String {
        self.names.get(&account).cloned().unwrap_or_else(|| format!("account {account}"))
    }

    fn fill(&mut self, salvage: &Salvage<'_>, data: &Path, step: OnStep<'_>) -> Result<(), SetupError> {
        let failed = |error: store::Error| SetupError::new(format!("what is left cannot be brought over: {error}"));
        let (is_damaged, mut lacks_accounts) = (!self.files.is_empty(), false);
        for id in TableId::ALL {
            let tabled = table(salvage, id).map_err(failed)?;
            if salvage.aim == Aim::Server && !tabled.is_whole {
                must_not_be_needed(id, data, &tabled.losses)?;
            }
            self.lacks_queue |= id == TableId::Queue && !tabled.is_whole;
            lacks_accounts |= id == TableId::Directory && !tabled.is_whole;
            self.losses.extend(tabled.losses.into_iter().map(|loss| (id.to_string(), loss)));
        }
        // An account whose removal a crash broke off is there still: nothing is taken out here.
        let directory = Directory::open_as_it_is(self.store.clone(), &[0; 32], DirectoryOptions::default());
        let mut unfinished = Vec::new();
        match directory.and_then(|directory| Ok((directory.accounts()?, directory.unfinished()?))) {
            Ok((accounts, others)) => {
                self.names.extend(accounts.into_iter().map(|info| (info.id, info.address)));
                unfinished = others;
            }
            Err(error) if salvage.aim == Aim::Server => return Err(failed(error)),
            Err(error) => self.files.push(format!("who has an account cannot be read: {error}")),
        }
        // Of a table without any row nothing says that it had some.
        if lacks_accounts || is_damaged && self.names.is_empty() {
            self.files.push("accounts may be lost of which nothing tells any more".to_owned());
        }
        let left = salvage.remains.accounts().map_err(|error| failed(error.into()))?;
        let known = left.into_iter().filter(|id| *id >= AccountId::FIRST).chain(self.names.keys().copied());
        let large = with_objects(&data.join(OBJECTS));
        let large = large.into_iter().filter(|id| salvage.objects.list(*id).is_ok_and(|all| !all.is_empty()));
        let accounts: BTreeSet<AccountId> = known.chain(large).collect();
        self.accounts = accounts.into_iter().collect();
        if salvage.aim == Aim::Server {
            self.leave_out_nobodys(&unfinished, data)?;
        }
        let total = self.accounts.len();
        for (done, id) in self.accounts.clone().into_iter().enumerate() {
            step(done, total, "accounts");
            let salvaged = salvage.account(id).map_err(failed)?;
            let name = self.name(id);
            if salvage.aim == Aim::Server && salvaged.unknown > 0 {
                return Err(SetupError::new(format!(
                    "{name} has {} rows that this version does not understand, and would lose: repair with the version that has written \
                     them, or a later one",
                    salvaged.unknown
                )));
            }
            self.faults.extend(salvaged.faults.into_iter().map(|fault| format!("{name}: {fault}")));
            let unread = salvaged.losses.iter().filter(|loss| loss.is_unread);
            self.unread.extend(unread.map(|loss| format!("{name}: {loss}")));
            self.losses.extend(salvaged.losses.into_iter().map(|loss| (name.clone(), loss)));
        }
        step(total, total, "accounts");
        Ok(())
    }
}

impl Rebuilt {
    /// Of accounts that nobody has any more, nothing is brought into a server's store: nobody could reach it, nor remove it.
    fn leave_out_nobodys(&mut self, unfinished: &[AccountId], data: &Path) -> Result<(), SetupError> {
        let (kept, nobodys): (Vec<_>, Vec<_>) = std::mem::take(&mut self.accounts)
            .into_iter()
            .partition(|id| self.names.contains_key(id) || unfinished.contains(id));
        if self.names.is_empty() && !nobodys.is_empty() {
            must_not_be_needed(TableId::Directory, data, &[])?;
        }
        let directory = TableId::Directory.to_string();
        let why = match self.losses.iter().all(|(whose, _)| *whose != directory) {
            true => "was removed: it stays where it is, and is not brought over",
            false => {
                "the directory does not know, which may lack its last change: it was removed, or is new; its mail stays where it is, \
                 and `pillarbox salvage` brings it out"
            }
        };
        self.files.extend(nobodys.into_iter().map(|id| format!("there is something of an account {id}, which {why}")));
        self.accounts = kept;
        Ok(())
    }
}

/// Whether a server's data can be made of what the files give.
fn must_be_readable(remains: &SqliteRemains, data: &Path) -> Result<(), SetupError> {
    if let Some(first) = remains.unread().first() {
        return Err(SetupError::new(format!(
            "{first}. What cannot be read is not lost for sure, and nothing is made without it: copy {} to a sound disk (`ddrescue`, or \
             `dd conv=noerror,sync` for each such file, puts zeros where the disk gives nothing), and repair the copy",
            data.display()
        )));
    }
    if remains.lacks_sums() {
        return Err(SetupError::new(format!(
            "an early version wrote rows of {} that have no checksums: nobody can tell whether they are what was written; `pillarbox \
             salvage` brings out what can be read",
            data.display()
        )));
    }
    Ok(())
}

/// Without some tables a server would let in whom it must not, or nobody.
fn must_not_be_needed(table: TableId, data: &Path, losses: &[Loss]) -> Result<(), SetupError> {
    if !matches!(table, TableId::Directory | TableId::People) {
        return Ok(());
    }
    let why = losses.first().map(|loss| format!(" ({loss})")).unwrap_or_default();
    Err(SetupError::new(format!(
        "{table} in {} is damaged{why}, and so is its copy: who has an account, with which password, cannot be told any more. Bring a \
         backup back (`pillarbox restore`), or bring the mail out with `pillarbox salvage` and into new accounts with `pillarbox import`",
        data.display()
    )))
}

/// Those that have a directory of large bodies, which may be empty.
fn with_objects(directory: &Path) -> Vec<AccountId> {
    let names = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let id = |name: std::ffi::OsString| u32::from_str_radix(name.to_str().filter(|name| name.len() == 8)?, 16).ok();
    names.filter_map(id).map(AccountId).filter(|id| *id >= AccountId::FIRST).collect()
}

/// Where large bodies are; `None`: there is no such directory, and `told` says so.
fn objects(config: &Config, told: &mut Vec<String>) -> Result<Option<Arc<dyn Objects>>, SetupError> {
    let (data, in_bucket) = (&config.data_dir, config.database.bucket_url_file.is_some());
    bodies_must_be(data, in_bucket)?;
    let (files, secret) = (data.join(OBJECTS), data.join(SECRET_FILE));
    match in_bucket {
        // Its name comes of a file that must be there: none is made here.
        true if !secret.exists() => Err(SetupError::new(format!(
            "large messages are in a bucket, and without {}, which says where in it, nobody finds them; restore the file",
            secret.display()
        ))),
        false if !files.is_dir() => {
            told.push(format!(
                "{} is not there: large messages are missing; where they are in a bucket, call this with the configuration that \
                 names it",
                files.display()
            ));
            Ok(None)
        }
        true | false => open_objects(data, config).map(Some),
    }
}

fn make(directory: &Path) -> Result<(), SetupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| SetupError::file("make", directory, &error, ADVICE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::Stores;

    #[test]
    fn an_account_that_the_directory_does_not_know_is_called_removed_only_where_that_is_sure() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::trial(dir.path().join("data"));
        let data_dir = DataDir::open(&config.data_dir).unwrap();
        let store = Stores::open(&data_dir, &config).unwrap().store;
        let [known, other, unfinished] = [16, 17, 18].map(AccountId);
        let told = |losses: Vec<(String, Loss)>| {
            let mut rebuilt = Rebuilt {
                store: store.clone(),
                names: [(known, "a@example.org".to_owned())].into(),
                accounts: vec![known, other, unfinished],
                losses,
                files: Vec::new(),
                unread: Vec::new(),
                lacks_queue: false,
                faults: Vec::new(),
            };
            rebuilt.leave_out_nobodys(&[unfinished], dir.path()).unwrap();
            assert_eq!(rebuilt.accounts, [known, unfinished]);
            rebuilt.files.join("")
        };
        assert!(told(Vec::new()).contains("account 17, which was removed"));
        let loss = (TableId::Directory.to_string(), Loss::default());
        assert!(told(vec![loss]).contains("it was removed, or is new"));
    }
}
