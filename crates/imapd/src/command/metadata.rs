//! GETMETADATA and SETMETADATA (RFC 5464), and METADATA in LIST (RFC 9590) and NOTIFY (RFC 5465 §5.6, §5.7).
//!
//! What is beside a mailbox lies with it in the account; what is beside the server is beside the account, and private: no user
//! sets anything there that another one reads. `/shared/admin` is computed.

use super::{Answer, filter};
use crate::context::Context;
use crate::tagged::Tagged;
use imap_proto::command::{Depth, GetMetadata, SetMetadata};
use imap_proto::{Code, MailboxName};
use std::collections::BTreeMap;
use store::{ANNOTATION_BYTES_MAX, ANNOTATION_NAME_BYTES_MAX, Annotation, Annotations, Error, Mailbox};

/// RFC 5464 §3.2.1.1: how to reach whoever runs the server.
const ADMIN: &str = "/shared/admin";

/// Entries with their values.
pub(super) type Values = BTreeMap<String, Vec<u8>>;

pub(super) fn get(context: &mut Context<'_>, request: &GetMetadata) -> Answer {
    let of = request.mailbox.as_ref().map(|name| context.locate_own(name)).transpose()?.map(|mailbox| mailbox.id);
    let mut known = values(context.user.account.annotations(of)?);
    if of.is_none() {
        let domain = context.user.presence.login().name.rsplit('@').next().unwrap_or_default();
        known.insert(ADMIN.to_owned(), format!("mailto:postmaster@{domain}").into_bytes());
    }
    let mut told: BTreeMap<&str, Option<&[u8]>> = BTreeMap::new();
    for entry in &request.entries {
        // What is asked for by its name alone is told even if it is not there.
        if request.depth == Depth::Itself {
            told.insert(entry, known.get(entry).map(Vec::as_slice));
        }
        told.extend(
            known
                .iter()
                .filter(|(name, _)| is_meant(name, entry, request.depth))
                .map(|(name, value)| (name.as_str(), Some(value.as_slice()))),
        );
    }
    let octets = |value: &Option<&[u8]>| value.map_or(0, <[u8]>::len) as u64;
    let max = request.max_size.map_or(u64::MAX, u64::from);
    // RFC 5464 §4.2.1: the largest of those that are left out.
    let longest = told.values().map(octets).filter(|octets| *octets > max).max();
    told.retain(|_, value| octets(value) <= max);
    if !told.is_empty() {
        context.encoder().metadata(request.mailbox.as_ref(), told);
    }
    let done = Tagged::ok("GETMETADATA done");
    Ok(match longest {
        Some(longest) => done.with(Code::MetadataLongEntries(u32::try_from(longest).unwrap_or(u32::MAX))),
        None => done,
    })
}

pub(super) fn set(context: &mut Context<'_>, request: SetMetadata) -> Answer {
    let SetMetadata { mailbox, values } = request;
    let of = mailbox.as_ref().map(|name| context.locate_own(name)).transpose()?.map(|mailbox| mailbox.id);
    for (entry, value) in &values {
        // RFC 5464 §3.3: the server may restrict this.
        if of.is_none() && entry.starts_with("/shared/") {
            return Err(Tagged::refused(Code::NoPerm, "Beside the server only private entries can be set"));
        }
        if entry.len() > ANNOTATION_NAME_BYTES_MAX {
            return Err(Tagged::refused(Code::Cannot, "The name of the entry is too long"));
        }
        let Some(value) = value else { continue };
        if value.len() > ANNOTATION_BYTES_MAX {
            let max = Code::MetadataMaxSize(u32::try_from(ANNOTATION_BYTES_MAX).unwrap_or(u32::MAX));
            return Err(Tagged::refused(max, "The value is too large"));
        }
        if of.is_none() {
            filter::check(entry, value)?;
        }
    }
    match context.user.account.annotate(context.actor(), of, values)? {
        true => Ok(Tagged::ok("SETMETADATA done")),
        false => Err(Tagged::refused(Code::MetadataTooMany, "There is no room for more entries")),
    }
}

/// RFC 9590: a METADATA of a mailbox that was listed.
pub(super) fn tell_listed(
    context: &mut Context<'_>,
    all: &Annotations,
    (mailbox, name): (&Mailbox, &MailboxName),
    entries: &[String],
) {
    let known = all.get(&Some(mailbox.id)).map(Vec::as_slice).unwrap_or_default();
    let value = |entry: &str| known.iter().find(|one| one.entry == entry).and_then(|one| one.value.as_deref());
    let told: BTreeMap<&str, Option<&[u8]>> = entries.iter().map(|entry| (entry.as_str(), value(entry))).collect();
    context.encoder().metadata(Some(name), told);
}

/// What changed beside a mailbox or the server, by name.
pub(super) fn tell_changed(context: &mut Context<'_>, mailbox: Option<&Mailbox>, changed: &[&Annotation]) {
    let Ok(name) = mailbox.map(|mailbox| MailboxName::new(&mailbox.name)).transpose() else { return };
    if !changed.is_empty() {
        context.encoder().metadata_changed(name.as_ref(), changed.iter().map(|one| one.entry.as_str()));
    }
}

/// What is set beside the server.
pub(super) fn beside_server(context: &Context<'_>) -> Result<Values, Error> {
    context.user.account.annotations(None).map(values)
}

fn values(all: Vec<Annotation>) -> Values {
    all.into_iter().filter_map(|one| Some((one.entry, one.value?))).collect()
}

/// Whether an entry is the one asked for, or below it and as deep as wanted.
fn is_meant(name: &str, asked: &str, depth: Depth) -> bool {
    let Some(rest) = name.strip_prefix(asked) else { return false };
    match (rest.strip_prefix('/'), depth) {
        (None, _) => rest.is_empty(),
        (Some(_), Depth::Itself) => false,
        (Some(below), Depth::Below) => !below.contains('/'),
        (Some(_), Depth::AllBelow) => true,
    }
}
