//! A way to the database that can be cut, and that counts how often an answer is waited for.

// Each test uses its part of this.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Which directions nothing passes in. What is sent meanwhile arrives when the cut has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    pub to_database: bool,
    pub from_database: bool,
}

pub const WHOLE: Cut = Cut { to_database: false, from_database: false };
pub const BOTH_WAYS: Cut = Cut { to_database: true, from_database: true };

/// Takes connections on a port of this machine and passes on to the socket of the database what is said.
pub struct Wire {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cut: Mutex<Cut>,
    mended: Condvar,
    round_trips: AtomicU64,
}

impl Wire {
    /// `socket`: the one on which the database listens.
    pub fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, shared) = (listener.local_addr().unwrap().port(), Arc::<Shared>::default());
        let passing = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                pass_on(client, &socket, &passing);
            }
        });
        Self { port, shared }
    }

    /// Where a server finds the database.
    pub fn url(&self) -> String {
        format!("postgres://pillarbox@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    pub fn set(&self, cut: Cut) {
        *self.shared.cut.lock().unwrap() = cut;
        self.shared.mended.notify_all();
    }

    /// How often the database has answered something that was asked after its last answer.
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::Acquire)
    }
}

impl Shared {
    fn wait(&self, is_cut: impl Fn(Cut) -> bool) {
        drop(self.mended.wait_while(self.cut.lock().unwrap(), |cut| is_cut(*cut)).unwrap());
    }
}

fn pass_on(client: TcpStream, socket: &Path, shared: &Arc<Shared>) {
    // A database that is down refuses.
    let Ok(database) = UnixStream::connect(socket) else { return };
    client.set_nodelay(true).unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let (mut from, mut to) = (client.try_clone().unwrap(), database.try_clone().unwrap());
    let (up, asks) = (Arc::clone(shared), Arc::clone(&asked));
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            up.wait(|cut| cut.to_database);
            asks.store(true, Ordering::Release);
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _gone = to.shutdown(Shutdown::Both);
    });
    let (mut from, mut to, down) = (database, client, Arc::clone(shared));
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if asked.swap(false, Ordering::AcqRel) {
                down.round_trips.fetch_add(1, Ordering::AcqRel);
            }
            down.wait(|cut| cut.from_database);
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _gone = to.shutdown(Shutdown::Both);
    });
}
