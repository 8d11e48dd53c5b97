//! A connection to another server on blocking sockets: drives [`smtp_proto::Client`] for one message after another.

use crate::machine::{Instant, TcpStream};
use crate::queue::Body;
use crate::tls_outcome::TlsFailure;
use crate::trust::{Tls, Trust};
use rustls::{ClientConnection, StreamOwned};
use smtp_proto::{Client, ClientConfig, ClientStep, Credentials, Message, Outcome, Protocol, ReversePath};
use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// RFC 5321 §4.5.3.2 says nothing of connecting; five minutes would hold a thread for nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// RFC 5321 §4.5.3.2.5: three minutes for a block of data.
const WRITE_TIMEOUT: Duration = Duration::from_secs(180);
/// How long the answer to QUIT is waited for; all is settled by then.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 16 * 1024;

/// A wait may be longer than it should be by so much: a system call to say how long is not worth it.
const READ_TIMEOUT_SLACK: Duration = Duration::from_secs(1);
/// It may be shorter by this factor: then it is waited again.
const READ_TIMEOUT_PARTS_MAX: u32 = 4;

pub(crate) struct Wire {
    stream: Stream,
    /// What the socket has been told; zero: nothing yet.
    read_timeout: Duration,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Told of the socket, so that it can be shut down from outside.
pub(crate) type OnConnect<'a> = &'a dyn Fn(&TcpStream);

/// What is left of a connection when its message is settled.
pub(crate) enum End {
    /// Nothing.
    Gone,
    /// QUIT is sent and not answered. RFC 5321 §4.1.1.10: the answer is waited for.
    Quitting(Wire),
    /// The other side takes another message.
    Open(Box<Line>),
}

/// A connection whose other side takes another message.
pub(crate) struct Line {
    client: Client,
    wire: Wire,
    start: Instant,
}

/// What is delivered (RFC 5321 §2.3.1).
pub(crate) struct MailObject<'a> {
    pub(crate) envelope: Message,
    pub(crate) content: Body<'a>,
    /// Its sender waives what the domain asks for of TLS (RFC 8689 §3).
    pub(crate) waives_tls: bool,
    /// It may be this server that takes it.
    pub(crate) may_come_back: bool,
}

impl MailObject<'_> {
    /// Whether it goes to nobody who does not prove who it is. RFC 8689 §5: a bounce rather goes without than not at all.
    pub(crate) fn is_strict(&self) -> bool {
        self.envelope.requires_tls && self.envelope.reverse_path != ReversePath::Null
    }
}

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
    /// Takes what is seen of it.
    pub(crate) seen: &'a Seen,
}

/// What is seen of a connection, beside what it makes of its message.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    address: Cell<Option<IpAddr>>,
    shake: Cell<Shake>,
}

/// How the handshake of TLS went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shake {
    /// There was none.
    #[default]
    None,
    /// Well; what is wrong with the certificate all the same, where that keeps no mail back.
    Done(Option<TlsFailure>),
    /// Not well.
    Broken(TlsFailure),
}

impl Seen {
    /// Who took the connection.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address.get()
    }

    /// How the handshake went.
    pub(crate) fn shake(&self) -> Shake {
        self.shake.get()
    }
}

/// Delivers one message; every recipient has an outcome then, in their order. The caller has the outcomes written down
/// when it goes on with the [`End`].
pub(crate) fn deliver(peer: &Peer<'_>, mail: &mut MailObject<'_>, on_connect: OnConnect<'_>) -> (Vec<Outcome>, End) {
    let start = Instant::now();
    let config = ClientConfig {
        name: peer.hello.to_owned(),
        protocol: Protocol::Smtp,
        tls: peer.tls.policy(),
        credentials: peer.credentials.clone(),
    };
    let mut client = Client::new(config, mail.envelope.clone(), 0).kept_open();
    let wire = connect(peer, on_connect).and_then(|socket| match &peer.tls {
        Tls::Implicit(trust) => handshake(socket, trust, peer.seen),
        Tls::Never | Tls::Opportunistic(_) | Tls::Required(_) => Ok(Wire::new(Stream::Plain(socket))),
    });
    match wire {
        Ok(wire) => talk(client, (wire, &mut mail.content), Some(peer), start),
        Err(error) => {
            client.connection_lost(&error.to_string());
            (client.into_outcomes(), End::Gone)
        }
    }
}

impl Line {
    /// Delivers another message, as [`deliver`].
    pub(crate) fn deliver(mut self, mail: &mut MailObject<'_>) -> (Vec<Outcome>, End) {
        self.client.next_message(mail.envelope.clone(), millis_since(self.start));
        talk(self.client, (self.wire, &mut mail.content), None, self.start)
    }
}

impl End {
    /// Ends what is left, in good order: says QUIT, and waits for the other side's last word, for a few seconds at most.
    pub(crate) fn close(self) {
        let mut wire = match self {
            Self::Gone => return,
            Self::Quitting(wire) => wire,
            Self::Open(line) => {
                let Line { mut client, wire, start } = *line;
                client.quit(millis_since(start));
                match run(&mut client, (wire, None), None, start) {
                    Ok(Ended::Quitting(wire)) => wire,
                    // The other side was quicker; nothing depends on it.
                    Ok(Ended::Closed | Ended::Settled(_)) | Err(_) => return,
                }
            }
        };
        let mut input = [0; 512];
        // One read: 221 comes in one piece, and whatever else comes changes nothing.
        let _ = wire.read(&mut input, FAREWELL_TIMEOUT);
        wire.close();
    }
}

