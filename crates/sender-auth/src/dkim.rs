//! DKIM signatures (RFC 6376) and ARC chains (RFC 8617), verified by `mail-auth`.
//!
//! It gets what it needs beforehand: the digests of the body from [`Digests`], the keys from here. So it never asks the DNS, and
//! what it is given is bounded: octets and fields of the header, signatures, names in a signature.

use crate::lookup::{Budget, Failed, name_of};
use crate::sleeping::authenticator;
use mail_auth::common::crypto::{Algorithm, HashAlgorithm};
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::resolver::ToFqdn;
use mail_auth::common::verify::{DomainKey, VerifySignature};
use mail_auth::dkim::{Canonicalization, Signature};
use mail_auth::{AuthenticatedMessage, DkimResult as Verified, DnsError, Error, Parameters, ResolverCache, Txt};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

/// Signatures of a message that are looked at, the first ones: honest mail has under five.
pub const SIGNATURES_MAX: usize = 10;
/// Sets of an ARC chain (RFC 8617 §4.2.1: "a maximum of 50"); a longer one fails.
pub const ARC_SETS_MAX: usize = 50;
/// Of a longer header no signature is verified, and what is below that is not looked at.
pub(crate) const HEADER_BYTES_MAX: usize = 256 * 1024;
/// Nor of one with more fields.
pub(crate) const FIELDS_MAX: usize = 1000;
/// Names of fields in one signature.
const SIGNED_FIELDS_MAX: usize = 200;
/// RFC 8301 §3.2: "Verifiers MUST NOT consider signatures using RSA keys of less than 1024 bits as valid".
const RSA_BITS_MIN: usize = 1024;
/// A reason is cut to this length.
const REASON_BYTES_MAX: usize = 100;

/// What became of a signature, or of a chain (RFC 8601 §2.7.1, §2.7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DkimResult {
    /// There is none.
    None,
    /// It is good.
    Pass,
    /// It is not.
    Fail,
    /// It cannot be processed.
    Neutral,
    /// It is not acceptable here, good or not.
    Policy,
    /// The DNS gave no answer.
    TempError,
    /// It, or its key, cannot be understood.
    PermError,
}

impl DkimResult {
    /// As `Authentication-Results` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dkim {
    /// What became of it.
    pub result: DkimResult,
    /// Whose it is, as the DNS has it; empty if it does not say.
    pub domain: String,
    /// Which key made it.
    pub selector: String,
    /// The first eight characters of the signature, to tell it from others (RFC 6008).
    pub start: String,
    /// Why it is not good; ASCII, short.
    pub reason: Option<String>,
}

/// A chain of ARC sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arc {
    /// What became of it.
    pub result: DkimResult,
    /// The number of its sets.
    pub sets: usize,
    /// Who sealed it last; empty if nobody did.
    pub sealer: String,
    /// Why it is not good; ASCII, short.
    pub reason: Option<String>,
}

/// What must be known of a message to verify its signatures: its header, and digests of its body. The message itself need not
/// be kept while the DNS is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    head: Vec<u8>,
    /// By canonicalisation, algorithm and length.
    body: Vec<(Canonicalization, HashAlgorithm, u64, Vec<u8>)>,
    /// Signatures are verified.
    is_whole: bool,
}

