//! The catalogues: all translations of a language, read once from what is part of the program.

use crate::Language;
use std::collections::HashMap;
use std::sync::LazyLock;

/// One part of the catalogue of a language.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Below `crates/wording/po`.
    pub name: &'static str,
    /// The language that it translates into.
    pub language: Language,
    /// What stands in it (GNU gettext's PO).
    pub text: &'static str,
}

/// All parts of all catalogues. A sentence stands in one part of each language.
pub const FILES: [File; 8] = [
    File { name: "web.de.po", language: Language::German, text: include_str!("../po/web.de.po") },
    File { name: "console.de.po", language: Language::German, text: include_str!("../po/console.de.po") },
    File { name: "admin.de.po", language: Language::German, text: include_str!("../po/admin.de.po") },
    File { name: "doctor.de.po", language: Language::German, text: include_str!("../po/doctor.de.po") },
    File { name: "web.ja.po", language: Language::Japanese, text: include_str!("../po/web.ja.po") },
    File { name: "console.ja.po", language: Language::Japanese, text: include_str!("../po/console.ja.po") },
    File { name: "admin.ja.po", language: Language::Japanese, text: include_str!("../po/admin.ja.po") },
    File { name: "doctor.ja.po", language: Language::Japanese, text: include_str!("../po/doctor.ja.po") },
];

/// What separates a context from its sentence, as in gettext's compiled catalogues.
const END_OF_CONTEXT: char = '\u{4}';

type Catalogue = HashMap<String, Vec<String>>;

static GERMAN: LazyLock<Catalogue> = LazyLock::new(|| catalogue(Language::German));
static JAPANESE: LazyLock<Catalogue> = LazyLock::new(|| catalogue(Language::Japanese));

/// The form of a sentence in a language. `None`: it is said as it stands in the code.
pub(crate) fn translated(language: Language, context: Option<&str>, text: &str, form: usize) -> Option<&'static str> {
    let catalogue = match language {
        Language::English => return None,
        Language::German => &*GERMAN,
        Language::Japanese => &*JAPANESE,
    };
    let forms = match context {
        None => catalogue.get(text),
        Some(context) => catalogue.get(&format!("{context}{END_OF_CONTEXT}{text}")),
    };
    forms?.get(form).map(String::as_str).filter(|text| !text.is_empty())
}

fn catalogue(language: Language) -> Catalogue {
    let parts = FILES.iter().filter(|part| part.language == language);
    parts.flat_map(|part| read(part.text).unwrap_or_default()).collect()
}

/// The translations of one part. An error tells nobody here: tests read each part.
fn read(text: &str) -> Result<Vec<(String, Vec<String>)>, polib::po_file::POParseError> {
    let parsed = polib::po_file::parse_from_reader(text.as_bytes())?;
    let messages = parsed.messages().filter(|message| !message.is_fuzzy()).map(|message| {
        let key = match message.msgctxt() {
            None => message.msgid().to_owned(),
            Some(context) => format!("{context}{END_OF_CONTEXT}{}", message.msgid()),
        };
        let forms = match message.msgstr_plural() {
            Ok(forms) => forms.clone(),
            Err(_) => message.msgstr().map(|text| vec![text.to_owned()]).unwrap_or_default(),
        };
        (key, forms)
    });
    Ok(messages.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_can_be_read() {
        for part in FILES {
            read(part.text).unwrap_or_else(|error| panic!("{}: {error}", part.name));
        }
    }

    #[test]
    fn sentences_contexts_and_forms_are_read_and_what_is_fuzzy_is_not() {
        let text = "msgid \"\"\nmsgstr \"\"\n\"Language: de\\n\"\n\n\
                    msgid \"one\\n\"\n\"line\"\nmsgstr \"eine\\nZeile\"\n\n\
                    msgctxt \"verb\"\nmsgid \"mail\"\nmsgstr \"senden\"\n\n\
                    msgid \"{n} message\"\nmsgid_plural \"{n} messages\"\nmsgstr[0] \"{n} Nachricht\"\nmsgstr[1] \"{n} Nachrichten\"\n\n\
                    #, fuzzy\nmsgid \"old\"\nmsgstr \"alt\"\n";
        let read: Catalogue = read(text).unwrap().into_iter().collect();
        assert_eq!(read["one\nline"], ["eine\nZeile"]);
        assert_eq!(read["verb\u{4}mail"], ["senden"]);
        assert_eq!(read["{n} message"], ["{n} Nachricht", "{n} Nachrichten"]);
        assert!(!read.contains_key("old") && !read.contains_key("mail"), "{read:?}");
    }
}
