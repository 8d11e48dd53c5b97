//! The catalogues have what the code says: each sentence in a macro of `wording` stands in the catalogue of each language, with the
//! same places and the same HTML, and nothing else stands there.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use wording::{FILES, Language};

/// A sentence as it stands in the code.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sentence {
    context: Option<String>,
    one: String,
    many: Option<String>,
    is_html: bool,
    /// File and line.
    at: String,
}

impl Sentence {
    fn key(&self) -> (String, String) {
        (self.context.clone().unwrap_or_default(), self.one.clone())
    }
}

/// A sentence as it stands in a catalogue.
struct Entry {
    many: Option<String>,
    forms: Vec<String>,
    is_fuzzy: bool,
    file: &'static str,
}

type Catalogue = BTreeMap<(String, String), Entry>;

#[test]
fn each_sentence_has_its_translation_in_each_language() {
    let sentences = sentences();
    let mut problems = Vec::new();
    let mut missing = String::new();
    for language in Language::ALL.into_iter().filter(|language| *language != Language::English) {
        let catalogue = catalogue(language, &mut problems);
        let tag = language.tag();
        for (key, sentence) in &sentences {
            let Some(entry) = catalogue.get(key) else {
                problems.push(format!("{}: no translation into {tag}", sentence.at));
                let _ = write!(missing, "\n#: {} ({tag})\n{}", sentence.at, skeleton(sentence));
                continue;
            };
            problems.extend(wrong(sentence, entry, language).map(|why| format!("{}: {why}: {key:?}", entry.file)));
        }
        for (key, entry) in catalogue.iter().filter(|(key, _)| !sentences.contains_key(*key)) {
            problems.push(format!("{}: no code says {key:?}", entry.file));
        }
    }
    assert!(problems.is_empty(), "\n{}\n{missing}", problems.join("\n"));
}

#[test]
fn each_catalogue_says_which_language_and_which_forms_it_has() {
    for file in FILES {
        let parsed = polib::po_file::parse_from_reader(file.text.as_bytes()).unwrap();
        assert_eq!(parsed.metadata.language, file.language.tag(), "{}", file.name);
        let header = format!("\"Plural-Forms: {}\\n\"", file.language.plural_forms());
        assert!(file.text.contains(&header), "{}: {header}", file.name);
        // A second entry for a sentence would silently replace the first.
        let entries = file.text.lines().filter(|line| line.starts_with("msgid ")).count() - 1;
        assert_eq!(parsed.count(), entries, "{}: a sentence stands there twice", file.name);
    }
}

/// Latin letters, digits, places and code stand beside letters of Japanese without a space, here and in what POP3 says.
#[test]
fn japanese_has_no_spaces_beside_latin_letters() {
    let mut problems = Vec::new();
    for file in FILES.into_iter().filter(|file| file.language == Language::Japanese) {
        let parsed = polib::po_file::parse_from_reader(file.text.as_bytes()).unwrap();
        for message in parsed.messages() {
            let forms = message.msgstr_plural().cloned().unwrap_or_else(|_| vec![message.msgstr().unwrap().to_owned()]);
            problems.extend(forms.iter().filter(|form| is_spaced(form)).map(|form| format!("{}: {form}", file.name)));
        }
    }
    let pop = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/pop3d/src/words.rs")).unwrap();
    assert!(pop.contains("ません"));
    problems.extend(pop.lines().filter(|line| is_spaced(line)).map(|line| format!("pop3d/src/words.rs: {line}")));
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Whether a space stands between a letter of Japanese and something that is neither that nor a bracket. `1. ` begins a line of a list.
fn is_spaced(text: &str) -> bool {
    let is_japanese =
        |c: char| matches!(c, '\u{3005}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ff66}'..='\u{ff9f}');
    let is_other = |c: char| !c.is_whitespace() && !matches!(c, '(' | ')' | '/' | '→');
    text.match_indices(' ').any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let is_listed = before.strip_suffix('.').is_some_and(|before| before.parse::<u8>().is_ok());
        let (Some(left), Some(right)) = (before.chars().next_back(), after.chars().next()) else { return false };
        !is_listed && (is_japanese(left) && is_other(right) || is_other(left) && is_japanese(right))
    })
}

