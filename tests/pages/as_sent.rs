//! Mail of strangers as it was sent, in Chromium, which is the judge: the cleaner and the wall around what it lets through are asked
//! together, and each alone.

use super::browser::{Browser, Size};
use super::support::server::{Addresses, Server};
use super::{ALICE, log_in, look_at, says};
use message::html::Cleaner;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the cleaner's own tests know, too: one piece a line. What hears of it when something is asked for is called so there.
const HOSTILE: &str = include_str!("../../crates/message/src/html/hostile.txt");
const NOBODY: &str = "trap.invalid";
/// A picture of one red point.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/// A host of a stranger: it hears what it is asked for, and has pages.
struct Trap {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    pages: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Trap {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let trap = Self { port: listener.local_addr().unwrap().port(), heard: Arc::default(), pages: Arc::default() };
        let (heard, pages) = (Arc::clone(&trap.heard), Arc::clone(&trap.pages));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), heard, pages) = (stream, Arc::clone(&heard), Arc::clone(&pages)) else { return };
                thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                    // A browser connects before it knows what it wants.
                    let Some(first) = lines.next() else { return };
                    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                    let fields = head.iter().filter(|line| {
                        let line = line.to_ascii_lowercase();
                        line.starts_with("cookie:") || line.starts_with("referer:")
                    });
                    let fields: String = fields.map(|field| format!(" {field}")).collect();
                    if path != "/favicon.ico" {
                        heard.lock().unwrap().push(format!("{path}{fields}"));
                    }
                    let page = pages.lock().unwrap().get(&path).cloned();
                    let page = page.unwrap_or_else(|| "Content-Type: text/html\r\n\r\nhere".to_owned());
                    let _gone = stream.write_all(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{page}").as_bytes());
                });
            }
        });
        trap
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A page of it: what it says of itself, and its HTML.
    fn page(&self, path: &str, fields: &str, html: &str) {
        let page =
            format!("Content-Type: text/html; charset=utf-8\r\n{fields}\r\n<!DOCTYPE html><title>calm</title>{html}");
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// What it was asked for since the last time, but for `own`.
    fn heard(&self, own: &str) -> Vec<String> {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        heard.into_iter().filter(|path| path != own).collect()
    }
}

fn cleaned(html: &str) -> String {
    let mut nothing = |_: &[u8], _: usize| None;
    let mut cleaner = Cleaner::new(&mut nothing);
    cleaner.html(html);
    cleaner.finish().html
}

/// A server with letters for Alice, and how they are called there.
fn server_with(letters: &[String]) -> (Server, String, Vec<String>) {
    let mut server = Server::new();
    server.add_account(ALICE);
    server.start();
    let mut lmtp = server.addresses().lmtp().unwrap();
    for letter in letters {
        lmtp.deliver("carol@example.net", &[ALICE], letter.as_bytes()).unwrap();
    }
    let found = server.cli(&["find", ALICE, "letter", "--json"], "");
    let found: Vec<serde_json::Value> = found.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let id = |n: usize| {
        let subject = format!("letter {n}");
        let line = found.iter().find(|line| line["subject"] == subject.as_str());
        line.and_then(|line| line["id"].as_str()).unwrap_or_else(|| panic!("{subject} in {found:?}")).to_owned()
    };
    let ids = (0..letters.len()).map(id).collect();
    let base = format!("http://localhost:{}", port(server.addresses()));
    (server, base, ids)
}

fn port(addresses: &Addresses) -> u16 {
    addresses.of("http").port()
}

/// What a page cannot have: `SecurityError` is what a browser says where an origin is nobody's.
const REACH: [(&str, &str); 4] = [
    ("document.cookie", "SecurityError"),
    ("parent === self ? document.cookie : parent.document.title", "SecurityError"),
    ("localStorage.length", "SecurityError"),
    ("self.origin", "null"),
];

/// That nothing of a stranger runs where the browser is just now, and that nothing of its owner is in reach.
fn check_walled(browser: &Browser) {
    for (expression, expected) in REACH {
        let tried = format!("(() => {{ try {{ return String({expression}) }} catch (e) {{ return e.name }} }})()");
        assert_eq!(browser.evaluate(&tried), expected, "{expression}");
    }
    let active = "document.querySelectorAll('script, iframe, frame, object, embed, form, input, link, base, svg, math, meta[http-equiv], \
                  [onload], [onerror], [onclick], [srcset], [background], [id], [class], [ping]').length";
    assert_eq!(browser.evaluate(active), 0);
}

