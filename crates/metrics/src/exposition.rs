//! One answer to whoever reads the metrics.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use crate::names::{Kind, Name};

/// What [`Exposition::text`] is: OpenMetrics, which Prometheus has read since 2.5.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All that is told at one time.
#[derive(Debug, Default)]
pub struct Exposition(Registry);

impl Exposition {
    /// A value as it is now.
    pub fn gauge(&mut self, name: &Name, value: f64) {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        self.add(name, gauge);
    }

    /// Values as they are now, each with the values of the labels of `name`, in their order.
    pub fn gauges<const N: usize>(&mut self, name: &Name, values: &[([&str; N], f64)]) {
        let family = Family::<Vec<(&'static str, String)>, Gauge<f64, AtomicU64>>::default();
        for (labels, value) in values {
            let labels = name.labels.iter().copied().zip(labels.iter().map(|label| (*label).to_owned())).collect();
            family.get_or_create(&labels).set(*value);
        }
        self.add(name, family);
    }

    pub(crate) fn add(&mut self, name: &Name, metric: impl Metric) {
        // The encoder writes the ending of a counter itself.
        let base = match name.kind {
            Kind::Counter => name.name.trim_end_matches("_total"),
            Kind::Gauge | Kind::Histogram => name.name,
        };
        self.0.register(base, name.text.trim_end_matches('.'), metric);
    }

    /// As text of [`CONTENT_TYPE`]. What was never counted is left out.
    ///
    /// # Errors
    /// None that are known: a text takes all that is written to it.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{CERTIFICATE_EXPIRY, QUEUE_MESSAGES};

    #[test]
    fn a_value_has_its_name_its_kind_and_its_labels() {
        let mut told = Exposition::default();
        told.gauge(&CERTIFICATE_EXPIRY, 1.5);
        told.gauges(&QUEUE_MESSAGES, &[(["held"], 2.0)]);
        let text = told.text().unwrap();
        assert!(text.contains("# TYPE pillarbox_certificate_expiry_timestamp_seconds gauge\n"), "{text}");
        assert!(text.contains("\npillarbox_certificate_expiry_timestamp_seconds 1.5\n"), "{text}");
        assert!(text.contains("\npillarbox_queue_messages{state=\"held\"} 2.0\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
