//! The way of each message, as spans of OpenTelemetry, for a collector that people look at it with.
//!
//! Whoever does a part of the way tells of it by an event with the target [`STAGES`]; here it becomes a span. All spans of a message have
//! the same trace, which is found by how this server calls the message, so that what the queue does an hour later, or another process,
//! stands with the rest and nothing has to be kept in between.
//!
//! What it deliberately does not do: it holds up nobody. What the collector does not take in time is left out.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod collector;
mod stage;

use collector::Collector;
use metrics::STAGES;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks,
    SpanProcessor,
};
use stage::Stage;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// So many spans wait for the collector at most; what comes then is left out.
const WAITING_MAX: usize = 4096;
/// So many spans are handed over with one request at most.
const AT_ONCE_MAX: usize = 512;
/// Spans are handed over so often.
const PAUSE: Duration = Duration::from_secs(1);
/// The collector answers within this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is left at the end is handed over within this time.
const FAREWELL: Duration = Duration::from_secs(2);
/// The part that stands for the whole: it begins with the first octet of the envelope.
const WHOLE: &str = "received";

/// Whether a collector can be there.
///
/// # Errors
/// A sentence that begins with a verb: what it must be.
pub fn check(url: &str) -> Result<(), String> {
    collector::is_url(url).then_some(()).ok_or_else(|| {
        "must be the URL of a collector of OpenTelemetry, such as `http://127.0.0.1:4318/v1/traces`".to_owned()
    })
}

/// Where the ways of messages are told.
#[derive(Clone)]
pub struct Traces {
    spans: Arc<BatchSpanProcessor>,
    hostname: Arc<str>,
}

impl Traces {
    /// Tells the collector at `url` (OTLP over HTTP with JSON, as a rule port 4318 and `/v1/traces`) of all messages. Fields of
    /// HTTP that it wants are in the environment, as `OTEL_EXPORTER_OTLP_HEADERS`. Starts a thread.
    ///
    /// # Errors
    /// A sentence: the URL is none, or threads cannot be had.
    pub fn start(url: &str, hostname: &str, version: &'static str) -> Result<Self, String> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(url)?)
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(url)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| error.to_string())?;
        let bounds = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING_MAX)
            .with_max_export_batch_size(AT_ONCE_MAX)
            .with_scheduled_delay(PAUSE)
            .build();
        let mut spans = BatchSpanProcessor::new(exporter, bounds);
        let about = [("service.version", version.to_owned()), ("host.name", hostname.to_owned())];
        let about = about.map(|(name, value)| KeyValue::new(name, value));
        spans.set_resource(&Resource::builder_empty().with_service_name("pillarbox").with_attributes(about).build());
        Ok(Self { spans: Arc::new(spans), hostname: hostname.into() })
    }

    /// What listens for the parts of the ways of messages.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let wanted = filter_fn(|about| about.target() == STAGES).with_max_level_hint(Level::TRACE);
        Listener(self.clone()).with_filter(wanted)
    }

    /// Hands over what is left, for a moment at most.
    pub fn end(&self) {
        // What it does not take now nobody misses.
        let _ = self.spans.shutdown_with_timeout(FAREWELL);
    }

    fn tell(&self, stage: Stage) {
        let Some(message) = stage.message else { return };
        let hash = blake3::hash([self.hostname.as_bytes(), b"\0", message.as_bytes()].concat().as_slice());
        let (trace, whole) = names(hash.as_bytes());
        let end = SystemTime::now() - Duration::from_micros(stage.ago_micros);
        let is_whole = stage.name == WHOLE;
        let id = if is_whole { whole } else { RandomIdGenerator::default().new_span_id() };
        self.spans.on_end(SpanData {
            span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: if is_whole { SpanId::INVALID } else { whole },
            parent_span_is_remote: false,
            span_kind: match stage.name.as_str() {
                WHOLE => SpanKind::Server,
                "handed over" => SpanKind::Client,
                _ => SpanKind::Internal,
            },
            name: stage.name.into(),
            start_time: end - Duration::from_micros(stage.took_micros),
            end_time: end,
            attributes: stage.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: stage.error.map_or(Status::Unset, Status::error),
            instrumentation_scope: InstrumentationScope::default(),
        });
    }
}

/// The trace of a message, and the span that stands for the whole.
fn names(hash: &[u8; 32]) -> (TraceId, SpanId) {
    let (mut trace, mut whole) = ([0; 16], [0; 8]);
    trace.copy_from_slice(&hash[..16]);
    whole.copy_from_slice(&hash[16..24]);
    (TraceId::from_bytes(trace), SpanId::from_bytes(whole))
}

struct Listener(Traces);

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.tell(Stage::of(event));
    }
}
