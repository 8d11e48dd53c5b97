//! As whom a command works on the data of a server that does not run: as the user that they belong to.
//!
//! Else what root makes there could not be read by the server, which is another user's, when it starts.

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use server::control::Client;

use super::Outcome;
use super::failure::Failure;
use super::place::Place;

/// Where users and groups are (passwd(5), group(5)).
const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// Whom the data of a server belong to, where root has called and that is somebody else.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Whom `directory` belongs to.
    pub(super) fn of(directory: &Path) -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        let found = fs::metadata(directory).ok()?;
        (found.uid() != 0).then_some(Self { user: found.uid(), group: found.gid() })
    }

    /// Lets this user read a file that root has made, and nobody else.
    pub(super) fn may_read(self, file: &Path) -> io::Result<()> {
        chown(file, None, Some(self.group))?;
        fs::set_permissions(file, Permissions::from_mode(0o640))
    }

    /// Goes on as this user: the same command, with `more` at its end.
    pub(super) fn go_on(self, data_dir: &Path, more: &[&str]) -> Outcome {
        let failed = |error: io::Error| {
            Failure::Fault(format!(
                "{} belongs to user {}, and root cannot act as that user: {error}; call this as that user",
                data_dir.display(),
                self.user
            ))
        };
        let mut words = env::args_os();
        let called = words.next().unwrap_or_default();
        // Asked while root may still look; without /proc nobody knows what runs, but how it was called.
        let program = env::current_exe().unwrap_or_else(|_| called.into());
        self.put_on().map_err(|error| failed(error.into()))?;
        let words = words.chain(more.iter().map(OsString::from));
        Err(failed(Command::new(program).args(words).exec()))
    }

    /// Gives up what root may. There is one thread yet.
    fn put_on(self) -> rustix::io::Result<()> {
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        let groups: Vec<Gid> = groups_of(self.user, &read(USERS), &read(GROUPS)).map(Gid::from_raw).collect();
        set_thread_groups(&groups)?;
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)
    }
}

/// Goes on as the user whom the data of `place` belong to, if no server runs, which would be asked instead.
pub(super) fn become_owner(place: &Place) -> Outcome {
    // What is wrong with a configuration, the command says itself.
    let Ok(config) = place.load() else { return Ok(()) };
    match Owner::of(&config.data_dir) {
        Some(owner) if matches!(Client::connect(&config.data_dir), Ok(None)) => owner.go_on(&config.data_dir, &[]),
        Some(_) | None => Ok(()),
    }
}

/// The groups that a user is in: through one of them it may read the key of a certificate.
fn groups_of(user: u32, users: &str, groups: &str) -> impl Iterator<Item = u32> {
    let field = |line: &str, number| line.split(':').nth(number).unwrap_or_default().to_owned();
    let is_user = |line: &&str| field(line, 2).parse() == Ok(user);
    let entry = users.lines().find(is_user).unwrap_or_default();
    let (name, first) = (field(entry, 0), field(entry, 3).parse().ok());
    let has_it = |line: &&str| !name.is_empty() && field(line, 3).split(',').any(|member| member.trim() == name);
    let more: Vec<u32> = groups.lines().filter(has_it).filter_map(|line| field(line, 2).parse().ok()).collect();
    first.into_iter().chain(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_in_the_groups_that_name_it() {
        let users = "root:x:0:0::/root:/bin/sh\npillarbox:x:104:110:Pillarbox:/var/lib/pillarbox:/usr/sbin/nologin\n";
        let groups = "root:x:0:\nssl-cert:x:109:postgres,pillarbox\npillarbox:x:110:\nmail:x:8:pillarboxes\nbroken\n";
        let check = |user, expected: &[u32]| assert_eq!(groups_of(user, users, groups).collect::<Vec<u32>>(), expected);
        check(104, &[110, 109]);
        check(0, &[0]);
        check(7, &[]);
    }
}
