//! Folders as they are found in directories.

use super::listed::Subscribed;
use crate::source::{Folder, SourceError};

/// Directories in directories; what is deeper is left out, and told.
pub(super) const DEPTH_MAX: usize = 16;
/// Folders; a place with more is not taken.
pub(super) const FOLDERS_MAX: usize = if cfg!(test) { 20 } else { 5000 };
/// Why a folder does not come.
pub(super) const TOO_DEEP: &str = "it lies below more than 16 directories; name one of them to take it";

/// Folders as they are found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) folders: Vec<Folder>,
    pub(super) subscribed: Option<Subscribed>,
}

impl Found {
    pub(super) fn add(
        &mut self,
        levels: &[String],
        key: Vec<u8>,
        left_out: Option<&'static str>,
    ) -> Result<(), SourceError> {
        if self.folders.len() == FOLDERS_MAX {
            return Err(too_many());
        }
        let is_subscribed = self.subscribed.as_ref().is_none_or(|listed| listed.contains(levels));
        let (name, levels) = (levels.join("/"), levels.to_vec());
        self.folders.push(Folder { name, levels, role: None, is_subscribed, left_out, key });
        Ok(())
    }
}

pub(super) fn too_many() -> SourceError {
    SourceError::Refused(format!("there are more than {FOLDERS_MAX} folders"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_a_limit() {
        let mut found = Found::default();
        let mut add = |number: usize| found.add(&[number.to_string()], Vec::new(), None);
        assert!((0..FOLDERS_MAX).all(|number| add(number).is_ok()));
        assert!(matches!(add(FOLDERS_MAX), Err(SourceError::Refused(why)) if why.contains("more than 20 folders")));
        assert!(TOO_DEEP.contains(&format!("more than {DEPTH_MAX} directories")));
    }
}