/// How a client has ended for now.
enum Ended {
    Closed,
    Quitting(Wire),
    Settled(Wire),
}

/// `peer`: where the connection is new.
fn talk(
    mut client: Client,
    (wire, content): (Wire, &mut Body<'_>),
    peer: Option<&Peer<'_>>,
    start: Instant,
) -> (Vec<Outcome>, End) {
    match run(&mut client, (wire, Some(content)), peer, start) {
        Ok(Ended::Closed) => (client.into_outcomes(), End::Gone),
        Ok(Ended::Quitting(wire)) => (client.into_outcomes(), End::Quitting(wire)),
        Ok(Ended::Settled(wire)) => {
            let outcomes = client.take_outcomes();
            (outcomes, End::Open(Box::new(Line { client, wire, start })))
        }
        Err(error) => {
            client.connection_lost(&error.to_string());
            (client.into_outcomes(), End::Gone)
        }
    }
}

/// Steps the client until it has settled its message.
fn run(
    client: &mut Client,
    (mut wire, mut content): (Wire, Option<&mut Body<'_>>),
    peer: Option<&Peer<'_>>,
    start: Instant,
) -> io::Result<Ended> {
    let mut output = Vec::new();
    let mut input = [0; READ_BYTES];
    loop {
        output.clear();
        let step = client.step(millis_since(start), &mut output);
        wire.write_all(&output)?;
        // The client says QUIT when every recipient is settled, and nothing else that it says is this line.
        if output == b"QUIT\r\n" {
            return Ok(Ended::Quitting(wire));
        }
        match step {
            ClientStep::Content(position) => {
                let content = content.as_mut().ok_or_else(|| io::Error::other("there is no message"))?;
                client.content(content.piece_at(position)?, millis_since(start));
            }
            ClientStep::Close => return Ok(Ended::Closed),
            ClientStep::Settled => return Ok(Ended::Settled(wire)),
            ClientStep::StartTls => {
                let trust = peer.and_then(|peer| Some((peer.tls.trust()?, peer.seen)));
                let (trust, seen) = trust.ok_or_else(|| io::Error::other("no TLS configuration"))?;
                let Stream::Plain(socket) = wire.stream else { return Err(io::Error::other("TLS within TLS")) };
                wire = handshake(socket, trust, seen)?;
                client.tls_started(millis_since(start));
            }
            ClientStep::Wait => {
                let rest = client.deadline_millis().saturating_sub(millis_since(start));
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

fn millis_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn connect(peer: &Peer<'_>, on_connect: OnConnect<'_>) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(ErrorKind::NotFound, "it has no address");
    for address in peer.addresses {
        match connect_to(*address, peer.loopback_only) {
            Ok(socket) => {
                on_connect(&socket);
                peer.seen.address.set(Some(address.ip()));
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

fn handshake(mut socket: TcpStream, trust: &Trust, seen: &Seen) -> io::Result<Wire> {
    let explain = |error: io::Error| {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        seen.shake.set(Shake::Broken(cause.map_or(TlsFailure::Invalid, TlsFailure::of)));
        io::Error::new(error.kind(), format!("TLS: {error}"))
    };
    let mut tls = ClientConnection::new(trust.config.clone(), trust.name.clone())
        .map_err(|error| explain(io::Error::other(error)))?;
    socket.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).map_err(explain)?;
    }
    seen.shake.set(Shake::Done(trust.objection()));
    Ok(Wire::new(Stream::Tls(Box::new(StreamOwned::new(tls, socket)))))
}

impl Wire {
    fn new(stream: Stream) -> Self {
        Self { stream, read_timeout: Duration::ZERO }
    }

    fn write_all(&mut self, output: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(output),
            Stream::Tls(stream) => stream.write_all(output).and_then(|()| stream.flush()),
        }
    }

    /// Waits for some time, or a part of it; see [`lasts`].
    fn read(&mut self, input: &mut [u8], timeout: Duration) -> io::Result<usize> {
        if !lasts(self.read_timeout, timeout) {
            // A timeout of zero means none.
            let timeout = timeout.max(Duration::from_millis(1));
            self.socket().set_read_timeout(Some(timeout))?;
            self.read_timeout = timeout;
        }
        match &mut self.stream {
            Stream::Plain(socket) => socket.read(input),
            Stream::Tls(stream) => stream.read(input),
        }
    }

    fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// close_notify (RFC 8446 §6.1), where there is TLS.
    fn close(&mut self) {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            // The other side may be gone already; nothing depends on it.
            let _ = stream.flush();
        }
    }
}

/// Whether a timeout that was set is good enough for another wait.
fn lasts(set: Duration, wanted: Duration) -> bool {
    !set.is_zero() && set <= wanted + READ_TIMEOUT_SLACK && wanted <= set * READ_TIMEOUT_PARTS_MAX
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_set_anew_where_it_would_be_too_long_or_by_far_too_short() {
        let check = |set: u64, wanted: u64, expected: bool| {
            assert_eq!(lasts(Duration::from_secs(set), Duration::from_secs(wanted)), expected, "{set} {wanted}");
        };
        check(0, 300, false);
        check(0, 0, false);
        check(300, 300, true);
        check(300, 299, true);
        check(300, 298, false);
        check(300, 1200, true);
        check(300, 1201, false);
    }
}
