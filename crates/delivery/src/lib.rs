//! The inbound pipeline: checks, a pure decision, effects.
