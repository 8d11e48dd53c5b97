//! Directories that somebody else has made.

use super::*;
use crate::source::{Content, Folder, Unknown};
use std::fs;
use std::os::unix::fs::symlink;

const OPTIONS: FileOptions = FileOptions { into: None, uidl_format: None, message_bytes_max: 100 };

fn maildir(dir: &Path) {
    for name in ["cur", "new", "tmp"] {
        fs::create_dir_all(dir.join(name)).unwrap();
    }
}

/// Folders with their messages: name of the file and content, or why there is none.
fn read(kind: FileKind, path: &Path) -> Vec<(String, Vec<String>)> {
    let mut source = kind.open(path, &OPTIONS).unwrap();
    let folders = source.folders().unwrap();
    let mut messages = |folder: &Folder| {
        if let Some(why) = folder.left_out {
            return vec![format!("left out: {why}")];
        }
        let marks = source.open(folder).unwrap().marks;
        let looked = source.look(&marks).unwrap();
        let read = |look| match look {
            Ok(item) => match source.read(&[item]).unwrap().remove(0) {
                Content::Octets(octets) => String::from_utf8(octets).unwrap(),
                other => format!("{other:?}"),
            },
            Err(Unknown { label, why, .. }) => format!("{label}: {why}"),
        };
        looked.into_iter().map(read).collect()
    };
    folders.iter().map(|folder| (folder.name.clone(), messages(folder))).collect()
}

#[test]
fn folders_of_a_maildir() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    for name in ["", ".Work", ".Work.Entw&APw-rfe &- R", ".a b", "Old/2020"] {
        maildir(&root.join(name));
    }
    fs::create_dir(root.join(".no-maildir")).unwrap();
    fs::write(root.join("subscriptions"), "V\t2\n\nINBOX\nWork\tEntw&APw-rfe &- R\n").unwrap();
    fs::write(root.join("cur/2.b:2,S"), "two\n").unwrap();
    fs::write(root.join("new/1.a"), "one\r\n").unwrap();
    fs::write(root.join(".Work/cur/1.c:2,"), "x".repeat(101)).unwrap();
    let found = read(FileKind::Maildir, root);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["INBOX", "Work", "Work/Entwürfe & R", "a b", "Old/2020"]);
    assert_eq!(found[0].1, ["one\r\n", "two\r\n"]);
    assert_eq!(found[1].1, ["TooLarge"]);
    let mut source = FileKind::Maildir.open(root, &OPTIONS).unwrap();
    let subscribed: Vec<bool> = source.folders().unwrap().iter().map(|folder| folder.is_subscribed).collect();
    assert_eq!(subscribed, [true, false, true, false, false]);
}

#[test]
fn a_message_is_the_same_whatever_flags_its_name_has_and_wherever_it_lies() {
    let place = tempfile::tempdir().unwrap();
    maildir(place.path());
    fs::write(place.path().join("new/1.a"), "one\n").unwrap();
    let mut source = FileKind::Maildir.open(place.path(), &OPTIONS).unwrap();
    let inbox = source.folders().unwrap().remove(0);
    let before = source.open(&inbox).unwrap().marks;
    // A program takes it, between two looks.
    fs::rename(place.path().join("new/1.a"), place.path().join("cur/1.a:2,S")).unwrap();
    let item = source.look(&before).unwrap().remove(0).unwrap();
    assert_eq!(item.flags, crate::flags::of_words([&b"\\Seen"[..]]));
    assert_eq!(source.read(&[item]).unwrap(), [Content::Octets(b"one\r\n".to_vec())]);
    assert_eq!(source.open(&inbox).unwrap().marks, before);
    fs::remove_file(place.path().join("cur/1.a:2,S")).unwrap();
    assert!(source.look(&before).unwrap()[0].is_err());
}

