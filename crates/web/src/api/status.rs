//! How the server does.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::problem::Problem;
use console::Status;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint::get("/api/v1/admin/status", |caller, _| json(status(caller)?))];

/// For an administrator.
pub(crate) fn status(caller: &Caller) -> Result<Status, Problem> {
    caller.administration()?;
    caller.site.status().ok_or_else(|| Problem::refused(tr!("No server runs on this data directory.")))
}
