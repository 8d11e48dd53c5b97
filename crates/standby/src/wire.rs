//! What goes over the connection: numbers with their highest octet first, octets with their length before them.

use crate::{Error, Place, fault};
use std::time::Duration;
use store::engine::{Commit, Write};
use store::feed::{Batch, News};
use store::{AccountId, ModSeq};

/// Octets in the making.
#[derive(Debug, Default)]
pub(crate) struct Out(pub(crate) Vec<u8>);

impl Out {
    pub(crate) fn tag(&mut self, tag: u8) -> &mut Self {
        self.0.push(tag);
        self
    }

    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(crate) fn signed(&mut self, number: i64) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(crate) fn account(&mut self, account: AccountId) -> &mut Self {
        self.0.extend(account.0.to_be_bytes());
        self
    }

    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        self.number(count as u64)
    }

    /// Keys and values are bounded far below what four octets can count.
    pub(crate) fn octets(&mut self, octets: &[u8]) -> &mut Self {
        self.0.extend(u32::try_from(octets.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.extend_from_slice(octets);
        self
    }
}

/// Octets that are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct In<'a>(pub(crate) &'a [u8]);

impl<'a> In<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or_else(|| fault("an answer of the server is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N)?.try_into().map_err(|_| fault("an answer of the server is cut off"))
    }

    pub(crate) fn tag(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[tag]| tag)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Error> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn account(&mut self) -> Result<AccountId, Error> {
        self.array().map(u32::from_be_bytes).map(AccountId)
    }

    pub(crate) fn hash(&mut self) -> Result<[u8; 32], Error> {
        self.array()
    }

    pub(crate) fn octets(&mut self) -> Result<&'a [u8], Error> {
        let count = self.array().map(u32::from_be_bytes)?;
        self.take(count as usize)
    }

    /// So many items; a count that lies gives no memory.
    pub(crate) fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let count = self.number()?;
        (0..count).map(|_| read(self)).collect()
    }

    pub(crate) fn end(&self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(unknown()) }
    }
}

pub(crate) fn unknown() -> Error {
    fault("an answer of the server is not understood; are both of the same version?")
}

/// The head of a keyspace that the server cannot read: it says nothing, least of all that it is gone.
pub(crate) const UNREADABLE: ModSeq = ModSeq(u64::MAX);

/// Rows are copied as they are, so that both have to know the same ones.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The heads of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heads {
    pub(crate) lineage: [u8; 32],
    pub(crate) place: Place,
    pub(crate) heads: Vec<(AccountId, ModSeq)>,
}

impl Heads {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.octets(VERSION.as_bytes()).0.extend_from_slice(&self.lineage);
        out.number(self.place.epoch).number(self.place.position).count(self.heads.len());
        for (account, head) in &self.heads {
            out.account(*account).number(head.0);
        }
        out.0
    }

    pub(crate) fn decode(octets: &[u8]) -> Result<Self, Error> {
        let mut r = In(octets);
        let version = r.octets()?;
        if version != VERSION.as_bytes() {
            return Err(fault(format!(
                "the server is of version {}, this standby of {VERSION}: update the one that is older",
                version.escape_ascii()
            )));
        }
        let lineage = r.hash()?;
        let place = Place { epoch: r.number()?, position: r.number()? };
        let heads = r.list(|r| Ok((r.account()?, ModSeq(r.number()?))))?;
        r.end().map(|()| Self { lineage, place, heads })
    }
}

/// News on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) from: Place,
    pub(crate) to: u64,
    pub(crate) end: u64,
    pub(crate) age: Duration,
    /// The server's clock, Unix milliseconds.
    pub(crate) now: i64,
    pub(crate) news: Vec<News>,
}

impl Message {
    pub(crate) fn encode(from: Place, now: i64, batch: &Batch) -> Vec<u8> {
        let mut out = Out::default();
        out.number(from.epoch).number(from.position).number(batch.to).number(batch.end);
        out.number(u64::try_from(batch.age.as_millis()).unwrap_or(u64::MAX)).signed(now).count(batch.news.len());
        for news in &batch.news {
            match &**news {
                News::Look(account) => {
                    out.tag(0).account(*account);
                }
                News::Commit(Commit { account, expected, next, writes }) => {
                    out.tag(1).account(*account).number(expected.0).number(next.0).count(writes.len());
                    for write in writes {
                        match write {
                            Write::Delete { key } => out.tag(0).octets(key),
                            Write::Put { key, value } => out.tag(1).octets(key).octets(value),
                        };
                    }
                }
            }
        }
        out.0
    }

    pub(crate) fn decode(octets: &[u8]) -> Result<Self, Error> {
        let mut r = In(octets);
        let from = Place { epoch: r.number()?, position: r.number()? };
        let (to, end, age, now) = (r.number()?, r.number()?, Duration::from_millis(r.number()?), r.signed()?);
        let news = r.list(news)?;
        r.end().map(|()| Self { from, to, end, age, now, news })
    }
}

