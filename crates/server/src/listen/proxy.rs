//! The PROXY protocol, versions 1 and 2: a balancer in front of this server says for whom it opened a connection, before
//! the first byte of the client. <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, cited as PROXY.
//!
//! [`next`] is pure: what was read so far in, what is to be read next out. Nothing behind the header is ever read, so what
//! the client sent lies in the socket as if there were no balancer. Only the client's address is taken: what else a
//! header may carry (where the client connected to, TLS between it and the balancer) changes nothing here.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use tokio::io::{AsyncRead, AsyncReadExt};

/// How long a header may take. PROXY §2: senders write it in one piece, and a lost segment comes again within 3 s.
pub(super) const HEADER_MILLIS: u64 = 5_000;
/// PROXY §2.1: the longest line of version 1, CRLF included.
const LINE_BYTES_MAX: usize = 107;
/// PROXY §2.2: what version 2 begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// PROXY §2.2: with the length of what follows.
const FIXED_BYTES: usize = 16;
/// Of that, so much at most: addresses, and what a balancer may tell beside them.
const REST_BYTES_MAX: usize = 4_096;

/// What is to be done after what was read so far.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Exactly so many more octets belong to the header.
    Read(usize),
    /// The header is complete: for whom the connection is, `None` where the balancer speaks for itself or does not know.
    Done(Option<SocketAddr>),
}

/// What was read is no header.
#[derive(Debug, PartialEq, Eq)]
struct NoHeader;

/// Reads the header, and nothing behind it. `None`: it is the balancer's own connection.
///
/// # Errors
/// The connection broke, or what came is no header.
pub(super) async fn read_header(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut header = Vec::new();
    loop {
        match next(&header) {
            Ok(Next::Done(client)) => return Ok(client),
            Ok(Next::Read(more)) => {
                let read = header.len();
                header.resize(read + more, 0);
                socket.read_exact(header.get_mut(read..).unwrap_or_default()).await?;
            }
            Err(NoHeader) => return Err(ErrorKind::InvalidData.into()),
        }
    }
}

/// For whom a balancer at `proxy` opened a connection that its header says is for `client`.
///
/// Loopback is this machine and not the balancer's, and whoever is on it may do more than others: a balancer elsewhere whose
/// client was on its own machine has no better address to tell than its own.
pub(super) fn client(proxy: SocketAddr, client: Option<SocketAddr>) -> SocketAddr {
    let is_someone = |address: &SocketAddr| {
        let ip = address.ip().to_canonical();
        !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast()
    };
    // A balancer that listens on `::` tells IPv4 addresses as IPv6 ones.
    let client = client.filter(is_someone).map(|client| SocketAddr::new(client.ip().to_canonical(), client.port()));
    client.unwrap_or(proxy)
}

fn next(read: &[u8]) -> Result<Next, NoHeader> {
    if let Some(more) = SIGNATURE.len().checked_sub(read.len()).filter(|more| *more > 0) {
        // Both versions are at least as long as this.
        return Ok(Next::Read(more));
    }
    if read.starts_with(SIGNATURE) {
        return next_of_version_2(read);
    }
    if !read.starts_with(b"PROXY ") {
        return Err(NoHeader);
    }
    match read.strip_suffix(b"\r\n") {
        Some(line) => version_1(line).map(Next::Done),
        None if read.len() >= LINE_BYTES_MAX => Err(NoHeader),
        None => Ok(Next::Read(1)),
    }
}

/// PROXY §2.1: `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`.
fn version_1(line: &[u8]) -> Result<Option<SocketAddr>, NoHeader> {
    let line = std::str::from_utf8(line).map_err(|_| NoHeader)?;
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    match words.as_slice() {
        // What follows is to be ignored.
        ["UNKNOWN", ..] => Ok(None),
        ["TCP4", source, destination, ports @ ..] => addresses::<Ipv4Addr>([source, destination], ports).map(Some),
        ["TCP6", source, destination, ports @ ..] => addresses::<Ipv6Addr>([source, destination], ports).map(Some),
        _ => Err(NoHeader),
    }
}

