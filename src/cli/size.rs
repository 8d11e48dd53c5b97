//! Sizes as people write them on a command line.

/// How many octets a mailbox may hold; `None`: as many as there is disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota(pub(super) Option<u64>);

/// As [`console::parse_quota`]: a field that is an `Option` would be one that can be left out.
pub(super) fn parse_quota(text: &str) -> Result<Quota, String> {
    console::parse_quota(text).map(Quota)
}

/// Octets a second: `20M` (10^6), `512K`, or with the units of sizes.
pub(super) fn parse_rate(text: &str) -> Result<u64, String> {
    let wrong = || "write it as 20M or 512K, octets a second; 64K at least".to_owned();
    let is_short = text.ends_with(['k', 'K', 'm', 'M', 'g', 'G']);
    let rate = console::parse_quota(&if is_short { format!("{text}b") } else { text.to_owned() }).ok().flatten();
    rate.filter(|rate| *rate >= backup::RATE_MIN).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_short() {
        let rates =
            [("20M", 20_000_000), ("512K", 512_000), ("1g", 1_000_000_000), ("20MiB", 20 << 20), ("64K", 64_000)];
        for (text, expected) in rates {
            assert_eq!(parse_rate(text), Ok(expected), "{text}");
        }
        for wrong in ["", "M", "none", "0", "63999", "-1M", "20 m/s"] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }
}
