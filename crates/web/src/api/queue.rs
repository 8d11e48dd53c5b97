//! Mail on its way to outside addresses.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::QueuePage;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/queue", |caller, fields| json(page(caller, fields)?)),
    Endpoint::get("/api/v1/admin/destinations", |caller, _| json(caller.queue()?.destinations()?)),
    Endpoint::post("/api/v1/admin/destinations/retry", |caller, fields| {
        json(caller.queue()?.retry_all(fields.text("domain"))?)
    }),
    Endpoint::post("/api/v1/admin/destinations/hold", |caller, fields| {
        json(caller.queue()?.hold_all(fields.text("domain"))?)
    }),
    Endpoint::post("/api/v1/admin/destinations/release", |caller, fields| {
        json(caller.queue()?.release_all(fields.text("domain"))?)
    }),
    Endpoint::get("/api/v1/admin/queue/{id}", |caller, _| json(caller.queue_view()?.show(caller.number("id")?)?)),
    Endpoint::post("/api/v1/admin/queue/{id}/retry", |caller, _| json(caller.queue()?.retry(caller.number("id")?)?)),
    Endpoint::post("/api/v1/admin/queue/{id}/hold", |caller, _| json(caller.queue()?.hold(caller.number("id")?)?)),
    Endpoint::post("/api/v1/admin/queue/{id}/release", |caller, _| {
        json(caller.queue()?.release(caller.number("id")?)?)
    }),
    Endpoint::post("/api/v1/admin/queue/{id}/remove", |caller, _| json(caller.queue()?.remove(caller.number("id")?)?)),
];

/// A page of the queue.
pub(crate) fn page(caller: &Caller, fields: &Fields) -> Result<QueuePage, Problem> {
    Ok(caller.queue_view()?.page(fields.number("after")?)?)
}
