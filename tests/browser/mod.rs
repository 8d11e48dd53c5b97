//! Chromium without a screen, driven over WebDriver (W3C) by a small client: one request, one answer, one connection.
//!
//! A machine without `chromium` or `chromedriver` gets no browser, and a line that says so.

mod judged;

pub use judged::has_axe;

#[path = "../support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// No answer comes later than this, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// A page that was asked for is there in this time.
const PAGE: Duration = Duration::from_secs(20);
/// What WebDriver calls a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// How large the window is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Wide,
    /// 375 pixels wide, as the smallest phones are that people still use.
    Phone,
}

/// A browser with a profile of its own.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    size: Size,
    /// Kept open, so that the driver can always write.
    _said: BufReader<ChildStdout>,
    _profile: TempDir,
}

/// An element of the page that is shown.
#[derive(Clone)]
pub struct Element(String);

fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// The driver, what it says further, and its port; `None` where it has ended.
fn start(program: &Path, home: &Path) -> Option<(Child, BufReader<ChildStdout>, u16)> {
    let mut driver = Command::new(program)
        .args(["--port=0"])
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(driver.stdout.take().unwrap());
    let port = said
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse::<u16>().ok());
    if port.is_none() {
        driver.wait().unwrap();
    }
    Some((driver, said, port?))
}

impl Browser {
    /// `None`, and a line, where there is no Chromium.
    pub fn open(size: Size) -> Option<Self> {
        let Some((chromium, driver)) = program("chromium").zip(program("chromedriver")) else {
            not_tested::without("chromium", "Debian: chromium, chromium-driver");
            return None;
        };
        let profile = tempfile::Builder::new().prefix("pillarbox-browser-").tempdir().unwrap();
        // It takes a port of IPv4 and ends where that of IPv6 with the same number is taken.
        let started = (0..10).find_map(|_| start(&driver, profile.path()));
        let (driver, said, port) = started.expect("the driver says its port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut browser = Self { driver, address, session: String::new(), size, _said: said, _profile: profile };
        let mut options = json!({ "binary": chromium, "args": browser.arguments() });
        if size == Size::Phone {
            options["mobileEmulation"] = json!({ "deviceMetrics": { "width": 375, "height": 812, "pixelRatio": 2.0 } });
        }
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let answer = browser.request("POST", "/session", Some(wanted)).unwrap();
        browser.session = answer["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    fn arguments(&self) -> Vec<String> {
        let own = [
            format!("--user-data-dir={}", self._profile.path().join("profile").display()),
            "--window-size=1280,900".to_owned(),
        ];
        ARGUMENTS.iter().map(|argument| (*argument).to_owned()).chain(own).collect()
    }

    pub fn go(&self, url: &str) {
        self.post("/url", json!({ "url": url }));
    }

    /// The address of the page that is shown, without its host.
    pub fn path(&self) -> String {
        let url = self.get("/url").as_str().unwrap().to_owned();
        format!("/{}", url.splitn(4, '/').nth(3).unwrap_or_default())
    }

    /// Waits until `ask` has an answer: a page may just be on its way.
    pub fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let since = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(since.elapsed() < PAGE, "no {what} on {}:\n{}", self.path(), self.text());
        }
    }

    pub fn find(&self, css: &str) -> Element {
        self.until(css, || self.find_all(css).into_iter().next())
    }

    pub fn find_all(&self, css: &str) -> Vec<Element> {
        let found = self.post("/elements", json!({ "using": "css selector", "value": css }));
        found.as_array().unwrap().iter().map(|found| Element(found[ELEMENT].as_str().unwrap().to_owned())).collect()
    }

    /// A link or a button by what is written on it.
    pub fn click_on(&self, words: &str) {
        let quoted = serde_json::to_string(words).unwrap();
        let path = format!("//*[self::a or self::button or self::summary][contains(normalize-space(.), {quoted})]");
        let wanted = json!({ "using": "xpath", "value": path });
        self.until(words, || {
            let found = self.try_post("/elements", wanted.clone()).ok()?;
            let element = Element(found.as_array()?.first()?[ELEMENT].as_str()?.to_owned());
            self.try_post(&format!("/element/{}/click", element.0), json!({})).ok()
        });
    }

    pub fn click(&self, element: &Element) {
        self.post(&format!("/element/{}/click", element.0), json!({}));
    }

    pub fn write(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.post(&format!("/element/{}/clear", element.0), json!({}));
        self.post(&format!("/element/{}/value", element.0), json!({ "text": text }));
    }

