//! `MAIL FROM:` (RFC 5321 §4.1.1.2) with SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), AUTH (RFC 4954 §5),
//! RET and ENVID (RFC 3461), BY (RFC 2852), REQUIRETLS (RFC 8689), HOLDFOR and HOLDUNTIL (RFC 4865).

use super::after_keyword;
use crate::parameters::{decode_xtext, number, parameters};
use crate::path::parse_reverse;
use crate::{DeliverBy, Hold, MailReports, ReversePath, SyntaxError};

/// What BODY declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// `7BIT`.
    SevenBit,
    /// `8BITMIME`.
    EightBitMime,
}

/// The beginning of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Where bounces go.
    pub reverse_path: ReversePath,
    /// SIZE: how many octets the client thinks it will send.
    pub size: Option<u64>,
    /// BODY. Content is taken as eight-bit whatever this says.
    pub body: Option<BodyType>,
    /// SMTPUTF8: addresses and header fields may be UTF-8.
    pub smtputf8: bool,
    /// AUTH, decoded: who submitted the message first, `<>` if not known. RFC 4954 §5: to be ignored from clients not trusted.
    pub auth: Option<String>,
    /// RET and ENVID.
    pub reports: MailReports,
    /// BY (RFC 2852).
    pub deliver_by: Option<DeliverBy>,
    /// HOLDFOR or HOLDUNTIL (RFC 4865).
    pub hold: Option<Hold>,
    /// REQUIRETLS (RFC 8689): it goes on protected, or not at all.
    pub requires_tls: bool,
}

pub(super) fn parse(rest: &str) -> Result<Mail, SyntaxError> {
    let (reverse_path, rest) = parse_reverse(after_keyword(rest, "FROM:")?).map_err(SyntaxError::SenderPath)?;
    let (mut size, mut body, mut smtputf8, mut auth) = (None, None, None, None);
    let (mut reports, mut deliver_by, mut hold, mut requires_tls) = (MailReports::default(), None, None, None);
    for parameter in parameters(rest) {
        match parameter.keyword().as_str() {
            "SIZE" => {
                let octets = number(parameter.value()?).ok_or_else(|| parameter.malformed())?;
                parameter.set(&mut size, octets)?;
            }
            "BODY" => parameter.set(&mut body, body_type(parameter.value()?)?)?,
            "SMTPUTF8" => {
                parameter.no_value()?;
                parameter.set(&mut smtputf8, ())?;
            }
            "AUTH" => {
                let identity = decode_xtext(parameter.value()?).ok_or_else(|| parameter.malformed())?;
                parameter.set(&mut auth, identity)?;
            }
            "REQUIRETLS" => {
                parameter.no_value()?;
                parameter.set(&mut requires_tls, ())?;
            }
            "BY" => {
                let by = parameter.value()?.parse().map_err(|_| parameter.malformed())?;
                parameter.set(&mut deliver_by, by)?;
            }
            // RFC 4865 §4.2: one of both, and once.
            "HOLDFOR" => {
                let interval = Hold::interval(parameter.value()?).map_err(|_| parameter.malformed())?;
                parameter.set(&mut hold, interval)?;
            }
            "HOLDUNTIL" => {
                let moment = Hold::moment(parameter.value()?).map_err(|_| parameter.malformed())?;
                parameter.set(&mut hold, moment)?;
            }
            _ if reports.take(&parameter)? => {}
            _ => return Err(parameter.unknown()),
        }
    }
    let smtputf8 = smtputf8.is_some();
    // RFC 6531 §3.2: without the parameter an address is ASCII.
    if !smtputf8 && reverse_path.mailbox().is_some_and(|mailbox| !mailbox.is_ascii()) {
        return Err(SyntaxError::NeedsSmtpUtf8);
    }
    let requires_tls = requires_tls.is_some();
    Ok(Mail { reverse_path, size, body, smtputf8, auth, reports, deliver_by, hold, requires_tls })
}

