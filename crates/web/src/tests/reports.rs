//! What others report to us.

use crate::testing::{ALICE, World};
use axum::http::StatusCode;
use queue::{LastReply, Matter, NewEntry, Notice, RecipientState, Report};
use reports::{By, Received};
use serde_json::json;
use smtp_proto::ReversePath;
use std::sync::Arc;
use store::Handover;

/// A report about the day before, not packed.
fn report(world: &World, source: &str) -> String {
    let begin = world.now().0 / 1000 - 24 * 3600;
    format!(
        "Subject: Report domain: example.org\r\nContent-Type: text/xml\r\n\r\n<feedback><report_metadata><date_range><begin>{begin}\
         </begin></date_range></report_metadata><policy_published><domain>example.org</domain><p>none&lt;b&gt;</p></policy_published>\
         <record><row><source_ip>{source}</source_ip><count>412</count><policy_evaluated><dkim>fail</dkim></policy_evaluated></row>\
         <auth_results><spf><domain>a&lt;i&gt;.example</domain><result>pass</result></spf></auth_results></record></feedback>\r\n"
    )
}

#[test]
fn an_administrator_sees_who_sends_in_the_name_of_a_domain() {
    let world = World::new();
    let mut alice = world.alice();
    assert_eq!(alice.get("/api/v1/admin/reports").status, StatusCode::FORBIDDEN);
    assert_eq!(alice.get("/admin/reports").status, StatusCode::FORBIDDEN);
    world.auth.directory().set_admin(ALICE, true).unwrap();
    assert!(alice.get("/admin/reports").text.contains("No report has come"));
    let received = Received::new(world.auth.store(), world.auth.directory().clone());
    let by = |domain: &str, is_checked| Some(By { domain: domain.to_owned(), is_checked });
    received.take(report(&world, "203.0.113.7").as_bytes(), || by("big.example", true), world.now());
    received.take(report(&world, "203.0.113.7").as_bytes(), || by("who.example", false), world.now());
    let complaint = format!(
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\
         Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
         From: {ALICE}\r\nSubject: <b>Sale\r\n\r\nx\r\n--b--\r\n"
    );
    received.take(complaint.as_bytes(), || by("isp.example", true), world.now());
    received.write(world.now()).unwrap();
    let page = alice.get("/admin/reports").text;
    let told = "203.0.113.7 sent 824 messages as example.org; none is in your SPF and none is signed (it vouches for a&#60;i&#62;.example";
    assert!(page.contains(told), "{page}");
    assert!(page.contains("big.example, who.example (nobody checked that)"), "{page}");
    assert!(
        page.contains("isp.example tells a complaint: “&#60;b&#62;Sale” of alice@example.org was called junk."),
        "{page}"
    );
    assert!(!page.contains("<b>") && !page.contains("<i>"), "{page}");
    let data = alice.get("/api/v1/admin/reports?days=7").json();
    assert_eq!((&data["mail"][0]["messages"], &data["days"]), (&json!(824), &json!(7)));
    assert_eq!(data["complaints"][0]["account"], json!(ALICE));
    assert_eq!(alice.get("/api/v1/admin/reports?days=0").json()["mail"], json!([]));
}

#[test]
fn an_administrator_is_told_of_domains_that_refuse_mail() {
    let world = World::new();
    world.auth.directory().set_admin(ALICE, true).unwrap();
    let mut alice = world.alice();
    assert!(!alice.get("/admin").text.contains("refused mail of ours"));
    let to = smtp_proto::ForwardPath::Mailbox("carol@example.net".parse().unwrap());
    let content = Arc::new(message::content::Content::new(b"x\r\n".to_vec()));
    let new = NewEntry::new(ReversePath::Mailbox(ALICE.parse().unwrap()), vec![to.into()], content);
    let id = world.queue.enqueue(new, world.now()).unwrap().id;
    let mut entry = world.queue.show(id).unwrap();
    let (text, host) = ("<b>blocked".to_owned(), Some("mx.example.net".to_owned()));
    let reply =
        LastReply { at: world.now(), code: 554, status: "5.7.1".into(), text, by_smarthost: true, host, tls: true };
    entry.recipients[0].state = RecipientState::Failed { reply, reported: false };
    let (matter, expires_at, handover) = (Matter::Failed, world.now(), Handover::new(&[], world.now(), 0));
    let report = Report { matter, entry: &entry, original: b"", other_server: "", expires_at, handover };
    let received = Received::new(world.auth.store(), world.auth.directory().clone());
    received.rejected(&Notice::Report(report));
    received.write(world.now()).unwrap();
    let page = alice.get("/admin").text;
    assert!(page.contains("1 domain refused mail of ours in the last week"), "{page}");
    let page = alice.get("/admin/reports").text;
    let told = "example.net (mx.example.net) refused a message, the last time with: 554 5.7.1 &#60;b&#62;blocked";
    assert!(page.contains(told), "{page}");
}
