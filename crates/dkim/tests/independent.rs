//! What another implementation makes of signatures and seals: dkimpy (Debian's python3-dkim), which knows ARC as well.

#![allow(clippy::unwrap_used)]

#[path = "../../../tests/support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use dkim::{Algorithm, PrivateKey, Signer};
use std::io::Write;
use std::process::{Command, Stdio};

const MESSAGE: &str = "From: Alice <alice@example.org>\r\nTo: bob@example.com\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n";
const RESULTS: &str = "mail.example.com; spf=pass smtp.mailfrom=example.org; dmarc=pass header.from=example.org";

/// Reads the records and a message, and says of each signature whether it holds, then of the chain.
const SCRIPT: &str = r"
import dkim, json, sys
records = json.loads(sys.stdin.buffer.readline())
message = sys.stdin.buffer.read()
def txt(name, timeout=5):
    text = records.get((name.decode() if isinstance(name, bytes) else name).rstrip('.'))
    return text.encode() if text else None
def holds(number):
    try:
        return dkim.DKIM(message).verify(number, dnsfunc=txt)
    except dkim.ValidationError:
        return False
for number in range(message.count(b'\nDKIM-Signature:')):
    print(holds(number))
print(dkim.arc_verify(message, dnsfunc=txt)[0].decode())
";

/// A Python that has dkimpy; `None`, and says so, where there is none.
fn python() -> Option<&'static str> {
    let has_it = |python: &&str| {
        let tried = Command::new(python).args(["-c", "import dkim, nacl"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_it);
    if found.is_none() {
        not_tested::without("dkimpy", "Debian: python3-dkim, python3-nacl");
    }
    found
}

fn verify(python: &str, message: &str, records: &[(String, String)]) -> String {
    let records: Vec<String> = records.iter().map(|(name, text)| format!("{name:?}: {text:?}")).collect();
    let mut command = Command::new(python);
    let mut child = command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    write!(child.stdin.take().unwrap(), "{{{}}}\n{message}", records.join(", ")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

struct Host {
    signer: Signer,
    record: (String, String),
}

fn host(domain: &str, algorithm: Algorithm) -> Host {
    let key = PrivateKey::generate(algorithm).unwrap();
    let record = (format!("{}._domainkey.{domain}", algorithm.name()), key.record().unwrap());
    Host { signer: Signer::new(domain, algorithm.name(), &key).unwrap(), record }
}

fn on_top(fields: Vec<u8>, message: &str) -> String {
    format!("{}{message}", String::from_utf8(fields).unwrap())
}

#[test]
fn another_implementation_verifies_what_was_signed_and_sealed() {
    let Some(python) = python() else { return };
    let authors = Algorithm::ALL.map(|algorithm| host("example.org", algorithm));
    let hops = ["example.com", "example.net"].map(|domain| host(domain, Algorithm::Rsa2048));
    let signed = authors.iter().fold(MESSAGE.to_owned(), |message, author| {
        on_top(author.signer.sign(MESSAGE.as_bytes(), false).unwrap(), &message)
    });
    let sealed = hops
        .iter()
        .fold(signed, |message, hop| on_top(hop.signer.seal(message.as_bytes(), RESULTS).unwrap().unwrap(), &message));
    let records: Vec<_> = authors.iter().chain(&hops).map(|host| host.record.clone()).collect();
    assert_eq!(verify(python, &sealed, &records), "True\nTrue\npass\n", "{sealed}");
    let changed = sealed.replace("Hello, Bob", "Hello, Eve");
    assert_eq!(verify(python, &changed, &records), "False\nFalse\nfail\n");
}
