//! The rules of every object store, held by a bucket; and what only a bucket can show.

#![allow(clippy::unwrap_used)]

mod bucket;

use bucket::Bucket;
use std::sync::Arc;
use store::conformance;
use store::ids::AccountId;
use store::objects::{ObjectError, Objects};
use store_objects::{OpenError, S3Objects};

const ACCOUNT: AccountId = AccountId(16);

fn open(url: &str, owner: &str) -> Result<S3Objects, OpenError> {
    S3Objects::open(&url.parse().unwrap(), owner)
}

#[test]
fn a_bucket_keeps_the_contract() {
    let Some(bucket) = Bucket::start() else { return };
    conformance::objects(|| Box::new(open(&bucket.url(), "a1").unwrap()));
}

#[test]
fn a_part_of_a_bucket_keeps_the_contract() {
    let Some(bucket) = Bucket::start() else { return };
    let other = open(&bucket.url_of("mail/other"), "a2").unwrap();
    other.put(AccountId(340), "of-another", b"content").unwrap();
    conformance::objects(|| Box::new(open(&bucket.url_of("mail/pillarbox/one"), "a1").unwrap()));
    assert_eq!(other.read(AccountId(340), "of-another").unwrap(), b"content");
    assert_eq!(other.list(AccountId(340)).unwrap().len(), 1);
}

#[test]
fn the_bucket_of_another_server_was_swept() {
    let Some(bucket) = Bucket::start() else { return };
    drop(open(&bucket.url(), "a1").unwrap());
    let refused = open(&bucket.url(), "b2").unwrap_err().what;
    assert!(refused.contains("belongs to another server (a1)") && !refused.contains("secret"), "{refused}");
    drop(open(&bucket.url(), "a1").unwrap());
}

#[test]
fn a_bucket_that_is_not_there_is_no_empty_one() {
    let Some(bucket) = Bucket::start() else { return };
    let refused = open(&bucket.url_of("nobodys"), "a1").unwrap_err().what;
    assert!(refused.contains("cannot open the bucket s3://127.0.0.1"), "{refused}");
}

#[test]
fn a_bucket_that_has_gone_has_no_missing_objects() {
    let Some(mut bucket) = Bucket::start() else { return };
    let objects = open(&bucket.url(), "a1").unwrap();
    objects.put(ACCOUNT, "kept", &[7; 100_000]).unwrap();
    assert_eq!(objects.read(ACCOUNT, "other"), Err(ObjectError::Missing));
    bucket.kill();
    assert!(matches!(objects.read(ACCOUNT, "other"), Err(ObjectError::Failed { .. })));
    assert!(matches!(objects.put(ACCOUNT, "new", b"1"), Err(ObjectError::Failed { .. })));
    // What was put a moment ago is still there to be read.
    assert_eq!(objects.read_range(ACCOUNT, "kept", 70_000..70_010).unwrap(), [7; 10]);
}

#[test]
fn more_callers_than_threads_all_come_back() {
    let Some(bucket) = Bucket::start() else { return };
    let objects = Arc::new(open(&bucket.url(), "a1").unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let work = |n: u32| {
            let objects = Arc::clone(&objects);
            // As sessions do: on the threads of a runtime, without another one to go to.
            tokio::spawn(async move { objects.put(ACCOUNT, &format!("object-{n}"), &n.to_be_bytes()).unwrap() })
        };
        for task in (0..64).map(work).collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    assert_eq!(objects.list(ACCOUNT).unwrap().len(), 64);
}
