//! The threads that everything runs on.

use tokio::runtime::{Builder, Runtime};

use super::open_files::enough_files;
use crate::setup::SetupError;

/// Sessions block their thread while they wait for the disk, so this many commits can wait for one flush together.
/// Measured with steps that take 1 ms: 64 connections make 50,000 steps/s with 128 threads as with 64, 200 make 58,000
/// instead of 54,000, and another client waits 1.4 ms instead of 2.3. An idle thread costs about 15 KiB.
const THREADS: usize = 128;

/// The runtime for the whole process. To be shut down with a time limit: a command line that is connected to the
/// control socket holds a thread.
///
/// # Errors
/// The system gives no threads.
pub fn runtime() -> Result<Runtime, SetupError> {
    enough_files()?;
    Builder::new_multi_thread().worker_threads(THREADS).thread_name("pillarbox").enable_all().build().map_err(|error| {
        SetupError::new(format!("no threads can be started: {error}; raise the limit of tasks (TasksMax= in systemd)"))
    })
}
