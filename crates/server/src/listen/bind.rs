//! Opening the listening sockets, all of them before anything is served.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener};

use tokio::net::{TcpListener, TcpSocket};

use crate::service::Service;
use crate::setup::{SetupError, reason};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// A listening socket that nobody serves yet.
#[derive(Debug)]
pub struct Bound {
    /// What is to be spoken.
    pub service: Service,
    /// Where it listens; with port 0 asked for, the port that the system chose.
    pub address: SocketAddr,
    pub(super) socket: TcpListener,
}

/// Opens all `addresses`, or none. Must be called on a runtime.
///
/// # Errors
/// Each address that cannot be listened on, with what can be done about it.
pub fn bind(addresses: &[(Service, SocketAddr)]) -> Result<Vec<Bound>, Vec<SetupError>> {
    let (mut opened, mut problems) = (Vec::new(), Vec::new());
    for (service, address) in addresses {
        match bind_one(*service, *address) {
            Ok(bound) => opened.push(bound),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(opened) } else { Err(problems) }
}

/// Whether this machine has the loopback address of IPv6.
#[must_use]
pub fn has_ipv6_loopback() -> bool {
    StdListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn bind_one(service: Service, address: SocketAddr) -> Result<Bound, SetupError> {
    let opened = match open(address) {
        // A machine without IPv6: "all addresses" means those that there are.
        Err(error) if lacks_ipv6(address, &error) => open((Ipv4Addr::UNSPECIFIED, address.port()).into()),
        other => other,
    };
    opened
        .and_then(|socket| Ok(Bound { service, address: socket.local_addr()?, socket }))
        .map_err(|error| explain(service, address, &error))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn lacks_ipv6(address: SocketAddr, error: &io::Error) -> bool {
    const ADDRESS_FAMILY_NOT_SUPPORTED: i32 = 97;
    let unavailable = error.kind() == ErrorKind::AddrNotAvailable
        || error.kind() == ErrorKind::Unsupported
        || error.raw_os_error() == Some(ADDRESS_FAMILY_NOT_SUPPORTED);
    address.is_ipv6() && IpAddr::is_unspecified(&address.ip()) && unavailable
}

fn explain(service: Service, address: SocketAddr, error: &io::Error) -> SetupError {
    let port = address.port();
    let advice = match error.kind() {
        ErrorKind::AddrInUse => format!(
            "another program (or another Pillarbox) listens there already; stop it (`ss -ltnp sport = :{port}` shows \
             which it is) or choose another port in listen.{service} (with `try`: --free-ports)"
        ),
        ErrorKind::PermissionDenied => format!(
            "ports below 1024 need a right: start as root, or give the service CAP_NET_BIND_SERVICE, or choose a \
             higher port in listen.{service}"
        ),
        ErrorKind::AddrNotAvailable => {
            format!("this machine does not have that address; correct listen.{service}")
        }
        _ => format!("correct listen.{service}"),
    };
    SetupError::new(format!("{service} cannot listen on {address}: {}; {advice}", reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    #[test]
    fn a_port_in_use_is_named_with_its_listener() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let first = bind(&[(Service::Imap, "127.0.0.1:0".parse().unwrap())]).unwrap();
        let taken = first[0].address;
        let error = bind(&[(Service::Pop3, taken)]).unwrap_err().remove(0).to_string();
        for part in ["pop3 cannot listen", &taken.to_string(), "address already in use", "listen.pop3", "ss -ltnp"] {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    }

    #[test]
    fn each_cause_has_its_advice() {
        fn check(kind: ErrorKind, advice: &str) {
            let text = explain(Service::Smtp, "192.0.2.1:25".parse().unwrap(), &kind.into()).to_string();
            assert!(text.starts_with("smtp cannot listen on 192.0.2.1:25: ") && text.contains(advice), "{text}");
        }
        check(ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE");
        check(ErrorKind::AddrNotAvailable, "does not have that address");
        check(ErrorKind::AddrInUse, "another port in listen.smtp");
    }
}
