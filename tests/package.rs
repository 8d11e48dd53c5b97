//! The Debian package, in a clean root of Debian's own packages: installed, set up and called by root, served by a user who is not
//! root, removed without the mail.
//!
//! It needs root, mmdebstrap and Debian's archive; where one is missing it says so and passes. And the static program, in a root in
//! which there is nothing at all.
#![allow(clippy::unwrap_used)]

mod rig;

#[path = "support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use rig::Trial;
use rustix::process::{Pid, Signal, geteuid, kill_process};

/// A root directory with nothing in it but Debian, and the package as it is made of this build.
struct CleanRoot {
    place: tempfile::TempDir,
    package: String,
}

impl CleanRoot {
    fn make() -> Option<Self> {
        if !geteuid().is_root() {
            not_tested::because("only root can make a root directory");
            return None;
        }
        let place = tempfile::tempdir().unwrap();
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or("stable");
        let made = Command::new("mmdebstrap")
            .args(["--quiet", "--variant=minbase", "--include=adduser,ca-certificates,procps,systemd", suite])
            .arg(place.path().join("root"))
            .output();
        match made {
            Ok(made) if made.status.success() => {}
            Ok(made) => {
                not_tested::because(format_args!("no clean root: {}", String::from_utf8_lossy(&made.stderr).trim()));
                return None;
            }
            Err(error) => {
                not_tested::without("mmdebstrap", error);
                return None;
            }
        }
        let made = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/deb"))
            .args(["--binary", env!("CARGO_BIN_EXE_pillarbox")])
            .arg(place.path().join("root"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let package = fs::read_dir(place.path().join("root")).unwrap().find_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.ends_with(".deb").then_some(name)
        });
        Some(Self { place, package: package.expect("a package") })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.place.path().join("root").join(path)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new("chroot");
        // As somebody who has just logged in.
        command.env_clear().envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root"), ("LC_ALL", "C")]);
        command.arg(self.path("")).args(words.split(' ')).stdin(Stdio::null());
        command
    }

    /// What root's command `words` answers.
    fn says(&self, words: &str) -> String {
        let output = self.command(words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}: {text}");
        text
    }

    /// Nothing below the data directory belongs to anybody but the server's user.
    fn owned_by_one(&self) {
        let data = self.path("var/lib/pillarbox");
        let owner = fs::metadata(&data).unwrap().uid();
        assert_ne!(owner, 0);
        let mut left = vec![data];
        let mut seen = 0;
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
                let found = entry.metadata().unwrap();
                assert_eq!(found.uid(), owner, "{}", entry.path().display());
                seen += 1;
                if found.is_dir() {
                    left.push(entry.path());
                }
            }
        }
        assert!(seen > 5, "{seen} files");
    }

    /// Starts the server as the unit does, as far as can be done without systemd; its process, and its port for IMAP.
    fn serve(&self) -> (Child, BufReader<ChildStderr>, String) {
        let as_user = "setpriv --reuid pillarbox --regid pillarbox --clear-groups --no-new-privs";
        let words = format!("{as_user} /usr/bin/pillarbox serve --config /etc/pillarbox.toml");
        let mut server = self.command(&words).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(server.stderr.take().unwrap());
        let (mut said, mut line, mut imap) = (String::new(), String::new(), None);
        while !line.contains(" ready ") {
            line.clear();
            if log.read_line(&mut line).unwrap() == 0 {
                let ended = server.wait().unwrap();
                panic!("it ended before it was ready, {ended}: {said}");
            }
            if let Some((_, address)) = line.split_once("service=imap address=") {
                imap = Some(address.trim().to_owned());
            }
            said += &line;
        }
        (server, log, imap.expect("a port for IMAP"))
    }
}

fn stop(mut server: Child) {
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
}

