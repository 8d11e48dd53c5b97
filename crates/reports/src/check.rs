//! Holds what must be true of any octets read as a report. For tests and fuzzers.

use crate::dmarc::{self, Aggregate, ROWS_MAX, Row, SIGNATURES_MAX, TEXT_BYTES_MAX};
use crate::packed::{UNPACKED_BYTES_MAX, unpacked};
use crate::tls::{self, FAILURES_MAX, POLICIES_MAX};
use crate::{received, rua, test_mail};

/// Reads a document as it comes in a part of a mail, packed or not, in every way that there is.
///
/// # Errors
/// A sentence about the first thing that does not hold.
pub fn document(packed: &[u8]) -> Result<(), String> {
    let Ok(document) = unpacked(packed) else { return Ok(()) };
    hold(document.len() as u64 <= UNPACKED_BYTES_MAX, || "more is unpacked than may be".to_owned())?;
    if let Ok(report) = dmarc::read(&document) {
        aggregate(&report)?;
        let again = dmarc::read(&dmarc::xml(&report));
        let expected = Aggregate { left_out: 0, ..report };
        hold(again.as_ref() == Ok(&expected), || format!("written it reads {again:?}, and not {expected:?}"))?;
    }
    if let Ok(report) = tls::read(&document) {
        hold(report.policies.len() <= POLICIES_MAX, || "too many policies".to_owned())?;
        let failures = report.policies.iter().map(|policy| policy.failure_details.len()).max().unwrap_or_default();
        hold(failures <= FAILURES_MAX, || "too many failures".to_owned())?;
        let again = tls::read(&tls::json(&report));
        hold(again.as_ref() == Ok(&report), || format!("written it reads {again:?}, and not {report:?}"))?;
    }
    Ok(())
}

fn aggregate(report: &Aggregate) -> Result<(), String> {
    let Aggregate { organisation, email, id, domain, published, rows, .. } = report;
    hold(rows.len() <= ROWS_MAX, || "too many rows".to_owned())?;
    let published = [&published.policy, &published.subdomains, &published.missing_subdomains, &published.dkim];
    [organisation, email, id, domain].into_iter().chain(published).try_for_each(|text| short(text))?;
    rows.iter().try_for_each(|row| {
        let Row { disposition, reason, header_from, envelope_from, dkim, spf, .. } = row;
        hold(dkim.len() <= SIGNATURES_MAX, || "too many signatures".to_owned())?;
        let signatures = dkim.iter().flat_map(|it| [&it.domain, &it.selector, &it.result]);
        let spf = spf.iter().flat_map(|it| [&it.domain, &it.scope, &it.result]);
        let mut texts = [disposition, reason, header_from, envelope_from].into_iter().chain(signatures).chain(spf);
        texts.try_for_each(|text| short(text))
    })
}

fn short(text: &str) -> Result<(), String> {
    let is_short = text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control);
    hold(is_short, || format!("{text:?} is too long, or no text"))
}

/// Reads what a domain publishes on reports that it wants.
///
/// # Errors
/// A sentence about the first thing that does not hold.
pub fn record(text: &[u8]) -> Result<(), String> {
    let texts = [text.to_vec()];
    let _consents = rua::consents(&texts);
    let Some(wanted) = rua::wanted_of_tls(&texts) else { return Ok(()) };
    for place in rua::places(&wanted) {
        let again = rua::places(&place.to_string());
        hold(again == [place.clone()], || format!("{place} is read as {again:?}"))?;
    }
    rua::destinations(&wanted).iter().try_for_each(|destination| {
        let _consent = rua::consent_of("example.org", destination);
        short(&destination.address)
    })
}

/// Reads a mail as a report on mail, on TLS and on a complaint, and as an answer to a test.
///
/// # Errors
/// A sentence about the first thing that does not hold.
pub fn mail(content: &[u8]) -> Result<(), String> {
    received::check(content)?;
    test_mail::check(content);
    crate::wish::Wish::of(content, "mail.example.org").map_or(Ok(()), |wish| {
        hold(!wish.to.is_empty() && wish.to.iter().all(|to| !to.contains(char::is_control)), || {
            format!("nobody can be told of {wish:?}")
        })
    })
}

fn hold(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_comes_is_read_within_limits(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(document(&octets), Ok(()));
            prop_assert_eq!(mail(&octets), Ok(()));
        }
    }
}
