//! A few places, shared among owners: one owner has a limited number of them, and those of his who wait stand behind each
//! other before they stand behind anybody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use session::Owner;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for something.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    per_owner: usize,
    owners: Mutex<HashMap<Owner, Arc<Semaphore>>>,
}

/// A place, held until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    owner: Owner,
    own: Option<OwnedSemaphorePermit>,
    of_all: Option<OwnedSemaphorePermit>,
    places: Weak<Places>,
}

impl Places {
    /// So many in all, and so many of them at most for one owner.
    pub(super) fn new(all: usize, per_owner: usize) -> Arc<Self> {
        Arc::new(Self { all: Arc::new(Semaphore::new(all)), per_owner, owners: Mutex::default() })
    }

    /// A place, if there is one at once.
    pub(super) fn try_take(self: &Arc<Self>, owner: Owner) -> Option<Place> {
        let mut place = self.queue(owner);
        place.own = Some(self.own(owner).try_acquire_owned().ok()?);
        place.of_all = Some(Arc::clone(&self.all).try_acquire_owned().ok()?);
        Some(place)
    }

    /// A place, in order of arrival.
    pub(super) async fn take(self: Arc<Self>, owner: Owner) -> Place {
        let mut place = self.queue(owner);
        // Nobody closes a semaphore; if somebody did, work would go on without places.
        place.own = self.own(owner).acquire_owned().await.ok();
        place.of_all = Arc::clone(&self.all).acquire_owned().await.ok();
        place
    }

    /// Nothing yet, but dropped it tidies up.
    fn queue(self: &Arc<Self>, owner: Owner) -> Place {
        Place { owner, own: None, of_all: None, places: Arc::downgrade(self) }
    }

    fn own(&self, owner: Owner) -> Arc<Semaphore> {
        Arc::clone(self.lock().entry(owner).or_insert_with(|| Arc::new(Semaphore::new(self.per_owner))))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Arc<Semaphore>>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.of_all.take());
        drop(self.own.take());
        let Some(places) = self.places.upgrade() else { return };
        let mut owners = places.lock();
        // Whoever waits or works holds one more.
        if owners.get(&self.owner).is_some_and(|own| Arc::strong_count(own) == 1) {
            owners.remove(&self.owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::net::IpAddr;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    const ONE: Owner = Owner::Account(1);
    const OTHER: Owner = Owner::Account(2);

    #[test]
    fn one_owner_has_half_of_the_places_and_nobody_more_than_there_are() {
        let places = Places::new(4, 2);
        let mut held: Vec<Place> = Vec::new();
        for (owner, expected) in [(ONE, true), (ONE, true), (ONE, false), (OTHER, true), (OTHER, true), (OTHER, false)]
        {
            let place = places.try_take(owner);
            assert_eq!(place.is_some(), expected, "{owner:?} beside {held:?}");
            held.extend(place);
        }
        let third = Owner::stranger(IpAddr::from([192, 0, 2, 1]));
        assert!(places.try_take(third).is_none(), "all are taken");
        held.clear();
        assert!(places.try_take(third).is_some());
        assert!(places.lock().is_empty(), "nothing is remembered of who has gone");
    }

    #[test]
    fn who_waits_comes_before_who_asks_later() {
        let places = Places::new(2, 1);
        let held = places.try_take(ONE).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut waits = pin!(places.clone().take(ONE));
        assert!(waits.as_mut().poll(&mut context).is_pending());
        drop(held);
        assert!(places.try_take(ONE).is_none(), "it is not his turn");
        let Poll::Ready(place) = waits.as_mut().poll(&mut context) else { panic!("the place was free") };
        drop(place);
        assert!(places.try_take(ONE).is_some());
    }

    #[test]
    fn who_goes_while_he_waits_leaves_nothing_behind() {
        let places = Places::new(2, 1);
        let held = places.try_take(ONE).unwrap();
        {
            let mut context = Context::from_waker(Waker::noop());
            let mut waits = pin!(places.clone().take(ONE));
            assert!(waits.as_mut().poll(&mut context).is_pending());
        }
        drop(held);
        assert!(places.try_take(ONE).is_some());
        assert!(places.lock().is_empty());
    }
}
