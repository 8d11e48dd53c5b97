//! Sentences with HTML in them, as pages say them.
//!
//! The macros here are those of `wording`, but for what is HTML already (a moment, another such sentence): that is not escaped once more.

use askama::filters::{Escaper, Html, HtmlSafe};
use std::convert::Infallible;
use std::fmt::{self, Display};

/// A sentence that is HTML: written by us, and what was filled in is escaped.
#[derive(Debug)]
pub(crate) struct Said(pub(crate) String);

impl Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Said {}

/// As `wording::tr_html`, for pages.
macro_rules! tr_html {
    ($text:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const { wording::check($text, &[$(stringify!($name)),*]) };
        #[allow(unused_imports)]
        use ::askama::filters::AutoEscape as _;
        $crate::said::Said(wording::filled_html(
            $text,
            &[$((stringify!($name), &$crate::said::escaped!(wording::value!($name $(= $value)?)) as &dyn ::std::fmt::Display)),*],
        ))
    }};
}

/// As `wording::trn_html`, for pages.
macro_rules! trn_html {
    ($count:expr, $one:literal, $many:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const {
            wording::check_some($one, &[$(stringify!($name),)* "n"]);
            wording::check_some($many, &[$(stringify!($name),)* "n"]);
        };
        #[allow(unused_imports)]
        use ::askama::filters::AutoEscape as _;
        $crate::said::Said(wording::counted_html(
            wording::Count::count(&$count),
            $one,
            $many,
            &[$((stringify!($name), &$crate::said::escaped!(wording::value!($name $(= $value)?)) as &dyn ::std::fmt::Display)),*],
        ))
    }};
}

/// A value as HTML, as askama decides on it where it stands alone.
macro_rules! escaped {
    ($value:expr) => {
        $crate::said::certain(
            (&&::askama::filters::AutoEscaper::new(&$value, ::askama::filters::Html)).askama_auto_escape(),
        )
    };
}
pub(crate) use escaped;

/// What cannot fail.
pub(crate) fn certain<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

/// Names of others, each on its own whatever its direction of writing is.
pub(crate) fn isolated(names: &[String]) -> Said {
    let mut said = String::new();
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            said.push_str(trc!("between names", ", "));
        }
        said.push_str("<bdi>");
        // Writing into a `String` cannot fail.
        let _ = Html.write_escaped_str(&mut said, name);
        said.push_str("</bdi>");
    }
    Said(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment;

    #[test]
    fn what_others_wrote_is_escaped_and_what_is_html_is_not() {
        let said = tr_html!("<b>{a}</b> {at}", a = "<i>", at = moment::day("2026-11-22T22:36:40Z"));
        assert!(said.to_string().starts_with("<b>&#60;i&#62;</b> <time datetime"), "{said}");
        assert_eq!(isolated(&["<a>".to_owned(), "b".to_owned()]).to_string(), "<bdi>&#60;a&#62;</bdi>, <bdi>b</bdi>");
    }
}
