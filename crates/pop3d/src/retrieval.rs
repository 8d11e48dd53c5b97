//! RETR and TOP (RFC 1939 §5, §7): a message on its way to the client, in slices.
//!
//! A large message is looked through before the first line of the answer and then read in pieces, so that a client that
//! does not read holds a piece of it and not the message.

use crate::words::Words;
use message::line_ends::crlf_size;
use message::surrogate;
use pop3_proto::{MessageEncoder, Reply, first_lines};
use session::OUTPUT_HIGH_WATER_BYTES;
use store::{Body, Error};

/// A slice looks through so much of a message.
const CHECKED_BYTES_PER_SLICE: usize = 8 * 1024 * 1024;

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    /// Where the message stands in the maildrop.
    pub(crate) position: usize,
    /// TOP: so many lines of the body, with the header; `None`: all.
    pub(crate) lines: Option<u64>,
    /// RFC 6856 §2.1: as it is.
    pub(crate) utf8: bool,
    /// The octets that the maildrop tells.
    pub(crate) size: u32,
}

pub(crate) struct Retrieval {
    asked: Asked,
    body: Body,
    encoder: MessageEncoder,
    progress: Progress,
}

enum Progress {
    /// The message is looked through.
    Opening,
    /// What stands in place of the header is sent, from an octet on; then the message goes on after its header.
    Header { made: Vec<u8>, next: usize },
    /// The message is sent, from an octet on.
    Body { next: usize },
}

/// How a slice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slice {
    More,
    Done,
    /// The message is damaged, and nothing is said of it yet.
    Unreadable,
    /// It cannot be read on, in the middle: no reply could be told from mail.
    Broken,
}

impl Retrieval {
    pub(crate) fn new(asked: Asked, body: Body) -> Self {
        Self { asked, body, encoder: MessageEncoder::new(), progress: Progress::Opening }
    }

    pub(crate) fn asked(&self) -> Asked {
        self.asked
    }

    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.body.held_bytes()
    }

    /// Writes the next slice.
    pub(crate) fn write(&mut self, words: &Words, output: &mut Vec<u8>) -> Slice {
        if let Progress::Opening = self.progress {
            match self.begin(words, output) {
                Ok(true) => {}
                Ok(false) => return Slice::More,
                Err(_) => return Slice::Unreadable,
            }
        }
        match self.go_on(output) {
            Ok(true) => Slice::More,
            Ok(false) => Slice::Done,
            Err(_) => Slice::Broken,
        }
    }

    /// Whether the message is looked through; then the first line is written.
    fn begin(&mut self, words: &Words, output: &mut Vec<u8>) -> Result<bool, Error> {
        if !self.body.check(CHECKED_BYTES_PER_SLICE)? {
            return Ok(false);
        }
        self.progress = match self.surrogate()? {
            Some(made) => Progress::Header { made, next: 0 },
            None => Progress::Body { next: 0 },
        };
        Reply::ok((words.octets)(self.size()?)).encode(output);
        Ok(true)
    }

    /// RFC 6856 §2.1: without UTF-8 mode a message whose header needs it is sent as a surrogate.
    // Deviates from RFC 6856 §2.1, which wants a body in UTF-8 changed too: programs have always taken 8-bit bodies as they
    // are, and a change would break signatures.
    fn surrogate(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let end = self.body.header_end()?;
        if self.asked.utf8 || end > surrogate::HEADER_BYTES_MAX {
            return Ok(None);
        }
        let mut header = Vec::new();
        self.body.copy(0..end, &mut header)?;
        Ok(surrogate::header(&header))
    }

    /// How many octets the message has as it is sent, the dots of RFC 1939 §3 aside.
    fn size(&mut self) -> Result<u32, Error> {
        let header_end = self.body.header_end()?;
        let Some(whole) = self.body.whole() else { return Ok(self.asked.size) };
        let size = match &self.progress {
            Progress::Header { made, .. } => crlf_size(made) + crlf_size(whole.get(header_end..).unwrap_or_default()),
            Progress::Opening | Progress::Body { .. } => crlf_size(whole),
        };
        Ok(u32::try_from(size).unwrap_or(u32::MAX))
    }

    /// Whether there is more.
    fn go_on(&mut self, output: &mut Vec<u8>) -> Result<bool, Error> {
        while output.len() < OUTPUT_HIGH_WATER_BYTES {
            let room = OUTPUT_HIGH_WATER_BYTES - output.len();
            let header_end = self.body.header_end()?;
            match &mut self.progress {
                Progress::Opening => return Ok(true),
                Progress::Header { made, next } if *next < made.len() => {
                    let until = made.len().min(*next + room);
                    self.encoder.write(made.get(*next..until).unwrap_or_default(), output);
                    *next = until;
                }
                Progress::Header { .. } => self.progress = Progress::Body { next: header_end },
                Progress::Body { next } => {
                    let end = if *next < header_end { header_end } else { self.body.len() };
                    let mut piece = self.body.piece(*next..end.min(*next + room))?;
                    if *next >= header_end
                        && let Some(lines) = &mut self.asked.lines
                    {
                        piece = first_lines(piece, lines);
                    }
                    if piece.is_empty() {
                        std::mem::take(&mut self.encoder).finish(output);
                        return Ok(false);
                    }
                    self.encoder.write(piece, output);
                    *next += piece.len();
                }
            }
        }
        Ok(true)
    }
}
