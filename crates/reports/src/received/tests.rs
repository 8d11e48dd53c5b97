use super::*;
use crate::packed::gzip;
use proptest::prelude::*;
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

pub(super) const DAY_MILLIS: i64 = 24 * 3600 * 1000;

pub(super) fn received() -> Received {
    let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
    let options = directory::DirectoryOptions { cost: directory::PasswordCost::LEAST, ..Default::default() };
    let directory = Directory::open(store.clone(), &[7; 32], options).unwrap();
    directory.add_domain("example.org").unwrap();
    Received::new(&store, directory)
}

fn by(domain: &str) -> Option<By> {
    Some(By { domain: domain.into(), is_checked: true })
}

/// A report about the day before, as a large host sends it.
fn document(domain: &str, id: &str, days_ago: i64) -> String {
    let begin = (SIM_EPOCH.0 - days_ago * DAY_MILLIS) / 1000;
    let row = |address: &str, count: u32, dkim: &str, disposition: &str| {
        format!(
            "<record><row><source_ip>{address}</source_ip><count>{count}</count><policy_evaluated><disposition>{disposition}\
             </disposition><dkim>{dkim}</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>{domain}\
             </header_from></identifiers><auth_results><spf><domain>news.example.net</domain><result>pass</result></spf>\
             </auth_results></record>"
        )
    };
    format!(
        "<?xml version=\"1.0\"?><feedback><report_metadata><org_name>Big</org_name><report_id>{id}</report_id><date_range>\
         <begin>{begin}</begin><end>{begin}</end></date_range></report_metadata><policy_published><domain>{domain}</domain>\
         <p>quarantine</p></policy_published>{}{}</feedback>",
        row("203.0.113.7", 412, "fail", "quarantine"),
        row("192.0.2.1", 30, "pass", "none")
    )
}

fn mail(document: &[u8], media_type: &str, file: &str) -> Vec<u8> {
    use base64::Engine;
    let packed = base64::engine::general_purpose::STANDARD.encode(document);
    format!(
        "From: <noreply@big.example>\r\nSubject: Report domain: example.org\r\nMIME-Version: 1.0\r\n\
         Content-Type: {media_type}; name=\"{file}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{packed}\r\n"
    )
    .into_bytes()
}

fn take(received: &Received, document: &str, from: &str) {
    let content = mail(&gzip(document.as_bytes()), "application/gzip", "big!example.org!1!2.xml.gz");
    received.take(&content, || by(from), SIM_EPOCH);
    received.write(SIM_EPOCH).unwrap();
}

#[test]
fn a_report_is_told_by_where_mail_came_from() {
    let received = received();
    take(&received, &document("example.org", "1", 1), "big.example");
    take(&received, &document("example.org", "1", 1), "big.example");
    take(&received, &document("news.example.org", "2", 1), "big.example");
    assert_eq!(received.unnamed(SIM_EPOCH).unwrap().len(), 2);
    let names = [
        ("203.0.113.7".parse().unwrap(), Some("out.news.example.net".to_owned())),
        ("192.0.2.1".parse().unwrap(), None),
    ];
    received.name(&names, SIM_EPOCH).unwrap();
    assert_eq!(received.unnamed(SIM_EPOCH).unwrap(), Vec::<IpAddr>::new());
    let seen = received.mail(30, SIM_EPOCH).unwrap();
    let [mail, below] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((mail.domain.as_str(), mail.reports, mail.messages, mail.passing), ("example.org", 1, 442, 30));
    assert_eq!(below.domain, "news.example.org");
    let source = &mail.sources[0];
    assert_eq!((source.address.to_string().as_str(), source.messages, source.passing), ("203.0.113.7", 412, 0));
    assert_eq!((source.name.as_deref(), source.kept_out), (Some("out.news.example.net"), 412));
    assert_eq!(source.spf_domains.iter().collect::<Vec<_>>(), ["news.example.net"]);
    assert_eq!(mail.reporters.get("big.example"), Some(&true));
}