#[test]
fn spaces_of_japanese_are_found() {
    for (text, expected) in [
        ("TLSを", false),
        ("TLS を", true),
        ("{n} 通", true),
        ("は `a` で", true),
        ("メール {id}", true),
        ("1. 認証", false),
        ("{at} UTC", false),
        ("送信サーバー (SMTP) は", false),
        ("中 国", true),
    ] {
        assert_eq!(is_spaced(text), expected, "{text}");
    }
}

/// What is wrong with a translation.
fn wrong(sentence: &Sentence, entry: &Entry, language: Language) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    if entry.is_fuzzy {
        found.push("fuzzy".to_owned());
    }
    if entry.many != sentence.many {
        found.push(format!("in the plural it is {:?}", sentence.many));
    }
    let forms = match (&sentence.many, language) {
        (None, _) | (Some(_), Language::Japanese) => 1,
        (Some(_), Language::English | Language::German) => 2,
    };
    if entry.forms.len() != forms {
        found.push(format!("{} forms instead of {forms}", entry.forms.len()));
    }
    let most = sentence.many.as_ref().unwrap_or(&sentence.one);
    for form in &entry.forms {
        if form.trim().is_empty() {
            found.push("empty".to_owned());
        }
        // A form for one may do without its number: "one message".
        let (mut has, mut wanted) = (places(form), places(most));
        if sentence.many.is_some() {
            has.remove("n");
            wanted.remove("n");
        }
        if has != wanted {
            found.push(format!("places {has:?} instead of {wanted:?}"));
        }
        if sentence.is_html && tags(form) != tags(most) {
            found.push(format!("HTML {:?} instead of {:?}", tags(form), tags(most)));
        }
        let ends = |text: &str| (text.starts_with(char::is_whitespace), text.ends_with(char::is_whitespace));
        // Punctuation of Japanese brings its own space.
        if language != Language::Japanese && ends(form) != ends(most) {
            found.push("another space at its beginning or end".to_owned());
        }
    }
    found.into_iter()
}

fn catalogue(language: Language, problems: &mut Vec<String>) -> Catalogue {
    let mut catalogue = Catalogue::new();
    for file in FILES.into_iter().filter(|file| file.language == language) {
        let parsed = polib::po_file::parse_from_reader(file.text.as_bytes()).unwrap();
        for message in parsed.messages() {
            let entry = Entry {
                many: message.msgid_plural().ok().map(str::to_owned),
                forms: match message.msgstr_plural() {
                    Ok(forms) => forms.clone(),
                    Err(_) => vec![message.msgstr().unwrap().to_owned()],
                },
                is_fuzzy: message.is_fuzzy(),
                file: file.name,
            };
            let key = (message.msgctxt().unwrap_or_default().to_owned(), message.msgid().to_owned());
            if let Some(other) = catalogue.insert(key.clone(), entry) {
                problems.push(format!("{} and {} both have {key:?}", other.file, file.name));
            }
        }
    }
    catalogue
}

/// The names of places, each as often as it stands there.
fn places(text: &str) -> BTreeSet<String> {
    let plain = text.replace("{{", "").replace("}}", "");
    plain.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

/// The tags of HTML, in no order: a translation may turn two of them round.
fn tags(text: &str) -> Vec<String> {
    let mut tags: Vec<String> =
        text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap().to_owned()).collect();
    tags.sort();
    tags
}

/// An entry without its translation, to be filled in.
fn skeleton(sentence: &Sentence) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mut entry = String::new();
    if let Some(context) = &sentence.context {
        let _ = writeln!(entry, "msgctxt \"{}\"", quoted(context));
    }
    let _ = writeln!(entry, "msgid \"{}\"", quoted(&sentence.one));
    let _ = match &sentence.many {
        Some(many) => writeln!(entry, "msgid_plural \"{}\"\nmsgstr[0] \"\"", quoted(many)),
        None => writeln!(entry, "msgstr \"\""),
    };
    entry
}