fn body_type(value: &str) -> Result<BodyType, SyntaxError> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Ok(BodyType::SevenBit),
        "8BITMIME" => Ok(BodyType::EightBitMime),
        // RFC 3030 §3: BINARYMIME is not announced.
        _ => Err(SyntaxError::UnknownBodyType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsn::ENVELOPE_ID_OCTETS_MAX;
    use crate::{PathError, Return};

    fn check(rest: &str, expected: Result<Mail, SyntaxError>) {
        assert_eq!(parse(rest), expected, "{rest}");
    }

    fn from_a() -> Mail {
        let reverse_path = ReversePath::Mailbox("a@b".parse().unwrap());
        Mail {
            reverse_path,
            size: None,
            body: None,
            smtputf8: false,
            auth: None,
            reports: MailReports::default(),
            deliver_by: None,
            hold: None,
            requires_tls: false,
        }
    }

    #[test]
    fn parameters_are_read() {
        check("FROM:<a@b>", Ok(from_a()));
        check("from: <a@b>", Ok(from_a()));
        check("FROM:<a@b> requiretls", Ok(Mail { requires_tls: true, ..from_a() }));
        check("FROM:<>", Ok(Mail { reverse_path: ReversePath::Null, ..from_a() }));
        check(
            "FROM:<a@b>  size=12 body=8bitmime SMTPUTF8 AUTH=e+3D@x",
            Ok(Mail {
                size: Some(12),
                body: Some(BodyType::EightBitMime),
                smtputf8: true,
                auth: Some("e=@x".into()),
                ..from_a()
            }),
        );
        check(
            "FROM:<a@b> BODY=7BIT AUTH=<>",
            Ok(Mail { body: Some(BodyType::SevenBit), auth: Some("<>".into()), ..from_a() }),
        );
    }

    #[test]
    fn what_reports_are_to_have_is_read() {
        let asks = |ret, id: Option<&str>| {
            let reports = MailReports { ret, envelope_id: id.map(str::to_owned) };
            Ok(Mail { reports, ..from_a() })
        };
        check("FROM:<a@b> RET=HDRS", asks(Some(Return::Header), None));
        check("FROM:<a@b> ret=full ENVID=QQ+2B314159", asks(Some(Return::Full), Some("QQ+314159")));
        let longest = "x".repeat(ENVELOPE_ID_OCTETS_MAX);
        check(&format!("FROM:<a@b> ENVID={longest}"), asks(None, Some(&longest)));
        let malformed = |keyword: &str| Err(SyntaxError::MalformedParameter(keyword.into()));
        for wrong in [&format!("{longest}x"), "a+0D+0Ab", "+ZZ", "+C3+A4", ""] {
            check(&format!("FROM:<a@b> ENVID={wrong}"), malformed("ENVID"));
        }
        check("FROM:<a@b> RET=ALL", malformed("RET"));
        check("FROM:<a@b> RET=FULL RET=FULL", malformed("RET"));
    }

    #[test]
    fn a_message_is_held_for_one_time() {
        check("FROM:<a@b> HOLDFOR=3600", Ok(Mail { hold: Some(Hold::For(3600)), ..from_a() }));
        let until = Ok(Mail { hold: Some(Hold::Until(1_790_000_000_000)), ..from_a() });
        check("FROM:<a@b> holduntil=2026-09-21T14:13:20Z", until);
        let malformed = |keyword: &str| Err(SyntaxError::MalformedParameter(keyword.into()));
        check("FROM:<a@b> HOLDFOR=0", malformed("HOLDFOR"));
        check("FROM:<a@b> HOLDUNTIL=tomorrow", malformed("HOLDUNTIL"));
        check("FROM:<a@b> HOLDFOR=1 HOLDUNTIL=2026-09-21T14:13:20Z", malformed("HOLDUNTIL"));
        check("FROM:<a@b> HOLDFOR=1 HOLDFOR=1", malformed("HOLDFOR"));
    }

    #[test]
    fn what_is_malformed_is_told_from_what_is_unknown() {
        let malformed = |keyword: &str| Err(SyntaxError::MalformedParameter(keyword.into()));
        check("", Err(SyntaxError::MissingArgument));
        check("TO:<a@b>", Err(SyntaxError::MissingArgument));
        check("FROM:<a@b", Err(SyntaxError::SenderPath(PathError::Brackets)));
        check("FROM:<a@b> SIZE", malformed("SIZE"));
        check("FROM:<a@b> SIZE=", malformed("SIZE"));
        check("FROM:<a@b> SIZE=1 SIZE=1", malformed("SIZE"));
        check("FROM:<a@b> SMTPUTF8=1", malformed("SMTPUTF8"));
        check("FROM:<a@b> REQUIRETLS=1", malformed("REQUIRETLS"));
        check("FROM:<a@b> AUTH=+", malformed("AUTH"));
        check("FROM:<a@b> ?=x", malformed("?"));
        check("FROM:<a@b> BODY=BINARYMIME", Err(SyntaxError::UnknownBodyType));
        check("FROM:<a@b> BY=0;R", malformed("BY"));
        check("FROM:<a@b> BY=1;R BY=1;R", malformed("BY"));
        check("FROM:<a@b> MT-PRIORITY=3", Err(SyntaxError::UnknownParameter("MT-PRIORITY".into())));
        check("FROM:<ä@b>", Err(SyntaxError::NeedsSmtpUtf8));
        check("FROM:<a@ä> SIZE=1", Err(SyntaxError::NeedsSmtpUtf8));
        assert!(parse("FROM:<ä@ä> SMTPUTF8").is_ok());
    }
}