    /// All that can be read on the page; nothing while it changes.
    pub fn text(&self) -> String {
        let read = || {
            let body = self.try_post("/element", json!({ "using": "css selector", "value": "body" })).ok()?;
            let path = format!("/session/{}/element/{}/text", self.session, body[ELEMENT].as_str()?);
            Some(self.request("GET", &path, None).ok()?.as_str()?.to_owned())
        };
        read().unwrap_or_default()
    }

    /// Asks the browser itself, from outside of the page.
    pub fn evaluate(&self, expression: &str) -> Value {
        self.post("/execute/sync", json!({ "script": format!("return ({expression});"), "args": [] }))
    }

    /// What a promise comes to, which a function makes of an argument.
    pub fn promised(&self, function: &str, argument: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; ({function})(arguments[0]).then(done, error => done(`failed: ${{error}}`))"
        );
        self.post("/execute/async", json!({ "script": script, "args": [argument] }))
    }

    /// Presses keys, one after the other: letters, or those that WebDriver has numbers for.
    pub fn press(&self, keys: &str) {
        let key = |kind: &str, key: char| json!({ "type": kind, "value": key.to_string() });
        let actions: Vec<Value> = keys.chars().flat_map(|c| [key("keyDown", c), key("keyUp", c)]).collect();
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }));
    }

    /// Presses Tab, and says what has the focus then.
    pub fn tab(&self) -> String {
        self.press("\u{e004}");
        let script = "(() => { const e = document.activeElement; return e === document.body ? '' : \
                      (e.labels?.[0]?.innerText || e.innerText || e.name).trim(); })()";
        self.evaluate(script).as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned()
    }

    pub fn title(&self) -> String {
        self.get("/title").as_str().unwrap().to_owned()
    }

    /// What is asked is asked of the page in this frame from now on.
    pub fn enter(&self, frame: &Element) {
        self.post("/frame", json!({ "id": { ELEMENT: frame.0 } }));
    }

    /// Of the page around it again.
    pub fn leave(&self) {
        self.post("/frame", json!({ "id": null }));
    }

    pub fn tabs(&self) -> Vec<String> {
        let handles = self.get("/window/handles");
        handles.as_array().unwrap().iter().map(|handle| handle.as_str().unwrap().to_owned()).collect()
    }

    pub fn turn_to(&self, tab: &str) {
        self.post("/window", json!({ "handle": tab }));
    }

    /// What it sends to this host as `Cookie`.
    pub fn cookies(&self) -> String {
        let all = self.get("/cookie");
        let one =
            |cookie: &Value| format!("{}={}", cookie["name"].as_str().unwrap(), cookie["value"].as_str().unwrap());
        all.as_array().unwrap().iter().map(one).collect::<Vec<_>>().join("; ")
    }

    pub fn prefer_dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// The time zone of whoever reads, such as `Asia/Tokyo`.
    pub fn live_in(&self, zone: &str) {
        self.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": zone }));
    }

    /// Stops every script of the page, as far as there were any.
    pub fn forbid_scripts(&self) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    }

    /// The whole page as a picture.
    pub fn picture(&self, file: &Path) {
        let taken = self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "format": "png" }));
        std::fs::write(file, BASE64_STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    pub fn size(&self) -> Size {
        self.size
    }

    fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    fn get(&self, path: &str) -> Value {
        self.request("GET", &format!("/session/{}{path}", self.session), None).unwrap()
    }

    fn post(&self, path: &str, body: Value) -> Value {
        self.try_post(path, body).unwrap()
    }

    fn try_post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.request("POST", &format!("/session/{}{path}", self.session), Some(body))
    }

    /// What the driver answers, or what went wrong.
    fn request(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}",
            self.address,
            body.len()
        );
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
        let answer = read_answer(&mut BufReader::new(stream));
        let value = serde_json::from_slice::<Value>(&answer).unwrap()["value"].clone();
        match value["error"].is_null() {
            true => Ok(value),
            false => Err(format!("{method} {path} {body}: {}", value["message"].as_str().unwrap_or_default())),
        }
    }
}

/// The body of an answer with a length.
fn read_answer(stream: &mut BufReader<TcpStream>) -> Vec<u8> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap()
            }
            None if line.trim_end().is_empty() => break,
            Some(_) | None => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    body
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            let _ended = self.request("DELETE", &format!("/session/{}", self.session), None);
        }
        // It ends its Chromium, too.
        let _gone = self.driver.kill();
        let _waited = self.driver.wait();
    }
}
