//! The documents as other parsers read them, and hostile input.

use super::*;
use crate::testing::offered;
use std::io::Write;
use std::process::{Command, Stdio};

const HOSTILE: &str = "\"Al\u{0}ice\" </string><true/> & 'x'";

fn profile(incoming: Protocol) -> Profile<'static> {
    let device = (17, 3);
    Profile { address: "alice@example.org", owner: HOSTILE, password: "abcd-efgh&<>", device, incoming }
}

/// What a script of Python's own library makes of a document; `None` where there is no Python.
fn python(script: &str, document: &str) -> Option<String> {
    let mut command = Command::new("python3");
    let child = command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        println!("skipped: there is no python3 to read the document with");
        return None;
    };
    child.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{document}");
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn a_profile_is_a_property_list_with_all_that_mail_needs() {
    let script = "import plistlib,sys,json; d=plistlib.loads(sys.stdin.buffer.read()); m=d['PayloadContent'][0]; \
                  print(json.dumps([d,m]))";
    for (incoming, kind, port) in [(Protocol::Imap, "EmailTypeIMAP", 993), (Protocol::Pop3, "EmailTypePOP", 995)] {
        let document = mobileconfig(&profile(incoming), &offered()).unwrap();
        assert_eq!(document, mobileconfig(&profile(incoming), &offered()).unwrap(), "it is always the same");
        let Some(read) = python(script, &document) else { return };
        let read: serde_json::Value = serde_json::from_str(&read).unwrap();
        let (outer, mail) = (&read[0], &read[1]);
        assert_eq!(
            (&outer["PayloadType"], &mail["PayloadType"]),
            (&"Configuration".into(), &"com.apple.mail.managed".into())
        );
        assert_eq!((&mail["EmailAccountType"], &mail["IncomingMailServerPortNumber"]), (&kind.into(), &port.into()));
        assert_eq!(
            (&mail["OutgoingMailServerPortNumber"], &mail["OutgoingMailServerUseSSL"]),
            (&465.into(), &true.into())
        );
        assert_eq!(
            (&mail["IncomingPassword"], &mail["EmailAddress"]),
            (&"abcd-efgh&<>".into(), &"alice@example.org".into())
        );
        assert_eq!(mail["EmailAccountName"], HOSTILE.replace('\0', ""));
        assert_ne!(mail["PayloadUUID"], outer["PayloadUUID"]);
        let uuid = mail["PayloadUUID"].as_str().unwrap();
        assert!(uuid.len() == 36 && uuid.as_bytes()[14] == b'8' && b"89AB".contains(&uuid.as_bytes()[19]), "{uuid}");
    }
    let other = mobileconfig(&Profile { device: (17, 4), ..profile(Protocol::Imap) }, &offered()).unwrap();
    assert!(!other.contains("17.3"), "another device, another profile");
    assert_eq!(mobileconfig(&profile(Protocol::Imap), &Offered::default()), None);
}

#[test]
fn thunderbird_reads_imap_before_pop_and_tls_before_starttls() {
    let script = "import sys,xml.etree.ElementTree as E; r=E.fromstring(sys.stdin.buffer.read()); p=r[0]; \
                  print(r.get('version'),p.get('id'),p.find('domain').text,[(s.get('type'),s.find('hostname').text,\
                  s.find('port').text,s.find('socketType').text,s.find('username').text) for s in p if 'Server' in s.tag \
                  and s.tag!='x'][::2])";
    let document = autoconfig("example.org", &offered());
    if let Some(read) = python(script, &document) {
        let server =
            |kind: &str, port: u16| format!("('{kind}', 'mail.example.org', '{port}', 'SSL', '%EMAILADDRESS%')");
        let servers = [server("imap", 993), server("pop3", 995), server("smtp", 465)].join(", ");
        assert_eq!(read, format!("1.1 example.org example.org [{servers}]"));
    }
    assert!(document.contains("<leaveMessagesOnServer>true</leaveMessagesOnServer>"));
    let mut fewer = offered();
    fewer.services.retain(|service| service.protocol != Protocol::Pop3);
    assert!(!autoconfig("example.org", &fewer).contains("pop3"), "what is off is not told");
}

