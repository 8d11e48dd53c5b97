//! Mail comes back out of a backup into an account that is in use: into mailboxes of its own, beside what is there.

use crate::account::AccountConsole;
use crate::backup_places::backups;
use crate::checking::Steps;
use crate::error::Error;
use crate::importing::ImportStep;
use crate::moment::parse_moment;
use backup::Key;
use directory::{Directory, DirectoryOptions};
use import::{Content, Folder, Item, Known, Opened, Source, SourceError, Unknown};
use std::collections::HashSet;
use store::{Account, ContentDigest, Mailbox, Store, Timestamp, Uid, View};
use wording::tr;

/// The mailbox below which all comes back.
const ABOVE: &str = "Restored";
/// Why a mailbox of a backup is left out, where nothing is wrong.
pub const ALL_HERE: &str = "all of it is here";
/// Why messages of a backup are left out, where nothing is wrong.
pub const HERE: &str = "here already";

/// What is to come back, and from where.
#[derive(Clone, Copy)]
pub struct RestoreAsk<'a> {
    /// The directory of the backups, from the root on, or the address of a bucket with its keys.
    pub from: &'a str,
    /// What a file with their key has in it, if they are encrypted.
    pub key: Option<&'a str>,
    /// Which, by its name.
    pub backup: Option<&'a str>,
    /// Without a name: the newest of this moment or before; without this, too, the newest.
    pub at: Option<&'a str>,
    /// Whose mail it was then, if not that of the same address.
    pub user: Option<&'a str>,
    /// Mailboxes by name; none: all.
    pub mailboxes: &'a [String],
    /// Only messages of which the account does not have the octets in any mailbox now.
    pub missing: bool,
}

impl AccountConsole {
    /// Brings mail of this account out of a backup into mailboxes below `Restored`, as a device of its own, and touches nothing that
    /// is there. What has come once does not come again.
    ///
    /// # Errors
    /// There is no such backup or account in it; the key is another one; faults; `step` fails. What was brought stays, and the
    /// same once more goes on from there.
    pub fn restore(
        &self,
        ask: RestoreAsk<'_>,
        now: &dyn Fn() -> Timestamp,
        step: Steps<'_, ImportStep>,
    ) -> Result<(), Error> {
        let key = ask.key.map(Key::parse).transpose()?;
        let repository = backups(ask.from, key.as_ref(), false)?;
        let until = match (ask.backup, ask.at) {
            (None, Some(at)) => Some(repository.newest_until(parse_moment(at, now())?)?),
            (name, _) => name.map(str::to_owned),
        };
        let (name, _, opened) = repository.opened(until.as_deref())?;
        let store = Store::new(opened.clone(), opened);
        let (address, then) = self.then(&store, ask.user, &name)?;
        let leave_out = ask.missing.then(|| contents(&self.account)).transpose()?;
        let above = [ABOVE.to_owned(), shown(&name)];
        let inbox = |name: &String| if name.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { name.clone() };
        let mailboxes: Vec<String> = ask.mailboxes.iter().map(inbox).collect();
        let mut source = Kept { account: then, above, leave_out, open: None };
        let (origin, device) =
            (format!("backup {name} of {address}"), tr!("Restored from the backup {name}", name = name));
        // What is in the backup was taken once, whatever is too large today.
        self.bring((&origin, &device), &mut source, (now, u64::MAX, &mailboxes), (step, Known::ThatStayed))
    }

    /// Who it was then. An address may have been somebody else's: where nobody says who, address and number must be the same.
    fn then(&self, store: &Store, user: Option<&str>, name: &str) -> Result<(String, Account), Error> {
        // Nothing is decrypted of what the directory keeps.
        let directory = Directory::open_as_it_is(store.clone(), &[0; 32], DirectoryOptions::default())?;
        let id = self.account.id();
        let found = match (user, &self.directory) {
            (Some(user), _) => directory.account(user)?.ok_or_else(|| {
                Error::Refused(format!("the backup {name} has no account {user}; --user says what it was called then"))
            })?,
            (None, here) => {
                let here = here.as_ref().map(|here| here.account_by_id(id)).transpose()?.flatten();
                let here = here.map(|account| account.address).unwrap_or_default();
                let then = directory.account_by_id(id)?;
                match then {
                    Some(then) if then.address == here => then,
                    then => {
                        let then =
                            then.map_or_else(|| "was not there".to_owned(), |then| format!("was {}", then.address));
                        let other = match directory.account(&here)? {
                            Some(_) => format!(", and {here} was another account, perhaps of somebody else"),
                            None => String::new(),
                        };
                        return Err(Error::Refused(format!(
                            "the account {here} of today {then} in the backup {name}{other}; --user ADDRESS says whose mail is meant"
                        )));
                    }
                }
            }
        };
        Ok((found.address, store.account(found.id)))
    }
}

