//! By when a message is to be delivered (RFC 2852): `BY=120;R`.

use crate::dsn::Malformed;
use std::fmt;
use std::str::FromStr;

/// A time, and what happens when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliverBy {
    /// Seconds from now; negative where it is over.
    pub seconds: i64,
    /// `R`: it comes back then. Else, `N`, its sender is told, and it is tried on.
    pub returns: bool,
    /// `T`: whoever hands it on tells the sender so.
    pub trace: bool,
}

impl FromStr for DeliverBy {
    type Err = Malformed;

    /// RFC 2852 §4: `by-value = by-time ";" by-mode [by-trace]`, the time with at most nine digits.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (time, mode) = text.split_once(';').ok_or(Malformed)?;
        let digits = time.strip_prefix(['-', '+']).unwrap_or(time);
        if !(1..=9).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(Malformed);
        }
        let seconds: i64 = time.parse().map_err(|_| Malformed)?;
        let (returns, trace) = match mode.to_ascii_uppercase().as_str() {
            "N" => (false, false),
            "NT" => (false, true),
            "R" => (true, false),
            "RT" => (true, true),
            _ => return Err(Malformed),
        };
        // RFC 2852 §4: what is to come back must have some time.
        if returns && seconds <= 0 {
            return Err(Malformed);
        }
        Ok(Self { seconds, returns, trace })
    }
}

impl fmt::Display for DeliverBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nine digits at most.
        let seconds = self.seconds.clamp(-999_999_999, 999_999_999);
        let (mode, trace) = (if self.returns { "R" } else { "N" }, if self.trace { "T" } else { "" });
        write!(f, "{seconds};{mode}{trace}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(text.parse::<DeliverBy>().ok().map(|by| by.to_string()).as_deref(), expected, "{text}");
        };
        check("120;R", Some("120;R"));
        check("+999999999;nt", Some("999999999;NT"));
        check("-10;N", Some("-10;N"));
        check("0;N", Some("0;N"));
        check("1;RT", Some("1;RT"));
        for wrong in ["", "1", "1;", ";R", "0;R", "-1;R", "1;X", "1;RR", "1000000000;R", "--1;N", "1.5;R", "+;N"] {
            check(wrong, None);
        }
    }
}
