//! The pages in Chromium, against the real binary: what an owner does there, at the width of a desk and of a phone, with
//! the keyboard, by light and by dark, and with every script forbidden.
//!
//! Pictures of all pages are left in `target/tmp/pages`.

#![allow(clippy::unwrap_used)]

#[path = "pages/as_sent.rs"]
mod as_sent;
mod browser;
mod support;

use browser::{Browser, Size};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::server::{HOSTNAME, Server};

const ALICE: &str = "alice@example.org";
/// What `Server::add_account` gives her.
const PASSWORD: &str = "a long main password";
/// What strangers may write: none of it may become a part of the page.
const HOSTILE: [&str; 3] = [
    "<script>document.title='owned'</script><img src=x onerror=alert(1)>",
    "=?utf-8?q?=E2=80=AEtxt.exe?= \"'>&lt;",
    "Averylongwordthatneverendsaverylongwordthatneverendsaverylongwordthatneverendsaverylongwordthatneverends",
];

/// Alice's household: a PC that took everything over POP while it was alone, a laptop that clears the mailbox, a phone.
fn household() -> (Server, String) {
    // Nobody listens there, nor answers: what the doctor asks goes to no one.
    let mut server = Server::with(
        "account_requests = true\nsmarthost = { host = \"127.0.0.1\", port = 9, security = \"none\" }\nsender.check = false\n\
         dns = { servers = [\"127.0.0.1:9\"], dnssec = false }\n",
    );
    server.add_account(ALICE);
    server.cli(&["account", "admin", ALICE, "on"], "");
    let pc = server.add_device(ALICE, "Old Outlook", "keep-when-shared");
    server.start();
    let mut lmtp = server.addresses().lmtp().unwrap();
    let mut deliver = |subject: &str| {
        let message = format!("From: Carol <carol@example.net>\r\nTo: {ALICE}\r\nSubject: {subject}\r\n\r\nHello\r\n");
        lmtp.deliver("carol@example.net", &[ALICE], message.as_bytes()).unwrap();
    };
    ["Lunch on Friday?", "The photos", "Your invoice"].iter().chain(&HOSTILE).for_each(|subject| deliver(subject));
    take_all(&server, &pc);
    let laptop = server.add_device(ALICE, "Thunderbird on the laptop", "expunge");
    let phone = server.add_device(ALICE, "phone", "keep-when-shared");
    ["Minutes of the meeting", "Tickets"].iter().for_each(|subject| deliver(subject));
    take_all(&server, &pc);
    take_all(&server, &laptop);
    deliver("Happy birthday!");
    reports().iter().for_each(|report| {
        lmtp_of(&server).deliver("noreply@big.example", &[ALICE], report.as_bytes()).unwrap();
    });
    let begin = Instant::now();
    while !server.cli(&["reports"], "").contains("complaint") {
        assert!(begin.elapsed() < Duration::from_secs(60), "no report is read");
    }
    let mut imap = server.addresses().imaps(ALICE, &phone).unwrap();
    imap.command("SELECT INBOX").unwrap();
    imap.command("STORE 1 +FLAGS (\\Seen \\Answered)").unwrap();
    let base = format!("http://localhost:{}", server.addresses().of("http").port());
    (server, base)
}

fn lmtp_of(server: &Server) -> support::smtp::Smtp {
    server.addresses().lmtp().unwrap()
}

/// What strangers report, with what they may have in mind.
fn reports() -> [String; 2] {
    let yesterday = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 24 * 3600;
    let [script, _, long] = HOSTILE;
    let row = |address: &str, dkim: &str, spf: &str| {
        let spf = spf.replace('<', "&lt;");
        format!(
            "<record><row><source_ip>{address}</source_ip><count>412</count><policy_evaluated><dkim>{dkim}</dkim></policy_evaluated>\
             </row><auth_results><spf><domain>{spf}</domain><result>pass</result></spf></auth_results></record>"
        )
    };
    let rows = [
        row("203.0.113.7", "fail", script),
        row("2001:db8::1234:5678:9abc:def0", "fail", long),
        row("192.0.2.1", "pass", ""),
    ];
    let mail = format!(
        "From: <noreply@big.example>\r\nSubject: Report domain: example.org\r\nContent-Type: text/xml\r\n\r\n<feedback>\r\n\
         <report_metadata><date_range><begin>{yesterday}</begin></date_range></report_metadata>\r\n<policy_published><domain>\
         example.org</domain><p>none</p></policy_published>\r\n{}</feedback>\r\n",
        rows.join("\r\n")
    );
    let complaint = format!(
        "From: <fbl@isp.example>\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\
         Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
         From: {ALICE}\r\nSubject: {long}\r\nMessage-ID: <{long}{long}@example.org>\r\n\r\nx\r\n--b--\r\n"
    );
    [mail, complaint]
}

/// Downloads and deletes everything, as POP programs do.
fn take_all(server: &Server, password: &str) {
    let mut pop = server.addresses().pop3s(ALICE, password).unwrap();
    let count = u32::try_from(pop.uidl().unwrap().len()).unwrap();
    pop.retrieve(1..=count).unwrap();
    for number in 1..=count {
        pop.command(&format!("DELE {number}")).unwrap();
    }
    pop.quit().unwrap();
}

fn log_in(browser: &Browser, base: &str) {
    log_in_as(browser, base, ALICE);
}

