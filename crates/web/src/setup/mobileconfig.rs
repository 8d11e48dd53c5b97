//! Apple's configuration profile (`.mobileconfig`): a mail account for iPhone, iPad and Mac, with its password.
//!
//! It is not signed: iOS says so when it is installed, and that is true of a profile that a person's own server makes. What
//! vouches for it is the page that it comes from, over TLS.

use super::offered::{Offered, Pair, Protocol};
use super::xml::escaped;

/// The media type that makes Apple's systems offer to install it.
pub(crate) const MEDIA_TYPE: &str = "application/x-apple-aspen-config";

/// The account that a profile sets up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile<'a> {
    /// The mail address, which is the login name.
    pub address: &'a str,
    /// What stands in From beside the address; may be empty.
    pub owner: &'a str,
    /// The device's application password.
    pub password: &'a str,
    /// The number of the account and that of the device in it: a profile of the same two replaces the one before.
    pub device: (u32, u32),
    /// How mail is read: IMAP or POP3.
    pub incoming: Protocol,
}

/// The profile; `None` where the server offers no such protocol.
#[must_use]
pub(crate) fn mobileconfig(profile: &Profile<'_>, offered: &Offered) -> Option<String> {
    let Pair { incoming, outgoing } = offered.pair(profile.incoming)?;
    let account_type = match profile.incoming {
        Protocol::Imap => "EmailTypeIMAP",
        Protocol::Pop3 => "EmailTypePOP",
        Protocol::Submission => return None,
    };
    let (account, device) = profile.device;
    let identifier = format!("pillarbox.{}.{account}.{device}", offered.host);
    let owner = if profile.owner.is_empty() { profile.address } else { profile.owner };
    let text = [
        ("EmailAccountDescription", profile.address),
        ("EmailAccountName", owner),
        ("EmailAccountType", account_type),
        ("EmailAddress", profile.address),
        ("IncomingMailServerAuthentication", "EmailAuthPassword"),
        ("IncomingMailServerHostName", &offered.host),
        ("IncomingMailServerUsername", profile.address),
        ("IncomingPassword", profile.password),
        ("OutgoingMailServerAuthentication", "EmailAuthPassword"),
        ("OutgoingMailServerHostName", &offered.host),
        ("OutgoingMailServerUsername", profile.address),
        ("PayloadDisplayName", profile.address),
        ("PayloadIdentifier", &format!("{identifier}.mail")),
        ("PayloadType", "com.apple.mail.managed"),
        ("PayloadUUID", &uuid(&format!("{identifier}.mail"))),
    ];
    let mut content = String::new();
    text.iter()
        .for_each(|(key, value)| entry(&mut content, "\t\t\t", key, &format!("<string>{}</string>", escaped(value))));
    let numbers = [
        ("IncomingMailServerPortNumber", incoming.port),
        ("OutgoingMailServerPortNumber", outgoing.port),
        ("PayloadVersion", 1),
    ];
    numbers.iter().for_each(|(key, value)| entry(&mut content, "\t\t\t", key, &format!("<integer>{value}</integer>")));
    // With the ports of STARTTLS, too: the system finds out by itself.
    for key in ["IncomingMailServerUseSSL", "OutgoingMailServerUseSSL", "OutgoingPasswordSameAsIncomingPassword"] {
        entry(&mut content, "\t\t\t", key, "<true/>");
    }
    Some(wrapped(&content, &identifier, profile.address, &offered.host))
}

fn wrapped(content: &str, identifier: &str, address: &str, host: &str) -> String {
    let mut outer = String::new();
    let description = tr!("Sets up mail for {address}.", address);
    for (key, value) in [
        ("PayloadDescription", description.as_str()),
        ("PayloadDisplayName", &tr!("Mail of {address}", address)),
        ("PayloadIdentifier", identifier),
        ("PayloadOrganization", host),
        ("PayloadType", "Configuration"),
        ("PayloadUUID", &uuid(identifier)),
    ] {
        entry(&mut outer, "\t", key, &format!("<string>{}</string>", escaped(value)));
    }
    entry(&mut outer, "\t", "PayloadRemovalDisallowed", "<false/>");
    entry(&mut outer, "\t", "PayloadVersion", "<integer>1</integer>");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\t<key>PayloadContent</key>\n\t<array>\n\t\t<dict>\n{content}\t\t</dict>\n\
         \t</array>\n{outer}</dict>\n</plist>\n"
    )
}

fn entry(plist: &mut String, indent: &str, key: &str, value: &str) {
    plist.push_str(&format!("{indent}<key>{key}</key>\n{indent}{value}\n"));
}

/// RFC 9562 §5.8: a UUID of our own making, always the same for the same name.
fn uuid(name: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(blake3::hash(name.as_bytes()).as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]));
    bytes[6] = 0x80 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
