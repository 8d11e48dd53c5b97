//! A client that looks at as little as it can of what comes: what is slow is to be the server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server that has not answered within this time does not answer.
const PATIENCE: Duration = Duration::from_secs(120);
const READ_BYTES: usize = 256 * 1024;

pub struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// What came and was not taken; it begins where a line does.
    rest: Vec<u8>,
    commands: u32,
}

impl Client {
    /// Connects and takes the greeting.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self { socket, buffer: vec![0; READ_BYTES], rest: Vec::new(), commands: 0 };
        client.line()?;
        Ok(client)
    }

    /// Of IMAP, logged in.
    pub fn imap(address: SocketAddr, user: &str, password: &str) -> io::Result<Self> {
        let mut client = Self::connect(address)?;
        client.ask(&format!("LOGIN {user} \"{password}\""))?;
        Ok(client)
    }

    /// Of LMTP, introduced.
    pub fn lmtp(address: SocketAddr) -> io::Result<Self> {
        let mut client = Self::connect(address)?;
        client.say(b"LHLO client.example.net\r\n", "250")?;
        Ok(client)
    }

    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.socket.write_all(octets)
    }

    /// A command of IMAP; how many octets were answered.
    pub fn ask(&mut self, command: &str) -> io::Result<u64> {
        self.commands += 1;
        let tag = format!("t{}", self.commands);
        self.send(format!("{tag} {command}\r\n").as_bytes())?;
        self.until(&format!("{tag} OK"))
    }

    /// A command of SMTP or POP3 that is answered in lines of which the last begins with `expected` and no hyphen.
    pub fn say(&mut self, octets: &[u8], expected: &str) -> io::Result<()> {
        self.send(octets)?;
        loop {
            let line = self.line()?;
            if !line.starts_with(expected) {
                return Err(io::Error::other(format!("the server said {line:?}")));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }

    pub fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.rest.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=at).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.more()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads to a line that begins so and is the last one that comes; how many octets came.
    pub fn until(&mut self, beginning: &str) -> io::Result<u64> {
        let mut total = self.rest.len() as u64;
        loop {
            if let Some((lines, last)) = self.last_line() {
                if last.starts_with(beginning.as_bytes()) {
                    self.rest.clear();
                    return Ok(total);
                }
                // A tagged line that says something else is no answer to wait behind.
                let tag = beginning.split(' ').next().filter(|tag| !tag.is_empty() && last.starts_with(tag.as_bytes()));
                if tag.is_some_and(|tag| last.get(tag.len()) == Some(&b' ')) {
                    return Err(io::Error::other(String::from_utf8_lossy(last).into_owned()));
                }
                self.rest.drain(..lines);
            }
            match self.more()? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => total += count as u64,
            }
        }
    }

    /// Where the line after the last whole line begins, and that line.
    fn last_line(&self) -> Option<(usize, &[u8])> {
        let end = self.rest.iter().rposition(|octet| *octet == b'\n')?;
        let begin = self.rest[..end].iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        Some((end + 1, &self.rest[begin..end]))
    }

    /// Reads until the server closes; how many octets came.
    pub fn read_to_end(&mut self) -> io::Result<u64> {
        let mut total = 0;
        loop {
            match self.socket.read(&mut self.buffer)? {
                0 => return Ok(total),
                count => total += count as u64,
            }
        }
    }

    fn more(&mut self) -> io::Result<usize> {
        let count = self.socket.read(&mut self.buffer)?;
        self.rest.extend_from_slice(&self.buffer[..count]);
        Ok(count)
    }
}
