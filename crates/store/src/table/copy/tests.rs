use super::*;
use crate::engine::Engine;
use crate::sim::{SimEngine, SimObjects};
use crate::store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An engine whose accounts all lie apart, and of which the directory can be lost.
#[derive(Clone)]
struct Apart {
    engine: SimEngine,
    is_lost: Arc<AtomicBool>,
}

impl Engine for Apart {
    fn snapshot(&self, account: AccountId) -> Result<Box<dyn Snapshot + '_>, EngineError> {
        if self.is_lost.load(Ordering::SeqCst) && account == TableId::Directory.keyspace() {
            return Err(EngineError::Damaged { what: "lost".to_owned() });
        }
        self.engine.snapshot(account)
    }

    fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        if self.is_lost.load(Ordering::SeqCst) && commit.account == TableId::Directory.keyspace() {
            return Err(CommitError::Damaged { what: "lost".to_owned() });
        }
        self.engine.commit(commit)
    }

    fn accounts(&self) -> Result<Vec<AccountId>, EngineError> {
        self.engine.accounts()
    }

    fn lie_apart(&self, _one: AccountId, _other: AccountId) -> bool {
        true
    }

    fn remove_account(&self, account: AccountId) -> Result<(), CommitError> {
        self.engine.remove_account(account)
    }
}

struct World {
    engine: Apart,
    table: Table,
}

impl World {
    fn new() -> Self {
        Self::on(Apart { engine: SimEngine::new(), is_lost: Arc::default() })
    }

    /// The next process on what is there.
    fn on(engine: Apart) -> Self {
        let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let table = store.table(TableId::Directory);
        table.bring_up_copy();
        Self { engine, table }
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.table.change(|tx| {
            tx.put(key, value.to_vec());
            Ok(())
        })
    }

    fn delete(&self, key: &[u8]) {
        let deleted: Result<(), Error> = self.table.change(|tx| {
            tx.delete(key);
            Ok(())
        });
        deleted.unwrap();
    }

    fn lose(&self, is_lost: bool) {
        self.engine.is_lost.store(is_lost, Ordering::SeqCst);
    }

    fn says(&self) -> Result<(u64, String), Error> {
        let (version, rows) = self.table.scan_all(&[b"k", b"m"])?;
        assert_eq!(self.table.version(), Ok(version));
        let row = |(key, value): &(Vec<u8>, Vec<u8>)| {
            assert_eq!(self.table.get(key).unwrap().as_ref(), Some(value));
            format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
        };
        Ok((version.0, rows.iter().map(row).collect::<Vec<_>>().join(" ")))
    }

    /// What the table says, and then its copy.
    fn check(&self, expected: &str) {
        let says = self.says().unwrap();
        assert_eq!(says.1, expected);
        self.lose(true);
        assert_eq!(self.says(), Ok(says));
        assert!(matches!(self.put(b"k9", b"x"), Err(Error::Damaged(_))), "nothing is written beside a lost table");
        self.lose(false);
    }
}

#[test]
fn a_lost_directory_kept_everybody_out() {
    let world = World::new();
    world.check("");
    world.put(b"k1", b"a").unwrap();
    world.put(b"m", b"b").unwrap();
    world.check("k1=a m=b");
    world.put(b"k1", b"c").unwrap();
    world.delete(b"m");
    world.check("k1=c");
    World::on(world.engine).check("k1=c");
}

#[test]
fn a_damaged_row_is_read_from_the_copy_and_the_copy_is_left_alone() {
    let world = World::new();
    for key in [b"k1", b"k2"] {
        world.put(key, b"a").unwrap();
    }
    world.engine.engine.spoil(TableId::Directory, b"k1");
    world.check("k1=a k2=a");
    // The next process, and other changes.
    let world = World::on(world.engine);
    world.put(b"k3", b"b").unwrap();
    world.check("k1=a k2=a k3=b");
    // What is written anew is sound.
    world.put(b"k1", b"c").unwrap();
    world.check("k1=c k2=a k3=b");
}

#[test]
fn a_copy_that_is_known_to_be_behind_is_not_read() {
    let world = World::new();
    world.put(b"k1", b"let in").unwrap();
    let directory = TableId::Directory.keyspace();
    let expected = world.engine.snapshot(directory).unwrap().head();
    let writes = vec![write(b"k1".to_vec(), Some(b"shut out".to_vec()))];
    world.engine.commit(Commit { account: directory, expected, next: ModSeq(expected.0 + 1), writes }).unwrap();
    world.engine.engine.spoil(TableId::Directory, b"k1");
    assert!(matches!(world.table.get(b"k1"), Err(Error::Damaged(_))));
    assert!(matches!(world.says(), Err(Error::Damaged(_))));
}

#[test]
fn a_copy_that_is_behind_or_damaged_is_brought_up() {
    let world = World::new();
    world.put(b"k1", b"a").unwrap();
    let copy = TableId::Directory.copy().unwrap();
    // As an older version, or another process that crashed before the copy, leaves it.
    let directory = TableId::Directory.keyspace();
    let writes = vec![write(b"k1".to_vec(), None), write(b"k2".to_vec(), Some(vec![b'x'; PIECE_BYTES]))];
    let commit = |account, writes| {
        let expected = world.engine.snapshot(account).unwrap().head();
        world.engine.commit(Commit { account, expected, next: ModSeq(expected.0 + 1), writes }).unwrap();
    };
    commit(directory, writes);
    let large = format!("k2={}", "x".repeat(PIECE_BYTES));
    World::on(world.engine.clone()).check(&large);
    // A change finds it, too.
    commit(directory, vec![write(b"k2".to_vec(), None)]);
    world.put(b"k3", b"b").unwrap();
    world.check("k3=b");
    // One that broke off in the middle is none.
    commit(copy, vec![write(MARK.to_vec(), None)]);
    world.lose(true);
    assert!(matches!(world.says(), Err(Error::Damaged(_))));
    world.lose(false);
    World::on(world.engine.clone()).check("k3=b");
    // A table that was lost whole and is made anew does not take the copy with it.
    world.engine.remove_account(directory).unwrap();
    let world = World::on(world.engine);
    world.lose(true);
    assert_eq!(world.says().unwrap().1, "k3=b");
}
