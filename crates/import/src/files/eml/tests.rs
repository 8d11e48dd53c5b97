//! What is read of files of one message each, on the disk and in archives.

use super::*;
use crate::files::FileKind;
use crate::flags::of_words;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use rawzip::path::EntryPath;
use rawzip::{CompressionMethod, ZipArchiveWriter};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

const OPTIONS: FileOptions = FileOptions { into: None, uidl_format: None, message_bytes_max: 1000 };

/// Of each folder its name, and of each of its messages flags, seconds and octets, or why there is none.
type Found = Vec<(String, Vec<String>)>;

fn read(kind: FileKind, path: &Path, options: &FileOptions) -> Result<Found, SourceError> {
    let mut source = kind.open(path, options)?;
    let folders = source.folders()?;
    let mut messages = |folder: &Folder| {
        if let Some(why) = folder.left_out {
            return Ok(vec![format!("left out: {why}")]);
        }
        let marks = source.open(folder)?.marks;
        let shown = |look, source: &mut Box<dyn Source>| match look {
            Ok(item) => match source.read(&[item]).unwrap().remove(0) {
                Content::Octets(octets) => String::from_utf8(octets).unwrap(),
                other => format!("{other:?}"),
            },
            Err(Unknown { label, why, .. }) => format!("{label}: {why}"),
        };
        let looked = source.look(&marks)?;
        Ok(looked.into_iter().map(|look| shown(look, &mut source)).collect())
    };
    folders.iter().map(|folder| Ok((folder.levels.join("/"), messages(folder)?))).collect()
}

/// Files in a directory.
fn disk(files: &[(&str, &str)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    place
}

/// An archive with files, every second one packed.
fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = ZipArchiveWriter::new(Vec::new());
    for (at, (name, text)) in files.iter().enumerate() {
        let builder = archive.new_file(EntryPath::verbatim(name.as_bytes()));
        if at % 2 == 0 {
            let (mut entry, config) = builder.compression_method(CompressionMethod::STORE).start().unwrap();
            let mut writer = config.wrap(&mut entry);
            writer.write_all(text.as_bytes()).unwrap();
            let (_, descriptor) = writer.finish().unwrap();
            entry.finish(descriptor).unwrap();
        } else {
            let (mut entry, config) = builder.compression_method(CompressionMethod::DEFLATE).start().unwrap();
            let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
            writer.write_all(text.as_bytes()).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            entry.finish(descriptor).unwrap();
        }
    }
    archive.finish().unwrap()
}

fn of_archive(octets: &[u8]) -> Result<Found, SourceError> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("mail.zip");
    fs::write(&path, octets).unwrap();
    read(FileKind::Zip, &path, &OPTIONS)
}

fn folder(name: &str, messages: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), messages.iter().map(|message| (*message).to_owned()).collect())
}

const FILES: [(&str, &str); 7] = [
    ("Work/2.eml", "A: 2\n\ntwo\n"),
    ("Work/1.EML", "A: 1\r\n\r\n>From one"),
    ("Work/Entwürfe/x.eml", "A: x\n\n"),
    ("top.eml", "A: top\n\n"),
    ("notes.txt", "no mail"),
    ("Work/.hidden.eml", "A: h\n\n"),
    // Its sender may have written that.
    ("inbox/removed.eml", "X-Mozilla-Status: 0009\n\n"),
];

fn expected() -> Found {
    vec![
        folder("INBOX", &["A: top\r\n\r\n"]),
        folder("Work", &["A: 1\r\n\r\n>From one", "A: 2\r\n\r\ntwo\r\n"]),
        folder("Work/Entwürfe", &["A: x\r\n\r\n"]),
        folder("inbox", &["\r\n"]),
        folder("notes.txt", &[&format!("left out: {NO_MESSAGES}")]),
    ]
}

#[test]
fn directories_are_folders_on_the_disk_and_in_an_archive() {
    let place = disk(&FILES);
    assert_eq!(read(FileKind::Eml, place.path(), &OPTIONS).unwrap(), expected());
    assert_eq!(of_archive(&packed(&FILES)).unwrap(), expected());
    // Of macOS and of Windows.
    let files = [("__MACOSX/Work/._1.eml", "x"), ("Work\\1.eml", "A: 1\n\n"), ("/Work/./2.eml", "A: 2\n\n")];
    assert_eq!(of_archive(&packed(&files)).unwrap(), [folder("Work", &["A: 1\r\n\r\n", "A: 2\r\n\r\n"])]);
}

