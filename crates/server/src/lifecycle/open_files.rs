//! Connections and mail files need file descriptors, of which systems hand out few unless asked.
//!
//! Where there are fewer than [`FILES_MIN`] nothing begins: whichever file is missing first (a database, a thread's, a
//! socket) would be blamed for it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

use crate::listen::ConnectionLimits;
use crate::setup::SetupError;

/// Enough for the largest number of connections that can be configured, and the files beside them.
const WANTED: u64 = 1_100_000;

/// Raises the number of files that this process may have open as far as the system lets it; the number it may have
/// now (`None`: as many as it likes).
pub(crate) fn raise_open_files() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let reachable = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    let soft = current?;
    if soft >= reachable {
        return Some(soft);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(reachable), maximum }) {
        Ok(()) => Some(reachable),
        Err(error) => {
            debug!(%error, "the limit of open files stays as it is");
            Some(soft)
        }
    }
}

/// Fewer than this, and there is not enough for the databases and a few connections.
const FILES_MIN: u64 = 64;
/// File descriptors that are not for connections: mail, databases, the log. Where there are few it is a half.
const OTHER_FILES: u64 = 512;
const ADVICE: &str = "raise the limit of open files (LimitNOFILE= in systemd, `ulimit -Hn` in a shell)";

/// Whether there are file descriptors enough to begin at all.
///
/// # Errors
/// There are not; how many there should be, and how to get them.
pub(crate) fn enough_files() -> Result<(), SetupError> {
    raise_open_files().map_or(Ok(()), enough)
}

fn enough(files: u64) -> Result<(), SetupError> {
    if files >= FILES_MIN {
        return Ok(());
    }
    Err(SetupError::new(format!("this process may have {files} files open, and Pillarbox needs {FILES_MIN}; {ADVICE}")))
}

/// As many connections as there are file descriptors for.
pub(crate) fn affordable(wanted: ConnectionLimits) -> ConnectionLimits {
    let Some(files) = raise_open_files() else { return wanted };
    let limits = wanted.within(connections_for(files));
    if limits != wanted {
        let (connections_max, per_address_max) = (limits.total, limits.per_address);
        warn!(
            connections_max,
            per_address_max,
            wanted = wanted.total,
            open_files_max = files,
            "fewer connections than configured: {ADVICE}"
        );
    }
    limits
}

fn connections_for(files: u64) -> usize {
    usize::try_from(files.saturating_sub(OTHER_FILES).max(files / 2)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_files_are_told_before_anything_else_is_blamed() {
        let configured = ConnectionLimits { total: 10_000, per_address: 100, per_loopback: 5_000 };
        let limits = |total, per_address, per_loopback| Some(ConnectionLimits { total, per_address, per_loopback });
        for (files, expected) in [
            (8, None),
            (16, None),
            (63, None),
            (64, limits(32, 8, 16)),
            (256, limits(128, 32, 64)),
            (1024, limits(512, 100, 256)),
            (65_536, limits(10_000, 100, 5_000)),
        ] {
            let found = enough(files).map(|()| configured.within(connections_for(files)));
            assert_eq!(found.as_ref().ok(), expected.as_ref(), "{files}");
            if let Err(error) = found {
                let text = error.to_string();
                assert!(text.contains("LimitNOFILE=") && text.contains(&format!("may have {files} files")), "{text}");
            }
        }
    }

    #[test]
    fn the_limit_never_falls() {
        let before = getrlimit(Resource::Nofile).current;
        let raised = raise_open_files();
        assert_eq!(raised, getrlimit(Resource::Nofile).current);
        assert!(raised.is_none() || raised >= before);
    }
}
