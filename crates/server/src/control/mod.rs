//! The control socket: how the command line speaks to a running server.
//!
//! A Unix socket in the data directory, for the server's user only. A client sends one JSON value on a line and gets
//! lines back: any number of [`Answer::Item`], then how it ended ([`Answer`]'s other variants); then it may ask again.
//! What is asked and answered is the handler's business: for the server it is [`Site`], and so a client calls the endpoints
//! of the JSON API and those of the operator, by their names.
//!
//! It is not meant for the network nor for many: a handful of connections, each in a thread of its own, because
//! handlers work on the disk.

mod client;
mod socket;

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{debug, warn};
use web::{Call, Failure, Site};

use crate::lifecycle::DataDir;
use crate::setup::SetupError;

pub use client::{CallError, Client};
use socket::Listener;

/// Connections at the same time; more are refused.
const CONNECTIONS_MAX: usize = 8;
/// A request is one line of at most this length.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// So is an answer, of this one: what is said of an account that is damaged all over is long.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A client that says nothing for so long is let go.
const IDLE_SECONDS: u64 = 60;

/// One line from the server to the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// A part of the answer, or progress of long work.
    Item(T),
    /// All is answered.
    Done,
    /// It cannot be done; the text says why and what to do.
    Refused(String),
    /// It failed, and that is not the asker's fault.
    Failed(String),
}

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// What can be asked.
    type Request: DeserializeOwned;
    /// What an answer is made of.
    type Item: Serialize;

    /// Does what is asked, giving parts of the answer to `item` as they come; `item` fails when nobody listens any
    /// more, and then the work may end. May block.
    ///
    /// # Errors
    /// What the person at the command line is told.
    fn handle(&self, request: Self::Request, item: &mut dyn FnMut(Self::Item) -> io::Result<()>)
    -> Result<(), Failure>;
}

impl Handler for Site {
    type Request = Call;
    type Item = Value;

    fn handle(&self, call: Call, part: &mut dyn FnMut(Value) -> io::Result<()>) -> Result<(), Failure> {
        self.operate(&call, part)
    }
}

/// An open control socket that nobody serves yet. The file goes when this is dropped.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: Listener,
}

impl ControlSocket {
    /// Opens the socket of `data_dir`. A file that a killed server left behind is replaced: the lock of the data
    /// directory tells that nobody listens on it. Must be called on a runtime.
    ///
    /// # Errors
    /// The socket cannot be made there.
    pub(crate) fn open(data_dir: &DataDir) -> Result<Self, SetupError> {
        Ok(Self { listener: Listener::bind(data_dir.path())? })
    }

    /// Answers with `handler` until `stop` becomes true or its sender is dropped. Requests that are being answered
    /// then are not waited for.
    pub(crate) async fn serve(self, handler: Arc<impl Handler>, mut stop: watch::Receiver<bool>) {
        // A local is dropped before a parameter: the file goes before `stop`, so who waits for that finds it gone.
        let listener = self.listener;
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let stream = match listener.accept(&mut stop).await {
                None => return,
                Some(Ok(stream)) => stream,
                Some(Err(error)) => {
                    warn!(%error, "the control socket cannot accept a connection");
                    // A second is nothing to a person, and long enough for a file descriptor to come free.
                    sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                let text = "too many commands speak to the server at this moment; try again".to_owned();
                // The buffer of a new socket takes a line at once.
                let _told = write_line(&stream, &Answer::<()>::Refused(text));
                continue;
            };
            let handler = handler.clone();
            spawn_blocking(move || {
                if let Err(error) = converse(&stream, &*handler) {
                    debug!(%error, "a control connection broke");
                }
                drop(place);
            });
        }
    }
}

/// Answers request after request.
fn converse(stream: &UnixStream, handler: &impl Handler) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(IDLE_SECONDS)))?;
    stream.set_write_timeout(Some(Duration::from_secs(IDLE_SECONDS)))?;
    let mut reader = BufReader::new(stream);
    while let Some(line) = read_line(&mut reader, LINE_BYTES_MAX)? {
        let outcome = match serde_json::from_slice(&line) {
            Ok(request) => handler.handle(request, &mut |item| write_line(stream, &Answer::Item(item))),
            // Both sides are the same program, unless one of them was upgraded.
            Err(error) => Err(Failure::Refused(format!(
                "the running server does not know this request ({error}); restart it if Pillarbox was upgraded"
            ))),
        };
        match outcome {
            Ok(()) => write_line(stream, &Answer::<()>::Done)?,
            Err(Failure::Refused(text)) => write_line(stream, &Answer::<()>::Refused(text))?,
            Err(Failure::Fault(text)) => write_line(stream, &Answer::<()>::Failed(text))?,
        }
    }
    Ok(())
}

