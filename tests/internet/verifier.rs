//! An author whose domain lets nobody else write in its name, and another implementation that signs and verifies: dkimpy (Debian's
//! python3-dkim), with the name server of the small Internet.

#[path = "../support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use crate::rig::{Lines, pillarbox};
use crate::zone::Zone;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the host of the author is, as the relay has it that brings its mail.
const OUT: &str = "192.0.2.7";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/internet/verifier.py");

/// A Python that has dkimpy.
pub struct Verifier(&'static str);

impl Verifier {
    /// `None`, and says so, where there is none.
    pub fn find() -> Option<Self> {
        let has_it = |python: &&str| {
            let tried = Command::new(python).args(["-c", "import dkim, dns.resolver"]).stderr(Stdio::null()).status();
            tried.is_ok_and(|status| status.success())
        };
        let found = ["python3", "/usr/bin/python3"].into_iter().find(has_it);
        if found.is_none() {
            not_tested::without("dkimpy", "Debian: python3-dkim");
        }
        found.map(Self)
    }

    /// What a host finds out that gets a message from `address`.
    pub fn look(&self, zone: &Zone, address: &str, message: &str) -> Value {
        let found = self.run(&["look", &zone.port.to_string(), address], message);
        serde_json::from_str(&found).unwrap_or_else(|_| panic!("{found}"))
    }

    fn run(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(self.0);
        command.arg(SCRIPT).args(arguments);
        fed(command, input)
    }
}

/// `ada@out.test`.
pub struct Author {
    pem: PathBuf,
    public: String,
}

impl Author {
    pub fn new(dir: &Path) -> Self {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let pem = dir.join("author.pem");
        fs::write(&pem, key.serialize_pem()).unwrap();
        Self { pem, public: STANDARD.encode(key.subject_public_key_info()) }
    }

    /// What the domain publishes.
    pub fn records(&self) -> String {
        let (first, second) = self.public.split_at(200);
        format!(
            "out.test. TXT \"v=spf1 ip4:{OUT} -all\"\n_dmarc.out.test. TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"\n\
             s._domainkey.out.test. TXT \"v=DKIM1; k=rsa; p={first}\" \"{second}\"\n"
        )
    }

    /// Writes to somebody, with further fields; a relay brings it.
    pub fn send(&self, verifier: &Verifier, server: (&str, u16), to: &str, fields: &str) {
        let message = format!(
            "From: Ada <ada@out.test>\r\nTo: <{to}>\r\nSubject: to {to}\r\nDate: Mon, 30 Nov 2026 08:00:00 +0000\r\n\
             Message-ID: <1.{}@out.test>\r\n{fields}\r\nHello.\r\n",
            to.len()
        );
        let field = verifier.run(&["sign", self.pem.to_str().unwrap(), "s", "out.test"], &message);
        let mut smtp = Lines::new(Box::new(TcpStream::connect(server).unwrap()));
        smtp.until("220 ");
        smtp.ask("EHLO relay.near.test", "250 ");
        smtp.ask("MAIL FROM:<ada@out.test>", "250 ");
        smtp.ask(&format!("RCPT TO:<{to}>"), "250 ");
        smtp.ask("DATA", "354 ");
        let trace = format!(
            "Received: from mail.out.test (mail.out.test [{OUT}])\r\n\tby relay.near.test with ESMTP id 1; \
             Mon, 30 Nov 2026 08:00:01 +0000"
        );
        smtp.ask(&format!("{trace}\r\n{field}{message}."), "250 ");
        smtp.ask("QUIT", "221 ");
    }
}

/// What `pillarbox verify-message` says.
pub fn verify_message(zone: &Zone, (path, address): (&str, &str), message: &str) -> String {
    let server = format!("127.0.0.1:{}", zone.port);
    let arguments = ["verify-message", "-", "--ip", address, "--helo", "localhost", "--from", path, "--dns", &server];
    fed(pillarbox(&arguments), message)
}

/// What a program says that reads a text.
fn fed(mut command: Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}