impl Digests {
    /// Looks at a message with lines that end with CRLF. Takes about 1 ms for each MiB of a signed message.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let digests = Self::header_of(content);
        let parsed = digests.is_whole.then(|| AuthenticatedMessage::parse_with_opts(content, None, true)).flatten();
        Self { body: parsed.map(|parsed| parsed.body_hashes).unwrap_or_default(), ..digests }
    }

    /// The same without the body.
    fn header_of(content: &[u8]) -> Self {
        let end = message::header::end(content);
        let head = content.get(..end.min(HEADER_BYTES_MAX)).unwrap_or(content).to_vec();
        let is_whole =
            end <= HEADER_BYTES_MAX && message::header::fields(&head).take(FIELDS_MAX + 1).count() <= FIELDS_MAX;
        Self { head, body: Vec::new(), is_whole }
    }

    /// The header, if it is not too long.
    fn parsed(&self) -> Option<AuthenticatedMessage<'_>> {
        self.is_whole.then(|| AuthenticatedMessage::parse_with_opts(&self.head, None, true)).flatten()
    }

    /// The domains of From, each once, as the DNS has them; `Err` if an address there has none.
    pub(crate) fn author_domains(&self) -> Result<Vec<String>, NoDomain> {
        let fields = message::header::find_all(&self.head, "From");
        let mut domains = Vec::new();
        for address in fields.flat_map(|field| message::address::parse_list(&field.unfolded())) {
            let Some(spec) = address.addr_spec() else { continue };
            let spec = String::from_utf8_lossy(&spec);
            let domain = spec.rsplit_once('@').and_then(|(_, domain)| name_of(domain)).ok_or(NoDomain)?;
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        Ok(domains)
    }

    /// A number below 100 that is the same each time the message comes.
    pub(crate) fn sample(&self) -> u8 {
        // FNV-1a.
        let hash = self
            .head
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3));
        u8::try_from((hash >> 32) % 100).unwrap_or(0)
    }
}

/// Names of fields, in lower case, that each signature of a message covers; none where there is no signature, nor where the header is
/// too long to be looked at. Whether one of them is good is not asked: it covers these at least.
#[must_use]
pub fn signed_fields(content: &[u8]) -> Vec<String> {
    let digests = Digests::header_of(content);
    let Some(message) = digests.parsed() else { return Vec::new() };
    let mut signatures = message.dkim_headers.iter().take(SIGNATURES_MAX).map(|header| &header.header.h);
    let Some(first) = signatures.next() else { return Vec::new() };
    let mut fields: Vec<String> = first.iter().map(|name| name.to_ascii_lowercase()).collect();
    signatures.for_each(|other| fields.retain(|name| other.iter().any(|it| it.eq_ignore_ascii_case(name))));
    fields
}

/// An address of From has no domain that could be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoDomain;

/// Verifies the signatures, and the chain. `dns` and `arc_dns`: a long chain takes nothing from the signatures.
pub(crate) async fn verify(digests: &Digests, dns: &Budget<'_>, arc_dns: &Budget<'_>) -> (Vec<Dkim>, Arc) {
    let none = Arc { result: DkimResult::None, sets: 0, sealer: String::new(), reason: None };
    if !digests.is_whole {
        return (vec![unsigned(DkimResult::Policy, "the header is too long")], none);
    }
    let Some(mut message) = AuthenticatedMessage::parse_with_opts(&digests.head, None, true) else {
        return (Vec::new(), none);
    };
    message.body_hashes.clone_from(&digests.body);
    let mut found = malformed(&message);
    let signatures = std::mem::take(&mut message.dkim_headers);
    let mut keys = Keys::default();
    for header in signatures.into_iter().take(SIGNATURES_MAX) {
        match acceptable(&header.header) {
            Err(reason) => found.push(refused(&header.header, reason)),
            Ok(()) => {
                let signature = &header.header;
                if has_body_hash(&message, (signature.cb, signature.a, signature.l), &signature.bh) {
                    keys.fetch(signature, dns).await;
                }
                message.dkim_headers.push(header);
            }
        }
    }
    // Counted here already.
    message.errors.retain(|error| matches!(error.header, Error::Arc(_)));
    let sets = message.ams_headers.len().max(message.as_headers.len());
    if sets <= ARC_SETS_MAX && !message.has_arc_errors {
        if let Some(last) = message.ams_headers.last() {
            keys.fetch(&last.header, arc_dns).await;
        }
        for seal in &message.as_headers {
            keys.fetch(&seal.header, arc_dns).await;
        }
    }
    let message = message;
    for output in authenticator().verify_dkim(Parameters::new(&message).with_txt_cache(&keys)).await {
        let Some(signature) = output.signature() else { continue };
        let (result, reason) = verified(output.result());
        found.push(Dkim { reason, ..named(result, signature) });
    }
    (found, chain(&message, &keys, sets).await)
}