fn log_in_as(browser: &Browser, base: &str, user: &str) {
    browser.go(&format!("{base}/login"));
    browser.write("#user", user);
    browser.write("#password", PASSWORD);
    browser.click_on("Log in");
    comes_to(browser, "/");
}

fn says(browser: &Browser, words: &str) {
    browser.until(words, || browser.text().contains(words).then_some(()));
}

fn comes_to(browser: &Browser, path: &str) {
    browser.until(path, || (browser.path() == path).then_some(()));
}

fn pictures() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// A page with all that it needs has at most so many octets.
const PAGE_BYTES_MAX: u64 = 100_000;

fn fits(browser: &Browser, name: &str) {
    let overhang = browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(overhang, 0, "{name} must be scrolled sideways");
}

/// What must hold of every page.
fn check_page(browser: &Browser, name: &str) {
    fits(browser, name);
    let nameless = "[...document.querySelectorAll('input:not([type=hidden], [aria-hidden=true]), select, textarea')]\
                    .filter(e => !e.labels?.length || !e.labels[0].textContent.trim()).map(e => e.outerHTML)";
    assert_eq!(browser.evaluate(nameless), Value::Array(Vec::new()), "{name} has fields without a label");
    let wordless =
        "[...document.querySelectorAll('a, button')].filter(e => !e.textContent.trim() && !e.ariaLabel).length";
    assert_eq!(browser.evaluate(wordless), 0, "{name} has buttons without words");
    assert_eq!(browser.evaluate("document.querySelectorAll('h1').length"), 1, "{name}");
    let foreign = "[...document.scripts].filter(e => !e.src.startsWith(`${location.origin}/assets/time.`)).length";
    assert_eq!(browser.evaluate(foreign), 0, "{name} has a script that is not the one of moments");
    let small = "[...document.querySelectorAll('button, .button, select, input:not([type=hidden], [type=checkbox], [type=radio], [aria-hidden=true])')]\
                 .filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 38).map(e => e.outerHTML)";
    assert_eq!(browser.evaluate(small), Value::Array(Vec::new()), "{name} has what is too small for a finger");
    let weight = browser.weight();
    assert!((1..=PAGE_BYTES_MAX).contains(&weight), "{name} has {weight} octets");
    assert_eq!(browser.asked_elsewhere(), Vec::<String>::new(), "{name} asks others");
    assert_eq!(browser.names_elsewhere(), Vec::<String>::new(), "{name} would load from others, or send to them");
    assert_eq!(browser.out_of_reach(), Vec::<String>::new(), "{name} has what the keyboard does not reach");
}

/// Says how soon a page is painted: a figure, and nothing that fails on a machine that does much else.
fn tell_paint(browser: &Browser, base: &str, path: &str) {
    browser.go(&format!("{base}{path}"));
    let millis = browser.until("first paint", || browser.first_paint());
    println!("{path} is painted after {millis:.0} ms");
}

#[test]
fn an_owner_sees_every_device_changes_a_policy_and_takes_back_what_one_did() {
    let Some(browser) = Browser::open(Size::Wide) else { return };
    let (server, base) = household();
    browser.go(&base);
    comes_to(&browser, "/login");
    browser.forbid_scripts();
    log_in(&browser, &base);
    says(&browser, "“Old Outlook” took 6 messages. Put them back?");
    browser.click_on("Yes, put back");
    says(&browser, "6 messages: put back");
    assert!(!browser.text().contains("“Old Outlook” took"));

    browser.click_on("Devices");
    says(&browser, "Takes mail from others");
    browser.click_on("Thunderbird on the laptop");
    says(&browser, "What it deletes is deleted for all your devices.");
    browser.click(&browser.find("label[for=policy-archive]"));
    browser.click_on("Save");
    says(&browser, "Saved. From now on what it deletes goes to the archive.");
    says(&browser, "Changes your mailbox");

    browser.click_on("Undo what it did");
    browser.click_on("Show what that would do");
    says(&browser, "put back into the mailboxes that they were removed from");
    browser.click_on("Do it");
    comes_to(&browser, "/timeline");
    says(&browser, "Done. ");
    says(&browser, "Thunderbird on the laptop had done");

    browser.write("#search", "tickets");
    browser.click_on("Search");
    browser.click_on("Tickets");
    says(&browser, "What happened to this message, oldest first.");
    says(&browser, "Thunderbird on the laptop: removed from INBOX over POP");
    browser.click_on("Log out");
    comes_to(&browser, "/login");
    browser.go(&format!("{base}/timeline"));
    comes_to(&browser, "/login?next=%2Ftimeline");
    assert_eq!(server.faults(), Vec::<String>::new());
}

