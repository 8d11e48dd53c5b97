//! All that speaks TLS, judged by another program: sslyze, against Mozilla's configuration "intermediate", and against the known attacks.
//!
//! sslyze comes from PyPI: `python3 -m venv target/sslyze && target/sslyze/bin/pip install sslyze`. `PILLARBOX_SSLYZE` names another one.

#![allow(clippy::unwrap_used)]

mod rig;

#[path = "support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use rig::Serving;

/// How TLS begins, and the services where it begins so.
const SERVICES: [(Option<&str>, &[&str]); 4] = [
    (None, &["imaps", "pop3s", "submissions", "https"]),
    (Some("smtp"), &["smtp", "submission"]),
    (Some("imap"), &["imap"]),
    (Some("pop3"), &["pop3"]),
];
/// What sslyze says of each service beside Mozilla's configuration.
const SAID_OF_EACH: [&str; 8] = [
    "OK - Compression disabled",
    "OK - Not vulnerable to OpenSSL CCS injection",
    "TLS_FALLBACK_SCSV:                 OK - Supported",
    "OK - Not vulnerable to Heartbleed",
    "OK - Not vulnerable, RSA cipher suites not supported.",
    "Client Renegotiation DoS Attack:   OK - Not vulnerable",
    "Secure Renegotiation:              OK - Supported",
    "TLS Extended Master Secret Extension:\n                                          OK - Supported",
];

fn sslyze() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sslyze/bin/sslyze");
    let program = env::var_os("PILLARBOX_SSLYZE").map_or(own, PathBuf::from);
    let found = Command::new(&program).arg("--help").output().is_ok_and(|output| output.status.success());
    if !found {
        not_tested::without("sslyze", "its installation is at the top of tests/tls_judged.rs");
    }
    found.then_some(program)
}

#[test]
fn another_program_finds_nothing_wrong_with_tls_on_any_port() {
    let Some(sslyze) = sslyze() else { return };
    let place = tempfile::tempdir().unwrap();
    let serving = Serving::start(place.path(), "");
    let judge = |begin: Option<&str>, services: &[&str]| {
        let mut command = Command::new(&sslyze);
        command.args(["--mozilla_config=intermediate", "--sni=localhost"]);
        command.arg("--certinfo_ca_file").arg(serving.authority());
        command.args(begin.map(|protocol| format!("--starttls={protocol}")));
        let targets: Vec<String> =
            services.iter().map(|service| format!("127.0.0.1:{}", serving.port(service))).collect();
        let output = command.args(&targets).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for target in &targets {
            assert!(text.contains(&format!("{target}: OK - Compliant.")), "{services:?}: {text}");
        }
        for said in SAID_OF_EACH {
            assert!(text.matches(said).count() >= targets.len(), "{said} is not said of each of {services:?}: {text}");
        }
        assert!(output.status.success() && !text.contains("VULNERABLE"), "{text}");
    };
    thread::scope(|scope| {
        for (begin, services) in SERVICES {
            scope.spawn(move || judge(begin, services));
        }
    });
    serving.stop();
}
