//! What nobody may get past the cleaner. The same pieces are given to a browser in `tests/as_sent.rs`, which is another judge.

use super::super::{Reader, is_clean};
use super::*;
use proptest::prelude::*;

/// One piece a paragraph of this file; a piece may have more than one line.
const HOSTILE: &str = include_str!("../hostile.txt");
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

fn clean_with(html: &str, pictures: Pictures<'_>) -> Cleaned {
    let mut cleaner = Cleaner::new(pictures);
    cleaner.html(html);
    cleaner.finish()
}

fn clean(html: &str) -> Cleaned {
    clean_with(html, &mut |_, _| None)
}

fn check(html: &str, expected: &str) {
    assert_eq!(clean(html).html, expected, "{html}");
}

/// Why a text is not what the cleaner may write; the places that hostile HTML would have a browser ask stand nowhere but where a link leads.
fn wrong(html: &str) -> Option<String> {
    let asked = |at: usize| {
        let before = &html[..at];
        let tag = &before[before.rfind('<').unwrap_or(0)..];
        let is_text = tag.contains('>') || !tag.starts_with('<');
        let attribute = tag.rsplit(' ').find_map(|word| word.split_once("=\"")).map_or("", |(name, _)| name);
        !(is_text || tag.starts_with("<a ") || attribute == "alt")
    };
    let asked = html.match_indices("trap.invalid").find(|(at, _)| asked(*at));
    asked.map(|(at, _)| format!("asked at {at}")).or_else(|| is_clean(html).err())
}

#[test]
fn nothing_hostile_gets_through_and_what_was_cleaned_is_clean() {
    let mut count = 0;
    for piece in HOSTILE.lines().chain(HOSTILE.split("\n\n")).chain([HOSTILE]) {
        for html in
            [piece.to_owned(), format!("{piece}</x>{piece}"), piece.replace(' ', "\0"), piece.replace('<', "<\0")]
        {
            let cleaned = clean(&html).html;
            assert_eq!(wrong(&cleaned), None, "{html}\n{cleaned}");
            let again = clean(&cleaned).html;
            assert_eq!(wrong(&again), None, "{cleaned}");
            count += 1;
        }
    }
    assert!(count > 400, "{count}");
}

#[test]
fn what_a_newsletter_is_made_of_stays() {
    check(
        "<!DOCTYPE html><html><head><title>x</title><style>p{}</style></head><body bgcolor=#eee><table width=\"600\" cellpadding=0 \
         role=presentation><tr><td style='padding:10px; color:#333' ALIGN=center><h1>Sale&nbsp;&amp; more</h1></td></tr></table></body></html>",
        "<body bgcolor=\"#eee\"><table width=\"600\" cellpadding=\"0\" role=\"presentation\"><tbody><tr><td style=\"padding:10px;color:#333\" \
         align=\"center\"><h1>Sale\u{a0}&amp; more</h1></td></tr></tbody></table>",
    );
    check("a<br>b<BR/>c<hr size=1>", "a<br>b<br>c<hr size=\"1\">");
    check(
        "<p>caf&eacute; &check; &#x65e5; &copy 1 &nope AT&T a<b 1 < 2 > 0",
        "<p>café &check; 日 © 1 &amp;nope AT&amp;T a<span style=\"font-weight:bold\"> 0</span></p>",
    );
    check("1 < 2 > 0 <3", "1 &lt; 2 &gt; 0 &lt;3");
    check("<img alt='a\"b' alt=c>x", "<img alt=\"a&quot;b\">x");
    check("<p width=x width=5>x", "<p>x</p>");
    check("<p title=x>x", "<p>x</p>");
    check("<form><select><option>one</select><button>go</button></form>", "onego");
}

