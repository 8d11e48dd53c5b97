//! A file for each message, as it is, octet for octet; in directories, or in a zip archive.
//!
//! What no such file says (flags, when it came, which mailbox a directory is) stands in tables beside them, which people read in a
//! spreadsheet and `pillarbox import` reads back.

use std::fs::{File, FileTimes};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use import::notes::{MAILBOX_COLUMNS, MAILBOXES, MESSAGE_COLUMNS, MESSAGES};
use message::{date, encoded_word, header};
use rawzip::time::UtcDateTime;
use rawzip::{CompressionMethod, ZipArchiveWriter};

use super::super::Outcome;
use super::super::failure::Failure;
use super::form::{
    self, Done, Mailbox, Message, Whole, create, directory, failed, keep, must_be_empty, out_of_turn, part,
};
use super::names::{Places, of_subject};
use super::table::Table;

/// When files of an archive can have been changed: 1980, where its clock begins, to 2106.
const ARCHIVE_SECONDS: std::ops::RangeInclusive<i64> = 315_532_800..=4_294_967_295;

/// Messages that are written.
pub(super) struct Eml {
    to: To,
    places: Places,
    mailboxes: Table,
    /// The directory that is written, and what is noted of its messages.
    open: Option<(String, Table)>,
    done: Done,
}

enum To {
    Disk(PathBuf),
    Archive { path: PathBuf, part: PathBuf, archive: Box<ZipArchiveWriter<BufWriter<File>>> },
}

impl Eml {
    /// Into a directory.
    pub(super) fn files(root: &Path) -> Result<Self, Failure> {
        must_be_empty(root)?;
        directory(root)?;
        Self::to(To::Disk(root.to_owned()))
    }

    /// Into an archive: it has another name until it is whole.
    pub(super) fn archive(path: &Path) -> Result<Self, Failure> {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::Refused(format!("{} is there already; name a file that is not", path.display())));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = create(&part).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                let why = "is of an export that broke off, or of one under way; remove it if it is the first";
                Failure::Refused(format!("{} {why}", part.display()))
            }
            _ => failed(&part, &error),
        })?;
        let archive = Box::new(ZipArchiveWriter::new(BufWriter::new(file)));
        Self::to(To::Archive { path: path.to_owned(), part, archive })
    }

    fn to(to: To) -> Result<Self, Failure> {
        let mailboxes = Table::new(&MAILBOX_COLUMNS)?;
        Ok(Self { to, places: Places::new(""), mailboxes, open: None, done: Done::default() })
    }

    fn end_directory(&mut self) -> Outcome {
        let Some((place, table)) = self.open.take() else { return Ok(()) };
        self.to.put(&format!("{place}/{MESSAGES}"), &table.end()?, None)
    }
}

impl Whole for Eml {
    fn mailbox(&mut self, Mailbox { name, is_subscribed, .. }: Mailbox) -> Outcome {
        self.end_directory()?;
        let place = self.places.of(&name);
        self.to.directory(&place)?;
        self.mailboxes.row(&[&place, &name, if is_subscribed { "yes" } else { "no" }])?;
        if place != name {
            self.done.told.push(format!("The mailbox {name} is in {place}."));
        }
        self.open = Some((place, Table::new(&MESSAGE_COLUMNS)?));
        self.done.folders += 1;
        Ok(())
    }

    fn message(&mut self, message: &Message, octets: &[u8]) -> Outcome {
        let Some((place, table)) = &mut self.open else { return Err(out_of_turn()) };
        let subject = header::find(octets, "Subject").map(|field| encoded_word::decode(&field.unfolded()));
        let subject = of_subject(&subject.unwrap_or_default());
        // The number first: so files are in the order of the mailbox.
        let file = format!("{:010}{}{subject}.eml", message.uid, if subject.is_empty() { "" } else { " " });
        // What every message has by itself is no other server's.
        let uidl = if message.uidl == message.id { "" } else { &message.uidl };
        table.row(&[&file, &date::format_rfc5322(message.at), &message.flags.join(" "), uidl])?;
        self.to.put(&format!("{place}/{file}"), octets, Some(message.at))?;
        self.done.messages += 1;
        Ok(())
    }

    fn end(mut self) -> Result<Done, Failure> {
        self.end_directory()?;
        self.to.put(MAILBOXES, &self.mailboxes.end()?, None)?;
        self.to.end()?;
        Ok(self.done)
    }
}

impl To {
    fn directory(&mut self, place: &str) -> Outcome {
        match self {
            Self::Disk(root) => directory(&root.join(place)),
            Self::Archive { part, archive, .. } => {
                let made = archive.new_dir(format!("{place}/")).create();
                made.map(drop).map_err(|error| unwritten(part, &error))
            }
        }
    }

    /// A file with the date of a message, or of now.
    fn put(&mut self, name: &str, octets: &[u8], at: Option<i64>) -> Outcome {
        match self {
            Self::Disk(root) => {
                let path = root.join(name);
                on_disk(&part(root), octets, at).map_err(|error| failed(&path, &error))?;
                form::name(root, &path)
            }
            Self::Archive { part, archive, .. } => {
                packed(archive, name, octets, at).map_err(|error| unwritten(part, &error))
            }
        }
    }

    fn end(self) -> Outcome {
        let (path, part, archive) = match self {
            Self::Disk(root) => return keep(&root),
            Self::Archive { path, part, archive } => (path, part, archive),
        };
        let file = archive.finish().map_err(|error| unwritten(&part, &error))?;
        let file = file.into_inner().map_err(|error| failed(&part, error.error()))?;
        file.sync_all().map_err(|error| failed(&part, &error))?;
        std::fs::rename(&part, &path).map_err(|error| failed(&path, &error))?;
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(above).and_then(|above| above.sync_all()).map_err(|error| failed(above, &error))
    }
}

fn on_disk(path: &Path, octets: &[u8], at: Option<i64>) -> std::io::Result<()> {
    let mut file = create(path)?;
    file.write_all(octets)?;
    match at.and_then(|seconds| u64::try_from(seconds).ok()) {
        Some(seconds) => {
            file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
        }
        None => Ok(()),
    }
}

fn packed(
    archive: &mut ZipArchiveWriter<BufWriter<File>>,
    name: &str,
    octets: &[u8],
    at: Option<i64>,
) -> Result<(), rawzip::Error> {
    let builder = archive.new_file(name).compression_method(CompressionMethod::DEFLATE).unix_permissions(0o100_600);
    let builder = match at {
        Some(at) => {
            let seconds = at.clamp(*ARCHIVE_SECONDS.start(), *ARCHIVE_SECONDS.end());
            builder.last_modified(UtcDateTime::from_unix(seconds))
        }
        None => builder,
    };
    let (mut entry, config) = builder.start()?;
    let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
    writer.write_all(octets)?;
    let (encoder, descriptor) = writer.finish()?;
    encoder.finish()?;
    entry.finish(descriptor)?;
    Ok(())
}

fn unwritten(path: &Path, error: &rawzip::Error) -> Failure {
    Failure::Refused(format!("cannot write {}: {error}", path.display()))
}
