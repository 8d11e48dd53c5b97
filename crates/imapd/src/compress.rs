//! COMPRESS=DEFLATE (RFC 4978): the layer between the octets of the connection and those of the protocol.
//!
//! What goes out is compressed step by step, each step by itself, and ends with a flush: between two steps nothing is held of
//! it. What comes in may point back 32 KiB, so that much of it stays; where the client flushes, as RFC 4978 §3 has it, its
//! stream stands between two blocks, and nothing else has to stay.
//!
//! Invariant: any octet that comes in makes at most [`INFLATED_PER_STEP_MAX`] and a piece more of a step, whatever it claims.
//! Invariant: an idle layer holds at most [`WINDOW_BYTES`] and a few octets, as long as the client flushes.

use miniz_oxide::MZFlush;
use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{BlockBoundaryState, DecompressorOxide, decompress};
use std::mem;

/// A step takes at most so much that was inflated, and a piece, before others have their turn.
pub(crate) const INFLATED_PER_STEP_MAX: usize = 256 * 1024;
/// How far a match may point back (RFC 1951 §2).
const WINDOW_BYTES: usize = 32 * 1024;
/// So much is inflated at once.
const PIECE_BYTES: usize = 16 * 1024;
/// What is shorter gains nothing, and goes as it is.
const STORED_BYTES_MAX: usize = 64;
/// What a compressed step takes at most beyond its length and a tenth of it (zlib's `deflateBound`).
const ROOM_MORE_BYTES: usize = 128;
/// Of 1 to 10: half the work of the usual 6, and mail hardly longer.
const LEVEL: i32 = 3;
/// zlib's `windowBits` of a stream without header: the largest window.
const RAW_WINDOW_BITS: i32 = -15;

/// What comes in.
pub(crate) struct Layer {
    /// As it came, and how much of it is inflated.
    input: Vec<u8>,
    taken: usize,
    place: Place,
    /// The end of what was inflated.
    window: Vec<u8>,
}

/// Where in the client's stream the layer is.
enum Place {
    BetweenBlocks(BlockBoundaryState),
    /// Within one, with tables of 11 KiB.
    Within(Box<DecompressorOxide>),
}

/// What came of inflating.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inflated<'l> {
    /// The next octets of the protocol.
    Octets(&'l [u8]),
    /// All is inflated.
    NeedMore,
    /// The client's stream is none, or has ended.
    Broken,
}

impl Layer {
    /// `input` came after the command already.
    pub(crate) fn new(input: Vec<u8>) -> Self {
        let place = Place::BetweenBlocks(BlockBoundaryState::default());
        Self { input, taken: 0, place, window: Vec::new() }
    }

    /// Takes what the client sent.
    pub(crate) fn push(&mut self, input: &[u8]) {
        self.input.extend_from_slice(input);
    }

    /// The next piece.
    pub(crate) fn inflate(&mut self) -> Inflated<'_> {
        let gone = self.window.len().saturating_sub(WINDOW_BYTES);
        self.window.drain(..gone);
        let start = self.window.len();
        self.window.resize(start + PIECE_BYTES, 0);
        let (status, end) = self.inflate_behind(start);
        self.window.truncate(end);
        match status {
            _ if end > start => Inflated::Octets(self.window.get(start..).unwrap_or_default()),
            TINFLStatus::NeedsMoreInput => Inflated::NeedMore,
            _ => Inflated::Broken,
        }
    }

    /// Inflates until the piece is full or the input is used up; why it stopped, and where in the window.
    fn inflate_behind(&mut self, start: usize) -> (TINFLStatus, usize) {
        let flags =
            TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let mut end = start;
        loop {
            let input = self.input.get(self.taken..).unwrap_or_default();
            if input.is_empty() && matches!(self.place, Place::BetweenBlocks(_)) {
                return (TINFLStatus::NeedsMoreInput, end);
            }
            let mut inflater = match mem::replace(&mut self.place, Place::BetweenBlocks(BlockBoundaryState::default()))
            {
                Place::BetweenBlocks(state) => Box::new(DecompressorOxide::from_block_boundary_state(&state)),
                Place::Within(inflater) => inflater,
            };
            let (status, used, made) = decompress(&mut inflater, input, &mut self.window, end, flags);
            self.taken += used;
            end += made;
            let between = inflater.block_boundary_state().filter(|_| status == TINFLStatus::BlockBoundary);
            let is_between = between.is_some();
            self.place = between.map_or(Place::Within(inflater), Place::BetweenBlocks);
            if !is_between {
                return (status, end);
            }
        }
    }

    /// Nothing more will be inflated for a while.
    pub(crate) fn rest(&mut self) {
        self.input.drain(..self.taken);
        self.taken = 0;
        self.input.shrink_to_fit();
        let gone = self.window.len().saturating_sub(WINDOW_BYTES);
        self.window.drain(..gone);
        self.window.shrink_to_fit();
    }
}

