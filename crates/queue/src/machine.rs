//! What the sender takes of the machine it runs on: locks, waits, threads, sockets, and the time that passes. Those of the standard
//! library; with the feature `simulation`, which is for tests, those of [`crate::simulation`], which are the same outside of one.

#[cfg(feature = "simulation")]
pub(crate) use crate::simulation::machine::{Condvar, Instant, Mutex, MutexGuard, TcpStream, mpsc, thread};
#[cfg(not(feature = "simulation"))]
pub(crate) use std::{
    net::TcpStream,
    sync::{Condvar, Mutex, MutexGuard, mpsc},
    time::Instant,
};

#[cfg(not(feature = "simulation"))]
pub(crate) mod thread {
    pub(crate) use std::thread::Builder;

    pub(crate) type JoinHandle = std::thread::JoinHandle<()>;
}
