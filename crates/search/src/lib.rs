//! Search: which messages of a mailbox meet a [`Condition`], and in which [`Order`] or which [`Threads`] they come.
//!
//! A protocol compiles what its client asks for into a condition, gives the index to look through (for IMAP what the
//! client has been told, RFC 9051 §6.4.4), and calls [`Search::look`] until it is done. Only for messages whose index
//! entry does not decide it, the search reads the summary, only where that does not either the header, and the body last.
//! No protocol's keys and answers are known here. An index (crate `search-index`) answers most of what would have to be read,
//! where there is one; it is made of the same texts, and what it does not know for certain is read.
//!
//! Invariant: a message that could not be read is never silently "not found": [`Search::unreadable`] counts it.
//! Invariant: a slice does bounded work and holds one snapshot of the store at most.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod answers;
mod collate;
mod condition;
mod conversation;
mod evaluate;
mod forest;
mod found;
mod fuzzy;
mod indexing;
mod large;
mod look;
mod narrow;
mod numbers;
mod order;
mod relevancy;
mod sheet;
mod sheets;
mod thread;

pub use condition::{Addresses, Condition, IndexTest, SummaryTest, Value};
pub use conversation::{CONVERSATION_BYTES_MAX, conversation};
pub use found::{Found, Wanted};
pub use indexing::{Indexed, index_some};
pub use look::{Looked, Search};
pub use message::fold::Needle;
pub use message::text::Scope;
pub use numbers::Numbers;
pub use order::{Criterion, Order, Ordered, SortKey};
pub use relevancy::Relevancy;
pub use sheets::Sheets;
pub use thread::{Algorithm, Mark, Threads};