#[test]
fn a_link_says_where_it_leads_and_opens_elsewhere() {
    check(
        "<a href=https://x.example/?a=1&b=2 title=bank target=_self>go</a>",
        &link("https://x.example/?a=1&amp;b=2", "", "go"),
    );
    check("<a href=javascript:x>go</a> <a name=top>x</a>", "<a>go</a> <a>x</a>");
    check(
        "<a href=https://x.example>1<a href=https://y.example>2",
        &[link("https://x.example/", "", "1"), link("https://y.example/", "", "2")].concat(),
    );
    // Names that are references elsewhere.
    let target = "https://shop.example/?id=1&copy=2&region=eu&currency=EUR&parameter=9&section=3";
    check(&format!("<a href=\"{target}\">go</a>"), &link(&target.replace('&', "&amp;"), "", "go"));
}

fn link(target: &str, told: &str, text: &str) -> String {
    let told = if told.is_empty() { String::new() } else { format!(" data-to=\"{told}\"") };
    format!(
        "<a href=\"{target}\" title=\"{target}\" target=\"_blank\" rel=\"noopener noreferrer nofollow\"{told}>{text}</a>"
    )
}

/// The sign is an attribute, which nothing in the link hides; the frame shows it.
#[test]
fn where_a_link_leads_is_told_whatever_its_sender_does_to_its_text() {
    let told = |html: &str| {
        let html = clean(&format!("<a href=https://evil.example>{html}")).html;
        html.starts_with(&link("https://evil.example/", "evil.example", "").replace("</a>", ""))
    };
    for text in [
        "https://bank.example<span hidden></a>",
        "A<table><tr><td></a>https://bank.example</td></tr></table>",
        "bank&period;example",
        "https&colon;//bank.example/",
        "&#8203;https://bank.example/",
        "bank&shy;.example",
        "<span hidden>x </span>https://bank.example",
        "<b>bank</b>.example",
        "evil.example<span hidden>.x</span>",
        "<img alt=https://bank.example>",
        "<span><img></span>https://bank.example",
    ] {
        assert!(told(text), "{text}: {}", clean(&format!("<a href=https://evil.example>{text}")).html);
    }
    assert!(!told("Log in") && !told("<b>Log in</b>") && !told("evil.example</a> bank.example"));
    // No title but ours.
    let titled = "<a href=https://evil.example><span title=\"https://bank.example/login\">Log in</span></a>";
    check(titled, &link("https://evil.example/", "", "<span>Log in</span>"));
    check(
        "<a href=\"mailto:thief@evil.example\">help@bank.example</a>",
        &link("mailto:thief@evil.example", "thief@evil.example", "help@bank.example"),
    );
    // A link in a cell of one is told, too; so many in each other, and no more.
    let cell = "<a href=https://x.example>bank.example<table><tr><td>";
    assert_eq!(clean(&cell.repeat(LINKS_OPEN_MAX + 1)).html.matches("data-to=\"x.example\"").count(), LINKS_OPEN_MAX);
}

