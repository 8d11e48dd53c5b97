//! `BDAT` (RFC 3030 §2).

use crate::SyntaxError;
use crate::parameters::number;

/// A chunk is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bdat {
    /// How many octets follow the CRLF.
    pub size: u64,
    /// Whether the message is complete with them.
    pub last: bool,
}

pub(super) fn parse(rest: &str) -> Result<Bdat, SyntaxError> {
    let (size, last) = rest.split_once(' ').unwrap_or((rest, ""));
    let last = match last.trim_start_matches(' ') {
        "" => false,
        last if last.eq_ignore_ascii_case("LAST") => true,
        _ => return Err(SyntaxError::BadChunkSize),
    };
    let size = number(size).ok_or(SyntaxError::BadChunkSize)?;
    Ok(Bdat { size, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let check = |rest, expected: Option<(u64, bool)>| {
            let expected = expected.map(|(size, last)| Bdat { size, last }).ok_or(SyntaxError::BadChunkSize);
            assert_eq!(parse(rest), expected, "{rest}");
        };
        check("0", Some((0, false)));
        check("86 LAST", Some((86, true)));
        check("86  last", Some((86, true)));
        check("", None);
        check("-1", None);
        check("1 2", None);
        check("LAST", None);
    }
}