/// What else there is to see: lists, forwards, shares, mail for later, mail that was refused, and the links that people get. Gives
/// the paths of these links.
fn furnish(server: &Server) -> Vec<String> {
    let tablet = server.add_device(ALICE, "tablet", "keep-when-shared");
    let mut smtp = server.addresses().submissions(ALICE, &tablet).unwrap();
    for to in ["carol@example.net", &format!("dave@{}.example", "long-label-".repeat(5) + "x")] {
        smtp.deliver(ALICE, &[to], format!("From: {ALICE}\r\nSubject: out\r\n\r\nx\r\n").as_bytes()).unwrap();
    }
    server.cli(&["queue", "hold", "2"], "");
    // RFC 4865.
    let monday = format!("From: {ALICE}\r\nSubject: for Monday\r\n\r\nx\r\n");
    smtp.start_with(&format!("<{ALICE}> HOLDFOR=259200"), &["carol@example.net"], monday.as_bytes()).unwrap();
    assert_eq!(smtp.reply().unwrap().code, 250);
    // Somebody else's address.
    smtp.start_with("<bob@example.net>", &["carol@example.net"], b"").unwrap_err();
    let begin = Instant::now();
    while !server.cli(&["find", ALICE, "bob@example.net", "--since", "2 days ago"], "").contains("was refused: 550 ") {
        assert!(begin.elapsed() < Duration::from_secs(60), "what was refused is not found");
    }
    server.add_account("bob@example.org");
    server.cli(&["share", "set", ALICE, "INBOX", "bob@example.org", "read"], "");
    server.cli(&["share", "set", "bob@example.org", "INBOX", ALICE, "edit"], "");
    server.cli(&["forward", "ask", ALICE, "carol@example.com"], "");
    let choir = "choir@example.org";
    server.cli(&["list", "add", choir, "--owner", ALICE, "--posting", "anybody", "--title", &HOSTILE[2][..60]], "");
    server.cli(&["list", "join", choir, ALICE, "bob@example.org", &format!("{}@example.com", "x".repeat(60))], "");
    server.cli(&["list", "invite", choir, "eve@example.net"], "");
    server.cli(&["list", "approval", choir, "others"], "");
    let post = format!("From: Carol <carol@example.net>\r\nTo: {choir}\r\nSubject: {}\r\n\r\nHello\r\n", HOSTILE[0]);
    lmtp_of(server).deliver("carol@example.net", &[choir], post.as_bytes()).unwrap();
    let link = |arguments: &[&str]| {
        let said = server.cli(arguments, "");
        let url = said.split_whitespace().find(|word| word.starts_with("https://")).expect("a link").to_owned();
        format!("/{}", url.splitn(4, '/').nth(3).unwrap())
    };
    let one = link(&["invite", "add", "--address", "erin@example.org"]);
    vec![link(&["invite", "add"]), one, link(&["account", "link", "bob@example.org"])]
}

/// Asks for an account; where its answer will be.
fn ask_for_an_account(browser: &Browser, base: &str, local_part: &str) -> String {
    browser.go(&format!("{base}/request"));
    for (field, text) in
        [("name", "Frank"), ("address", local_part), ("reason", HOSTILE[2]), ("contact", "f@example.com")]
    {
        browser.write(&format!("#{field}"), text);
    }
    browser.click(&browser.find("main form button"));
    browser.until("an answer", || Some(browser.path()).filter(|path| path.starts_with("/request/")))
}

#[test]
fn pages_fit_a_desk_and_a_phone_and_can_be_used_with_the_keyboard() {
    let (server, base) = household();
    let links = furnish(&server);
    // Who is connected is on a page, too.
    let tablet = server.add_device(ALICE, &HOSTILE[2][..80], "keep-when-shared");
    let mut imap = server.addresses().imaps(ALICE, &tablet).unwrap();
    imap.command("SELECT INBOX").unwrap();
    let _connected = (imap, server.addresses().pop3s(ALICE, &tablet).unwrap(), server.addresses().smtp().unwrap());
    for size in [Size::Wide, Size::Phone] {
        let Some(browser) = Browser::open(size) else { return };
        let mut seen = Vec::new();
        for path in ["/login", "/request", "/pop-or-imap", "/nowhere"] {
            look_at(&browser, &base, path, &mut seen);
        }
        let local_part = if size == Size::Wide { "frank" } else { "grace" };
        look_at(&browser, &base, &ask_for_an_account(&browser, &base, local_part), &mut seen);
        links.iter().for_each(|path| look_at(&browser, &base, path, &mut seen));
        log_in(&browser, &base);
        browser.go(&format!("{base}/admin/doctor"));
        browser.click_on("Look now");
        says(&browser, "It is looked at.");
        let pages = [
            "/",
            "/devices",
            "/devices/1",
            "/devices/1/imap",
            "/devices/1/revoke",
            "/devices/3",
            "/defaults",
            "/timeline",
            "/find",
            "/find?text=owned&since=2+days+ago",
            "/find?since=never",
            "/timeline?search=owned&since=never",
            "/undo",
            "/undo?device=2&since=1+day+ago",
            "/storage",
            "/devices/add",
            "/account",
            "/held",
            "/account/forward",
            "/account/scheduled",
            "/account/shares",
            "/account/second-factor",
            "/account/test-mail",
            "/refused",
            "/refused?search=nobody",
            "/find?text=bob%40example.net",
            "/lists",
            "/lists/choir@example.org",
            "/admin/accounts/16/find",
            "/pop-or-imap",
            "/admin",
            "/admin?search=nobody",
            "/admin/accounts/16",
            "/admin/accounts/import",
            "/admin/people",
            "/admin/addresses",
            "/admin/domains/records?domain=example.org",
            "/admin/queue",
            "/admin/queue/messages",
            "/admin/audit",
            "/admin/sessions",
            "/admin/sessions?protocol=ftp",
            "/admin/reports",
            "/admin/integrity",
            "/admin/lists",
            "/admin/refused",
            "/admin/test-mail",
        ];
        for path in pages {
            look_at(&browser, &base, path, &mut seen);
        }
        // By now it has waited long enough for name servers that do not answer.
        browser.until("findings", || {
            browser.go(&format!("{base}/admin/doctor"));
            browser.text().contains("All checks").then_some(())
        });
        look_at(&browser, &base, "/admin/doctor", &mut seen);
        browser.go(&format!("{base}/admin/integrity"));
        browser.click_on("Look now");
        browser.until("the end of the look at all accounts", || {
            browser.go(&format!("{base}/admin/integrity"));
            browser.text().contains("accounts were looked at on").then_some(())
        });
        look_at(&browser, &base, "/admin/integrity", &mut seen);
        assert_eq!(seen.len(), 4 + 1 + links.len() + pages.len() + 2);
        browser.go(&format!("{base}/find?text=photos"));
        browser.click_on("Read it");
        says(&browser, "Shown as text");
        look_at(&browser, &base, &browser.path(), &mut seen);
        browser.go(&format!("{base}/timeline?search=owned"));
        browser.click_on("script");
        says(&browser, HOSTILE[0]);
        look_at(&browser, &base, &browser.path(), &mut seen);
        assert_ne!(browser.evaluate("document.title"), "owned");
        assert!(browser.find_all("img:not(.brand img)").is_empty());
        for language in ["de", "ja"] {
            server.cli(&["language", "set", ALICE, language], "");
            for path in pages.into_iter().chain(["/admin/doctor"]) {
                browser.go(&format!("{base}{path}"));
                assert_eq!(browser.evaluate("document.documentElement.lang"), language, "{path}");
                fits(&browser, &format!("{path} in {language}"));
            }
        }
        server.cli(&["language", "unset", ALICE], "");
    }
}

