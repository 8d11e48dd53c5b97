//! Plays every story of `tests/transcripts/`: in memory, with the clients' bytes cut into segments of several sizes, and
//! against the real binary over TLS.

#![allow(clippy::unwrap_used)]

mod play;
mod rig;

use imapd::MessageLimit;
use play::memory::MemoryWorld;
use play::player::World;
use play::real::{RealServer, RealWorld};
use play::{player, script};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Stories that the real server plays at the same time.
const STORIES_AT_ONCE: usize = 4;

struct Story {
    name: String,
    lines: Vec<script::Line>,
    stage: script::Stage,
}

impl Story {
    fn read(root: &Path, path: &Path) -> Self {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with("# RFC "), "{name} must cite the RFC first");
        let lines = script::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let stage = script::Stage::of(&lines);
        Self { name, lines, stage }
    }

    fn play(&self, world: &mut dyn World, how: &str) -> Option<String> {
        player::play(world, &self.lines).err().map(|error| format!("{}, {how}, {error}", self.name))
    }
}

fn stories() -> Vec<Story> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut found: Vec<PathBuf> = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    assert!(found.len() > 50, "the transcripts are gone");
    found.iter().map(|path| Story::read(&root, path)).collect()
}

#[test]
fn every_story_holds_in_memory_for_any_segments() {
    let mut failures = Vec::new();
    for story in stories() {
        for segment_bytes in [usize::MAX, 1, 7] {
            let mut world = MemoryWorld::new(segment_bytes, story.stage);
            failures.extend(story.play(&mut world, &format!("in segments of {segment_bytes}")));
            let findings = world.check();
            assert!(findings.is_empty(), "{}: {findings:?}", story.name);
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

#[test]
fn every_story_holds_on_the_real_server() {
    let mut left = stories();
    left.retain(|story| story.stage.step_millis == 0);
    while let Some(first) = left.first() {
        let limit = first.stage.limit;
        let (now, later): (Vec<Story>, Vec<Story>) = left.into_iter().partition(|story| story.stage.limit == limit);
        play_on_the_real_server(limit, &now);
        left = later;
    }
}

fn play_on_the_real_server(limit: MessageLimit, stories: &[Story]) {
    let server = RealServer::start(limit);
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..STORIES_AT_ONCE {
            scope.spawn(|| {
                while let Some((number, story)) = take(&next, stories) {
                    let failure = story.play(&mut RealWorld::new(&server, number), "on the real server");
                    failures.lock().unwrap().extend(failure);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
    let findings = server.check();
    assert!(findings.is_empty(), "{findings:?}");
    server.stop();
}

fn take<'a>(next: &AtomicUsize, stories: &'a [Story]) -> Option<(usize, &'a Story)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    stories.get(number).map(|story| (number, story))
}
