//! What administrators and operators did, who logged in, and who failed to: rings of rows, the newest ones of each.
//!
//! | key | value |
//! |---|---|
//! | `W`, `Y`, `Z` | the number of the next act, log-in, failure |
//! | `w`, `y`, `z`, number | [`Act`] |
//!
//! An act is written down when it is done, in a commit of its own; of one that a crash came between nothing stands here.
//!
//! Invariant: there are [`ACTS_MAX`] rows of each at most, and each is short.

use store::codec::{Corrupt, Reader, Writer};
use store::{Error, Store, Table, TableId, Timestamp};
use tracing::warn;

/// So many acts are kept; the oldest go first.
pub const ACTS_MAX: u64 = 10_000;
/// A text of an act is cut to this length.
const TEXT_BYTES_MAX: usize = 400;
/// So many rows are read at once.
const SLICE: u64 = 500;
const FORMAT: u8 = 1;
/// Of an act that concerns some domains only.
const DOMAINS_FORMAT: u8 = 2;
/// Of an act that concerns more domains it is not kept which.
const ACT_DOMAINS_MAX: usize = 20;

/// Which ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// What administrators and operators changed.
    Changes,
    /// Who logged in.
    Logins,
    /// Who failed to: a flood of these takes no room of the others.
    Failures,
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// The address of who did it, or what stands for the operator.
    pub who: String,
    /// From which address of the network.
    pub from: String,
    /// What, in words.
    pub what: String,
    /// The domains (normalised) that it concerns, all of them; empty: the server, or it is not known.
    pub domains: Vec<String>,
}

/// What administrators and operators did. Cheap to clone.
#[derive(Clone)]
pub struct Acts(Table, Kept);

impl Acts {
    /// What `store` has of what was changed.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self::of(store, Kept::Changes)
    }

    /// What `store` has in a ring.
    #[must_use]
    pub fn of(store: &Store, kept: Kept) -> Self {
        Self(store.table(TableId::Reports), kept)
    }

    /// Writes down what was done. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn note(&self, act: &Act) -> Result<(), Error> {
        self.note_all(std::slice::from_ref(act))
    }

    /// The same of several, in their order, in one commit.
    ///
    /// # Errors
    /// As [`Self::note`].
    pub fn note_all(&self, acts: &[Act]) -> Result<(), Error> {
        let Self(table, kept) = self;
        table.change(|tx| {
            let next = tx.get(kept.next())?.map_or(Ok(0), |value| number_of(&value)).map_err(|Corrupt| damaged())?;
            let mut number = next;
            for act in acts {
                tx.put(&kept.key(number), act.encode());
                if let Some(oldest) = number.checked_sub(ACTS_MAX) {
                    tx.delete(&kept.key(oldest));
                }
                number += 1;
            }
            tx.put(kept.next(), number.to_be_bytes().to_vec());
            Ok(())
        })
    }

    /// Those in which `search` stands (in any case; empty: all), the newest first, from the one before number `before` on, at most
    /// `limit`; each with its number.
    ///
    /// # Errors
    /// Faults.
    pub fn list(&self, search: &str, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Act)>, Error> {
        let search = search.to_lowercase();
        self.list_where(before, limit, &mut |act| Some(act).filter(|act| act.holds(&search)))
    }

    /// The same of those of which `shown` makes something to be shown.
    ///
    /// # Errors
    /// The same.
    pub fn list_where(
        &self,
        before: Option<u64>,
        limit: usize,
        shown: &mut dyn FnMut(Act) -> Option<Act>,
    ) -> Result<Vec<(u64, Act)>, Error> {
        let Self(table, kept) = self;
        let next = table.get(kept.next())?.map_or(Ok(0), |value| number_of(&value)).map_err(|Corrupt| damaged())?;
        let mut end = before.unwrap_or(next).min(next);
        let mut found = Vec::new();
        while end > 0 && found.len() < limit {
            let begin = end.saturating_sub(SLICE);
            let mut rows = table.scan(kept.row(), &kept.key(begin), usize::try_from(end - begin).unwrap_or(0))?;
            rows.retain(|(key, _)| kept.number_in(key).is_ok_and(|number| number < end));
            if rows.is_empty() {
                break;
            }
            for (key, value) in rows.into_iter().rev() {
                let (Ok(number), Ok(act)) = (kept.number_in(&key), Act::decode(&value)) else {
                    // One that is damaged hides no other.
                    warn!("what was written down of an administrator's act is damaged, and is left out");
                    continue;
                };
                if found.len() < limit {
                    found.extend(shown(act).map(|act| (number, act)));
                }
            }
            end = begin;
        }
        Ok(found)
    }
}

impl Act {
    /// Whether a text, in lower case, stands in it.
    #[must_use]
    pub fn holds(&self, search: &str) -> bool {
        [&self.who, &self.from, &self.what].into_iter().any(|text| text.to_lowercase().contains(search))
    }