async fn chain(message: &AuthenticatedMessage<'_>, keys: &Keys, sets: usize) -> Arc {
    let sealer = message.as_headers.last().map(|seal| seal.header.d.as_str()).and_then(name_of).unwrap_or_default();
    let refused =
        |reason: &str| Arc { result: DkimResult::Fail, sets, sealer: sealer.clone(), reason: Some(reason.to_owned()) };
    if sets > ARC_SETS_MAX {
        return refused("the chain is too long");
    }
    // RFC 8301 §3.1 holds here too (RFC 8617 §4.1.3).
    let uses_sha1 = message.as_headers.iter().any(|seal| seal.header.a == Algorithm::RsaSha1)
        || message.ams_headers.iter().any(|signature| signature.header.a == Algorithm::RsaSha1);
    if uses_sha1 {
        return refused("rsa-sha1 counts for nothing");
    }
    if message.ams_headers.iter().any(|signature| signature.header.h.len() > SIGNED_FIELDS_MAX) {
        return refused("too many signed fields");
    }
    // RFC 8617 §4.1.2: it is put on after them.
    let is_seal = |field: &String| field.eq_ignore_ascii_case("ARC-Seal");
    if message.ams_headers.iter().any(|signature| signature.header.h.iter().any(is_seal)) {
        return refused("a signature signs a seal");
    }
    let output = authenticator().verify_arc(Parameters::new(message).with_txt_cache(keys)).await;
    let (result, reason) = verified(output.result());
    let is_there = message.has_arc_errors || sets > 0 || !message.aar_headers.is_empty();
    // RFC 8617 §4.4, §5.2: one that is there holds or has failed, also when the DNS did not answer (§5.2.1).
    let (result, reason) = match result {
        DkimResult::Pass => (DkimResult::Pass, None),
        DkimResult::None if !is_there => (DkimResult::None, None),
        DkimResult::None => (DkimResult::Fail, Some("a set is not complete".to_owned())),
        DkimResult::Fail | DkimResult::Neutral | DkimResult::Policy | DkimResult::PermError | DkimResult::TempError => {
            (DkimResult::Fail, reason)
        }
    };
    Arc { result, sets, sealer, reason }
}

/// Signatures that are none.
fn malformed(message: &AuthenticatedMessage<'_>) -> Vec<Dkim> {
    let is_signature = |name: &[u8]| name.eq_ignore_ascii_case(b"DKIM-Signature");
    let errors = message.errors.iter().filter(|error| is_signature(error.name));
    let errors = errors.take(SIGNATURES_MAX).map(|error| match &error.header {
        // RFC 6376 §8.2: whoever adds to the text keeps such a signature.
        Error::Dkim(mail_auth::dkim::DkimError::SignatureLength) => {
            unsigned(DkimResult::Policy, "l= covers a part only")
        }
        error => unsigned(DkimResult::PermError, &reason_of(error)),
    });
    errors.collect()
}

/// What no key can mend.
fn acceptable(signature: &Signature) -> Result<(), &'static str> {
    if signature.a == Algorithm::RsaSha1 {
        // RFC 8301 §3.1: "rsa-sha1 MUST NOT be used for signing or verifying".
        return Err("rsa-sha1 counts for nothing");
    }
    if signature.h.len() > SIGNED_FIELDS_MAX {
        return Err("too many signed fields");
    }
    // RFC 6376 §6.1.1: "If the "h=" tag does not include the From header field, the Verifier MUST ignore" the signature.
    if !signature.h.iter().any(|name| name.eq_ignore_ascii_case("from")) {
        return Err("From is not signed");
    }
    Ok(())
}

