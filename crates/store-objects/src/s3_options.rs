//! Where a bucket is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a bucket is, and who may use it. It is read from `s3://KEY:SECRET@host:port/bucket/prefix?region=…&tls=off`, the keys as
/// they were given: nothing in them is escaped.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Options {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    host: String,
    pub(crate) bucket: String,
    /// The part of the bucket that is used; empty: all.
    pub(crate) prefix: String,
    pub(crate) region: String,
    pub(crate) tls: bool,
    /// A PEM file with the authorities that vouch for the server; without it those of the system.
    pub authority: Option<PathBuf>,
}

/// The text does not say where a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoBucket;

impl fmt::Display for NoBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not like s3://KEY:SECRET@s3.eu-central-1.amazonaws.com/bucket?region=eu-central-1")
    }
}

impl S3Options {
    /// For people, and to know it again: without the keys.
    #[must_use]
    pub fn place(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}/{}{slash}{}", self.host, self.bucket, self.prefix)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.host)
    }
}

/// Without the secret.
impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Options").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl FromStr for S3Options {
    type Err = NoBucket;

    fn from_str(text: &str) -> Result<Self, NoBucket> {
        let (keys, place) = text.strip_prefix("s3://").and_then(|rest| rest.rsplit_once('@')).ok_or(NoBucket)?;
        let (access_key, secret_key) = keys.split_once(':').ok_or(NoBucket)?;
        let (place, options) = place.split_once('?').unwrap_or((place, ""));
        let (host, path) = place.split_once('/').ok_or(NoBucket)?;
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let plain = |part: &str| {
            part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) && part != ".."
        };
        let is_prefix = prefix.is_empty() || prefix.split('/').all(|part| !part.is_empty() && plain(part));
        if host.is_empty() || bucket.is_empty() || access_key.is_empty() || !plain(bucket) || !is_prefix {
            return Err(NoBucket);
        }
        let (mut region, mut tls) = ("us-east-1", true);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("region", name)) if plain(name) && !name.is_empty() => region = name,
                Some(("tls", "off")) => tls = false,
                Some(("tls", "on")) => tls = true,
                _ => return Err(NoBucket),
            }
        }
        let [access_key, secret_key, host, bucket, prefix, region] =
            [access_key, secret_key, host, bucket, prefix, region].map(str::to_owned);
        Ok(Self { access_key, secret_key, host, bucket, prefix, region, tls, authority: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_bucket_is() {
        let read = |text: &str| text.parse::<S3Options>();
        let aws = read("s3://AKIA:a/b+c=@s3.eu-central-1.amazonaws.com/mail/node?region=eu-central-1").unwrap();
        assert_eq!((&aws.access_key[..], &aws.secret_key[..]), ("AKIA", "a/b+c="));
        assert_eq!(aws.place(), "s3://s3.eu-central-1.amazonaws.com/mail/node");
        assert_eq!((aws.endpoint(), &aws.region[..]), ("https://s3.eu-central-1.amazonaws.com".into(), "eu-central-1"));
        assert!(!format!("{aws:?}").contains("a/b"), "{aws:?}");
        let near = read("s3://k:s@127.0.0.1:9000/mail?tls=off").unwrap();
        assert_eq!(
            (near.endpoint(), near.place()),
            ("http://127.0.0.1:9000".into(), "s3://127.0.0.1:9000/mail".into())
        );
        for wrong in [
            "",
            "https://k:s@host/mail",
            "s3://host/mail",
            "s3://k@host/mail",
            "s3://k:s@host",
            "s3://k:s@/mail",
            "s3://k:s@host/",
            "s3://k:s@host/mail//a",
            "s3://k:s@host/mail/../a",
            "s3://k:s@host/mail?region=",
            "s3://k:s@host/mail?tls=maybe",
        ] {
            assert_eq!(read(wrong), Err(NoBucket), "{wrong}");
        }
    }
}