/// The next line without its end; `None` at the end of the stream.
fn read_line(reader: &mut impl BufRead, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(bytes_max).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 + 1 == bytes_max => Err(io::Error::new(ErrorKind::InvalidData, "line too long")),
        Some(_) => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn write_line(mut stream: &UnixStream, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use tokio::runtime::{Builder, Runtime};

    /// Counts up to the number asked for; 13 and 14 are not for it.
    struct Counter;

    impl Handler for Counter {
        type Request = u32;
        type Item = u32;

        fn handle(&self, request: u32, item: &mut dyn FnMut(u32) -> io::Result<()>) -> Result<(), Failure> {
            match request {
                13 => return Err(Failure::Refused("not that one".to_owned())),
                14 => return Err(Failure::Fault("no disk".to_owned())),
                _ => {}
            }
            (1..=request).try_for_each(item).map_err(|error| Failure::Fault(error.to_string()))
        }
    }

    struct Rig {
        runtime: Runtime,
        stop: watch::Sender<bool>,
        data_dir: DataDir,
    }

    fn serve(path: &Path) -> Rig {
        let data_dir = DataDir::open(path).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (stop, stopping) = watch::channel(false);
        let socket = {
            let _context = runtime.enter();
            ControlSocket::open(&data_dir).unwrap()
        };
        runtime.spawn(socket.serve(Arc::new(Counter), stopping));
        Rig { runtime, stop, data_dir }
    }

    fn ask(client: &mut Client, request: impl Serialize) -> Result<Vec<u32>, CallError> {
        let mut items = Vec::new();
        let mut take = |item| {
            items.push(item);
            Ok(())
        };
        client.call(&request, &mut take).map(|()| items)
    }

    fn check_conversation(path: &Path) {
        assert!(Client::connect(path).unwrap().is_none(), "nobody listens yet");
        let rig = serve(path);
        let mode = fs::metadata(path.join("control.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut client = Client::connect(path).unwrap().unwrap();
        assert_eq!(ask(&mut client, 3).unwrap(), [1, 2, 3]);
        assert_eq!(ask(&mut client, 0).unwrap(), [0_u32; 0]);
        assert!(matches!(ask(&mut client, 13), Err(CallError::Refused(text)) if text == "not that one"));
        assert!(matches!(ask(&mut client, 14), Err(CallError::Failed(text)) if text == "no disk"));
        assert!(matches!(ask(&mut client, "x"), Err(CallError::Refused(text)) if text.contains("restart it")));
        assert_eq!(ask(&mut client, 1).unwrap(), [1], "a refusal does not end the conversation");
        rig.stop.send_replace(true);
        rig.runtime.block_on(rig.stop.closed());
        assert!(!path.join("control.sock").exists());
        drop(rig.data_dir);
        assert!(Client::connect(path).unwrap().is_none());
    }

    #[test]
    fn requests_are_answered_line_by_line() {
        let dir = tempfile::tempdir().unwrap();
        check_conversation(&dir.path().join("data"));
    }

    #[test]
    fn a_path_longer_than_a_socket_address_works() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("d".repeat(120));
        check_conversation(&long);
    }

    #[test]
    fn what_a_killed_server_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let rig = serve(&path);
        rig.stop.send_replace(true);
        rig.runtime.block_on(rig.stop.closed());
        drop(rig);
        // A socket without a listener, as SIGKILL leaves it.
        drop(std::os::unix::net::UnixListener::bind(path.join("control.sock")).unwrap());
        assert!(Client::connect(&path).unwrap().is_none());
        let rig = serve(&path);
        let mut client = Client::connect(&path).unwrap().unwrap();
        assert_eq!(ask(&mut client, 2).unwrap(), [1, 2]);
        drop(client);
        drop(rig);
    }

    #[test]
    fn lines_have_a_limit() {
        fn check(bytes: usize, expected: Result<usize, ErrorKind>) {
            let mut text = vec![b'x'; bytes];
            text.push(b'\n');
            let found = read_line(&mut text.as_slice(), LINE_BYTES_MAX);
            assert_eq!(found.map(|line| line.unwrap().len()).map_err(|error| error.kind()), expected);
        }
        let max = LINE_BYTES_MAX as usize;
        check(max - 1, Ok(max - 1));
        check(max, Err(ErrorKind::InvalidData));
        assert_eq!(read_line(&mut [].as_slice(), LINE_BYTES_MAX).unwrap(), None);
        assert_eq!(read_line(&mut b"half".as_slice(), LINE_BYTES_MAX).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