fn addresses<A: FromStr + Into<IpAddr>>(addresses: [&str; 2], ports: &[&str]) -> Result<SocketAddr, NoHeader> {
    let [source, destination] = addresses.map(|text| text.parse::<A>().map_err(|_| NoHeader));
    destination?;
    let &[port, destination_port] = ports else { return Err(NoHeader) };
    port_number(destination_port)?;
    Ok(SocketAddr::new(source?.into(), port_number(port)?))
}

fn port_number(text: &str) -> Result<u16, NoHeader> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(NoHeader)
}

/// PROXY §2.2.
fn next_of_version_2(read: &[u8]) -> Result<Next, NoHeader> {
    let Some(fixed) = read.first_chunk::<FIXED_BYTES>() else { return Ok(Next::Read(FIXED_BYTES - read.len())) };
    let rest_bytes = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if rest_bytes > REST_BYTES_MAX {
        return Err(NoHeader);
    }
    let rest = &read[FIXED_BYTES..];
    if rest.len() < rest_bytes {
        return Ok(Next::Read(rest_bytes - rest.len()));
    }
    let client = match (fixed[12], fixed[13]) {
        // LOCAL: the balancer looks whether we live. The family is to be ignored.
        (0x20, _) => None,
        (0x21, 0x11) => {
            let addresses = rest.first_chunk::<12>().ok_or(NoHeader)?;
            let [a, b, c, d, _, _, _, _, port @ .., _, _] = *addresses;
            Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes(port)))
        }
        (0x21, 0x21) => {
            let addresses = rest.first_chunk::<36>().ok_or(NoHeader)?;
            let source = addresses.first_chunk::<16>().ok_or(NoHeader)?;
            Some(SocketAddr::new(Ipv6Addr::from(*source).into(), u16::from_be_bytes([addresses[32], addresses[33]])))
        }
        // UNSPEC, and streams of UNIX sockets: the balancer has no address to tell.
        (0x21, 0x00 | 0x31) => None,
        _ => return Err(NoHeader),
    };
    Ok(Next::Done(client))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads as a socket would be read, and gives what was left beside the outcome.
    fn read(mut sent: &[u8]) -> (Option<Result<Option<SocketAddr>, NoHeader>>, &[u8]) {
        let mut header = Vec::new();
        loop {
            match next(&header) {
                Ok(Next::Done(client)) => return (Some(Ok(client)), sent),
                Err(error) => return (Some(Err(error)), sent),
                Ok(Next::Read(more)) if more > sent.len() => return (None, sent),
                Ok(Next::Read(more)) => {
                    assert!(more > 0);
                    let (taken, left) = sent.split_at(more);
                    header.extend_from_slice(taken);
                    sent = left;
                }
            }
        }
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [SIGNATURE, &[command, family], &length, rest].concat()
    }

    fn taken(header: &[u8], client: Option<&str>) {
        let client = client.map(|client| client.parse().unwrap());
        // What follows is the client's and stays unread; what is cut off is waited for.
        let sent = [header, b"EHLO a\r\n"].concat();
        assert_eq!(read(&sent), (Some(Ok(client)), &b"EHLO a\r\n"[..]), "{}", header.escape_ascii());
        for cut in 0..header.len() {
            assert_eq!(read(&header[..cut]).0, None, "{} at {cut}", header.escape_ascii());
        }
    }

    fn refused(sent: &[u8]) {
        assert_eq!(read(sent).0, Some(Err(NoHeader)), "{}", sent.escape_ascii());
    }

    #[test]
    fn headers_of_version_1() {
        taken(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n", Some("192.0.2.7:56324"));
        taken(b"PROXY TCP6 2001:db8::7 2001:db8::1 65535 993\r\n", Some("[2001:db8::7]:65535"));
        taken(b"PROXY UNKNOWN\r\n", None);
        taken(b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None);
        for wrong in [
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324 25 1\r\n",
            "PROXY TCP4 192.0.2.7  198.51.100.1 56324 25\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324 65536\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 +56324 25\r\n",
            "PROXY TCP4 2001:db8::7 2001:db8::1 56324 25\r\n",
            "PROXY TCP6 192.0.2.7 198.51.100.1 56324 25\r\n",
            "PROXY TCP4 192.0.2.007 198.51.100.1 56324 25\r\n",
            "PROXY UDP4 192.0.2.7 198.51.100.1 56324 25\r\n",
            "PROXYTCP4 192.0.2.7 198.51.100.1 56324 25\r\n",
            "proxy TCP4 192.0.2.7 198.51.100.1 56324 25\r\n",
            "EHLO client.example\r\n",
            "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03 a ClientHello",
        ] {
            refused(wrong.as_bytes());
        }
    }

    #[test]
    fn a_line_of_version_1_is_as_long_as_it_may_be_and_no_longer() {
        let line = |bytes: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(bytes - 16));
        taken(line(LINE_BYTES_MAX).as_bytes(), None);
        refused(line(LINE_BYTES_MAX + 1).as_bytes());
    }

    #[test]
    fn headers_of_version_2() {
        let ipv4 = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0, 25];
        let (source, destination) = ("2001:db8::7".parse::<Ipv6Addr>().unwrap(), Ipv6Addr::LOCALHOST);
        let ipv6 = [&source.octets()[..], &destination.octets(), &[0xdc, 0x04, 0, 25]].concat();
        taken(&version_2(0x21, 0x11, &ipv4), Some("192.0.2.7:56324"));
        taken(&version_2(0x21, 0x21, &ipv6), Some("[2001:db8::7]:56324"));
        // With more behind the addresses, as much as may be.
        let with_more = [&ipv4[..], &[0x20, 0, 7, 1, 0, 0, 0, 0, 0, 0]].concat();
        taken(&version_2(0x21, 0x11, &with_more), Some("192.0.2.7:56324"));
        let most = [&ipv4[..], &vec![0; REST_BYTES_MAX - ipv4.len()]].concat();
        taken(&version_2(0x21, 0x11, &most), Some("192.0.2.7:56324"));
        refused(&version_2(0x21, 0x11, &[&most[..], &[0]].concat()));
        // The balancer itself; a client without an address.
        taken(&version_2(0x20, 0x00, &[]), None);
        taken(&version_2(0x20, 0x11, &ipv4), None);
        taken(&version_2(0x21, 0x00, &[1, 2, 3]), None);
        taken(&version_2(0x21, 0x31, &[0; 216]), None);
        // Version 3, another command, datagrams, addresses that are too short.
        refused(&version_2(0x31, 0x11, &ipv4));
        refused(&version_2(0x22, 0x11, &ipv4));
        refused(&version_2(0x21, 0x12, &ipv4));
        refused(&version_2(0x21, 0x11, &ipv4[..11]));
        refused(&version_2(0x21, 0x21, &ipv6[..35]));
    }

    #[test]
    fn a_balancer_elsewhere_cannot_speak_for_this_machine() {
        let check = |proxy: &str, told: Option<&str>, expected: &str| {
            let told = told.map(|address| address.parse().unwrap());
            assert_eq!(client(proxy.parse().unwrap(), told), expected.parse().unwrap(), "{proxy} {told:?}");
        };
        check("10.0.0.2:1", Some("192.0.2.7:5"), "192.0.2.7:5");
        check("10.0.0.2:1", Some("[::ffff:192.0.2.7]:5"), "192.0.2.7:5");
        check("10.0.0.2:1", None, "10.0.0.2:1");
        check("10.0.0.2:1", Some("127.0.0.1:5"), "10.0.0.2:1");
        check("10.0.0.2:1", Some("[::ffff:127.0.0.1]:5"), "10.0.0.2:1");
        check("10.0.0.2:1", Some("[::1]:5"), "10.0.0.2:1");
        check("10.0.0.2:1", Some("0.0.0.0:5"), "10.0.0.2:1");
        check("127.0.0.1:1", Some("127.0.0.2:5"), "127.0.0.1:1");
    }
}
