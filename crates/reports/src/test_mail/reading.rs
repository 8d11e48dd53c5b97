//! What came back of a test mail, read for what the server at the far end found out about it. Pure.
//!
//! People send it back as they can: as an attachment, quoted, with the source copied into the answer; echo services put the header
//! into a text. So what is looked for are the fields, wherever they stand. Whoever answers may have written them: they are told as
//! what came back, and nothing follows from them.

use super::{Action, MARK_BYTES, Seen, mark_of};
use message::Structure;
use message::delivery_report::DeliveryReport;
use message::section::decoded;
use sender_auth::results;
use std::borrow::Cow;

/// So much of a mail is looked at; the header of a mail that was sent back stands near its beginning.
const CONTENT_BYTES_MAX: usize = 256 * 1024;
/// So many parts of it.
const PARTS_MAX: usize = 16;
/// A longer field is cut.
const FIELD_BYTES_MAX: usize = 4 * 1024;
/// So many results are kept: those of two servers.
const SEEN_MAX: usize = 24;
/// So much of a text is kept.
const TEXT_CHARS_MAX: usize = 200;

/// What came back says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// What another server found out.
    pub(super) seen: Vec<Seen>,
    /// Whether the test came there over TLS, as its trace field has it.
    pub(super) is_tls: Option<bool>,
    /// It is a report (RFC 3464) that says that.
    pub(super) report: Option<(Action, String)>,
}

/// The token of the test that a mail is, or answers; `None`: of none.
pub(super) fn token_in(content: &[u8]) -> Option<String> {
    let content = content.get(..content.len().min(CONTENT_BYTES_MAX)).unwrap_or_default();
    let mark = mark_of("");
    let rest = content.windows(MARK_BYTES).find(|window| window.starts_with(mark.as_bytes()))?;
    let token = rest.get(mark.len()..)?;
    token.iter().all(u8::is_ascii_alphanumeric).then(|| String::from_utf8_lossy(token).to_ascii_lowercase())
}

/// Whether a mail is a test itself, and no answer to one.
pub(super) fn is_itself(content: &[u8], token: &str) -> bool {
    let head = content.get(..message::header::end(content)).unwrap_or_default();
    let id = message::header::find(head, "message-id").map(|field| field.unfolded().into_owned()).unwrap_or_default();
    id.trim_ascii().strip_prefix(b"<").is_some_and(|id| id.starts_with(mark_of(token).as_bytes()))
}

/// Reads an answer. `from`: the name of the server that sent the test.
pub(super) fn of_answer(content: &[u8], from: &str) -> Reading {
    let content = content.get(..content.len().min(CONTENT_BYTES_MAX)).unwrap_or_default();
    let structure = Structure::parse(content);
    let mut reading = Reading::default();
    if let Some(report) = DeliveryReport::of(content, &structure)
        && let Some(first) = report.recipients.first()
    {
        reading.report = Some((first.action.into(), cut(&format!("{} {}", first.status, first.reason))));
    }
    for part in structure.root.walk().take(PARTS_MAX) {
        let text = match &part.content {
            message::Content::Leaf => decoded(part, content).unwrap_or_default(),
            message::Content::Message(inner) => Cow::Borrowed(inner.part.header.of(content)),
            message::Content::Multipart(_) => continue,
        };
        for (name, value) in fields_in(&String::from_utf8_lossy(&text)) {
            match name {
                Name::Results => reading.seen.extend(seen_in(&value)),
                Name::Received if reading.is_tls.is_none() => reading.is_tls = is_tls(&value, from),
                Name::Received => {}
            }
        }
    }
    reading.seen.dedup();
    reading.seen.truncate(SEEN_MAX);
    reading
}

/// What a field says that is on one line.
pub(super) fn seen_in(value: &str) -> Vec<Seen> {
    let by = value.split([';', ' ']).find(|word| !word.is_empty()).unwrap_or_default();
    let seen = |method: results::Method| {
        let properties = method.properties.iter().map(|(name, value)| format!("{name}={value}"));
        let comment = Some(method.comment.clone()).filter(|comment| !comment.is_empty());
        let detail: Vec<String> = properties.chain(comment).collect();
        Seen {
            by: cut(by),
            method: cut(&method.name).to_ascii_lowercase(),
            result: cut(&method.result).to_ascii_lowercase(),
            detail: cut(&detail.join(" ")),
        }
    };
    results::read(value).into_iter().filter(|method| !method.result.is_empty()).take(SEEN_MAX / 2).map(seen).collect()
}

