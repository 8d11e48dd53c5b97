//! One line in the log for each recipient and each message that is refused. `docs/log.md` tells their grammar.

use crate::session::Session;
use smtp_proto::Reply;
use tracing::info;

/// An address or a reply in the log is cut to this length: it is the client's.
const TEXT_BYTES_MAX: usize = 200;

/// RCPT was answered with a refusal.
pub(crate) fn recipient_refused(session: &Session, to: &str, reply: &Reply) {
    let from = session.transaction.as_ref().map(|transaction| transaction.envelope.from()).unwrap_or_default();
    let (protocol, address) = (session.service.protocol().name(), session.peer.address.to_canonical());
    let (from, to, text) = (shown(&from), shown(to), reply.text());
    info!(protocol, %address, from, to, code = reply.code, text = shown(&text), "recipient refused");
}

/// A message was answered with a refusal, or its sender was. `id`: how it is called, if it came that far.
pub(crate) fn message_refused(session: &Session, id: Option<&str>, from: &str, reply: &Reply) {
    let (protocol, address) = (session.service.protocol().name(), session.peer.address.to_canonical());
    let (id, from, text) = (id.unwrap_or_default(), shown(from), reply.text());
    info!(protocol, %address, id, from, code = reply.code, text = shown(&text), "message refused");
}

fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default()
}
