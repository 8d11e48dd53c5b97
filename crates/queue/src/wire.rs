//! A connection to another server on blocking sockets: drives [`smtp_proto::Client`] for one message.

use crate::trust::{Tls, Trust};
use rustls::{ClientConnection, StreamOwned};
use smtp_proto::{Client, ClientConfig, ClientStep, Credentials, Message, Outcome, Protocol};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// RFC 5321 §4.5.3.2 says nothing of connecting; five minutes would hold a thread for nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// RFC 5321 §4.5.3.2.5: three minutes for a block of data.
const WRITE_TIMEOUT: Duration = Duration::from_secs(180);
/// How long the answer to QUIT is waited for; all is settled by then.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 16 * 1024;

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Told of the socket, so that it can be shut down from outside.
pub(crate) type OnConnect<'a> = &'a dyn Fn(&TcpStream);

/// A settled delivery whose QUIT is sent and not answered. RFC 5321 §4.1.1.10: the answer is waited for.
pub(crate) struct Farewell(Option<Wire>);

/// A server to talk to.
pub(crate) struct Peer<'a> {
    /// Tried one after another until one takes the connection; one at least.
    pub(crate) addresses: &'a [SocketAddr],
    pub(crate) tls: Tls,
    pub(crate) credentials: Option<Credentials>,
    /// This server's own name.
    pub(crate) hello: &'a str,
    /// It must be on this machine.
    pub(crate) loopback_only: bool,
}

/// Delivers one message; every recipient has an outcome then, in their order. The caller writes the outcomes down
/// before it waits for the [`Farewell`].
pub(crate) fn deliver(peer: &Peer<'_>, message: Message, on_connect: OnConnect<'_>) -> (Vec<Outcome>, Farewell) {
    let start = Instant::now();
    let config = ClientConfig {
        name: peer.hello.to_owned(),
        protocol: Protocol::Smtp,
        tls: peer.tls.policy(),
        credentials: peer.credentials.clone(),
    };
    let mut client = Client::new(config, message, 0);
    let wire = connect(peer, on_connect).and_then(|socket| match &peer.tls {
        Tls::Implicit(trust) => handshake(socket, trust),
        Tls::Never | Tls::Opportunistic(_) | Tls::Required(_) => Ok(Wire::Plain(socket)),
    });
    let wire = match wire {
        Ok(wire) => run(&mut client, wire, peer.tls.trust(), start).unwrap_or_else(|error| {
            client.connection_lost(&error.to_string());
            None
        }),
        Err(error) => {
            client.connection_lost(&error.to_string());
            None
        }
    };
    (client.into_outcomes(), Farewell(wire))
}

/// Steps the client until it is done. Gives the connection if the smarthost's answer to QUIT is still to come.
fn run(client: &mut Client, mut wire: Wire, trust: Option<&Trust>, start: Instant) -> io::Result<Option<Wire>> {
    let now = || u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut output = Vec::new();
    let mut input = [0; READ_BYTES];
    loop {
        output.clear();
        let step = client.step(now(), &mut output);
        wire.write_all(&output)?;
        // The client says QUIT when every recipient is settled, and nothing else that it says is this line.
        if output == b"QUIT\r\n" {
            return Ok(Some(wire));
        }
        match step {
            ClientStep::Flush => {}
            // It is not kept open, so it is closed when all is settled.
            ClientStep::Settled | ClientStep::Close => return Ok(None),
            ClientStep::StartTls => {
                let trust = trust.ok_or_else(|| io::Error::other("no TLS configuration"))?;
                let Wire::Plain(socket) = wire else { return Err(io::Error::other("TLS within TLS")) };
                wire = handshake(socket, trust)?;
                client.tls_started(now());
            }
            ClientStep::Wait => {
                let rest = client.deadline_millis().saturating_sub(now());
                match wire.read(&mut input, Duration::from_millis(rest)) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(length) => client.receive(input.get(..length).unwrap_or_default()),
                    // The client looks at its deadline itself.
                    Err(error) if is_timeout(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

fn connect(peer: &Peer<'_>, on_connect: OnConnect<'_>) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(ErrorKind::NotFound, "it has no address");
    for address in peer.addresses {
        match connect_to(*address, peer.loopback_only) {
            Ok(socket) => {
                on_connect(&socket);
                return Ok(socket);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn connect_to(address: SocketAddr, loopback_only: bool) -> io::Result<TcpStream> {
    if loopback_only && !address.ip().to_canonical().is_loopback() {
        return Err(io::Error::other(format!("{address} is not on this machine, and no TLS is configured")));
    }
    let explain = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    let socket = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).map_err(explain)?;
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
    Ok(socket)
}

fn handshake(mut socket: TcpStream, trust: &Trust) -> io::Result<Wire> {
    let explain = |error: io::Error| io::Error::new(error.kind(), format!("TLS: {error}"));
    let mut tls = ClientConnection::new(trust.config.clone(), trust.name.clone())
        .map_err(|error| explain(io::Error::other(error)))?;
    socket.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).map_err(explain)?;
    }
    Ok(Wire::Tls(Box::new(StreamOwned::new(tls, socket))))
}

impl Wire {
    fn write_all(&mut self, output: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(output),
            Self::Tls(stream) => stream.write_all(output).and_then(|()| stream.flush()),
        }
    }

    fn read(&mut self, input: &mut [u8], timeout: Duration) -> io::Result<usize> {
        // A timeout of zero means none.
        let timeout = Some(timeout.max(Duration::from_millis(1)));
        match self {
            Self::Plain(socket) => socket.set_read_timeout(timeout).and_then(|()| socket.read(input)),
            Self::Tls(stream) => stream.sock.set_read_timeout(timeout).and_then(|()| stream.read(input)),
        }
    }

    /// close_notify (RFC 8446 §6.1), where there is TLS.
    fn close(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            // The other side may be gone already; nothing depends on it.
            let _ = stream.flush();
        }
    }
}

impl Farewell {
    /// Of nobody.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Waits for the other side's last word, for a few seconds at most.
    pub(crate) fn wait(self) {
        let Some(mut wire) = self.0 else { return };
        let mut input = [0; 512];
        // One read: 221 comes in one piece, and whatever else comes changes nothing.
        let _ = wire.read(&mut input, FAREWELL_TIMEOUT);
        wire.close();
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
