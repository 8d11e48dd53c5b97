//! The mailbox: accounts, journal, views, maildrops, and the contract of storage engines.
