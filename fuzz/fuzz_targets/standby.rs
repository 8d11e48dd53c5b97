//! A standby and its server, each with another that says what it likes: nothing panics, and a head never goes back.
#![no_main]

use arbitrary::Arbitrary;
use standby::{Error, Follower, Lineage, Options, Place, Primary, Source, Take};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use store::engine::{Commit, Engine, Write};
use store::feed::Feed;
use store::objects::{ObjectName, Objects};
use store::sim::{SimEngine, SimObjects};
use store::{AccountId, ModSeq};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    heads: Octets<'a, Vec<(u8, u8)>>,
    turns: Vec<(Octets<'a, Told<'a>>, Vec<Octets<'a, Piece<'a>>>)>,
    /// What the server is asked.
    ranges: Octets<'a, Vec<(&'a [u8], u8)>>,
}

/// As it comes, or as it should.
#[derive(Arbitrary, Debug)]
enum Octets<'a, T> {
    Sound(T),
    Any(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
struct Told<'a> {
    to: u8,
    end: u8,
    news: Vec<(u8, Option<Change<'a>>)>,
}

#[derive(Arbitrary, Debug)]
struct Change<'a> {
    expected: u8,
    next: u8,
    writes: Vec<(&'a [u8], Option<&'a [u8]>)>,
}

#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    Head(u8),
    Range(&'a [u8], Option<&'a [u8]>),
    Rows(Vec<(&'a [u8], &'a [u8])>),
    End,
}

#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn number(&mut self, number: u64) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Accounts begin at 16; below are tables, and far above what is the standby's own.
    fn account(&mut self, account: u8) -> &mut Self {
        let own = if account >= 200 { 1 << 31 } else { 0 };
        self.0.extend((own | u32::from(account % 20)).to_be_bytes());
        self
    }

    fn octets(&mut self, octets: &[u8]) -> &mut Self {
        self.0.extend((octets.len() as u32).to_be_bytes());
        self.0.extend_from_slice(octets);
        self
    }
}

fn heads(version: &[u8], heads: &[(u8, u8)]) -> Vec<u8> {
    let mut out = Out::default();
    out.octets(version).0.extend([7; 32]);
    out.number(1).number(0).number(heads.len() as u64);
    for (account, head) in heads {
        out.account(*account).number(u64::from(*head));
    }
    out.0
}

fn told(place: Place, told: &Told<'_>) -> Vec<u8> {
    let mut out = Out::default();
    out.number(place.epoch).number(place.position).number(place.position + u64::from(told.to));
    out.number(place.position + u64::from(told.end)).number(5).number(9).number(told.news.len() as u64);
    for (account, change) in &told.news {
        out.0.push(u8::from(change.is_some()));
        out.account(*account);
        let Some(Change { expected, next, writes }) = change else { continue };
        out.number(u64::from(*expected)).number(u64::from(*next)).number(writes.len() as u64);
        for (key, value) in writes {
            out.0.push(u8::from(value.is_some()));
            out.octets(key);
            if let Some(value) = value {
                out.octets(value);
            }
        }
    }
    out.0
}

fn piece(piece: &Piece<'_>) -> Vec<u8> {
    let mut out = Out::default();
    match piece {
        Piece::Head(head) => {
            out.0.push(0);
            out.number(u64::from(*head));
        }
        Piece::Range(from, to) => {
            out.0.push(1);
            out.octets(from);
            if let Some(to) = to {
                out.octets(to);
            }
        }
        Piece::Rows(rows) => {
            out.0.push(2);
            for (key, value) in rows {
                out.octets(key).octets(value);
            }
        }
        Piece::End => out.0.push(3),
    }
    out.0
}

struct Server<'a> {
    input: &'a Input<'a>,
    turn: usize,
    version: Vec<u8>,
}

impl Primary for Server<'_> {
    fn heads(&self) -> Result<Vec<u8>, Error> {
        Ok(match &self.input.heads {
            Octets::Sound(sound) => heads(&self.version, sound),
            Octets::Any(octets) => octets.to_vec(),
        })
    }

    fn news(&self, place: Place, _: Duration) -> Result<Option<Vec<u8>>, Error> {
        let turn = self.input.turns.get(self.turn);
        Ok(turn.map(|(news, _)| match news {
            Octets::Sound(sound) => told(place, sound),
            Octets::Any(octets) => octets.to_vec(),
        }))
    }

    fn compare(&self, _: AccountId, _: &[u8], take: Take<'_>) -> Result<(), Error> {
        let pieces = self.input.turns.get(self.turn).map_or(&[][..], |(_, pieces)| pieces);
        pieces.iter().try_for_each(|one| match one {
            Octets::Sound(sound) => take(&piece(sound)),
            Octets::Any(octets) => take(octets),
        })
    }

    fn object(&self, _: AccountId, _: &ObjectName) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }
}

fn heads_of(engine: &SimEngine) -> BTreeMap<AccountId, u64> {
    let accounts = engine.accounts().expect("the engine works");
    accounts.into_iter().map(|account| (account, engine.head(account).expect("the engine works").0)).collect()
}

/// A server with some rows, and its version as it writes it.
static SERVED: LazyLock<(Source, Vec<u8>)> = LazyLock::new(|| {
    let engine = SimEngine::new();
    for next in 1..=20_u8 {
        let writes = vec![Write::Put { key: vec![next], value: vec![next; 30_000] }];
        let (expected, next) = (ModSeq(u64::from(next) - 1), ModSeq(u64::from(next)));
        engine.commit(Commit { account: AccountId(16), expected, next, writes }).expect("the engine works");
    }
    let storage = (Arc::new(engine) as Arc<dyn Engine>, Arc::new(SimObjects::new()) as Arc<dyn Objects>);
    let source = Source::new(storage, Feed::with_room(1, 1000), Lineage::of(b"secret", b""));
    let told = source.heads().expect("the engine works");
    let version = told[4..4 + usize::from(told[3])].to_vec();
    (source, version)
});

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let (source, version) = &*SERVED;
    asked(source, &input.ranges);
    let (engine, objects) = (SimEngine::new(), SimObjects::new());
    let open = || {
        Follower::open(
            Arc::new(engine.clone()),
            Arc::new(objects.clone()),
            Options { workers: 1, part_bytes: 50, changed_bytes_max: 100 },
        )
    };
    let mut follower = open().expect("nothing is there yet");
    for turn in 0..input.turns.len().min(6) {
        let before = heads_of(&engine);
        let server = Server { input: &input, turn, version: version.clone() };
        let outcome = follower.step(&server, Duration::ZERO, 10);
        let after = heads_of(&engine);
        for (account, head) in before.iter().filter(|(account, _)| account.0 < 1 << 31) {
            // An account may go as a whole.
            assert!(after.get(account).is_none_or(|now| now >= head), "{account} has gone back: {outcome:?}");
        }
        let _outcome = follower.doubt(&server);
    }
    drop(follower);
    let _again = open();
});

fn asked(source: &Source, ranges: &Octets<'_, Vec<(&[u8], u8)>>) {
    let ranges = match ranges {
        Octets::Any(octets) => octets.to_vec(),
        Octets::Sound(sound) => {
            let mut out = Out::default();
            sound.iter().for_each(|(end, hash)| out.octets(end).0.extend([*hash; 32]));
            out.0
        }
    };
    let mut tags = Vec::new();
    let outcome = source.compare(AccountId(16), &ranges, &mut |piece| {
        tags.push(piece[0]);
        Ok(())
    });
    assert!(outcome.is_err() || (tags.first(), tags.last()) == (Some(&0), Some(&3)));
}
