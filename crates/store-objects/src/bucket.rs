//! Files in an S3 bucket, for whoever keeps them by paths of their own: backups.
//!
//! The calls block; the requests are made on threads of this crate, so that whoever blocks never waits for himself. What is put is
//! there when the bucket says so; a file that is put again replaces the old one as a whole.

use crate::OpenError;
use crate::client::Client;
use crate::s3_options::S3Options;
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, RetryConfig};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Threads that make requests.
const THREADS: usize = 1;
/// A request that fails in a way that may pass is made again so often ...
const TRIES_AGAIN: usize = 5;
/// ... within this time.
const TRYING: Duration = Duration::from_secs(60);

/// A part of a bucket with files in it.
pub struct BucketFiles {
    name: String,
    prefix: ObjectPath,
    bucket: Arc<AmazonS3>,
    runtime: Option<Runtime>,
    /// What was found in directories: names and octets. Nobody else writes there meanwhile.
    listed: Mutex<BTreeMap<String, BTreeMap<String, u64>>>,
}

impl fmt::Debug for BucketFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketFiles").field("name", &self.name).finish_non_exhaustive()
    }
}

impl BucketFiles {
    /// The part of a bucket that the address names; it is not asked yet.
    ///
    /// # Errors
    /// What is needed to ask it: a sentence.
    pub fn new(options: &S3Options) -> Result<Self, OpenError> {
        let name = options.place();
        let failed = |error: &dyn fmt::Display| OpenError { what: format!("cannot open {name}: {error}") };
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("s3").enable_all().build();
        let runtime = runtime.map_err(|error| failed(&error))?;
        let bucket = AmazonS3Builder::new()
            .with_endpoint(options.endpoint())
            .with_allow_http(!options.tls)
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_access_key_id(&options.access_key)
            .with_secret_access_key(&options.secret_key)
            .with_virtual_hosted_style_request(false)
            .with_retry(RetryConfig { max_retries: TRIES_AGAIN, retry_timeout: TRYING, ..RetryConfig::default() })
            .with_http_connector(Client::new(options).map_err(|error| failed(&error))?)
            .build()
            .map_err(|error| failed(&error))?;
        let (prefix, bucket) = (ObjectPath::from(options.prefix.as_str()), Arc::new(bucket));
        Ok(Self { name: name.clone(), prefix, bucket, runtime: Some(runtime), listed: Mutex::default() })
    }

    /// The place, or a file in it, for people: without keys.
    #[must_use]
    pub fn shown(&self, path: &str) -> String {
        if path.is_empty() { self.name.clone() } else { format!("{}/{path}", self.name) }
    }

    /// A whole file.
    ///
    /// # Errors
    /// `NotFound` if the bucket says so; anything else that it says.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let at = self.at(path);
        self.wait(|bucket| async move { Ok(bucket.get(&at).await?.bytes().await?.into()) })
    }

    /// How many octets a file has; `None`: there is none.
    ///
    /// # Errors
    /// Whatever the bucket says.
    pub fn length(&self, path: &str) -> io::Result<Option<u64>> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        // One question for all files of a directory: an old backup has thousands of them.
        if let Some(files) = self.listed().get(directory) {
            return Ok(files.get(name).copied());
        }
        let files: BTreeMap<String, u64> = self.list(directory)?.into_iter().collect();
        let length = files.get(name).copied();
        self.listed().insert(directory.to_owned(), files);
        Ok(length)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// Whatever the bucket says.
    pub fn put(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let (at, octets) = (self.at(path), Bytes::copy_from_slice(content));
        self.wait(|bucket| async move { bucket.put(&at, octets.into()).await.map(drop) })?;
        self.note(path, Some(content.len() as u64));
        Ok(())
    }

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// Whatever the bucket says.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let at = self.at(path);
        let removed = self.wait(|bucket| async move { bucket.delete(&at).await });
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => {
                self.note(path, None);
                Ok(())
            }
        }
    }

    /// The files in a directory: names and octets, in any order.
    ///
    /// # Errors
    /// Whatever the bucket says.
    pub fn list(&self, directory: &str) -> io::Result<Vec<(String, u64)>> {
        let at = self.at(directory);
        self.wait(|bucket| async move {
            let found = bucket.list_with_delimiter(Some(&at)).await?.objects;
            let named = |object: object_store::ObjectMeta| {
                object.location.filename().map(|name| (name.to_owned(), object.size))
            };
            Ok(found.into_iter().filter_map(named).collect())
        })
    }

    fn note(&self, path: &str, length: Option<u64>) {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(files) = self.listed().get_mut(directory) {
            match length {
                Some(length) => files.insert(name.to_owned(), length),
                None => files.remove(name),
            };
        }
    }

    fn listed(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, u64>>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, path: &str) -> ObjectPath {
        ObjectPath::from_iter(self.prefix.parts().chain(ObjectPath::from(path).parts()))
    }

    /// Has a request made by another thread, and waits for it.
    fn wait<T, F>(&self, work: impl FnOnce(Arc<AmazonS3>) -> F) -> io::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (done, result) = sync_channel(1);
        let work = work(Arc::clone(&self.bucket));
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move {
                // Nobody may wait for it any more.
                let _ = done.send(work.await);
            });
        }
        let ended = |_| io::Error::other(format!("the threads that talk to {} have ended", self.name));
        result.recv().map_err(ended)?.map_err(|error| match error {
            Error::NotFound { .. } => io::Error::new(ErrorKind::NotFound, error),
            error => io::Error::other(error),
        })
    }
}

impl Drop for BucketFiles {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Nobody waits for a request any more.
            runtime.shutdown_background();
        }
    }
}
