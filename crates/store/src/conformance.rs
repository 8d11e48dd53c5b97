//! One conformance suite for every engine and object store.
