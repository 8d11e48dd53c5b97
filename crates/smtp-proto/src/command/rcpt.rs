//! `RCPT TO:` (RFC 5321 §4.1.1.3) with NOTIFY and ORCPT (RFC 3461).

use super::after_keyword;
use crate::parameters::parameters;
use crate::path::parse_forward;
use crate::{ForwardPath, RcptReports, SyntaxError};

/// One more recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    /// Who. A path beyond ASCII may come only after MAIL with SMTPUTF8: the session answers
    /// [`SyntaxError::NeedsSmtpUtf8`] otherwise.
    pub forward_path: ForwardPath,
    /// NOTIFY and ORCPT.
    pub reports: RcptReports,
}

impl From<ForwardPath> for Rcpt {
    /// Without any parameter.
    fn from(forward_path: ForwardPath) -> Self {
        Self { forward_path, reports: RcptReports::default() }
    }
}

pub(super) fn parse(rest: &str) -> Result<Rcpt, SyntaxError> {
    let (forward_path, rest) = parse_forward(after_keyword(rest, "TO:")?).map_err(SyntaxError::RecipientPath)?;
    let mut reports = RcptReports::default();
    for parameter in parameters(rest) {
        if !reports.take(&parameter)? {
            return Err(parameter.unknown());
        }
    }
    Ok(Rcpt { forward_path, reports })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsn::ORIGINAL_RECIPIENT_OCTETS_MAX;
    use crate::{Notify, PathError};

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
        check("TO:<a@b> RRVS=x", Err(SyntaxError::UnknownParameter("RRVS".into())));
    }

    #[test]
    fn what_reports_are_wanted_is_read() {
        let rcpt = parse("TO:<a@b> NOTIFY=SUCCESS,DELAY orcpt=rfc822;c+2Bd@e").unwrap();
        assert_eq!(rcpt.reports.notify, Some(Notify { success: true, failure: false, delay: true }));
        assert_eq!(rcpt.reports.original.unwrap().address(), "c+d@e");
        let longest = format!("rfc822;{}", "x".repeat(ORIGINAL_RECIPIENT_OCTETS_MAX - 7));
        assert!(parse(&format!("TO:<a@b> ORCPT={longest}")).is_ok());
        let malformed = |keyword: &str| Err(SyntaxError::MalformedParameter(keyword.into()));
        check(&format!("TO:<a@b> ORCPT={longest}x"), malformed("ORCPT"));
        check("TO:<a@b> NOTIFY=NEVER,SUCCESS", malformed("NOTIFY"));
        check("TO:<a@b> NOTIFY=NEVER NOTIFY=NEVER", malformed("NOTIFY"));
        check("TO:<a@b> ORCPT=a@b", malformed("ORCPT"));
    }
}
