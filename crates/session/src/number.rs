//! Which connection a thread works for at the moment, and who is logged in on it, so that the log can say it in each line.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Moment;

thread_local! {
    static AT_WORK: Cell<Option<Whom>> = const { Cell::new(None) };
}

/// How the log calls a connection. No other one of this process has the same; of another process, one that began in the same
/// second may have it. It is small: each connection has one. A later one is greater, as long as the clock goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// When it began, in seconds since 1970.
    second: u32,
    number: u32,
}

/// For whom a thread works: a connection, and the device that somebody has logged in with on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whom {
    /// The connection.
    pub session: SessionId,
    /// `None`: nobody is logged in.
    pub device: Option<u32>,
}

/// The text is no name of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSessionId;

/// Until it is dropped the thread works for a session.
#[must_use]
pub struct AtWork {
    before: Option<Whom>,
    /// It belongs to its thread.
    here: PhantomData<*const ()>,
}

impl SessionId {
    /// The next one, of a connection that begins now.
    #[must_use]
    pub fn begun(now: Moment) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let second = u32::try_from(now.unix_millis.div_euclid(1000)).unwrap_or_default();
        Self { second, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// When it began, in seconds since 1970.
    #[must_use]
    pub fn second(self) -> u32 {
        self.second
    }

    /// This thread works for it from now on, and nobody is logged in.
    pub fn work(self) -> AtWork {
        Whom { session: self, device: None }.work()
    }
}

impl Whom {
    /// For whom this thread works.
    #[must_use]
    pub fn at_work() -> Option<Self> {
        AT_WORK.get()
    }

    /// This thread works for them from now on.
    pub fn work(self) -> AtWork {
        AtWork { before: AT_WORK.replace(Some(self)), here: PhantomData }
    }

    /// On the connection that this thread works for somebody has logged in with a device, or nobody is logged in any more. It holds
    /// until the thread has done its work: the next work for the connection says itself with which device.
    pub fn is_device(device: Option<u32>) {
        AT_WORK.set(AT_WORK.get().map(|whom| Self { device, ..whom }));
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        AT_WORK.set(self.before);
    }
}

/// The second in which it began and its number, in hexadecimal: `674b2f10.1a`.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.second, self.number)
    }
}

impl FromStr for SessionId {
    type Err = NoSessionId;

    /// As it is written, and in no other way.
    fn from_str(text: &str) -> Result<Self, NoSessionId> {
        let number = |text: &str| u32::from_str_radix(text, 16).map_err(|_| NoSessionId);
        let (second, count) = text.split_once('.').ok_or(NoSessionId)?;
        let id = Self { second: number(second)?, number: number(count)? };
        if id.to_string() == text { Ok(id) } else { Err(NoSessionId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let now = Moment { unix_millis: 1_764_500_000_000, monotonic_millis: 0 };
        let (first, second) = (SessionId::begun(now), SessionId::begun(now));
        assert_eq!((first.to_string().parse(), second.to_string().parse()), (Ok(first), Ok(second)));
        assert!(first < second && first.second() == 1_764_500_000);
        let later = SessionId { second: first.second + 1, number: 0 };
        assert!(second < later);
        for text in ["", ".", "1", "1.", ".1", "1.+1", "01.1", "1.0A", "1.1.1", "692c2220.100000000"] {
            assert_eq!(text.parse::<SessionId>(), Err(NoSessionId), "{text}");
        }
    }

    #[test]
    fn a_thread_works_for_one_session_and_then_for_that_of_before() {
        let now = Moment { unix_millis: 1_764_500_000_999, monotonic_millis: 7 };
        let (first, second) = (SessionId::begun(now), SessionId::begun(now));
        assert!(first.to_string().starts_with("692c2220."), "{first}");
        assert_ne!(first.to_string(), second.to_string());
        let whom = |session, device| Some(Whom { session, device });
        Whom::is_device(Some(7));
        assert_eq!(Whom::at_work(), None, "it works for nobody");
        let outer = first.work();
        Whom::is_device(Some(7));
        {
            let _inner = second.work();
            assert_eq!(Whom::at_work(), whom(second, None));
            std::thread::spawn(|| assert_eq!(Whom::at_work(), None, "another thread has its own")).join().unwrap();
            Whom::is_device(Some(8));
            assert_eq!(Whom::at_work(), whom(second, Some(8)));
        }
        assert_eq!(Whom::at_work(), whom(first, Some(7)));
        Whom::is_device(None);
        assert_eq!(Whom::at_work(), whom(first, None));
        drop(outer);
        assert_eq!(Whom::at_work(), None);
    }
}
