//! A part of a large body without its transfer encoding (RFC 3516), made as it is sent: never all of it at once.

use imap_proto::command::Partial;
use message::transfer::{Decoder, Encoding};
use std::fmt;
use std::ops::Range;
use store::{Body, Error};

/// So much of the part is decoded at a time.
const PIECE_BYTES: usize = 32 * 1024;

/// The wanted octets of a decoded part.
pub(super) struct Decoding {
    decoder: Decoder,
    /// What is still to be decoded.
    encoded: Range<usize>,
    is_finished: bool,
    /// Decoded octets before the wanted ones.
    skipped: u64,
    /// Wanted octets that have not come yet.
    wanted: u64,
    /// Decoded octets, of which so many are taken.
    ready: Vec<u8>,
    taken: usize,
}

/// What has to be said of a decoded part before it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Measure {
    pub(super) octets: u64,
    pub(super) has_nul: bool,
}

impl Decoding {
    /// The octets of `encoded`, or of them those that are asked for.
    pub(super) fn new(encoding: Encoding, encoded: Range<usize>, partial: Option<Partial>) -> Self {
        Self {
            decoder: Decoder::new(encoding),
            encoded,
            is_finished: false,
            skipped: partial.map_or(0, |partial| partial.offset),
            wanted: partial.map_or(u64::MAX, |partial| partial.length),
            ready: Vec::new(),
            taken: 0,
        }
    }

    /// At most so many octets come from here.
    pub(super) fn limited(self, octets: u64) -> Self {
        Self { wanted: self.wanted.min(octets), ..self }
    }

    /// Whether no octet comes any more.
    pub(super) fn is_over(&self) -> bool {
        self.wanted == 0
    }

    /// The next octets, at most `room`; none at the end. What they cost is taken from `budget`.
    pub(super) fn next(&mut self, room: usize, budget: &mut usize, body: &mut Body) -> Result<&[u8], Error> {
        while self.wanted > 0 && self.taken >= self.ready.len() && !self.is_finished {
            self.decode(body, budget)?;
        }
        let wanted = usize::try_from(self.wanted).unwrap_or(usize::MAX);
        let count = room.min(wanted).min(self.ready.len() - self.taken);
        let start = self.taken;
        self.taken += count;
        self.wanted -= count as u64;
        Ok(self.ready.get(start..start + count).unwrap_or_default())
    }

    fn decode(&mut self, body: &mut Body, budget: &mut usize) -> Result<(), Error> {
        self.ready.clear();
        let until = self.encoded.end.min(self.encoded.start + PIECE_BYTES);
        let piece = body.piece(self.encoded.start..until)?;
        if piece.is_empty() {
            self.decoder.finish(&mut self.ready);
            self.is_finished = true;
        } else {
            self.decoder.feed(piece, &mut self.ready);
            self.encoded.start += piece.len();
            *budget = budget.saturating_sub(piece.len());
        }
        let skipped = usize::try_from(self.skipped).unwrap_or(usize::MAX).min(self.ready.len());
        self.skipped -= skipped as u64;
        self.taken = skipped;
        Ok(())
    }
}

impl Measure {
    /// Goes through the octets of `decoding` as long as there is budget; whether it is through.
    pub(super) fn go_on(
        &mut self,
        decoding: &mut Decoding,
        budget: &mut usize,
        body: &mut Body,
    ) -> Result<bool, Error> {
        while *budget > 0 {
            let octets = decoding.next(usize::MAX, budget, body)?;
            if octets.is_empty() {
                return Ok(true);
            }
            self.octets += octets.len() as u64;
            self.has_nul |= octets.contains(&0);
        }
        Ok(false)
    }
}

/// Shows no mail.
impl fmt::Debug for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoding").field("encoded", &self.encoded).finish_non_exhaustive()
    }
}