#[test]
fn a_hostile_message_does_nothing_and_reaches_nothing() {
    let Some(browser) = Browser::open(Size::Wide) else { return };
    let trap = Trap::new();
    let hostile = HOSTILE.replace(NOBODY, &trap.host());
    let html = "Content-Type: text/html; charset=utf-8";
    let whole = format!("From: x@example.net\r\nSubject: letter 0\r\n{html}\r\n\r\n{hostile}");
    let mut parts =
        String::from("From: x@example.net\r\nSubject: letter 1\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n");
    for line in hostile.lines() {
        parts.push_str(&format!("--o\r\n{html}\r\n\r\n{line}\r\n"));
    }
    parts.push_str("--o\r\n\r\nThe end\r\n--o--\r\n");
    let (server, base, ids) = server_with(&[whole, parts]);
    log_in(&browser, &base);
    for id in &ids {
        let path = format!("/messages/{id}/read?as=sent");
        browser.go(&format!("{base}{path}"));
        says(&browser, "pictures are not shown");
        browser.enter(&browser.find("iframe.sent"));
        check_walled(&browser);
        browser.leave();
        assert_eq!(browser.path(), path, "the page around it was led elsewhere");
        assert!(!browser.title().contains("owned"), "a script ran");
        // The frame alone, as somebody may open it.
        browser.go(&format!("{base}/messages/{id}/sent"));
        check_walled(&browser);
        assert_eq!(browser.title(), "The message as it was sent");
        assert_eq!(browser.path(), format!("/messages/{id}/sent"));
    }
    says(&browser, "The end");
    browser.go(&trap.url("/alive"));
    assert_eq!(trap.heard(""), ["/alive"], "and nothing before it");
    assert_eq!(server.faults(), Vec::<String>::new());
}

/// What is wrong with what a browser made of something, in its own words.
const JUDGE: &str = "(html => { \
    const wrong = [], doc = new DOMParser().parseFromString(html, 'text/html'); \
    const names = new Set('a abbr acronym address article aside b bdi bdo big blockquote body br caption center cite code col colgroup dd del dfn \
        dir div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 head header hr html i img ins kbd li main ol p pre q s samp section \
        small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var wbr'.split(/ +/)); \
    const attributes = new Set('align alt bgcolor border cellpadding cellspacing clear color colspan dir face frame height hidden href hspace lang \
        link noshade nowrap rel role rowspan rules data-to data-part scope size span src start style target text title type valign value vspace width'.split(/ +/)); \
    const all = document.createTreeWalker(doc, NodeFilter.SHOW_ALL); \
    for (let e; (e = all.nextNode());) { \
        if (e.nodeType === 3 || e.nodeType === 10) continue; \
        if (e.nodeType !== 1) { wrong.push(`a node of type ${e.nodeType}`); continue; } \
        if (e.namespaceURI !== 'http://www.w3.org/1999/xhtml' || !names.has(e.localName)) wrong.push(e.localName); \
        for (const a of e.attributes) if (!attributes.has(a.name)) wrong.push(`${e.localName} ${a.name}`); \
        if (e.hasAttribute('href') && (!/^(https?|mailto|tel):$/.test(e.protocol) || e.target !== '_blank' || !e.relList.contains('noopener'))) wrong.push(e.outerHTML); \
        if (e.hasAttribute('src') && !/^data:image\\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*$/.test(e.getAttribute('src'))) wrong.push(e.outerHTML); \
        if (/url|expression|image|import|\\\\|position|@|-->/i.test(e.getAttribute('style') ?? '')) wrong.push(e.outerHTML); \
    } \
    return wrong; })";

/// What the server says to a browser of what is at a path.
fn policy(server: &Server, browser: &Browser, path: &str) -> String {
    let port = port(server.addresses());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let cookies = browser.cookies();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    assert_eq!(lines.next().unwrap(), "HTTP/1.1 200 OK");
    let policy = lines.find_map(|line| {
        Some(
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-security-policy"))?.1.to_owned(),
        )
    });
    policy.expect("a policy").trim().to_owned()
}

