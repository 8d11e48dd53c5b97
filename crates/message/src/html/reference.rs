//! HTML's character references (HTML Living Standard §13.2.5.72 to 80): those that HTML 4 had, and numbers.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Names that also count without a semicolon, with the number of the character.
const OLD: &str = "\
    AElig=c6 AMP=26 Aacute=c1 Acirc=c2 Agrave=c0 Aring=c5 Atilde=c3 Auml=c4 COPY=a9 Ccedil=c7 ETH=d0 Eacute=c9 \
    Ecirc=ca Egrave=c8 Euml=cb GT=3e Iacute=cd Icirc=ce Igrave=cc Iuml=cf LT=3c Ntilde=d1 Oacute=d3 Ocirc=d4 \
    Ograve=d2 Oslash=d8 Otilde=d5 Ouml=d6 QUOT=22 REG=ae THORN=de Uacute=da Ucirc=db Ugrave=d9 Uuml=dc Yacute=dd \
    aacute=e1 acirc=e2 acute=b4 aelig=e6 agrave=e0 amp=26 aring=e5 atilde=e3 auml=e4 brvbar=a6 ccedil=e7 cedil=b8 \
    cent=a2 copy=a9 curren=a4 deg=b0 divide=f7 eacute=e9 ecirc=ea egrave=e8 eth=f0 euml=eb frac12=bd frac14=bc \
    frac34=be gt=3e iacute=ed icirc=ee iexcl=a1 igrave=ec iquest=bf iuml=ef laquo=ab lt=3c macr=af micro=b5 \
    middot=b7 nbsp=a0 not=ac ntilde=f1 oacute=f3 ocirc=f4 ograve=f2 ordf=aa ordm=ba oslash=f8 otilde=f5 ouml=f6 \
    para=b6 plusmn=b1 pound=a3 quot=22 raquo=bb reg=ae sect=a7 shy=ad sup1=b9 sup2=b2 sup3=b3 szlig=df thorn=fe \
    times=d7 uacute=fa ucirc=fb ugrave=f9 uml=a8 uuml=fc yacute=fd yen=a5 yuml=ff";

/// Names that count with a semicolon only.
const NEW: &str = "\
    Alpha=391 Beta=392 Chi=3a7 Dagger=2021 Delta=394 Epsilon=395 Eta=397 Gamma=393 Iota=399 Kappa=39a Lambda=39b \
    Mu=39c Nu=39d OElig=152 Omega=3a9 Omicron=39f Phi=3a6 Pi=3a0 Prime=2033 Psi=3a8 Rho=3a1 Scaron=160 Sigma=3a3 \
    Tau=3a4 Theta=398 Upsilon=3a5 Xi=39e Yuml=178 Zeta=396 alefsym=2135 alpha=3b1 and=2227 ang=2220 apos=27 \
    asymp=2248 bdquo=201e beta=3b2 bull=2022 cap=2229 chi=3c7 circ=2c6 clubs=2663 cong=2245 crarr=21b5 cup=222a \
    dArr=21d3 dagger=2020 darr=2193 delta=3b4 diams=2666 empty=2205 emsp=2003 ensp=2002 epsilon=3b5 equiv=2261 \
    eta=3b7 euro=20ac exist=2203 fnof=192 forall=2200 frasl=2044 gamma=3b3 ge=2265 hArr=21d4 harr=2194 hearts=2665 \
    hellip=2026 image=2111 infin=221e int=222b iota=3b9 isin=2208 kappa=3ba lArr=21d0 lambda=3bb lang=2329 larr=2190 \
    lceil=2308 ldquo=201c le=2264 lfloor=230a lowast=2217 loz=25ca lrm=200e lsaquo=2039 lsquo=2018 mdash=2014 \
    minus=2212 mu=3bc nabla=2207 ndash=2013 ne=2260 ni=220b notin=2209 nsub=2284 nu=3bd oelig=153 oline=203e \
    omega=3c9 omicron=3bf oplus=2295 or=2228 otimes=2297 part=2202 permil=2030 perp=22a5 phi=3c6 pi=3c0 piv=3d6 \
    prime=2032 prod=220f prop=221d psi=3c8 rArr=21d2 radic=221a rang=232a rarr=2192 rceil=2309 rdquo=201d real=211c \
    rfloor=230b rho=3c1 rlm=200f rsaquo=203a rsquo=2019 sbquo=201a scaron=161 sdot=22c5 sigma=3c3 sigmaf=3c2 \
    sim=223c spades=2660 sub=2282 sube=2286 sum=2211 sup=2283 supe=2287 tau=3c4 there4=2234 theta=3b8 thetasym=3d1 \
    thinsp=2009 tilde=2dc trade=2122 uArr=21d1 uarr=2191 upsih=3d2 upsilon=3c5 weierp=2118 xi=3be zeta=3b6 zwj=200d \
    zwnj=200c";

/// A name or a number is at most so long, in octets.
const NAME_BYTES_MAX: usize = 32;

/// What the octets from 0x80 to 0x9f mean as numbers: Windows-1252, as everybody reads them.
const WINDOWS: [u32; 32] = [
    0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d,
    0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,
    0x017e, 0x0178,
];

struct Names {
    all: HashMap<&'static str, char>,
    old: HashMap<&'static str, char>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let read = |list: &'static str| {
        list.split_ascii_whitespace().filter_map(|entry| {
            let (name, number) = entry.split_once('=')?;
            Some((name, u32::from_str_radix(number, 16).ok().and_then(char::from_u32)?))
        })
    };
    Names { all: read(OLD).chain(read(NEW)).collect(), old: read(OLD).collect() }
});