#[test]
fn the_order_and_the_uidls_are_those_of_dovecot() {
    let place = tempfile::tempdir().unwrap();
    maildir(place.path());
    for name in ["1.a:2,", "2.b:2,S", "3.c,S=4:2,"] {
        fs::write(place.path().join("cur").join(name), "one\n").unwrap();
    }
    let list = "3 V1 N9 G1\n5 :3.c,S=4:2,\n6 Pold-uidl :1.a:2,S\n7 :gone\n";
    fs::write(place.path().join("dovecot-uidlist"), list).unwrap();
    let open = |uidl_format: Option<&str>| {
        let uidl_format = uidl_format.map(str::to_owned);
        let mut source = FileKind::Maildir.open(place.path(), &FileOptions { uidl_format, ..OPTIONS }).unwrap();
        let inbox = source.folders().unwrap().remove(0);
        let marks = source.open(&inbox).unwrap().marks;
        let uidls = source.uidls();
        let uidl = |mark| uidls.iter().find(|(of, _)| of == mark).map(|(_, uidl)| uidl.clone()).unwrap_or_default();
        let labels = source.look(&marks).unwrap().into_iter().map(|look| look.unwrap().label);
        labels.zip(&marks).map(|(label, mark)| format!("{label} {}", uidl(mark))).collect::<Vec<_>>()
    };
    assert_eq!(open(None), ["3.c,S=4:2, 0000000500000001", "1.a:2, old-uidl", "2.b:2,S "]);
    assert_eq!(open(Some("%v.%u")), ["3.c,S=4:2, 1.5", "1.a:2, old-uidl", "2.b:2,S "]);
    assert_eq!(open(Some("")), ["3.c,S=4:2, ", "1.a:2, ", "2.b:2,S "]);
    fs::write(place.path().join("dovecot-uidlist"), "nonsense\n").unwrap();
    let mut source = FileKind::Maildir.open(place.path(), &OPTIONS).unwrap();
    let inbox = source.folders().unwrap().remove(0);
    assert!(matches!(source.open(&inbox), Err(SourceError::Refused(why)) if why.contains("line 1")));
}

#[test]
fn no_link_leads_out_of_a_maildir_and_no_pipe_holds_it_up() {
    let place = tempfile::tempdir().unwrap();
    let (root, outside) = (place.path().join("Maildir"), place.path().join("outside"));
    maildir(&root);
    maildir(&outside);
    fs::write(outside.join("cur/1.secret"), "secret").unwrap();
    symlink(&outside, root.join(".Linked")).unwrap();
    symlink(&outside, root.join("Linked")).unwrap();
    symlink(outside.join("cur/1.secret"), root.join("cur/1.linked")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("cur/2.pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    maildir(&root.join(".Half"));
    fs::remove_dir(root.join(".Half/new")).unwrap();
    symlink(outside.join("cur"), root.join(".Half/new")).unwrap();
    let found = read(FileKind::Maildir, &root);
    let link = "it is a symbolic link, which may lead anywhere";
    assert_eq!(found[0].1, [format!("1.linked: {link}"), "2.pipe: it is no regular file".to_owned()]);
    let out = format!("left out: {link}; name the directory itself to take it");
    assert_eq!(found[1..], [("Linked".to_owned(), vec![out.clone()]), ("Linked".to_owned(), vec![out])]);
    // What is named is taken, whatever way leads there.
    assert_eq!(read(FileKind::Maildir, &root.join("Linked"))[0].1, ["secret"]);
}

#[test]
fn folders_of_mbox_files() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let mbox = |name: &str| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("From x Thu Jan  1 00:00:00 2026\nA: {name}\n\n")).unwrap();
    };
    ["inbox", "Work", "Work.sbd/Old", "Entw&APw-rfe", "Apple.mbox/mbox", ".imap/x", "Work.msf"]
        .into_iter()
        .for_each(mbox);
    fs::write(root.join("notes.txt"), "no mbox").unwrap();
    symlink("/etc/passwd", root.join("passwd")).unwrap();
    let found = read(FileKind::Mbox, root);
    let names: Vec<(&str, bool)> =
        found.iter().map(|(name, messages)| (name.as_str(), messages[0].starts_with("A: "))).collect();
    let expected = [
        ("Apple", true),
        ("Entwürfe", true),
        ("Work", true),
        ("Work/Old", true),
        ("INBOX", true),
        ("notes.txt", false),
        ("passwd", false),
    ];
    assert_eq!(names, expected);
    let into = FileOptions { into: Some("Old mail/2020".to_owned()), ..OPTIONS };
    let mut source = FileKind::Mbox.open(&root.join("Work"), &into).unwrap();
    assert_eq!(source.folders().unwrap()[0].levels, ["Old mail", "2020"]);
    assert!(FileKind::Mbox.open(&root.join("notes.txt"), &OPTIONS).is_err());
}

