//! Whose owner has asked for help: a row `Q number`, with until when, and whether texts of messages may be seen.
//!
//! It ends by itself: nobody has to take it back, and a row that is over is as none.

use crate::Directory;
use crate::error::Error;
use crate::record::{self, AccountRecord, FORMAT, damaged, number_key};
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, Timestamp};

/// Help is asked for so long at most.
const HELP_MAX_MILLIS: i64 = 7 * 24 * 3600 * 1000;

/// An administrator may look for mail of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Help {
    /// Until then.
    pub until: Timestamp,
    /// Texts of messages may be seen, and looked into.
    pub with_texts: bool,
}

impl Directory {
    /// Whether the owner of an account has asked for help, and may get it at this moment.
    ///
    /// # Errors
    /// Faults.
    pub fn help(&self, account: AccountId, now: Timestamp) -> Result<Option<Help>, store::Error> {
        let key = number_key(record::HELP, account);
        let Some(value) = self.0.table.get(&key)? else { return Ok(None) };
        let help = Help::decode(&value).map_err(|Corrupt| damaged(&key))?;
        // Of a clock that was set back it is no longer, either.
        Ok(Some(help).filter(|help| (1..=HELP_MAX_MILLIS).contains(&help.until.0.saturating_sub(now.0))))
    }

    /// Asks for it, in place of what was asked before; `None`: not any more. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: for longer than a week; no such account.
    pub fn ask_help(&self, account: AccountId, help: Option<Help>, now: Timestamp) -> Result<(), Error> {
        if help.is_some_and(|help| !(1..=HELP_MAX_MILLIS).contains(&help.until.0.saturating_sub(now.0))) {
            return Err(Error::refused("help is asked for a week at most"));
        }
        let key = number_key(record::HELP, account);
        self.0.table.change(|tx| {
            AccountRecord::read(tx, account)?.ok_or(Error::Store(store::Error::NoSuchAccount))?;
            match help {
                Some(help) => tx.put(&key, help.encode()),
                None => tx.delete(&key),
            }
            Ok(())
        })
    }
}

impl Help {
    fn encode(self) -> Vec<u8> {
        let mut value = Writer::of_format(FORMAT);
        value.raw(&self.until.0.to_be_bytes()).byte(u8::from(self.with_texts));
        value.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let (until, with_texts) = (Timestamp(i64::from_be_bytes(fields.array()?)), fields.byte()?);
        fields.end()?;
        match with_texts {
            0 | 1 => Ok(Self { until, with_texts: with_texts == 1 }),
            2.. => Err(Corrupt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, server, start};

    #[test]
    fn help_ends_by_itself_and_at_once() {
        let (engine, directory, [alice, bob]) = server();
        let at = |millis: i64| Timestamp(NOW.0 + millis);
        let hour = Help { until: at(3_600_000), with_texts: true };
        directory.ask_help(alice, Some(hour), NOW).unwrap();
        for directory in [directory.clone(), start(&engine)] {
            assert_eq!(directory.help(alice, NOW).unwrap(), Some(hour));
            assert_eq!(directory.help(alice, at(3_599_999)).unwrap(), Some(hour));
            assert_eq!(directory.help(alice, at(3_600_000)).unwrap(), None);
            assert_eq!(
                directory.help(alice, at(3_600_000 - HELP_MAX_MILLIS - 1)).unwrap(),
                None,
                "the clock was wrong"
            );
            assert_eq!(directory.help(bob, NOW).unwrap(), None);
        }
        let without = Help { with_texts: false, ..hour };
        directory.ask_help(alice, Some(without), NOW).unwrap();
        assert_eq!(directory.help(alice, NOW).unwrap(), Some(without));
        directory.ask_help(alice, None, NOW).unwrap();
        assert_eq!(start(&engine).help(alice, NOW).unwrap(), None);
        for until in [at(0), at(HELP_MAX_MILLIS + 1)] {
            assert!(directory.ask_help(alice, Some(Help { until, with_texts: false }), NOW).is_err());
        }
        assert!(directory.ask_help(AccountId(9999), Some(hour), NOW).is_err());
        directory.ask_help(bob, Some(hour), NOW).unwrap();
        directory.remove_account("bob@example.org").unwrap();
        assert_eq!(start(&engine).help(bob, NOW).unwrap(), None);
        assert!(Help::decode(&[FORMAT, 0, 0, 0, 0, 0, 0, 0, 0, 2]).is_err() && Help::decode(&[FORMAT]).is_err());
    }
}
