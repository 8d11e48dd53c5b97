//! Microsoft's Autodiscover for programs that are no Exchange: the "plain old XML" document with IMAP, POP3 and SMTP
//! ([MS-OXDSCLI] §2.2.4), and the JSON document that leads there. Both give back the address that was asked with, whether
//! it exists or not.

use super::offered::{Offered, OfferedService, Protocol, Security};
use super::xml::escaped;
use serde_json::{Value, json};

/// Its media type.
pub(crate) const MEDIA_TYPE: &str = "application/xml; charset=utf-8";
/// RFC 5321 §4.5.3.1.3: a longer address is none.
const ADDRESS_BYTES_MAX: usize = 254;
/// The paths of the XML document, as programs write them.
pub(crate) const PATHS: [&str; 3] =
    ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml"];
const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const SETTINGS: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// The address in a request: what stands in its `EMailAddress`. Nothing else of the request counts, so it is not read as
/// XML: it has no entities to expand and no depth.
#[must_use]
pub(crate) fn requested_address(request: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(request).ok()?;
    let (_, after) = text.split_once("<EMailAddress>")?;
    let (address, _) = after.split_once("</EMailAddress>")?;
    Some(address.trim()).filter(|address| is_address(address))
}

/// Whether something can be an address that is given back: one `@`, no blanks, nothing that markup is made of.
#[must_use]
pub(crate) fn is_address(text: &str) -> bool {
    let is_plain =
        |character: char| !character.is_control() && !character.is_whitespace() && !"<>&\"'".contains(character);
    let parts = text.rsplit_once('@');
    text.len() <= ADDRESS_BYTES_MAX
        && text.chars().all(is_plain)
        && parts.is_some_and(|(local_part, domain)| !local_part.is_empty() && !domain.is_empty())
}

/// The settings for an address, which must be one ([`is_address`]).
#[must_use]
pub(crate) fn autodiscover(address: &str, offered: &Offered) -> String {
    let (shown, host) = (escaped(address), escaped(&offered.host));
    let mut protocols = String::new();
    for (protocol, name) in [(Protocol::Imap, "IMAP"), (Protocol::Pop3, "POP3"), (Protocol::Submission, "SMTP")] {
        let Some(OfferedService { port, security, .. }) = offered.best(protocol) else { continue };
        let encryption = match security {
            Security::Tls => "SSL",
            Security::StartTls => "TLS",
        };
        let sending = match protocol {
            Protocol::Submission => "        <UsePOPAuth>off</UsePOPAuth>\n        <SMTPLast>off</SMTPLast>\n",
            Protocol::Imap | Protocol::Pop3 => "",
        };
        protocols.push_str(&format!(
            "      <Protocol>\n        <Type>{name}</Type>\n        <Server>{host}</Server>\n        <Port>{port}</Port>\n        \
             <DomainRequired>off</DomainRequired>\n        <LoginName>{shown}</LoginName>\n        <SPA>off</SPA>\n        \
             <SSL>on</SSL>\n        <Encryption>{encryption}</Encryption>\n        <AuthRequired>on</AuthRequired>\n\
             {sending}      </Protocol>\n"
        ));
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"{RESPONSE}\">\n  <Response xmlns=\"{SETTINGS}\">\n    \
         <User>\n      <DisplayName>{shown}</DisplayName>\n    </User>\n    <Account>\n      \
         <AccountType>email</AccountType>\n      <Action>settings</Action>\n{protocols}    </Account>\n  </Response>\n\
         </Autodiscover>\n"
    )
}

/// The answer to a request that names no address ([MS-OXDSCLI] §2.2.4.1.1.1).
#[must_use]
pub(crate) fn refusal() -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"{RESPONSE}\">\n  <Response>\n    \
         <Error Time=\"00:00:00\" Id=\"0\">\n      <ErrorCode>600</ErrorCode>\n      <Message>Invalid Request</Message>\n      \
         <DebugData />\n    </Error>\n  </Response>\n</Autodiscover>\n"
    )
}

/// The JSON document (version 2): where the XML one is.
///
/// # Errors
/// A protocol that is not offered; what to answer then.
pub(crate) fn autodiscover_json(protocol: &str, offered: &Offered) -> Result<Value, Value> {
    let port = offered.pages_port.filter(|port| *port != 443).map(|port| format!(":{port}")).unwrap_or_default();
    match protocol.to_ascii_lowercase().as_str() {
        "autodiscoverv1" => {
            let url = format!("https://{}{port}/autodiscover/autodiscover.xml", offered.host);
            Ok(json!({ "Protocol": "AutodiscoverV1", "Url": url }))
        }
        "" => Err(json!({
            "ErrorCode": "MandatoryParameterMissing",
            "ErrorMessage": "A valid value must be provided for the query parameter 'Protocol'",
        })),
        _ => Err(json!({
            "ErrorCode": "InvalidProtocol",
            "ErrorMessage": "The given protocol value is invalid. Supported values are 'AutodiscoverV1'",
        })),
    }
}
