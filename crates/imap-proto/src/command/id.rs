//! ID (RFC 2971).

use crate::cursor::{Cursor, Parse};

/// One field of ID: its name as sent and its value, `None` for `NIL`.
pub type IdField = (String, Option<String>);

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Vec<IdField>> {
    if cursor.eat_word("NIL") {
        return Ok(Vec::new());
    }
    cursor.list(|cursor| {
        let name = cursor.string_utf8()?;
        cursor.space()?;
        Ok((name, cursor.nstring_utf8()?))
    })
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::command::tests::{check, refuse_one};
    use crate::malformed::Reason;

    #[test]
    fn id() {
        check("ID NIL", Command::Id(vec![]));
        check("id ()", Command::Id(vec![]));
        check(
            "ID (\"name\" \"K-9 Mail\" \"version\" NIL)",
            Command::Id(vec![("name".into(), Some("K-9 Mail".into())), ("version".into(), None)]),
        );
        refuse_one("ID (\"name\")", Reason::Expected("a space"));
        refuse_one("ID", Reason::Expected("a space"));
    }
}
