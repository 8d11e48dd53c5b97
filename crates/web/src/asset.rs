//! The style, the icon and the one script. Their names have a hash of what is in them, so a browser may keep them for ever.

use crate::answer::{Answer, Outcome};
use crate::form::Fields;
use crate::problem::Problem;
use crate::visit::Visit;
use axum::body::Bytes;
use axum::http::header::CACHE_CONTROL;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const STYLE: &str = include_str!("../assets/style.css");
const ICON: &str = include_str!("../assets/icon.svg");

/// Writes moments in the time zone of whoever reads. Nothing needs it.
const SCRIPT: &str = include_str!("../assets/time.js");

static STYLE_PATH: LazyLock<String> = LazyLock::new(|| hashed("style", "css", STYLE));
static ICON_PATH: LazyLock<String> = LazyLock::new(|| hashed("icon", "svg", ICON));

static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| hashed("time", "js", SCRIPT));
/// By this browsers know that it is the one that may run.
static SCRIPT_HASH: LazyLock<String> =
    LazyLock::new(|| format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()))));

pub(crate) fn style_path() -> &'static str {
    &STYLE_PATH
}

pub(crate) fn icon_path() -> &'static str {
    &ICON_PATH
}

pub(crate) fn script_path() -> &'static str {
    &SCRIPT_PATH
}

/// What it hashes to, as `integrity` and the Content Security Policy have it.
pub(crate) fn script_hash() -> &'static str {
    &SCRIPT_HASH
}

/// `GET /assets/{name}`.
pub(crate) fn serve(visit: &Visit, _: &Fields) -> Outcome {
    let assets = [
        (style_path(), "text/css; charset=utf-8", STYLE),
        (icon_path(), "image/svg+xml", ICON),
        (script_path(), "text/javascript; charset=utf-8", SCRIPT),
    ];
    let found = assets.into_iter().find(|(path, _, _)| *path == visit.uri.path());
    let (_, media_type, text) = found.ok_or_else(Problem::not_found)?;
    let answer = Answer::of(media_type, Bytes::from_static(text.as_bytes()));
    Ok(answer.with(CACHE_CONTROL, "public, max-age=31536000, immutable"))
}

fn hashed(name: &str, extension: &str, text: &str) -> String {
    let hash = blake3::hash(text.as_bytes()).to_hex();
    format!("/assets/{name}.{}.{extension}", hash.chars().take(12).collect::<String>())
}
