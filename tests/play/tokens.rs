//! What a sent line can hold that is not easily written: octets, passwords, repetition.

use sasl::scram::client;

/// What a client of SCRAM says that nobody said before.
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";

/// The octets that a line in a transcript stands for, without the line end that follows it.
///
/// `password` gives the application password of a device, the token of `token NAME`, or what was kept as `kept NAME`.
pub fn expand(text: &str, user: &str, password: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let (times, text) = repetition(text);
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('<') {
        expanded.push_str(before);
        let token = from.split_once('>').and_then(|(name, after)| Some((value(name, user, &password)?, after)));
        rest = match token {
            Some((value, after)) => {
                expanded.push_str(&value?);
                after
            }
            // An address, for instance.
            None => {
                expanded.push('<');
                from
            }
        };
    }
    expanded.push_str(rest);
    let lines: Vec<String> = (1..=times).map(|number| expanded.replace("<n>", &number.to_string())).collect();
    Ok(lines.join("\r\n"))
}

fn value(token: &str, user: &str, password: &impl Fn(&str) -> Option<String>) -> Option<Result<String, String>> {
    let octets = match token {
        "CRLF" => Some("\r\n"),
        "CR" => Some("\r"),
        "LF" => Some("\n"),
        "NUL" => Some("\0"),
        _ => None,
    };
    if let Some(octets) = octets {
        return Some(Ok(octets.to_owned()));
    }
    if token.starts_with("kept ") {
        return Some(password(token).ok_or_else(|| format!("nothing was {token}")));
    }
    let (what, device) = token.split_once(" of ")?;
    if let Some(what) = what.strip_prefix("scram ") {
        return Some(scram(what, device, user, password));
    }
    let is_token = matches!(what, "oauthbearer" | "xoauth2");
    let whose = if is_token { format!("token {device}") } else { device.to_owned() };
    let secret = password(&whose).ok_or_else(|| format!("{device} has no password, or no token"));
    match what {
        "password" => Some(secret),
        // RFC 4616 §2
        "plain" => Some(secret.map(|secret| base64(format!("\0{user}\0{secret}").as_bytes()))),
        // RFC 7628 §3.1
        "oauthbearer" => {
            Some(secret.map(|token| base64(format!("n,a={user},\u{1}auth=Bearer {token}\u{1}\u{1}").as_bytes())))
        }
        "xoauth2" => {
            Some(secret.map(|token| base64(format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}").as_bytes())))
        }
        _ => None,
    }
}

/// RFC 7677: what a client sends that does not say its password, and what the server proves to it then.
fn scram(what: &str, device: &str, user: &str, password: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let secret = |device: &str| password(device).ok_or_else(|| format!("{device} has no password"));
    if what == "first" {
        return secret(device).map(|_| client::first(user, NONCE, None));
    }
    let (device, kept) = device.split_once(" after ").ok_or("after what?")?;
    let challenge = password(&format!("kept {kept}")).ok_or_else(|| format!("nothing was kept as {kept}"))?;
    let answer = client::second((user, &secret(device)?), NONCE, None, &challenge);
    let (proof, verifier) = answer.ok_or_else(|| format!("this is no challenge: {challenge}"))?;
    match what {
        "proof" => Ok(proof),
        "verifier" => Ok(verifier),
        _ => Err(format!("nobody sends a {what}")),
    }
}

fn repetition(text: &str) -> (usize, &str) {
    let count = text.strip_prefix('<').and_then(|text| text.split_once(" TIMES>"));
    count.and_then(|(count, text)| Some((count.parse().ok()?, text))).unwrap_or((1, text))
}

pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let bits = piece.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - piece.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= piece.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_become_octets() {
        let password = |device: &str| (device == "pc").then(|| "secret".to_owned());
        let check = |text: &str, expected: &str| {
            assert_eq!(expand(text, "u", password).unwrap(), expected, "{text}");
        };
        check("a<CRLF>b<LF><CR><NUL>", "a\r\nb\n\r\0");
        check("MAIL FROM:<a@b> x < y", "MAIL FROM:<a@b> x < y");
        check("PASS <password of pc>", "PASS secret");
        check("AUTH PLAIN <plain of pc>", "AUTH PLAIN AHUAc2VjcmV0");
        let token = |device: &str| (device == "token pc").then(|| "t".to_owned());
        let sent = expand("AUTH XOAUTH2 <xoauth2 of pc>", "u", token).unwrap();
        assert_eq!(sent, "AUTH XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==");
        check("<3 TIMES>NOOP", "NOOP\r\nNOOP\r\nNOOP");
        check("<2 TIMES>DELE <n>", "DELE 1\r\nDELE 2");
        check("<x TIMES>NOOP", "<x TIMES>NOOP");
        assert!(expand("<password of nobody>", "u", password).is_err());
        let kept = |name: &str| (name == "kept url").then(|| "x:y".to_owned());
        assert_eq!(expand("F \"<kept url>\"", "u", kept).unwrap(), "F \"x:y\"");
        assert!(expand("<kept other>", "u", kept).is_err());
        let pencil = |name: &str| match name {
            "pc" => Some("pencil".to_owned()),
            "kept first" => Some(base64(b"r=rOprNGfwEbeRWgbNEkqO+,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=10000")),
            _ => None,
        };
        assert_eq!(expand("<scram first of pc>", "u", pencil).unwrap(), base64(b"n,,n=u,r=rOprNGfwEbeRWgbNEkqO"));
        let proof = expand("<scram proof of pc after first>", "u", pencil).unwrap();
        let verifier = expand("<scram verifier of pc after first>", "u", pencil).unwrap();
        assert!(proof.starts_with(&base64(b"c=biws,r=rOprNGfwEbeRWgbNEkqO+,p=")[..40]) && verifier != proof);
        assert!(expand("<scram proof of pc after it>", "u", pencil).is_err());
    }
}
