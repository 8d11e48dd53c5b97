//! The machine itself: its disk and its clock.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dns::Dns;
use rustix::fs::statvfs;
use tokio::net::UdpSocket;
use tokio::time::timeout;
use wording::{tr_later, trn_later};

use super::{Elsewhere, Finding, State};
use crate::config::Config;
use crate::lifecycle::MAIL_BYTES_MIN;

/// From so little room on somebody should do something before new mail is refused.
const ROOM_BYTES_MIN: u64 = 16 * MAIL_BYTES_MIN;
const TIME_PATIENCE: Duration = Duration::from_secs(3);
/// A clock that is further off: signatures, one-time codes and certificates fail with others.
const OFF_SECS_WRONG: u64 = 60;
const OFF_SECS_FINE: u64 = 5;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX_SECS: u64 = 2_208_988_800;

pub(super) fn disk(config: &Config) -> Finding {
    let finding = Finding::new(
        tr_later!("disk of {directory}", directory = config.data_dir.display().to_string()),
        tr_later!("all mail is there"),
    )
    .expecting(tr_later!("{mib} MiB free or more", mib = (ROOM_BYTES_MIN >> 20).to_string()));
    match statvfs(&config.data_dir) {
        Ok(system) => room(finding, system.f_bavail.saturating_mul(system.f_frsize)),
        Err(error) => {
            finding.found(error.to_string()).but(State::Unknown, tr_later!("check that the directory is there"))
        }
    }
}

pub(super) fn room(finding: Finding, free_bytes: u64) -> Finding {
    let finding = finding.found(tr_later!("{mib} MiB free", mib = (free_bytes >> 20).to_string()));
    match free_bytes {
        free if free < MAIL_BYTES_MIN => finding.but(State::Wrong, tr_later!("new mail is refused: make room")),
        free if free < ROOM_BYTES_MIN => finding.but(State::Warning, tr_later!("make room before new mail is refused")),
        _ => finding,
    }
}

/// Asks an NTP server (RFC 5905 §7.3) for the time, once.
pub(super) async fn clock(dns: &Dns, elsewhere: &Elsewhere) -> Finding {
    let (host, port) = elsewhere.time;
    let finding = Finding::new(
        tr_later!("clock"),
        tr_later!("signatures, certificates and one-time codes fail with a clock that is wrong"),
    )
    .expecting(tr_later!("that of {host}", host));
    let told = match dns.addresses(host).await.ok().and_then(|answer| answer.records.last().copied()) {
        Some(address) => timeout(TIME_PATIENCE, ask(SocketAddr::new(address, port))).await.ok().flatten(),
        None => None,
    };
    let Some(told) = told else {
        return finding.but(State::Unknown, tr_later!("{host} did not tell the time; check the clock by hand", host));
    };
    off(finding, SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).abs_diff(told))
}

pub(super) fn off(finding: Finding, secs: u64) -> Finding {
    let finding = finding.found(trn_later!(secs, "{n} second off", "{n} seconds off"));
    let advice = tr_later!("let a time service (chrony) set the clock");
    match secs {
        secs if secs > OFF_SECS_WRONG => finding.but(State::Wrong, advice),
        secs if secs > OFF_SECS_FINE => finding.but(State::Warning, advice),
        _ => finding,
    }
}

/// Seconds since 1970, as a server says.
async fn ask(server: SocketAddr) -> Option<u64> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(server).await.ok()?;
    // Version 4, client.
    let mut packet = [0; 48];
    packet[0] = 0x23;
    socket.send(&packet).await.ok()?;
    let length = socket.recv(&mut packet).await.ok()?;
    let told = packet.get(40..44).filter(|_| length == 48)?;
    let seconds = u64::from(u32::from_be_bytes(told.try_into().ok()?));
    seconds.checked_sub(NTP_TO_UNIX_SECS)
}
