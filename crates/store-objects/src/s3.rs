//! Bodies in an S3 bucket: of AWS, or of whatever speaks its protocol.
//!
//! The names are those of the directory, so that one can be copied into the other. An object is put under a condition (it must
//! not be there) and is durable when the bucket says so. What is read comes in segments, and those that were read or put last are
//! kept in memory, within a bound: a message is read in pieces, and a request for each would cost more than the piece.
//!
//! A bucket, or a part of it, belongs to one server, which puts a mark in it at the first start: of another's objects, a sweep
//! would find that nobody refers to them.
//!
//! The calls block; the requests are made on threads of this crate, so that whoever blocks never waits for himself.
//!
//! Invariant: `Missing` is answered only when the bucket said so and the server's mark is in it.

use crate::cache::{Cache, SEGMENT_BYTES, Segment};
use crate::client::Client;
use crate::patience::{Impatient, LONG_MAX, Patience};
use crate::s3_options::S3Options;
use crate::{Address, OpenError, account_directory};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, RetryConfig};
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;
use store::ids::AccountId;
use store::objects::{ObjectError, ObjectName, Objects, Shared};
use tokio::runtime::{Builder, Runtime};

/// The object that says whose a bucket is.
const MARK: &str = "pillarbox-server";
/// So many of several objects are put at a time.
const PUTS_AT_ONCE: usize = 16;
/// Threads that make requests.
const THREADS: usize = 2;
/// A request that fails in a way that may pass is made again so often ...
const TRIES_AGAIN: usize = 3;
/// ... within this time.
const TRYING: Duration = Duration::from_secs(20);

/// [`Objects`] in a bucket.
pub struct S3Objects {
    place: Arc<Place>,
    runtime: Option<Runtime>,
    patience: Patience,
}

struct Place {
    /// For messages: without keys.
    name: String,
    prefix: ObjectPath,
    bucket: AmazonS3,
    cache: Cache,
}

impl S3Objects {
    /// Opens the bucket, which must be there, for the server `owner` (letters and digits): at the first time it becomes that
    /// server's.
    ///
    /// # Errors
    /// The bucket cannot be reached, is not there, or is another server's; a sentence for the operator.
    pub fn open(options: &S3Options, owner: &str) -> Result<Self, OpenError> {
        let name = options.place();
        let failed = |error: &dyn fmt::Display| OpenError {
            what: format!("cannot open the bucket {name}: {error}; correct store.bucket_url_file"),
        };
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("s3").enable_all().build();
        let runtime = runtime.map_err(|error| failed(&error))?;
        let client = Client::new(options).map_err(|error| failed(&error))?;
        let bucket = AmazonS3Builder::new()
            .with_endpoint(options.endpoint())
            .with_allow_http(!options.tls)
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_access_key_id(&options.access_key)
            .with_secret_access_key(&options.secret_key)
            .with_virtual_hosted_style_request(false)
            .with_retry(RetryConfig { max_retries: TRIES_AGAIN, retry_timeout: TRYING, ..RetryConfig::default() })
            .with_http_connector(client)
            .build()
            .map_err(|error| failed(&error))?;
        let prefix = ObjectPath::from(options.prefix.as_str());
        let place = Arc::new(Place { name: name.clone(), prefix, bucket, cache: Cache::default() });
        let objects = Self { place, runtime: Some(runtime), patience: Patience::default() };
        let owner = owner.to_owned();
        let found =
            objects.wait(move |place| async move { place.owner(&owner).await }).map_err(|error| failed(&error))?;
        match found {
            None => Ok(objects),
            Some(other) => Err(OpenError {
                what: format!(
                    "the bucket {name} belongs to another server ({other}); give each a bucket, or a part of one behind a \
                     slash, of its own"
                ),
            }),
        }
    }

    /// Has requests made by other threads and waits for them.
    fn wait<T, F>(&self, work: impl FnOnce(Arc<Place>) -> F) -> Result<T, ObjectError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ObjectError>> + Send + 'static,
    {
        self.begin(work).recv().unwrap_or_else(|_| Err(self.ended()))
    }

