//! A part of the way of a message, as an event tells it.

use opentelemetry::KeyValue;
use std::fmt::Debug;
use tracing::Event;
use tracing::field::{Field, Visit};

/// An attribute has at most so many octets.
const TEXT_BYTES_MAX: usize = 500;

#[derive(Default)]
pub(crate) struct Stage {
    pub(crate) name: String,
    /// How this server calls the message.
    pub(crate) message: Option<String>,
    pub(crate) took_micros: u64,
    pub(crate) ago_micros: u64,
    pub(crate) attributes: Vec<KeyValue>,
    /// What went wrong.
    pub(crate) error: Option<String>,
}

impl Stage {
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let mut stage = Self::default();
        event.record(&mut stage);
        stage
    }
}

impl Visit for Stage {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value.get(..value.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().to_owned();
        match field.name() {
            "message" => self.name = value,
            "id" => {
                self.attributes.push(KeyValue::new("messaging.message.id", value.clone()));
                self.message = Some(value);
            }
            "error" => self.error = Some(value),
            name => self.attributes.push(KeyValue::new(name, value)),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "took" => self.took_micros = value,
            "ago" => self.ago_micros = value,
            name => self.attributes.push(KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX))),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.attributes.push(KeyValue::new(field.name(), value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.attributes.push(KeyValue::new(field.name(), value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.attributes.push(KeyValue::new(field.name(), value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