fn news(r: &mut In<'_>) -> Result<News, Error> {
    let (tag, account) = (r.tag()?, r.account()?);
    match tag {
        0 => Ok(News::Look(account)),
        1 => {
            let (expected, next) = (ModSeq(r.number()?), ModSeq(r.number()?));
            let writes = r.list(|r| {
                let (tag, key) = (r.tag()?, r.octets()?.to_vec());
                match tag {
                    0 => Ok(Write::Delete { key }),
                    1 => Ok(Write::Put { key, value: r.octets()?.to_vec() }),
                    2.. => Err(unknown()),
                }
            })?;
            Ok(News::Commit(Commit { account, expected, next, writes }))
        }
        2.. => Err(unknown()),
    }
}

/// A part of what differs in a keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Comes first: the head at which it is read; 0: it is not there.
    Head(ModSeq),
    /// Rows from a key on, up to another one if there is one, are all that follow until the next range.
    Range { from: &'a [u8], to: Option<&'a [u8]> },
    /// Rows, in the order of their keys: [`rows`].
    Rows(&'a [u8]),
    /// Comes last.
    End,
}

impl<'a> Piece<'a> {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = Out::default();
        match self {
            Self::Head(head) => {
                out.tag(0).number(head.0);
            }
            Self::Range { from, to } => {
                out.tag(1).octets(from);
                if let Some(to) = to {
                    out.octets(to);
                }
            }
            Self::Rows(rows) => out.tag(2).0.extend_from_slice(rows),
            Self::End => {
                out.tag(3);
            }
        }
        out.0
    }

    pub(crate) fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut r = In(octets);
        let piece = match r.tag()? {
            0 => Self::Head(ModSeq(r.number()?)),
            1 => Self::Range { from: r.octets()?, to: if r.0.is_empty() { None } else { Some(r.octets()?) } },
            2 => Self::Rows(r.take(r.0.len())?),
            3 => Self::End,
            4.. => return Err(unknown()),
        };
        r.end().map(|()| piece)
    }
}

/// A key and its value.
pub(crate) type Row<'a> = (&'a [u8], &'a [u8]);

pub(crate) fn row(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let mut row = Out(std::mem::take(out));
    row.octets(key).octets(value);
    *out = row.0;
}

pub(crate) fn rows(octets: &[u8]) -> Result<Vec<Row<'_>>, Error> {
    let (mut r, mut rows) = (In(octets), Vec::new());
    while !r.0.is_empty() {
        rows.push((r.octets()?, r.octets()?));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_is_sent_is_read_and_what_is_cut_off_or_foreign_is_not() {
        let writes = vec![Write::Put { key: b"k".to_vec(), value: vec![7; 300] }, Write::Delete { key: Vec::new() }];
        let commit = Commit { account: AccountId(16), expected: ModSeq(1), next: ModSeq(u64::MAX), writes };
        let news = [News::Look(AccountId(0)), News::Commit(commit)];
        let (from, age) = (Place { epoch: 1, position: 2 }, Duration::from_millis(77));
        let batch = Batch { news: news.iter().cloned().map(Arc::new).collect(), to: 4, end: 9, age };
        let message = Message::encode(from, -5, &batch);
        let expected = Message { from, to: 4, end: 9, age, now: -5, news: news.to_vec() };
        assert_eq!(Message::decode(&message), Ok(expected));
        let heads = Heads { lineage: [3; 32], place: from, heads: vec![(AccountId(16), ModSeq(8))] };
        assert_eq!(Heads::decode(&heads.encode()), Ok(heads.clone()));
        (0..message.len()).for_each(|cut| drop(Message::decode(&message[..cut]).unwrap_err()));
        Message::decode(&[&message[..], &[0]].concat()).unwrap_err();
        let heads = heads.encode();
        (0..heads.len()).for_each(|cut| drop(Heads::decode(&heads[..cut]).unwrap_err()));
        Heads::decode(&[&heads[..], &[0]].concat()).unwrap_err();
        let mut other = Out::default();
        other.octets(b"9.9").0.extend_from_slice(&heads[4 + VERSION.len()..]);
        let error = Heads::decode(&other.0).unwrap_err().to_string();
        assert!(error.contains("9.9") && error.contains(VERSION), "{error}");
        let mut octets = Vec::new();
        row(&mut octets, b"a", b"");
        row(&mut octets, b"", b"b");
        let to = Some(b"z".as_slice());
        for piece in [
            Piece::Head(ModSeq(7)),
            Piece::Range { from: b"a", to },
            Piece::Range { from: b"", to: None },
            Piece::Rows(&octets),
            Piece::End,
        ] {
            assert_eq!(Piece::decode(&piece.encode()), Ok(piece));
        }
        assert_eq!(rows(&octets).unwrap(), [(b"a".as_slice(), b"".as_slice()), (b"", b"b")]);
        rows(&octets[..octets.len() - 1]).unwrap_err();
        Piece::decode(&[4]).unwrap_err();
    }
}
