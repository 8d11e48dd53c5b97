//! What a client does with the octets of its connection: it cuts lines out of them, and compresses once that was agreed.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// A client's end of a connection.
#[derive(Default)]
pub struct Wire {
    unfinished: Vec<u8>,
    /// RFC 4978
    deflate: Option<(Compress, Decompress)>,
}

impl Wire {
    /// One at which these octets have come already.
    pub fn after(unfinished: Vec<u8>) -> Self {
        Self { unfinished, deflate: None }
    }

    /// From here on all octets are compressed.
    pub fn compress(&mut self) {
        assert!(self.unfinished.is_empty(), "came before it was compressed");
        self.deflate = Some((Compress::new(Compression::default(), false), Decompress::new(false)));
    }

    /// What goes out for these octets.
    pub fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some((deflate, _)) = &mut self.deflate else { return bytes.to_vec() };
        let mut out = Vec::with_capacity(bytes.len() + 1024);
        deflate.compress_vec(bytes, &mut out, FlushCompress::Sync).unwrap();
        assert!(out.len() < out.capacity(), "all of it went out");
        out
    }

    /// Takes what came.
    pub fn take(&mut self, bytes: &[u8]) {
        let Some((_, inflate)) = &mut self.deflate else { return self.unfinished.extend_from_slice(bytes) };
        let mut rest = bytes;
        loop {
            self.unfinished.reserve(64 * 1024);
            let before = inflate.total_in();
            inflate.decompress_vec(rest, &mut self.unfinished, FlushDecompress::Sync).unwrap();
            rest = &rest[usize::try_from(inflate.total_in() - before).unwrap()..];
            if rest.is_empty() && self.unfinished.len() < self.unfinished.capacity() {
                return;
            }
        }
    }

    /// Adds the whole lines that came, without their line ends.
    pub fn take_lines(&mut self, lines: &mut Vec<String>) {
        while let Some(end) = self.unfinished.windows(2).position(|pair| pair == b"\r\n") {
            let line: Vec<u8> = self.unfinished.drain(..end + 2).collect();
            lines.push(String::from_utf8_lossy(&line[..end]).into_owned());
        }
    }
}
