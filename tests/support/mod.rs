//! What tests on the real binary need: a server in a directory of its own, and small blocking clients that know the
//! wire, not the server.

// Each test uses its part of this.
#![allow(dead_code)]

pub mod imap;
pub mod link;
pub mod pop3;
pub mod power;
pub mod random;
pub mod server;
pub mod smtp;

use std::fmt;
use std::io;

/// Why a client did not get what it asked for.
#[derive(Debug)]
pub enum Failure {
    /// The connection broke: the server has gone. What was asked for may have happened or not.
    Gone(io::Error),
    /// The server said no, or something that nobody should say.
    Refused(String),
}

/// What a client gets.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn refused(command: &str, answer: impl AsRef<[u8]>) -> Self {
        let command: String = command.chars().take(120).collect();
        Self::Refused(format!("{command:?} was answered {:?}", String::from_utf8_lossy(answer.as_ref())))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A server that is there and does not answer is no server that has gone.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Refused(format!("no answer: {error}")),
            _ => Self::Gone(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(error) => write!(f, "the connection broke: {error}"),
            Self::Refused(text) => f.write_str(text),
        }
    }
}
