//! CANCELUPDATE (RFC 5267 §4.3.5).

use crate::cursor::{Cursor, Parse};
use crate::malformed::Reason;
use crate::tag::Tag;

/// The tags of the searches that are not to be kept up to date any more; at least one.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Vec<Tag>> {
    let mut tags = vec![tag(cursor)?];
    while cursor.more() {
        if tags.len() >= cursor.limits.items_max {
            return Err(Reason::TooMany);
        }
        tags.push(tag(cursor)?);
    }
    Ok(tags)
}

fn tag(cursor: &mut Cursor<'_>) -> Parse<Tag> {
    Tag::from_bytes(&cursor.string()?).ok_or(Reason::Expected("a tag"))
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::command::tests::{check, refuse_one};
    use crate::malformed::Reason;
    use crate::tag::Tag;

    #[test]
    fn tags() {
        let tags = |tags: &[&str]| Command::CancelUpdate(tags.iter().map(|tag| Tag::new(tag).unwrap()).collect());
        check("CANCELUPDATE \"B01\"", tags(&["B01"]));
        check("cancelupdate \"a\" \"b\"", tags(&["a", "b"]));
        refuse_one("CANCELUPDATE a", Reason::Expected("a quoted string"));
        refuse_one("CANCELUPDATE \"a b\"", Reason::Expected("a tag"));
        refuse_one("CANCELUPDATE", Reason::Expected("a space"));
    }
}
