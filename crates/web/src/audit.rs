//! Whatever an administrator or the operator changes is written down, at the doors that such calls come through: none of them
//! has to remember it. What was done is said by the answer, whose words never hold a link or a password.

use crate::caller::Caller;
use serde_json::Value;

/// Administration over HTTP.
const ADMIN: &str = "/api/v1/admin/";
/// What owners of a list do, and administrators.
const LISTS: &str = "/api/v1/lists/";
/// What members do.
const OWN_LISTS: &str = "/api/v1/lists/mine";

/// Whether a call is one of an administrator.
pub(crate) fn is_administration(path: &str) -> bool {
    path.starts_with(ADMIN)
}

/// Whether a call is about a list, for its owners and for administrators.
pub(crate) fn is_of_a_list(path: &str) -> bool {
    path.starts_with(LISTS) && path != OWN_LISTS
}

/// Writes down that a call of the API was answered, unless it only tells what would happen.
pub(crate) fn note(caller: &Caller, path: &str, answer: &Value) {
    if answer.get("dry_run") == Some(&Value::Bool(true)) {
        return;
    }
    let of = of(caller, path);
    match answer.get("text").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        Some(text) => caller.did(&format!("{text}{of}")),
        None => caller.did(&format!("called {path}{of}")),
    }
}

/// Writes down that what takes long did not come to its end.
pub(crate) fn note_end(caller: &Caller, path: &str, why: &str) {
    caller.did(&format!("called {path}{}, which broke off: {why}", of(caller, path)));
}

/// Whose mail it is about.
fn of(caller: &Caller, path: &str) -> String {
    match (&caller.own, is_administration(path)) {
        (Some(own), false) => format!(" ({})", own.address),
        (_, _) => String::new(),
    }
}