    /// The same for what is read, while a session holds a place for it: of a bucket that hangs few wait to the end.
    fn wait_to_read<T, F>(&self, work: impl FnOnce(Arc<Place>) -> F) -> Result<T, ObjectError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ObjectError>> + Send + 'static,
    {
        match self.patience.wait(|| self.begin(work)) {
            Ok(came) => came.unwrap_or_else(|| Err(self.ended())),
            Err(Impatient) => Err(ObjectError::Failed {
                what: format!("{} does not answer in time, and {LONG_MAX} wait for it already", self.place.name),
            }),
        }
    }

    fn begin<T, F>(&self, work: impl FnOnce(Arc<Place>) -> F) -> Receiver<Result<T, ObjectError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ObjectError>> + Send + 'static,
    {
        let (done, result) = sync_channel(1);
        let work = work(Arc::clone(&self.place));
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move {
                // Nobody may wait for it any more.
                let _ = done.send(work.await);
            });
        }
        result
    }

    fn ended(&self) -> ObjectError {
        ObjectError::Failed { what: format!("the threads that talk to {} have ended", self.place.name) }
    }
}

impl Drop for S3Objects {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Nobody waits for a request any more.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for S3Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Objects").field("place", &self.place.name).finish_non_exhaustive()
    }
}

impl Objects for S3Objects {
    fn put_shared(&self, account: AccountId, name: &str, content: Shared) -> Result<(), ObjectError> {
        let address = Address::new(account, name)?;
        self.wait(|place| place.put(address.path, content))
    }

    fn put_all(&self, account: AccountId, contents: Vec<(ObjectName, Shared)>) -> Result<(), ObjectError> {
        let addressed = |(name, content): (ObjectName, Shared)| Ok((Address::new(account, &name)?.path, content));
        let contents: Vec<_> = contents.into_iter().map(addressed).collect::<Result<_, ObjectError>>()?;
        self.wait(|place| async move {
            let puts: Vec<_> =
                contents.into_iter().map(|(path, content)| place.clone().put(path, content).boxed()).collect();
            // All come to their end: none comes to be after this.
            let ends: Vec<_> = stream::iter(puts).buffer_unordered(PUTS_AT_ONCE).collect().await;
            ends.into_iter().collect()
        })
    }

    fn read(&self, account: AccountId, name: &str) -> Result<Vec<u8>, ObjectError> {
        let address = Address::new(account, name)?;
        self.wait_to_read(|place| async move { place.read(&address.path).await })
    }

    fn read_range(&self, account: AccountId, name: &str, range: Range<usize>) -> Result<Vec<u8>, ObjectError> {
        let address = Address::new(account, name)?;
        let Some(last) = range.end.checked_sub(1).filter(|_| !range.is_empty()) else {
            return self.length(account, name).map(|_| Vec::new());
        };
        let mut octets = Vec::with_capacity(range.len());
        for number in range.start / SEGMENT_BYTES..=last / SEGMENT_BYTES {
            let path = address.path.clone();
            let segment = match self.place.cache.get(&path, number) {
                Some(segment) => segment,
                None => self.wait_to_read(move |place| async move { place.segment(path, number).await })?,
            };
            let begin = number * SEGMENT_BYTES;
            let (from, to) = (range.start.max(begin) - begin, range.end.min(begin + SEGMENT_BYTES) - begin);
            let part = segment.get(from..to).ok_or_else(|| ObjectError::Failed {
                what: format!("{}/{} ends before octet {}", self.place.name, address.path, range.end),
            })?;
            octets.extend_from_slice(part);
        }
        Ok(octets)
    }

    fn length(&self, account: AccountId, name: &str) -> Result<u64, ObjectError> {
        let address = Address::new(account, name)?;
        self.wait_to_read(|place| async move { place.length(&address.path).await })
    }

    fn remove(&self, account: AccountId, name: &str) -> Result<(), ObjectError> {
        let address = Address::new(account, name)?;
        self.wait(|place| async move { place.remove(&address.path).await })
    }

    fn list(&self, account: AccountId) -> Result<Vec<(ObjectName, i64)>, ObjectError> {
        self.wait(|place| async move { place.list(account).await })
    }
}