#[test]
fn each_wall_alone_holds_against_each_piece_of_it() {
    let Some(browser) = Browser::open(Size::Wide) else { return };
    let trap = Trap::new();
    let letter = "From: x@example.net\r\nSubject: letter 0\r\nContent-Type: text/html\r\n\r\nx".to_owned();
    let (server, base, ids) = server_with(&[letter]);
    log_in(&browser, &base);
    let policy = policy(&server, &browser, &format!("/messages/{}/sent", ids[0]));
    assert!(policy.starts_with("sandbox allow-popups "), "{policy}");
    let wall = format!("Content-Security-Policy: {policy}\r\n");
    let (mut ran, mut asked, mut led) = (0, 0, 0);
    for (n, line) in HOSTILE.lines().enumerate() {
        let line = line.replace(NOBODY, &trap.host());
        let clean = cleaned(&line);
        for (kind, fields, html) in
            [("bare", "", line.as_str()), ("walled", wall.as_str(), line.as_str()), ("cleaned", "", clean.as_str())]
        {
            let path = format!("/{kind}/{n}");
            trap.page(&path, fields, html);
            browser.go(&trap.url(&path));
            if kind == "bare" && line.contains("0;url=http") {
                browser.until("another page", || (browser.path() == "/refresh").then_some(()));
            }
            let (title, now) = (browser.title(), browser.path());
            // What it asks for last is asked for before the next page.
            browser.go(&trap.url("/next"));
            let heard: Vec<String> = trap.heard(&path).into_iter().filter(|path| !path.starts_with("/next")).collect();
            let heard: Vec<String> =
                heard.into_iter().filter(|heard| !heard.starts_with(&format!("{path} "))).collect();
            match kind {
                "bare" => {
                    ran += usize::from(title == "owned");
                    asked += usize::from(!heard.is_empty());
                    led += usize::from(now != path);
                }
                _ => {
                    assert_ne!(title, "owned", "{kind}: {line}");
                    assert_eq!((heard, now.as_str()), (Vec::new(), path.as_str()), "{kind}: {line}");
                }
            }
        }
    }
    assert!(ran >= 15 && asked >= 25 && led >= 1, "without a wall {ran} run, {asked} ask, {led} lead elsewhere");
    let pieces: Vec<String> = HOSTILE.lines().map(cleaned).chain([cleaned(HOSTILE)]).collect();
    for html in &pieces {
        let quoted = serde_json::to_string(html).unwrap();
        let wrong = browser.evaluate(&format!("{JUDGE}({quoted})"));
        assert_eq!(wrong, serde_json::json!([]), "{html}");
    }
}

/// What honest people send.
fn newsletter(trap: &Trap) -> String {
    format!(
        "From: Shop <shop@example.net>\r\nSubject: letter 0\r\nContent-Type: multipart/related; boundary=o\r\n\r\n\
         --o\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
         --a\r\nContent-Type: text/plain\r\n\r\nThe plain words\r\n\
         --a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body bgcolor=\"#102030\" style=\"margin:0\">\
         <table width=\"600\" align=center bgcolor=\"#ffeedd\"><tr><td style=\"padding:20px;color:rgb(1, 2, 3)\"><h1>The rich words</h1>\
         <img src=\"cid:logo@shop\" alt=Logo width=40 height=40><img src=\"{}\"><p>A very long line of text that goes on and on so that it \
         has to be broken where the page is narrow.</p><p><a href=\"{}\">See the offer</a></p></td></tr></table></body></html>\r\n--a--\r\n\
         --o\r\nContent-Type: image/png\r\nContent-ID: <logo@shop>\r\nContent-Transfer-Encoding: base64\r\n\r\n{PNG}\r\n--o--\r\n",
        trap.url("/pixel.png"),
        trap.url("/offer")
    )
}

#[test]
fn a_newsletter_looks_as_it_was_sent_and_its_links_open_elsewhere() {
    let trap = Trap::new();
    let (server, base, ids) = server_with(&[newsletter(&trap)]);
    let mut seen = (0..70).map(|n| n.to_string()).collect();
    for size in [Size::Phone, Size::Wide] {
        let Some(browser) = Browser::open(size) else { return };
        log_in(&browser, &base);
        let read = format!("/messages/{}/read", ids[0]);
        browser.go(&format!("{base}{read}"));
        says(&browser, "The plain words");
        browser.click_on("Show it as it was sent");
        says(&browser, "1 picture is not shown");
        look_at(&browser, &base, &format!("{read}?as=sent"), &mut seen);
        for dark in [false, true] {
            browser.prefer_dark(dark);
            browser.enter(&browser.find("iframe.sent"));
            let style = |css: &str, name: &str| {
                browser
                    .evaluate(&format!("getComputedStyle(document.querySelector('{css}')).getPropertyValue('{name}')"))
            };
            assert_eq!(style("body", "background-color"), "rgb(16, 32, 48)");
            assert_eq!(
                (style("table", "background-color"), style("td", "color")),
                ("rgb(255, 238, 221)".into(), "rgb(1, 2, 3)".into())
            );
            let shown = "[...document.images].map(e => e.naturalWidth)";
            browser.until("the picture", || (browser.evaluate(shown) == serde_json::json!([1, 0])).then_some(()));
            assert_eq!(browser.evaluate("document.body.scrollWidth - document.body.clientWidth"), 0, "it fits");
            browser.leave();
        }
        browser.prefer_dark(false);
        assert_eq!(trap.heard(""), Vec::<String>::new());
        browser.enter(&browser.find("iframe.sent"));
        browser.click_on("See the offer");
        browser.leave();
        browser.until("another tab", || (browser.tabs().len() == 2).then_some(()));
        assert_eq!(browser.path(), format!("{read}?as=sent"), "the page stays");
        browser.turn_to(browser.tabs().last().unwrap());
        browser.until("the offer", || (browser.path() == "/offer").then_some(()));
        assert_eq!(browser.evaluate("String(window.opener) + document.referrer"), "null");
        // It may run what it likes: it is in no sandbox, and is told nothing of where it was named.
        assert_eq!(
            (browser.evaluate("self.origin"), trap.heard("")),
            (format!("http://{}", trap.host()).into(), vec!["/offer".to_owned()])
        );
    }
    assert_eq!(server.faults(), Vec::<String>::new());
}

