//! Certificates from an authority: the real binary, and Pebble, the test authority of Let's Encrypt's people.

#![allow(clippy::unwrap_used)]

mod rig;

#[path = "support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use dns::fake::FakeServer;
use rcgen::{CertificateParams, KeyPair};
use rig::{PATIENCE, Serving, free_ports};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

const HOST: &str = "mail.example.org";
const GIVEN: &str = "the authority gave a TLS certificate";
const REFUSED: &str = "the authority gave no TLS certificate";

/// The authority. It looks for names with a name server of the test, at ports of the test.
struct Pebble {
    child: Child,
    port: u16,
    management: u16,
    /// What it logs.
    log: Receiver<String>,
}

impl Pebble {
    /// `None`, and says so, where it is not installed.
    fn start(
        dir: &Path,
        names: &FakeServer,
        [port, management, https, http]: [u16; 4],
        external: Option<&str>,
    ) -> Option<Self> {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        fs::write(dir.join("authority.pem"), certificate.pem()).unwrap();
        fs::write(dir.join("authority.key"), key.serialize_pem()).unwrap();
        let keys = external.map_or(json!({}), |key| json!({ "kid-1": key }));
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": dir.join("authority.pem"), "privateKey": dir.join("authority.key"),
            "httpPort": http, "tlsPort": https, "ocspResponderURL": "",
            "externalAccountBindingRequired": external.is_some(), "externalAccountMACKeys": keys,
        }});
        fs::write(dir.join("pebble.json"), config.to_string()).unwrap();
        let mut command = Command::new("pebble");
        command.arg("-config").arg(dir.join("pebble.json")).arg("-dnsserver").arg(names.address().to_string());
        // Names are proven anew each time.
        command.env("PEBBLE_AUTHZREUSE", "0");
        command.env("PEBBLE_VA_NOSLEEP", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else {
            not_tested::without("pebble", "Debian: pebble");
            return None;
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let ready = lines.any(|line| line.contains("ACME directory available"));
        assert!(ready, "the authority ended before it was ready");
        let (said, log) = channel();
        thread::spawn(move || lines.for_each(|line| drop(said.send(line))));
        Some(Self { child, port, management, log })
    }

    fn root(&self, dir: &Path) -> CertificateDer<'static> {
        let file = dir.join("root.pem");
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        assert!(Command::new("curl").args(["-sSk", "-o"]).arg(&file).arg(url).status().unwrap().success());
        CertificateDer::from_pem_file(file).unwrap()
    }

    fn options(&self, names: &FakeServer) -> String {
        format!(
            "hostname = \"{HOST}\"\ntls.acme = \"https://127.0.0.1:{}/dir\"\ntls.acme_trust = \"authority.pem\"\n\
             dns.servers = [\"{}\"]\ndns.dnssec = false\n",
            self.port,
            names.address()
        )
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn name_server() -> FakeServer {
    let names = FakeServer::start();
    names.add(HOST, "A", "127.0.0.1");
    names
}

/// The certificate that is shown at a port to who trusts `root` and looks for [`HOST`].
fn shown(port: u16, root: &CertificateDer<'static>) -> Result<Vec<u8>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(HOST).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    stream.flush().map_err(|error| error.to_string())?;
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())?;
    }
    Ok(stream.conn.peer_certificates().unwrap()[0].to_vec())
}

fn card(server: &Serving) -> Value {
    serde_json::from_str(&server.says(&["certificate", "--json"])).unwrap()
}

#[test]
fn a_certificate_comes_over_port_443_is_renewed_with_the_same_key_and_is_there_without_the_authority() {
    let dir = tempfile::tempdir().unwrap();
    let names = name_server();
    let ports: [u16; 4] = free_ports();
    let Some(authority) = Pebble::start(dir.path(), &names, ports, None) else { return };
    let more = format!("{}listen.https = [\"127.0.0.1:{}\"]\n", authority.options(&names), ports[2]);
    let server = Serving::start(dir.path(), &more);
    assert_eq!(server.logged(GIVEN)["names"], HOST);
    let root = authority.root(dir.path());
    let first = shown(server.port("imaps"), &root).unwrap();
    assert_eq!(shown(server.port("https"), &root).unwrap(), first);
    let before = card(&server);
    assert_eq!(
        (&before["names"], &before["failures"], before["keys"].as_array().unwrap().len()),
        (&json!([HOST]), &json!(0), 2)
    );

    server.says(&["certificate", "renew"]);
    server.logged(GIVEN);
    let second = shown(server.port("imaps"), &root).unwrap();
    assert_ne!(second, first);
    assert_eq!(card(&server)["keys"], before["keys"], "TLSA records vouch for these");

    server.stop();
    drop(authority);
    let server = Serving::start(dir.path(), &more);
    assert_eq!(shown(server.port("imaps"), &root).unwrap(), second);
    server.stop();
}

