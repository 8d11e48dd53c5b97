//! What a process knows of the servers that work on the same storage ([`crate::nodes`] finds it out), and whether one is gone.

use crate::announcements::Announcements;
use crate::engine::{Engine, EngineError};
use crate::table_id::TableId;
use std::sync::atomic::{AtomicU64, Ordering};

/// Begins the key of the row of a node.
pub(crate) const NODE: &[u8] = b"n";

/// A node, until it stops or is taken for gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeNumber(pub(crate) u64);

/// What a process knows of the nodes of its storage.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    /// 0: it is the only process that writes.
    pub(crate) me: AtomicU64,
    /// How often one has gone.
    pub(crate) gone: AtomicU64,
    /// How often it was looked what others have committed.
    looks: AtomicU64,
    /// What others are to hear of.
    pub(crate) announcements: Announcements,
}

impl Nodes {
    /// The number of this process among others; `None`: there are none.
    pub(crate) fn me(&self) -> Option<NodeNumber> {
        Some(self.me.load(Ordering::Acquire)).filter(|number| *number != 0).map(NodeNumber)
    }

    /// Counts up after each look at what others have committed.
    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Ordering::Acquire)
    }

    pub(crate) fn note_look(&self, number: u64) {
        self.looks.store(number, Ordering::Release);
    }

    /// Counts up when one has gone: what it left half-way is nobody's from then on.
    pub(crate) fn gone(&self) -> u64 {
        self.gone.load(Ordering::Acquire)
    }
}

/// Whether a node is gone for good.
pub(crate) fn is_gone(engine: &dyn Engine, number: NodeNumber) -> Result<bool, EngineError> {
    Ok(engine.snapshot(TableId::Nodes.keyspace())?.get(&key_of(number))?.is_none())
}

/// The key of the row of a node.
pub(crate) fn key_of(node: NodeNumber) -> Vec<u8> {
    [NODE, &node.0.to_be_bytes()].concat()
}
