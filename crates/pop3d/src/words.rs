//! Every word that POP3 sessions say, once for each language (RFC 6856 §3): a language is a [`Words`], so one that lacks
//! something does not compile.

use pop3_proto::SyntaxError;
use sasl::Failure;

/// What is said in one language.
pub(crate) struct Words {
    /// RFC 5646 language tag.
    pub(crate) tag: &'static str,
    /// The language in itself.
    pub(crate) name: &'static str,
    pub(crate) language_is_on: &'static str,
    pub(crate) languages: &'static str,
    pub(crate) no_such_language: &'static str,
    pub(crate) ready: fn(&str) -> String,
    pub(crate) capabilities: &'static str,
    pub(crate) mechanisms: &'static str,
    pub(crate) no_such_mechanism: &'static str,
    pub(crate) tls_is_on: &'static str,
    pub(crate) tls_is_not_available: &'static str,
    pub(crate) tls_before_utf8: &'static str,
    pub(crate) begin_tls: &'static str,
    pub(crate) needs_tls: &'static str,
    pub(crate) utf8_is_on: &'static str,
    pub(crate) log_in_first: &'static str,
    pub(crate) is_logged_in: &'static str,
    pub(crate) send_the_password: &'static str,
    pub(crate) user_first: &'static str,
    pub(crate) log_in_as_yourself: &'static str,
    pub(crate) wrong_credentials: &'static str,
    pub(crate) wrong_token: &'static str,
    pub(crate) too_many_failures: &'static str,
    pub(crate) too_many_logins: &'static str,
    pub(crate) login_is_broken: &'static str,
    pub(crate) too_soon: fn(u64) -> String,
    pub(crate) no_mailbox: fn(&str) -> String,
    pub(crate) in_use: &'static str,
    pub(crate) maildrop_is_broken: &'static str,
    pub(crate) messages: fn(usize) -> String,
    pub(crate) octets: fn(u32) -> String,
    pub(crate) no_message: fn(u32) -> String,
    pub(crate) is_deleted: fn(u32) -> String,
    pub(crate) will_be_deleted: fn(u32) -> String,
    pub(crate) is_gone: fn(u32) -> String,
    pub(crate) message_is_broken: &'static str,
    pub(crate) goodbye: &'static str,
    pub(crate) deleted: fn(usize) -> String,
    /// Of so many that were deleted so many stay in the mailbox.
    pub(crate) deleted_here: fn(usize, usize) -> String,
    pub(crate) no_space: &'static str,
    pub(crate) read_only: &'static str,
    pub(crate) deletion_is_broken: &'static str,
    pub(crate) not_now: &'static str,
    pub(crate) too_many_errors: &'static str,
    pub(crate) closing: &'static str,
    /// Of a session that an administrator has ended.
    pub(crate) ended: &'static str,
    pub(crate) login_ended: &'static str,
    pub(crate) syntax: fn(SyntaxError) -> &'static str,
    pub(crate) exchange: fn(Failure) -> &'static str,
}

/// All languages; the first one is the one to begin with.
pub(crate) static ALL: [&Words; 3] = [&ENGLISH, &GERMAN, &JAPANESE];

/// The language that a basic language range asks for, by lookup (RFC 4647 §3.4): `de-AT` is German. `i-default`
/// (RFC 2277 §4.5) is what this server begins with. RFC 6856 §3: `*` is what is preferred here, which may be another for each user:
/// `preferred`, the tag of what the owner of the account has chosen.
pub(crate) fn matching(range: &str, preferred: Option<&str>) -> Option<&'static Words> {
    let mut range = range;
    if range == "*" || range.eq_ignore_ascii_case("i-default") {
        match preferred.filter(|_| range == "*") {
            Some(tag) if ALL.iter().any(|words| words.tag.eq_ignore_ascii_case(tag)) => range = tag,
            Some(_) | None => return ALL.first().copied(),
        }
    }
    loop {
        let found = ALL.iter().find(|words| words.tag.eq_ignore_ascii_case(range));
        match (found, range.rsplit_once('-')) {
            (Some(words), _) => return Some(words),
            (None, Some((shorter, _))) => range = shorter,
            (None, None) => return None,
        }
    }
}

