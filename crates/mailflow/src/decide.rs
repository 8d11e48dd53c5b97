//! What is to be done with a message. Pure: findings in, decision out.

/// A message with more `Received` fields than this runs in circles (RFC 5321 §6.3: the limit "SHOULD be large, normally
/// at least 100"; real ways have under 20, and 50 is what Postfix takes).
pub const RECEIVED_MAX: usize = 50;

/// What was found out about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Findings {
    /// `Received` fields that it came with.
    pub received: usize,
}

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Into the mailboxes of its recipients.
    Deliver,
    /// Refused: it runs in circles.
    Loop,
}

impl Findings {
    /// Looks at a message. `Delivered-To` is not looked at: nothing here forwards, so it cannot close a circle, and mail
    /// that is sent again or moved in from another server bears it rightly.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self { received: message::trace::received_count(content) }
    }
}

/// Decides.
#[must_use]
pub fn decide(findings: Findings) -> Decision {
    if findings.received > RECEIVED_MAX { Decision::Loop } else { Decision::Deliver }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_runs_in_circles_is_stopped() {
        let check = |received: usize, expected: Decision| {
            let content = "Received: from a by b\r\n".repeat(received) + "\r\nReceived: no field\r\n";
            assert_eq!(decide(Findings::of(content.as_bytes())), expected, "{received}");
        };
        check(0, Decision::Deliver);
        check(RECEIVED_MAX, Decision::Deliver);
        check(RECEIVED_MAX + 1, Decision::Loop);
    }
}
