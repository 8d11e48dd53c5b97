//! Segments of objects that were read or put last, within a bound of octets.

use object_store::path::Path as ObjectPath;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is read at once.
pub(crate) const SEGMENT_BYTES: usize = 1024 * 1024;
/// So many octets are kept.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Of an object that was just put, so many octets from its beginning: whoever is told of a message reads it.
const OF_NEW_BYTES_MAX: usize = 4 * SEGMENT_BYTES;

/// A part of an object, as long as [`SEGMENT_BYTES`] but for the last one.
pub(crate) type Segment = Arc<[u8]>;
type Key = (ObjectPath, usize);

/// The segments.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    segments: HashMap<Key, (Segment, u64)>,
    /// By when they were used last.
    used: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
}

impl Cache {
    pub(crate) fn get(&self, path: &ObjectPath, number: usize) -> Option<Segment> {
        let mut kept = self.lock();
        let now = kept.tick();
        let key = (path.clone(), number);
        let (segment, used) = kept.segments.get_mut(&key)?;
        let (segment, before) = (Arc::clone(segment), std::mem::replace(used, now));
        kept.used.remove(&before);
        kept.used.insert(now, key);
        Some(segment)
    }

    pub(crate) fn insert(&self, path: ObjectPath, number: usize, segment: Segment) {
        let mut kept = self.lock();
        let (now, key) = (kept.tick(), (path, number));
        kept.remove(&key);
        kept.bytes += segment.len();
        kept.used.insert(now, key.clone());
        kept.segments.insert(key, (segment, now));
        while kept.bytes > BYTES_MAX {
            let Some((_, oldest)) = kept.used.first_key_value() else { return };
            let oldest = oldest.clone();
            kept.remove(&oldest);
        }
    }

    /// Keeps an object that was just put.
    pub(crate) fn keep(&self, path: &ObjectPath, content: &[u8]) {
        let beginning = content.get(..OF_NEW_BYTES_MAX).unwrap_or(content);
        for (number, segment) in beginning.chunks(SEGMENT_BYTES).enumerate() {
            self.insert(path.clone(), number, segment.into());
        }
    }

    pub(crate) fn forget(&self, path: &ObjectPath) {
        let mut kept = self.lock();
        let keys: Vec<Key> = kept.segments.keys().filter(|(of, _)| of == path).cloned().collect();
        keys.iter().for_each(|key| kept.remove(key));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Every change is complete before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn remove(&mut self, key: &Key) {
        if let Some((segment, used)) = self.segments.remove(key) {
            self.bytes -= segment.len();
            self.used.remove(&used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_is_kept_within_the_bound() {
        let cache = Cache::default();
        let path = |n: usize| ObjectPath::from(format!("{n}"));
        let most = BYTES_MAX / SEGMENT_BYTES;
        for n in 0..most {
            cache.insert(path(n), 7, vec![0; SEGMENT_BYTES].into());
        }
        assert!((0..most).all(|n| cache.get(&path(n), 7).is_some()));
        // The first is used once more; the second goes.
        assert!(cache.get(&path(0), 7).is_some() && cache.get(&path(0), 8).is_none());
        cache.insert(path(most), 7, vec![0; 1].into());
        assert!(cache.get(&path(0), 7).is_some() && cache.get(&path(1), 7).is_none());
        assert!(cache.lock().bytes <= BYTES_MAX);
        // The same once more takes no more room; what is removed gives it back.
        cache.insert(path(0), 7, vec![0; SEGMENT_BYTES].into());
        (0..=most).for_each(|n| cache.forget(&path(n)));
        let kept = cache.lock();
        assert_eq!((kept.bytes, kept.segments.len(), kept.used.len()), (0, 0, 0));
    }

    #[test]
    fn of_a_new_object_the_beginning_is_kept() {
        let cache = Cache::default();
        let content = vec![1; OF_NEW_BYTES_MAX + 1];
        cache.keep(&ObjectPath::from("a"), &content);
        cache.keep(&ObjectPath::from("b"), &content[..SEGMENT_BYTES + 1]);
        let lengths = |name: &str| -> Vec<usize> {
            (0..6).filter_map(|n| cache.get(&ObjectPath::from(name), n)).map(|segment| segment.len()).collect()
        };
        assert_eq!(lengths("a"), [SEGMENT_BYTES; 4]);
        assert_eq!(lengths("b"), [SEGMENT_BYTES, 1]);
    }
}