#[test]
fn the_package_installs_serves_and_goes_without_the_mail() {
    let Some(root) = CleanRoot::make() else { return };
    root.says(&format!("dpkg --install /{}", root.package));
    assert!(root.says("pillarbox --version").starts_with("pillarbox "));
    for document in ["pillarbox", "pillarbox-undo", "pillarbox-account-add"] {
        assert!(root.path(&format!("usr/share/man/man1/{document}.1.gz")).exists(), "{document}");
    }
    let completion = root.path("usr/share/bash-completion/completions/pillarbox");
    assert!(fs::read_to_string(completion).unwrap().contains("complete -F _pillarbox"));
    the_unit_is_sound(&root);

    let steps = root.says("pillarbox setup mail.example.org you@example.org");
    assert!(steps.contains("everything is kept in /var/lib/pillarbox"), "{steps}");
    root.owned_by_one();
    // Nobody out there is asked for a certificate, and the ports of this machine are left alone.
    let services = ["smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s", "https"];
    let listen: String = services.map(|service| format!("listen.{service} = [\"127.0.0.1:0\"]\n")).concat();
    let config = root.path("etc/pillarbox.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.lines().filter(|line| !line.starts_with("tls.") && !line.starts_with("listen."));
    fs::write(&config, text.map(|line| format!("{line}\n")).collect::<String>() + &listen).unwrap();

    let again = root.says("pillarbox setup mail.example.org you@example.org");
    assert!(again.contains("it was there and is as it was"), "{again}");
    root.says("pillarbox domain add example.net");
    // A message that is kept in a file of its own.
    let mbox = format!("From a@b Mon Nov 30 00:00:00 2026\nSubject: long\n\n{}", "a line\n".repeat(20_000));
    fs::write(root.path("srv/old.mbox"), mbox).unwrap();
    root.says("pillarbox import mbox:/srv/old.mbox --account you@example.org");
    root.owned_by_one();

    the_unit_works(&root);
    root.owned_by_one();

    let (server, _log, imap) = root.serve();
    let mut client = BufReader::new(TcpStream::connect(imap).unwrap());
    let mut greeting = String::new();
    client.read_line(&mut greeting).unwrap();
    assert!(greeting.starts_with("* OK "), "{greeting}");
    client.get_mut().write_all(b"a LOGOUT\r\n").unwrap();
    // Root, and the running server: without an option, since there is no other server.
    root.says("pillarbox alias add office@example.org you@example.org");
    assert!(root.says("pillarbox account list").contains("you@example.org"));
    stop(server);
    root.owned_by_one();
    assert!(root.says("pillarbox alias list").contains("office@example.org"));
    root.says("pillarbox check");
    let (server, _log, _) = root.serve();
    stop(server);

    root.says("dpkg --remove pillarbox");
    assert!(!root.path("usr/bin/pillarbox").exists());
    let said = root.says("dpkg --purge pillarbox");
    assert!(said.contains("The mail stays in /var/lib/pillarbox"), "{said}");
    root.owned_by_one();
    assert!(config.exists());
}

/// Has systemd be the first process of a root, without touching the machine around it; says on `NOTIFY_SOCKET` when it has started
/// everything (systemd(1), container interface).
const BOOT: &str = r#"
set -e
cd "$1"
mount --make-rprivate /
mount --bind . .
cd "$1"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mkdir sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
fi
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do
  touch "dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/shm dev/pts
ln -s pts/ptmx dev/ptmx
mkdir -p old
pivot_root . old
umount -l /old
exec env -i container=test NOTIFY_SOCKET=/var/notify.sock PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --log-target=journal --unit=multi-user.target
"#;

/// A machine of its own, as far as its processes can see.
struct Machine {
    outside: Child,
    systemd: String,
}

impl Machine {
    /// `None`, with a line that says why: not here.
    fn boot(root: &CleanRoot) -> Option<Self> {
        let started = UnixDatagram::bind(root.path("var/notify.sock")).unwrap();
        started.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--ipc", "--uts"];
        let script = ["sh", "-c", BOOT, "sh", root.path("").to_str().unwrap()].map(str::to_owned);
        let outside = Command::new("unshare").args(namespaces).args(script).stdin(Stdio::null()).spawn();
        let outside = outside.inspect_err(|error| not_tested::because(format_args!("unshare: {error}"))).ok()?;
        let (mut text, mut said) = ([0; 1024], String::new());
        while !said.contains("READY=1") {
            match started.recv(&mut text) {
                Ok(length) => said = String::from_utf8_lossy(&text[..length]).into_owned(),
                Err(error) => {
                    not_tested::because(format_args!("systemd does not start here: {error}"));
                    drop(Self { outside, systemd: String::new() });
                    return None;
                }
            }
        }
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", outside.id())).unwrap();
        Some(Self { outside, systemd: children.trim().to_owned() })
    }

    fn command(&self, words: &str) -> Output {
        let here = ["--target", &self.systemd, "--mount", "--pid", "--cgroup", "--ipc", "--uts", "--root", "--wd"];
        let mut command = Command::new("nsenter");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(here);
        command.args(words.split(' ')).stdin(Stdio::null()).output().unwrap()
    }

    fn says(&self, words: &str) -> String {
        let output = self.command(words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let log = || String::from_utf8_lossy(&self.command("journalctl --no-pager -u pillarbox").stdout).into_owned();
        assert!(output.status.success(), "{words}: {text}\n{}", log());
        text
    }

    /// A property of the unit.
    fn shows(&self, property: &str) -> String {
        self.says(&format!("systemctl show --value -p {property} pillarbox")).trim().to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With it all processes of its machine end, and what is mounted there is gone.
        let _ = self.outside.kill();
        let _ = self.outside.wait();
    }
}

/// The unit as systemd runs it, with all that it may not do.
fn the_unit_works(root: &CleanRoot) {
    let unit = fs::read_to_string(root.path("lib/systemd/system/pillarbox.service")).unwrap();
    let other: String = unit
        .lines()
        .map(|line| match line.split_once('=') {
            Some(("ExecStart", _)) => "ExecStart=/bin/true\n".to_owned(),
            Some(("Type", _)) => "Type=oneshot\n".to_owned(),
            Some(("Restart", _)) => String::new(),
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(root.path("lib/systemd/system/control.service"), other).unwrap();
    let Some(machine) = Machine::boot(root) else { return };
    if !machine.command("systemctl start control").status.success() {
        return not_tested::because("systemd cannot confine a service here, whichever it is");
    }
    // It was started with the machine.
    machine.says("systemctl start pillarbox");
    assert_eq!(machine.shows("ActiveState"), "active");
    machine.says("systemctl reload pillarbox");
    assert!(machine.says("journalctl --no-pager -u pillarbox").contains(" ready "));
    let first = machine.shows("MainPID");
    machine.says("systemctl restart pillarbox");
    let second = machine.shows("MainPID");
    assert_ne!(first, second);
    // What ends by a fault comes back by itself: the start of another one is waited for.
    machine.says("systemctl kill --signal=KILL --kill-whom=main pillarbox");
    while machine.shows("NRestarts") == "0" || machine.shows("ActiveState") != "active" {}
    assert_ne!(machine.shows("MainPID"), second);
    assert!(machine.says("pillarbox account list").contains("you@example.org"));
    machine.says("systemctl stop pillarbox");
    assert_eq!((machine.shows("Result").as_str(), machine.shows("ExecMainStatus").as_str()), ("success", "0"));
}

/// systemd knows every line of the unit, and how little the server may do.
fn the_unit_is_sound(root: &CleanRoot) {
    let unit = "/lib/systemd/system/pillarbox.service";
    let said = root.says(&format!("systemd-analyze verify --man=no {unit}"));
    assert!(!said.contains("pillarbox.service"), "{said}");
    let enabled = root.path("etc/systemd/system/multi-user.target.wants/pillarbox.service");
    assert!(fs::symlink_metadata(enabled).is_ok(), "it does not start with the machine");
    // Tenths: 20 is “OK”, a unit without any limit has 96.
    root.says(&format!("systemd-analyze security --offline=true --threshold=20 {unit}"));
}

/// Gives a root what a program may ask the kernel for, and becomes a program in it.
const IN_ROOT: &str = r#"
set -e
cd "$1"
shift
mount --make-rprivate /
for node in null random urandom; do mount --bind "/dev/$node" "dev/$node"; done
exec chroot . "$@"
"#;

/// As `ca-certificates` brings them.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A root with one program in it, certificates of authorities, and nothing else.
struct EmptyRoot(tempfile::TempDir);

impl EmptyRoot {
    fn make() -> Option<Self> {
        let Some(program) = env::var_os("PILLARBOX_STATIC") else {
            not_tested::because("PILLARBOX_STATIC does not say where a program of packaging/static is");
            return None;
        };
        let may_mount = Command::new("unshare").args(["--mount", "mount", "--make-rprivate", "/"]).output();
        if !may_mount.is_ok_and(|output| output.status.success()) {
            not_tested::because("only root can make a root directory, where it may mount");
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        fs::copy(program, root.path().join("pillarbox")).unwrap();
        fs::create_dir(root.path().join("dev")).unwrap();
        for node in ["null", "random", "urandom"] {
            fs::write(root.path().join("dev").join(node), "").unwrap();
        }
        // What it asks others for (names, mail to them) is asked under TLS: it wants to know whom to trust.
        fs::create_dir_all(root.path().join("etc/ssl/certs")).unwrap();
        if let Err(error) = fs::copy(AUTHORITIES, root.path().join(AUTHORITIES.trim_start_matches('/'))) {
            not_tested::because(format_args!("{AUTHORITIES}: {error}"));
            return None;
        }
        Some(Self(root))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(["--mount", "sh", "-c", IN_ROOT, "sh"]);
        command.arg(self.0.path()).arg("/pillarbox").args(arguments);
        command
    }
}

#[test]
fn the_static_program_serves_where_there_is_nothing_else() {
    const ALICE: &str = "alice@example.org";
    let Some(root) = EmptyRoot::make() else { return };
    let version = root.command(&["--version"]).output().unwrap();
    let said = String::from_utf8_lossy(&version.stdout).into_owned() + &String::from_utf8_lossy(&version.stderr);
    assert!(version.status.success() && said == concat!("pillarbox ", env!("CARGO_PKG_VERSION"), "\n"), "{said}");

    let data_dir = root.0.path().join("data");
    let arguments = ["try", "--free-ports", "--data-dir", "/data"];
    let trial = Trial::started_by(root.command(&arguments), &data_dir, "Ctrl-C stops");
    let mut imap = trial.connect_tls(trial.port("read: IMAP", 0));
    imap.until("* OK");
    imap.ask(&format!("a LOGIN {ALICE} {}", trial.password(ALICE)), "a OK");
    let status = imap.ask("b STATUS INBOX (MESSAGES)", "b OK");
    assert!(status[0].contains("(MESSAGES 1)"), "{status:?}");
    imap.ask("c LOGOUT", "c OK");
    let (_, pages) = trial.guide.split_once("or https://localhost:").unwrap();
    let port = pages.split_once('/').unwrap().0.parse().unwrap();
    let mut browser = trial.connect_tls(port);
    let answer = browser.ask(&format!("GET /login HTTP/1.1\r\nHost: localhost:{port}\r\n"), "HTTP/1.1 ");
    assert_eq!(answer, ["HTTP/1.1 200 OK"]);
    // The command line beside it finds the server.
    let list = root.command(&["account", "list", "--data-dir", "/data"]).output().unwrap();
    assert!(String::from_utf8_lossy(&list.stdout).contains(ALICE), "{list:?}");
    trial.stop();
}