pub(crate) static ENGLISH: Words = Words {
    tag: "en",
    name: "English",
    language_is_on: "This is English",
    languages: "Languages",
    no_such_language: "This server does not speak that; LANG alone lists what it does",
    ready: |host| format!("{host} Pillarbox POP3 ready"),
    capabilities: "Capabilities",
    mechanisms: "Mechanisms",
    no_such_mechanism: "No such mechanism; AUTH alone lists them",
    tls_is_on: "TLS is on already",
    tls_is_not_available: "TLS is not available",
    tls_before_utf8: "STLS comes before UTF8",
    begin_tls: "Begin TLS",
    needs_tls: "A password may not be sent without TLS: use STLS, or the TLS port",
    utf8_is_on: "Messages come as they are, in UTF-8",
    log_in_first: "Log in first",
    is_logged_in: "You are logged in already",
    send_the_password: "Send the password",
    user_first: "USER first",
    log_in_as_yourself: "Log in as yourself",
    wrong_credentials: "The user name or the password is wrong",
    wrong_token: "The token is wrong or has expired",
    too_many_failures: "Too many failed logins; wait some minutes",
    too_many_logins: "Too many people log in at this moment; try again",
    login_is_broken: "Logging in does not work at the moment",
    too_soon: |secs| format!("You were here just now; the next login is welcome in {secs} seconds"),
    no_mailbox: |name| format!("There is no mailbox \"{name}\"; leave out +{name} for INBOX"),
    in_use: "This device has another POP session; end it or wait until it ends",
    maildrop_is_broken: "The maildrop cannot be opened at the moment",
    messages: |count| format!("{count} messages"),
    octets: |size| format!("{size} octets"),
    no_message: |number| format!("There is no message {number}"),
    is_deleted: |number| format!("Message {number} is deleted"),
    will_be_deleted: |number| format!("Message {number} is deleted at QUIT"),
    is_gone: |number| format!("Message {number} is gone"),
    message_is_broken: "The message cannot be read at the moment",
    goodbye: "Goodbye",
    deleted: |count| format!("{count} deleted"),
    deleted_here: |all, kept| {
        format!("{all} deleted for this device; {kept} of them stay in the mailbox for the others")
    },
    no_space: "No space: nothing was deleted",
    read_only: "This server can read its disk and not write to it; delete again later, the messages are still here",
    deletion_is_broken: "The deletions could not be stored; connect again to see what is there",
    not_now: "Not now",
    too_many_errors: "Too many errors",
    closing: "Closing; nothing was removed. Connect again",
    ended: "An administrator has ended this session; nothing was removed",
    login_ended: "This login does not count any more; nothing was removed. Log in again",
    syntax: |error| match error {
        SyntaxError::LineTooLong => "Line too long",
        SyntaxError::ControlCharacter => "Control characters are not allowed",
        SyntaxError::NotUtf8 => "Neither ASCII nor UTF-8",
        SyntaxError::UnknownCommand => "Unknown command",
        SyntaxError::MissingArgument => "An argument is missing",
        SyntaxError::UnexpectedArgument => "Unexpected argument",
        SyntaxError::BadNumber => "Not a number",
        SyntaxError::NoSuchNumber => "No such message",
    },
    exchange: |failure| match failure {
        Failure::Cancelled => "Cancelled",
        Failure::NotBase64 => "That is not base64",
        Failure::TooLong => "That is too long",
        Failure::Malformed => "That is not what the mechanism sends",
    },
};