/// WebDriver's keys.
const ENTER: &str = "\u{e007}";
const SPACE: &str = " ";
const DOWN: &str = "\u{e015}";

/// Presses Tab until `words` have the focus; a person sees at each step where that is.
fn tab_to(browser: &Browser, words: &str) {
    let sees = "(() => { const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect(); \
                return e.matches(':focus-visible') && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && \
                box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight; })()";
    let mut passed = Vec::new();
    while passed.len() < 100 {
        let reached = browser.tab();
        assert_eq!(browser.evaluate(sees), true, "on {} the focus is not seen on {reached:?}", browser.path());
        if reached.contains(words) {
            return;
        }
        passed.push(reached);
    }
    panic!("on {} Tab does not lead to {words:?}: {passed:?}", browser.path());
}

#[test]
fn without_a_mouse_an_owner_finds_a_mail_answers_a_question_and_leaves() {
    let Some(browser) = Browser::open(Size::Wide) else { return };
    let mut server = Server::with("smarthost = { host = \"127.0.0.1\", port = 9, security = \"none\" }\n");
    server.add_account(ALICE);
    let pc = server.add_device(ALICE, "Old Outlook", "expunge");
    let phone = server.add_device(ALICE, "phone", "keep-when-shared");
    server.start();
    let deliver = |subject: &str| {
        let message = format!("From: carol@example.net\r\nTo: {ALICE}\r\nSubject: {subject}\r\n\r\nHello\r\n");
        lmtp_of(&server).deliver("carol@example.net", &[ALICE], message.as_bytes()).unwrap();
    };
    deliver("The lease");
    take_all(&server, &pc);
    (0..40).for_each(|number| deliver(&format!("Number {number}")));
    let mut imap = server.addresses().imaps(ALICE, &phone).unwrap();
    for command in ["SELECT INBOX", "STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE"] {
        imap.command(command).unwrap();
    }
    let base = format!("http://localhost:{}", server.addresses().of("http").port());

    // The field for the user has the focus at once.
    browser.go(&format!("{base}/login"));
    browser.press(ALICE);
    tab_to(&browser, "Password");
    browser.press(PASSWORD);
    browser.press(ENTER);
    comes_to(&browser, "/");
    // What is on every page need not be gone through.
    tab_to(&browser, "Skip to the content");
    browser.press(ENTER);
    assert_eq!(browser.evaluate("document.activeElement.id"), "main");
    tab_to(&browser, "If you keep them, this device");
    browser.press(DOWN);
    tab_to(&browser, "Keep them");
    browser.press(SPACE);
    comes_to(&browser, "/held");
    says(&browser, "You answered");
    says(&browser, "What phone deletes over POP stays in your mailbox from now on.");

    tab_to(&browser, "Find a mail");
    browser.press(ENTER);
    comes_to(&browser, "/find");
    tab_to(&browser, "Words of it, or its Message-ID");
    browser.press("lease");
    tab_to(&browser, "Find");
    browser.press(SPACE);
    comes_to(&browser, "/find?text=lease&since=&until=");
    says(&browser, "removed by Old Outlook");
    tab_to(&browser, "Bring it back");
    browser.press(ENTER);
    says(&browser, "1 message: put back");

    tab_to(&browser, "Log out");
    browser.press(SPACE);
    comes_to(&browser, "/login");
    browser.go(&format!("{base}/timeline"));
    comes_to(&browser, "/login?next=%2Ftimeline");
    let mut imap = server.addresses().imaps(ALICE, &phone).unwrap();
    imap.command("SELECT INBOX").unwrap();
    assert_eq!(
        imap.command("SEARCH ALL").unwrap().found().len(),
        42,
        "the lease is back, with the others and the letter that asks"
    );
    assert_eq!(server.faults(), Vec::<String>::new());
}

