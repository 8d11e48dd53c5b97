//! CAPA (RFC 2449 §5): what works, and nothing else.

use crate::{Outcome, Session, State};
use pop3_proto::{Reply, encode_end, encode_line};
use sasl::Mechanism;

pub(crate) fn capa(session: &Session, output: &mut Vec<u8>) -> Outcome {
    Reply::ok("Capabilities").encode(output);
    // EXPIRE NEVER (RFC 2449 §6.7): no message leaves the maildrop unless this device deletes it.
    for line in ["TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER"] {
        encode_line(line, output);
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