/// As a browser reads it: what ends where, and what begins by itself.
#[test]
fn what_is_written_says_all_that_a_browser_would_guess() {
    check("<p>a<p>b<div>c", "<p>a</p><p>b</p><div>c</div>");
    check("<ul><li>a<li>b<ul><li>c</ul></ul>", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>");
    check("<dl><dt>a<dd>b<dt>c", "<dl><dt>a</dt><dd>b</dd><dt>c</dt></dl>");
    check("<h1>a<h2>b</h1>", "<h1>a</h1><h2>b</h2>");
    check("<td>x</td></p></div></abbr>", "x");
    check(
        "<table><td>a<td>b<tr><th>c</table>d",
        "<table><tbody><tr><td>a</td><td>b</td></tr><tr><th>c</th></tr></tbody></table>d",
    );
    check(
        "<table><col><col><tr><td>a",
        "<table><colgroup><col><col></colgroup><tbody><tr><td>a</td></tr></tbody></table>",
    );
    check("<table><colgroup>a<caption>b", "<table><colgroup></colgroup>a<caption>b</caption></table>");
    check("<table><table>a", "<table></table><table>a</table>");
    check("<div><table><tr><td></div>x</table>y", "<div><table><tbody><tr><td>x</td></tr></tbody></table>y</div>");
    let (bold, italic) = ("<span style=\"font-weight:bold\">", "<span style=\"font-style:italic\">");
    check("<b><i>x</b>y", &format!("{bold}{italic}x</span></span>y"));
    check("<b><table><tr><td></b>x", &format!("{bold}<table><tbody><tr><td>x</td></tr></tbody></table></span>"));
    check("</b>x</i>", "x");
    check(
        "<font color=a0b0c0 face='Arial, sans' size=+1 style='color:red;x:y'>x",
        "<span style=\"color:#a0b0c0;font-family:Arial, sans;font-size:large;color:red\">x</span>",
    );
    check(
        "<b style=font-weight:normal lang=de>x",
        "<span lang=\"de\" style=\"font-weight:bold;font-weight:normal\">x</span>",
    );
}

#[test]
fn nothing_is_open_when_a_part_ends() {
    let parts = |html: &str| {
        let mut nothing = |_: &[u8], _: usize| None;
        let mut cleaner = Cleaner::new(&mut nothing);
        cleaner.html(html);
        cleaner.rule();
        cleaner.plain("1 < 2\n& <script>");
        cleaner.rule();
        cleaner.html("FOOTER");
        cleaner.finish().html
    };
    let later = "<hr><div data-part=\"\" style=\"white-space:pre-wrap\">1 &lt; 2\n&amp; &lt;script&gt;</div><hr><div data-part=\"\">FOOTER</div>";
    let hidden = "<p>Hello<div style=\"display:none\"><table><tr><td><a href=https://evil.example>";
    let expected = format!(
        "<p>Hello</p><div style=\"display:none\"><table><tbody><tr><td>{}</td></tr></tbody></table></div>{later}",
        link("https://evil.example/", "", "")
    );
    assert_eq!(parts(hidden), expected);
    assert_eq!(parts("<font color=white>x"), format!("<span style=\"color:white\">x</span>{later}"));
    assert_eq!(parts("<body hidden>x"), format!("x{later}"));
    let body = "<body bgcolor=#eee text=333 style='margin:0;display:none;font-size:0'>x";
    let of_page =
        "<body bgcolor=\"#eee\" style=\"margin:0\"><div style=\"color:#333;display:none;font-size:0\">x</div>";
    assert_eq!(parts(body), format!("{of_page}{later}"));
}

#[test]
fn pictures_in_the_message_are_shown_and_others_are_counted() {
    let mut asked = Vec::new();
    let mut pictures = |name: &[u8], room: usize| {
        asked.push((String::from_utf8_lossy(name).into_owned(), room));
        name.starts_with(b"logo").then(|| PNG.to_vec())
    };
    let html = "<img src=cid:logo%40x alt=Logo width=10><img src='CID:none'><img src=http://x.example/p><img src=//x.example/p><img src=p>\
                <img src=data:image/png;base64,iVBORw0KGgo=><img src='data:image/png,x'><img><img src=''><td background=http://x.example/b>\
                <p style='background:url(http://x.example/c)'>";
    let cleaned = clean_with(html, &mut pictures);
    let data = format!("data:image/png;base64,{}", transfer::to_base64(PNG));
    assert!(
        cleaned.html.starts_with(&format!("<img alt=\"Logo\" width=\"10\" src=\"{data}\"><img><img>")),
        "{}",
        cleaned.html
    );
    assert!(cleaned.html.contains("<img src=\"data:image/png;base64,iVBORw0KGgo=\">"), "{}", cleaned.html);
    assert_eq!((cleaned.elsewhere, cleaned.unshown), (5, 2));
    assert_eq!(asked, [("logo@x".to_owned(), PICTURES_BYTES_MAX), ("none".to_owned(), PICTURES_BYTES_MAX - PNG.len())]);
}

#[test]
fn pictures_are_shown_up_to_their_limits() {
    let of =
        |size: usize| move |_: &[u8], room: usize| (size <= room).then(|| [PNG, &vec![0; size - PNG.len()]].concat());
    let two = "<img src=cid:a><img src=cid:b>";
    for (size, unshown) in [(PICTURES_BYTES_MAX / 2, 0), (PICTURES_BYTES_MAX / 2 + 1, 1), (PICTURES_BYTES_MAX + 1, 2)] {
        let cleaned = clean_with(two, &mut of(size));
        assert_eq!((cleaned.unshown, cleaned.html.matches("src=").count()), (unshown, 2 - unshown), "{size}");
        assert!(!cleaned.is_cut, "pictures do not count as text");
    }
    for more in [0, 1] {
        let cleaned = clean_with(&"<img src=cid:a>".repeat(PICTURES_MAX + more), &mut of(PNG.len()));
        assert_eq!(cleaned.unshown, more);
    }
    // What gives more than there is room for is not believed.
    assert_eq!(clean_with(two, &mut |_, _| Some([PNG, &vec![0; PICTURES_BYTES_MAX]].concat())).unshown, 2);
    let svg = clean_with(two, &mut |_, _| Some(b"<svg onload=x>".to_vec()));
    assert_eq!((svg.unshown, svg.html.as_str()), (2, "<img><img>"));
}

/// A part that is no picture, however often it is named, is read once.
#[test]
fn what_is_not_shown_is_asked_for_once() {
    let mut calls = 0;
    let mut no_picture = |_: &[u8], room: usize| {
        calls += 1;
        Some(vec![b'x'; room])
    };
    let cleaned = clean_with(&"<img src=cid:x>".repeat(17_400), &mut no_picture);
    assert_eq!((cleaned.unshown, calls), (17_400, 1));
    let many: String = (0..1000).map(|n| format!("<img src=cid:{n}>")).collect();
    let mut calls = 0;
    let mut nothing = |_: &[u8], _: usize| {
        calls += 1;
        None
    };
    assert_eq!((clean_with(&many, &mut nothing).unshown, calls), (1000, PICTURES_MAX));
    let mut picture = |_: &[u8], _: usize| Some(PNG.to_vec());
    let mut cleaner = Cleaner::new(&mut picture).counting_pictures();
    cleaner.html("<img src=cid:a><img src=data:,x>");
    let counted = cleaner.finish();
    assert_eq!((counted.html.as_str(), counted.unshown), ("<img><img>", 1));
}

#[test]
fn pictures_have_so_many_points_together() {
    let of = |side: u32| {
        let side = side.to_be_bytes();
        move |_: &[u8], _: usize| Some([b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", &side[..], &side[..]].concat())
    };
    for (side, unshown) in [(4472, 1), (6324, 1), (6325, 2), (16_000, 2)] {
        let cleaned = clean_with("<img src=cid:a><img src=cid:b>", &mut of(side));
        let unshown = if side == 4472 { 0 } else { unshown };
        assert_eq!(cleaned.unshown, unshown, "{side}");
    }
}

#[test]
fn tags_and_text_end_at_their_limits() {
    for more in [0, 1] {
        let cleaned = clean(&format!("{}x", "<br>".repeat(TAGS_MAX + more)));
        assert_eq!((cleaned.is_cut, cleaned.html.len()), (more == 1, 4 * TAGS_MAX + 1));
        let cleaned = clean(&format!("{}{}", "x".repeat(HTML_BYTES_MAX - 1 + more), "<p>y"));
        assert_eq!((cleaned.is_cut, cleaned.html.ends_with("<p></p>")), (true, more == 0), "{more}");
        let cleaned = clean(&"x".repeat(HTML_BYTES_MAX + more));
        assert_eq!(cleaned.html.len(), HTML_BYTES_MAX + more);
    }
}

/// Elements that a browser begins anew in every block, and those that it makes for an end tag, are none that are written.
#[test]
fn a_browser_makes_no_more_elements_than_are_written() {
    let bold: String = (0..24).map(|n| format!("<b lang=x{n}>")).collect();
    let piece = format!("{bold}<table>{}</table>", "</b>".repeat(24));
    let html = clean(&format!("<div>{}</div>{}", piece.repeat(40), "<p>x".repeat(300))).html;
    assert!(!html.contains("<b") && html.matches("<span ").count() == 24 * 40, "{html}");
    let (begin, end) = (html.matches('<').count() - html.matches("</").count(), html.matches("</").count());
    assert_eq!(begin, end, "each ends");
    let html = clean(&format!("{bold}{}", "x</p>".repeat(50_000))).html;
    assert_eq!(html.matches('<').count(), 2 * 24, "no end tag that ends nothing");
}

/// What costs a parser that makes a tree the square of its length, or its stack.
#[test]
fn nested_deep_and_made_up_to_be_slow_it_takes_one_pass() {
    let deep = format!("{}x", "<div>".repeat(100_000));
    assert_eq!(clean(&deep).html, format!("{}x{}", "<div>".repeat(TAGS_MAX), "</div>".repeat(TAGS_MAX)));
    let fill = |piece: &str| piece.repeat(96 * 1024 / piece.len());
    let attributes: String = (0..10_000).map(|n| format!(" a{n:x}")).collect();
    let formats: String = (0..4_000).map(|n| format!("<b title={n:x}>")).collect();
    for html in [
        fill("<div>"),
        fill("<ul><li>"),
        fill("<table><tr><td>"),
        fill("<a href=http://x.example>"),
        fill("<b><i></b>"),
        fill("</i>"),
        format!("{formats}{}", fill("</i>")),
        format!("{formats}{}", fill("<p>")),
        format!("<p{attributes}>x"),
        fill("<p style='a:b;"),
        fill("<style>"),
        fill("<!--"),
        fill("<!"),
        fill("<"),
        fill("&"),
        fill("&amp"),
        fill("<a "),
        fill("<p x=\""),
        fill("<a href=http://x.example>x.example<table><td>"),
        format!("{}{}", "<span>".repeat(19_999), fill("</abbr>")),
        format!("<td>{}{}", "<b>".repeat(19_999), fill("</i><li>")),
        fill("<svg><math>"),
        fill("<p title=&&&&&&&&>"),
        fill("<img src=cid:x>"),
        format!("<p style='{}'>", fill("background:url(")),
    ] {
        let cleaned = clean(&html);
        assert_eq!(wrong(&cleaned.html), None, "{}", &html[..40]);
        assert!(cleaned.html.len() <= 12 * html.len(), "{} of {}", cleaned.html.len(), &html[..40]);
    }
}

fn html() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-c é\u{a0}\n\0]{0,4}",
        "</?(p|b|a|div|td|li|script|style|title|svg|math|img|body|font)( href='[a-z:/.]{0,12}'| alt='[a&;>\"]{0,3}'| style=\"[a-z:;()#'-]{0,12}\"| onclick=x| src=[a-z:]{0,5})?/?>",
        "&(#[0-9]{0,3}|#x[0-9a-f]{0,3}|amp|lt|eacute|[a-z]{0,3});?",
        "[<>&!/'\"=`-]{1,6}",
        "<!-{0,3}[a>]{0,2}-{0,3}>?",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_comes_what_is_written_is_known(html in html(), cut in 0..40_usize) {
        prop_assert_eq!(crate::check::html(&html, cut), Ok(()));
        let cleaned = clean(&html).html;
        prop_assert_eq!(wrong(&cleaned), None, "{}", cleaned);
        let (mut reader, mut text) = (Reader::default(), String::new());
        reader.feed(&cleaned, &mut text);
        reader.finish(&mut text);
        prop_assert!(!text.contains('\0'));
    }
}