#[test]
fn a_place_without_mail_is_told() {
    let place = tempfile::tempdir().unwrap();
    let why = |kind: FileKind, path: &Path| {
        let outcome = kind.open(path, &OPTIONS).and_then(|mut source| source.folders());
        outcome.unwrap_err().to_string()
    };
    assert!(why(FileKind::Maildir, place.path()).contains("is no Maildir"));
    assert!(why(FileKind::Mbox, place.path()).contains("no mbox file in"));
    assert!(why(FileKind::Maildir, &place.path().join("none")).contains("cannot be read"));
    assert_eq!(FileKind::parse("maildir:/a:b"), Some((FileKind::Maildir, "/a:b")));
    assert_eq!((FileKind::parse("imap://x"), FileKind::parse("/a")), (None, None));
}

#[test]
fn what_lay_deep_in_directories_was_left_out_in_silence() {
    let place = tempfile::tempdir().unwrap();
    let path = |depth: usize| {
        place.path().join(["d"; 16][..depth.min(16)].join("/")).join(["e"; 9][..depth.saturating_sub(16)].join("/"))
    };
    maildir(&path(16));
    let found = read(FileKind::Maildir, place.path());
    assert_eq!(found, [(["d"; 16].join("/"), vec![])]);
    maildir(&path(17));
    let found = read(FileKind::Maildir, place.path());
    assert_eq!(found[1], (["d"; 16].join("/") + "/…", vec![format!("left out: {}", found::TOO_DEEP)]));
    fs::write(path(16).join("e/mail"), "From x\n\n").unwrap();
    fs::write(path(15).join("mail"), "From x\n\n").unwrap();
    let found = read(FileKind::Mbox, place.path());
    assert!(found.iter().any(|(name, messages)| name.ends_with("d/mail") && messages.len() == 1), "{found:?}");
    assert!(found.iter().any(|(_, why)| why[0] == format!("left out: {}", found::TOO_DEEP)), "{found:?}");
}

#[test]
fn a_directory_has_a_limit() {
    let place = tempfile::tempdir().unwrap();
    maildir(place.path());
    let file = |number: usize| fs::write(place.path().join(format!("cur/{number}.x")), "x").unwrap();
    (0..30).for_each(file);
    assert_eq!(read(FileKind::Maildir, place.path())[0].1.len(), 30);
    file(30);
    let mut source = FileKind::Maildir.open(place.path(), &OPTIONS).unwrap();
    let inbox = source.folders().unwrap().remove(0);
    assert!(matches!(source.open(&inbox), Err(SourceError::Refused(why)) if why.contains("more than 30 files")));
}

fn scripts(root: &Path) -> Vec<String> {
    let told = FileKind::Maildir.open(root, &OPTIONS).unwrap().scripts();
    told.into_iter().map(|(name, why)| format!("{name}: {why}")).collect()
}

