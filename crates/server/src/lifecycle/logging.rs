//! Log lines on standard error, and panics among them.

use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::thread;

use tracing::{Level, error};
use tracing_subscriber::fmt;

use crate::config::{Log, LogFormat, LogLevel};

/// Begins to log; a second call changes nothing. From now on a panic is one log line like any other fault.
pub(crate) fn start_logging(log: Log) {
    let level = match log.level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    let lines = fmt().with_max_level(level).with_writer(io::stderr).with_target(false);
    // Colours are for people: a file or a journal gets plain text.
    let lines = lines.with_ansi(io::stderr().is_terminal());
    let started = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if started.is_ok() {
        panic::set_hook(Box::new(log_panic));
    }
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    let text = info.payload_as_str().unwrap_or("no text");
    error!(place, thread = thread.name().unwrap_or_default(), text, "panic: this is a fault of Pillarbox");
}
