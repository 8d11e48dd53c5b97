//! Plays every story of `tests/transcripts/` in memory, with the clients' bytes cut into segments of several sizes.

#![allow(clippy::unwrap_used)]

mod play;

use play::memory::MemoryWorld;
use play::{player, script};
use std::fs;
use std::path::{Path, PathBuf};

fn transcripts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")];
    while let Some(directory) = open.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    assert!(found.len() > 10, "the transcripts are gone");
    found
}

#[test]
fn every_story_holds_in_memory_for_any_segments() {
    let mut failures = Vec::new();
    for path in transcripts() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# RFC "), "{} must cite the RFC first", path.display());
        let lines = script::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for segment_bytes in [usize::MAX, 1, 7] {
            let mut world = MemoryWorld::new(segment_bytes);
            if let Err(error) = player::play(&mut world, &lines) {
                failures.push(format!("{} in segments of {segment_bytes}: {error}", path.display()));
            }
            let findings = world.check();
            assert!(findings.is_empty(), "{}: {findings:?}", path.display());
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}
