//! `RCPT TO:` (RFC 5321 §4.1.1.3). No announced extension has a parameter here.

use super::after_keyword;
use crate::parameters::parameters;
use crate::path::parse_forward;
use crate::{ForwardPath, SyntaxError};

/// One more recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    /// Who. A path beyond ASCII may come only after MAIL with SMTPUTF8: the session answers
    /// [`SyntaxError::NeedsSmtpUtf8`] otherwise.
    pub forward_path: ForwardPath,
}

pub(super) fn parse(rest: &str) -> Result<Rcpt, SyntaxError> {
    let (forward_path, rest) = parse_forward(after_keyword(rest, "TO:")?).map_err(SyntaxError::RecipientPath)?;
    match parameters(rest).next() {
        Some(parameter) => Err(parameter.unknown()),
        None => Ok(Rcpt { forward_path }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PathError;

    fn check(rest: &str, expected: Result<&str, SyntaxError>) {
        assert_eq!(parse(rest).map(|rcpt| rcpt.forward_path.to_string()), expected.map(str::to_owned), "{rest}");
    }

    #[test]
    fn recipients_are_read() {
        check("TO:<a@B>", Ok("<a@b>"));
        check("to: a@b", Ok("<a@b>"));
        check("TO:<Postmaster>", Ok("<postmaster>"));
        check("TO:<a@ä>", Ok("<a@ä>"));
        check("TO:<>", Err(SyntaxError::RecipientPath(PathError::LocalPart)));
        check("FROM:<a@b>", Err(SyntaxError::MissingArgument));
        check("TO:<a@b> NOTIFY=NEVER", Err(SyntaxError::UnknownParameter("NOTIFY".into())));
    }
}
