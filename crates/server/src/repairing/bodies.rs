//! Large messages: those that are sound are copied, so that the damaged directory stays as it is; damaged ones are kept aside.

use std::path::Path;
use std::sync::Arc;

use store::AccountId;
use store::backup::referred;
use store::engine::Engine;
use store::objects::{ObjectError, ObjectName, Objects, Shared};
use store_objects::DirectoryObjects;

use crate::private_file;
use crate::rebuilding::Rebuilt;
use crate::repairing::target::{ADVICE, DAMAGED, make};
use crate::setup::SetupError;

/// So many are flushed together, ...
const TOGETHER_MAX: usize = 64;
/// ... of no more octets than this and one more.
const TOGETHER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is to be told of the place of large messages before they are looked at.
pub(super) fn told(place: &Path) -> Vec<String> {
    let is_empty = place.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    let what = format!(
        "there is nothing in {}: if large messages are on another disk, mount that, and begin again",
        place.display()
    );
    is_empty.then_some(what).into_iter().collect()
}

/// From where to where.
pub(super) struct Bodies<'a> {
    pub(super) from: &'a dyn Objects,
    pub(super) to: &'a DirectoryObjects,
    pub(super) engine: &'a dyn Engine,
}

impl Bodies<'_> {
    /// Copies what the messages of an account refer to, and is not there yet.
    pub(super) fn bring(&self, account: AccountId) -> Result<(), SetupError> {
        let failed = |what: String| SetupError::new(format!("a large message cannot be copied: {what}"));
        let names = referred(self.engine, account).map_err(|error| failed(error.to_string()))?;
        let (mut together, mut bytes): (Vec<(ObjectName, Shared)>, usize) = (Vec::new(), 0);
        for name in names {
            // What stands for a lost message is here already.
            match self.to.length(account, &name) {
                Ok(_) => continue,
                Err(ObjectError::Missing) => {}
                Err(error) => return Err(failed(error.to_string())),
            }
            let octets = self.from.read(account, &name).map_err(|error| failed(error.to_string()))?;
            if !name.starts_with(blake3::hash(&octets).to_hex().as_str()) {
                return Err(failed(format!("{name} is not what it was a moment ago; another program may write there")));
            }
            bytes += octets.len();
            together.push((name, Arc::new(octets)));
            if together.len() >= TOGETHER_MAX || bytes >= TOGETHER_BYTES_MAX {
                self.to.put_all(account, std::mem::take(&mut together)).map_err(|error| failed(error.to_string()))?;
                bytes = 0;
            }
        }
        self.to.put_all(account, together).map_err(|error| failed(error.to_string()))
    }
}

/// Keeps the large messages that are damaged, by their names, in a directory for each account; a line for each.
pub(super) fn keep_damaged(from: &dyn Objects, rebuilt: &Rebuilt, to: &Path) -> Result<Vec<String>, SetupError> {
    let mut told = Vec::new();
    for (whose, loss) in &rebuilt.losses {
        let Some((account, name)) = &loss.object else { continue };
        let octets = match from.read(*account, name) {
            Ok(octets) => octets,
            Err(ObjectError::Missing) => continue,
            Err(error) => return Err(SetupError::new(format!("{whose}: {loss}: {error}"))),
        };
        // The directory is called otherwise once it is in place.
        let place = Path::new(DAMAGED).join(format!("{:08x}", account.0));
        make(&to.join(&place))?;
        let place = place.join(name);
        let file = to.join(&place);
        private_file::write(&file, &octets).map_err(|error| SetupError::file("write", &file, &error, ADVICE))?;
        told.push(format!("{whose}: what is left of a large message is, beside this report, in {}", place.display()));
    }
    Ok(told)
}
