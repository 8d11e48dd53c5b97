//! Options on how people log in.

use super::{ConfigOption, put};
use auth::Scram;

pub(super) const SCRAM: ConfigOption = ConfigOption {
    key: "scram",
    kind: "\"auto\", \"on\", \"plus\" or \"off\"",
    default: Some("\"auto\""),
    text: "Whether mail programs may log in by SCRAM-SHA-256, which proves the password without saying it. That takes keys, which \
           are made when a password is set or said. `\"auto\"` announces it from the first start of a new server on, and on one \
           that has accounts from the first start after keys were made for 30 days, when nearly every program has logged in \
           once; `\"on\"` announces it at once. A program that proves a password without keys fails once, and is then let in by \
           saying it. `\"plus\"` announces SCRAM-SHA-256-PLUS as well, which is bound to the TLS session; some programs (Mutt \
           2.2) choose it, cannot do it, and give up, so without this it is done and not announced. `\"off\"` makes no keys, and \
           the next start removes those of main passwords: whoever has a copy of the data directory with its secret can try main \
           passwords on them much faster than on what is kept otherwise.",
    set: |config, value| {
        let choices = [("off", Scram::Off), ("auto", Scram::Auto), ("on", Scram::On), ("plus", Scram::Plus)];
        put(&mut config.scram, value.choice(&choices)?)
    },
};
