//! Rspamd over HTTP: what it says of a message (`/checkv2` of a worker), and what people say of one (`/learnspam` and `/learnham`
//! of its controller).

use crate::Question;
use crate::edit::{EDITS_MAX, Edit};
use crate::filters::NoAnswer;
use crate::opinion::{Opinion, Verdict};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// An answer has at most so many octets.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// In the field with the reasons so many of them stand.
const SYMBOLS_MAX: usize = 20;
/// A lesson has so long.
const LESSON_PATIENCE: Duration = Duration::from_secs(10);
/// The fields that we write; what a stranger wrote there goes.
const SCORE_FIELD: &str = "X-Rspamd-Score";
const SYMBOLS_FIELD: &str = "X-Rspamd-Symbols";

/// Where Rspamd listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// A host, by its name or address (IPv6 in brackets), and a port: read from a text such as `http://127.0.0.1:11333`.
    Inet(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Not a place where Rspamd could listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoServer;

impl FromStr for Server {
    type Err = NoServer;

    fn from_str(text: &str) -> Result<Self, NoServer> {
        let authority = text.strip_prefix("http://").ok_or(NoServer)?.trim_end_matches('/');
        let (host, port) = authority.rsplit_once(':').ok_or(NoServer)?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(NoServer);
        }
        Ok(Self::Inet(host.to_owned(), port.parse().map_err(|_| NoServer)?))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Server {
    /// What HTTP calls it (RFC 9110 §7.2); a socket in the file system has no name there.
    fn authority(&self) -> String {
        match self {
            Self::Inet(_, _) => self.to_string(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// What Rspamd answers, as far as it is of use here.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    score: f64,
    #[serde(default)]
    required_score: f64,
    action: String,
    #[serde(default)]
    symbols: BTreeMap<String, Symbol>,
    #[serde(default)]
    messages: Messages,
}

#[derive(Debug, Deserialize)]
struct Symbol {
    #[serde(default)]
    score: f64,
}

#[derive(Debug, Default, Deserialize)]
struct Messages {
    smtp_message: Option<String>,
}

/// Asks about a message.
pub(crate) async fn check(server: &Server, question: &Question) -> Result<Opinion, NoAnswer> {
    let mut request = Request::post("/checkv2").header(HOST, server.authority());
    let mut put = |name: &'static str, value: &str| {
        // What may not stand in a header of HTTP (a control character in HELO) is left out: it says nothing.
        if let (Ok(value), Some(headers)) = (HeaderValue::from_str(value), request.headers_mut()) {
            headers.append(name, value);
        }
    };
    put("ip", &question.address.to_canonical().to_string());
    // Without this field Rspamd counts the host as one that has no name.
    if let Some(name) = &question.name {
        put("hostname", name);
    }
    put("helo", &question.helo);
    put("from", &question.mail_from);
    put("queue-id", &question.id);
    put("mta-name", &question.hostname);
    question.recipients.iter().for_each(|recipient| put("rcpt", recipient));
    if let Some(version) = &question.tls {
        put("tls-version", version);
    }
    let answer = exchange(server, request, question.content.clone()).await?;
    read(&answer)
}

/// What it says with the body of its answer.
pub(crate) fn read(answer: &[u8]) -> Result<Opinion, NoAnswer> {
    let answer = serde_json::from_slice(answer).map_err(|error| NoAnswer(format!("its answer is none: {error}")))?;
    Ok(opinion(&answer))
}

fn opinion(answer: &Answer) -> Opinion {
    let score = format!("{:.1} of {:.1}", answer.score, answer.required_score);
    let said = answer.messages.smtp_message.as_deref();
    let verdict = match answer.action.as_str() {
        "reject" => Verdict::Refuse,
        "soft reject" => Verdict::Later,
        // Nothing that was acknowledged is lost: what would be thrown away is kept where nobody has to see it.
        "add header" | "rewrite subject" | "quarantine" | "discard" => Verdict::Junk,
        // `greylist` says that its score would do; once it is to come again later Rspamd says `soft reject`.
        _ => Verdict::Deliver,
    };
    let reason = match verdict {
        Verdict::Deliver => String::new(),
        Verdict::Junk => format!("Rspamd takes it for junk ({score})"),
        Verdict::Later => said.unwrap_or("Try again later").to_owned(),
        Verdict::Refuse => said.map_or_else(|| format!("It looks like junk ({score})"), ToOwned::to_owned),
    };
    let mut symbols: Vec<_> = answer.symbols.iter().filter(|(_, symbol)| symbol.score != 0.0).collect();
    symbols.sort_by(|(_, a), (_, b)| b.score.abs().total_cmp(&a.score.abs()));
    let symbols = symbols.iter().take(SYMBOLS_MAX).map(|(name, symbol)| format!("{name}({:.1})", symbol.score));
    let symbols: Vec<String> = symbols.filter(|symbol| symbol.len() <= 100).collect();
    let score = format!("{score}; {}", answer.action);
    let edits = [
        Edit::change(0, SCORE_FIELD, b""),
        Edit::change(0, SYMBOLS_FIELD, b""),
        Edit::insert(0, SYMBOLS_FIELD, symbols.join(",\n\t").as_bytes()).filter(|_| !symbols.is_empty()),
        Edit::insert(0, SCORE_FIELD, score.as_bytes()),
    ];
    Opinion { edits: edits.into_iter().flatten().take(EDITS_MAX).collect(), ..Opinion::new(verdict, &reason) }
}

/// Tells the controller what a person says of a message.
///
/// # Errors
/// What went wrong, in words. That it knows the message already, or finds nothing in it, is no error.
pub async fn teach(controller: &Server, is_junk: bool, content: Vec<u8>) -> Result<(), String> {
    let path = if is_junk { "/learnspam" } else { "/learnham" };
    let request = Request::post(path).header(HOST, controller.authority());
    match timeout(LESSON_PATIENCE, exchange(controller, request, content)).await {
        Ok(answer) => answer.map(drop).map_err(|NoAnswer(why)| why),
        Err(_) => Err("it takes too long".to_owned()),
    }
}

async fn exchange(
    server: &Server,
    request: hyper::http::request::Builder,
    content: Vec<u8>,
) -> Result<Bytes, NoAnswer> {
    match server {
        Server::Inet(host, port) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            converse(TcpStream::connect((host, *port)).await?, request, content).await
        }
        Server::Unix(path) => converse(UnixStream::connect(path).await?, request, content).await,
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: hyper::http::request::Builder,
    content: Vec<u8>,
) -> Result<Bytes, NoAnswer> {
    let no_answer = |error: hyper::Error| NoAnswer(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(no_answer)?;
    let request = request.body(Full::new(Bytes::from(content))).map_err(|error| NoAnswer(error.to_string()))?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(no_answer)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| NoAnswer(error.to_string()))?.to_bytes();
        match status {
            // 204: there is too little to learn from. 208: it was learnt before.
            status if status.is_success() => Ok(body),
            status => {
                let said: String = String::from_utf8_lossy(&body).chars().take(200).collect();
                Err(NoAnswer(format!("it answers {status}: {said}")))
            }
        }
    };
    // The connection ends with the sender, and what went wrong with it the answer says, too.
    let (answer, _ended) = futures::future::join(answer, connection).await;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answer: &str) -> Opinion {
        opinion(&serde_json::from_str(answer).unwrap())
    }

    #[test]
    fn what_rspamd_would_do_is_what_follows() {
        for (action, verdict) in [
            ("no action", Verdict::Deliver),
            ("greylist", Verdict::Deliver),
            ("unheard of", Verdict::Deliver),
            ("add header", Verdict::Junk),
            ("rewrite subject", Verdict::Junk),
            ("discard", Verdict::Junk),
            ("soft reject", Verdict::Later),
            ("reject", Verdict::Refuse),
        ] {
            let opinion = of(&format!("{{\"action\": \"{action}\", \"score\": 7.25, \"required_score\": 15}}"));
            assert_eq!(opinion.verdict, verdict, "{action}");
        }
        let refused = of(
            r#"{"action": "reject", "score": 20, "required_score": 15, "messages": {"smtp_message": "Gtube\r\npattern"}}"#,
        );
        assert_eq!(refused.reason, "Gtube pattern");
    }

    #[test]
    fn its_score_and_what_led_to_it_stand_on_top_and_nobody_elses() {
        let opinion = of(r#"{"action": "add header", "score": 7.25, "required_score": 15, "symbols":
            {"A": {"score": 0.0}, "B": {"score": 1.0, "options": ["x"]}, "C": {"score": -5.5}}}"#);
        let content = b"x-rspamd-score: forged\r\nSubject: x\r\n\r\n".to_vec();
        let content = opinion.edits.iter().fold(content, |content, edit| edit.apply(&content));
        let expected =
            "X-Rspamd-Score: 7.2 of 15.0; add header\r\nX-Rspamd-Symbols: C(-5.5),\r\n\tB(1.0)\r\nSubject: x\r\n\r\n";
        assert_eq!(String::from_utf8(content).unwrap(), expected);
    }

    #[test]
    fn where_it_listens_is_read() {
        for (text, expected) in [("http://127.0.0.1:11333", "127.0.0.1:11333"), ("http://[::1]:1/", "[::1]:1")] {
            assert_eq!(text.parse::<Server>().map(|server| server.to_string()), Ok(expected.to_owned()));
        }
        for text in
            ["", "127.0.0.1:1", "https://a:1", "http://a", "http://:1", "http://a:b", "http://a/x:1", "http://a:1/x"]
        {
            assert_eq!(text.parse::<Server>(), Err(NoServer), "{text}");
        }
    }
}