impl Place {
    /// Makes the bucket this server's; who else has it, if somebody has.
    async fn owner(&self, owner: &str) -> Result<Option<String>, ObjectError> {
        let mark = self.at(&ObjectPath::from(MARK));
        let read = || async { self.bucket.get(&mark).await?.bytes().await };
        // Looked at before and after: not every server knows the condition that it must not be there.
        let found = match read().await {
            Err(Error::NotFound { .. }) => {
                let new = Bytes::copy_from_slice(owner.as_bytes());
                match self.bucket.put_opts(&mark, new.into(), PutMode::Create.into()).await {
                    Ok(_) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => read().await,
                    Err(error) => return Err(self.failed("write", &mark, &error)),
                }
            }
            found => found,
        };
        let found = found.map_err(|error| self.failed("read", &mark, &error))?;
        Ok((found != owner.as_bytes()).then(|| String::from_utf8_lossy(&found).chars().take(100).collect()))
    }

    fn at(&self, path: &ObjectPath) -> ObjectPath {
        ObjectPath::from_iter(self.prefix.parts().chain(path.parts()))
    }

    async fn put(self: Arc<Self>, path: ObjectPath, content: Shared) -> Result<(), ObjectError> {
        let (at, content) = (self.at(&path), Bytes::from_owner(Octets(content)));
        // Under a name that is used once: what is there is never overwritten, whatever happens. Where an answer was lost, and
        // the request is made again, the second one says that it is there: the caller takes that for a failure, as it must.
        let put = self.bucket.put_opts(&at, content.clone().into(), PutMode::Create.into());
        put.await.map_err(|error| self.failed("write", &path, &error))?;
        self.cache.keep(&path, &content);
        Ok(())
    }

    async fn read(&self, path: &ObjectPath) -> Result<Vec<u8>, ObjectError> {
        let at = self.at(path);
        let read = async { self.bucket.get(&at).await?.bytes().await };
        match read.await {
            Ok(content) => Ok(content.into()),
            Err(error) => Err(self.not_read("read", path, &error).await),
        }
    }

    async fn segment(&self, path: ObjectPath, number: usize) -> Result<Segment, ObjectError> {
        let begin = (number * SEGMENT_BYTES) as u64;
        let read = self.bucket.get_range(&self.at(&path), begin..begin + SEGMENT_BYTES as u64).await;
        match read {
            Ok(segment) => {
                // Of its own memory: what it was read into may hold more.
                let segment: Segment = segment.as_ref().into();
                self.cache.insert(path, number, Arc::clone(&segment));
                Ok(segment)
            }
            Err(error) => Err(self.not_read("read", &path, &error).await),
        }
    }

    async fn length(&self, path: &ObjectPath) -> Result<u64, ObjectError> {
        match self.bucket.head(&self.at(path)).await {
            Ok(object) => Ok(object.size),
            Err(error) => Err(self.not_read("look at", path, &error).await),
        }
    }

    async fn remove(&self, path: &ObjectPath) -> Result<(), ObjectError> {
        self.cache.forget(path);
        match self.bucket.delete(&self.at(path)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove", path, &error)),
        }
    }

    async fn list(&self, account: AccountId) -> Result<Vec<(ObjectName, i64)>, ObjectError> {
        let path = ObjectPath::from(account_directory(account));
        let objects = self.bucket.list(Some(&self.at(&path)));
        let named = objects.map_ok(|object| {
            let name = object.location.filename().unwrap_or_default().to_owned();
            (name, object.last_modified.timestamp_millis())
        });
        named.try_collect().await.map_err(|error| self.failed("list", &path, &error))
    }

    /// A bucket that is gone says of every object that it is not there: then nothing is certain.
    async fn not_read(&self, what: &str, path: &ObjectPath, error: &Error) -> ObjectError {
        if matches!(error, Error::NotFound { .. }) && self.bucket.head(&self.at(&ObjectPath::from(MARK))).await.is_ok()
        {
            return ObjectError::Missing;
        }
        self.failed(what, path, error)
    }

    fn failed(&self, what: &str, path: &ObjectPath, error: &Error) -> ObjectError {
        ObjectError::Failed { what: format!("cannot {what} {}/{path}: {error}", self.name) }
    }
}

/// What several read, as one of them.
struct Octets(Shared);

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}