#[test]
fn an_owner_finds_a_mail_that_has_vanished_and_brings_it_back() {
    let (server, base) = household();
    for (size, mail) in [(Size::Phone, "photos"), (Size::Wide, "invoice")] {
        let Some(browser) = Browser::open(size) else { return };
        log_in(&browser, &base);
        browser.click_on("Find a mail");
        comes_to(&browser, "/find");
        says(&browser, "Removed lately");
        browser.write("#text", mail);
        browser.click(&browser.find("form.search button"));
        says(&browser, "removed by Old Outlook");
        says(&browser, "Old Outlook has deleted it from its own list");
        browser.click_on("Bring it back");
        says(&browser, "1 message: put back");
        says(&browser, "in INBOX");
        assert!(!browser.text().contains("Bring it back"), "it is there: {}", browser.text());
        browser.write("#text", "a mail that never was");
        browser.click(&browser.find("form.search button"));
        says(&browser, "Nothing was found");
    }
    let found = server.cli(&["find", ALICE, "photos"], "");
    assert!(found.contains("; came ") && found.contains("in INBOX"), "{found}");
    assert_eq!(server.faults(), Vec::<String>::new());
}

#[test]
fn what_somebody_types_is_a_moment_of_their_own_zone() {
    let Some(browser) = Browser::open(Size::Wide) else { return };
    let (_server, base) = household();
    browser.live_in("Asia/Tokyo");
    log_in(&browser, &base);
    for page in ["/timeline", "/undo", "/refused"] {
        browser.go(&format!("{base}{page}"));
        assert!(browser.text().contains("Asia/Tokyo"), "{page}: {}", browser.text());
    }
    browser.go(&format!("{base}/timeline"));
    browser.write("#since", "2026-01-02T08:30");
    browser.write("#until", "2026-01-03");
    browser.click_on("Search");
    let query = "since=2026-01-01T23%3A30%3A00Z&until=2026-01-03T14%3A59%3A59Z";
    browser.until(query, || browser.path().contains(query).then_some(()));
    let fields = "['since', 'until'].map(name => document.getElementById(name).value)";
    assert_eq!(browser.evaluate(fields), serde_json::json!(["2026-01-02T08:30", "2026-01-03"]), "as it was typed");
    browser.write("#since", "2 days ago");
    browser.click_on("Search");
    let query = "since=2+days+ago&until=2026-01-03T14%3A59%3A59Z";
    browser.until(query, || browser.path().contains(query).then_some(()));
}

