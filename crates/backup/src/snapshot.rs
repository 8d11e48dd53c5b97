//! Snapshots: what was kept at one time. A file of lines, the last of which is the BLAKE3 of those before.
//!
//! ```text
//! pillarbox snapshot 1
//! taken 1795896900000
//! keyspace 16 at 1234
//! rows 27a0… 9bc1…
//! names 00f3…
//! beside auth-secret 5be1…
//! before 2026-11-27T20-15-00-000Z
//! end 81dd…
//! ```
//!
//! Where it is encrypted it says which one came before it, so that nobody takes one out unseen.

use crate::{Error, Repository};
use blake3::Hash;
use std::fmt::Write as _;
use store::{AccountId, ModSeq, Timestamp};

const FIRST_LINE: &str = "pillarbox snapshot 1";
const SNAPSHOTS: &str = "snapshots";

/// What was kept at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) taken_at: i64,
    pub(crate) keyspaces: Vec<Keyspace>,
    /// Files beside the store, by their paths in the data directory.
    pub(crate) beside: Vec<(String, Hash)>,
    /// The one that was the newest before, in an encrypted repository.
    pub(crate) before: Option<String>,
}

/// A keyspace as of one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keyspace {
    pub(crate) id: AccountId,
    pub(crate) head: ModSeq,
    /// Its rows, in the order of their keys.
    pub(crate) rows: Vec<Hash>,
    /// Rows whose key is the name of a large body, and whose value its hash.
    pub(crate) names: Vec<Hash>,
}

/// A snapshot, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its file's name: when it was taken, in UTC.
    pub name: String,
    /// When it was taken.
    pub at: Timestamp,
    /// How many accounts it holds.
    pub accounts: usize,
}

impl Snapshot {
    fn encode(&self) -> String {
        let mut text = format!("{FIRST_LINE}\ntaken {}\n", self.taken_at);
        for Keyspace { id, head, rows, names } in &self.keyspaces {
            let _infallible = writeln!(text, "keyspace {} at {}", id.0, head.0);
            for (word, hashes) in [("rows", rows), ("names", names)] {
                text.push_str(word);
                hashes.iter().for_each(|hash| {
                    text.push(' ');
                    text.push_str(&hash.to_hex());
                });
                text.push('\n');
            }
        }
        for (path, hash) in &self.beside {
            let _infallible = writeln!(text, "beside {path} {}", hash.to_hex());
        }
        if let Some(before) = &self.before {
            let _infallible = writeln!(text, "before {before}");
        }
        let end = blake3::hash(text.as_bytes());
        text + "end " + &end.to_hex() + "\n"
    }

    fn decode(text: &str) -> Option<Self> {
        let (body, end) = text.strip_suffix('\n')?.rsplit_once("\nend ")?;
        let body_bytes = body.len() + 1;
        if blake3::hash(text.as_bytes().get(..body_bytes)?) != Hash::from_hex(end).ok()? {
            return None;
        }
        let mut lines = body.lines();
        let mut snapshot = Self::default();
        (lines.next()? == FIRST_LINE).then_some(())?;
        snapshot.taken_at = lines.next()?.strip_prefix("taken ")?.parse().ok()?;
        for line in lines {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "keyspace" => {
                    let (id, head) = rest.split_once(" at ")?;
                    let (id, head) = (AccountId(id.parse().ok()?), ModSeq(head.parse().ok()?));
                    snapshot.keyspaces.push(Keyspace { id, head, rows: Vec::new(), names: Vec::new() });
                }
                "rows" => snapshot.keyspaces.last_mut()?.rows = hashes(rest)?,
                "names" => snapshot.keyspaces.last_mut()?.names = hashes(rest)?,
                "beside" => {
                    let (path, hash) = rest.rsplit_once(' ')?;
                    snapshot.beside.push((path.to_owned(), Hash::from_hex(hash).ok()?));
                }
                "before" => snapshot.before = Some(rest.to_owned()),
                _ => return None,
            }
        }
        Some(snapshot)
    }

    pub(crate) fn accounts(&self) -> usize {
        self.keyspaces.iter().filter(|space| space.id >= AccountId::FIRST).count()
    }
}

/// UTC, down to the millisecond, and it sorts by time.
fn name(millis: i64) -> Result<String, Error> {
    let at = jiff::Timestamp::from_millisecond(millis);
    let at = at.map_err(|error| Error::Fault(format!("the clock says what is no time: {error}")))?;
    Ok(at.strftime("%Y-%m-%dT%H-%M-%S-%3fZ").to_string())
}

/// Where the snapshot of that name lies.
pub(crate) fn path(name: &str) -> String {
    format!("{SNAPSHOTS}/{name}")
}

fn hashes(words: &str) -> Option<Vec<Hash>> {
    words.split_ascii_whitespace().map(|hash| Hash::from_hex(hash).ok()).collect()
}