static GERMAN: Words = Words {
    tag: "de",
    name: "Deutsch",
    language_is_on: "Das ist Deutsch",
    languages: "Sprachen",
    no_such_language: "Das spricht dieser Server nicht; LANG allein zählt auf, was er spricht",
    ready: |host| format!("{host} Pillarbox POP3 ist bereit"),
    capabilities: "Fähigkeiten",
    mechanisms: "Verfahren",
    no_such_mechanism: "Dieses Verfahren gibt es nicht; AUTH allein zählt sie auf",
    tls_is_on: "TLS läuft schon",
    tls_is_not_available: "TLS gibt es hier nicht",
    tls_before_utf8: "STLS kommt vor UTF8",
    begin_tls: "TLS kann beginnen",
    needs_tls: "Ein Passwort darf nicht ohne TLS gesendet werden: STLS oder den TLS-Port benutzen",
    utf8_is_on: "Nachrichten kommen, wie sie sind, in UTF-8",
    log_in_first: "Erst anmelden",
    is_logged_in: "Sie sind schon angemeldet",
    send_the_password: "Nun das Passwort",
    user_first: "Erst USER",
    log_in_as_yourself: "Bitte im eigenen Namen anmelden",
    wrong_credentials: "Der Benutzername oder das Passwort ist falsch",
    wrong_token: "Das Token ist falsch oder abgelaufen",
    too_many_failures: "Zu viele Fehlversuche; bitte einige Minuten warten",
    too_many_logins: "Gerade melden sich zu viele an; bitte noch einmal versuchen",
    login_is_broken: "Die Anmeldung geht im Augenblick nicht",
    too_soon: |secs| format!("Sie waren eben erst hier; in {secs} Sekunden geht es wieder"),
    no_mailbox: |name| format!("Es gibt keinen Ordner \"{name}\"; ohne +{name} kommt INBOX"),
    in_use: "Dieses Gerät hat schon eine POP-Sitzung; beenden Sie sie, oder warten Sie ihr Ende ab",
    maildrop_is_broken: "Der Posteingang lässt sich im Augenblick nicht öffnen",
    messages: |count| format!("{count} Nachrichten"),
    octets: |size| format!("{size} Oktette"),
    no_message: |number| format!("Eine Nachricht {number} gibt es nicht"),
    is_deleted: |number| format!("Nachricht {number} ist gelöscht"),
    will_be_deleted: |number| format!("Nachricht {number} wird bei QUIT gelöscht"),
    is_gone: |number| format!("Nachricht {number} ist nicht mehr da"),
    message_is_broken: "Die Nachricht lässt sich im Augenblick nicht lesen",
    goodbye: "Auf Wiedersehen",
    deleted: |count| format!("{count} gelöscht"),
    deleted_here: |all, kept| {
        format!("{all} für dieses Gerät gelöscht; {kept} davon bleiben für die anderen im Postfach")
    },
    no_space: "Kein Platz: nichts wurde gelöscht",
    read_only: "Der Server kann seine Platte lesen, aber nicht beschreiben; die Nachrichten sind noch da, bitte später löschen",
    deletion_is_broken: "Das Löschen konnte nicht gespeichert werden; ein neuer Anruf zeigt, was da ist",
    not_now: "Nicht jetzt",
    too_many_errors: "Zu viele Fehler",
    closing: "Hier ist Schluss; nichts wurde gelöscht. Bitte neu verbinden",
    ended: "Die Verwaltung hat diese Sitzung beendet; nichts wurde gelöscht",
    login_ended: "Diese Anmeldung gilt nicht mehr; nichts wurde gelöscht. Bitte neu anmelden",
    syntax: |error| match error {
        SyntaxError::LineTooLong => "Die Zeile ist zu lang",
        SyntaxError::ControlCharacter => "Steuerzeichen sind nicht erlaubt",
        SyntaxError::NotUtf8 => "Weder ASCII noch UTF-8",
        SyntaxError::UnknownCommand => "Unbekannter Befehl",
        SyntaxError::MissingArgument => "Es fehlt eine Angabe",
        SyntaxError::UnexpectedArgument => "Eine Angabe zu viel",
        SyntaxError::BadNumber => "Das ist keine Zahl",
        SyntaxError::NoSuchNumber => "Diese Nachricht gibt es nicht",
    },
    exchange: |failure| match failure {
        Failure::Cancelled => "Abgebrochen",
        Failure::NotBase64 => "Das ist kein base64",
        Failure::TooLong => "Das ist zu lang",
        Failure::Malformed => "So spricht man dieses Verfahren nicht",
    },
};

