//! Pages speak the language of whoever reads.

use crate::serve;
use crate::testing::{ALICE, Browser, World};
use store::{AccountSettings, Actor, DeviceId, LanguageTag, Protocol};

fn asking<'a>(mut browser: Browser<'a>, language: &str) -> Browser<'a> {
    browser.extra.push(("accept-language", language.to_owned()));
    browser
}

#[test]
fn a_page_is_in_the_language_that_the_browser_asks_for() {
    let world = World::new();
    for (asked, tag, title) in [
        ("", "en", "Log in"),
        ("de-AT,de;q=0.9,en;q=0.5", "de", "Anmelden"),
        ("ja, en;q=0.5", "ja", "ログイン"),
        ("fr", "en", "Log in"),
    ] {
        let page = asking(world.browser(), asked).get("/login");
        assert!(page.text.contains(&format!("<html lang=\"{tag}\">")), "{asked}: {}", page.text);
        assert!(page.text.contains(&format!("<h1>{title}</h1>")), "{asked}: {}", page.text);
        assert_eq!((page.header("content-language"), page.header("vary")), (tag, "Accept-Language"), "{asked}");
    }
    let mut german = asking(world.alice(), "de");
    let answer = german.get("/devices/99");
    assert!(answer.text.contains("<h1>Hier ist nichts</h1>") && answer.text.contains("Fehler 404"), "{}", answer.text);
    let answer = german.get("/nowhere");
    assert!(answer.text.contains("Unter dieser Adresse gibt es nichts."), "{}", answer.text);
    let answer = german.send("DELETE", "/login", Vec::new());
    assert!(answer.text.contains("<h1>So nicht</h1>"), "{}", answer.text);
    let long = vec![b'x'; serve::BODY_BYTES_MAX + 1];
    assert!(german.send("POST", "/login", long).text.contains("Das ist zu lang"));
    assert_eq!(german.get("/api/v1/devices/99").json()["title"], "Hier ist nichts");
    assert_eq!(world.alice().get("/api/v1/devices/99").json()["title"], "Nothing here");
}

#[test]
fn what_an_account_has_chosen_counts_more_than_what_its_browser_asks_for() {
    let world = World::new();
    let mut alice = asking(world.alice(), "de");
    assert!(alice.get("/account").text.contains("<h1>Mein Konto</h1>"));
    let choose = |tag: Option<&'static str>| {
        let owner = Actor { device: DeviceId(0), protocol: Protocol::Web, now: world.now() };
        let set = move |settings: &mut AccountSettings| settings.language = tag.and_then(LanguageTag::new);
        world.account(ALICE).change_settings(owner, set).unwrap();
    };
    choose(Some("ja"));
    let page = alice.get("/account");
    assert!(page.text.contains("<html lang=\"ja\">") && page.text.contains("<h1>マイアカウント</h1>"), "{}", page.text);
    // A stranger in the same browser, and a program, say themselves what they want.
    assert!(asking(world.browser(), "de").get("/login").text.contains("Anmelden"));
    assert_eq!(alice.get("/api/v1/devices/99").json()["title"], "Hier ist nichts");
    // One that a later version knows.
    choose(Some("tlh"));
    assert!(alice.get("/account").text.contains("<h1>Mein Konto</h1>"));
    choose(None);
    assert!(alice.get("/account").text.contains("<h1>Mein Konto</h1>"));
}
