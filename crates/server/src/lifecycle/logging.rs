//! Log lines on standard error, and panics among them.
//!
//! To the journal of systemd each line says how urgent it is (sd-daemon(3)), so that `journalctl -p warning` finds what somebody
//! should look at.

use std::env;
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Instant;

use rustix::fs::fstat;
use session::Whom;
use traces::Traces;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber, error};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::flood::Flood;
use crate::config::{Config, Log, LogFormat, LogLevel};
use crate::setup::SetupError;

/// What is told of what happens: lines, and to a collector the ways of messages.
pub(crate) struct Telling {
    /// What is left out of the log in a flood is to be told.
    pub(crate) flood: Arc<Flood>,
    traces: Option<Traces>,
}

impl Telling {
    /// Begins; a second call changes nothing. From now on a panic is one log line like any other fault.
    ///
    /// # Errors
    /// The way to the collector cannot be had.
    pub(crate) fn start(config: &Config) -> Result<Self, SetupError> {
        let version = env!("CARGO_PKG_VERSION");
        let start = |url: &String| Traces::start(url, &config.hostname, version).map_err(SetupError::new);
        let traces = config.traces_url.as_ref().map(start).transpose()?;
        Ok(Self { flood: start_logging(config.log, traces.as_ref()), traces })
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.traces.iter().for_each(Traces::end);
    }
}

fn start_logging(log: Log, traces: Option<&Traces>) -> Arc<Flood> {
    let level = match log.level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let flood = Arc::new(Flood::new(seconds));
    let (to_journal, bounded, format) = (is_journal(), flood.clone(), log.format);
    let lines = match format {
        LogFormat::Text => {
            // Colours are for people: a file or a journal gets plain text.
            let lines = lines.with_ansi(io::stderr().is_terminal());
            lines.map_event_format(|inner| Lines { inner, format, to_journal, flood: bounded }).boxed()
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true);
            lines.map_event_format(|inner| Lines { inner, format, to_journal, flood: bounded }).boxed()
        }
    };
    // What of NATS concerns an operator is told once each way; its client would tell the password at the level of traces.
    let lines = lines.with_filter(Targets::new().with_default(level).with_target("async_nats", LevelFilter::OFF));
    let started = tracing_subscriber::registry().with(lines).with(traces.map(Traces::layer)).try_init();
    if started.is_ok() {
        panic::set_hook(Box::new(log_panic));
    }
    flood
}

/// Since the first line.
fn seconds() -> u64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGUN.elapsed().as_secs()
}

/// Whether standard error leads to the journal (systemd.exec(5), `JOURNAL_STREAM`): not where it was redirected since.
fn is_journal() -> bool {
    let stream = env::var("JOURNAL_STREAM").ok();
    fstat(io::stderr())
        .is_ok_and(|file| stream.is_some_and(|stream| stream == format!("{}:{}", file.st_dev, file.st_ino)))
}

/// A line as `inner` has it, with what the journal is told before it, and for which device and session it was written; none of a flood.
struct Lines<F> {
    inner: F,
    format: LogFormat,
    to_journal: bool,
    flood: Arc<Flood>,
}

impl<S, N, F> FormatEvent<S, N> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        if !self.flood.admits(event) {
            return Ok(());
        }
        if self.to_journal {
            write!(writer, "<{}>", priority(*event.metadata().level()))?;
        }
        let Some(Whom { session, device }) = Whom::at_work() else {
            return self.inner.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        match self.format {
            LogFormat::Text => {
                let device = device.map(|device| format!(" device={device}")).unwrap_or_default();
                writeln!(writer, "{line}{device} session={session}")
            }
            LogFormat::Json => {
                let line = line.strip_suffix('}').unwrap_or(line);
                let device = device.map(|device| format!("\"device\":\"{device}\",")).unwrap_or_default();
                writeln!(writer, "{line},{device}\"session\":\"{session}\"}}")
            }
        }
    }
}

/// syslog(3): 3 error, 4 warning, 6 informational, 7 debug.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    let text = info.payload_as_str().unwrap_or("no text");
    error!(place, thread = thread.name().unwrap_or_default(), text, "panic: this is a fault of Pillarbox");
}
