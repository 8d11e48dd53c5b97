//! What an authority says about renewal (RFC 9773), over TLS, with a fake authority.

#![allow(clippy::unwrap_used)]

use acme::{Authority, Challenges, Facts, Wanted, Way, new_key};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dns::{Dns, Options};
use rcgen::{CertificateParams, KeyIdMethod, KeyPair, SerialNumber, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

/// RFC 9773 §4.1: what the certificate of its example is known by.
const OF_THE_RFC: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
/// Its number. The first bit is set, so there is a zero before it, which is part of its name.
const NUMBER: [u8; 4] = [0x87, 0x65, 0x43, 0x21];
/// Its issuer's key.
const ISSUER: [u8; 20] = [
    0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde, 0x01, 0xc8,
    0xd4,
];

/// An authority that opens accounts, says when to renew, and takes no orders.
struct Fake {
    authority: Authority,
    /// Paths that were asked for, and what was signed.
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

fn fake(knows_renewal: bool) -> Fake {
    let certificate = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let root = certificate.cert.der().clone();
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![root.clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("https://{}", listener.local_addr().unwrap());
    let asked = Arc::<Mutex<Vec<_>>>::default();
    let (tls, seen, base) = (Arc::new(tls), asked.clone(), at.clone());
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(tls.clone()).unwrap(), socket));
            let Some((path, body)) = read(&mut stream) else { continue };
            let (status, answer) = answer(&path, &base, knows_renewal);
            seen.lock().unwrap().push((path, signed(&body)));
            let stream = stream.get_mut();
            let _gone = write!(
                stream,
                "HTTP/1.1 {status}\r\nReplay-Nonce: bm9uY2U\r\nRetry-After: 21600\r\nLocation: {base}/account/1\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{answer}",
                answer.len()
            );
            stream.conn.send_close_notify();
            let _gone = stream.flush();
        }
    });
    let dns = Dns::new(&Options { servers: vec!["127.0.0.1:9".parse().unwrap()], ..Options::default() }).unwrap();
    let roots: Vec<CertificateDer<'static>> = vec![root];
    let authority = Authority { directory: format!("{at}/directory"), contact: None, external: None, dns, roots };
    Fake { authority, asked }
}

/// A request: its path and its body.
fn read(stream: &mut impl BufRead) -> Option<(String, String)> {
    let (mut path, mut length, mut line) = (String::new(), 0, String::new());
    while stream.read_line(&mut line).ok()? > 2 {
        if path.is_empty() {
            path = line.split(' ').nth(1)?.to_owned();
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((path, String::from_utf8(body).ok()?))
}

/// What a request signs, if it is signed.
fn signed(body: &str) -> String {
    let payload = body.split("\"payload\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn answer(path: &str, base: &str, knows_renewal: bool) -> (&'static str, String) {
    let renewal = if knows_renewal { format!(",\"renewalInfo\":\"{base}/renewal\"") } else { String::new() };
    let of = |name: &str| format!("\"{name}\":\"{base}/{name}\"");
    let (nonce, account, order) = (of("newNonce"), of("newAccount"), of("newOrder"));
    match path {
        "/directory" => ("200 OK", format!("{{{nonce},{account},{order}{renewal}}}")),
        "/newNonce" => ("200 OK", String::new()),
        "/newAccount" => ("201 Created", "{\"status\":\"valid\"}".into()),
        path if path == format!("/renewal/{OF_THE_RFC}") => (
            "200 OK",
            "{\"suggestedWindow\":{\"start\":\"2026-12-01T00:00:00Z\",\"end\":\"2026-12-03T00:00:00Z\"}}".into(),
        ),
        "/newOrder" => {
            ("409 Conflict", "{\"type\":\"urn:ietf:params:acme:error:alreadyReplaced\",\"detail\":\"replaced\"}".into())
        }
        _ => ("404 Not Found", "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"unknown\"}".into()),
    }
}

fn facts(number: &[u8]) -> Facts {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["mail.example.org".to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(SerialNumber::from_slice(number));
    params.key_identifier_method = KeyIdMethod::PreSpecified(ISSUER.to_vec());
    Facts::of_chain(&params.self_signed(&key).unwrap().pem()).unwrap()
}

#[tokio::test]
async fn the_authority_is_asked_when_it_would_like_the_certificate_to_be_renewed() {
    let fake = fake(true);
    let account = fake.authority.register().await.unwrap();
    let window = fake.authority.renewal_window(&account, &facts(&NUMBER)).await;
    assert_eq!(window, Ok(Some((1_796_083_200, 1_796_256_000))));
    let unknown = fake.authority.renewal_window(&account, &facts(&[1])).await;
    assert!(unknown.as_ref().is_err_and(|error| error.what.contains("unknown")), "{unknown:?}");
}

#[tokio::test]
async fn an_authority_that_says_nothing_about_renewal_is_not_asked_for_it() {
    let fake = fake(false);
    let account = fake.authority.register().await.unwrap();
    assert_eq!(fake.authority.renewal_window(&account, &facts(&NUMBER)).await, Ok(None));
    assert!(!fake.asked.lock().unwrap().iter().any(|(path, _)| path.starts_with("/renewal")));
}

#[tokio::test]
async fn an_order_says_what_it_replaces_and_comes_again_without_it_where_that_is_refused() {
    let fake = fake(true);
    let account = fake.authority.register().await.unwrap();
    let (key, before, names) = (new_key().unwrap(), facts(&NUMBER), ["mail.example.org".to_owned()]);
    let wanted = Wanted { names: &names, key: &key, before: Some(&before), way: Way::Http };
    let failed = fake.authority.obtain(&account, &wanted, &Challenges::default()).await.unwrap_err();
    assert!(failed.what.contains("replaced"), "{failed}");
    let asked = fake.asked.lock().unwrap();
    let orders = asked.iter().filter(|(path, _)| path == "/newOrder").map(|(_, signed)| signed.as_str());
    let orders: Vec<&str> = orders.collect();
    let replaces = format!("\"replaces\":\"{OF_THE_RFC}\"");
    // RFC 9773 §5.
    assert!(orders.len() == 2 && orders[0].contains(&replaces) && !orders[1].contains("replaces"), "{orders:?}");
}
