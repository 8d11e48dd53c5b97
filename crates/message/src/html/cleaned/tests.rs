//! What nobody may get past the cleaner. The same pieces are given to a browser in `tests/as_sent.rs`, which is another judge.

use super::super::Reader;
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

/// Why a text is not what the cleaner may write, told by rules that are stricter than those of HTML.
fn wrong(html: &str) -> Option<String> {
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (text, markup) = rest.split_at(at);
        if text.contains('>') {
            return Some(format!("a bare > in {text:?}"));
        }
        let Some(end) = markup.find('>') else { return Some(format!("no end: {markup:?}")) };
        let inside = &markup[1..end];
        rest = &markup[end + 1..];
        let (name, mut attributes) = inside.split_at(inside.find(' ').unwrap_or(inside.len()));
        if allowed::element(name.strip_prefix('/').unwrap_or(name)).is_none() {
            return Some(format!("{name} is no element that is shown"));
        }
        while !attributes.is_empty() {
            let Some((attribute, after)) = attributes[1..].split_once("=\"") else {
                return Some(format!("odd: {inside}"));
            };
            let Some((value, after)) = after.split_once('"') else { return Some(format!("no quote: {inside}")) };
            let is_ours = ["href", "title", "target", "rel"].contains(&attribute) && name == "a";
            let is_picture = name == "img" && attribute == "src" && value.starts_with("data:image/");
            let value = text_of_value(value);
            let is_shown = allowed::attribute(name, attribute, &value, &mut 0).is_some();
            if !(is_ours || is_picture || is_shown)
                || value.contains("trap.invalid") && attribute != "alt" && name != "a"
            {
                return Some(format!("{attribute}={value:?} in {inside}"));
            }
            if attribute == "href" && Link::to(&value).is_none() {
                return Some(format!("{value} leads nowhere"));
            }
            attributes = after;
        }
    }
    rest.contains('>').then(|| format!("a bare > in {rest:?}"))
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
        "<body bgcolor=\"#eee\"><table width=\"600\" cellpadding=\"0\" role=\"presentation\"><tr><td style=\"padding:10px;color:#333\" \
         align=\"center\"><h1>Sale\u{a0}&amp; more</h1></td></tr></table>",
    );
    check("a<br>b<BR/>c<hr size=1>", "a<br>b<br>c<hr size=\"1\">");
    check(
        "<p>caf&eacute; &check; &#x65e5; &copy 1 &nope AT&T a<b 1 < 2 > 0",
        "<p>café &check; 日 © 1 &amp;nope AT&amp;T a<b> 0</b>",
    );
    check("1 < 2 > 0 <3", "1 &lt; 2 &gt; 0 &lt;3");
    check("<p title='a\"b' title=c>x", "<p title=\"a&quot;b\">x");
    check("<form><select><option>one</select><button>go</button></form>", "onego");
}

#[test]
fn a_link_says_where_it_leads_and_opens_elsewhere() {
    let link = |target: &str, text: &str| {
        format!(
            "<a href=\"{target}\" title=\"{target}\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">{text}</a>"
        )
    };
    check(
        "<a href=https://x.example/?a=1&b=2 title=bank target=_self>go</a>",
        &link("https://x.example/?a=1&amp;b=2", "go"),
    );
    check(
        "<a href=https://x.example>https://bank.example</a>",
        &link("https://x.example/", "https://bank.example [→ x.example]"),
    );
    check(
        "<a href=https://x.example><b>bank</b>.example",
        &link("https://x.example/", "<b>bank</b>.example [→ x.example]"),
    );
    check("<a href=javascript:x>go</a> <a name=top>x</a>", "<a>go</a> <a>x</a>");
    check(
        "<a href=https://x.example>1<a href=https://y.example>2",
        &[link("https://x.example/", "1"), link("https://y.example/", "2")].concat(),
    );
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

#[test]
fn tags_and_text_end_at_their_limits() {
    for more in [0, 1] {
        let cleaned = clean(&format!("{}x", "<br>".repeat(TAGS_MAX + more)));
        assert_eq!((cleaned.is_cut, cleaned.html.len()), (more == 1, 4 * TAGS_MAX + 1));
        let cleaned = clean(&format!("{}{}", "x".repeat(HTML_BYTES_MAX - 1 + more), "<p>y"));
        assert_eq!((cleaned.is_cut, cleaned.html.ends_with("<p>")), (true, more == 0), "{more}");
        let cleaned = clean(&"x".repeat(HTML_BYTES_MAX + more));
        assert_eq!(cleaned.html.len(), HTML_BYTES_MAX + more);
    }
}

#[test]
fn what_is_begun_anew_in_every_block_is_bounded_and_ends() {
    let many = clean(&format!("{}x{}", "<b>".repeat(FORMATTING_OPEN_MAX + 5), "</b>".repeat(FORMATTING_OPEN_MAX + 5)));
    assert_eq!(many.html, format!("{}x{}", "<b>".repeat(FORMATTING_OPEN_MAX), "</b>".repeat(FORMATTING_OPEN_MAX)));
    check("<b><i>x</b>y", "<b><i>x</b>y</i>");
    check("</b>x</i>", "x");
    let mut nothing = |_: &[u8], _: usize| None;
    let mut cleaner = Cleaner::new(&mut nothing);
    cleaner.html("<font color=white>x");
    cleaner.rule();
    cleaner.plain("1 < 2\n& <script>");
    let expected =
        "<font color=\"white\">x</font><hr><div style=\"white-space:pre-wrap\">1 &lt; 2\n&amp; &lt;script&gt;</div>";
    assert_eq!(cleaner.finish().html, expected);
}

/// What costs a parser that makes a tree the square of its length, or its stack.
#[test]
fn nested_deep_and_made_up_to_be_slow_it_takes_one_pass() {
    let deep = format!("{}x", "<div>".repeat(100_000));
    assert_eq!(clean(&deep).html, format!("{}x", "<div>".repeat(TAGS_MAX)));
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
        fill("<svg><math>"),
        fill("<p title=&&&&&&&&>"),
        fill("<img src=cid:x>"),
        format!("<p style='{}'>", fill("background:url(")),
    ] {
        let cleaned = clean(&html);
        assert_eq!(wrong(&cleaned.html), None, "{}", &html[..40]);
        assert!(cleaned.html.len() <= 6 * html.len(), "{} of {}", cleaned.html.len(), &html[..40]);
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
    fn whatever_comes_what_is_written_is_known(html in html()) {
        let cleaned = clean(&html).html;
        prop_assert_eq!(wrong(&cleaned), None, "{}", cleaned);
        let (mut reader, mut text) = (Reader::default(), String::new());
        reader.feed(&cleaned, &mut text);
        reader.finish(&mut text);
        prop_assert!(!text.contains('\0'));
    }
}
