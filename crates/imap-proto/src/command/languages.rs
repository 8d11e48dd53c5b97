//! LANGUAGE (RFC 5255 §3.2) and COMPARATOR (§4.7): names in the order in which the client likes them, or none, which asks.

use crate::cursor::{Cursor, Parse};
use crate::malformed::Reason;

/// What stands behind the command; what is no text is no language and no comparator.
pub(super) fn parse_names(cursor: &mut Cursor<'_>) -> Parse<Vec<String>> {
    let mut names = Vec::new();
    while cursor.more() {
        if names.len() >= cursor.limits.items_max {
            return Err(Reason::TooMany);
        }
        names.push(cursor.astring_utf8("a name")?);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::command::tests::{check, refuse_one};
    use crate::malformed::Reason;

    #[test]
    fn names() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        check("LANGUAGE", Command::Language(names(&[])));
        check("language de-IT \"default\"", Command::Language(names(&["de-IT", "default"])));
        check("COMPARATOR \"cz;*\" i;basic", Command::Comparator(names(&["cz;*", "i;basic"])));
        check("COMPARATOR", Command::Comparator(names(&[])));
        refuse_one("LANGUAGE (de)", Reason::Expected("a name"));
        refuse_one(&format!("COMPARATOR{}", " a".repeat(2001)), Reason::TooMany);
    }
}
