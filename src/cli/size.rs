//! Sizes as people write them on a command line.

/// How many octets a mailbox may hold; `None`: as many as there is disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota(pub(super) Option<u64>);

/// As [`console::parse_quota`]: a field that is an `Option` would be one that can be left out.
pub(super) fn parse_quota(text: &str) -> Result<Quota, String> {
    console::parse_quota(text).map(Quota)
}
