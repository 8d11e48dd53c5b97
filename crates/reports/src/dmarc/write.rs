//! An aggregate report as XML.

use super::{Aggregate, Row, Signature, SpfSeen};
use quick_xml::escape::escape;

/// The document. In the form of RFC 7489 appendix C, which everybody reads.
pub(crate) fn xml(report: &Aggregate) -> Vec<u8> {
    let mut document = Document("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned());
    let Aggregate { organisation, email, id, between, domain, published, rows, left_out } = report;
    document.within("feedback", |feedback| {
        feedback.put("version", "1.0");
        feedback.within("report_metadata", |metadata| {
            metadata.put("org_name", organisation);
            metadata.put("email", email);
            metadata.put("report_id", id);
            metadata.within("date_range", |range| {
                range.put("begin", &between.0.to_string());
                range.put("end", &between.1.to_string());
            });
            if *left_out > 0 {
                metadata.put("error", &format!("{left_out} messages of rare kinds are left out"));
            }
        });
        feedback.within("policy_published", |policy| {
            policy.put("domain", domain);
            policy.put("adkim", &published.dkim);
            policy.put("aspf", &published.spf);
            policy.put("p", &published.policy);
            policy.put("sp", &published.subdomains);
            if !published.missing_subdomains.is_empty() {
                policy.put("np", &published.missing_subdomains);
            }
            policy.put("pct", &published.percent.to_string());
            if published.is_test {
                policy.put("testing", "y");
            }
        });
        rows.iter().for_each(|row| feedback.within("record", |record| record.row(row)));
    });
    document.0.into_bytes()
}

struct Document(String);

impl Document {
    fn within(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.0.push_str(&format!("<{name}>\n"));
        write(self);
        self.0.push_str(&format!("</{name}>\n"));
    }

    fn put(&mut self, name: &str, text: &str) {
        // XML 1.0 §2.2: it cannot have other control characters, not even escaped.
        let text: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect();
        self.0.push_str(&format!("<{name}>{}</{name}>\n", escape(text.as_str())));
    }

    fn row(&mut self, row: &Row) {
        let result = |is_aligned: bool| if is_aligned { "pass" } else { "fail" };
        self.within("row", |xml| {
            xml.put("source_ip", &row.address.to_string());
            xml.put("count", &row.count.to_string());
            xml.within("policy_evaluated", |xml| {
                xml.put("disposition", &row.disposition);
                xml.put("dkim", result(row.dkim_aligned));
                xml.put("spf", result(row.spf_aligned));
                if !row.reason.is_empty() {
                    xml.within("reason", |xml| xml.put("type", &row.reason));
                }
            });
        });
        self.within("identifiers", |xml| {
            xml.put("envelope_from", &row.envelope_from);
            xml.put("header_from", &row.header_from);
        });
        self.within("auth_results", |xml| {
            for Signature { domain, selector, result } in &row.dkim {
                xml.within("dkim", |xml| {
                    xml.put("domain", domain);
                    xml.put("selector", selector);
                    xml.put("result", result);
                });
            }
            if let Some(SpfSeen { domain, scope, result }) = &row.spf {
                xml.within("spf", |xml| {
                    xml.put("domain", domain);
                    xml.put("scope", scope);
                    xml.put("result", result);
                });
            }
        });
    }
}
