//! The durable outbound queue: schedule, smarthost client, bounces.
