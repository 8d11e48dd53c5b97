//! Waits, over a real socket.

use super::*;
use std::net::TcpListener;
use std::thread;

/// A socket whose other end is given to `says` in a thread of its own.
fn socket(says: impl FnOnce(TcpStream) + Send + 'static) -> Timed {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    thread::spawn(move || says(listener.accept().unwrap().0));
    Timed::new(socket)
}

/// Reads until an octet is the end of a line, as a response is read.
fn line(stream: &mut Timed) -> io::Result<()> {
    let mut octet = [0];
    while octet != *b"\n" {
        stream.read_exact(&mut octet)?;
    }
    Ok(())
}

#[test]
fn a_server_that_is_never_silent_and_never_done_is_not_waited_for_for_ever() {
    let mut stream = socket(|mut other| {
        // It never ends a line, and is never silent.
        while other.write_all(b"*").is_ok() {}
    });
    stream.until(Instant::now() + Duration::from_millis(100));
    let late = line(&mut stream).unwrap_err();
    assert_eq!(
        (late.kind(), late.to_string().as_str()),
        (io::ErrorKind::TimedOut, "a command took longer than it may")
    );
    assert_eq!(stream.write(b"x").unwrap_err().kind(), io::ErrorKind::TimedOut);
    stream.until(Instant::now() + Duration::from_secs(60));
    assert_eq!(stream.write(b"x").unwrap(), 1, "the next command has a time of its own");
}

#[test]
fn a_server_that_says_nothing_is_waited_for_no_longer_than_a_silence() {
    let mut stream = socket(|mut other| drop(other.read(&mut [0])));
    stream.silence = Duration::from_millis(20);
    stream.until(Instant::now() + Duration::from_secs(600));
    let late = line(&mut stream).unwrap_err();
    assert_eq!((late.kind(), late.to_string().as_str()), (io::ErrorKind::TimedOut, "it was silent for too long"));
}
