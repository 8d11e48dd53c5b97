//! What holds for all input: segmentation, round trips, bounds.
#![allow(clippy::unwrap_used, missing_docs)]

use line_proto::Stuffer;
use proptest::collection::vec;
use proptest::prelude::*;
use smtp_proto::{
    Client, ClientConfig, ClientStep, Command, Domain, Enhanced, Event, ForwardPath, MailReports, Mailbox, Message,
    OriginalRecipient, Outcome, Protocol, Rcpt, Receiver, Reply, ReplyReader, ReversePath, TlsPolicy,
};

const LIMIT_BYTES: usize = 60;

/// Obeys every command that has content after it; gives all events as text.
fn events(pieces: &[&[u8]]) -> Vec<String> {
    let mut receiver = Receiver::new();
    let mut log = Vec::new();
    let mut content = Vec::new();
    for piece in pieces {
        receiver.push(piece);
        while let Some(event) = receiver.poll() {
            log.push(format!("{event:?}"));
            match event {
                Event::Command(Ok(Command::Data)) => {
                    // A session refuses it after chunks; here it begins anew.
                    content.clear();
                    receiver.begin_data(LIMIT_BYTES);
                }
                Event::Command(Ok(Command::Auth(_))) => receiver.begin_auth(),
                Event::Command(Ok(Command::Bdat(bdat))) if bdat.size != 5 => {
                    receiver.begin_chunk(content.len() as u64, LIMIT_BYTES);
                }
                Event::Octets(octets) => {
                    content.extend(octets);
                    assert!(content.len() <= LIMIT_BYTES);
                }
                Event::Message | Event::TooBig => content.clear(),
                _ => {}
            }
        }
    }
    log
}

/// Octets and words that the machine has opinions on.
fn talk() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => prop::sample::select(vec![
            "\r\n", "\n", "\r", ".", "\r\n.\r\n", "\0", "DATA\r\n", "BDAT 5\r\n", "BDAT 9\r\n", "BDAT 30 LAST\r\n", "BDAT 0 LAST\r\n",
            "AUTH PLAIN\r\n", "MAIL FROM:<a@b> SIZE=1\r\n", "RCPT TO:<\"a\\\"b\"@[IPv6:::1]>\r\n", "QUIT\r\n", "RSET\r\n", "EHLO x\r\n",
            "ä", "<", ">", "@", " ", "=", "hello",
        ]).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..5),
        1 => (0usize..3000).prop_map(|count| vec![b'x'; count]),
    ];
    vec(word, 0..40).prop_map(|words| words.concat())
}

fn line_octets() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(b".\r\nab\0".to_vec()), 0..80)
}