#[test]
fn a_report_about_a_domain_that_is_not_ours_or_about_another_age_is_left_out() {
    let received = received();
    for (domain, days_ago) in
        [("example.net", 1), ("badexample.org", 1), ("org", 1), ("example.org", 100), ("example.org", -3)]
    {
        take(&received, &document(domain, "1", days_ago), "big.example");
    }
    let far = document("example.org", "1", 1).replace("<begin>", "<begin>253402300799");
    take(&received, &far, "big.example");
    let none = document("example.org", "1", 1).replace("<date_range>", "<dates>").replace("</date_range>", "</dates>");
    take(&received, &none, "big.example");
    assert_eq!(received.mail(10_000, SIM_EPOCH).unwrap(), []);
}

#[test]
fn reports_on_tls_say_who_could_not_use_it_and_why() {
    let received = received();
    let date = Day(Day::of(SIM_EPOCH).0 - 1).date();
    let policy = |domain: &str| {
        format!(
            r#"{{"policy": {{"policy-type": "sts", "policy-domain": "{domain}"}}, "summary": {{"total-successful-session-count": 9,
            "total-failure-session-count": 3}}, "failure-details": [{{"result-type": "certificate-expired",
            "receiving-mx-hostname": "mx.example.org", "failed-session-count": 3}}]}}"#
        )
    };
    let document = format!(
        r#"{{"organization-name": "Big", "date-range": {{"start-datetime": "{date}T00:00:00Z", "end-datetime": "{date}T23:59:59Z"}},
        "report-id": "1", "policies": [{}, {}]}}"#,
        policy("example.org"),
        policy("example.net")
    );
    let content = mail(&gzip(document.as_bytes()), "application/tlsrpt+gzip", "x.json.gz");
    received.take(&content, || by("big.example"), SIM_EPOCH);
    let late = document.replace(&date, "9999-01-01").replace("\"1\"", "\"2\"");
    received.take(&mail(late.as_bytes(), "application/tlsrpt+json", "x.json"), || by("big.example"), SIM_EPOCH);
    received.write(SIM_EPOCH).unwrap();
    let seen = received.tls(30, SIM_EPOCH).unwrap();
    let [tls] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((tls.domain.as_str(), tls.reports, tls.good, tls.bad), ("example.org", 1, 9, 3));
    let trouble = &tls.troubles[0];
    assert_eq!(
        (trouble.kind.as_str(), trouble.host.as_str(), trouble.sessions),
        ("certificate-expired", "mx.example.org", 3)
    );
}

#[test]
fn complaints_are_kept_newest_first_and_each_once() {
    let received = received();
    let complain = |number: i64| {
        let content = format!(
            "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\
             Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nOriginal-Mail-From: alice@example.org\r\n\r\n\
             --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{number}@x>\r\n\r\n--b--\r\n"
        );
        received.take(content.as_bytes(), || by("isp.example"), Timestamp(SIM_EPOCH.0 + number));
    };
    [1, 2, 2].into_iter().for_each(complain);
    received.write(SIM_EPOCH).unwrap();
    let complaints = received.complaints(30, SIM_EPOCH).unwrap();
    assert_eq!(complaints.iter().map(|one| one.message_id.as_str()).collect::<Vec<_>>(), ["<2@x>", "<1@x>"]);
    assert_eq!((complaints[0].mail_from.as_str(), complaints[0].by.as_str()), ("alice@example.org", "isp.example"));
}

