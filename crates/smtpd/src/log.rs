//! One line in the log for each recipient, each message and each client that is refused. `docs/log.md` tells their grammar.

use session::STRANGERS;
use smtp_proto::Reply;
use std::net::IpAddr;
use std::sync::Once;
use tracing::info;

/// An address or a reply in the log is cut to this length: it is the client's.
const TEXT_BYTES_MAX: usize = 200;

/// Whom a line is about.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) protocol: &'static str,
    pub(crate) address: IpAddr,
}

/// RCPT was answered with a refusal.
pub(crate) fn recipient_refused(client: Client, from: &str, to: &str, reply: &Reply) {
    let Client { protocol, address } = client;
    let (from, to, text) = (shown(from), shown(to), reply.text());
    info!(target: STRANGERS, protocol, %address, from, to, code = reply.code, text = shown(&text), "recipient refused");
}

/// A message was answered with a refusal, or its sender was. `id`: how it is called, if it came that far.
pub(crate) fn message_refused(client: Client, id: Option<&str>, from: &str, reply: &Reply) {
    let Client { protocol, address } = client;
    let (id, from, text) = (id.unwrap_or_default(), shown(from), reply.text());
    info!(target: STRANGERS, protocol, %address, id, from, code = reply.code, text = shown(&text), "message refused");
}

/// A client was sent away, before or after it said something.
pub(crate) fn connection_refused(client: Client, reply: &Reply) {
    let Client { protocol, address } = client;
    let text = reply.text();
    info!(target: STRANGERS, protocol, %address, code = reply.code, text = shown(&text), "connection refused");
}

/// Mail from this machine itself is taken without a look at its sender; said once, because a proxy that hides where its clients
/// are makes all strangers look like that.
pub(crate) fn not_examined(address: IpAddr) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        info!(%address, "senders on this machine are not examined");
    });
}

fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default()
}