fn mailbox() -> impl Strategy<Value = Mailbox> {
    let local_part = prop_oneof!["[a-z.+\" @\\\\ä]{0,20}", "[a-zA-Z0-9.]{1,30}"];
    let domain = prop_oneof![
        "[a-zA-Z0-9äÖİΣ_-]{1,10}(\\.[a-z]{1,10}){0,3}".prop_map(|name| name.parse::<Domain>().unwrap()),
        any::<std::net::IpAddr>().prop_map(Domain::Address),
    ];
    (local_part, domain).prop_map(|(local_part, domain)| Mailbox::new(local_part, domain).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn segmentation_does_not_matter(talk in talk(), segment in 1usize..40) {
        let whole = events(&[&talk]);
        prop_assert_eq!(&events(&talk.chunks(segment).collect::<Vec<_>>()), &whole);
        if talk.len() < 3000 {
            prop_assert_eq!(&events(&talk.chunks(1).collect::<Vec<_>>()), &whole);
        }
    }

    #[test]
    fn unstuffing_undoes_stuffing(message in line_octets(), segment in 1usize..10) {
        let mut wire = b"DATA\r\n".to_vec();
        let mut stuffer = Stuffer::new();
        stuffer.write(&message, &mut wire);
        stuffer.finish(&mut wire);
        wire.extend_from_slice(b"QUIT\r\n");
        let mut receiver = Receiver::new();
        let (mut received, mut ended) = (Vec::new(), false);
        let mut quit = false;
        for piece in wire.chunks(segment) {
            receiver.push(piece);
            while let Some(event) = receiver.poll() {
                match event {
                    Event::Command(Ok(Command::Data)) => receiver.begin_data(1000),
                    Event::Octets(octets) => received.extend(octets),
                    Event::Message => ended = true,
                    Event::Command(Ok(Command::Quit)) => quit = true,
                    event => prop_assert!(false, "{:?}", event),
                }
            }
        }
        // A bare LF goes out as a line end, a bare CR as it is.
        let mut expected = Vec::new();
        for octet in message {
            if octet == b'\n' && expected.last() != Some(&b'\r') {
                expected.push(b'\r');
            }
            expected.push(octet);
        }
        if !expected.is_empty() && !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        prop_assert_eq!(received, expected);
        prop_assert!(ended && quit);
    }

    #[test]
    fn mailboxes_survive_the_wire(mailbox in mailbox()) {
        let text = mailbox.to_string();
        prop_assert_eq!(text.parse::<Mailbox>(), Ok(mailbox.clone()), "{}", text);
        let line = format!("RCPT TO:<{mailbox}>");
        let Ok(Command::Rcpt(rcpt)) = Command::parse(line.as_bytes()) else {
            return Err(TestCaseError::fail(line));
        };
        prop_assert_eq!(rcpt.forward_path, ForwardPath::Mailbox(mailbox));
    }

    #[test]
    fn replies_survive_the_wire(code in 200u16..560, detail in 0u16..999, lines in vec("[a-z ä]{0,40}", 1..5), coded in any::<bool>()) {
        let class = u8::try_from(code / 100).unwrap();
        let enhanced = (coded && class != 3).then_some(Enhanced(class, detail % 10, detail));
        let reply = Reply { code, enhanced, lines: lines.into_iter().map(Into::into).collect() };
        let mut wire = Vec::new();
        reply.encode(&mut wire);
        let mut reader = ReplyReader::default();
        let mut read = None;
        for line in wire.split_inclusive(|octet| *octet == b'\n') {
            prop_assert!(read.is_none());
            read = reader.push_line(line.strip_suffix(b"\r\n").unwrap()).unwrap();
        }
        prop_assert_eq!(read, Some(reply));
    }

    #[test]
    fn no_line_makes_the_parser_panic(line in vec(any::<u8>(), 0..60), verb in prop::sample::select(vec!["", "MAIL FROM:", "RCPT TO:<", "BDAT ", "AUTH ", "EHLO "])) {
        let mut whole = verb.as_bytes().to_vec();
        whole.extend_from_slice(&line);
        if let Err(error) = Command::parse(&whole) {
            prop_assert!(error.reply().is_permanent());
        }
    }

    #[test]
    fn an_original_recipient_survives_its_way_over_the_wire(address in "[^\\p{Cc}]{1,40}", ascii in "[ -~]{1,40}") {
        for address in [address, ascii] {
            let wire = OriginalRecipient::of(&address).to_string();
            prop_assert!(wire.bytes().all(|octet| octet.is_ascii_graphic()), "{}", wire);
            prop_assert_eq!(wire.parse(), Ok(OriginalRecipient::of(&address)));
            let rcpt = Command::parse(format!("RCPT TO:<a@b> ORCPT={wire}").as_bytes());
            let Ok(Command::Rcpt(Rcpt { reports, .. })) = rcpt else { return Err(TestCaseError::fail(wire)) };
            prop_assert_eq!(reports.original, Some(OriginalRecipient::of(&address)));
        }
    }

    #[test]
    fn no_server_makes_the_client_panic(replies in vec(prop_oneof![
        4 => prop::sample::select(vec!["220 a", "250 a", "250-PIPELINING", "250-CHUNKING", "354 go", "550 no", "421 x", "334 ", "235 k", "250-STARTTLS", "250-AUTH LOGIN", ""]).prop_map(str::to_owned),
        1 => "[0-9 a-z-]{0,9}",
    ], 0..30), lmtp in any::<bool>()) {
        let config = ClientConfig {
            name: "pc".into(),
            protocol: if lmtp { Protocol::Lmtp } else { Protocol::Smtp },
            tls: TlsPolicy::Opportunistic,
            credentials: None,
        };
        let recipients = ["a@b", "c@d"].map(|text| Rcpt::from(ForwardPath::Mailbox(text.parse().unwrap()))).to_vec();
        let reverse_path = ReversePath::Null;
        let reports = MailReports::default();
        let message = Message { reverse_path, recipients, size_bytes: 1, eight_bit: false, smtputf8: false, reports, deliver_by: None, requires_tls: false };
        let mut client = Client::new(config, message, 0);
        let mut output = Vec::new();
        for reply in replies {
            client.receive(format!("{reply}\r\n").as_bytes());
            match client.step(0, &mut output) {
                ClientStep::StartTls => client.tls_started(0),
                ClientStep::Content(_) => client.content(b"x", 0),
                ClientStep::Wait | ClientStep::Settled | ClientStep::Close => {}
            }
        }
        let outcomes = client.into_outcomes();
        prop_assert_eq!(outcomes.len(), 2);
        let sent = output.windows(5).any(|octets| octets == b"\r\n.\r\n" || octets == b"LAST\r");
        let is_accepted = |outcome: &Outcome| matches!(outcome, Outcome::Accepted { .. });
        prop_assert!(sent || !outcomes.iter().any(is_accepted));
    }
}
