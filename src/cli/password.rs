//! A new password: generated, read from standard input, or asked for without showing it. Never an argument, because
//! arguments are visible to every user of the machine.

use std::io::{self, IsTerminal, Read, stdin};

use clap::Args;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::failure::Failure;
use super::terminal;

/// A line longer than this is no password.
const LINE_BYTES_MAX: u64 = 4096;

/// Where a new password comes from; without both it is asked for.
#[derive(Debug, Args)]
pub(super) struct NewPassword {
    /// Have one generated, and show it once
    #[arg(long, conflicts_with = "password_stdin")]
    generate: bool,
    /// Read it from standard input, one line
    #[arg(long)]
    password_stdin: bool,
}

impl NewPassword {
    /// The password; `None` has one generated.
    pub(super) fn obtain(&self) -> Result<Option<String>, Failure> {
        if self.generate {
            return Ok(None);
        }
        if self.password_stdin || !stdin().is_terminal() {
            return from_input().map(Some);
        }
        let password = ask("Password: ")?;
        if ask("Once more: ")? != password {
            return Err(Failure::Refused("the two passwords differ; nothing was changed".to_owned()));
        }
        Ok(Some(password))
    }
}

/// A password that somebody knows: asked for once, or one line of standard input.
pub(super) fn known(question: &str) -> Result<String, Failure> {
    if stdin().is_terminal() { ask(question) } else { from_input() }
}

fn from_input() -> Result<String, Failure> {
    match line()? {
        password if password.is_empty() => {
            Err(Failure::Usage("no password came on standard input; write one line there".to_owned()))
        }
        password => Ok(password),
    }
}

/// One line of standard input, without reading beyond it.
fn line() -> Result<String, Failure> {
    let mut line = Vec::new();
    for byte in stdin().lock().take(LINE_BYTES_MAX).bytes() {
        match byte.map_err(unreadable)? {
            b'\n' => break,
            byte => line.push(byte),
        }
    }
    let text = String::from_utf8(line)
        .map_err(|_| Failure::Usage("the password on standard input is not UTF-8".to_owned()))?;
    Ok(text.strip_suffix('\r').unwrap_or(&text).to_owned())
}

fn ask(question: &str) -> Result<String, Failure> {
    let silence = Silence::begin().map_err(unreadable)?;
    terminal::ask(question);
    let answer = line();
    drop(silence);
    terminal::warn("");
    answer
}

fn unreadable(error: io::Error) -> Failure {
    Failure::Fault(format!("the password cannot be read: {error}"))
}

/// The terminal does not show what is typed as long as this lives.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that has gone shows nothing either.
        let _gone = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
    }
}
