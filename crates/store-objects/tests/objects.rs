//! The rules of every object store, held by a directory; and what only a directory can show.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::sync::Arc;
use store::conformance;
use store::ids::AccountId;
use store::objects::{ObjectError, Objects};
use store_objects::DirectoryObjects;

const ACCOUNT: AccountId = AccountId(16);

#[test]
fn a_directory_keeps_the_contract() {
    let place = tempfile::tempdir().unwrap();
    conformance::objects(|| Box::new(DirectoryObjects::open(&place.path().join("bodies")).unwrap()));
}

/// Each caller blocks one of the threads that tokio keeps for blocking work, and there are fewer of those than callers:
/// were the work itself given to them, nothing would ever end.
#[test]
fn more_callers_than_tokio_has_blocking_threads_all_come_back() {
    let place = tempfile::tempdir().unwrap();
    let objects = Arc::new(DirectoryObjects::open(place.path()).unwrap());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(2).build().unwrap();
    runtime.block_on(async {
        let work = |n: u32| {
            let objects = Arc::clone(&objects);
            tokio::spawn(async move {
                tokio::task::block_in_place(|| {
                    let name = format!("object-{n}");
                    objects.put(ACCOUNT, &name, name.as_bytes()).unwrap();
                    assert_eq!(objects.read(ACCOUNT, &name).unwrap(), name.as_bytes());
                    objects.list(ACCOUNT).unwrap();
                });
            })
        };
        let tasks: Vec<_> = (0..64).map(work).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(objects.list(ACCOUNT).unwrap().len(), 64);
}

#[test]
fn an_object_that_cannot_be_read_is_not_missing() {
    let place = tempfile::tempdir().unwrap();
    let objects = DirectoryObjects::open(place.path()).unwrap();
    objects.put(ACCOUNT, "a", b"content").unwrap();
    let path = fs::read_dir(place.path().join("00000010")).unwrap().next().unwrap().unwrap().path();
    // The directory of the bucket becomes a file: the system says "not a directory" and not "no such file".
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "").unwrap();
    let read = objects.read(ACCOUNT, "a");
    assert!(matches!(&read, Err(ObjectError::Failed { what }) if what.contains("00000010")), "{read:?}");
    assert!(matches!(objects.put(ACCOUNT, "a", b""), Err(ObjectError::Failed { .. })));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    let refused = DirectoryObjects::open(&place.path().join("file/bodies")).unwrap_err();
    assert!(refused.what.contains("file/bodies"), "{refused}");
}
