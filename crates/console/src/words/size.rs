//! What the console says about room.

use super::messages;
use directory::DomainLimits;
use store::{ClearReport, Retained, Usage};

/// Bytes as people read them: `1.5 GiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut value, mut unit) = (count as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS.get(unit).copied().unwrap_or_default())
}

pub(crate) fn usage(usage: &Usage) -> String {
    let (size, count) = (bytes(usage.bytes), usage.messages);
    let used = match (usage.quota.bytes, usage.quota.messages) {
        (None, None) => size,
        (Some(quota), None) => format!("{size} of {}", bytes(quota)),
        (None, Some(quota)) => format!("{size}, {count} of {quota} messages"),
        (Some(quota), Some(messages)) => format!("{size} of {}, {count} of {messages} messages", bytes(quota)),
    };
    match usage.percent() {
        Some(percent) if usage.is_full() => {
            format!("The mailbox is full: it holds {used} ({percent} %). New mail waits outside.")
        }
        Some(percent) => format!("The mailbox holds {used} ({percent} %)."),
        None => format!("The mailbox holds {used}."),
    }
}

pub(crate) fn retained(retained: &Retained, oldest_at: Option<&str>) -> String {
    let Some(oldest_at) = oldest_at else { return "Nothing that was removed is kept.".to_owned() };
    let count = messages(usize::try_from(retained.messages).unwrap_or(usize::MAX));
    let size = bytes(retained.bytes);
    format!("{count} can be put back, {size}; the first was removed {oldest_at}.")
}

pub(crate) fn clearable(count: usize, size: u64) -> String {
    let have = if count == 1 { "has" } else { "have" };
    format!("{} ({}) {have} been taken by every POP device of yours. Clear them?", messages(count), bytes(size))
}

/// How far what is known of what devices did goes back.
pub(crate) fn history(octets: u64, octets_max: u64, since: Option<&str>) -> String {
    let since = since.map(|since| format!(" since {}", since.split('T').next().unwrap_or(since))).unwrap_or_default();
    format!(
        "What each device did{since} takes {} of {} at most; the oldest goes first.",
        bytes(octets),
        bytes(octets_max)
    )
}

pub(crate) fn cleared(report: &ClearReport) -> Vec<String> {
    if report.messages == 0 {
        return Vec::new();
    }
    let mut lines = vec![format!("{} ({}): removed from the mailbox", messages(report.messages), bytes(report.bytes))];
    if report.lost_bytes > 0 {
        let lost = bytes(report.lost_bytes);
        lines.push(format!("{lost} of it cannot be put back: removed mail is kept up to a limit only"));
    }
    lines
}

/// How far administrators of a domain go.
#[must_use]
pub fn domain_limits(limits: DomainLimits) -> String {
    let DomainLimits { accounts, quota_bytes } = limits;
    match (accounts, quota_bytes.map(bytes)) {
        (None, None) => "no limits of its own".to_owned(),
        (Some(accounts), None) => format!("{accounts} accounts at most"),
        (None, Some(bytes)) => format!("{bytes} for each account at most"),
        (Some(accounts), Some(bytes)) => format!("{accounts} accounts at most, {bytes} for each at most"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Quota;

    #[test]
    fn what_is_limited_is_told_with_its_limit() {
        let used = |bytes, messages| Usage { bytes: 900, messages: 3, quota: Quota { bytes, messages } };
        for (usage, expected) in [
            (used(None, None), "The mailbox holds 900 B."),
            (used(Some(1000), None), "The mailbox holds 900 B of 1000 B (90 %)."),
            (used(None, Some(4)), "The mailbox holds 900 B, 3 of 4 messages (75 %)."),
            (
                used(Some(1000), Some(3)),
                "The mailbox is full: it holds 900 B of 1000 B, 3 of 3 messages (100 %). New mail waits outside.",
            ),
        ] {
            assert_eq!(super::usage(&usage), expected);
        }
    }

    #[test]
    fn sizes_are_short() {
        let sizes = [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB")];
        for (count, expected) in sizes.into_iter().chain([(u64::MAX, "16777216.0 TiB")]) {
            assert_eq!(bytes(count), expected);
        }
    }
}
