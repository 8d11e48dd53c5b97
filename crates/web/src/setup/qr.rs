//! Codes for the camera of a phone.

use super::offered::{Offered, OfferedService, Pair, Protocol, Security};
use qrcode::{Color, EcLevel, QrCode};
use serde_json::json;

/// Modules of white around a code (ISO/IEC 18004 §6.3.8).
const QUIET_MODULES: usize = 4;

/// A code, as the parts of an SVG image: nothing of it is markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QrImage {
    /// The length of a side, in modules: the `viewBox` is `0 0 size size`.
    pub size: usize,
    /// The dark modules, as the `d` of a `path`.
    pub path: String,
}

/// The code of a text; `None` where it is too long for one.
#[must_use]
pub(crate) fn qr(text: &str) -> Option<QrImage> {
    let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (at % width + QUIET_MODULES, at / width + QUIET_MODULES);
            path.push_str(&format!("M{x} {y}h1v1h-1z"));
        }
    }
    Some(QrImage { size: width + 2 * QUIET_MODULES, path })
}

/// What Thunderbird for Android reads with "Import settings → Scan QR code": the format that Thunderbird's "Export for
/// Mobile" writes, version 1. `None` where the server has no such services, or the address is not ASCII, which that
/// format does not take.
#[must_use]
pub(crate) fn thunderbird_payload(
    (address, owner): (&str, &str),
    password: &str,
    incoming: Protocol,
    offered: &Offered,
) -> Option<String> {
    let protocol = match incoming {
        Protocol::Imap => 0,
        Protocol::Pop3 => 1,
        Protocol::Submission => return None,
    };
    let Pair { incoming, outgoing } = offered.pair(incoming)?;
    let security = |service: OfferedService| match service.security {
        Security::StartTls => 2,
        Security::Tls => 3,
    };
    let owner = if owner.is_empty() { address } else { owner };
    // 1: a password, as it is.
    let reads = json!([protocol, offered.host, incoming.port, security(incoming), 1, address, null, password]);
    let sends = json!([0, offered.host, outgoing.port, security(outgoing), 1, address, password]);
    let payload = json!([1, [1, 1], reads, [[sends, [address, owner]]]]);
    (address.is_ascii() && offered.host.is_ascii()).then(|| payload.to_string())
}