#[test]
fn outlook_gets_settings_for_whatever_address_it_asks_with() {
    let request = b"<?xml version=\"1.0\"?><Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/\
                    requestschema/2006\"><Request><EMailAddress> nobody@example.org </EMailAddress></Request></Autodiscover>";
    let address = requested_address(request).unwrap();
    assert_eq!(address, "nobody@example.org");
    let script = "import sys,xml.etree.ElementTree as E; r=E.fromstring(sys.stdin.buffer.read()); \
                  n='{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}'; \
                  print([[x.find(n+k).text for k in ('Type','Server','Port','LoginName','Encryption')] for x in r.iter(n+'Protocol')])";
    if let Some(read) = python(script, &autodiscover(address, &offered())) {
        let protocol =
            |kind: &str, port: u16| format!("['{kind}', 'mail.example.org', '{port}', 'nobody@example.org', 'SSL']");
        assert_eq!(
            read,
            format!("[{}]", [protocol("IMAP", 993), protocol("POP3", 995), protocol("SMTP", 465)].join(", "))
        );
    }
    let script =
        "import sys,xml.etree.ElementTree as E; print(len(list(E.fromstring(sys.stdin.buffer.read()).iter())))";
    assert_eq!(python(script, &refusal()).unwrap_or_else(|| "6".to_owned()), "6");
}

#[test]
fn what_is_no_address_is_never_given_back() {
    for address in ["a@b", "o.k+tag@example.org", "grüße@bücher.example"] {
        assert!(is_address(address), "{address}");
    }
    let long = |local: usize| format!("{}@b", "a".repeat(local));
    assert!(is_address(&long(252)) && !is_address(&long(253)));
    for address in ["", "@", "a@", "@b", "ab", "a b@c", "a\n@c", "<a@b>", "a&b@c", "\"a\"@b", "a'@b", "a\u{0}@b"] {
        assert!(!is_address(address), "{address:?}");
    }
    let asked = |text: &str| requested_address(format!("<EMailAddress>{text}</EMailAddress>").as_bytes()).is_some();
    assert!(asked("a@b") && !asked("&lol;@b") && !asked("<x>a@b</x>") && !asked(""));
    assert_eq!(requested_address(b"<EMailAddress>a@b"), None);
    assert_eq!(requested_address(b"\xff<EMailAddress>a@b</EMailAddress>"), None);
}

#[test]
fn autodiscover_in_json_leads_to_the_other() {
    let found = autodiscover_json("AutodiscoverV1", &offered()).unwrap();
    assert_eq!(found["Url"], "https://mail.example.org/autodiscover/autodiscover.xml");
    let elsewhere = Offered { pages_port: Some(8443), ..offered() };
    let found = autodiscover_json("autodiscoverv1", &elsewhere).unwrap();
    assert_eq!(found["Url"], "https://mail.example.org:8443/autodiscover/autodiscover.xml");
    assert_eq!(autodiscover_json("ActiveSync", &offered()).unwrap_err()["ErrorCode"], "InvalidProtocol");
    assert_eq!(autodiscover_json("", &offered()).unwrap_err()["ErrorCode"], "MandatoryParameterMissing");
}

#[test]
fn pacc_tells_usual_ports_only_and_its_digest_is_that_of_its_bytes() {
    let document = pacc("example.org", &offered()).unwrap();
    let read: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(read["protocols"]["imap"]["host"], "mail.example.org");
    assert_eq!(
        (&read["protocols"]["submit"]["host"], &read["authentication"]["password"]),
        (&"mail.example.org".into(), &true.into())
    );
    let script =
        "import sys,hashlib,base64; print(base64.b64encode(hashlib.sha256(sys.stdin.buffer.read()).digest()).decode())";
    if let Some(digest) = python(script, &document) {
        let records = dns_records("example.org", &offered(), &[]);
        let record = records.iter().find(|record| record.name == "_ua-auto-config.example.org.").unwrap();
        assert_eq!(record.value, format!("\"v=UAAC1; a=sha256; d={digest}\""));
    }
    let mut unusual = offered();
    unusual.services.iter_mut().for_each(|service| service.port += 10_000);
    assert_eq!(pacc("example.org", &unusual), None);
}

