//! COMPRESS (RFC 4978 §3).

use super::Command;
use crate::cursor::{Cursor, Parse};
use crate::malformed::Reason;

/// DEFLATE is the only mechanism that there is.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Command> {
    match cursor.keyword("a compression mechanism")?.as_str() {
        "DEFLATE" => Ok(Command::Compress),
        _ => Err(Reason::Unknown("compression mechanism")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::tests::{check, refuse_one};

    #[test]
    fn one_mechanism() {
        check("compress deflate", Command::Compress);
        refuse_one("COMPRESS LZ77", Reason::Unknown("compression mechanism"));
        refuse_one("COMPRESS DEFLATE x", Reason::Trailing);
    }
}
