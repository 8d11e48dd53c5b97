//! CAPA (RFC 2449 §5): what works, and nothing else.

use crate::{Outcome, Pop3Session, State};
use pop3_proto::{Reply, encode_end, encode_line};
use sasl::Mechanism;

pub(crate) fn capa(session: &Pop3Session, output: &mut Vec<u8>) -> Outcome {
    Reply::ok(session.words.capabilities).encode(output);
    // RFC 6856 §2.2: names and passwords may be UTF-8, before the UTF8 command too.
    for line in ["TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "UTF8 USER", "LANG"] {
        encode_line(line, output);
    }
    expire(session, output);
    if let Some(secs) = session.service.login_delay.announced_secs() {
        encode_line(format_args!("LOGIN-DELAY {secs}"), output);
    }
    if session.may_log_in() {
        let mechanisms: Vec<&str> =
            login::mechanisms(&session.service.auth, &session.peer).into_iter().map(Mechanism::name).collect();
        let mechanisms = mechanisms.join(" ");
        encode_line("USER", output);
        encode_line(format_args!("SASL {mechanisms}"), output);
    }
    let authorizing = matches!(session.state, State::Authorization(_));
    if authorizing && session.service.tls_available && session.peer.tls.is_none() {
        encode_line("STLS", output);
    }
    encode_line(format_args!("IMPLEMENTATION Pillarbox-{}", env!("CARGO_PKG_VERSION")), output);
    encode_end(output);
    Outcome::Done
}

/// RFC 2449 §6.7: the truth is a device's own, so it is told after the login; before, the smallest value that anybody
/// could have: that of `expunge-when-all-pop-devices-have-it`.
fn expire(session: &Pop3Session, output: &mut Vec<u8>) {
    let days = match &session.state {
        State::Transaction(transaction) => transaction.expires_after_days(),
        State::New | State::Authorization(_) | State::Over => {
            return encode_line("EXPIRE 0 USER", output);
        }
    };
    match days {
        None => encode_line("EXPIRE NEVER", output),
        Some(days) => encode_line(format_args!("EXPIRE {days}"), output),
    }
}
