//! A junk filter that learns from one person: features of a message, in how many wanted messages and in how much junk each
//! was seen, and a verdict with its reasons. Pure: no files, no clock, no store.
//!
//! The verdict is the mean of what the features say (Gary Robinson's estimate for each, which draws what was seen rarely to
//! the middle), and, as a second voice, the mean of what the octets of the header say. It is taught only where it erred or was not sure ([`Verdict::teaches`]): measured, that is better than to
//! teach everything, and keeps the table small ([why](../../../docs/decisions/0050-the-junk-filter.md)).
//!
//! Not here: what is done with junk (`mailflow`), where counts lie (`store`), who sent it (DMARC comes in as a fact).
//!
//! Invariant: what one message can add, and what a table holds, is bounded, whatever the message is.
//! Invariant: to learn a message and to unlearn it leaves the counts as they were, unless they faded or were full meanwhile.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod counts;
mod features;
mod handwriting;
mod html;
mod start;
mod verdict;

pub use counts::{Class, Counts, Learn, NoPage, PAGES, Seen};
pub use features::{Doubts, Facts, Features};
pub use html::text_of_html;
pub use start::start;
pub use verdict::{Reason, Verdict};
