//! Aggregate reports (RFC 7489 §7.2 and appendix C): what one server saw of mail that named one domain in From, by where it came
//! from. Written for others (`write`), and read from them (`read`).

mod read;
mod write;

#[cfg(any(test, feature = "testing"))]
pub(crate) use read::ROWS_MAX;
pub(crate) use read::read;
pub(crate) use write::xml;

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// So many signatures of a row are told.
pub(crate) const SIGNATURES_MAX: usize = 8;
/// So many octets of a name are told or read.
pub(crate) const TEXT_BYTES_MAX: usize = 255;

/// A report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aggregate {
    /// What the reporter calls itself.
    pub(crate) organisation: String,
    /// Where it can be asked.
    pub(crate) email: String,
    /// Its name for the report.
    pub(crate) id: String,
    /// The first and the last second that it is about, since 1970.
    pub(crate) between: (i64, i64),
    /// Whose policy it is.
    pub(crate) domain: String,
    /// What was published.
    pub(crate) published: Published,
    /// Where mail came from.
    pub(crate) rows: Vec<Row>,
    /// Messages of rows that were too many.
    pub(crate) left_out: u64,
}

/// A policy as reports have it, word by word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    /// `p`: `none`, `quarantine` or `reject`.
    pub(crate) policy: String,
    /// `sp`.
    pub(crate) subdomains: String,
    /// `np`; may be empty.
    pub(crate) missing_subdomains: String,
    /// `adkim`: `r` or `s`.
    pub(crate) dkim: String,
    /// `aspf`.
    pub(crate) spf: String,
    /// `pct`.
    pub(crate) percent: u8,
    /// `t=y`.
    pub(crate) is_test: bool,
}

/// Messages that are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Row {
    /// Where they came from.
    pub address: IpAddr,
    /// How many.
    pub count: u64,
    /// What became of them: `none`, `quarantine` or `reject`.
    pub disposition: String,
    /// Why that is not what was asked for: `sampled_out`, `trusted_forwarder`, `local_policy`; mostly empty.
    pub reason: String,
    /// A signature of the domain holds.
    pub dkim_aligned: bool,
    /// SPF passes for the domain.
    pub spf_aligned: bool,
    /// The domain in From.
    pub header_from: String,
    /// The domain of the reverse path; empty for none.
    pub envelope_from: String,
    /// The signatures.
    pub dkim: Vec<Signature>,
    /// What SPF says, of which domain, and whether that stood in `mfrom` or `helo`.
    pub spf: Option<SpfSeen>,
}

/// What became of a signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signature {
    /// Whose it is.
    pub domain: String,
    /// Its key.
    pub selector: String,
    /// `pass`, `fail`, …
    pub result: String,
}

/// What SPF says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpfSeen {
    /// Of which domain.
    pub domain: String,
    /// `mfrom` or `helo`.
    pub scope: String,
    /// `pass`, `fail`, …
    pub result: String,
}

impl Row {
    /// The same with texts, and signatures, of which strangers chose the length, within limits.
    pub(crate) fn bounded(mut self) -> Self {
        self.dkim.truncate(SIGNATURES_MAX);
        let Self { header_from, envelope_from, dkim, spf, .. } = &mut self;
        let signatures = dkim.iter_mut().flat_map(|Signature { domain, selector, .. }| [domain, selector]);
        let spf = spf.iter_mut().map(|SpfSeen { domain, .. }| domain);
        for text in [header_from, envelope_from].into_iter().chain(signatures).chain(spf) {
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        }
        self
    }

    /// Whether the domain vouches for them.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.dkim_aligned || self.spf_aligned
    }
}

#[cfg(test)]
mod tests;