/// What stands at the beginning of a text that begins with `&`: how many octets, and for which character, if that is
/// a reference. None: it depends on what follows, and `is_end` says that nothing does.
pub(super) fn read(text: &str, is_end: bool) -> Option<(usize, Option<char>)> {
    let Some(inside) = text.get(1..) else { return Some((text.len(), None)) };
    let (digits, radix) = match inside.as_bytes() {
        [b'#', b'x' | b'X', ..] => (inside.get(2..), 16),
        [b'#', ..] => (inside.get(1..), 10),
        _ => (None, 10),
    };
    let run = digits.unwrap_or(inside);
    let of_it = |octet: &u8| match digits {
        Some(_) => char::from(*octet).is_digit(radix),
        None => octet.is_ascii_alphanumeric(),
    };
    let length = run.bytes().take(NAME_BYTES_MAX).take_while(of_it).count();
    // `&#` may go on with `x`.
    let may_go_on = length < NAME_BYTES_MAX && run.len() == length;
    if may_go_on && !is_end {
        return None;
    }
    let name = run.get(..length).unwrap_or_default();
    let before = text.len() - run.len();
    let has_semicolon = run.as_bytes().get(length) == Some(&b';');
    let found = match digits {
        Some(_) if length > 0 => Some((length, number(name, radix))),
        Some(_) => None,
        None => named(name, has_semicolon),
    };
    Some(match found {
        Some((used, character)) => (before + used + usize::from(has_semicolon && used == length), Some(character)),
        None => (1, None),
    })
}

/// The same in the value of an attribute, all of which is there. `?id=1&copy=2` has none (HTML Living Standard §13.2.5.73).
pub(super) fn read_in_value(text: &str) -> (usize, Option<char>) {
    let (used, character) = read(text, true).unwrap_or((1, None));
    let after = text.as_bytes().get(used);
    let is_name = !text.starts_with("&#") && !text.get(..used).unwrap_or_default().ends_with(';');
    if is_name && after.is_some_and(|octet| *octet == b'=' || octet.is_ascii_alphanumeric()) {
        return (1, None);
    }
    (used, character)
}

fn number(digits: &str, radix: u32) -> char {
    let number = u32::from_str_radix(digits, radix).unwrap_or(u32::MAX);
    let windows = number.checked_sub(0x80).and_then(|at| WINDOWS.get(at as usize)).copied();
    match char::from_u32(windows.unwrap_or(number)) {
        Some(character) if character != '\0' => character,
        Some(_) | None => char::REPLACEMENT_CHARACTER,
    }
}

/// The name, or the longest beginning of it that counts without a semicolon: how long, and what it stands for.
fn named(name: &str, has_semicolon: bool) -> Option<(usize, char)> {
    if let Some(character) = NAMES.all.get(name).filter(|_| has_semicolon) {
        return Some((name.len(), *character));
    }
    let shorter = (2..=name.len().min(6)).rev();
    shorter.filter_map(|length| Some((length, *NAMES.old.get(name.get(..length)?)?))).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stand_for_characters() {
        let check = |text: &str, expected: (usize, Option<char>)| {
            assert_eq!(read(text, true), Some(expected), "{text}");
        };
        check("&amp;x", (5, Some('&')));
        check("&eacute;", (8, Some('\u{e9}')));
        check("&euro;", (6, Some('\u{20ac}')));
        check("&euro", (1, None));
        check("&nbspx", (5, Some('\u{a0}')));
        check("&notit;", (4, Some('\u{ac}')));
        check("&nope;", (1, None));
        check("&#65;", (5, Some('A')));
        check("&#65x", (4, Some('A')));
        check("&#x41;", (6, Some('A')));
        check("&#X1f600;", (9, Some('\u{1f600}')));
        check("&#150;", (6, Some('\u{2013}')));
        check("&#0;", (4, Some('\u{fffd}')));
        check("&#xd800;", (8, Some('\u{fffd}')));
        check("&#99999999999999999999;", (23, Some('\u{fffd}')));
        check("&#;", (1, None));
        check("&#x;", (1, None));
        check("&", (1, None));
        check("& x", (1, None));
        check("&\u{e9};", (1, None));
    }

    #[test]
    fn in_a_value_what_goes_on_is_no_reference() {
        let check = |text: &str, expected: (usize, Option<char>)| assert_eq!(read_in_value(text), expected, "{text}");
        for name in ["&copy=2", "&region=eu", "&currency=EUR", "&parameter=9", "&section=3", "&notit;", "&amp1", "&lt="]
        {
            check(name, (1, None));
        }
        check("&copy;=2", (6, Some('\u{a9}')));
        check("&copy", (5, Some('\u{a9}')));
        check("&copy&", (5, Some('\u{a9}')));
        check("&amp;b=2", (5, Some('&')));
        check("&#65b", (4, Some('A')));
    }

    #[test]
    fn what_may_go_on_is_not_known_yet() {
        for text in ["&", "&a", "&amp", "&#", "&#6", "&#x", "&#x4"] {
            assert_eq!(read(text, false), None, "{text}");
        }
        assert_eq!(read("&amp;", false), Some((5, Some('&'))));
        let long = format!("&{}", "a".repeat(NAME_BYTES_MAX));
        assert_eq!(read(&long, false), Some((1, None)));
    }
}
