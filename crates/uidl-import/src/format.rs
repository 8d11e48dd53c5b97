//! How a server makes a UIDL of numbers: Dovecot's `pop3_uidl_format`, which can say what Cyrus does too.

use std::fmt;
use std::str::FromStr;

/// `%` then `0` and a width, `X` for hexadecimal, and `u` (UID), `v` (UIDVALIDITY) or `f` (the file's name).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Number { which: Number, width: usize, hex: bool },
    File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Uid,
    UidValidity,
}

/// A number is written with at most so many digits.
const WIDTH_MAX: usize = 20;

/// Not a format that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFormat;

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a format is like %08Xu%08Xv: %u is the UID, %v the UIDVALIDITY, %f the name of the file")
    }
}

impl std::error::Error for UnknownFormat {}

impl Format {
    /// What Dovecot does unless it is told otherwise.
    #[must_use]
    pub fn dovecot() -> Self {
        let number = |which| Piece::Number { which, width: 8, hex: true };
        Self(vec![number(Number::Uid), number(Number::UidValidity)])
    }

    /// What Cyrus does unless it is told otherwise (`uidl_format: cyrus`): `%v.%u`.
    #[must_use]
    pub fn cyrus() -> Self {
        let number = |which| Piece::Number { which, width: 0, hex: false };
        Self(vec![number(Number::UidValidity), Piece::Text(".".to_owned()), number(Number::Uid)])
    }

    /// The UIDL of a message.
    #[must_use]
    pub fn uidl(&self, uid: u32, uid_validity: u32, file: &str) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::File => file.to_owned(),
            Piece::Number { which, width, hex } => {
                let number = match which {
                    Number::Uid => uid,
                    Number::UidValidity => uid_validity,
                };
                if *hex { format!("{number:0width$x}") } else { format!("{number:0width$}") }
            }
        };
        self.0.iter().map(piece).collect()
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (width, after) = after.split_at(digits);
            let width = if width.is_empty() { Ok(0) } else { width.parse() };
            let width = width.ok().filter(|width| *width <= WIDTH_MAX).ok_or(UnknownFormat)?;
            let (hex, after) = after.strip_prefix('X').map_or((false, after), |after| (true, after));
            let mut letters = after.chars();
            pieces.push(match letters.next() {
                Some('u') => Piece::Number { which: Number::Uid, width, hex },
                Some('v') => Piece::Number { which: Number::UidValidity, width, hex },
                Some('f') if digits == 0 && !hex => Piece::File,
                Some(_) | None => return Err(UnknownFormat),
            });
            rest = letters.as_str();
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        // Without a number or a name all messages would have one UIDL.
        let tells_apart = |piece: &Piece| matches!(piece, Piece::File | Piece::Number { which: Number::Uid, .. });
        if pieces.iter().any(tells_apart) { Ok(Self(pieces)) } else { Err(UnknownFormat) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_make_what_servers_say() {
        for (format, expected) in [
            ("%08Xu%08Xv", "000000ff4bd3ea2e"),
            ("%v.%u", "1272179246.255"),
            ("%u", "255"),
            ("UID%u-%v", "UID255-1272179246"),
            ("%Xv%Xu!", "4bd3ea2eff!"),
            ("%f", "1.host"),
            ("%020u", "00000000000000000255"),
        ] {
            let format: Format = format.parse().unwrap();
            assert_eq!(format.uidl(255, 0x4bd3_ea2e, "1.host"), expected);
        }
        assert_eq!("%08Xu%08Xv".parse(), Ok(Format::dovecot()));
        assert_eq!("%v.%u".parse(), Ok(Format::cyrus()));
        for wrong in ["", "x", "%", "%v", "%m", "%21u", "%99999999999999999999u", "%8f", "%Xf", "%ü", "%u%"] {
            assert_eq!(wrong.parse::<Format>(), Err(UnknownFormat), "{wrong}");
        }
    }
}