#[test]
fn a_file_is_a_message_whatever_its_name_is_and_goes_where_it_is_sent() {
    let place = disk(&[("saved", "A: b\n\ntext\n"), ("Work/1.eml", "A: c\n\n")]);
    let file = place.path().join("saved");
    assert_eq!(read(FileKind::Eml, &file, &OPTIONS).unwrap(), [folder("INBOX", &["A: b\r\n\r\ntext\r\n"])]);
    let into = FileOptions { into: Some("Old/2020".to_owned()), ..OPTIONS };
    assert_eq!(read(FileKind::Eml, &file, &into).unwrap()[0].0, "Old/2020");
    assert_eq!(read(FileKind::Eml, place.path(), &into).unwrap()[0].0, "Old/2020/Work");
    let nothing = disk(&[("a.txt", "")]);
    let why = read(FileKind::Eml, nothing.path(), &OPTIONS).unwrap_err().to_string();
    assert!(why.contains("no message there") && why.contains("a.txt"), "{why}");
}

#[test]
fn flags_and_dates_stand_in_the_header_and_are_no_part_of_the_message() {
    let header = "Received: from a by b; Thu,\n 1 Jan 2026 00:00:00 +0000\nReceived: x; Fri, 2 Jan 2026 00:00:00 +0000\n\
                  Date: Sat, 3 Jan 2026 00:00:00 +0000\n";
    let own = "X-Mozilla-Status: 1001\nX-Mozilla-Keys: $label1\n Work\nStatus: RO\nX-Status: F\n";
    let labels = "X-Gmail-Labels: =?UTF-8?Q?Inbox,Starred,Unread,\"My_trip\",Category_Updates?=,\n 2020/Tax\n";
    let place = disk(&[
        ("1.eml", &format!("{own}{header}\ntext\n")),
        ("2.eml", &format!("{labels}Date: Sat, 3 Jan 2026 00:00:00 +0000\n\n")),
        ("3.eml", "A: b\n\n"),
    ]);
    let seconds = |seconds| Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds));
    let file = fs::File::options().write(true).open(place.path().join("3.eml")).unwrap();
    file.set_modified(seconds(1_500_000_000).unwrap()).unwrap();
    let mut source = FileKind::Eml.open(place.path(), &OPTIONS).unwrap();
    let inbox = source.folders().unwrap().remove(0);
    let marks = source.open(&inbox).unwrap().marks;
    let items: Vec<Item> = source.look(&marks).unwrap().into_iter().map(Result::unwrap).collect();
    let flags = |words: &[&str]| of_words(words.iter().map(|word| word.as_bytes()));
    assert_eq!(items[0].flags, flags(&["\\Seen", "$Forwarded", "\\Flagged", "$label1", "Work"]));
    assert_eq!(items[1].flags, flags(&["\\Flagged", "2020/Tax", "My_trip"]));
    let dates: Vec<i64> = items.iter().map(|item| item.date.unwrap().unix_seconds()).collect();
    assert_eq!(dates, [1_767_225_600, 1_767_398_400, 1_500_000_000]);
    let expected = format!("{header}\ntext\n").replace('\n', "\r\n");
    assert_eq!(source.read(&items[..1]).unwrap(), [Content::Octets(expected.into_bytes())]);
}

#[test]
fn a_message_is_known_by_its_content_whatever_its_file_is_called() {
    let marks = |files: &[(&str, &str)]| {
        let place = disk(files);
        let mut source = FileKind::Eml.open(place.path(), &OPTIONS).unwrap();
        let inbox = source.folders().unwrap().remove(0);
        source.open(&inbox).unwrap().marks
    };
    let before = marks(&[("1.eml", "A: 1\n\n"), ("2.eml", "A: 2\n\n"), ("3.eml", "A: 2\n\n")]);
    let after = marks(&[("a.eml", "Status: RO\nA: 2\r\n\r\n"), ("b.eml", "A: 1\n\n"), ("c.eml", "A: 2\n\n")]);
    assert_eq!(after, [before[1], before[0], before[2]]);
    assert_ne!(before[1], before[2]);
}

