//! The standby's connections to its server: one that asks, and one for each comparison.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use standby::{Error, Place, Primary, Take};
use store::AccountId;
use store::objects::ObjectName;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::course::Course;
use crate::setup::SetupError;
use crate::standing::{Origin, read_token};

/// A connection is there by then, or is not.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// So long nothing comes.
const PATIENCE: Duration = Duration::from_secs(60);
/// A longer answer is none: the longest message (1 GiB) and what belongs to it.
const ANSWER_BYTES_MAX: usize = (1 << 30) + (64 << 20);
/// A piece has a row more than half a mebibyte.
const PIECE_BYTES_MAX: usize = 16 * 1024 * 1024;

type Sender = SendRequest<Full<Bytes>>;

/// A server that is asked over the network.
pub(crate) struct Remote {
    runtime: Handle,
    host: String,
    port: u16,
    tls: TlsConnector,
    token: String,
    kept: Mutex<Option<Sender>>,
    course: Arc<Course>,
}

fn fault(what: impl std::fmt::Display) -> Error {
    Error::Fault(what.to_string())
}

impl Remote {
    /// Nobody is connected yet. Answers end once it is to stop.
    pub(crate) fn new(runtime: Handle, origin: &Origin, course: Arc<Course>) -> Result<Self, SetupError> {
        let Origin { host, port, token_file, authority } = origin;
        let tls = TlsConnector::from(Arc::new(tls(authority.as_deref())?));
        let token = read_token(token_file)?;
        Ok(Self { runtime, host: host.clone(), port: *port, tls, token, kept: Mutex::default(), course })
    }

    /// Another connection to the same server.
    pub(crate) fn another(&self) -> Self {
        Self {
            runtime: self.runtime.clone(),
            host: self.host.clone(),
            port: self.port,
            tls: self.tls.clone(),
            token: self.token.clone(),
            kept: Mutex::default(),
            course: Arc::clone(&self.course),
        }
    }

    /// The files beside the store of the server.
    pub(crate) fn beside(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let answer = self.get("/beside")?.ok_or_else(|| fault("the server has no door for standbys there"))?;
        serde_json::from_slice(&answer).map_err(fault)
    }

    /// Tells it that it goes on no more, if its data are of this lineage.
    pub(crate) fn supersede(&self, lineage: [u8; 32]) -> Result<(), Error> {
        let path = format!("/superseded?lineage={}", blake3::Hash::from_bytes(lineage).to_hex());
        let answer = self.ask(Method::POST, &path, Bytes::new())?;
        self.runtime.block_on(whole(answer)).map(drop)
    }

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let answer = self.ask(Method::GET, path, Bytes::new())?;
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            self.runtime.block_on(whole(answer)).ok();
            return Ok(None);
        }
        self.runtime.block_on(whole(answer)).map(Some)
    }

    /// On the connection that is kept. One that the server has closed meanwhile is replaced, once.
    fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.runtime.block_on(async {
            if let Some(mut sender) = kept.take().filter(|sender| !sender.is_closed())
                && let Ok(answer) = self.exchange(&mut sender, &method, path, body.clone()).await
            {
                *kept = Some(sender);
                return Ok(answer);
            }
            let mut sender = self.connect().await?;
            let answer = self.exchange(&mut sender, &method, path, body).await?;
            *kept = Some(sender);
            Ok(answer)
        })
    }

    async fn connect(&self) -> Result<Sender, Error> {
        let Self { host, port, .. } = self;
        let connect = async {
            let socket = TcpStream::connect((host.as_str(), *port)).await?;
            let _slower = socket.set_nodelay(true);
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            let stream = self.tls.connect(name, socket).await?;
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)
        };
        let connected =
            timeout(CONNECT_PATIENCE, connect).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let (sender, connection) =
            connected.map_err(|error| fault(format!("no connection to {host}:{port}: {error}")))?;
        self.runtime.spawn(connection);
        Ok(sender)
    }

    async fn exchange(
        &self,
        sender: &mut Sender,
        method: &Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, Error> {
        let request = Request::builder().method(method).uri(path).header(HOST, self.host.as_str());
        let request = request.header(AUTHORIZATION, format!("Bearer {}", self.token)).body(Full::new(body));
        let exchanged = async {
            sender.ready().await.map_err(fault)?;
            sender.send_request(request.map_err(fault)?).await.map_err(fault)
        };
        let answer = timeout(PATIENCE, exchanged).await.map_err(|_| fault("the server does not answer"))??;
        match answer.status() {
            StatusCode::UNAUTHORIZED => Err(Error::Refused(format!(
                "{}:{} does not take this token; write the first line of its `standby.token_file` into this one's",
                self.host, self.port
            ))),
            StatusCode::CONFLICT => {
                let what = whole(answer).await?;
                Err(Error::Refused(String::from_utf8_lossy(&what).into_owned()))
            }
            StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::GONE => Ok(answer),
            other => Err(fault(format!("the server could not: {other}; its log says why"))),
        }
    }

    /// What takes them may ask for something else meanwhile.
    fn pieces(&self, answer: Response<Incoming>, take: Take<'_>) -> Result<(), Error> {
        let (mut body, mut octets) = (answer.into_body(), Vec::new());
        while let Some(more) = self.runtime.block_on(frame(&mut body))? {
            octets.extend_from_slice(&more);
            let mut rest = octets.as_slice();
            while let Some((length, more)) = rest.split_first_chunk::<4>() {
                let length = u32::from_be_bytes(*length) as usize;
                if length > PIECE_BYTES_MAX {
                    return Err(fault("a piece of an answer is longer than one can be"));
                }
                let Some((piece, more)) = more.split_at_checked(length) else { break };
                take(piece)?;
                rest = more;
            }
            octets = rest.to_vec();
            if self.course.stops() {
                return Err(fault("this standby stops"));
            }
        }
        if octets.is_empty() { Ok(()) } else { Err(fault("an answer of the server is cut off")) }
    }
}

