//! PACC (draft-ietf-mailmaint-pacc-03): a document under `ua-auto-config.<domain>`, and its digest in the DNS. It knows the
//! usual ports under TLS only, so that is what is told.

use super::offered::{Offered, OfferedService, Protocol, Security};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Where the document is.
pub(crate) const PATH: &str = "/.well-known/user-agent-configuration.json";
/// The name of a provider has at most so many characters.
const NAME_CHARS_MAX: usize = 60;

/// The document for a domain, always the same bytes; `None` where nothing is offered on a usual port.
#[must_use]
pub(crate) fn pacc(domain: &str, offered: &Offered) -> Option<String> {
    let usual = [(Protocol::Imap, "imap", 993), (Protocol::Pop3, "pop3", 995), (Protocol::Submission, "submit", 465)];
    let mut protocols = Map::new();
    for (protocol, name, usual) in usual {
        if offered.services.contains(&OfferedService { protocol, security: Security::Tls, port: usual }) {
            protocols.insert(name.to_owned(), json!({ "host": offered.host }));
        }
    }
    let name: String = domain.chars().take(NAME_CHARS_MAX).collect();
    let document = json!({
        "authentication": { "password": true },
        "info": { "provider": { "name": name } },
        "protocols": Value::Object(protocols.clone()),
    });
    (!protocols.is_empty()).then(|| document.to_string())
}

/// What the TXT record at `_ua-auto-config.<domain>` holds.
#[must_use]
pub(crate) fn digest_record(document: &str) -> String {
    format!("v=UAAC1; a=sha256; d={}", STANDARD.encode(Sha256::digest(document.as_bytes())))
}
