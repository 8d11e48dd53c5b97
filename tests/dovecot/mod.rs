//! Debian's Dovecot in a directory of its own, with one user, a master user, and Maildirs.

#[path = "../support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use crate::rig::{Lines, PATIENCE, free_ports};
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

pub const MASTER_PASSWORD: &str = "secret of the master";
pub const PASSWORD: &str = "secret";
/// Whose files the mail is: nobody's.
const OWNER: u32 = 65_534;

pub struct Dovecot {
    child: Child,
    place: tempfile::TempDir,
    pub imap_port: u16,
    pop3_port: u16,
}

impl Dovecot {
    /// `None`, and says so, where there is none, or this user may not start it.
    pub fn start() -> Option<Self> {
        Self::start_with("maildir")
    }

    /// The same with mail in another form.
    pub fn start_with(form: &str) -> Option<Self> {
        let binary = PathBuf::from("/usr/sbin/dovecot");
        if !binary.exists() {
            not_tested::without("dovecot", "Debian: dovecot-imapd, dovecot-pop3d");
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            not_tested::because("only root may start Dovecot");
            return None;
        }
        let place = tempfile::tempdir().unwrap();
        let path = place.path().to_str().unwrap();
        let [imap_port, pop3_port] = free_ports();
        // Its processes are several users'.
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["mail", "home"] {
            fs::create_dir(place.path().join(name)).unwrap();
            chown(place.path().join(name), Some(OWNER), Some(OWNER)).unwrap();
        }
        fs::write(place.path().join("masters"), format!("root:{{PLAIN}}{MASTER_PASSWORD}\n")).unwrap();
        // A userdb takes no line without its fields, however empty they are.
        fs::write(place.path().join("users"), format!("alice:{{PLAIN}}{PASSWORD}::::::\n")).unwrap();
        let config = format!(
            "base_dir = {path}/run\nstate_dir = {path}/run\nlog_path = {path}/log\nprotocols = imap pop3\n\
             listen = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\n\
             mail_location = {form}:{path}/mail/%u\nmail_uid = {OWNER}\nmail_gid = {OWNER}\n\
             auth_master_user_separator = *\n\
             passdb {{\n driver = passwd-file\n master = yes\n args = {path}/masters\n}}\n\
             passdb {{\n driver = passwd-file\n args = {path}/users\n}}\n\
             userdb {{\n driver = passwd-file\n args = {path}/users\n \
             override_fields = uid={OWNER} gid={OWNER} home={path}/home/%u\n}}\n\
             service imap-login {{\n chroot =\n inet_listener imap {{\n port = {imap_port}\n }}\n \
             inet_listener imaps {{\n port = 0\n }}\n}}\n\
             service pop3-login {{\n chroot =\n inet_listener pop3 {{\n port = {pop3_port}\n }}\n \
             inet_listener pop3s {{\n port = 0\n }}\n}}\n\
             service anvil {{\n chroot =\n}}\n\
             namespace inbox {{\n inbox = yes\n separator = .\n mailbox Gesendet {{\n special_use = \\Sent\n \
             auto = subscribe\n }}\n}}\n"
        );
        let file = place.path().join("dovecot.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(binary);
        command.arg("-F").arg("-c").arg(file).env("TZ", "UTC").stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let dovecot = Self { child, place, imap_port, pop3_port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", pop3_port)).is_err()
            || TcpStream::connect(("127.0.0.1", imap_port)).is_err()
        {
            let log = fs::read_to_string(dovecot.place.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "Dovecot does not start: {log}");
            std::thread::yield_now();
        }
        Some(dovecot)
    }

    /// The Maildir of its user.
    pub fn maildir(&self) -> String {
        self.place.path().join("mail/alice").to_str().unwrap().to_owned()
    }

    /// Its user has this password, as it hashes it, and these fields behind that in its passwd-file; gives the file.
    pub fn hash_password(&self, scheme: &str, fields: &str) -> String {
        let hash = self.doveadm(&["pw", "-s", scheme, "-p", PASSWORD]);
        let users = self.place.path().join("users");
        fs::write(&users, format!("# as somebody wrote it\nalice:{}{fields}\n", hash.trim())).unwrap();
        users.to_str().unwrap().to_owned()
    }

    /// The home of its user, who may write there.
    pub fn home(&self) -> PathBuf {
        let home = self.place.path().join("home/alice");
        fs::create_dir_all(&home).unwrap();
        chown(&home, Some(OWNER), Some(OWNER)).unwrap();
        home
    }

    pub fn config(&self) -> PathBuf {
        self.place.path().join("dovecot.conf")
    }

    /// What `doveadm` says.
    pub fn doveadm(&self, arguments: &[&str]) -> String {
        let output = Command::new("doveadm").arg("-c").arg(self.config()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What somebody else has put into the Maildir of its user becomes its user's.
    pub fn owns_its_mail(&self) {
        let owner = format!("{OWNER}:{OWNER}");
        assert!(Command::new("chown").args(["-R", &owner, &self.maildir()]).status().unwrap().success());
    }

    pub fn imap(&self) -> Lines {
        let mut imap = lines(self.imap_port);
        imap.until("* OK");
        imap.ask(&format!("l LOGIN alice {PASSWORD}"), "l OK");
        imap
    }

    pub fn pop3(&self) -> Lines {
        let mut pop = lines(self.pop3_port);
        pop.until("+OK");
        pop.ask("USER alice", "+OK");
        pop.ask(&format!("PASS {PASSWORD}"), "+OK");
        pop
    }
}

fn lines(port: u16) -> Lines {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Lines::new(Box::new(stream))
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // SIGTERM: it ends its own processes.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _gone = self.child.wait();
    }
}