static JAPANESE: Words = Words {
    tag: "ja",
    name: "日本語",
    language_is_on: "日本語で応答します",
    languages: "言語",
    no_such_language: "その言語には対応していません。LANGだけを送ると一覧が表示されます",
    ready: |host| format!("{host} Pillarbox POP3の準備ができました"),
    capabilities: "機能",
    mechanisms: "認証方式",
    no_such_mechanism: "その認証方式はありません。AUTHだけを送ると一覧が表示されます",
    tls_is_on: "TLSはすでに有効です",
    tls_is_not_available: "TLSは使えません",
    tls_before_utf8: "STLSはUTF8より前に送ってください",
    begin_tls: "TLSを開始してください",
    needs_tls: "TLSなしでパスワードは送れません。STLSかTLS用のポートを使ってください",
    utf8_is_on: "メッセージをそのままUTF-8で送ります",
    log_in_first: "先にログインしてください",
    is_logged_in: "すでにログインしています",
    send_the_password: "パスワードを送ってください",
    user_first: "先にUSERを送ってください",
    log_in_as_yourself: "自分の名前でログインしてください",
    wrong_credentials: "ユーザー名またはパスワードが違います",
    wrong_token: "トークンが違うか、期限が切れています",
    too_many_failures: "ログインの失敗が多すぎます。数分待ってください",
    too_many_logins: "ログインが集中しています。もう一度お試しください",
    login_is_broken: "現在ログインできません",
    too_soon: |secs| format!("前回のログインから間がありません。あと{secs}秒待ってください"),
    no_mailbox: |name| format!("メールボックス「{name}」はありません。INBOXを開くには+{name}を外してください"),
    in_use: "この端末の別のPOP接続が使用中です。終了するか、終わるまでお待ちください",
    maildrop_is_broken: "現在メールボックスを開けません",
    messages: |count| format!("{count}通"),
    octets: |size| format!("{size}オクテット"),
    no_message: |number| format!("メッセージ{number}はありません"),
    is_deleted: |number| format!("メッセージ{number}は削除済みです"),
    will_be_deleted: |number| format!("メッセージ{number}はQUITのときに削除されます"),
    is_gone: |number| format!("メッセージ{number}はもうありません"),
    message_is_broken: "現在メッセージを読み取れません",
    goodbye: "さようなら",
    deleted: |count| format!("{count}通を削除しました"),
    deleted_here: |all, kept| format!("この端末から{all}通を削除しました。うち{kept}通はほかの端末のために残ります"),
    no_space: "空き容量がないため、何も削除していません",
    read_only: "サーバーがディスクに書き込めません。メッセージは残っています。後で削除してください",
    deletion_is_broken: "削除を保存できませんでした。接続し直して確認してください",
    not_now: "今は使えません",
    too_many_errors: "エラーが多すぎます",
    closing: "接続を終了します。何も削除していません。接続し直してください",
    ended: "管理者がこのセッションを終了しました。何も削除していません",
    login_ended: "このログインは無効になりました。何も削除していません。ログインし直してください",
    syntax: |error| match error {
        SyntaxError::LineTooLong => "行が長すぎます",
        SyntaxError::ControlCharacter => "制御文字は使えません",
        SyntaxError::NotUtf8 => "ASCIIでもUTF-8でもありません",
        SyntaxError::UnknownCommand => "不明なコマンドです",
        SyntaxError::MissingArgument => "引数が足りません",
        SyntaxError::UnexpectedArgument => "引数が多すぎます",
        SyntaxError::BadNumber => "数字ではありません",
        SyntaxError::NoSuchNumber => "そのメッセージはありません",
    },
    exchange: |failure| match failure {
        Failure::Cancelled => "取り消されました",
        Failure::NotBase64 => "base64ではありません",
        Failure::TooLong => "長すぎます",
        Failure::Malformed => "その認証方式の形式ではありません",
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_finds_its_language() {
        for (range, expected) in [
            ("en", Some("en")),
            ("EN-gb", Some("en")),
            ("de-Latn-AT", Some("de")),
            ("*", Some("en")),
            ("i-default", Some("en")),
            ("d", None),
            ("den", None),
            ("mul", None),
            ("-", None),
            ("fr-de", None),
            ("JA", Some("ja")),
        ] {
            assert_eq!(matching(range, None).map(|words| words.tag), expected, "{range}");
        }
        let chosen = |range, tag| matching(range, Some(tag)).map(|words| words.tag);
        assert_eq!(
            [chosen("*", "JA"), chosen("i-default", "ja"), chosen("de", "ja")],
            [Some("ja"), Some("en"), Some("de")]
        );
        assert_eq!(chosen("*", "x-later"), Some("en"), "of a later version");
    }

    /// RFC 1939 §3: before LANG all text is ASCII.
    #[test]
    fn the_first_language_is_ascii() {
        let texts = [ENGLISH.needs_tls, ENGLISH.in_use, ENGLISH.deletion_is_broken, ENGLISH.no_such_language];
        assert_eq!(ALL[0].tag, "en");
        assert!(texts.iter().all(|text| text.is_ascii()));
        assert!(GERMAN.capabilities != ENGLISH.capabilities && !GERMAN.capabilities.is_ascii());
    }
}