#[test]
fn a_certificate_comes_over_port_80_from_an_authority_that_wants_to_know_the_account() {
    let dir = tempfile::tempdir().unwrap();
    let names = name_server();
    let ports: [u16; 4] = free_ports();
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let Some(authority) = Pebble::start(dir.path(), &names, ports, Some(key)) else { return };
    fs::write(dir.path().join("eab"), format!("{key}\n")).unwrap();
    let listen = format!("listen.https = []\nlisten.redirect = [\"127.0.0.1:{}\"]\n", ports[3]);
    let external = "tls.acme_eab_id = \"kid-1\"\ntls.acme_eab_key_file = \"eab\"\n";
    private(&dir.path().join("eab"));
    let server = Serving::start(dir.path(), &format!("{}{listen}{external}", authority.options(&names)));
    server.logged(GIVEN);
    assert!(shown(server.port("imaps"), &authority.root(dir.path())).is_ok());
    let mut browser = server.connect_plain("redirect");
    let moved = browser.ask(&format!("GET /login HTTP/1.1\r\nHost: {HOST}\r\n"), "location: ").join("\n");
    assert!(
        moved.starts_with("HTTP/1.1 308 ") && moved.ends_with("location: https://mail.example.org/login"),
        "{moved}"
    );
    server.stop();
}

/// Of both ways the first leads nowhere, as behind a proxy that ends TLS: a renewal does not try it again.
#[test]
fn a_renewal_is_proven_as_the_certificate_was() {
    let dir = tempfile::tempdir().unwrap();
    let names = name_server();
    let ports: [u16; 5] = free_ports();
    let [authority_port, management, nobody, http, https] = ports;
    let looked_at = [authority_port, management, nobody, http];
    let Some(authority) = Pebble::start(dir.path(), &names, looked_at, None) else { return };
    let listen = format!("listen.https = [\"127.0.0.1:{https}\"]\nlisten.redirect = [\"127.0.0.1:{http}\"]\n");
    let server = Serving::start(dir.path(), &format!("{}{listen}", authority.options(&names)));
    server.logged(REFUSED);
    for _ in 0..2 {
        server.says(&["certificate", "renew"]);
        // After a try that fails there is none for minutes.
        server.logged(GIVEN);
        assert_eq!(card(&server)["failures"], 0);
    }
    server.stop();
}

#[test]
fn an_authority_that_finds_nobody_is_left_alone_and_the_own_certificate_stays() {
    let dir = tempfile::tempdir().unwrap();
    let names = name_server();
    let ports: [u16; 4] = free_ports();
    let Some(authority) = Pebble::start(dir.path(), &names, ports, None) else { return };
    // Nobody listens where it looks.
    let more = authority.options(&names);
    let server = Serving::start(dir.path(), &more);
    let refused = server.logged(REFUSED);
    assert!(refused["error"].as_str().unwrap().starts_with("mail.example.org: "), "{refused}");
    let own = CertificateDer::from_pem_file(server.authority()).unwrap();
    assert!(shown(server.port("imaps"), &own).is_ok());
    let state = card(&server);
    assert_eq!((&state["failures"], &state["names"]), (&json!(1), &json!([])));
    assert_eq!(state["last_error"], refused["error"]);
    server.stop();

    // A start is no reason to ask again; to be told so is one.
    let server = Serving::start(dir.path(), &more);
    assert_eq!(card(&server)["failures"], 1);
    server.says(&["certificate", "renew"]);
    server.logged(REFUSED);
    assert_eq!(card(&server)["failures"], 2);
    server.stop();
    let log: Vec<String> = authority.log.try_iter().collect();
    // What was made, not what was asked for: of each 20 requests it refuses one by its nonce, to be asked again (RFC 8555 §6.5).
    let orders = log.iter().filter(|line| line.contains("Added order")).count();
    assert_eq!(orders, 2, "{log:#?}");
}

fn private(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}
