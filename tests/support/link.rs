//! A connection: plain or TLS, read in lines and counted octets.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

/// A server on the same machine that has not answered within this time does not answer.
const PATIENCE: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 64 * 1024;

/// A connection to a server.
pub struct Link {
    stream: Stream,
    buffer: Vec<u8>,
    taken: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Link {
    pub fn plain(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: Stream::Plain(connect(address)?), buffer: Vec::new(), taken: 0 })
    }

    /// TLS from the first byte; the certificate must be for `name` and come from the authority in the file.
    pub fn tls(address: SocketAddr, name: &str, authority: &Path) -> io::Result<Self> {
        let client = client(name, authority)?;
        let stream = Stream::Tls(Box::new(StreamOwned::new(client, connect(address)?)));
        Ok(Self { stream, buffer: Vec::new(), taken: 0 })
    }

    /// Begins TLS, as after STARTTLS. Whatever came before and was not read would be an injection.
    pub fn start_tls(self, name: &str, authority: &Path) -> io::Result<Self> {
        assert_eq!(self.taken, self.buffer.len(), "the server wrote more than its answer to STARTTLS");
        let Stream::Plain(socket) = self.stream else { panic!("TLS was begun twice") };
        let stream = Stream::Tls(Box::new(StreamOwned::new(client(name, authority)?, socket)));
        Ok(Self { stream, buffer: Vec::new(), taken: 0 })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// The next line without its CRLF. A bare LF ends no line.
    pub fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let waiting = &self.buffer[self.taken..];
            if let Some(at) = waiting[searched..].windows(2).position(|pair| pair == b"\r\n") {
                let line = waiting[..searched + at].to_vec();
                self.taken += line.len() + 2;
                return Ok(line);
            }
            searched = waiting.len().saturating_sub(1);
            self.fill()?;
        }
    }

    /// The next `count` octets.
    pub fn octets(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() - self.taken < count {
            self.fill()?;
        }
        let octets = self.buffer[self.taken..self.taken + count].to_vec();
        self.taken += count;
        Ok(octets)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + READ_BYTES, 0);
        let read = match &mut self.stream {
            Stream::Plain(socket) => socket.read(&mut self.buffer[before..]),
            Stream::Tls(stream) => stream.read(&mut self.buffer[before..]),
        };
        self.buffer.truncate(before + read.as_ref().map_or(0, |count| *count));
        match read? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn client(name: &str, authority: &Path) -> io::Result<ClientConnection> {
    let invalid = |error: &dyn ToString| io::Error::new(ErrorKind::InvalidData, error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&fs::read(authority)?) {
        let certificate = certificate.map_err(|error| invalid(&error))?;
        roots.add(certificate).map_err(|error| invalid(&error))?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).map_err(|error| invalid(&error))?;
    ClientConnection::new(Arc::new(config), name).map_err(|error| invalid(&error))
}