#[test]
fn what_was_noted_beside_messages_comes_before_what_they_say() {
    let message = "Status: O\nA: bare\nend";
    let files = [
        ("mailboxes.csv", "place,mailbox,subscribed\nA_B,\"A*B/C\",yes\nEmpty,Empty,no\nGone,Gone,no\nA_B,Twice,no\n"),
        ("Empty/messages.csv", "file,date,flags,uidl\n"),
        ("A_B/messages.csv", "file,date,flags,uidl\n1.eml,\"Thu, 01 Jan 2026 00:00:00 +0000\",\\Seen Work,old-uidl\n"),
        ("A_B/1.eml", message),
        ("A_B/2.eml", message),
    ];
    let place = disk(&files);
    let archive = place.path().join("mail.zip");
    fs::write(&archive, packed(&files)).unwrap();
    for (kind, path) in [(FileKind::Eml, place.path()), (FileKind::Zip, &archive)] {
        let mut source = kind.open(path, &OPTIONS).unwrap();
        let folders = source.folders().unwrap();
        let names: Vec<String> =
            folders.iter().filter(|one| one.left_out.is_none()).map(|one| one.levels.join("|")).collect();
        assert_eq!(names, ["A*B|C", "Empty"]);
        assert_eq!((folders[0].is_subscribed, folders[1].is_subscribed), (true, false));
        let marks = source.open(&folders[0]).unwrap().marks;
        let items: Vec<Item> = source.look(&marks).unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(items[0].flags, of_words([&b"\\Seen"[..], b"Work"]));
        assert_eq!(items[0].date, Some(Timestamp::from_unix_seconds(1_767_225_600)));
        assert_eq!(source.uidls(), [(marks[0], "old-uidl".to_owned())]);
        let octets = |text: &str| Content::Octets(text.as_bytes().to_vec());
        assert_eq!(source.read(&items).unwrap(), [octets(message), octets("A: bare\r\nend")]);
        assert_eq!(source.open(&folders[1]).unwrap().marks, []);
    }
}

#[test]
fn folders_of_apple_mail() {
    let list = "<key>flags</key><integer>17</integer>";
    let text = format!("6\nA: b\n\n{list}");
    let deep = "INBOX.mbox/Work.mbox/6B1C/Data/1/2/Messages";
    let place = disk(&[
        (&format!("{deep}/1.emlx"), text.as_str()),
        (&format!("{deep}/2.partial.emlx"), &text),
        ("INBOX.mbox/6B1C/Data/Messages/3.emlx", "no message"),
    ]);
    let found = read(FileKind::Eml, place.path(), &OPTIONS).unwrap();
    let no_file = "3.emlx: it is no file of Apple Mail, whatever its name says";
    let partial = format!("2.partial.emlx: {PARTIAL}");
    let expected = [folder("INBOX", &[no_file]), folder("INBOX/Work", &["A: b\r\n\r\n", &partial])];
    assert_eq!(found, expected);
}

#[test]
fn no_link_leads_out_of_a_directory_and_no_name_out_of_an_archive() {
    let place = disk(&[("Mail/1.eml", "A: b\n\n"), ("secret.eml", "secret")]);
    symlink(place.path().join("secret.eml"), place.path().join("Mail/2.eml")).unwrap();
    symlink(place.path(), place.path().join("Mail/up.eml")).unwrap();
    let link = "it is a symbolic link, which may lead anywhere";
    let found = read(FileKind::Eml, &place.path().join("Mail"), &OPTIONS).unwrap();
    assert_eq!(found, [folder("INBOX", &["A: b\r\n\r\n", &format!("2.eml: {link}"), &format!("up.eml: {link}")])]);
    let files = [("../../etc/1.eml", "A: b\n\n"), ("C:\\x\\..\\2.eml", "A: b\n\n"), ("/etc/3.eml", "A: b\n\n")];
    let out = "its name leads out of the archive";
    let expected = [
        folder("../../etc", &[&format!("1.eml: {out}")]),
        folder("C:/x/..", &[&format!("2.eml: {out}")]),
        folder("etc", &["A: b\r\n\r\n"]),
    ];
    assert_eq!(of_archive(&packed(&files)).unwrap(), expected);
    let deep = format!("{}1.eml", "d/".repeat(17));
    let long = format!("{}/1.eml", "e".repeat(4096));
    let found = of_archive(&packed(&[(&deep, "A: b\n\n"), (&long, "A: b\n\n"), ("x.eml", "A: x\n\n")])).unwrap();
    assert!(found[1].1[0].ends_with("it lies below more than 16 directories"), "{found:?}");
}

