//! Transcripts: stories played by named devices (`tests/transcripts/`).

pub mod memory;
pub mod player;
pub mod real;
pub mod script;
pub mod tokens;
pub mod wire;

/// The message that a `given` line stands for.
pub fn message(subject: &str) -> Vec<u8> {
    format!(
        "From: Carol <carol@example.net>\r\nTo: alice@example.org\r\nSubject: {subject}\r\n\r\nThis is {subject}.\r\n"
    )
    .into_bytes()
}
