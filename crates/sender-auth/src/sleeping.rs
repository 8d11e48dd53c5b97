//! `mail-auth` verifies with a resolver in its hands. Ours knows no server: what is to be asked has been asked before.

use mail_auth::MessageAuthenticator;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use std::sync::LazyLock;

static AUTHENTICATOR: LazyLock<MessageAuthenticator> = LazyLock::new(|| {
    let config = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
    // Nothing is opened, read or resolved here, so nothing can fail; a test makes one.
    #[expect(clippy::expect_used, reason = "see above")]
    MessageAuthenticator::new(config, ResolverOpts::default()).expect("a resolver without servers")
});

pub(crate) fn authenticator() -> &'static MessageAuthenticator {
    &AUTHENTICATOR
}
