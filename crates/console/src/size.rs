//! Sizes as people write them.

use wording::tr;

/// How many octets a mailbox may hold: `5GB` (10^9), `500 MiB` (2^20), a number, or `none` for as many as there is disk.
///
/// # Errors
/// How it is written.
pub fn parse_quota(text: &str) -> Result<Option<u64>, String> {
    const UNITS: [(&str, u64); 9] = [
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
        ("b", 1),
    ];
    let lower = text.trim().to_ascii_lowercase();
    if lower == "none" {
        return Ok(None);
    }
    let unit = UNITS.iter().find_map(|(name, size)| Some((lower.strip_suffix(name)?, *size)));
    let (number, size) = unit.unwrap_or((&lower, 1));
    let number: Option<u64> = number.trim_end().parse().ok().filter(|_| !number.starts_with('+'));
    let bytes = number.and_then(|number| number.checked_mul(size));
    bytes.map(Some).ok_or_else(|| tr!("write it as 5GB, 500MiB or none").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("none", Ok(None)),
            ("0", Ok(Some(0))),
            ("5GB", Ok(Some(5_000_000_000))),
            ("500 MiB", Ok(Some(500 << 20))),
            ("12b", Ok(Some(12))),
            ("1tib", Ok(Some(1 << 40))),
            ("", Err(())),
            ("GB", Err(())),
            ("-1GB", Err(())),
            ("+1GB", Err(())),
            ("1.5GB", Err(())),
            ("99999999999999999999", Err(())),
            ("18446744073709551615KB", Err(())),
        ] {
            assert_eq!(parse_quota(text).map_err(drop), bytes, "{text:?}");
        }
    }
}
