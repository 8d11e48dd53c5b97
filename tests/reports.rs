//! Reports that others send us by mail, over the real binary: read within seconds, shown in words, and still in their mailbox.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::server::Server;

const POSTMASTER: &str = "postmaster@example.org";
/// Reading takes some seconds; longer is a fault.
const PATIENCE: Duration = Duration::from_secs(60);

/// A report as others send it, made by Python with the day before in it.
const PACK: &str = r#"
import base64, gzip, io, sys, zipfile
kind, name, text = sys.argv[1], sys.argv[2], sys.argv[3].encode()
if kind == "bomb": text = b" " * 20_000_000
if kind == "zip":
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive: archive.writestr(name, text)
    packed = packed.getvalue()
else:
    packed = gzip.compress(text)
sys.stdout.write(base64.encodebytes(packed).decode().replace("\n", "\r\n"))
"#;

fn packed(kind: &str, name: &str, text: &str) -> String {
    let output = std::process::Command::new("python3").args(["-c", PACK, kind, name, text]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn mail(subject: &str, media_type: &str, file: &str, packed: &str) -> String {
    format!(
        "From: <noreply@big.example>\r\nTo: <{POSTMASTER}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n--b\r\n\
         Content-Type: {media_type}; name=\"{file}\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"{file}\"\r\n\r\n{packed}\r\n--b--\r\n"
    )
}

#[test]
fn reports_by_mail_are_told_in_words_and_stay_in_their_mailbox() {
    let mut server = Server::new();
    server.add_account("alice@example.org");
    let phone = server.add_device("alice@example.org", "phone", "keep");
    server.start();
    let yesterday = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 24 * 3600;
    let about = |domain: &str| {
        format!(
            "<?xml version=\"1.0\"?><feedback><report_metadata><org_name>Big</org_name><report_id>{domain}.7</report_id><date_range>\
             <begin>{yesterday}</begin><end>{yesterday}</end></date_range></report_metadata><policy_published><domain>{domain}\
             </domain><p>none</p></policy_published><record><row><source_ip>203.0.113.7</source_ip><count>412</count>\
             <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>\
             <identifiers><header_from>{domain}</header_from></identifiers></record></feedback>"
        )
    };
    let zip = packed("zip", "big.example!example.org!1!2.xml", &about("example.org"));
    let foreign = packed("gzip", "", &about("example.net"));
    let bomb = packed("bomb", "", "");
    let complaint = "From: <fbl@isp.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; \
        report-type=feedback-report; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b\r\n\
        Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: FBL\r\nVersion: 1\r\n\r\n--b\r\n\
        Content-Type: message/rfc822\r\n\r\nFrom: alice@example.org\r\nSubject: Sale\r\n\r\nx\r\n--b--\r\n"
        .to_owned();
    let mails = [
        mail("Report domain: example.net", "application/gzip", "big!example.net!1!2.xml.gz", &foreign),
        mail("Report domain: example.org", "application/gzip", "big!example.org!1!2.xml.gz", &bomb),
        complaint,
        mail("Report domain: example.org Submitter: big", "application/zip", "big!example.org!1!2.zip", &zip),
    ];
    let mut lmtp = server.addresses().lmtp().unwrap();
    for mail in &mails {
        lmtp.deliver("noreply@big.example", &[POSTMASTER], mail.as_bytes()).unwrap();
    }
    let begin = Instant::now();
    let told = loop {
        let told = server.cli(&["reports"], "");
        if told.contains("203.0.113.7") && told.contains("isp.example") {
            break told;
        }
        assert!(begin.elapsed() < PATIENCE, "{told}");
    };
    let words = "203.0.113.7 sent 412 messages as example.org; none is in your SPF and none is signed. If this host sends for you, \
                 add it to SPF, or let it sign.";
    assert!(told.contains(words), "{told}");
    assert!(told.contains("isp.example tells a complaint: “Sale” of alice@example.org was called junk."), "{told}");
    assert!(!told.contains("example.net"), "a domain that is not ours: {told}");
    let json = server.cli(&["reports", "example.org", "--days", "3", "--json"], "");
    assert!(json.contains("\"messages\":412"), "{json}");
    assert!(server.cli(&["reports", "other.example"], "").contains("No report has come"));
    let mut imap = server.addresses().imaps("alice@example.org", &phone).unwrap();
    let selected = imap.command("SELECT INBOX").unwrap().untagged;
    assert!(selected.iter().any(|line| line.0 == b"4 EXISTS"), "nothing vanishes: {selected:?}");
    assert_eq!(server.faults(), Vec::<String>::new());
}
