//! Foreign programs, each bounded in time, with a home directory and nothing else of this machine's settings.

#[path = "../support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// A program that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a program ended.
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    /// Both outputs, for messages.
    pub text: String,
}

/// Whether all these programs are there; says so if one is not.
pub fn are_here(programs: &[&str]) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_missing = |program: &&&str| !env::split_paths(&path).any(|directory| directory.join(program).is_file());
    match programs.iter().find(is_missing) {
        Some(missing) => {
            not_tested::without(missing, "its story is not played");
            false
        }
        None => true,
    }
}

/// Runs a program with `input` to its end; one that hangs is killed, and that is a failure.
pub fn run(home: &Path, program: &str, arguments: &[&str], input: &str) -> Ran {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("FETCHMAILHOME", home)
        .env("LANG", "C.UTF-8")
        .env("TERM", "xterm")
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    // A program that wants no input may be gone already.
    let _gone = child.stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes()));
    let pid = Pid::from_child(&child);
    let (sender, receiver) = channel();
    let waiting = thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(PATIENCE) else {
        // Nobody has waited for it yet, so the number is still its own.
        kill_process(pid, Signal::KILL).unwrap();
        panic!("{program} {} hangs", arguments.join(" "));
    };
    waiting.join().unwrap().unwrap();
    Ran::of(output.unwrap())
}

impl Ran {
    fn of(output: Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        Self { status: output.status.code().unwrap_or(-1), stdout, text }
    }

    /// What it printed; it must have ended with this status.
    #[track_caller]
    pub fn ended(self, status: i32) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        self.stdout
    }
}
