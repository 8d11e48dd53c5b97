//! Connections and mail files need file descriptors, of which systems hand out few unless asked.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

/// Enough for the largest number of connections that can be configured, and the files beside them.
const WANTED: u64 = 1_100_000;

/// Raises the number of files that this process may have open as far as the system lets it; the number it may have
/// now (`None`: as many as it likes).
pub fn raise_open_files() -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_never_falls() {
        let before = getrlimit(Resource::Nofile).current;
        let raised = raise_open_files();
        assert_eq!(raised, getrlimit(Resource::Nofile).current);
        assert!(raised.is_none() || raised >= before);
    }
}
