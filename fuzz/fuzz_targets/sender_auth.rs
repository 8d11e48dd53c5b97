//! Who mail comes from: any message, whoever brings it, and a DNS that answers anything. What is found is bounded, and the field that
//! says it has one line for each method and says nothing else; what is signed and sealed here is good.
#![no_main]

use arbitrary::Arbitrary;
use dkim::{Algorithm, PrivateKey, Signer};
use futures::executor::block_on;
use sender_auth::{
    ARC_SETS_MAX, Answer, Claim, Digests, DkimResult, Failed, Kind, Lists, Lookup, Pending, Record, SIGNATURES_MAX,
    examine, results, signed_fields,
};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

const NAME: &str = "mail.example.org";
/// Each check asks at most 150 questions.
const ASKED_MAX: usize = 7 * 150;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    address: [u8; 4],
    helo: &'a str,
    mail_from: &'a str,
    /// Each question gets the next one; behind the last the first comes again.
    answers: Vec<Said<'a>>,
    message: Vec<Piece<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Said<'a> {
    Text(&'a str),
    Spf(&'a str),
    Dmarc(&'a str),
    Texts(Vec<&'a [u8]>),
    Address([u8; 4]),
    Host(&'a str),
    Nothing,
    NoName,
    Trouble,
    OurKey,
}

/// A line of the header, or what comes next.
#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    From(&'a str),
    Dkim(&'a str),
    Seal(u8, &'a str),
    Results(u8, &'a str),
    OurResults(&'a str),
    Any(&'a [u8]),
    Signed,
    Sealed,
}

struct Dns<'a> {
    answers: &'a [Said<'a>],
    asked: AtomicUsize,
}

impl Dns<'_> {
    fn next(&self, kind: Kind) -> Answer<Vec<Record>> {
        let at = self.asked.fetch_add(1, Ordering::Relaxed);
        let said = self.answers.get(at % self.answers.len().max(1)).unwrap_or(&Said::Nothing);
        let text = |text: String| Ok(vec![Record::Text(text.into_bytes())]);
        match (said, kind) {
            (Said::Text(said), Kind::Txt) => text((*said).to_owned()),
            (Said::Spf(said), Kind::Txt) => text(format!("v=spf1 {said}")),
            (Said::Dmarc(said), Kind::Txt) => text(format!("v=DMARC1; p={said}")),
            (Said::Texts(said), Kind::Txt) if !said.is_empty() => {
                Ok(said.iter().map(|text| Record::Text(text.to_vec())).collect())
            }
            (Said::OurKey, Kind::Txt) => text(KEY.1.clone()),
            (Said::Address(said), Kind::A) => Ok(vec![Record::Address((*said).into())]),
            (Said::Address(said), Kind::Aaaa) => {
                Ok(vec![Record::Address(std::net::Ipv4Addr::from(*said).to_ipv6_mapped().into())])
            }
            (Said::Host(said), Kind::Mx) => Ok(vec![Record::Mx { preference: 1, exchange: (*said).to_owned() }; 12]),
            (Said::NoName, _) => Err(Failed::NoName),
            (Said::Trouble, _) => Err(Failed::Trouble),
            _ => Err(Failed::NoData),
        }
    }
}

impl Lookup for Dns<'_> {
    fn lookup<'a>(&'a self, name: &'a str, kind: Kind) -> Pending<'a, Answer<Vec<Record>>> {
        assert!(name.is_ascii() && name.len() <= 253 && !name.contains([' ', '\0']), "{name:?}");
        Box::pin(std::future::ready(self.next(kind)))
    }

    fn names(&self, _: IpAddr) -> Pending<'_, Answer<Vec<String>>> {
        let at = self.asked.fetch_add(1, Ordering::Relaxed);
        let said = self.answers.get(at % self.answers.len().max(1));
        Box::pin(std::future::ready(match said {
            Some(Said::Host(name)) => Ok(vec![(*name).to_owned(); 12]),
            _ => Err(Failed::NoName),
        }))
    }
}

static KEY: LazyLock<(Signer, String)> = LazyLock::new(|| {
    let key = PrivateKey::generate(Algorithm::Rsa2048).expect("random numbers");
    let record = key.record().expect("a key");
    (Signer::new("example.org", "s", &key).expect("a key"), record)
});

fn message(pieces: &[Piece<'_>]) -> Vec<u8> {
    let mut header = Vec::new();
    for piece in pieces {
        match piece {
            Piece::From(said) => header.extend_from_slice(format!("From: {said}\r\n").as_bytes()),
            Piece::Dkim(said) => {
                header.extend_from_slice(format!("DKIM-Signature: v=1; a=rsa-sha256; {said}\r\n").as_bytes())
            }
            Piece::Seal(number, said) => {
                let set = format!(
                    "ARC-Seal: i={number}; a=rsa-sha256; d=example.org; s=s; cv=none; b={said}\r\n\
                     ARC-Message-Signature: i={number}; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=s; h=From; bh={said}; b=AA==\r\n\
                     ARC-Authentication-Results: i={number}; {NAME}; {said}\r\n"
                );
                header.extend_from_slice(set.as_bytes());
            }
            Piece::Results(number, said) => {
                header.extend_from_slice(format!("ARC-Authentication-Results: i={number}; {said}\r\n").as_bytes())
            }
            Piece::OurResults(said) => {
                header.extend_from_slice(format!("Authentication-Results: {NAME}; {said}\r\n").as_bytes())
            }
            Piece::Any(octets) => header.extend_from_slice(octets),
            Piece::Signed => {
                let whole = message::line_ends::canonical(&header).into_owned();
                if let Ok(signature) = KEY.0.sign(&whole, false) {
                    header = [signature, whole].concat();
                }
            }
            Piece::Sealed => {
                let whole = message::line_ends::canonical(&header).into_owned();
                if let Some(Ok(set)) = KEY.0.seal(&whole, "mail.example.org; spf=pass") {
                    header = [set, whole].concat();
                }
            }
        }
    }
    message::line_ends::canonical(&header).into_owned()
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let content = message(&input.message);
    let claim = Claim {
        address: input.address.into(),
        helo: input.helo.to_owned(),
        mail_from: input.mail_from.to_owned(),
        receiver: NAME.to_owned(),
        unix_seconds: 1_790_000_000,
    };
    let dns = Dns { answers: &input.answers, asked: AtomicUsize::new(0) };
    let lists = Lists { block: vec!["bad.example".into()], allow: vec!["good.example".into()] };
    let digests = Digests::of(&content);
    let findings = block_on(examine(&dns, &claim, &digests, &lists));
    assert!(dns.asked.into_inner() <= ASKED_MAX);
    assert!(findings.dkim.len() <= 2 * SIGNATURES_MAX && findings.arc.sets <= ARC_SETS_MAX + 1);
    let reasons = findings.dkim.iter().filter_map(|it| it.reason.as_ref()).chain(&findings.arc.reason);
    reasons.for_each(|reason| assert!(reason.is_ascii() && reason.len() <= 100 && !reason.contains(['\r', '\n'])));
    let field = results::field(NAME, &findings, None);
    let text = str::from_utf8(&field).expect("text");
    assert!(text.is_ascii() && text.ends_with("\r\n"));
    assert!(text.split_terminator("\r\n").skip(1).all(|line| line.starts_with('\t')), "{text}");
    let line = results::line(NAME, &findings);
    assert!(!line.contains(['\r', '\n']), "{line}");
    let methods = results::read(&line);
    let count = |name: &str| methods.iter().filter(|method| method.name == name).count();
    assert_eq!((count("dmarc"), count("iprev")), (1, 1), "{line}");
    assert_eq!(count("dkim"), findings.dkim.len().max(1), "{line}");
    let dmarc = methods.iter().find(|method| method.name == "dmarc").expect("it was counted");
    assert_eq!(dmarc.result, findings.dmarc.result.name(), "{line}");
    // On top of the message it is found again.
    let topped = [&field[..], &content].concat();
    let held = findings.dkim.iter().filter(|it| it.result == DkimResult::Pass).count();
    assert_eq!(results::held(&topped, NAME).len(), held, "{line}");
    let _vouched = results::vouched(&topped, NAME);
    let _host = results::host(&topped, NAME);
    let _whom = results::brought_for(&topped, NAME);
    let _fields = signed_fields(&content);
    message::header::fields(&content).for_each(|field| {
        let _either = results::is_forged(&field, NAME);
    });
});
