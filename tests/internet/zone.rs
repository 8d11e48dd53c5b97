//! The DNS of a small Internet: the root, signed by Knot DNS, and one zone below it that is not signed.

#[path = "../support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use crate::rig::free_ports;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

/// The zone that is not signed.
const UNSIGNED: &str = "plain.test.";

/// A name server with a signed zone.
pub struct Zone {
    child: Child,
    /// Where it is asked, at 127.0.0.1.
    pub port: u16,
    anchors: PathBuf,
}

impl Zone {
    /// Serves `records`, lines as in a zone file; those of `plain.test` and of names below it are not signed. `None`, and says so, where Knot DNS is not installed.
    pub fn start(dir: &Path, records: &str) -> Option<Self> {
        let [port] = free_ports();
        let place = dir.display();
        let head = ". 60 IN SOA ns.test. hostmaster.test. 1 3600 600 86400 60\n. 60 IN NS ns.test.\nns.test. 60 IN A 127.0.0.1\n";
        let is_unsigned = |line: &&str| line.split(' ').next().is_some_and(|owner| owner.ends_with(UNSIGNED));
        let (unsigned, signed): (Vec<&str>, Vec<&str>) = records.lines().partition(is_unsigned);
        let cut = format!("{UNSIGNED} 60 IN NS ns.test.");
        fs::write(dir.join("root.zone"), format!("$TTL 60\n{head}{cut}\n{}\n", signed.join("\n"))).unwrap();
        let head = format!("{UNSIGNED} 60 IN SOA ns.test. hostmaster.test. 1 3600 600 86400 60\n{cut}");
        fs::write(dir.join("plain.zone"), format!("$TTL 60\n{head}\n{}\n", unsigned.join("\n"))).unwrap();
        ["run", "db"].iter().for_each(|name| fs::create_dir(dir.join(name)).unwrap());
        let config = format!(
            "server:\n    listen: 127.0.0.1@{port}\n    rundir: {place}/run\nlog:\n  - target: stdout\n    any: info\n\
             database:\n    storage: {place}/db\n\
             policy:\n  - id: one\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n\
             zone:\n  - domain: {UNSIGNED}\n    storage: {place}\n    file: plain.zone\n    zonefile-sync: -1\n  \
             - domain: .\n    storage: {place}\n    file: root.zone\n    dnssec-signing: on\n    dnssec-policy: one\n    \
             zonefile-sync: -1\n    journal-content: all\n    zonefile-load: difference\n"
        );
        let file = dir.join("knot.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("/usr/sbin/knotd");
        command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else {
            not_tested::without("knotd", "Debian: knot");
            return None;
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut said = Vec::new();
        let is_ready =
            lines.by_ref().inspect(|line| said.push(line.clone())).any(|line| line.contains("server started"));
        let is_signed = said.iter().any(|line| line.contains("successfully signed"));
        assert!(is_ready && is_signed, "the name server has no zone: {said:#?}");
        // A full pipe would stop it.
        thread::spawn(move || lines.for_each(drop));
        let keys = Command::new("/usr/sbin/keymgr").arg("-c").arg(&file).args([".", "dnskey"]).output().unwrap();
        let anchors = dir.join("anchors");
        fs::write(&anchors, String::from_utf8(keys.stdout).unwrap().replace(" DNSKEY ", " 60 IN DNSKEY ")).unwrap();
        Some(Self { child, port, anchors })
    }

    /// What a server's configuration needs to ask it, and to trust it.
    pub fn options(&self) -> String {
        format!("dns.servers = [\"127.0.0.1:{}\"]\ndns.trust_anchors = \"{}\"\n", self.port, self.anchors.display())
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
