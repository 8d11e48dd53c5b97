//! How a sentence stands in the code.

/// A sentence: `tr!("Nothing was found.")` is a `&'static str`; `tr!("moved {count} from {from}", count = 3, from = name)` a `String`
/// with its places filled in, in whatever order a translation has them. A place has a name
/// (`name` alone is short for `name = name`); `{{` is a brace.
#[macro_export]
macro_rules! tr {
    ($text:literal $(,)?) => {{
        const { $crate::check($text, &[]) };
        $crate::said($text)
    }};
    ($text:literal, $($name:ident $(= $value:expr)?),+ $(,)?) => {{
        const { $crate::check($text, &[$(stringify!($name)),+]) };
        $crate::filled(None, $text, &[$((stringify!($name), &$crate::value!($name $(= $value)?) as &dyn ::std::fmt::Display)),+])
    }};
}

/// A sentence whose form a number decides: `trn!(n, "{n} message", "{n} messages")` is a `String`. `{n}` is that number, unless
/// there is another `n = …` to show for it.
#[macro_export]
macro_rules! trn {
    ($count:expr, $one:literal, $many:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const {
            $crate::check_some($one, &[$(stringify!($name),)* "n"]);
            $crate::check_some($many, &[$(stringify!($name),)* "n"]);
        };
        $crate::counted(
            $crate::Count::count(&$count),
            $one,
            $many,
            &[$((stringify!($name), &$crate::value!($name $(= $value)?) as &dyn ::std::fmt::Display)),*],
        )
    }};
}

/// As [`tr!`], for English that means more than one thing: `trc!("a state of a device", "on")`. The context comes first.
#[macro_export]
macro_rules! trc {
    ($context:literal, $text:literal $(,)?) => {{
        const { $crate::check($text, &[]) };
        $crate::said_in($context, $text)
    }};
    ($context:literal, $text:literal, $($name:ident $(= $value:expr)?),+ $(,)?) => {{
        const { $crate::check($text, &[$(stringify!($name)),+]) };
        $crate::filled(Some($context), $text, &[$((stringify!($name), &$crate::value!($name $(= $value)?) as &dyn ::std::fmt::Display)),+])
    }};
}

/// As [`tr!`], of HTML: what is filled in is escaped. Always a `String`.
#[macro_export]
macro_rules! tr_html {
    ($text:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const { $crate::check($text, &[$(stringify!($name)),*]) };
        $crate::filled_html($text, &[$((stringify!($name), &$crate::Escaped(&$crate::value!($name $(= $value)?)) as &dyn ::std::fmt::Display)),*])
    }};
}

/// As [`trn!`], of HTML: what is filled in is escaped.
#[macro_export]
macro_rules! trn_html {
    ($count:expr, $one:literal, $many:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const {
            $crate::check_some($one, &[$(stringify!($name),)* "n"]);
            $crate::check_some($many, &[$(stringify!($name),)* "n"]);
        };
        $crate::counted_html(
            $crate::Count::count(&$count),
            $one,
            $many,
            &[$((stringify!($name), &$crate::Escaped(&$crate::value!($name $(= $value)?)) as &dyn ::std::fmt::Display)),*],
        )
    }};
}

/// As [`tr!`], worded when it is shown, in the language of whoever reads it then: a [`Later`](crate::Later). What stands in its places is
/// anything that becomes one: a text stays as it is.
#[macro_export]
macro_rules! tr_later {
    ($text:literal $(,)?) => {{
        const { $crate::check($text, &[]) };
        $crate::Later::sentence($text)
    }};
    ($text:literal, $($name:ident $(= $value:expr)?),+ $(,)?) => {{
        const { $crate::check($text, &[$(stringify!($name)),+]) };
        $crate::Later::filled($text, ::std::vec![$((stringify!($name), $crate::Later::from($crate::value!($name $(= $value)?)))),+])
    }};
}

/// As [`trn!`], worded when it is shown.
#[macro_export]
macro_rules! trn_later {
    ($count:expr, $one:literal, $many:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const {
            $crate::check_some($one, &[$(stringify!($name),)* "n"]);
            $crate::check_some($many, &[$(stringify!($name),)* "n"]);
        };
        $crate::Later::counted(
            $crate::Count::count(&$count),
            $one,
            $many,
            ::std::vec![$((stringify!($name), $crate::Later::from($crate::value!($name $(= $value)?)))),*],
        )
    }};
}

/// What is filled in for a name.
#[doc(hidden)]
#[macro_export]
macro_rules! value {
    ($name:ident) => {
        $name
    };
    ($name:ident = $value:expr) => {
        $value
    };
}
