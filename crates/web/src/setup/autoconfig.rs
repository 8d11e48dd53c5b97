//! Mail Autoconfig (draft-ietf-mailmaint-autoconfig-06, Mozilla's `config-v1.1.xml`): read by Thunderbird, K-9, Evolution,
//! KMail and others. The same for every address of a domain: it tells nothing of who is there.

use super::offered::{Offered, OfferedService, Protocol, Security};
use super::xml::escaped;

/// Its media type.
pub(crate) const MEDIA_TYPE: &str = "text/xml; charset=utf-8";

/// The document for a domain.
#[must_use]
pub(crate) fn autoconfig(domain: &str, offered: &Offered) -> String {
    let (shown, host) = (escaped(domain), escaped(&offered.host));
    let mut servers = String::new();
    // A program takes the first that it can: IMAP before POP3, TLS before STARTTLS.
    for (protocol, element, kind) in [
        (Protocol::Imap, "incomingServer", "imap"),
        (Protocol::Pop3, "incomingServer", "pop3"),
        (Protocol::Submission, "outgoingServer", "smtp"),
    ] {
        for security in [Security::Tls, Security::StartTls] {
            let Some(OfferedService { port, .. }) = offered.of(protocol, security) else { continue };
            let socket = match security {
                Security::Tls => "SSL",
                Security::StartTls => "STARTTLS",
            };
            // What it downloads stays here for the other devices.
            let pop = if protocol == Protocol::Pop3 {
                "      <pop3>\n        <leaveMessagesOnServer>true</leaveMessagesOnServer>\n      </pop3>\n"
            } else {
                ""
            };
            servers.push_str(&format!(
                "    <{element} type=\"{kind}\">\n      <hostname>{host}</hostname>\n      <port>{port}</port>\n      \
                 <socketType>{socket}</socketType>\n      <username>%EMAILADDRESS%</username>\n      \
                 <authentication>password-cleartext</authentication>\n{pop}    </{element}>\n"
            ));
        }
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n  <emailProvider id=\"{shown}\">\n    \
         <domain>{shown}</domain>\n    <displayName>Mail of {shown}</displayName>\n    \
         <displayShortName>{shown}</displayShortName>\n{servers}  </emailProvider>\n</clientConfig>\n"
    )
}