/// The octets of all messages that are in mailboxes now.
pub(crate) fn contents(account: &Account) -> Result<HashSet<ContentDigest>, Error> {
    let (mut contents, reader) = (HashSet::new(), account.reader()?);
    for mailbox in account.mailboxes()?.iter() {
        for entry in account.view(mailbox.id)?.index().iter() {
            match reader.content_digest(entry.email) {
                Ok(digest) => {
                    contents.insert(digest);
                }
                // It came or went just now, or is damaged: then it comes back.
                Err(store::Error::NoSuchMessage | store::Error::Damaged(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(contents)
}

/// `2026-11-27 03-00-00` of the name of a backup: a level of the name of a mailbox.
fn shown(name: &str) -> String {
    let seconds = name.get(..19).unwrap_or(name);
    seconds.replacen('T', " ", 1)
}

/// An account as a backup has it.
struct Kept {
    account: Account,
    /// The levels above its mailboxes.
    above: [String; 2],
    /// What is there already.
    leave_out: Option<HashSet<ContentDigest>>,
    open: Option<(View, usize)>,
}

impl Kept {
    fn folder(&self, mailbox: &Mailbox) -> Folder {
        Folder {
            name: mailbox.name.clone(),
            levels: self.above.iter().cloned().chain(mailbox.name.split('/').map(str::to_owned)).collect(),
            role: None,
            // Its owner is to see it.
            is_subscribed: true,
            left_out: None,
            key: mailbox.name.clone().into_bytes(),
        }
    }

    fn view(&self) -> Result<&View, SourceError> {
        let open = self.open.as_ref();
        open.map(|(view, _)| view).ok_or_else(|| SourceError::Refused("no mailbox of the backup is open".to_owned()))
    }

    /// The UIDs of what is to come.
    fn wanted(&self, view: &View) -> Result<Vec<u64>, store::Error> {
        let (reader, mut marks) = (self.account.reader()?, Vec::new());
        for entry in view.index().iter() {
            let is_there = match &self.leave_out {
                Some(there) => reader.content_digest(entry.email).is_ok_and(|digest| there.contains(&digest)),
                None => false,
            };
            if !is_there {
                marks.push(u64::from(entry.uid.0));
            }
        }
        Ok(marks)
    }
}

fn refused(error: store::Error) -> SourceError {
    SourceError::Refused(error.to_string())
}

impl Source for Kept {
    fn folders(&mut self) -> Result<Vec<Folder>, SourceError> {
        let mailboxes = self.account.mailboxes().map_err(refused)?;
        mailboxes
            .iter()
            .map(|mailbox| {
                let mut folder = self.folder(mailbox);
                let nothing = match &self.leave_out {
                    Some(_) => {
                        let view = self.account.view(mailbox.id).map_err(refused)?;
                        self.wanted(&view).map_err(refused)?.is_empty()
                    }
                    None => false,
                };
                folder.left_out = nothing.then_some(ALL_HERE);
                Ok(folder)
            })
            .collect()
    }

    fn open(&mut self, folder: &Folder) -> Result<Opened, SourceError> {
        let mailbox = self.account.mailboxes().map_err(refused)?.by_name(&folder.name).map(|mailbox| mailbox.id);
        let mailbox = mailbox.ok_or_else(|| SourceError::Refused("the backup has no such mailbox".to_owned()))?;
        let view = self.account.view(mailbox).map_err(refused)?;
        let marks = self.wanted(&view).map_err(refused)?;
        let left = view.index().len() - marks.len();
        let validity = u64::from(view.mailbox().uid_validity.0);
        self.open = Some((view, left));
        Ok(Opened { validity, marks })
    }

    fn look(&mut self, marks: &[u64]) -> Result<Vec<Result<Item, Unknown>>, SourceError> {
        let view = self.view()?;
        let item = |mark: &u64| {
            let label = format!("UID {mark}");
            let entry = u32::try_from(*mark).ok().and_then(|uid| view.index().find(Uid(uid)));
            let Some(entry) = entry else {
                return Err(Unknown { mark: *mark, label, why: "the backup does not have it".to_owned() });
            };
            Ok(Item {
                mark: *mark,
                bytes: Some(u64::from(entry.size)),
                flags: view.mailbox().keywords.flags(entry.flags),
                date: Some(entry.internal_date),
                label,
            })
        };
        Ok(marks.iter().map(item).collect())
    }

    fn read(&mut self, items: &[Item]) -> Result<Vec<Content>, SourceError> {
        let (view, reader) = (self.view()?, self.account.reader().map_err(refused)?);
        let content = |item: &Item| {
            let entry = u32::try_from(item.mark).ok().and_then(|uid| view.index().find(Uid(uid)));
            match entry.map(|entry| reader.body(entry.email)) {
                Some(Ok(octets)) => Content::Octets(octets),
                Some(Err(error)) => Content::Missing(error.to_string()),
                None => Content::Missing("the backup does not have it".to_owned()),
            }
        };
        Ok(items.iter().map(content).collect())
    }

    fn left_behind(&mut self) -> Vec<(String, String)> {
        let left = self.open.as_ref().map_or(0, |(_, left)| *left);
        if left == 0 { Vec::new() } else { vec![(format!("{left} messages"), HERE.to_owned())] }
    }

    fn again(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}
