//! Sessions in memory: the simulated engine, several devices, and exactly what each must read.

#![allow(clippy::unwrap_used)]

mod append;
mod bounds;
mod catenate;
mod compress;
mod context;
mod convergence;
mod expunge;
mod faults;
mod fetch;
mod harness;
mod idle;
mod in_turn;
mod login;
mod mailboxes;
mod message_limit;
mod metadata;
mod multiappend;
mod multisearch;
mod notify;
mod offline;
mod pieces;
mod quota;
mod recent;
mod resync;
mod segments;
mod select;
mod shared;
mod shared_again;
mod states;
mod store;
mod urlauth;
