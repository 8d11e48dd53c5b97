//! A server that says what it likes.

use super::*;
use crate::Take;
use crate::wire::{Heads, Message};
use store::feed::Batch;
use store::sim::{SimEngine, SimObjects};

const PLACE: Place = Place { epoch: 1, position: 5 };

struct Liar {
    heads: Vec<(AccountId, ModSeq)>,
    to: u64,
    end: u64,
}

impl Primary for Liar {
    fn heads(&self) -> Result<Vec<u8>, Error> {
        Ok(Heads { lineage: [7; 32], place: PLACE, heads: self.heads.clone() }.encode())
    }

    fn news(&self, _: Place, _: Duration) -> Result<Option<Vec<u8>>, Error> {
        let batch = Batch { news: Vec::new(), to: self.to, end: self.end, age: Duration::ZERO };
        Ok(Some(Message::encode(PLACE, 1, &batch)))
    }

    fn compare(&self, _: AccountId, _: &[u8], _: Take<'_>) -> Result<(), Error> {
        Err(fault("nothing is brought"))
    }

    fn object(&self, _: AccountId, _: &ObjectName) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }
}

fn told(liar: &Liar) -> Result<Told, Error> {
    let engine = Arc::new(SimEngine::new());
    let mut follower = Follower::open(engine, Arc::new(SimObjects::new()), Options::default()).unwrap();
    follower.step(liar, Duration::ZERO, 1)
}

#[test]
fn news_that_end_before_they_come_to_their_end_were_counted_down_below_nothing() {
    let (heads, at) = (Vec::new(), PLACE.position);
    let sound = told(&Liar { heads: heads.clone(), to: at, end: at }).unwrap();
    assert!(sound.is_whole());
    let lie = told(&Liar { heads, to: at + 1, end: at });
    assert_eq!(lie, Err(fault("an answer of the server is none to what was asked")));
}

#[test]
fn what_is_the_standbys_own_is_brought_from_nowhere() {
    let heads = vec![(NOTES, ModSeq(9)), (AccountId(OWN | 16), ModSeq(9)), (AccountId(16), ModSeq(9))];
    let told = told(&Liar { heads, to: PLACE.position, end: PLACE.position }).unwrap();
    assert_eq!(told.to_bring, 1);
}