    fn encode(&self) -> Vec<u8> {
        let domains = Some(&self.domains[..]).filter(|domains| domains.len() <= ACT_DOMAINS_MAX).unwrap_or_default();
        // What an earlier version reads too, where it can.
        let mut row = Writer::of_format(if domains.is_empty() { FORMAT } else { DOMAINS_FORMAT });
        row.raw(&self.at.0.to_be_bytes());
        for text in [&self.who, &self.from, &self.what] {
            row.wide_text(text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default());
        }
        for domain in domains {
            row.wide_text(domain);
        }
        row.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader(value);
        let format = fields.byte()?;
        if !matches!(format, FORMAT | DOMAINS_FORMAT) {
            return Err(Corrupt);
        }
        let at = Timestamp(i64::from_be_bytes(fields.array()?));
        let (who, from, what) = (fields.wide_text()?, fields.wide_text()?, fields.wide_text()?);
        let mut domains = Vec::new();
        while format == DOMAINS_FORMAT && !fields.0.is_empty() {
            domains.push(fields.wide_text()?);
        }
        fields.end()?;
        Ok(Self { at, who, from, what, domains })
    }
}

impl Kept {
    fn next(self) -> &'static [u8] {
        match self {
            Self::Changes => b"W",
            Self::Logins => b"Y",
            Self::Failures => b"Z",
        }
    }

    fn row(self) -> &'static [u8] {
        match self {
            Self::Changes => b"w",
            Self::Logins => b"y",
            Self::Failures => b"z",
        }
    }

    fn key(self, number: u64) -> Vec<u8> {
        [self.row(), &number.to_be_bytes()].concat()
    }

    fn number_in(self, key: &[u8]) -> Result<u64, Corrupt> {
        key.strip_prefix(self.row()).map_or(Err(Corrupt), number_of)
    }
}

fn number_of(value: &[u8]) -> Result<u64, Corrupt> {
    value.try_into().map(u64::from_be_bytes).map_err(|_| Corrupt)
}

fn damaged() -> Error {
    Error::Fault("the count of what administrators did is damaged; run `pillarbox check`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

    fn acts() -> Acts {
        Acts::new(&Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new())))
    }

    fn act(what: &str) -> Act {
        Act {
            at: SIM_EPOCH,
            who: "alice@example.org".into(),
            from: "192.0.2.1".into(),
            what: what.into(),
            domains: Vec::new(),
        }
    }

    fn numbers(found: &[(u64, Act)]) -> Vec<u64> {
        found.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn the_newest_come_first_page_by_page() {
        let acts = acts();
        assert_eq!(acts.list("", None, 10).unwrap(), []);
        for n in 0..SLICE + 2 {
            acts.note(&act(&format!("Act {n}"))).unwrap();
        }
        let first = acts.list("", None, 2).unwrap();
        assert_eq!(first, [(SLICE + 1, act(&format!("Act {}", SLICE + 1))), (SLICE, act(&format!("Act {SLICE}")))]);
        assert_eq!(numbers(&acts.list("", Some(2), 10).unwrap()), [1, 0]);
        assert_eq!(numbers(&acts.list("ACT 1", None, 3).unwrap()), [199, 198, 197]);
        assert_eq!(numbers(&acts.list("act 0", None, 3).unwrap()), [0], "in the last slice");
        assert_eq!(acts.list("bob", None, 3).unwrap(), []);
    }

    #[test]
    fn as_many_are_kept_as_the_limit_and_a_text_is_cut() {
        let acts = acts();
        (0..2).for_each(|_| acts.note(&act("first")).unwrap());
        acts.0
            .change::<_, Error>(|tx| {
                tx.put(Kept::Changes.next(), ACTS_MAX.to_be_bytes().to_vec());
                Ok(())
            })
            .unwrap();
        acts.note(&act(&"ü".repeat(TEXT_BYTES_MAX))).unwrap();
        let rows = acts.0.scan(b"w", b"w", usize::MAX).unwrap();
        let there: Vec<u64> = rows.iter().map(|(key, _)| Kept::Changes.number_in(key).unwrap()).collect();
        assert_eq!(there, [1, ACTS_MAX], "the first one made room");
        assert_eq!(acts.list("", None, 1).unwrap()[0].1.what.len(), TEXT_BYTES_MAX);
    }

    #[test]
    fn a_ring_takes_no_room_of_another() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let [changes, logins, failures] =
            [Kept::Changes, Kept::Logins, Kept::Failures].map(|kept| Acts::of(&store, kept));
        changes.note(&act("changed")).unwrap();
        logins.note_all(&[act("first"), act("second")]).unwrap();
        failures.note_all(&[]).unwrap();
        assert_eq!(numbers(&logins.list("", None, 10).unwrap()), [1, 0]);
        assert_eq!(changes.list("", None, 10).unwrap(), [(0, act("changed"))]);
        assert_eq!(failures.list("", None, 10).unwrap(), []);
    }

    #[test]
    fn one_that_is_damaged_hides_no_other() {
        let acts = acts();
        (0..3).for_each(|_| acts.note(&act("x")).unwrap());
        acts.0
            .change::<_, Error>(|tx| {
                tx.put(&Kept::Changes.key(1), vec![FORMAT, 1]);
                Ok(())
            })
            .unwrap();
        assert_eq!(numbers(&acts.list("", None, 10).unwrap()), [2, 0]);
    }
}
