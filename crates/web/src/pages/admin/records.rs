//! What to publish in the DNS for a local domain.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::route::{Handler, Route};
use crate::setup::DnsRecord;
use crate::visit::Owner;
use askama::Template;

pub(super) const ROUTES: &[Route] = &[Route::get("/admin/domains/records", Handler::Owner(show))];

#[derive(Template)]
#[template(path = "admin_records.html")]
struct RecordsPage<'a> {
    frame: Frame,
    domain: &'a str,
    records: Vec<DnsRecord>,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let records = api::addresses::records(owner, fields)?;
    Answer::page(&RecordsPage { frame: Frame::of(owner, "admin"), domain: fields.text("domain"), records })
}
