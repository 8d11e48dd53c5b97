//! A PostgreSQL of the test's own: a directory that goes away with it, on a Unix socket that nobody else sees.

#![allow(dead_code)] // Each test uses a part of it.

#[path = "../../../../tests/support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running database server.
pub struct Cluster {
    directory: TempDir,
    programs: PathBuf,
    server: Option<Child>,
}

impl Cluster {
    /// Starts one; `None`, with a line that says so, where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            not_tested::without("postgresql", "Debian: postgresql");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        if let Some((user, group)) = other_user() {
            chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let mut cluster = Self { directory, programs, server: None };
        let data = cluster.data();
        let made = cluster
            .command("initdb")
            .args(["--auth=trust", "--username=pillarbox", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb: {made}");
        cluster.run(&[]);
        Some(cluster)
    }

    /// Where to connect.
    pub fn url(&self) -> String {
        let socket = self.directory.path().display().to_string().replace('/', "%2F");
        format!("postgres://pillarbox@{socket}/postgres?sslmode=disable")
    }

    /// The socket on which it listens.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join(".s.PGSQL.5432")
    }

    /// SIGKILL to the server itself; those that it has started end by themselves.
    pub fn kill_at_once(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Starts the server with further settings, `name=value`, and waits until it takes connections.
    pub fn run(&mut self, settings: &[&str]) {
        let data = self.data();
        let mut command = self.command("postgres");
        command.arg("-D").arg(data).arg("-k").arg(self.directory.path()).args(["-c", "listen_addresses="]);
        for setting in settings {
            command.args(["-c", setting]);
        }
        let mut server = command.stderr(Stdio::null()).spawn().unwrap();
        // `pg_isready` asks once; it comes back at once while there is no socket.
        let is_ready = || {
            let mut command = self.command("pg_isready");
            command.arg("-q").arg("-h").arg(self.directory.path());
            command.status().unwrap().success()
        };
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !is_ready() {
            assert!(std::time::Instant::now() < until, "PostgreSQL does not start");
            // What one before it had started may not have ended yet.
            if server.try_wait().unwrap().is_some() {
                server = command.spawn().unwrap();
            }
        }
        self.server = Some(server);
    }

    /// Ends the server as a power cut would: at once, with all its connections.
    pub fn kill(&mut self) {
        self.stop("immediate");
    }

    /// How many transactions have written something; each asking adds one.
    pub fn transactions(&self) -> u64 {
        let mut command = self.command("psql");
        command.args(["-Atq", "-U", "pillarbox", "-d", "postgres", "-h"]).arg(self.directory.path());
        command.args(["-c", "SELECT pg_current_xact_id()"]);
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    /// Says something to the database in a session that lives as long as the result, and returns when it is done.
    pub fn session(&self, statements: &str) -> Session {
        let mut command = self.command("psql");
        command.args(["-Atq", "-U", "pillarbox", "-d", "postgres", "-h"]).arg(self.directory.path());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        process.stdin.as_mut().unwrap().write_all(format!("{statements}\n\\echo done\n").as_bytes()).unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "done"));
        Session(process)
    }

    fn stop(&mut self, mode: &str) {
        let Some(mut server) = self.server.take() else { return };
        let data = self.data();
        let _ = self.command("pg_ctl").args(["stop", "-s", "-m", mode, "-D"]).arg(data).status();
        let _ = server.wait();
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        // PostgreSQL refuses to run as root.
        if let Some((user, group)) = other_user() {
            command.uid(user).gid(group);
        }
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop("immediate");
    }
}

/// A session with the database.
pub struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The newest version that Debian has installed, or what is on the path.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("initdb").exists())
        .collect();
    versions.sort();
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).find(|path| path.join("initdb").exists());
    versions.pop().or_else(on_path)
}

/// The user and group `nobody`, if this is root.
fn other_user() -> Option<(u32, u32)> {
    const NOBODY: u32 = 65_534;
    let is_root = rustix::process::geteuid().is_root();
    is_root.then_some((NOBODY, NOBODY)).filter(|_| Path::new("/etc/passwd").exists())
}