/// All sentences of all code and all templates.
fn sentences() -> BTreeMap<(String, String), Sentence> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sentences = BTreeMap::<_, Sentence>::new();
    for path in ["src", "crates"].iter().flat_map(|below| files(&root.join(below))) {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        // What stands in tests is said to nobody; `wording` itself only shows how it is done.
        let is_of_tests = name.contains("/tests/") || name.ends_with("tests.rs") || name.starts_with("crates/wording/");
        if is_of_tests {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for sentence in found(&name, code) {
            let known = sentences.entry(sentence.key()).or_insert_with(|| sentence.clone());
            // As elsewhere with gettext: the entry of a sentence with two forms serves one without, too.
            let is_same = known.many == sentence.many || known.many.is_none() || sentence.many.is_none();
            let is_html_there = known.is_html == sentence.is_html || tags(&known.one).is_empty();
            assert!(
                is_same && is_html_there,
                "{} and {} say the same in different ways: {:?}",
                known.at,
                sentence.at,
                sentence.one
            );
            if known.many.is_none() {
                known.many = sentence.many;
            }
        }
    }
    sentences
}

fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "html") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The sentences of a file.
fn found(name: &str, code: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("!(") {
        let line_start = code[..at].rfind('\n').map_or(0, |end| end + 1);
        let is_comment = code[line_start..at].trim_start().starts_with("//");
        let start = code[..at]
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |before| before + code[before..].chars().next().unwrap().len_utf8());
        let (has_context, has_count, is_html) = match &code[start..at] {
            "tr" | "tr_later" => (false, false, false),
            "trn" | "trn_later" => (false, true, false),
            "trc" => (true, false, false),
            "tr_html" => (false, false, true),
            "trn_html" => (false, true, true),
            _ => continue,
        };
        if is_comment {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let at_line = format!("{name}:{line}");
        let mut arguments = Arguments { rest: &code[at + 2..] };
        if has_count {
            arguments.skip_one();
        }
        let wanted = 1 + usize::from(has_context || has_count);
        let literals: Vec<String> = (0..wanted)
            .map(|_| arguments.literal().unwrap_or_else(|| panic!("{at_line}: no literal where one is expected")))
            .collect();
        let (context, one, many) = match (has_context, has_count) {
            (true, _) => (Some(literals[0].clone()), literals[1].clone(), None),
            (_, true) => (None, literals[0].clone(), Some(literals[1].clone())),
            _ => (None, literals[0].clone(), None),
        };
        found.push(Sentence { context, one, many, is_html, at: at_line });
    }
    found
}

/// What stands between the parentheses of a macro.
struct Arguments<'c> {
    rest: &'c str,
}

impl Arguments<'_> {
    /// Over an expression, to behind the comma that ends it.
    fn skip_one(&mut self) {
        let mut depth = 0;
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                '"' => {
                    while let Some((_, c)) = chars.next() {
                        match c {
                            '\\' => drop(chars.next()),
                            '"' => break,
                            _ => {}
                        }
                    }
                }
                ',' if depth == 0 => {
                    self.rest = &self.rest[at + 1..];
                    return;
                }
                _ => {}
            }
        }
    }

    /// A literal, to behind its comma.
    fn literal(&mut self) -> Option<String> {
        let rest = self.rest.trim_start();
        let (text, rest) = match rest.strip_prefix('r') {
            Some(raw) => {
                let hashes = raw.len() - raw.trim_start_matches('#').len();
                let end = format!("\"{}", "#".repeat(hashes));
                let body = raw[hashes..].strip_prefix('"')?;
                let (text, rest) = body.split_once(&end)?;
                (text.to_owned(), rest)
            }
            None => escaped(rest.strip_prefix('"')?)?,
        };
        let rest = rest.trim_start();
        self.rest = rest.strip_prefix(',').unwrap_or(rest);
        Some(text)
    }
}

