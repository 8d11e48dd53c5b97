//! Whether a record is published as it should be.

use std::collections::BTreeSet;
use std::net::IpAddr;

use dns::{Dns, Error, Tlsa};
use web::setup::DnsRecord;
use wording::{Later, tr_later};

use super::{Finding, State, unanswered};

const PUBLISH: Later =
    tr_later!("publish it (`pillarbox domain records --form` shows it as the form of a provider wants it)");

/// Whether a record is published; `addresses`: those of this server.
pub(super) async fn published(dns: &Dns, addresses: &[IpAddr], record: &DnsRecord) -> Finding {
    let name = record.name.trim_end_matches('.');
    let finding = Finding::new(record.check(), record.purpose.clone()).expecting(record.plain_value());
    let compared = match record.kind.as_str() {
        "MX" => exchanger(dns, name, record, &finding).await,
        "SRV" => service(dns, name, record, &finding).await,
        "CNAME" => alias(dns, name, addresses, &finding).await,
        "TLSA" => key(dns, name, record, &finding).await,
        _ => dns.txt(name).await.map(|answer| {
            let texts = answer.records.iter().map(|text| String::from_utf8_lossy(text).into_owned());
            text(finding.clone(), record, texts.collect())
        }),
    };
    compared.unwrap_or_else(|error| unanswered(finding, &error))
}

async fn exchanger(dns: &Dns, name: &str, record: &DnsRecord, finding: &Finding) -> Result<Finding, Error> {
    let host = record.value.split(' ').next_back().unwrap_or_default().trim_end_matches('.');
    let records = dns.mx(name).await?.records;
    let found: Vec<String> = records.iter().map(|mx| format!("{} {}.", mx.preference, mx.exchange)).collect();
    let is_there = records.iter().any(|mx| mx.exchange.eq_ignore_ascii_case(host));
    let finding = finding.clone().found(found.join(", "));
    Ok(if is_there {
        finding
    } else {
        finding.but(State::Wrong, tr_later!("no mail comes here: {publish}", publish = PUBLISH))
    })
}

async fn service(dns: &Dns, name: &str, record: &DnsRecord, finding: &Finding) -> Result<Finding, Error> {
    let found: Vec<String> = dns.srv(name).await?.records;
    let is_as_expected = found.iter().any(|found| found.eq_ignore_ascii_case(&record.value));
    // RFC 6186 §3.4: "." says that there is no such service, as nothing does, a little slower.
    let is_fine = is_as_expected || (found.is_empty() && record.value.ends_with(" ."));
    let finding = finding.clone().found(found.join(", "));
    Ok(if is_fine { finding } else { finding.but(State::Warning, PUBLISH) })
}

async fn alias(dns: &Dns, name: &str, addresses: &[IpAddr], finding: &Finding) -> Result<Finding, Error> {
    let answer = dns.addresses(name).await?;
    let (found, own) = (BTreeSet::from_iter(&answer.records), BTreeSet::from_iter(addresses));
    let is_here = !found.is_empty() && found.is_subset(&own);
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    let finding = finding.clone().found(shown.join(", "));
    Ok(if is_here { finding } else { finding.but(State::Warning, PUBLISH) })
}

/// No record is as good as one: DANE is not for every zone. Others than ours shut other servers out.
async fn key(dns: &Dns, name: &str, record: &DnsRecord, finding: &Finding) -> Result<Finding, Error> {
    let records = dns.tlsa(name).await?.records;
    let shown = |tlsa: &Tlsa| {
        let hex: String = tlsa.data.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("{} {} {} {hex}", tlsa.usage, tlsa.selector, tlsa.matching)
    };
    let found: Vec<String> = records.iter().map(shown).collect();
    let finding = finding.clone().found(found.join(", "));
    Ok(match found.contains(&record.value) {
        true => finding,
        false if found.is_empty() => finding.found(tr_later!("none, so DANE is not used")),
        false if record.in_use => finding.but(
            State::Wrong,
            tr_later!("servers that look at it send no mail here: {publish}, or remove the others", publish = PUBLISH),
        ),
        false => finding.but(State::Warning, PUBLISH),
    })
}

/// What the texts of a name say about the one that is expected.
fn text(finding: Finding, record: &DnsRecord, texts: Vec<String>) -> Finding {
    let expected = record.plain_value();
    let version = |text: &str| text.split([';', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    let wanted = version(&expected);
    let of_kind: Vec<String> = texts.into_iter().filter(|text| version(text) == wanted).collect();
    let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
    let is_same = of_kind.iter().any(|text| without_blanks(text) == without_blanks(&expected));
    let finding = finding.found(of_kind.join(", "));
    match (of_kind.len(), wanted.as_str()) {
        // RFC 7208 §4.5, RFC 7489 §6.6.3: two of them are none.
        (2.., "v=spf1" | "v=dmarc1") => {
            finding.but(State::Wrong, tr_later!("there are several, which counts as none: leave one"))
        }
        _ if is_same => finding,
        // The next key is not used yet, and the one before not any more.
        (0, "v=dkim1") if !record.in_use => finding.but(State::Warning, PUBLISH),
        (0, "v=spf1" | "v=dmarc1" | "v=dkim1") => {
            finding.but(State::Wrong, tr_later!("other servers distrust mail: {publish}", publish = PUBLISH))
        }
        (0, _) => finding.but(State::Warning, PUBLISH),
        // A policy of the operator's own.
        (_, "v=spf1" | "v=dmarc1" | "v=tlsrptv1") => finding,
        (_, _) => finding.but(State::Wrong, tr_later!("it is another one: {publish}", publish = PUBLISH)),
    }
}
