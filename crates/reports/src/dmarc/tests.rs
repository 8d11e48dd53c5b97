use super::*;
use crate::NotRead;

fn row(address: &str, count: u64) -> Row {
    Row {
        address: address.parse().unwrap(),
        count,
        disposition: "quarantine".into(),
        reason: "sampled_out".into(),
        dkim_aligned: false,
        spf_aligned: true,
        header_from: "example.org".into(),
        envelope_from: "bounces.example.org".into(),
        dkim: vec![Signature { domain: "a&b<c>.example".into(), selector: "s\"1".into(), result: "fail".into() }],
        spf: Some(SpfSeen { domain: "example.org".into(), scope: "mfrom".into(), result: "pass".into() }),
    }
}

fn report() -> Aggregate {
    Aggregate {
        organisation: "Bücher & Söhne".into(),
        email: "postmaster@mail.example.net".into(),
        id: "20789.example.org".into(),
        between: (1_796_169_600, 1_796_255_999),
        domain: "example.org".into(),
        published: Published {
            policy: "reject".into(),
            subdomains: "none".into(),
            missing_subdomains: "quarantine".into(),
            dkim: "r".into(),
            spf: "s".into(),
            percent: 50,
            is_test: true,
        },
        rows: vec![row("192.0.2.1", 12), row("2001:db8::1", 3)],
        left_out: 0,
    }
}

#[test]
fn what_is_written_is_read() {
    assert_eq!(read(&xml(&report())), Ok(report()));
    let none = Aggregate { rows: Vec::new(), ..report() };
    assert_eq!(read(&xml(&none)), Ok(none));
}

#[test]
fn a_report_of_another_form_is_read() {
    let document = "<?xml version='1.0'?><ns:feedback xmlns:ns='urn:ietf:params:xml:ns:dmarc-2.0'><ns:policy_published>\
        <ns:domain>Example.ORG.</ns:domain><ns:p>none</ns:p><unknown><a/></unknown></ns:policy_published><ns:record><ns:row>\
        <ns:source_ip>::ffff:192.0.2.9</ns:source_ip><ns:count> 7 </ns:count></ns:row><ns:identifiers><ns:header_from>\
        <![CDATA[example.org]]></ns:header_from></ns:identifiers><ns:auth_results/></ns:record></ns:feedback>";
    let found = read(document.as_bytes()).unwrap();
    assert_eq!((found.domain.as_str(), found.published.policy.as_str()), ("example.org", "none"));
    let Row { address, count, header_from, .. } = &found.rows[0];
    assert_eq!((address.to_string().as_str(), *count, header_from.as_str()), ("192.0.2.9", 7, "example.org"));
}

#[test]
fn a_bomb_of_entities_is_not_expanded() {
    let mut bomb = "<!DOCTYPE feedback [<!ENTITY a0 \"aaaaaaaaaa\">".to_owned();
    for level in 1..20 {
        bomb += &format!("<!ENTITY a{level} \"{}\">", format!("&a{};", level - 1).repeat(10));
    }
    let text = String::from_utf8(xml(&report())).unwrap();
    let with = text.replace("<feedback>", &format!("{bomb}]><feedback>")).replace("20789", "&a19;");
    assert_eq!(read(with.as_bytes()), Err(NotRead::Malformed));
    assert_eq!(read(text.replace("20789", "&a19;").as_bytes()), Err(NotRead::Malformed), "nor without a declaration");
    let external = text.replace("<feedback>", "<!DOCTYPE f SYSTEM \"file:///etc/passwd\"><feedback>");
    assert_eq!(read(external.as_bytes()), Err(NotRead::Malformed));
}

#[test]
fn a_hundred_thousand_rows_become_those_with_the_most_messages() {
    let mut rows = String::new();
    for number in 0..100_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number);
        rows += &format!("<record><row><source_ip>{address}</source_ip><count>{}</count></row></record>", number % 7);
    }
    let document = format!("<feedback><policy_published><domain>a.b</domain></policy_published>{rows}</feedback>");
    let found = read(document.as_bytes()).unwrap();
    assert_eq!(found.rows.len(), 500);
    assert!(found.rows.iter().all(|row| row.count == 6));
    let all: u64 = (0..100_000).map(|number| number % 7).sum();
    assert_eq!(found.left_out + found.rows.iter().map(|row| row.count).sum::<u64>(), all);
}

#[test]
fn what_is_no_report_is_refused_and_never_panics() {
    let text = String::from_utf8(xml(&report())).unwrap();
    for broken in ["", "x", "<feedback>", "<feedback></feedback>", "<html></html>", "<feedback></other>", "</feedback>"]
    {
        assert_eq!(read(broken.as_bytes()), Err(NotRead::Malformed), "{broken}");
    }
    assert_eq!(read(text.replace("192.0.2.1", "nowhere").as_bytes()), Err(NotRead::Malformed));
    assert_eq!(read("<a>".repeat(100_000).replacen("<a>", "<feedback>", 1).as_bytes()), Err(NotRead::Malformed));
    for end in 0..text.len() {
        let _read = read(&text.as_bytes()[..end]);
    }
    let mut wrong = text.clone().into_bytes();
    wrong.extend_from_slice(b"\xff\xfe");
    assert_eq!(read(&wrong), Ok(report()), "text after the end");
    let at = text.find("20789").unwrap();
    wrong = text.clone().into_bytes();
    wrong[at] = 0xff;
    assert_eq!(read(&wrong).unwrap().id, "\u{fffd}0789.example.org");
    let far = text.replace("1796169600", "253402300799").replace("<count>12<", "<count>99999999999999999999<");
    let far = read(far.as_bytes()).unwrap();
    assert_eq!((far.between.0, far.rows.last().map(|row| row.count)), (253_402_300_799, Some(0)));
}
