//! The command line's side of the control socket; blocking.

use std::fmt;
use std::io::{self, BufReader, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ANSWER_BYTES_MAX, Answer, read_line, socket, write_line};
use crate::setup::SetupError;

/// A connection to the server that runs on a data directory.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<UnixStream>,
}

/// Why a call did not succeed.
#[derive(Debug)]
pub enum CallError {
    /// The server says no; the text is for the person who asked.
    Refused(String),
    /// The server could not; the text is for the person who asked.
    Failed(String),
    /// The connection broke: the server stopped, or both sides are of different versions. What was asked may have
    /// been done or not.
    Broken(io::Error),
}

impl Client {
    /// Connects to the server on `data_dir`; `None` when none runs there.
    ///
    /// # Errors
    /// The socket is there but may not be used by this user.
    pub fn connect(data_dir: &Path) -> Result<Option<Self>, SetupError> {
        match socket::connect(data_dir) {
            Ok(stream) => Ok(Some(Self { reader: BufReader::new(stream) })),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
            Err(error) => {
                let advice = "run this command as the server's user (or root)";
                Err(SetupError::file("speak to the server in", data_dir, &error, advice))
            }
        }
    }

    /// Asks, and gives each part of the answer to `item` as it comes.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call<T: DeserializeOwned>(
        &mut self,
        request: &impl Serialize,
        item: &mut dyn FnMut(T) -> io::Result<()>,
    ) -> Result<(), CallError> {
        write_line(self.reader.get_ref(), request)?;
        loop {
            let line = read_line(&mut self.reader, ANSWER_BYTES_MAX)?.ok_or(ErrorKind::UnexpectedEof)?;
            match serde_json::from_slice(&line).map_err(io::Error::from)? {
                Answer::Item(part) => item(part)?,
                Answer::Done => return Ok(()),
                Answer::Refused(text) => return Err(CallError::Refused(text)),
                Answer::Failed(text) => return Err(CallError::Failed(text)),
            }
        }
    }
}

impl<E: Into<io::Error>> From<E> for CallError {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text) | Self::Failed(text) => f.write_str(text),
            Self::Broken(error) => write!(
                f,
                "the connection to the running server broke ({error}); see its log, then look whether it was done"
            ),
        }
    }
}

impl std::error::Error for CallError {}
