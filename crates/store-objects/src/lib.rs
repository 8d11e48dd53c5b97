//! Bodies as write-once objects in a directory or an object store.