enum Name {
    Results,
    Received,
}

/// The fields in a text that are of use, each on one line; quoted or not.
fn fields_in(text: &str) -> Vec<(Name, String)> {
    let mut found: Vec<(Name, String)> = Vec::new();
    let mut is_open = false;
    for line in text.lines().map(unquoted) {
        let (name, value) = line.split_once(':').unwrap_or_default();
        let open = found.last_mut().filter(|_| is_open);
        is_open = true;
        match (name.trim(), open) {
            (name, _) if name.eq_ignore_ascii_case("Authentication-Results") => {
                found.push((Name::Results, value.trim().to_owned()));
            }
            (name, _) if name.eq_ignore_ascii_case("Received") => found.push((Name::Received, value.trim().to_owned())),
            (_, Some((_, field))) if goes_on(line, field) => {
                field.push(' ');
                field.push_str(line.trim());
                field.truncate(field.floor_char_boundary(FIELD_BYTES_MAX));
            }
            _ => is_open = false,
        }
    }
    found
}

/// A line without the marks of a quotation.
fn unquoted(mut line: &str) -> &str {
    while let Some(rest) = line.strip_prefix('>') {
        line = rest.strip_prefix(' ').unwrap_or(rest);
    }
    line
}

/// Whether a line belongs to the field before it: it is folded, or was before the white space at its beginning was lost.
fn goes_on(line: &str, field: &str) -> bool {
    !line.trim().is_empty() && (line.starts_with([' ', '\t']) || field.ends_with(';'))
}

/// Whether the test came over TLS (RFC 3848), as the field of the server says that took it from ours.
fn is_tls(received: &str, from: &str) -> Option<bool> {
    let received = received.to_ascii_lowercase();
    let by = received.find(" by ")?;
    let is_from_us = received.get(..by)?.contains(&from.to_ascii_lowercase());
    let with = received.get(by..).unwrap_or_default();
    is_from_us.then(|| ["esmtps", "utf8smtps", "tls"].iter().any(|word| with.contains(word)))
}

