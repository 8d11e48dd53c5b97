//! Listeners, TLS, configuration, lifecycle, control socket.
