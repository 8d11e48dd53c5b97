//! CAPA (RFC 2449 §5): what works, and nothing else.

use crate::{Outcome, Session, State};
use pop3_proto::{Reply, encode_end, encode_line};
use sasl::Mechanism;

pub(crate) fn capa(session: &Session, output: &mut Vec<u8>) -> Outcome {
    Reply::ok("Capabilities").encode(output);
    for line in ["TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"] {
        encode_line(line, output);
    }
    // RFC 2449 §6.7: the truth is a device's own, so it is told after the login.
    if let State::Transaction(transaction) = &session.state {
        match transaction.expires_after_days() {
            None => encode_line("EXPIRE NEVER", output),
            Some(days) => encode_line(format_args!("EXPIRE {days}"), output),
        }
    }
    if session.may_log_in() {
        let mechanisms = Mechanism::ALL.map(Mechanism::name).join(" ");
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
