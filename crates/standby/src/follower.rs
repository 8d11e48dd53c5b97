//! The standby's side: it looks, listens, applies, and brings what differs.

use crate::bring::{Brought, behind};
use crate::copy::{Copy, is_whole};
use crate::notes::{NOTES, Notes, Standing};
use crate::wire::{Heads, Message, UNREADABLE};
use crate::{Error, OWN, Options, Place, Primary, fault, is_copied};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use store::backup::Kept;
use store::engine::Engine;
use store::objects::{ObjectError, ObjectName, Objects};
use store::{AccountId, ModSeq};

/// How it stands is noted about so often, by the server's clock.
const NOTED_EVERY_MILLIS: i64 = 1000;
/// A large message that is gone when its account is brought was purged meanwhile; after so many times it is lost.
const TRIES_MAX: u32 = 3;
/// What could not be brought is tried again after twice as many turns each time, at most 2 to the power of this: about a minute.
const PAUSE_TURNS_MAX: u32 = 6;

/// A standby that follows a server.
pub struct Follower {
    copy: Copy,
    notes: Notes,
    standing: Standing,
    place: Option<Place>,
    stale: BTreeSet<AccountId>,
    tries: BTreeMap<AccountId, Tries>,
    turn: u64,
    noted_at: i64,
    doubts: Option<Doubts>,
}

/// How often a keyspace could not be brought, and in which turn it is tried again: it holds up no other.
#[derive(Clone, Copy, Default)]
struct Tries {
    count: u32,
    /// How often the server did not have a large message of it.
    lacked: u32,
    again: u64,
}

/// Heads that the server had: once the news up to then are here, so are they.
struct Doubts {
    heads: BTreeMap<AccountId, ModSeq>,
    /// Where the news ended afterwards; `None`: not asked yet.
    until: Option<u64>,
}

/// What a step has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Commits on the server that are not here.
    pub behind: u64,
    /// How long the oldest of what was told now had waited.
    pub lag: Duration,
    /// Keyspaces that have to be brought.
    pub to_bring: usize,
    /// Commits that were applied.
    pub applied: usize,
    /// The server's clock, Unix milliseconds.
    pub now: i64,
}

impl Told {
    /// Whether everything is here that was durable on the server when it was asked.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.behind == 0 && self.to_bring == 0
    }
}

impl Follower {
    /// Opens what is here, and ends what was begun: what was told last is applied, what was brought beside an account takes its place.
    ///
    /// # Errors
    /// Faults.
    pub fn open(engine: Arc<dyn Engine>, objects: Arc<dyn Objects>, options: Options) -> Result<Self, Error> {
        let (notes, standing, told) = Notes::open(Arc::clone(&engine))?;
        let stale: BTreeSet<AccountId> = standing.behind.iter().copied().collect();
        let copy = Copy { engine, objects, options };
        let (place, tries, turn, noted_at, doubts) = (None, BTreeMap::new(), 0, i64::MIN, None);
        let mut follower = Self { copy, notes, standing, place, stale, tries, turn, noted_at, doubts };
        follower.settle()?;
        if let Some(told) = told {
            let Message { news, now, .. } = Message::decode(&told)?;
            follower.copy.apply(news, None, &mut follower.stale)?;
            if follower.standing.told_all && follower.stale.is_empty() {
                follower.standing.whole_at = follower.standing.whole_at.max(Some(now));
            }
            follower.note(None)?;
        }
        Ok(follower)
    }

    /// What is beside an account takes its place if it is complete, and goes if it is not.
    fn settle(&self) -> Result<(), Error> {
        for own in self.copy.engine.accounts()?.into_iter().filter(|id| id.0 >= OWN && *id != NOTES) {
            if self.copy.is_whole(own)? {
                self.copy.adopt(AccountId(own.0 & !OWN))?;
            } else {
                self.copy.remove(own)?;
            }
        }
        Ok(())
    }

