//! What systemd (or another supervisor that speaks `sd_notify`) is told. Without one nothing happens.

use sd_notify::{NotifyState, notify};
use tracing::debug;

/// Everything listens.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Certificates are being read again; [`ready`] follows.
pub(super) fn reloading() {
    // systemd.service(5), Type=notify-reload: RELOADING=1 comes with the monotonic time.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "the supervisor is not told of the reload"),
    }
}

/// The drain has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = notify(states) {
        debug!(%error, "the supervisor does not listen");
    }
}
