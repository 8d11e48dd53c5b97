//! A server of somebody else: Postfix, as Debian packages it, with a configuration and a queue of its own.

#[path = "../support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use crate::rig::{Lines, PATIENCE};
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// Postfix with one mailbox, `bob@post.test`. What it has for other domains goes to one server, but for `bad.test`. Whom it has
/// to tell that mail is late it tells after a second.
pub struct Postfix {
    child: Child,
    config: PathBuf,
    mail: PathBuf,
    address: String,
    log: Mutex<Receiver<String>>,
}

const SERVICES: &str = "\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
";

impl Postfix {
    /// At `address`; mail for others goes to `relay`, that for bad.test to `bad`. `None`, and says so, where it cannot run.
    pub fn start(dir: &Path, [address, relay, bad]: [&str; 3], port: u16) -> Option<Self> {
        // The owner of its queue is in its installation.
        let owner = fs::metadata("/var/lib/postfix").map(|found| found.uid());
        let (Ok(owner), true) = (owner, rustix::process::geteuid().is_root()) else {
            match rustix::process::geteuid().is_root() {
                true => not_tested::without("postfix", "Debian: postfix"),
                false => not_tested::because("only root may start Postfix"),
            }
            return None;
        };
        let (config, mail) = (dir.join("config"), dir.join("mail"));
        for name in ["config", "mail", "spool", "spool/public", "data"] {
            fs::create_dir(dir.join(name)).unwrap();
        }
        ["data", "spool/public"].iter().for_each(|name| chown(dir.join(name), Some(owner), None).unwrap());
        chown(&mail, Some(65_534), Some(65_534)).unwrap();
        // Where its programs send the lines of its log, instead of its own service for that.
        let socket = UnixDatagram::bind(dir.join("spool/public/told")).unwrap();
        chown(dir.join("spool/public/told"), Some(owner), None).unwrap();
        let dir = dir.display();
        let options = format!(
            "compatibility_level = 3.6\nqueue_directory = {dir}/spool\ndata_directory = {dir}/data\n\
             maillog_file = {dir}/log\nmaillog_file_prefixes = {dir}\npostlog_service_name = told\nmyhostname = mx.post.test\nmydestination =\nalias_maps =\n\
             mynetworks = 127.0.0.0/8\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
             smtp_bind_address = {address}\nsmtp_dns_support_level = disabled\nsmtpd_peername_lookup = no\n\
             relayhost = [{relay}]:{port}\ntransport_maps = inline:{{ bad.test=smtp:[{bad}]:{port} }}\n\
             virtual_mailbox_domains = post.test\nvirtual_mailbox_base = {dir}/mail\n\
             virtual_mailbox_maps = inline:{{ bob@post.test=bob/ }}\nvirtual_uid_maps = static:65534\n\
             virtual_gid_maps = static:65534\n\
             virtual_alias_maps = inline:{{ {{lost@post.test = nobody@near.test}}, {{late@post.test = later@bad.test}} }}\n\
             smtp_tls_security_level = may\nsmtputf8_enable = no\ndelay_warning_time = 1s\nqueue_run_delay = 1s\n\
             minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n"
        );
        fs::write(config.join("main.cf"), options).unwrap();
        fs::write(config.join("master.cf"), format!("{address}:{port} inet n - n - - smtpd\n{SERVICES}")).unwrap();
        let mut command = Command::new("/usr/sbin/postfix");
        command.arg("-c").arg(&config).arg("start-fg").stdin(Stdio::null());
        let child = command.spawn().unwrap();
        let (told, log) = channel();
        thread::spawn(move || {
            let mut line = [0; 8192];
            // Ends with whoever listens.
            while let Ok(length) = socket.recv(&mut line)
                && told.send(String::from_utf8_lossy(&line[..length]).into_owned()).is_ok()
            {}
        });
        let postfix = Self { child, config, mail, address: format!("{address}:{port}"), log: Mutex::new(log) };
        postfix.logged("daemon started");
        Some(postfix)
    }

    /// Waits for the next line of its log with this text.
    pub fn logged(&self, text: &str) -> String {
        let log = self.log.lock().unwrap();
        let mut others = Vec::new();
        loop {
            let line = log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{text} was not logged, but {others:#?}"));
            if line.contains(text) {
                return line;
            }
            others.push(line);
        }
    }

    /// Bob sends a message, and wants to be told of `notify`.
    pub fn send(&self, notify: &str, recipient: &str) {
        let mut smtp = Lines::new(Box::new(TcpStream::connect(&self.address).unwrap()));
        smtp.until("220 ");
        smtp.ask("EHLO pc.post.test", "250 ");
        smtp.ask("MAIL FROM:<bob@post.test>", "250 ");
        smtp.ask(&format!("RCPT TO:<{recipient}> NOTIFY={notify}"), "250 ");
        smtp.ask("DATA", "354 ");
        let head = format!("From: bob@post.test\r\nMessage-ID: <1.{recipient}>\r\nSubject: to {recipient}");
        smtp.ask(&format!("{head}\r\n\r\nHello.\r\n."), "250 ");
        smtp.ask("QUIT", "221 ");
    }

    /// Waits for the next message in the mailbox, and takes it out.
    pub fn received(&self) -> String {
        self.logged("status=sent (delivered to maildir)");
        let found = fs::read_dir(self.mail.join("bob/new")).unwrap().map(|file| file.unwrap().path());
        let [file] = &found.collect::<Vec<_>>()[..] else { panic!("more than one message is there") };
        let message = fs::read_to_string(file).unwrap();
        fs::remove_file(file).unwrap();
        message
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let stop = Command::new("/usr/sbin/postfix").arg("-c").arg(&self.config).arg("abort").output();
        drop(stop);
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
