//! From the start of the process to its end: data directory, log, sockets, signals, drain.

mod data_dir;
mod disk;
mod flood;
mod logging;
mod open_files;
mod reserve_files;
mod running;
mod runtime;
mod signals;
mod supervisor;

pub use data_dir::DataDir;
pub(crate) use data_dir::{LOCK, MARKER, REPAIR, check_repaired};
pub use disk::Disk;
pub(crate) use disk::{FOR_ROOM, MAIL_BYTES_MIN};
pub(crate) use flood::Flood;
pub(crate) use logging::Telling;
pub use running::Running;
pub use runtime::runtime;
pub use signals::Request;
pub(crate) use signals::Signals;