#[test]
fn the_script_in_use_is_named_wherever_it_lies() {
    let place = tempfile::tempdir().unwrap();
    let (home, root) = (place.path(), place.path().join("Maildir"));
    maildir(&root);
    fs::create_dir_all(home.join("sieve/lists")).unwrap();
    fs::create_dir(home.join("other")).unwrap();
    for name in ["sieve/mine.sieve", "sieve/lists/deep.sieve", "sieve/without", "other/mine.sieve"] {
        fs::write(home.join(name), "require \"copy\";").unwrap();
    }
    let check = |link: &str, is_read: bool| {
        let _none_before = fs::remove_file(home.join(".dovecot.sieve"));
        symlink(link, home.join(".dovecot.sieve")).unwrap();
        let told = scripts(&root);
        if is_read {
            assert_eq!(told, ["Sieve script mine.sieve: there is no Sieve here; it asks for copy"], "{link}");
        } else {
            let unread =
                format!("Sieve script .dovecot.sieve: the script in use is a link to {link}, which is not read");
            let other = "Sieve script mine.sieve: there is no Sieve here; it was not in use".to_owned();
            assert_eq!(told, [unread, other]);
        }
    };
    check("sieve/mine.sieve", true);
    check("/srv/vmail/alice/./sieve//mine.sieve", true);
    // One of another directory has the same name.
    ["other/mine.sieve", "mine.sieve", "sieve/lists/deep.sieve", "sieve/without", "sieve/gone.sieve", "/"]
        .into_iter()
        .for_each(|link| check(link, false));
}

#[test]
fn more_scripts_than_are_told_are_counted_and_the_one_in_use_comes_first() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    maildir(root);
    fs::create_dir(root.join("sieve")).unwrap();
    let script = |number: usize| fs::write(root.join(format!("sieve/{number:02}.sieve")), "keep;").unwrap();
    (0..5).for_each(script);
    symlink("sieve/07.sieve", root.join(".dovecot.sieve")).unwrap();
    let told = scripts(root);
    assert!(
        told.len() == 6 && told[0].contains("a link to sieve/07.sieve") && told[5].contains("04.sieve"),
        "{told:?}"
    );
    (5..8).for_each(script);
    let told = scripts(root);
    assert_eq!(told[0], "Sieve script 07.sieve: there is no Sieve here");
    assert!(told.len() == 6 && told[4].contains("03.sieve"), "{told:?}");
    assert_eq!(told[5], "The rest of the Sieve scripts: … and 3 more");
}

#[test]
fn a_place_of_scripts_that_is_a_link_or_cannot_be_read_is_told() {
    let place = tempfile::tempdir().unwrap();
    let (home, root) = (place.path(), place.path().join("Maildir"));
    maildir(&root);
    assert_eq!(scripts(&root), [""; 0]);
    symlink("elsewhere", home.join("sieve")).unwrap();
    symlink("sieve/mine.sieve", home.join(".dovecot.sieve")).unwrap();
    let told = scripts(&root);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].ends_with("a link to sieve/mine.sieve, which is not read"), "{told:?}");
    let unseen = "Sieve directory sieve: there may be Sieve scripts that are not told: ";
    assert_eq!(told[1], format!("{unseen}it is a symbolic link, which is not followed"));
    // More files than a directory may have are read as little as one that this user may not read.
    fs::remove_file(home.join("sieve")).unwrap();
    fs::create_dir(home.join("sieve")).unwrap();
    (0..31).for_each(|number| fs::write(home.join(format!("sieve/{number}.sieve")), "keep;").unwrap());
    let told = scripts(&root);
    assert!(told.len() == 2 && told[0].contains("link to sieve/mine.sieve"), "{told:?}");
    assert!(told[1].starts_with(unseen) && told[1].contains("more than 30 files"), "{told:?}");
    let told = sieve::beside(&dir::Dir::open(&home.join("none")));
    assert!(told.len() == 1 && told[0].1.contains("not told") && told[0].1.contains("none cannot be read"), "{told:?}");
}
