//! What imports have taken: each folder has as many rows as it counts, of a device that is there.

use super::Check;
use crate::account::ImportedRow;
use crate::engine::Snapshot;
use crate::error::Error;
use crate::ids::DeviceId;
use crate::key;
use crate::state::{self, AccountState};
use std::collections::BTreeMap;

/// Octets of the key of a folder: letter, kind, device, folder.
const FOLDER_KEY_BYTES: usize = 2 + 4 + 8;

impl Check {
    pub(super) fn imported(&mut self, snapshot: &dyn Snapshot, state: &AccountState) -> Result<(), Error> {
        let mut folders: BTreeMap<Vec<u8>, (u32, u32)> = BTreeMap::new();
        state::scan(snapshot, key::all_imported(), |key, value| {
            let known = key::number_at(key, 2).is_ok_and(|id| state.devices.contains_key(&DeviceId(id)));
            self.must(known, format_args!("what an import has taken is of no device (key {key:02x?})"));
            let (folder, row) = key.split_at_checked(FOLDER_KEY_BYTES).unwrap_or((key, &[]));
            let (counted, found) = folders.entry(folder.to_vec()).or_default();
            if row.is_empty() {
                *counted = key::number_at(value, 0).unwrap_or(u32::MAX);
            } else {
                *found += 1;
                let is_read = ImportedRow::decode(value).is_ok();
                self.must(is_read, format_args!("what an import has taken is damaged (key {key:02x?})"));
            }
            Ok(())
        })?;
        for (folder, (counted, found)) in folders {
            let what = format_args!("an import counts {counted} rows of a folder that has {found} (key {folder:02x?})")
                .to_string();
            self.must(counted == found, format_args!("{what}"));
        }
        Ok(())
    }
}