impl Primary for Remote {
    fn heads(&self) -> Result<Vec<u8>, Error> {
        self.get("/heads")?.ok_or_else(|| fault("the server has no door for standbys there"))
    }

    fn news(&self, place: Place, wait: Duration) -> Result<Option<Vec<u8>>, Error> {
        let Place { epoch, position } = place;
        self.get(&format!("/news?epoch={epoch}&position={position}&wait={}", wait.as_millis()))
    }

    fn compare(&self, account: AccountId, ranges: &[u8], take: Take<'_>) -> Result<(), Error> {
        let path = format!("/compare?keyspace={}", account.0);
        let mut sender = self.runtime.block_on(self.connect())?;
        let asked = self.exchange(&mut sender, &Method::POST, &path, Bytes::copy_from_slice(ranges));
        let answer = self.runtime.block_on(asked)?;
        self.pieces(answer, take)
    }

    fn object(&self, account: AccountId, name: &ObjectName) -> Result<Option<Vec<u8>>, Error> {
        self.get(&format!("/object?keyspace={}&name={name}", account.0))
    }
}

/// All octets of an answer.
async fn whole(answer: Response<Incoming>) -> Result<Vec<u8>, Error> {
    let (mut body, mut octets) = (answer.into_body(), Vec::new());
    while let Some(more) = frame(&mut body).await? {
        octets.extend_from_slice(&more);
        if octets.len() > ANSWER_BYTES_MAX {
            return Err(fault("an answer of the server is longer than one can be"));
        }
    }
    Ok(octets)
}

/// The next octets of an answer; `None` at its end.
async fn frame(body: &mut Incoming) -> Result<Option<Bytes>, Error> {
    let frame = timeout(PATIENCE, body.frame()).await.map_err(|_| fault("the server does not go on"))?;
    frame.map(|frame| Ok(frame.map_err(fault)?.into_data().unwrap_or_default())).transpose()
}

fn tls(authority: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    match authority {
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        Some(file) => {
            let unreadable = |error: &dyn std::fmt::Display| {
                SetupError::new(format!(
                    "no certificates can be read from {}: {error}; correct --authority",
                    file.display()
                ))
            };
            let found = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                roots.add(certificate).map_err(|error| unreadable(&error))?;
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::new(format!("TLS cannot be set up: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
