//! What to publish in the DNS for a local domain.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::route::{Handler, Route};
use crate::setup::DnsRecord;
use crate::visit::Owner;
use askama::Template;
use console::{Finding, State};
use wording::Later;

pub(super) const ROUTES: &[Route] = &[Route::get("/admin/domains/records", Handler::Owner(show))];

#[derive(Template)]
#[template(path = "admin_records.html")]
struct RecordsPage<'a> {
    frame: Frame,
    domain: &'a str,
    records: Vec<(DnsRecord, Option<Finding>)>,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let found = owner.site.examine(false).findings;
    let of = |record: &DnsRecord| {
        let check = record.check();
        let expected = Later::from(record.plain_value());
        found.iter().find(|finding| finding.check == check && finding.expected == expected).cloned()
    };
    let records = api::addresses::records(owner, fields)?.into_iter().map(|record| (of(&record), record));
    let records = records.map(|(finding, record)| (record, finding)).collect();
    Answer::page(&RecordsPage { frame: Frame::of(owner, "admin"), domain: fields.text("domain"), records })
}