fn has_body_hash(
    message: &AuthenticatedMessage<'_>,
    (canonicalization, algorithm, length): (Canonicalization, Algorithm, u64),
    expected: &[u8],
) -> bool {
    let algorithm = HashAlgorithm::from(algorithm);
    let is_it = |(c, a, l, _): &&(Canonicalization, HashAlgorithm, u64, Vec<u8>)| {
        *c == canonicalization && *a == algorithm && *l == length
    };
    message.body_hashes.iter().find(is_it).is_some_and(|(.., hash)| hash == expected)
}

fn named(result: DkimResult, signature: &Signature) -> Dkim {
    let domain = name_of(&signature.d).unwrap_or_default();
    Dkim { result, domain, selector: signature.s.clone(), start: start(&signature.b), reason: None }
}

fn refused(signature: &Signature, reason: &str) -> Dkim {
    Dkim { reason: Some(reason.to_owned()), ..named(DkimResult::Policy, signature) }
}

fn unsigned(result: DkimResult, reason: &str) -> Dkim {
    let (domain, selector, start) = Default::default();
    Dkim { result, domain, selector, start, reason: Some(reason.to_owned()) }
}

fn verified(result: &Verified) -> (DkimResult, Option<String>) {
    match result {
        Verified::Pass => (DkimResult::Pass, None),
        Verified::None => (DkimResult::None, None),
        Verified::Fail(error) => (DkimResult::Fail, Some(reason_of(error))),
        // RFC 8601 §2.7.1: a body that has changed is a failure; "neutral" is for what cannot be processed.
        Verified::Neutral(error @ Error::Dkim(mail_auth::dkim::DkimError::FailedBodyHashMatch)) => {
            (DkimResult::Fail, Some(reason_of(error)))
        }
        Verified::Neutral(error) => (DkimResult::Neutral, Some(reason_of(error))),
        Verified::PermError(error) => (DkimResult::PermError, Some(reason_of(error))),
        Verified::TempError(error) => (DkimResult::TempError, Some(reason_of(error))),
    }
}

fn reason_of(error: &Error) -> String {
    let mut reason = match error {
        Error::Dns(DnsError::Resolver(_)) => "no answer from the DNS".to_owned(),
        Error::Dns(_) => "no key in the DNS".to_owned(),
        error => error.to_string(),
    };
    reason.retain(|c| c == ' ' || c.is_ascii_graphic());
    reason.truncate(REASON_BYTES_MAX);
    reason
}

/// The first characters of base64.
fn start(signature: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = signature.get(..6).unwrap_or_default().chunks_exact(3);
    let characters = groups.flat_map(|group| {
        let bits = group.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet));
        [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift & 0x3f) as usize]))
    });
    characters.collect()
}

/// Keys that were fetched, under the names that `mail-auth` looks for.
#[derive(Default)]
struct Keys(HashMap<Box<str>, Txt>);

impl Keys {
    async fn fetch(&mut self, signature: &impl VerifySignature, dns: &Budget<'_>) {
        let name: Box<str> = signature.domain_key().to_fqdn().into();
        if self.0.contains_key(&name) {
            return;
        }
        let key = match dns.txt(&name).await {
            Ok(texts) => key_of(&texts),
            Err(Failed::NoName | Failed::NoData) => Err(Error::Dns(DnsError::InvalidRecordType)),
            Err(Failed::Trouble) => Err(Error::Dns(DnsError::Resolver(String::new()))),
        };
        self.0.insert(name, key.into());
    }
}

/// The first key that can be read (RFC 6376 §6.1.2: "either … choose one … or" all in turn).
fn key_of(texts: &[Vec<u8>]) -> Result<DomainKey, Error> {
    let mut key = Err(Error::Dns(DnsError::InvalidRecordType));
    for text in texts {
        key = DomainKey::parse(text);
        if key.is_ok() {
            break;
        }
    }
    let key = key?;
    if key.p.public_key_bits() < RSA_BITS_MIN {
        return Err(Error::Io("the key is shorter than 1024 bits".into()));
    }
    Ok(key)
}

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(name).cloned()
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

#[cfg(test)]
mod tests;