    /// Whether this is the server that is followed, or nobody is yet.
    ///
    /// # Errors
    /// It is another one; it cannot be asked.
    pub fn greet(&self, primary: &dyn Primary) -> Result<(), Error> {
        let Heads { lineage, .. } = Heads::decode(&primary.heads()?)?;
        match self.standing.lineage {
            Some(followed) if followed != lineage => Err(another()),
            Some(_) | None => Ok(()),
        }
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Asks once, waits at most `wait` for news, applies them, and brings one keyspace that has to be brought. `clock`: Unix
    /// milliseconds here.
    ///
    /// # Errors
    /// [`Error::Refused`] where a person has to decide; else it may be called again, and begins with a look at all heads.
    pub fn step(&mut self, primary: &dyn Primary, wait: Duration, clock: i64) -> Result<Told, Error> {
        let told = self.try_step(primary, wait, clock);
        if told.is_err() {
            (self.place, self.doubts) = (None, None);
        }
        told
    }

    fn try_step(&mut self, primary: &dyn Primary, wait: Duration, clock: i64) -> Result<Told, Error> {
        let place = match self.place {
            Some(place) => place,
            None => self.look(primary)?,
        };
        self.turn += 1;
        let wait = if self.next_to_bring().is_none() { wait } else { Duration::ZERO };
        let Some(answer) = primary.news(place, wait)? else {
            return Err(fault("more has changed than the server remembers; all heads are compared"));
        };
        let message = Message::decode(&answer)?;
        if message.from != place || message.to < place.position || message.end < message.to {
            return Err(fault("an answer of the server is none to what was asked"));
        }
        let Message { to, end, age, now, news, .. } = message;
        let applied = news.len();
        self.standing.ahead_millis = now.saturating_sub(clock);
        if applied > 0 {
            self.standing.told_all = to == end && self.stale.is_empty();
            self.note(Some(&answer))?;
            self.copy.apply(news, Some(primary), &mut self.stale)?;
        }
        self.place = Some(Place { position: to, ..place });
        self.resolve(to, end)?;
        if !self.stale.iter().eq(&self.standing.behind) {
            // A promotion says what is known to lack.
            self.note(None)?;
        }
        if let Some(account) = self.next_to_bring() {
            self.try_to_bring(primary, account)?;
        }
        let lag = if applied > 0 { age } else { Duration::ZERO };
        let told = Told { behind: end - to, lag, to_bring: self.stale.len(), applied, now };
        if told.is_whole() {
            let was_whole = self.standing.whole_at.is_some() && self.standing.behind.is_empty();
            self.standing.whole_at = self.standing.whole_at.max(Some(now));
            if !was_whole || now.saturating_sub(self.noted_at) >= NOTED_EVERY_MILLIS {
                self.note(None)?;
                self.noted_at = now;
            }
        }
        Ok(told)
    }

    fn note(&mut self, told: Option<&[u8]>) -> Result<(), Error> {
        self.standing.behind = self.stale.iter().copied().collect();
        self.notes.write(&mut self.standing, told)
    }

    /// Compares all heads; the place from which the news are what comes after.
    fn look(&mut self, primary: &dyn Primary) -> Result<Place, Error> {
        let Heads { lineage, place, heads } = Heads::decode(&primary.heads()?)?;
        match self.standing.lineage {
            None if self.copy.engine.accounts()?.is_empty() => {
                self.standing.lineage = Some(lineage);
                self.note(None)?;
            }
            Some(followed) if followed == lineage => {}
            Some(_) | None => return Err(another()),
        }
        self.settle()?;
        // What is only the standby's own is nothing that a server could have.
        let theirs: BTreeMap<AccountId, ModSeq> =
            heads.into_iter().filter(|(account, _)| is_copied(*account)).collect();
        let here = self.copy.engine.accounts()?;
        let is_read = |account: &AccountId| theirs.get(account) != Some(&UNREADABLE);
        for account in here.iter().filter(|account| is_copied(**account) && is_read(account)) {
            let (ours, head) = (self.copy.head(*account)?, theirs.get(account).copied().unwrap_or_default());
            let may_go = head == ModSeq(0) && matches!(Kept::of(*account), Some(Kept::Account(_)));
            if head < ours && !may_go && self.copy.is_whole(*account)? {
                return Err(behind(*account, head, ours));
            }
            if head != ours || !self.copy.is_whole(*account)? {
                self.stale.insert(*account);
            }
        }
        let is_new = |account: &&AccountId| here.binary_search(account).is_err() && is_read(account);
        self.stale.extend(theirs.keys().filter(is_new).copied());
        Ok(place)
    }

    fn next_to_bring(&self) -> Option<AccountId> {
        let is_due = |account: &&AccountId| self.tries.get(account).is_none_or(|tries| tries.again <= self.turn);
        self.stale
            .iter()
            .filter(is_due)
            .min_by_key(|account| self.tries.get(account).map_or(0, |tries| tries.count))
            .copied()
    }

    fn try_to_bring(&mut self, primary: &dyn Primary, account: AccountId) -> Result<(), Error> {
        let tries = self.tries.entry(account).or_default();
        tries.count += 1;
        tries.again = self.turn + (1 << tries.count.min(PAUSE_TURNS_MAX));
        let count = tries.count;
        let why = match self.copy.bring(primary, account, tries.lacked >= TRIES_MAX) {
            Ok(Brought::Whole { differed }) => {
                if differed {
                    tracing::error!(
                        keyspace = %account,
                        "what was here was not what the server has, at the same commit; it was brought anew, and is the same now"
                    );
                }
                self.tries.remove(&account);
                self.stale.remove(&account);
                return Ok(());
            }
            Ok(Brought::Lacks(what)) => {
                tries.lacked += 1;
                what
            }
            Err(Error::Fault(what)) => what,
            Err(refused @ Error::Refused(_)) => return Err(refused),
        };
        tracing::warn!(keyspace = %account, count, error = why, "it cannot be brought for now; the others go on");
        Ok(())
    }

    /// Asks for all heads, so that news that never came are noticed. To be called now and then.
    ///
    /// # Errors
    /// The server cannot be asked, or is another one by now.
    pub fn doubt(&mut self, primary: &dyn Primary) -> Result<(), Error> {
        let Heads { heads, place, .. } = Heads::decode(&primary.heads()?)?;
        if self.place.is_some_and(|ours| ours.epoch == place.epoch) {
            let is_known = |(account, head): &(AccountId, ModSeq)| is_copied(*account) && *head != UNREADABLE;
            let heads = heads.into_iter().filter(is_known).collect();
            self.doubts = Some(Doubts { heads, until: None });
        }
        Ok(())
    }

    fn resolve(&mut self, to: u64, end: u64) -> Result<(), Error> {
        let Some(doubts) = &mut self.doubts else { return Ok(()) };
        let until = *doubts.until.get_or_insert(end);
        if to < until {
            return Ok(());
        }
        let Some(Doubts { heads, .. }) = self.doubts.take() else { return Ok(()) };
        for (account, head) in heads {
            if self.copy.head(account)? < head && self.stale.insert(account) {
                tracing::warn!(keyspace = %account, "it has changed on the server, and the news did not say so; it is brought");
            }
        }
        Ok(())
    }

    /// A keyspace may not be what the server has: it is compared again.
    pub fn suspect(&mut self, account: AccountId) {
        self.stale.insert(account);
        if let Err(error) = self.note(None) {
            tracing::warn!(keyspace = %account, %error, "it cannot be noted that it is to be compared");
        }
    }

    /// Large messages are damaged here: they are brought again.
    ///
    /// # Errors
    /// Faults.
    pub fn mend(&self, primary: &dyn Primary, account: AccountId, names: &[ObjectName]) -> Result<(), Error> {
        for name in names {
            let here = self.copy.objects.read(account, name);
            match here {
                Ok(body) if is_whole(name, &body) => continue,
                Ok(_) | Err(ObjectError::Missing) => {}
                Err(error) => return Err(error.into()),
            }
            match primary.object(account, name)?.filter(|body| is_whole(name, body)) {
                Some(body) => self.copy.put_body(account, name, body)?,
                None => {
                    tracing::warn!(%account, name, "a large message is damaged here, and the server does not have it")
                }
            }
        }
        Ok(())
    }

    /// Where it is kept.
    #[must_use]
    pub fn storage(&self) -> (Arc<dyn Engine>, Arc<dyn Objects>) {
        (Arc::clone(&self.copy.engine), Arc::clone(&self.copy.objects))
    }
}

fn another() -> Error {
    Error::Refused(
        "what is here is not of this server, or the server came back from a backup or a standby since: equal numbers would not mean \
         equal mail. Nothing is changed here; empty this data directory, and begin anew"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests;