#[test]
fn a_thousand_accounts_come_from_a_list_with_the_hashes_of_another_server() {
    let Some(browser) = Browser::open(Size::Wide) else { return };
    // The example of the description of SHA-crypt.
    let (password, hash) = (
        "Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    );
    let mut server = Server::new();
    server.add_account(ALICE);
    server.cli(&["account", "admin", ALICE, "on"], "");
    server.start();
    let base = format!("http://localhost:{}", server.addresses().of("http").port());
    let line = |number: usize| match number {
        7 => format!("user7@other.example,Number 7,{{SHA512-CRYPT}}{hash},\n"),
        500 => "user500@example.org,Number 500,{SHA512-CRYPT}$6$broken,\n".to_owned(),
        number => format!("user{number}@example.org,Number {number},{{SHA512-CRYPT}}{hash},5GB\n"),
    };
    let list: String = (1..=1000).map(line).collect();
    let list = serde_json::to_string(&format!("address,name,hash,quota\n{list}")).unwrap();
    // As somebody pastes it.
    let paste = format!("document.querySelector('#csv').value = {list}, 0");
    log_in(&browser, &base);
    browser.click_on("Administration");
    browser.click_on("Add an account");
    browser.click_on("Add many at once from a list");
    comes_to(&browser, "/admin/accounts/import");
    browser.find("#csv");
    browser.evaluate(&paste);
    browser.click_on("See what would happen");
    says(&browser, "Nothing was done yet. 998 to be added, 0 there already, 2 to be refused.");
    let refused = |browser: &Browser| -> Vec<String> {
        let rows = "[...document.querySelectorAll('main tbody tr')].map(row => [...row.children].map(cell => \
                    cell.textContent).join(' '))";
        let rows = browser.evaluate(rows);
        rows.as_array().unwrap().iter().map(|row| row.as_str().unwrap().to_owned()).collect()
    };
    let whys = refused(&browser);
    assert!(whys[0].starts_with("8 user7@other.example ") && !whys[0].contains("hash"), "{whys:?}");
    assert_eq!(whys[1..], ["501 user500@example.org the hash is not a whole one of SHA-crypt"]);
    assert!(!server.cli(&["account", "list"], "").contains("user1@"), "it was only tried");
    // The list is there still.
    browser.click_on("Add them");
    says(&browser, "998 added, 0 there already, 2 refused.");
    assert_eq!(refused(&browser), whys);
    assert_eq!(server.cli(&["account", "list", "--json"], "").lines().count(), 999);
    browser.click_on("Log out");
    comes_to(&browser, "/login");
    browser.write("#user", "user1000@example.org");
    browser.write("#password", password);
    browser.click_on("Log in");
    comes_to(&browser, "/");
    says(&browser, "user1000@example.org");
    browser.go(&format!("{base}/admin"));
    says(&browser, "administrator");
    drop(browser);
    assert!(server.addresses().imaps("user2@example.org", password).is_ok());
    assert!(server.addresses().imaps("user2@example.org", "another").is_err());
    assert_eq!(server.faults(), Vec::<String>::new());
}

#[test]
fn an_administrator_of_a_domain_cannot_touch_another_domain() {
    let mut server = Server::with("smarthost = { host = \"127.0.0.1\", port = 9, security = \"none\" }\n");
    server.cli(&["domain", "add", "other.example"], "");
    [ALICE, "bob@example.org", "vera@other.example"].iter().for_each(|address| server.add_account(address));
    server.start();
    let given = server.cli(&["account", "domains", ALICE, "example.org"], "");
    assert_eq!(given, "alice@example.org administers example.org now, and no other domain.\n");
    assert!(server.cli(&["account", "show", ALICE], "").contains("Admin     of example.org\n"));
    let limits = server.cli(&["domain", "limits", "example.org", "--accounts", "4", "--quota", "1GB"], "");
    assert_eq!(limits, "example.org: 4 accounts at most, 953.7 MiB for each at most\n");
    let domains = server.cli(&["domain", "list"], "");
    assert!(domains.lines().any(|line| line.contains("example.org") && line.contains(ALICE)), "{domains}");
    let audit = server.cli(&["audit", "--search", "administers"], "");
    assert!(audit.contains("operator, from command line: alice@example.org administers example.org now"), "{audit}");
    let base = format!("http://localhost:{}", server.addresses().of("http").port());
    for size in [Size::Wide, Size::Phone] {
        let Some(browser) = Browser::open(size) else { return };
        log_in(&browser, &base);
        let mut seen = (0..50).map(|n| n.to_string()).collect();
        for path in ["/admin", "/admin/accounts/17", "/admin/people", "/admin/addresses", "/admin/lists"] {
            look_at(&browser, &base, path, &mut seen);
            assert!(!browser.text().contains("other.example"), "{path}: {}", browser.text());
        }
        for path in [
            "/admin/queue/messages",
            "/admin/refused",
            "/admin/reports",
            "/admin/sessions",
            "/admin/audit",
            "/admin/accounts/16",
        ] {
            look_at(&browser, &base, path, &mut seen);
            assert!(!browser.text().contains("other.example"), "{path}: {}", browser.text());
        }
        let vera = server.cli(&["account", "show", "vera@other.example", "--json"], "");
        let number = serde_json::from_str::<Value>(&vera).unwrap()["number"].to_string();
        browser.go(&format!("{base}/admin/accounts/{number}"));
        says(&browser, &format!("there is no account {number}"));
        for path in ["/admin/doctor", "/admin/integrity", "/admin/queue", "/admin/test-mail"] {
            browser.go(&format!("{base}{path}"));
            says(&browser, "That concerns the whole server");
        }
        browser.go(&format!("{base}/admin/accounts/17"));
        browser.write("#address", "bob@other.example");
        browser.click_on("Give it that address");
        says(&browser, "bob@other.example is in none of the domains that you administer");
        browser.go(&format!("{base}/admin/addresses"));
        browser.write("#alias", "@other.example");
        browser.write("#targets", ALICE);
        browser.click_on("Add it");
        says(&browser, "@other.example is in none of the domains that you administer");
    }
    assert!(server.cli(&["alias", "list"], "").contains("There are no aliases"));
    server.cli(&["account", "domains", ALICE, "--none"], "");
    assert!(server.cli(&["account", "show", ALICE], "").contains("Admin     no\n"));
    assert_eq!(server.faults(), Vec::<String>::new());
}

#[test]
fn an_owner_asks_for_help_and_an_administrator_brings_a_lost_mail_back() {
    let bob = "bob@example.org";
    let mut server = Server::with("smarthost = { host = \"127.0.0.1\", port = 9, security = \"none\" }\n");
    [ALICE, bob].iter().for_each(|address| server.add_account(address));
    server.cli(&["account", "domains", ALICE, "example.org"], "");
    let pc = server.add_device(bob, "Old Outlook", "expunge");
    server.start();
    let message = format!("From: carol@example.net\r\nTo: {bob}\r\nSubject: The lease\r\n\r\nconfidential\r\n");
    lmtp_of(&server).deliver("carol@example.net", &[bob], message.as_bytes()).unwrap();
    let mut pop = server.addresses().pop3s(bob, &pc).unwrap();
    pop.retrieve(1..=1).unwrap();
    pop.command("DELE 1").unwrap();
    pop.quit().unwrap();
    let base = format!("http://localhost:{}", server.addresses().of("http").port());
    for size in [Size::Phone, Size::Wide] {
        let (Some(his), Some(hers)) = (Browser::open(size), Browser::open(size)) else { return };
        log_in(&hers, &base);
        hers.go(&format!("{base}/admin/accounts/17/find"));
        says(&hers, "has not asked for help");
        log_in_as(&his, &base, bob);
        his.go(&format!("{base}/account"));
        his.click_on("Ask for help");
        says(&his, "An administrator may look for your mail now.");
        let mut seen = (0..60).map(|n| n.to_string()).collect();
        look_at(&his, &base, "/account", &mut seen);
        look_at(&hers, &base, "/admin/accounts/17", &mut seen);
        hers.click_on("Find a lost mail");
        says(&hers, "Find a mail of bob@example.org");
        hers.write("#text", "confidential");
        hers.click(&hers.find("form.search button"));
        says(&hers, "Nothing was found.");
        look_at(&hers, &base, "/admin/accounts/17/find?subject=lease", &mut seen);
        hers.click_on("The lease");
        says(&hers, "The owner does not let you read its text.");
        look_at(&hers, &base, &hers.path(), &mut seen);
        assert!(!hers.text().contains("confidential"), "{}", hers.text());
        if size == Size::Wide {
            hers.click_on("Bring it back");
            says(&hers, "INBOX");
        }
        his.go(&format!("{base}/timeline"));
        says(&his, "alice@example.org helped to look for mail here");
        his.go(&format!("{base}/account"));
        his.click_on("End it now");
        says(&his, "Nobody but you looks for your mail any more.");
        hers.go(&format!("{base}/admin/accounts/17/find"));
        says(&hers, "has not asked for help");
    }
    let helped = server.cli(&["account", "ask-help", bob], "");
    assert!(helped.starts_with("Nobody but its owner looks for mail of this account.\n"), "{helped}");
    assert!(helped.contains("alice@example.org helped to look for mail here: searched"), "{helped}");
    let asked = server.cli(&["account", "ask-help", bob, "--for", "hour", "--texts"], "");
    assert!(asked.starts_with("An administrator may look for its mail, and read texts, until "), "{asked}");
    assert!(server.cli(&["account", "ask-help", bob, "--end"], "").starts_with("Nobody but its owner"));
    assert_eq!(server.faults(), Vec::<String>::new());
}

/// What an authenticator app shows for a key now (RFC 6238).
const CODE: &str = "async secret => { \
    const bits = [...secret.replaceAll(' ', '')].map(c => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join(''); \
    const key = Uint8Array.from(bits.match(/.{8}/g), byte => parseInt(byte, 2)); \
    const counter = new DataView(new ArrayBuffer(8)); counter.setUint32(4, Math.floor(Date.now() / 30000)); \
    const hmac = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-1' }, false, ['sign']); \
    const sum = new DataView(await crypto.subtle.sign('HMAC', hmac, counter)); \
    const code = (sum.getUint32(sum.getUint8(19) & 15) & 0x7fffffff) % 1000000; \
    return String(code).padStart(6, '0'); }";

/// They are reached by what stands in a letter, or once, as the answer to a form.
#[test]
fn pages_that_only_a_link_or_a_form_leads_to_are_judged_like_the_others() {
    let (bob, lists) = ("bob@example.org", [("choir@example.org", Size::Wide), ("band@example.org", Size::Phone)]);
    let mut server =
        Server::with("sender.check = false\nsmarthost = { host = \"127.0.0.1\", port = 9, security = \"none\" }\n");
    [ALICE, bob].iter().for_each(|address| server.add_account(address));
    server.start();
    let base = format!("http://localhost:{}", server.addresses().of("http").port());
    for (list, size) in lists {
        let Some(browser) = Browser::open(size) else { return };
        server.cli(&["list", "add", list, "--owner", ALICE, "--posting", "anybody", "--title", &HOSTILE[2][..60]], "");
        let mut seen = (0..70).map(|n| n.to_string()).collect();
        log_in_as(&browser, &base, bob);

        server.cli(&["list", "invite", list, bob], "");
        let join = browser.until("an invitation", || {
            browser.go(&format!("{base}/find?text={}", list.split('@').next().unwrap()));
            browser.text().contains("Read it").then_some(())?;
            browser.click_on("Read it");
            let text = browser.text();
            text.split_whitespace().find(|word| word.contains("/join/")).map(path_of)
        });
        look_at(&browser, &base, &join, &mut seen);
        browser.click(&browser.find("main form button"));
        browser.until("an answer", || browser.find_all("main form button").is_empty().then_some(()));
        judge(&browser, "joined", &mut seen);
        look_at(&browser, &base, &join, &mut seen);

        let post = format!("From: Carol <carol@example.net>\r\nTo: {list}\r\nSubject: {list}\r\n\r\nHello\r\n");
        lmtp_of(&server).deliver("carol@example.net", &[list], post.as_bytes()).unwrap();
        let leave = browser.until("a post", || leave_link(&server, bob, list));
        look_at(&browser, &base, &leave, &mut seen);
        browser.click(&browser.find("main form button"));
        browser.until("an answer", || browser.find_all("main form button").is_empty().then_some(()));
        judge(&browser, "left", &mut seen);

        browser.go(&format!("{base}/account"));
        browser.write("#on_password", PASSWORD);
        browser.click_on("Set it up");
        comes_to(&browser, "/account/second-factor");
        look_at(&browser, &base, "/account/second-factor", &mut seen);
        let secret = browser.evaluate("document.querySelector('main code').textContent");
        let code = browser.promised(CODE, secret.as_str().unwrap());
        browser.write("#code", code.as_str().unwrap());
        browser.click_on("Switch it on");
        says(&browser, "Your recovery codes");
        judge(&browser, "recovery-codes", &mut seen);
        server.cli(&["account", "totp-off", bob], "");
    }
    assert_eq!(server.faults(), Vec::<String>::new());
}

/// Of a link of this server.
fn path_of(link: &str) -> String {
    format!("/{}", link.splitn(4, '/').nth(3).unwrap())
}

/// Where a mail of a list says that one can leave it, once there is one.
fn leave_link(server: &Server, reader: &str, list: &str) -> Option<String> {
    let mut imap = server.addresses().imaps(reader, PASSWORD).unwrap();
    imap.command("SELECT INBOX").unwrap();
    let found = imap.command(&format!("SEARCH HEADER LIST-UNSUBSCRIBE {list}")).unwrap().found();
    let fetch = format!("FETCH {} BODY.PEEK[HEADER.FIELDS (LIST-UNSUBSCRIBE)]", found.last()?);
    let answer = imap.command(&fetch).unwrap();
    let (_, attributes) = answer.fetched().next()?;
    let field = String::from_utf8(attributes.text("BODY[HEADER.FIELDS (LIST-UNSUBSCRIBE)]")?.to_vec()).unwrap();
    let (_, link) = field.split_once("<https://")?;
    link.split_once('>').map(|(link, _)| path_of(&format!("https://{link}")))
}

/// Checks a page, and leaves pictures of it.
fn look_at(browser: &Browser, base: &str, path: &str, seen: &mut Vec<String>) {
    tell_paint(browser, base, path);
    judge(browser, path, seen);
}

/// The same of the page that is there already.
fn judge(browser: &Browser, path: &str, seen: &mut Vec<String>) {
    let size = if browser.size() == Size::Phone { "phone" } else { "wide" };
    let name = format!("{:02}{}", seen.len(), path.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    check_page(browser, &name);
    for dark in [false, true] {
        browser.prefer_dark(dark);
        assert_eq!(browser.axe(), Vec::<String>::new(), "{name}, dark: {dark}");
        let scheme = if dark { "dark" } else { "light" };
        browser.picture(&pictures().join(format!("{name}.{size}.{scheme}.png")));
    }
    browser.prefer_dark(false);
    seen.push(name);
}

#[test]
fn https_serves_the_pages_and_asks_for_tls_from_then_on() {
    let mut server = Server::new();
    server.start();
    let mut link = server.addresses().https().unwrap();
    link.send(format!("GET /login HTTP/1.1\r\nHost: {HOSTNAME}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut head = Vec::new();
    loop {
        match String::from_utf8(link.line().unwrap()).unwrap().trim_end() {
            "" => break,
            line => head.push(line.to_ascii_lowercase()),
        }
    }
    assert_eq!(head[0], "http/1.1 200 ok");
    for field in ["strict-transport-security: max-age=31536000", "content-type: text/html; charset=utf-8"] {
        assert!(head.iter().any(|line| line == field), "{field} is not in {head:?}");
    }
    let cookie = head.iter().find(|line| line.starts_with("set-cookie: __host-pillarbox-visitor=")).unwrap();
    assert!(cookie.contains("; secure; httponly; samesite=lax"), "{cookie}");
    // Another name that leads here is not served.
    let mut link = server.addresses().https().unwrap();
    link.send(b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").unwrap();
    assert!(link.line().unwrap().starts_with(b"HTTP/1.1 421 "));
}

#[test]
fn what_judges_pages_finds_what_is_wrong() {
    let Some(browser) = Browser::open(Size::Wide) else { return };
    let mut server = Server::new();
    server.start();
    browser.allow_everything();
    browser.go(&format!("http://localhost:{}/login", server.addresses().of("http").port()));
    check_page(&browser, "login");
    let spoil = "(() => { document.querySelector('main').insertAdjacentHTML('beforeend', \
                 '<p style=\"color:#ccc;background:#fff\">pale</p><button tabindex=-1 id=away>a</button>\
                 <button style=\"outline:none;box-shadow:none\" id=bare>b</button>\
                 <img alt=\"\" src=\"http://127.0.0.1:9/\" id=foreign><form action=\"https://far.example/\"></form>'); \
                 return 1; })()";
    browser.evaluate(spoil);
    browser.until("request to another host", || (!browser.asked_elsewhere().is_empty()).then_some(()));
    assert_eq!(browser.names_elsewhere().len(), 2, "{:?}", browser.names_elsewhere());
    let missed = browser.out_of_reach();
    assert!(
        missed.len() == 2 && missed[0].contains("not reached: <button tabindex") && missed[1].starts_with("unseen")
    );
    let found = browser.axe();
    assert!(!browser::has_axe() || found.iter().any(|found| found.starts_with("color-contrast")), "{found:?}");
}

#[test]
fn tab_goes_where_the_eye_goes() {
    let Some(browser) = Browser::open(Size::Wide) else { return };
    let (_server, base) = household();
    browser.go(&format!("{base}/login"));
    assert_eq!(browser.evaluate("document.activeElement.id"), "user", "one can type at once");
    assert_eq!(
        ["Password", "Code only if you have switched on a second factor", "Log in"].map(|_| browser.tab()),
        ["Password", "Code only if you have switched on a second factor", "Log in"]
    );
    log_in(&browser, &base);
    browser.go(&format!("{base}/devices"));
    let order: Vec<String> = (0..12).map(|_| browser.tab()).collect();
    let expected = [
        "Skip to the content",
        "Pillarbox",
        "Log out",
        "Overview",
        "Devices",
        "Find a mail",
        "Timeline",
        "Undo",
        "Room",
        "My account",
    ];
    assert_eq!(order[..10], expected);
    assert!(order[10..].iter().all(|words| !words.is_empty()), "then what is on the page: {order:?}");
}
