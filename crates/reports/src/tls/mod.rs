//! Reports on TLS (RFC 8460): what one server saw of sessions with the hosts of one domain. Written for others, and read from them.

use crate::NotRead;
use serde::{Deserialize, Deserializer, Serialize};

/// So many policies of a report, and failures of a policy, are kept.
pub(crate) const POLICIES_MAX: usize = 20;
/// See [`POLICIES_MAX`].
pub(crate) const FAILURES_MAX: usize = 100;
/// So many lines of a policy, and names of hosts, are kept ...
const LINES_MAX: usize = 100;
/// ... each up to so many octets, as other texts.
const TEXT_BYTES_MAX: usize = 500;
/// A longer document is not read: read, it takes up to thirty times as much memory. What is kept of one is less.
const DOCUMENT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A report (RFC 8460 §4.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct TlsReport {
    /// What the reporter calls itself.
    #[serde(default)]
    pub(crate) organization_name: String,
    /// What it is about.
    pub(crate) date_range: DateRange,
    /// Where the reporter can be asked.
    #[serde(default)]
    pub(crate) contact_info: String,
    /// Its name for the report.
    #[serde(default)]
    pub(crate) report_id: String,
    /// What was seen.
    pub(crate) policies: Vec<TlsPolicy>,
}

/// From when to when, as RFC 3339 has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DateRange {
    /// The first moment.
    pub(crate) start_datetime: String,
    /// The last moment.
    pub(crate) end_datetime: String,
}

/// Sessions under one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct TlsPolicy {
    /// Which.
    pub(crate) policy: PolicyFound,
    /// How many.
    pub(crate) summary: Summary,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failure_details: Vec<FailureDetail>,
}

/// A policy (RFC 8460 §4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PolicyFound {
    /// `sts`, `tlsa` or `no-policy-found`.
    pub(crate) policy_type: String,
    /// Line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub(crate) policy_string: Vec<String>,
    /// Whose it is.
    pub(crate) policy_domain: String,
    /// The hosts that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub(crate) mx_host: Vec<String>,
}

/// How many sessions there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Summary {
    /// With TLS as it was promised.
    #[serde(default)]
    pub(crate) total_successful_session_count: u64,
    /// Others.
    #[serde(default)]
    pub(crate) total_failure_session_count: u64,
}

/// Sessions that failed alike (RFC 8460 §4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FailureDetail {
    /// What was wrong: `starttls-not-supported`, `certificate-expired`, …
    pub(crate) result_type: String,
    /// Who sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) sending_mta_ip: String,
    /// To which host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) receiving_mx_hostname: String,
    /// At which address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) receiving_ip: String,
    /// How many.
    #[serde(default)]
    pub(crate) failed_session_count: u64,
}

/// Some write a text where the RFC has an array.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}

/// Reads a document that a stranger wrote. How deep it may be is the parser's limit; what is kept is bounded here.
pub(crate) fn read(document: &[u8]) -> Result<TlsReport, NotRead> {
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(NotRead::TooLarge);
    }
    let text = String::from_utf8_lossy(document);
    let mut report: TlsReport = serde_json::from_str(&text).map_err(|_| NotRead::Malformed)?;
    let TlsReport { organization_name, date_range, contact_info, report_id, policies } = &mut report;
    let DateRange { start_datetime, end_datetime } = date_range;
    [organization_name, contact_info, report_id, start_datetime, end_datetime].into_iter().for_each(cut);
    policies.truncate(POLICIES_MAX);
    for TlsPolicy { policy, failure_details, .. } in policies {
        policy.policy_domain = policy.policy_domain.trim_end_matches('.').to_lowercase();
        [&mut policy.policy_type, &mut policy.policy_domain].into_iter().for_each(cut);
        for texts in [&mut policy.policy_string, &mut policy.mx_host] {
            texts.truncate(LINES_MAX);
            texts.iter_mut().for_each(cut);
        }
        failure_details.sort_by_key(|failure| std::cmp::Reverse(failure.failed_session_count));
        failure_details.truncate(FAILURES_MAX);
        for failure in failure_details {
            let FailureDetail { result_type, sending_mta_ip, receiving_mx_hostname, receiving_ip, .. } = failure;
            [result_type, sending_mta_ip, receiving_mx_hostname, receiving_ip].into_iter().for_each(cut);
        }
    }
    Ok(report)
}

/// The document of a report.
pub(crate) fn json(report: &TlsReport) -> Vec<u8> {
    // Its parts have no maps with keys that are no text, which is all that could fail.
    serde_json::to_vec(report).unwrap_or_default()
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    if text.contains(char::is_control) {
        *text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8460 appendix B, shortened.
    const REPORT: &str = r#"{"organization-name": "Company-X",
        "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
        "contact-info": "sts-reporting@company-x.example", "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
        "policies": [{"policy": {"policy-type": "sts", "policy-string": ["version: STSv1", "mode: testing"],
        "policy-domain": "Company-Y.example.", "mx-host": "*.mail.company-y.example"},
        "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
        "failure-details": [{"result-type": "certificate-expired", "sending-mta-ip": "2001:db8:abcd:0012::1",
        "receiving-mx-hostname": "mx1.mail.company-y.example", "failed-session-count": 100},
        {"result-type": "starttls-not-supported", "failed-session-count": 203, "failure-reason-code": "X"}]}]}"#;

    #[test]
    fn the_report_of_the_rfc_is_read_and_what_is_written_too() {
        let report = read(REPORT.as_bytes()).unwrap();
        let TlsPolicy { policy, summary, failure_details } = &report.policies[0];
        assert_eq!((policy.policy_domain.as_str(), policy.mx_host.len()), ("company-y.example", 1));
        assert_eq!((summary.total_successful_session_count, summary.total_failure_session_count), (5326, 303));
        assert_eq!(failure_details[0].result_type, "starttls-not-supported", "the most frequent one first");
        assert_eq!(read(&json(&report)), Ok(report));
    }

    #[test]
    fn what_a_stranger_wrote_is_bounded() {
        let mut report = read(REPORT.as_bytes()).unwrap();
        report.organization_name = "ü".repeat(1000) + "\n";
        let failures = &mut report.policies[0].failure_details;
        *failures = vec![FailureDetail { receiving_ip: "\u{7}".into(), ..failures[0].clone() }; FAILURES_MAX + 1];
        report.policies = vec![report.policies[0].clone(); POLICIES_MAX + 1];
        let found = read(&json(&report)).unwrap();
        assert_eq!((found.policies.len(), found.policies[0].failure_details.len()), (POLICIES_MAX, FAILURES_MAX));
        assert_eq!(
            (found.organization_name.len(), found.policies[0].failure_details[0].receiving_ip.as_str()),
            (500, " ")
        );
        let deep = "[".repeat(1_000_000);
        for broken in ["", "{}", "null", &deep, &REPORT.replace("5326", "-1"), &REPORT[..300]] {
            assert_eq!(read(broken.as_bytes()), Err(NotRead::Malformed));
        }
        let many = REPORT.replace(r#""*.mail.company-y.example""#, &format!("[{}\"\"]", "\"\",".repeat(1_000_000)));
        assert_eq!(read(many.as_bytes()), Err(NotRead::TooLarge));
    }
}
