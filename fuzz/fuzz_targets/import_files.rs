//! Mail in files: a zip archive, an mbox, files of one message each, a Maildir. What is found can be looked at and read, and is the same
//! when it is asked for again.
#![no_main]

use arbitrary::Arbitrary;
use import::{Content, FileKind, FileOptions};
use std::fs;
use std::path::PathBuf;

const MESSAGE_BYTES_MAX: u64 = 20_000;
const MARKS_MAX: usize = 20;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Zip(&'a [u8]),
    /// Files that are stored in an archive as they are.
    Archive(Vec<(&'a str, &'a [u8])>),
    Mbox(&'a [u8]),
    Eml(&'a [u8], bool),
    Maildir(Vec<(Name<'a>, &'a [u8])>, Option<&'a [u8]>),
}

#[derive(Arbitrary, Debug)]
enum Name<'a> {
    /// Behind the base name.
    Flags(&'a str),
    Any(&'a str),
}

/// A directory of this process, gone with it as far as that can be.
fn place() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    root.join(format!("pillarbox-fuzz-{}", std::process::id()))
}

/// APPNOTE §4.3, without compression and without sums that anybody checks.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, octets) in files {
        let offset = out.len() as u32;
        let sizes =
            [crc(octets).to_le_bytes(), (octets.len() as u32).to_le_bytes(), (octets.len() as u32).to_le_bytes()]
                .concat();
        let lengths = [(name.len() as u16).to_le_bytes(), [0, 0]].concat();
        out.extend([&b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0"[..], &sizes, &lengths, name.as_bytes(), octets].concat());
        let rest = [&[0; 10][..], &offset.to_le_bytes()].concat();
        directory.extend(
            [&b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0"[..], &sizes, &lengths, &rest, name.as_bytes()].concat(),
        );
    }
    let (count, at) = ((files.len() as u16).to_le_bytes(), (out.len() as u32).to_le_bytes());
    let length = (directory.len() as u32).to_le_bytes();
    [out, directory, [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &length, &at, &[0, 0]].concat()].concat()
}

fn crc(octets: &[u8]) -> u32 {
    !octets.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

fn read(kind: FileKind, path: &std::path::Path) {
    let options = FileOptions { message_bytes_max: MESSAGE_BYTES_MAX, ..FileOptions::default() };
    let Ok(mut source) = kind.open(path, &options) else { return };
    let Ok(folders) = source.folders() else { return };
    for folder in folders.iter().take(4) {
        let shown = folder.levels.iter().chain([&folder.name]);
        shown.for_each(|name| assert!(!name.contains(char::is_control), "{name:?}"));
        let Ok(opened) = source.open(folder) else { continue };
        let marks: Vec<u64> = opened.marks.iter().copied().take(MARKS_MAX).collect();
        let Ok(looked) = source.look(&marks) else { continue };
        assert_eq!(looked.len(), marks.len());
        let items: Vec<_> = looked.into_iter().filter_map(Result::ok).collect();
        let Ok(contents) = source.read(&items) else { continue };
        assert_eq!(contents.len(), items.len());
        let octets = contents.iter().map(|one| if let Content::Octets(octets) = one { octets.len() as u64 } else { 0 });
        octets.for_each(|octets| assert!(octets <= MESSAGE_BYTES_MAX));
        let _uidls = source.uidls();
        let _left = source.left_behind();
        assert_eq!(source.open(folder).as_ref(), Ok(&opened));
    }
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let place = place();
    let _gone = fs::remove_dir_all(&place);
    let _made = fs::create_dir_all(&place);
    let file = |name: &str, octets: &[u8]| {
        let path = place.join(name);
        fs::write(&path, octets).map(|()| path).ok()
    };
    match input {
        Input::Zip(octets) => file("a.zip", octets).iter().for_each(|path| read(FileKind::Zip, path)),
        Input::Archive(files) => {
            file("a.zip", &archive(&files)).iter().for_each(|path| read(FileKind::Zip, path));
        }
        Input::Mbox(octets) => file("Work", octets).iter().for_each(|path| read(FileKind::Mbox, path)),
        Input::Eml(octets, is_apple) => {
            file(if is_apple { "1.emlx" } else { "1.eml" }, octets);
            read(FileKind::Eml, &place);
        }
        Input::Maildir(files, uidls) => {
            let _made = fs::create_dir_all(place.join("cur")).and_then(|()| fs::create_dir_all(place.join("new")));
            for (number, (name, octets)) in files.iter().take(6).enumerate() {
                let name = match name {
                    Name::Flags(flags) => format!("cur/{number}.x{flags}"),
                    Name::Any(name) => format!("cur/{name}"),
                };
                // A name leads nowhere else.
                if !name[4..].contains(['/', '\0']) && !name.ends_with("/.") && !name.ends_with("..") {
                    file(&name, octets);
                }
            }
            uidls.iter().for_each(|uidls| drop(file("dovecot-uidlist", uidls)));
            read(FileKind::Maildir, &place);
        }
    }
});
