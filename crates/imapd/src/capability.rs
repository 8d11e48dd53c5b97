//! What is announced (RFC 9051 §6.1.1): exactly what works, by the session's state.
//!
//! Known and left out, for the reasons in `docs/rfc.toml`: LOGIN-REFERRALS (RFC 2221), ANNOTATE (RFC 5257), CONVERT (RFC 5259).

use crate::service::ImapService;
use session::Peer;

/// Works in every state, or from login on.
const ALWAYS: &[&str] = &[
    "IMAP4rev1",
    "IMAP4rev2",
    "LITERAL+",
    "SASL-IR",
    "ENABLE",
    "ID",
    "IDLE",
    "NAMESPACE",
    "LANGUAGE",
    "I18NLEVEL=2",
    "UNSELECT",
    "UNAUTHENTICATE",
    "INPROGRESS",
    "NOTIFY",
    "CHILDREN",
    "UIDPLUS",
    "UIDONLY",
    "UIDBATCHES",
    "MULTIAPPEND",
    "CATENATE",
    "URL-PARTIAL",
    "URLAUTH",
    "MOVE",
    "REPLACE",
    "SAVEDATE",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "LIST-METADATA",
    // Not in any RFC: Outlook 2013 finds Sent and Trash by it alone.
    "XLIST",
    "STATUS=SIZE",
    "ESEARCH",
    "MULTISEARCH",
    "SEARCHRES",
    "CONTEXT=SEARCH",
    "CONTEXT=SORT",
    "SEARCH=FUZZY",
    "SORT",
    "SORT=DISPLAY",
    "ESORT",
    "PARTIAL",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "THREAD=REFS",
    "WITHIN",
    "FILTERS",
    "BINARY",
    "PREVIEW",
    "COMPRESS=DEFLATE",
    "CONDSTORE",
    "QRESYNC",
    "UTF8=ACCEPT",
    "OBJECTID",
    "METADATA",
    "ACL",
    // RFC 4314 §2.2: those that RFC 2086 did not have.
    "RIGHTS=texk",
    "LIST-MYRIGHTS",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
    "QUOTASET",
];

/// The names to announce to a client, before and after it has logged in.
pub(crate) fn names(service: &ImapService, peer: &Peer, is_logged_in: bool) -> Vec<String> {
    let mut names: Vec<String> = ALWAYS.iter().map(|name| (*name).to_owned()).collect();
    // RFC 7889 §3
    names.push(format!("APPENDLIMIT={}", service.message_bytes_max));
    names.extend(service.limits.messages.capability());
    if is_logged_in {
        return names;
    }
    if service.tls_available && peer.tls.is_none() {
        names.push("STARTTLS".to_owned());
    }
    if may_log_in(peer) {
        names.extend(
            login::mechanisms(&service.auth, peer).iter().map(|mechanism| format!("AUTH={}", mechanism.name())),
        );
    } else {
        names.push("LOGINDISABLED".to_owned());
    }
    names
}

/// No password goes over a network in the clear (RFC 9051 §11.1).
pub(crate) fn may_log_in(peer: &Peer) -> bool {
    peer.tls.is_some() || peer.is_loopback()
}
