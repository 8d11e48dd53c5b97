//! What all requests share.

use crate::notice::Notices;
use crate::token::Key;
use crate::{Router, serve};
use auth::Auth;
use std::sync::Arc;
use store::{Error, Timestamp};

/// The pages and the JSON API. Cheap to clone.
#[derive(Clone)]
pub struct Site(Arc<Inner>);

/// What a site is told by its server.
pub struct SiteOptions {
    /// The name by which people reach it.
    pub hostname: String,
    /// Reads the clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

struct Inner {
    auth: Auth,
    options: SiteOptions,
    notices: Notices,
    key: Key,
}

impl Site {
    /// A site on what `auth` knows.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(auth: Auth, options: SiteOptions) -> Result<Self, Error> {
        let key = Key::new()?;
        Ok(Self(Arc::new(Inner { auth, options, notices: Notices::default(), key })))
    }

    /// Answers every request. Each needs a [`crate::Peer`] as extension.
    pub fn router(&self) -> Router {
        serve::router(self)
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.0.auth
    }

    pub(crate) fn hostname(&self) -> &str {
        &self.0.options.hostname
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0.options.now)()
    }

    pub(crate) fn notices(&self) -> &Notices {
        &self.0.notices
    }

    pub(crate) fn key(&self) -> &Key {
        &self.0.key
    }
}