/// How many elements a browser makes of something.
const COUNT: &str = "(html => new DOMParser().parseFromString('<!DOCTYPE html><body>' + html, 'text/html').body.querySelectorAll('*').length)";

#[test]
fn a_browser_makes_of_it_what_is_written_and_no_more() {
    let Some(browser) = Browser::open(Size::Wide) else { return };
    let trap = Trap::new();
    browser.go(&trap.url("/judge"));
    let bold: String = (0..24).map(|n| format!("<b lang=x{n}>")).collect();
    let rows = format!("{bold}<table>{}</table>", "</b>".repeat(24));
    let mut pieces: Vec<String> = HOSTILE.lines().chain([HOSTILE]).map(str::to_owned).collect();
    pieces.push(format!("<div>{}</div>{}", rows.repeat(40), "<p>x".repeat(300)));
    pieces.push(format!("{bold}{}", "x</p>".repeat(5_000)));
    pieces.push(
        "<a href=https://x.example>A<table><tr><td></a>b<a href=https://y.example>c<p>d<tr>e<td><li>f".to_owned(),
    );
    pieces.push(
        "<table><col><td>a<caption>b<table><th>c<div></table><p>d<table>e<a href=https://x.example>f<tr>g".to_owned(),
    );
    pieces.push(
        "<ul><li><p><b>a<li>b<ol><dd>c<dt>d</ul><h1><i>e<h2>f<p>g<hr></p></h1><table><li><p>h<div>i</table>j</a>"
            .to_owned(),
    );
    pieces.push("<table><a href=https://x.example><table><td><a href=https://x.example><td><colgroup><td>".to_owned());
    for piece in pieces {
        let html = cleaned(&piece);
        let written = html.matches('<').count() - html.matches("</").count() - html.matches("<body").count();
        let quoted = serde_json::to_string(&html).unwrap();
        assert_eq!(browser.evaluate(&format!("{COUNT}({quoted})")), written, "{piece}\n{html}");
    }
}

#[test]
fn where_a_link_leads_is_seen_and_so_is_what_follows_a_part() {
    let Some(browser) = Browser::open(Size::Wide) else { return };
    let html = "<style>a::before{display:none}</style><p style=\"font-size:0;color:#fff;visibility:hidden\">\
                <a href=https://evil.example style=\"font-size:0;color:#fff;visibility:hidden;letter-spacing:1px\">\
                <span style=\"font-size:12px;visibility:visible\">https://bank.example</span><span hidden></a></p>\
                <body hidden style=\"color:#fff;font-size:0\"><p>Hello<div style=\"display:none\"><table><tr><td><a href=https://evil.example>";
    let letter = format!(
        "From: x@example.net\r\nSubject: letter 0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n\
         --o\r\nContent-Type: text/html\r\n\r\n{html}\r\n--o\r\n\r\nFOOTER\r\n--o\r\nContent-Type: text/html\r\n\r\nRICH\r\n--o--\r\n"
    );
    let (server, base, ids) = server_with(&[letter]);
    log_in(&browser, &base);
    browser.go(&format!("{base}/messages/{}/sent", ids[0]));
    let sign = "(() => { const s = getComputedStyle(document.querySelector('a'), '::before'); \
                return [s.content, s.display, s.visibility, s.fontSize, s.color, s.letterSpacing].join() })()";
    assert_eq!(browser.evaluate(sign), "\"[→ evil.example] \",inline,visible,14px,rgb(26, 26, 26),normal");
    assert_eq!(browser.evaluate("document.querySelector('a').dataset.to"), "evil.example");
    assert_eq!(browser.evaluate("document.querySelectorAll('[title]:not(a)').length"), 0);
    let seen = "[...document.querySelectorAll('[data-part]')].map(e => { const s = getComputedStyle(e); \
                return [e.innerText.trim(), e.closest('a'), e.checkVisibility(), s.color, s.fontSize].join() })";
    let expected = ["FOOTER,,true,rgb(26, 26, 26),16px", "RICH,,true,rgb(26, 26, 26),16px"];
    assert_eq!(browser.evaluate(seen), serde_json::json!(expected));
    assert_eq!(server.faults(), Vec::<String>::new());
}
