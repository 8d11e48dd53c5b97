//! Sessions in memory: the simulated engine, several devices, and exactly what each must read.

mod append;
mod expunge;
mod harness;
mod idle;
mod login;
mod mailboxes;
mod select;
mod store;