fn cut(text: &str) -> String {
    text.chars()
        .take(TEXT_CHARS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &str = "Authentication-Results: mx.far.test;\r\n\tspf=pass smtp.mailfrom=near.test;\r\n\
        \tdkim=fail reason=\"no key\" header.d=near.test (2048-bit);\r\n\tdmarc=pass header.from=near.test\r\n\
        Received: from mail.near.test ([192.0.2.1])\r\n\tby mx.far.test with ESMTPS id x; Sun, 1 Nov 2026 00:00:00 +0000\r\n\
        Received: from pc by mail.near.test with ESMTP id y\r\n\
        Message-ID: <pillarbox-test-abcdefghij0123456789@near.test>\r\nSubject: Test\r\n";
    const HEAD: &str = "From: Bob <bob@far.test>\r\nSubject: Re: Test\r\n\
        In-Reply-To: <pillarbox-test-abcdefghij0123456789@near.test>\r\nMIME-Version: 1.0\r\n";

    fn read(content_type: &str, body: &str) -> Reading {
        of_answer(format!("{HEAD}Content-Type: {content_type}\r\n\r\n{body}").as_bytes(), "mail.near.test")
    }

    #[test]
    fn what_the_far_server_found_is_read_however_the_test_was_sent_back() {
        let multipart = |kind: &str, part: &str| {
            read(
                &format!("multipart/{kind}; boundary=b"),
                &format!("--b\r\nContent-Type: text/plain\r\n\r\nHere.\r\n--b\r\n{part}\r\n--b--\r\n"),
            )
        };
        let attached = format!("Content-Type: message/rfc822\r\n\r\n{FIELDS}\r\nHello.");
        let header = format!("Content-Type: text/rfc822-headers\r\n\r\n{FIELDS}");
        let quoted = FIELDS.lines().map(|line| format!("> > {line}\r\n")).collect::<String>();
        let unfolded = FIELDS.replace("\r\n\t", "\r\n").replace("\r\n", "\n");
        for reading in [
            multipart("mixed", &attached),
            multipart("report; report-type=delivery-status", &header),
            read("text/plain", &format!("It says:\r\n\r\n{quoted}\r\nBye\r\n")),
            read("text/plain", &format!("It says:\n\n{FIELDS}\n")),
        ] {
            let found: Vec<String> =
                reading.seen.iter().map(|seen| format!("{}={}", seen.method, seen.result)).collect();
            assert_eq!(found, ["spf=pass", "dkim=fail", "dmarc=pass"], "{reading:?}");
            assert!(reading.seen.iter().all(|seen| seen.by == "mx.far.test"));
            assert_eq!(reading.seen[1].detail, "reason=no key header.d=near.test 2048-bit");
            assert_eq!(reading.is_tls, Some(true));
        }
        let copied = read("text/plain", &unfolded);
        assert_eq!(copied.seen.len(), 3, "its white space was lost: {copied:?}");
        assert_eq!(read("text/plain", "Thank you.\r\n"), Reading::default());
        let plain = FIELDS.replace("ESMTPS", "ESMTP");
        assert_eq!(read("text/plain", &plain).is_tls, Some(false));
    }

    #[test]
    fn a_test_and_its_answers_are_known_by_the_token() {
        let check = |content: &str, token: Option<&str>, itself: bool| {
            assert_eq!(token_in(content.as_bytes()).as_deref(), token, "{content}");
            assert_eq!(is_itself(content.as_bytes(), "abcdefghij0123456789"), itself, "{content}");
        };
        let token = Some("abcdefghij0123456789");
        check(FIELDS, token, true);
        check(HEAD, token, false);
        check("Subject: Fwd: Test (pillarbox-test-abcdefghij0123456789)\r\n\r\n", token, false);
        check("Subject: pillarbox-test-\r\n\r\npillarbox-test-abc", None, false);
        check("Message-ID: <x@y>\r\n\r\n", None, false);
    }

    #[test]
    fn a_report_on_a_test_says_what_became_of_it() {
        let status = "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.far.test\r\n\r\n\
            Final-Recipient: rfc822; bob@far.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\
            Diagnostic-Code: smtp; 550 no such user\r\n";
        let body = format!("--b\r\nContent-Type: text/plain\r\n\r\nNo.\r\n--b\r\n{status}\r\n--b--\r\n");
        let (action, why) = read("multipart/report; report-type=delivery-status; boundary=b", &body).report.unwrap();
        assert_eq!(action, Action::Failed);
        assert!(why.starts_with("5.1.1") && why.contains("no such user"), "{why}");
    }

    #[test]
    fn what_a_stranger_sends_back_is_bounded() {
        let many =
            format!("Authentication-Results: {};{}\r\n", "x".repeat(9_000), " spf=pass;".repeat(2_000)).repeat(20);
        let parts = "--b\r\nContent-Type: text/plain\r\n\r\nAuthentication-Results: a; spf=pass\r\n".repeat(200);
        for (kind, body) in [("text/plain", &many), ("multipart/mixed; boundary=b", &parts)] {
            let reading = read(kind, body);
            assert!(reading.seen.len() <= SEEN_MAX, "{}", reading.seen.len());
            let longest =
                reading.seen.iter().map(|seen| seen.by.len().max(seen.detail.len())).max().unwrap_or_default();
            assert!(longest <= TEXT_CHARS_MAX);
        }
        let far = format!("{}\r\n\r\n{}{FIELDS}", HEAD, " ".repeat(CONTENT_BYTES_MAX));
        assert_eq!(of_answer(far.as_bytes(), "x"), Reading::default());
        assert_eq!(seen_in("ü; =; spf=\"\u{7}\"").iter().filter(|seen| seen.result.contains('\u{7}')).count(), 0);
    }
}