#[test]
fn what_is_encrypted_packed_otherwise_or_damaged_is_told_one_by_one() {
    let mut archive = ZipArchiveWriter::new(Vec::new());
    for (name, method, is_encrypted, crc) in [
        ("1.eml", CompressionMethod::STORE, true, rawzip::crc32(b"text")),
        ("2.eml", CompressionMethod::BZIP2, false, rawzip::crc32(b"text")),
        ("3.eml", CompressionMethod::STORE, false, 7),
        ("4.eml", CompressionMethod::STORE, false, rawzip::crc32(b"text")),
    ] {
        let builder = archive.new_file(name).compression_method(method).encrypted(is_encrypted);
        let (mut entry, config) = builder.crc32(rawzip::Crc32Option::Custom(crc)).start().unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(b"text").unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    let found = of_archive(&archive.finish().unwrap()).unwrap().remove(0).1;
    assert!(found[0].starts_with("1.eml: it is encrypted"), "{found:?}");
    assert!(found[1].starts_with("2.eml: it is packed with"), "{found:?}");
    assert!(found[2].starts_with("3.eml: it is damaged in the archive"), "{found:?}");
    assert_eq!(found[3], "text");
}

#[test]
fn an_archive_that_unpacks_to_far_more_than_it_is_is_refused() {
    let limit = (OPTIONS.message_bytes_max as usize, OPTIONS.message_bytes_max as usize + 1);
    let found = of_archive(&packed(&[("0.eml", &"x".repeat(limit.0)), ("1.eml", &"x".repeat(limit.1))])).unwrap();
    assert_eq!(found[0].1, ["x".repeat(limit.0), "TooLarge".to_owned()]);
    // Entries of one name each that lie over one another.
    let one = packed(&[("0.eml", &"0123456789".repeat(50))]);
    let (directory, end) = (
        one.windows(4).position(|found| found == b"PK\x01\x02").unwrap(),
        one.windows(4).position(|found| found == b"PK\x05\x06").unwrap(),
    );
    let of = |count: u16| {
        let mut octets = one[..directory].to_vec();
        (0..count).for_each(|_| octets.extend_from_slice(&one[directory..end]));
        let mut tail = one[end..].to_vec();
        tail[8..10].copy_from_slice(&count.to_le_bytes());
        tail[10..12].copy_from_slice(&count.to_le_bytes());
        tail[12..16].copy_from_slice(&(u32::from(count) * (end - directory) as u32).to_le_bytes());
        octets.extend_from_slice(&tail);
        octets
    };
    assert_eq!(of_archive(&of(1)).unwrap()[0].1.len(), 1);
    let why = of_archive(&of(20)).unwrap_err().to_string();
    assert!(why.contains("lie one over another"), "{why}");
    // Every entry unpacks to what a message may have; together they are more than so small an archive may hold.
    let bomb = |count: usize| {
        let names: Vec<String> = (0..2 * count).map(|at| format!("{at:02}.eml")).collect();
        let text = "x".repeat(1_000_000);
        let files: Vec<(&str, &str)> =
            names.iter().enumerate().map(|(at, name)| (name.as_str(), if at % 2 == 0 { "" } else { &text })).collect();
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("bomb.zip");
        fs::write(&path, packed(&files)).unwrap();
        let large = FileOptions { message_bytes_max: 1_000_000, ..OPTIONS };
        read(FileKind::Zip, &path, &large)
    };
    let why = bomb(10).unwrap_err().to_string();
    assert!(why.contains("unpacks to more than 200 times its size"), "{why}");
}

#[test]
fn an_archive_has_a_limit_of_entries_and_of_names() {
    let of = |count: usize, name_bytes: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("{at:0width$}.eml", width = name_bytes)).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "A: b\n\n")).collect();
        of_archive(&packed(&files))
    };
    assert_eq!(of(30, 3).unwrap()[0].1.len(), 30);
    assert!(of(31, 3).unwrap_err().to_string().contains("more than 30 entries"));
    assert_eq!(of(8, 4092).unwrap()[0].1.len(), 8);
    assert!(of(9, 4092).unwrap_err().to_string().contains("octets of names"));
    let names: Vec<String> = (0..31).map(|at| format!("{at}.eml")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "A: b\n\n")).collect();
    let why = read(FileKind::Eml, disk(&files).path(), &OPTIONS).unwrap_err().to_string();
    assert!(why.contains("more than 30 files"), "{why}");
    let place = tempfile::tempdir().unwrap();
    (0..29).for_each(|at| fs::create_dir(place.path().join(at.to_string())).unwrap());
    fs::write(place.path().join("1.eml"), "A: b\n\n").unwrap();
    assert_eq!(read(FileKind::Eml, place.path(), &OPTIONS).unwrap().len(), 1);
    fs::create_dir(place.path().join("0/x")).unwrap();
    let why = read(FileKind::Eml, place.path(), &OPTIONS).unwrap_err().to_string();
    assert!(why.contains("more than 30 directories"), "{why}");
}