#[test]
fn records_prefer_imap_under_tls_and_say_what_there_is_not() {
    let mut few = offered();
    few.services.retain(|service| service.protocol != Protocol::Pop3);
    few.pages_port = Some(8443);
    let records = dns_records("example.org", &few, &[]);
    let value = |name: &str| {
        let name = format!("{name}.example.org.");
        records.iter().find(|record| record.name == name).map(|record| record.value.as_str())
    };
    assert_eq!(value("_imaps._tcp"), Some("0 1 993 mail.example.org."));
    assert_eq!(value("_imap._tcp"), Some("5 1 143 mail.example.org."));
    assert_eq!(value("_pop3s._tcp"), Some("0 0 0 ."));
    assert_eq!(value("_submissions._tcp"), Some("0 1 465 mail.example.org."));
    assert_eq!(value("_autodiscover._tcp"), Some("0 1 8443 mail.example.org."));
    assert_eq!((value("autoconfig"), value("_ua-auto-config")), (None, None), "programs look for those at port 443");
    assert_eq!((value("mta-sts"), value("_mta-sts")), (None, None), "so do servers");
    assert_eq!((records[0].kind.as_str(), records[0].value.as_str()), ("MX", "10 mail.example.org."));
}

#[test]
fn keys_of_the_host_are_published_where_its_name_is() {
    let keys = [[0xab; 32], [1; 32]];
    let records = key_records("example.org", &offered(), &keys);
    let expected = format!("3 1 1 {}", "ab".repeat(32));
    assert_eq!(
        (records[0].name.as_str(), records[0].value.as_str()),
        ("_25._tcp.mail.example.org.", expected.as_str())
    );
    assert_eq!(records.iter().map(|record| record.in_use).collect::<Vec<_>>(), [true, false]);
    assert!(records[1].purpose.to_string().starts_with("the next key"));
    for domain in ["example.net", "ample.org", "mail.example.org.example.org"] {
        assert_eq!(key_records(domain, &offered(), &keys), [], "{domain}");
    }
    assert_eq!(key_records("mail.example.org", &offered(), &keys).len(), 2);
}

#[test]
fn a_code_is_a_path_and_the_payload_is_what_thunderbird_for_android_reads() {
    let payload = thunderbird_payload(("alice@example.org", "Alice"), "abcd", Protocol::Imap, &offered()).unwrap();
    let host = "mail.example.org";
    let user = "alice@example.org";
    let expected = serde_json::json!([
        1,
        [1, 1],
        [0, host, 993, 3, 1, user, null, "abcd"],
        [[[0, host, 465, 3, 1, user, "abcd"], [user, "Alice"]]]
    ]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&payload).unwrap(), expected);
    assert_eq!(thunderbird_payload(("grüße@example.org", ""), "abcd", Protocol::Imap, &offered()), None);
    let image = qr(&payload).unwrap();
    assert!(image.size > 40 && image.path.starts_with("M4 4h1v1h-1z"), "{}", image.path);
    assert!(image.path.chars().all(|character| character.is_ascii_digit() || "Mhvz- ".contains(character)));
    assert!(qr(&"x".repeat(2_331)).is_some() && qr(&"x".repeat(2_332)).is_none(), "version 40, level M");
}

#[test]
fn a_long_key_was_no_record_that_a_zone_takes() {
    let key = directory::SigningKey {
        selector: "20261128-rsa".to_owned(),
        algorithm: dkim::Algorithm::Rsa2048,
        record: format!("v=DKIM1; k=rsa; p={}", "A".repeat(400)),
        state: directory::KeyState::Signing,
    };
    let records = dns_records("example.org", &offered(), std::slice::from_ref(&key));
    let named = |name: &str| records.iter().find(|record| record.name == name).unwrap();
    let record = named("20261128-rsa._domainkey.example.org.");
    let strings: Vec<&str> = record.value.split(' ').collect();
    assert!(record.value.len() > 410 && strings.iter().all(|part| part.len() <= 257), "{}", record.value);
    assert_eq!(record.plain_value(), key.record);
    assert_eq!(record.name_below("example.org"), "20261128-rsa._domainkey");
    assert_eq!(
        (records[0].name_below("example.org").as_str(), records[0].plain_value().as_str()),
        ("@", "10 mail.example.org.")
    );
    assert_eq!(named("example.org.").kind, "MX");
    let texts = ["_dmarc", "_smtp._tls", "_mta-sts"].map(|name| named(&format!("{name}.example.org.")).plain_value());
    assert_eq!(texts[0], "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org");
    assert!(texts[1].starts_with("v=TLSRPTv1; ") && texts[2].starts_with("v=STSv1; id="), "{texts:?}");
}
