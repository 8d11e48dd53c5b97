//! Mail from elsewhere into an account, and all mail of one, for the operator: on the control socket only.

use super::{Endpoint, Part};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use crate::site::{IMPORTS_MAX, Place};
use console::{ImportAsk, RestoreAsk};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::posted_parts("/api/v1/operator/import", import),
    Endpoint::posted_parts("/api/v1/operator/restore", restore),
    // It changes nothing, and is written down all the same: somebody has taken all mail of somebody.
    Endpoint::posted_parts("/api/v1/operator/export", |caller, _, part| {
        caller.operations()?;
        Ok(caller.console()?.export(&mut |step| part.give(&step))?)
    }),
];

fn begin(caller: &Caller) -> Result<Place, Problem> {
    let importing = caller.site.begin_import();
    importing.ok_or_else(|| Problem::refused(format!("{IMPORTS_MAX} imports are under way; wait until one is done")))
}

fn restore(caller: &Caller, fields: &Fields, part: &mut Part<'_>) -> Result<(), Problem> {
    caller.operations()?;
    let _importing = begin(caller)?;
    let mailboxes: Vec<String> = fields.raw("mailboxes").lines().map(str::to_owned).collect();
    let ask = RestoreAsk {
        from: fields.text("from"),
        key: fields.optional("key"),
        backup: fields.optional("backup"),
        at: fields.optional("at"),
        user: fields.optional("user"),
        mailboxes: &mailboxes,
        missing: fields.is_on("missing"),
    };
    Ok(caller.console()?.restore(ask, &|| caller.site.now(), &mut |step| part.give(&step))?)
}

fn import(caller: &Caller, fields: &Fields, part: &mut Part<'_>) -> Result<(), Problem> {
    caller.operations()?;
    let _importing = begin(caller)?;
    let text = |name: &str| fields.optional(name).map(str::to_owned);
    let ask = ImportAsk {
        from: fields.text("from").to_owned(),
        user: text("user"),
        master: text("master"),
        separator: fields.number("separator")?,
        password: fields.raw("password").to_owned(),
        no_tls: fields.is_on("no_tls"),
        authority: text("authority"),
        any_certificate: fields.is_on("any_certificate"),
        folders: fields.raw("folders").lines().map(str::to_owned).collect(),
        into: text("into"),
        uidl_format: fields.has("uidl_format").then(|| fields.raw("uidl_format").to_owned()),
        missing: fields.is_on("missing"),
    };
    let (site, now) = (&caller.site, || caller.site.now());
    Ok(caller.console()?.import(ask, (&now, site.message_bytes_max()), &mut |step| part.give(&step))?)
}
