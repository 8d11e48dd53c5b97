//! What a receiver finds out about a message, for tests: the records are given, and no DNS is asked.

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{AuthenticatedMessage, DkimResult, Error, MX, MessageAuthenticator, Parameters, RecordSet};
use mail_auth::{ResolverCache, Txt};
use std::borrow::Borrow;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

/// All records that there are.
struct Records<'a>(&'a [(String, String)]);

impl ResolverCache<Box<str>, Txt> for Records<'_> {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.0.iter().find(|(known, _)| Borrow::<Q>::borrow(&Box::<str>::from(known.as_str())) == name);
        Some(match found.map(|(_, record)| DomainKey::parse(record.as_bytes())) {
            Some(Ok(key)) => Txt::DomainKey(Arc::new(key)),
            Some(Err(error)) => Txt::Error(error),
            None => Txt::Error(Error::NoHeadersFound),
        })
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

/// A cache that nobody asks.
struct Nothing;

macro_rules! nothing {
    ($key:ty, $value:ty) => {
        impl ResolverCache<$key, $value> for Nothing {
            fn get<Q>(&self, _: &Q) -> Option<$value>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }

            fn remove<Q>(&self, _: &Q) -> Option<$value>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }

            fn insert(&self, _: $key, _: $value, _: Instant) {}
        }
    };
}

nothing!(Box<str>, RecordSet<MX>);
nothing!(Box<str>, RecordSet<Ipv4Addr>);
nothing!(Box<str>, RecordSet<Ipv6Addr>);
nothing!(IpAddr, RecordSet<Box<str>>);

/// The signatures of a message, from the top: domain, selector, and whether each is good. `records`: the names of TXT records
/// without their last dot, and their texts.
///
/// # Panics
/// The message cannot be read.
#[must_use]
#[allow(clippy::unwrap_used)]
pub fn verify(message: &[u8], records: &[(String, String)]) -> Vec<(String, String, bool)> {
    let (resolver, parsed, records) = read(message, records);
    let records = Records(&records);
    let results = futures::executor::block_on(resolver.verify_dkim(parameters(&parsed, &records)));
    let line = |result: &mail_auth::DkimOutput<'_>| {
        let signature = result.signature()?;
        Some((signature.d.clone(), signature.s.clone(), result.result() == &DkimResult::Pass))
    };
    results.iter().filter_map(line).collect()
}

/// Whether the chain of those who passed a message on holds; `None` if there is none. `records` as for [`verify`].
///
/// # Panics
/// The message cannot be read.
#[must_use]
pub fn chain_holds(message: &[u8], records: &[(String, String)]) -> Option<bool> {
    let (resolver, parsed, records) = read(message, records);
    let records = Records(&records);
    let output = futures::executor::block_on(resolver.verify_arc(parameters(&parsed, &records)));
    match output.result() {
        DkimResult::None => None,
        result => Some(result == &DkimResult::Pass),
    }
}

#[allow(clippy::unwrap_used)]
fn read<'x>(
    message: &'x [u8],
    records: &[(String, String)],
) -> (MessageAuthenticator, AuthenticatedMessage<'x>, Vec<(String, String)>) {
    let resolver = MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default()).unwrap();
    let records = records.iter().map(|(name, text)| (format!("{}.", name.to_lowercase()), text.clone())).collect();
    (resolver, AuthenticatedMessage::parse(message).unwrap(), records)
}

type Given<'x> = Parameters<'x, &'x AuthenticatedMessage<'x>, Records<'x>, Nothing, Nothing, Nothing, Nothing>;

fn parameters<'x>(parsed: &'x AuthenticatedMessage<'x>, records: &'x Records<'x>) -> Given<'x> {
    Parameters {
        params: parsed,
        cache_txt: Some(records),
        cache_mx: Some(&Nothing),
        cache_ptr: Some(&Nothing),
        cache_ipv4: Some(&Nothing),
        cache_ipv6: Some(&Nothing),
    }
}
