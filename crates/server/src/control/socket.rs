//! The socket file itself, also where the path of the data directory is too long for a socket address.

use std::fs::{self, File, Permissions};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::Poll;

use tokio::net::UnixListener;
use tokio::sync::watch;

use crate::setup::SetupError;

const NAME: &str = "control.sock";
/// unix(7): `sun_path` has 108 bytes on Linux, 104 on BSD and macOS, one for the final NUL.
const ADDRESS_BYTES_MAX: usize = 103;

/// A path that fits into a socket address; usable as long as it lives.
struct Address {
    path: PathBuf,
    /// What a path through `/proc` stands on.
    _directory: Option<File>,
}

impl Address {
    fn new(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(NAME);
        if path.as_os_str().as_bytes().len() <= ADDRESS_BYTES_MAX {
            return Ok(Self { path, _directory: None });
        }
        if !cfg!(target_os = "linux") {
            let text = format!("the path is too long for a socket (more than {ADDRESS_BYTES_MAX} bytes)");
            return Err(io::Error::new(ErrorKind::InvalidFilename, text));
        }
        let directory = File::open(data_dir)?;
        let path = format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd()).into();
        Ok(Self { path, _directory: Some(directory) })
    }
}

pub(super) fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(Address::new(data_dir)?.path)
}

#[derive(Debug)]
pub(super) struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    pub(super) fn bind(data_dir: &Path) -> Result<Self, SetupError> {
        let path = data_dir.join(NAME);
        let open = || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let socket = UnixListener::bind(Address::new(data_dir)?.path)?;
            // Nobody comes in between: the directory is for the server's user only.
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(socket)
        };
        match open() {
            Ok(socket) => Ok(Self { socket, path }),
            Err(error) => {
                let advice = "the command line reaches the server through it; choose a data_dir on a local file \
                              system, with a shorter path";
                Err(SetupError::file("make the control socket", &path, &error, advice))
            }
        }
    }

    /// The next client; `None` when the server stops.
    pub(super) async fn accept(&self, stop: &mut watch::Receiver<bool>) -> Option<io::Result<UnixStream>> {
        let mut stopping = pin!(stop.wait_for(|stop| *stop));
        let accepted = poll_fn(|context| match stopping.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => self.socket.poll_accept(context).map(Some),
        });
        Some(accepted.await?.and_then(|(stream, _)| {
            let stream = stream.into_std()?;
            stream.set_nonblocking(false)?;
            Ok(stream)
        }))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Only tidiness: a file without a listener is replaced at the next start.
        let _left_over = fs::remove_file(&self.path);
    }
}