#[test]
fn directories_in_an_archive_have_a_limit_of_number_and_of_depth() {
    let of = |count: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("{at:02}/1.eml")).collect();
        of_archive(&packed(&names.iter().map(|name| (name.as_str(), "A: b\n\n")).collect::<Vec<_>>()))
    };
    assert_eq!(of(FOLDERS_MAX).unwrap().len(), FOLDERS_MAX);
    assert!(of(FOLDERS_MAX + 1).unwrap_err().to_string().contains("more than 20 folders"));
    // All that lies too deep below one directory is one folder, whatever the names below it are.
    let top = "d/".repeat(16);
    let names: Vec<String> = (0..FOLDERS_MAX + 5).map(|at| format!("{top}{at}/e/{at}.eml")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "A: b\n\n")).collect();
    let found = of_archive(&packed(&files)).unwrap();
    assert_eq!((found.len(), found[0].0.as_str(), found[0].1.len()), (1, top.trim_end_matches('/'), files.len()));
}

#[test]
fn tables_and_what_is_damaged_count_to_what_an_archive_unpacks_to() {
    // Nothing but a table, which is well within what a table may have.
    let table = format!("place,mailbox,subscribed\n{}", "x".repeat(1_000_000));
    let files = [("1.eml", "A: b\n\n"), ("mailboxes.csv", table.as_str())];
    let why = of_archive(&packed(&files)).unwrap_err().to_string();
    assert!(why.contains("unpacks to more than 200 times its size"), "{why}");
    let text = "x".repeat(1000);
    let names: Vec<String> = (0..30).map(|at| format!("{at:02}.eml")).collect();
    let whole = packed(&names.iter().map(|name| (name.as_str(), text.as_str())).collect::<Vec<_>>());
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("mail.zip");
    fs::write(&path, &whole).unwrap();
    let mut archive = zip::Archive::open(&path).unwrap();
    let mut leaves = Vec::new();
    let mut give = |_: &[String], leaf: Leaf| {
        leaves.push(leaf);
        Ok(())
    };
    archive.files(&mut give).unwrap();
    let entry = |at: usize| match &leaves[at].place {
        tree::Place::Archive(entry) => entry,
        other => panic!("{other:?}"),
    };
    let before = archive.left();
    archive.read(entry(0), 1000, false).unwrap();
    assert_eq!(archive.left(), before, "what was good is read again");
    archive.read(entry(0), 1000, true).unwrap();
    assert_eq!(archive.read(entry(1), 10, true).unwrap(), Octets::TooMany);
    assert_eq!(archive.left(), before - 1000 - 11);
    // One octet of the first text is another one: its checksum is wrong.
    let mut octets = whole;
    let at = octets.windows(4).position(|found| found == b"xxxx").unwrap();
    octets[at] = b'y';
    fs::write(&path, &octets).unwrap();
    assert!(matches!(archive.read(entry(0), 1000, true).unwrap(), Octets::Unreadable(_)));
    assert_eq!(archive.left(), before - 2000 - 11);
}

#[test]
fn an_archive_with_any_octet_changed_or_cut_off_is_read_or_refused() {
    let whole = packed(&FILES[..4]);
    let originals: Vec<String> = of_archive(&whole).unwrap().into_iter().flat_map(|(_, messages)| messages).collect();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("mail.zip");
    let of = |octets: &[u8]| {
        fs::write(&path, octets).unwrap();
        read(FileKind::Zip, &path, &OPTIONS)
    };
    for at in 0..whole.len() {
        let mut octets = whole.clone();
        octets[at] ^= if at % 2 == 0 { 0xff } else { 0x01 };
        for message in of(&octets).unwrap_or_default().into_iter().flat_map(|(_, messages)| messages) {
            let is_told = message.contains(": it") || message.starts_with("left out: ") || message == "TooLarge";
            assert!(is_told || originals.contains(&message), "{at}: {message:?}");
        }
        assert!(of(&whole[..at]).is_err(), "{at}");
    }
    assert!(of(b"").unwrap_err().to_string().contains("is no zip archive"));
}
