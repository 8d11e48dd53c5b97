//! What the system says of this process.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// How it stands with the process; what the system does not say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    /// Memory that is in use, in octets.
    pub(super) resident_bytes: Option<u64>,
    /// File descriptors that are open.
    pub(super) open_files: Option<u64>,
    /// How many may be; `None` also where there is no limit.
    pub(super) open_files_max: Option<u64>,
}

impl Process {
    pub(super) fn look() -> Self {
        // proc_pid_status(5)
        let status = fs::read_to_string("/proc/self/status").ok();
        // One of them is the look itself.
        let open_files = fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1));
        let open_files_max = getrlimit(Resource::Nofile).current;
        Self { resident_bytes: status.as_deref().and_then(resident), open_files, open_files_max }
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_itself() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"), Some(1234 * 1024));
        assert_eq!(resident("VmRSS:\tmuch\n"), None);
        let before = Process::look();
        let _file = fs::File::open("/proc/self/status").unwrap();
        assert!(before.resident_bytes > Some(100_000) && before.open_files > Some(2), "{before:?}");
    }
}
