//! What the machine can do at all, measured with nothing of a mail server in it.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Each measurement of a limit takes so long.
const FOR: Duration = Duration::from_millis(250);
const BLOCK_BYTES: usize = 4096;
/// Whoever writes much flushes after so much, as MULTIAPPEND of 50 messages does.
const WRITTEN_BYTES: usize = 1 << 20;
/// As a session writes and a client reads.
const SENT_BYTES: usize = 64 * 1024;
const COPIED_BYTES: usize = 16 << 20;

/// What bounds a work however it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// One block written and flushed, after another.
    Flush,
    /// Octets written, and flushed after each MiB.
    Disk,
    /// One octet to another thread over the loopback interface and one back.
    RoundTrip,
    /// Octets over the loopback interface, to a thread that drops them.
    Loopback,
    /// Octets copied in memory, by one thread.
    Copy,
}

impl Limit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Flush => "flush",
            Self::Disk => "disk",
            Self::RoundTrip => "round trip",
            Self::Loopback => "loopback",
            Self::Copy => "memcpy",
        }
    }

    /// How many of them there are in a second, now; files are made in `place`.
    pub fn per_second(self, place: &Path) -> io::Result<f64> {
        match self {
            Self::Flush => written(place, BLOCK_BYTES),
            Self::Disk => Ok(written(place, WRITTEN_BYTES)? * WRITTEN_BYTES as f64),
            Self::RoundTrip => round_trips(),
            Self::Loopback => loopback(),
            Self::Copy => Ok(copied()),
        }
    }
}

/// Does `work` again and again; how often in a second.
fn rate(mut work: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let (begin, mut count) = (Instant::now(), 0_u32);
    while begin.elapsed() < FOR {
        work()?;
        count += 1;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

/// Into a file whose length does not change, as a log that is used again.
fn written(place: &Path, octets: usize) -> io::Result<f64> {
    const LENGTH: usize = 16 << 20;
    let path = place.join("limit");
    let file = File::create(&path)?;
    file.write_all_at(&vec![1; LENGTH], 0)?;
    file.sync_all()?;
    let (block, mut at) = (vec![2; octets], 0);
    let rate = rate(|| {
        file.write_all_at(&block, at as u64)?;
        at = (at + octets) % LENGTH;
        file.sync_data()
    });
    std::fs::remove_file(path)?;
    rate
}

fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let here = TcpStream::connect(listener.local_addr()?)?;
    let (there, _) = listener.accept()?;
    here.set_nodelay(true)?;
    there.set_nodelay(true)?;
    Ok((here, there))
}

fn round_trips() -> io::Result<f64> {
    let (mut here, mut there) = pair()?;
    let echo = thread::spawn(move || {
        let mut octet = [0];
        while there.read_exact(&mut octet).is_ok() && there.write_all(&octet).is_ok() {}
    });
    let mut octet = [0];
    let rate = rate(|| here.write_all(&octet).and_then(|()| here.read_exact(&mut octet)));
    drop(here);
    echo.join().map_err(|_| io::ErrorKind::Other)?;
    rate
}

fn loopback() -> io::Result<f64> {
    let (mut here, mut there) = pair()?;
    let sink = thread::spawn(move || {
        let mut buffer = vec![0; 4 * SENT_BYTES];
        while there.read(&mut buffer).is_ok_and(|count| count > 0) {}
    });
    let octets = vec![7; SENT_BYTES];
    let rate = rate(|| here.write_all(&octets))?;
    drop(here);
    sink.join().map_err(|_| io::ErrorKind::Other)?;
    Ok(rate * SENT_BYTES as f64)
}

fn copied() -> f64 {
    let (from, mut to) = (vec![7_u8; COPIED_BYTES], vec![0_u8; COPIED_BYTES]);
    let rate = rate(|| {
        to.copy_from_slice(black_box(&from));
        black_box(&to);
        Ok(())
    });
    // Copying cannot fail.
    rate.unwrap_or(f64::NAN) * COPIED_BYTES as f64
}
