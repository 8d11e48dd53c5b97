//! Holds what must be true of whatever another IMAP server says. For tests and fuzzers.

use crate::imap::scripted;
use crate::{Content, Folder, ImapSource, Item, Opened, Server, Source, SourceError, Unknown};

/// So many folders are opened, ...
const FOLDERS_OPENED: usize = 3;
/// ... and messages looked at in each.
const MESSAGES_LOOKED_AT: usize = 10;
/// Of messages that are read together so much is kept at most: a piece, or more if one message may have more.
const ROOM_BYTES: usize = store::APPENDING_PIECE_BYTES_MAX;

/// All that was understood.
#[derive(Debug, Default, PartialEq, Eq)]
struct Understood {
    folders: Vec<Folder>,
    opened: Vec<Opened>,
    looked: Vec<Result<Item, Unknown>>,
    read: Vec<Content>,
    error: Option<SourceError>,
}

/// A server says this in pieces of `step` octets, to somebody who takes all mail of a few folders.
///
/// # Errors
/// A sentence about the first thing that does not hold.
pub fn imap(says: &[u8], step: usize) -> Result<(), String> {
    let understood = understood(says, says.len());
    let cut = self::understood(says, step);
    hold(understood == cut, || format!("cut it is {cut:?}, and not {understood:?}"))?;
    let Understood { folders, looked, read, error, .. } = understood;
    let levels = folders.iter().flat_map(|folder| &folder.levels);
    let names = folders.iter().map(|folder| &folder.name).chain(levels);
    let whys = looked.iter().filter_map(|one| one.as_ref().err()).map(|unknown| &unknown.why);
    let error = error.map(|error| error.to_string());
    for told in names.chain(whys).chain(&error) {
        hold(!told.contains(char::is_control), || format!("{told:?} may steer a terminal"))?;
    }
    let octets = read.iter().map(|content| match content {
        Content::Octets(octets) => octets.len(),
        Content::TooLarge | Content::Missing(_) => 0,
    });
    hold(octets.sum::<usize>() <= FOLDERS_OPENED * 2 * ROOM_BYTES, || "more is kept than there is room for".to_owned())
}

fn understood(says: &[u8], step: usize) -> Understood {
    let mut understood = Understood::default();
    understood.error = understand(says, step, &mut understood).err();
    understood
}

fn understand(says: &[u8], step: usize, understood: &mut Understood) -> Result<(), SourceError> {
    let server = Server::parse("imap://alice@old.example").map_err(SourceError::Refused)?;
    let pieces = says.chunks(step.max(1)).map(<[u8]>::to_vec).collect();
    let session = scripted::octets(pieces, &server)?;
    let mut source = ImapSource::over(server, 1000, session);
    understood.folders = source.folders()?;
    for folder in understood.folders.iter().take(FOLDERS_OPENED) {
        let opened = source.open(folder)?;
        let marks: Vec<u64> = opened.marks.iter().copied().take(MESSAGES_LOOKED_AT).collect();
        understood.opened.push(opened);
        let looked = source.look(&marks)?;
        let items: Vec<Item> = looked.iter().filter_map(|one| one.clone().ok()).collect();
        understood.looked.extend(looked);
        understood.read.extend(source.read(&items)?);
    }
    Ok(())
}

fn hold(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise()) }
}

#[cfg(test)]
mod tests;