/// Appends what a client inflates to `plain`, however it goes on.
pub(crate) fn append_deflated(plain: &[u8], output: &mut Vec<u8>) {
    if plain.is_empty() {
        return;
    }
    if let Some(length) = u16::try_from(plain.len()).ok().filter(|length| usize::from(*length) <= STORED_BYTES_MAX) {
        // RFC 1951 §3.2.4: a block without compression, not the last; it begins and ends with an octet.
        output.push(0);
        output.extend_from_slice(&length.to_le_bytes());
        output.extend_from_slice(&(!length).to_le_bytes());
        output.extend_from_slice(plain);
        return;
    }
    let mut compressor = Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(LEVEL, RAW_WINDOW_BITS, 0)));
    let start = output.len();
    // In one call: what finds no room at once is not flushed to its end. Blocks that gain nothing cost some octets each.
    output.resize(start + plain.len() + plain.len() / 10 + ROOM_MORE_BYTES, 0);
    // RFC 4978 §3: the client has all of the answer.
    let result = deflate(&mut compressor, plain, output.get_mut(start..).unwrap_or_default(), MZFlush::Sync);
    output.truncate(start + result.bytes_written);
    debug_assert_eq!(result.bytes_consumed, plain.len(), "there was room");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As a client would: one stream over all pieces, with the window of the whole.
    fn inflated_by_client(stream: &[u8]) -> Vec<u8> {
        let mut inflater = Box::new(DecompressorOxide::new());
        let mut plain = vec![0; 4 << 20];
        let flags = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, used, made) = decompress(&mut inflater, stream, &mut plain, 0, flags);
        assert_eq!((status, used), (TINFLStatus::NeedsMoreInput, stream.len()));
        plain.truncate(made);
        plain
    }

    /// A client that keeps one compressor, and flushes after each piece.
    struct Client(Box<CompressorOxide>);

    impl Client {
        fn new() -> Self {
            Self(Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(6, RAW_WINDOW_BITS, 0))))
        }

        fn deflated(&mut self, plain: &[u8], flush: MZFlush) -> Vec<u8> {
            let mut out = vec![0; plain.len() + 1024];
            let result = deflate(&mut self.0, plain, &mut out, flush);
            assert!(result.status.is_ok() && result.bytes_consumed == plain.len());
            out.truncate(result.bytes_written);
            out
        }
    }

    fn all_of(layer: &mut Layer) -> Vec<u8> {
        let mut plain = Vec::new();
        while let Inflated::Octets(octets) = layer.inflate() {
            assert!(octets.len() <= PIECE_BYTES);
            plain.extend_from_slice(octets);
        }
        plain
    }

    fn held_bytes(layer: &Layer) -> usize {
        let tables = match layer.place {
            Place::BetweenBlocks(_) => 0,
            Place::Within(_) => size_of::<DecompressorOxide>(),
        };
        size_of::<Layer>() + layer.input.capacity() + layer.window.capacity() + tables
    }

    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[test]
    fn an_idle_layer_holds_the_window_alone() {
        let (mut client, mut layer) = (Client::new(), Layer::new(Vec::new()));
        layer.push(&client.deflated(b"a NOOP\r\n", MZFlush::Sync));
        assert_eq!(all_of(&mut layer), b"a NOOP\r\n");
        layer.rest();
        assert!(held_bytes(&layer) < 256, "{}", held_bytes(&layer));
        let message = noise(200_000);
        layer.push(&client.deflated(&message, MZFlush::Sync));
        assert_eq!(all_of(&mut layer), message);
        layer.rest();
        assert!((WINDOW_BYTES..WINDOW_BYTES + 256).contains(&held_bytes(&layer)), "{}", held_bytes(&layer));
        // What points back all the way is still there.
        let end = &message[message.len() - WINDOW_BYTES + 300..];
        let pointing = client.deflated(end, MZFlush::Sync);
        assert!(pointing.len() < end.len() / 4, "{}", pointing.len());
        layer.push(&pointing);
        assert_eq!(all_of(&mut layer), end);
    }

    #[test]
    fn a_client_that_does_not_flush_to_an_octet_is_understood() {
        let (mut client, mut layer) = (Client::new(), Layer::new(Vec::new()));
        let mut plain = Vec::new();
        for number in 0..100 {
            let line = format!("a{number} NOOP\r\n");
            layer.push(&client.deflated(line.as_bytes(), MZFlush::Partial));
            plain.extend(all_of(&mut layer));
            layer.rest();
            assert!(held_bytes(&layer) < 16 * 1024);
        }
        layer.push(&client.deflated(b"", MZFlush::Sync));
        plain.extend(all_of(&mut layer));
        assert!(plain.starts_with(b"a0 NOOP\r\na1 NOOP\r\n") && plain.ends_with(b"a99 NOOP\r\n"));
    }

    #[test]
    fn a_bomb_comes_out_in_pieces() {
        let mut layer = Layer::new(Vec::new());
        layer.push(&Client::new().deflated(&vec![b'x'; 16 << 20], MZFlush::Sync));
        assert!(layer.input.len() < 20_000);
        for _ in 0..1000 {
            assert!(matches!(layer.inflate(), Inflated::Octets(octets) if octets.len() <= PIECE_BYTES));
            assert!(held_bytes(&layer) < 160 * 1024, "{}", held_bytes(&layer));
        }
    }

    #[test]
    fn what_is_no_stream_is_broken_and_so_is_what_follows_the_end() {
        let broken = |input: &[u8]| {
            let mut layer = Layer::new(input.to_vec());
            all_of(&mut layer);
            layer.inflate() == Inflated::Broken
        };
        assert!(broken(b"a NOOP\r\nb NOOP\r\n"));
        assert!(broken(&[7]), "a block of the kind that there is none of");
        let mut last = Client::new().deflated(b"a NOOP\r\n", MZFlush::Finish);
        last.extend_from_slice(b"x");
        assert!(broken(&last));
        // A match that points to before the beginning: fixed Huffman codes, length 3, distance 1.
        assert!(broken(&[0x02, 0x02, 0x00, 0x00]));
    }

    /// The compressor forgot the last octets where it had not had room for all at once.
    #[test]
    fn the_end_of_what_cannot_be_compressed_was_lost() {
        for bytes in [63_492, 65_535, 200_000] {
            let (plain, mut stream) = (noise(bytes), Vec::new());
            append_deflated(&plain, &mut stream);
            assert!(inflated_by_client(&stream) == plain, "{bytes} octets");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_went_out_is_what_a_client_reads(
            pieces in prop::collection::vec((0_usize..3000, any::<bool>(), 0_usize..50), 0..8),
        ) {
            let (mut plain, mut stream) = (Vec::new(), Vec::new());
            for (length, is_noise, times) in pieces {
                let piece = if is_noise { noise(length * times) } else { b"* 1 FETCH (FLAGS ())\r\n".repeat(length) };
                append_deflated(&piece, &mut stream);
                plain.extend(piece);
            }
            prop_assert!(inflated_by_client(&stream) == plain);
        }

        #[test]
        fn any_split_of_what_comes_in_is_the_same(
            lines in prop::collection::vec("[a-c ]{0,300}", 1..20), cuts in prop::collection::vec(0_usize..2000, 0..20),
        ) {
            let mut client = Client::new();
            let stream: Vec<u8> = lines.iter().flat_map(|line| client.deflated(line.as_bytes(), MZFlush::Sync)).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (stream.len() + 1)).collect();
            cuts.sort_unstable();
            let (mut layer, mut plain, mut from) = (Layer::new(Vec::new()), Vec::new(), 0);
            for cut in cuts.into_iter().chain([stream.len()]) {
                layer.push(&stream[from..cut]);
                from = cut;
                plain.extend(all_of(&mut layer));
                layer.rest();
            }
            prop_assert_eq!(plain, lines.concat().into_bytes());
        }

        #[test]
        fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut layer = Layer::new(octets);
            let mut pieces = 0;
            while let Inflated::Octets(_) = layer.inflate() {
                pieces += 1;
            }
            prop_assert!(pieces <= 30);
        }
    }
}
