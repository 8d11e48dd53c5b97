//! Where domains publish their policies of MTA-STS, and an authority that certificates of the small Internet come from.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// An authority that one server trusts.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub file: PathBuf,
}

impl Authority {
    pub fn new(dir: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let file = dir.join("authority.pem");
        fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    fn certificate(&self, names: &[String]) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new(names.to_vec()).unwrap().signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// Options of a server with a certificate for `name`.
    pub fn options(&self, dir: &Path, name: &str) -> String {
        let (certificate, key) = self.certificate(&[name.to_owned()]);
        let [chain, secret] = ["chain.pem", "key.pem"].map(|file| dir.join(file));
        fs::write(&chain, certificate.pem()).unwrap();
        fs::write(&secret, key.serialize_pem()).unwrap();
        format!("tls.certificate = \"{}\"\ntls.key = \"{}\"\n", chain.display(), secret.display())
    }
}

/// A server of policies, by domain.
pub struct Policies(Arc<Mutex<BTreeMap<String, String>>>);

impl Policies {
    pub fn start(address: &str, authority: &Authority, policies: &[(&str, String)]) -> Self {
        let names: Vec<String> = policies.iter().map(|(domain, _)| format!("mta-sts.{domain}")).collect();
        let (certificate, key) = authority.certificate(&names);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind(address).unwrap();
        let policies = policies.iter().map(|(domain, text)| (format!("mta-sts.{domain}"), text.clone()));
        let policies = Arc::new(Mutex::new(policies.collect::<BTreeMap<_, _>>()));
        let served = Arc::clone(&policies);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = BufReader::new(StreamOwned::new(tls, socket.unwrap()));
                let mut head = String::new();
                while matches!(stream.read_line(&mut head), Ok(1..)) && !head.ends_with("\r\n\r\n") {}
                let host = head.lines().find_map(|line| line.to_lowercase().strip_prefix("host:").map(str::to_owned));
                let host = host.unwrap_or_default();
                let name = host.trim().split(':').next().unwrap_or_default();
                let answer = match served.lock().unwrap().get(name) {
                    Some(text) => format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
                        text.len()
                    ),
                    None => "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n".to_owned(),
                };
                let _gone = stream.get_mut().write_all(answer.as_bytes()).and_then(|()| stream.get_mut().flush());
            }
        });
        Self(policies)
    }

    /// Nothing is published any more.
    pub fn take_away(&self) {
        self.0.lock().unwrap().clear();
    }
}
