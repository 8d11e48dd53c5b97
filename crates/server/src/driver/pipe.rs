//! A client's socket and the TLS session over it, without waiting: reads and writes do what is possible now.
//!
//! Nothing is held for an idle connection: bytes pass through buffers that belong to the thread, what was read goes
//! to the session at once, and the output buffer goes back to the thread when it is empty.
//!
//! Invariant: plaintext leaves in the order in which it was appended to `output`, and `close_notify` comes after it.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use session::Tls;

use crate::tls::take_hello;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is read at once from a socket: as much as a TLS record holds.
const READ_BYTES: usize = 16 * 1024;
/// So many reads at once where each found as much as it could hold.
const READS_AT_ONCE_MAX: usize = 4;
/// What is read at once while a handshake runs: less than rustls keeps of early application data (16 KiB).
const HANDSHAKE_READ_BYTES: usize = 4 * 1024;
/// Plaintext and records that rustls keeps of what a client does not read.
const TLS_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// An output buffer that grew beyond this is freed instead of kept for the next connection.
const KEPT_OUTPUT_BYTES_MAX: usize = 96 * 1024;
/// What a client can have pipelined behind STARTTLS; more than this fails the handshake instead.
const DISCARDED_BYTES_MAX: usize = 256 * 1024;

struct Scratch {
    /// From the socket: plaintext or TLS records.
    wire: Box<[u8]>,
    /// Out of TLS records.
    plain: Box<[u8]>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        wire: vec![0; READ_BYTES].into_boxed_slice(),
        plain: vec![0; READ_BYTES].into_boxed_slice(),
    });
    static OUTPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Bytes, which were handed on.
    Bytes,
    /// Nothing yet.
    Pending,
    /// The client will send nothing more.
    End,
}

pub(super) struct Pipe {
    socket: TcpStream,
    tls: Option<Box<ServerConnection>>,
    /// What the client offered ([`Tls::hello`]).
    hello: u64,
    output: Vec<u8>,
    /// How much of `output` is written (or, under TLS, encrypted).
    sent: usize,
    /// Bytes that the socket took so far.
    written_bytes: u64,
    /// The client said that it will send no more.
    input_ended: bool,
    output_ended: bool,
}