/// A literal behind its first quote, and what follows the last.
fn escaped(code: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = code.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, &code[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                '\n' => while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                'u' => {
                    let hex: String = chars.by_ref().map(|(_, c)| c).skip(1).take_while(|c| *c != '}').collect();
                    text.push(char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?);
                }
                c => text.push(c),
            },
            c => text.push(c),
        }
    }
    None
}

#[test]
fn sentences_are_found_in_code_and_in_templates() {
    let code = "let a = tr!(\"moved {n} \\\n    from \\\"{x}\\\"\", n = 1, x = tr!(\"there\"));\n// tr!(\"a comment\")\n\
                {{ tr_html!(r#\"<a href=\"/\">b</a>\"#) }} trn!(some(a, \"x,\\\"\").len(), \"one\", \"{n}\") wording::trc!(\"c\", \"\\u{201c}\")\
                attr!(\"no\") strn!(\"no\", \"no\")";
    let said: Vec<_> = found("f", code).into_iter().map(|s| (s.context, s.one, s.many, s.is_html, s.at)).collect();
    let of = |context: Option<&str>, one: &str, many: Option<&str>, is_html, line: u32| {
        (context.map(str::to_owned), one.to_owned(), many.map(str::to_owned), is_html, format!("f:{line}"))
    };
    assert_eq!(
        said,
        [
            of(None, "moved {n} from \"{x}\"", None, false, 1),
            of(None, "there", None, false, 2),
            of(None, "<a href=\"/\">b</a>", None, true, 4),
            of(None, "one", Some("{n}"), false, 4),
            of(Some("c"), "“", None, false, 4),
        ]
    );
}

#[test]
fn what_is_wrong_with_a_translation_is_said() {
    let sentence = |one: &str, many: Option<&str>, is_html| Sentence {
        context: None,
        one: one.to_owned(),
        many: many.map(str::to_owned),
        is_html,
        at: String::new(),
    };
    let entry = |many: Option<&str>, forms: &[&str], is_fuzzy| Entry {
        many: many.map(str::to_owned),
        forms: forms.iter().map(|form| (*form).to_owned()).collect(),
        is_fuzzy,
        file: "",
    };
    let (place, html, count) =
        (sentence("a {x}", None, false), sentence("<b>a</b>", None, true), sentence("{n} a", Some("{n} as"), false));
    let cases = [
        (&place, entry(None, &["{x} b"], false), 0),
        (&place, entry(None, &["b"], false), 1),
        (&place, entry(None, &["{x} {y}"], false), 1),
        (&place, entry(None, &["{x}"], true), 1),
        (&place, entry(None, &[" {x}"], false), 1),
        (&html, entry(None, &["<b>x</b>"], false), 0),
        (&html, entry(None, &["<i>x</i>"], false), 1),
        (&html, entry(None, &["  "], false), 3),
        (&count, entry(Some("{n} as"), &["ein b", "{n} bs"], false), 0),
        (&count, entry(Some("{n} as"), &["{n} bs"], false), 1),
        (&count, entry(None, &["{n} b", "{n} bs"], false), 1),
    ];
    for (at, (sentence, entry, expected)) in cases.into_iter().enumerate() {
        let found: Vec<String> = wrong(sentence, &entry, Language::German).collect();
        assert_eq!(found.len(), expected, "{at}: {found:?}");
    }
}

#[test]
fn a_thread_speaks_the_language_that_it_was_told_to() {
    let said = wording::speaking(Language::German, || {
        (wording::language(), std::thread::spawn(wording::language).join().unwrap())
    });
    assert_eq!(said, (Language::German, Language::English));
    let (number, marked) = wording::pseudo(|| (wording::trn!(2, "{n} a", "{n} as {x}", x = "<b>"), wording::tr!("a")));
    assert_eq!((number.as_str(), marked), ("⟦2 ат <b>⟧", "⟦а⟧"));
    assert_eq!(Language::accepted("de-AT, en;q=0.5").name(), "Deutsch");
    assert_eq!(Language::of_tag("ja"), Some(Language::Japanese));
}