#[test]
fn who_makes_reports_up_pushes_out_none_of_others_and_what_is_old_goes() {
    let received = received();
    take(&received, &document("example.org", "1", 5), "good.example");
    for number in 0..=REPORTS_PER_REPORTER_MAX {
        take(&received, &document("example.org", &number.to_string(), 1), "evil.example");
    }
    let mail = received.mail(30, SIM_EPOCH).unwrap().remove(0);
    assert_eq!(mail.reports, 1 + REPORTS_PER_REPORTER_MAX);
    assert!(mail.reporters.contains_key("good.example"));
    let rows = |letter: &[u8]| received.0.table.scan(letter, letter, usize::MAX).unwrap().len();
    assert_eq!(rows(b"j"), rows(b"i"), "rows go with their report");
    received.tidy(Timestamp(SIM_EPOCH.0 + 86 * DAY_MILLIS)).unwrap();
    assert_eq!(rows(b"i"), REPORTS_PER_REPORTER_MAX);
    received.tidy(Timestamp(SIM_EPOCH.0 + 91 * DAY_MILLIS)).unwrap();
    assert_eq!((rows(b"i"), rows(b"j")), (0, 0));
}

#[test]
fn names_that_a_reporter_makes_up_below_our_domain_and_its_own_fill_no_more() {
    let received = received();
    take(&received, &document("example.org", "1", 5), "good.example");
    for number in 0..=REPORTS_PER_REPORTER_MAX {
        let about = document(&format!("a{number}.example.org"), "1", 1);
        take(&received, &about, &format!("a{number}.evil.example"));
    }
    let rows = |letter: &[u8]| received.0.table.scan(letter, letter, usize::MAX).unwrap().len();
    assert_eq!((rows(b"i"), rows(b"j")), (1 + REPORTS_PER_REPORTER_MAX, 1 + REPORTS_PER_REPORTER_MAX));
}

#[test]
fn of_a_mail_with_many_parts_few_are_unpacked() {
    let part = |content: &str| format!("--b\r\nContent-Type: text/xml\r\n\r\n{content}\r\n");
    let document = document("example.org", "1", 1);
    for (bombs, is_read) in [(PARTS_MAX - 1, true), (PARTS_MAX, false)] {
        let parts = part("<feedback>").repeat(bombs) + &part(&document);
        let content = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n");
        assert_eq!(read(content.as_bytes(), &by("x").unwrap(), SIM_EPOCH).is_ok(), is_read, "{bombs}");
    }
}

#[test]
fn what_waits_to_be_read_is_bounded_and_what_is_none_is_not_read() {
    let received = received();
    let content = mail(b"not a report", "application/gzip", "x.gz");
    let large = [&content[..], &vec![b'x'; 4 * 1024 * 1024]].concat();
    received.take(&large, || by("x"), SIM_EPOCH);
    received.take(b"Subject: hello\r\n\r\n", || by("x"), SIM_EPOCH);
    assert_eq!(received.waiting().all().len(), 0);
    for _ in 0..100 {
        received.take(&content, || by("x"), SIM_EPOCH);
    }
    received.take(&content, || None, SIM_EPOCH);
    let bomb = mail(&gzip(&vec![b' '; 20_000_000]), "application/gzip", "x.gz");
    assert_eq!(received.waiting().all().len(), 64);
    received.take(&bomb, || by("x"), SIM_EPOCH);
    received.write(SIM_EPOCH).unwrap();
    assert_eq!(received.mail(30, SIM_EPOCH).unwrap(), []);
}

proptest! {
    #[test]
    fn whatever_stands_in_a_report_it_is_read_or_refused(at: usize, length in 0_usize..40, bytes: Vec<u8>) {
        let documents = [
            document("example.org", "1", 1).into_bytes(),
            tls::json(&TlsReport::default()),
            gzip(document("example.org", "1", 1).as_bytes()),
        ];
        for mut document in documents {
            let start = at % document.len();
            let end = (start + length).min(document.len());
            document.splice(start..end, bytes.iter().copied());
            let document = packed::unpacked(&document).unwrap_or(document);
            let _mail = dmarc::read(&document);
            let _tls = tls::read(&document);
            let _any = read(&mail(&document, "application/gzip", "x.gz"), &by("x").unwrap(), SIM_EPOCH);
            let _raw = read(&document, &by("x").unwrap(), SIM_EPOCH);
        }
    }
}