impl Pipe {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            tls: None,
            hello: 0,
            output: Vec::new(),
            sent: 0,
            written_bytes: 0,
            input_ended: false,
            output_ended: false,
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub(super) fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    pub(super) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Where the session appends what it has to say. Empty between a complete [`Pipe::flush`] and the next step.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        if self.output.capacity() == 0 {
            self.output = OUTPUT.take();
        }
        &mut self.output
    }

    /// Takes back what a step appended before it failed.
    pub(super) fn truncate_output(&mut self, len: usize) {
        self.output.truncate(len);
    }

    pub(super) fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Gives an empty output buffer back to the thread.
    pub(super) fn release_output(&mut self) {
        if !self.output.is_empty() || self.output.capacity() == 0 {
            return;
        }
        let buffer = std::mem::take(&mut self.output);
        if buffer.capacity() <= KEPT_OUTPUT_BYTES_MAX {
            OUTPUT.set(buffer);
        }
    }

    /// Reads once, or a few times where there is more at once, and hands what came to `sink`, in pieces.
    pub(super) fn read(&mut self, sink: &mut dyn FnMut(&[u8])) -> io::Result<Input> {
        SCRATCH.with_borrow_mut(|scratch| match &self.tls {
            None => self.read_plain(&mut scratch.wire, sink),
            Some(_) => self.read_sealed(scratch, sink),
        })
    }

    /// Commands that were pipelined share commits as far as they come to the session together.
    fn read_plain(&mut self, wire: &mut [u8], sink: &mut dyn FnMut(&[u8])) -> io::Result<Input> {
        for reads in 0..READS_AT_ONCE_MAX {
            let is_full = match self.read_socket(wire) {
                // What has come counts first; an error, and the end, show again.
                Ok(None | Some([])) | Err(_) if reads > 0 => return Ok(Input::Bytes),
                Err(error) => return Err(error),
                Ok(None) => return Ok(Input::Pending),
                Ok(Some([])) => return Ok(Input::End),
                Ok(Some(bytes)) => {
                    sink(bytes);
                    bytes.len() == READ_BYTES
                }
            };
            if !is_full {
                break;
            }
        }
        Ok(Input::Bytes)
    }

    fn read_sealed(&mut self, scratch: &mut Scratch, sink: &mut dyn FnMut(&[u8])) -> io::Result<Input> {
        // Application data that came together with the end of the handshake is in rustls already.
        if self.open_records(&mut scratch.plain, sink)? {
            return Ok(Input::Bytes);
        }
        while !self.input_ended {
            let Some(records) = self.read_socket(&mut scratch.wire)? else { return Ok(Input::Pending) };
            let mut records: &[u8] = records;
            let mut any = false;
            self.input_ended |= records.is_empty();
            while !records.is_empty() && !self.input_ended {
                self.take_records(&mut records)?;
                any |= self.open_records(&mut scratch.plain, sink)?;
            }
            if any {
                return Ok(Input::Bytes);
            }
        }
        Ok(Input::End)
    }

    /// Moves one bite of `records` into rustls and has it processed.
    fn take_records(&mut self, records: &mut &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        tls.read_tls(records)?;
        let processed = tls.process_new_packets();
        self.hello = take_hello().unwrap_or(self.hello);
        match processed {
            Ok(state) => {
                self.input_ended |= state.peer_has_closed();
                Ok(())
            }
            // The alert that rustls has made goes out with the next flush.
            Err(error) => Err(io::Error::new(ErrorKind::InvalidData, error)),
        }
    }

    /// Hands all plaintext that rustls has to `sink`; whether there was any.
    fn open_records(&mut self, plain: &mut [u8], sink: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(false) };
        let mut any = false;
        loop {
            match tls.reader().read(plain) {
                // Zero is the client's close_notify, which `take_records` has seen; without it an error, seen there too.
                Ok(0) => return Ok(any),
                Ok(len) => {
                    any = true;
                    sink(plain.get(..len).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(any),
                Err(error) => return Err(error),
            }
        }
    }

    /// `None` when nothing came yet, an empty slice at the end.
    fn read_socket<'a>(&mut self, wire: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        let mut buffer = ReadBuf::new(wire);
        let mut context = Context::from_waker(Waker::noop());
        // The driver waits for readiness afterwards with its own waker, so none is needed here.
        match Pin::new(&mut self.socket).poll_read(&mut context, &mut buffer) {
            Poll::Pending => Ok(None),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) => {
                let len = buffer.filled().len();
                self.input_ended |= len == 0;
                Ok(Some(wire.get(..len).unwrap_or_default()))
            }
        }
    }

    /// Writes what is possible now; whether everything is out.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let mut socket = Counted { socket: NonBlocking(&mut self.socket), written: &mut self.written_bytes };
        let done = match &mut self.tls {
            None => write_plain(&mut socket, &self.output, &mut self.sent),
            Some(tls) => write_sealed(&mut socket, tls, &self.output, &mut self.sent),
        };
        match done {
            Ok(()) => {
                self.output.clear();
                self.sent = 0;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// RFC 3207 §6, RFC 9051 §6.2.1, RFC 2595 §4: what was pipelined behind the command must not survive.
    /// The session drops what it was given; this drops what the socket holds, before the client is told to begin.
    pub(super) fn discard_input(&mut self) -> io::Result<()> {
        let mut discarded = 0;
        while discarded < DISCARDED_BYTES_MAX && !self.input_ended {
            let len = SCRATCH
                .with_borrow_mut(|scratch| Ok::<_, io::Error>(self.read_socket(&mut scratch.wire)?.map(<[u8]>::len)));
            match len? {
                None => return Ok(()),
                Some(len) => discarded += len,
            }
        }
        Ok(())
    }

    /// Puts a TLS session over the socket; [`Pipe::handshake`] does the rest.
    pub(super) fn start_tls(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(TLS_BUFFER_BYTES_MAX));
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// Goes on with the handshake; what it waits for.
    pub(super) fn handshake(&mut self) -> io::Result<Handshake> {
        loop {
            if !self.flush()? {
                return Ok(Handshake::Writable);
            }
            let Some(tls) = &self.tls else { return Err(io::Error::other("no TLS session")) };
            if !tls.is_handshaking() {
                return Ok(Handshake::Done(describe(tls, self.hello)));
            }
            if self.input_ended {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let pending = SCRATCH.with_borrow_mut(|scratch| {
                let wire = scratch.wire.get_mut(..HANDSHAKE_READ_BYTES).unwrap_or_default();
                let Some(mut records) = self.read_socket(wire)? else { return Ok::<_, io::Error>(true) };
                while !records.is_empty() && !self.input_ended {
                    self.take_records(&mut records)?;
                }
                Ok(false)
            })?;
            // An alert or a retry request may be waiting to go out.
            if pending && self.flush()? {
                return Ok(Handshake::Readable);
            }
        }
    }

    /// Sends what is left, `close_notify` and the end of the stream; whether all of it is out.
    pub(super) fn finish(&mut self) -> io::Result<bool> {
        if self.output_ended {
            return Ok(true);
        }
        if !self.flush()? {
            return Ok(false);
        }
        if let Some(tls) = &mut self.tls {
            // RFC 8446 §6.1: without close_notify the client cannot tell an end from a truncation.
            // rustls sends it once, however often it is asked to.
            tls.send_close_notify();
            if !self.flush()? {
                return Ok(false);
            }
        }
        self.output_ended = true;
        let mut context = Context::from_waker(Waker::noop());
        // Shutting down a TCP socket never waits; an error means that the client has gone already.
        let _gone = Pin::new(&mut self.socket).poll_shutdown(&mut context);
        Ok(true)
    }

    /// Throws away what still comes: closing a socket with unread input would reset the connection and could take
    /// our last words with it.
    pub(super) fn drain(&mut self) -> io::Result<Input> {
        SCRATCH.with_borrow_mut(|scratch| match self.read_socket(&mut scratch.wire)? {
            None => Ok(Input::Pending),
            Some([]) => Ok(Input::End),
            Some(_) => Ok(Input::Bytes),
        })
    }

    pub(super) fn input_ended(&self) -> bool {
        self.input_ended
    }
}

/// How far a handshake is.
pub(super) enum Handshake {
    /// Bytes from the client are missing.
    Readable,
    /// The client must take bytes first.
    Writable,
    Done(Tls),
}

fn describe(tls: &ServerConnection, hello: u64) -> Tls {
    let version = match tls.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
        other => other.map_or_else(String::new, |version| format!("{version:?}")),
    };
    let cipher = tls.negotiated_cipher_suite().map_or_else(String::new, |suite| format!("{:?}", suite.suite()));
    Tls { version, cipher, hello, exporter: exporter(tls) }
}

/// RFC 9266 §2. Of TLS 1.2 only with the extended master secret, which rustls does not tell (§4.2).
fn exporter(tls: &ServerConnection) -> Option<Box<[u8; 32]>> {
    let is_sound = tls.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    let keying = || tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok();
    is_sound.then(keying).flatten().map(Box::new)
}

fn write_plain(socket: &mut impl Write, output: &[u8], sent: &mut usize) -> io::Result<()> {
    while let Some(rest) = output.get(*sent..).filter(|rest| !rest.is_empty()) {
        match socket.write(rest)? {
            0 => return Err(ErrorKind::WriteZero.into()),
            len => *sent += len,
        }
    }
    Ok(())
}

fn write_sealed(
    socket: &mut impl Write,
    tls: &mut ServerConnection,
    output: &[u8],
    sent: &mut usize,
) -> io::Result<()> {
    loop {
        while tls.wants_write() {
            if tls.write_tls(socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        let Some(rest) = output.get(*sent..).filter(|rest| !rest.is_empty()) else { return Ok(()) };
        match tls.writer().write(rest)? {
            0 => return Err(ErrorKind::WriteZero.into()),
            len => *sent += len,
        }
    }
}

/// A socket as a [`Write`] that says `WouldBlock` instead of waiting.
struct NonBlocking<'a>(&'a mut TcpStream);

impl NonBlocking<'_> {
    fn done(poll: Poll<io::Result<usize>>) -> io::Result<usize> {
        match poll {
            Poll::Ready(result) => result,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for NonBlocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(Waker::noop());
        Self::done(Pin::new(&mut *self.0).poll_write(&mut context, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut context = Context::from_waker(Waker::noop());
        Self::done(Pin::new(&mut *self.0).poll_write_vectored(&mut context, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts what goes through.
struct Counted<'a> {
    socket: NonBlocking<'a>,
    written: &'a mut u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.socket.write(bytes)?;
        *self.written += len as u64;
        Ok(len)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = self.socket.write_vectored(slices)?;
        *self.written += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