impl Repository {
    /// All snapshots, the oldest first; of one that cannot be read, why.
    ///
    /// # Errors
    /// Faults.
    pub fn snapshots(&self) -> Result<Vec<Result<Taken, Error>>, Error> {
        let taken = |name: String| {
            let snapshot = self.snapshot(&name)?;
            Ok(Taken { name, at: Timestamp(snapshot.taken_at), accounts: snapshot.accounts() })
        };
        Ok(self.names()?.into_iter().map(taken).collect())
    }

    /// The name of the newest snapshot.
    ///
    /// # Errors
    /// There is none; faults.
    pub fn newest(&self) -> Result<String, Error> {
        self.names()?.pop().ok_or_else(|| Error::Refused(format!("{} holds no backup yet", self.place.shown(""))))
    }

    pub(crate) fn names(&self) -> Result<Vec<String>, Error> {
        let files = self.place.list(SNAPSHOTS).map_err(|error| self.fault("read", SNAPSHOTS, &error))?;
        // One that was not finished is none.
        let mut names: Vec<String> =
            files.into_iter().map(|(name, _)| name).filter(|name| !name.contains('.')).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The newest snapshot that was taken at this moment or before.
    ///
    /// # Errors
    /// There is none; faults.
    pub fn newest_until(&self, at: Timestamp) -> Result<String, Error> {
        let (until, names) = (name(at.0)?, self.names()?);
        let found = names.iter().rfind(|name| **name <= until);
        found.cloned().ok_or_else(|| {
            let place = self.place.shown("");
            Error::Refused(match names.first() {
                Some(oldest) => format!("the oldest backup in {place} is {oldest}: there is none of {until} or before"),
                None => format!("{place} holds no backup yet"),
            })
        })
    }

    /// The snapshot of that name, or the newest.
    pub(crate) fn chosen(&self, name: Option<&str>) -> Result<(String, Snapshot), Error> {
        let names = self.names()?;
        let place = self.place.shown("");
        let name = match name {
            None => names.last().cloned().ok_or_else(|| Error::Refused(format!("{place} holds no backup yet")))?,
            Some(name) => names.iter().find(|known| *known == name).cloned().ok_or_else(|| {
                Error::Refused(format!("{place} has no backup {name}; `pillarbox backup {place} --list` shows all"))
            })?,
        };
        Ok((name.clone(), self.snapshot(&name)?))
    }

    fn snapshot(&self, name: &str) -> Result<Snapshot, Error> {
        let path = path(name);
        let text = self.get(&path)?.and_then(|text| String::from_utf8(text).ok());
        text.as_deref().and_then(Snapshot::decode).ok_or_else(|| {
            let path = self.place.shown(&path);
            Error::Fault(format!("{path} is not what was written: remove it, and take another snapshot"))
        })
    }

    /// The name of a snapshot that is taken now. The newest is the one with the last name.
    pub(crate) fn name_of_next(&self, millis: i64) -> Result<String, Error> {
        let name = name(millis)?;
        match self.names()?.last() {
            Some(last) if *last >= name => Err(Error::Refused(format!(
                "the newest backup is of {last}, and by the clock it is {name}: set the clock right, or remove {} if that was wrong",
                self.place.shown(&path(last))
            ))),
            Some(_) | None => Ok(name),
        }
    }

    /// Writes a snapshot, and gives the name under which it is found.
    pub(crate) fn add(&self, snapshot: &Snapshot) -> Result<String, Error> {
        let name = self.name_of_next(snapshot.taken_at)?;
        self.put(&path(&name), snapshot.encode().as_bytes())?;
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_as_it_was_written_or_not_at_all() {
        let hash = |text: &str| blake3::hash(text.as_bytes());
        let keyspace = |id, rows: &[&str], names: &[&str]| Keyspace {
            id: AccountId(id),
            head: ModSeq(7),
            rows: rows.iter().map(|text| hash(text)).collect(),
            names: names.iter().map(|text| hash(text)).collect(),
        };
        let snapshot = Snapshot {
            taken_at: 1_795_896_900_000,
            keyspaces: vec![keyspace(1, &["a"], &[]), keyspace(16, &["b", "c"], &["d"])],
            beside: vec![("tls/own authority.pem".to_owned(), hash("e"))],
            before: Some("2026-11-27T20-15-00-000Z".to_owned()),
        };
        let text = snapshot.encode();
        assert_eq!(Snapshot::decode(&text).as_ref(), Some(&snapshot));
        assert_eq!(snapshot.accounts(), 1);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(Snapshot::decode(&changed), None, "octet {at} of {text}");
            assert_eq!(Snapshot::decode(&text[..at]), None, "cut at {at}");
        }
    }
}
