//! What the console says about room.

use directory::DomainLimits;
use store::{ClearReport, Retained, Usage};
use wording::{Language, tr, trn};

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
    let said = format!("{value:.1} {}", UNITS.get(unit).copied().unwrap_or_default());
    match wording::language() {
        Language::German => said.replace('.', ","),
        Language::English | Language::Japanese => said,
    }
}

pub(crate) fn usage(usage: &Usage) -> String {
    let (size, count) = (bytes(usage.bytes), usage.messages);
    let used = match (usage.quota.bytes, usage.quota.messages) {
        (None, None) => size,
        (Some(quota), None) => tr!("{size} of {quota}", size = size, quota = bytes(quota)),
        (None, Some(messages)) => {
            trn!(
                messages,
                "{size}, {count} of {n} message",
                "{size}, {count} of {n} messages",
                size = size,
                count = count
            )
        }
        (Some(quota), Some(messages)) => trn!(
            messages,
            "{size} of {quota}, {count} of {n} message",
            "{size} of {quota}, {count} of {n} messages",
            size = size,
            quota = bytes(quota),
            count = count
        ),
    };
    match usage.percent() {
        Some(percent) if usage.is_full() => tr!(
            "The mailbox is full: it holds {used} ({percent} %). New mail waits outside.",
            used = used,
            percent = percent
        ),
        Some(percent) => tr!("The mailbox holds {used} ({percent} %).", used = used, percent = percent),
        None => tr!("The mailbox holds {used}.", used = used),
    }
}

pub(crate) fn retained(retained: &Retained, oldest_at: Option<&str>) -> String {
    let Some(oldest_at) = oldest_at else { return tr!("Nothing that was removed is kept.").to_owned() };
    trn!(
        retained.messages,
        "{n} message can be put back, {size}; the first was removed {at}.",
        "{n} messages can be put back, {size}; the first was removed {at}.",
        size = bytes(retained.bytes),
        at = oldest_at
    )
}

pub(crate) fn clearable(count: usize, size: u64) -> String {
    trn!(
        count,
        "{n} message ({size}) has been taken by every POP device of yours. Clear them?",
        "{n} messages ({size}) have been taken by every POP device of yours. Clear them?",
        size = bytes(size)
    )
}

/// How far what is known of what devices did goes back.
pub(crate) fn history(octets: u64, octets_max: u64, since: Option<&str>) -> String {
    let (size, most) = (bytes(octets), bytes(octets_max));
    match since {
        Some(since) => tr!(
            "What each device did since {day} takes {size} of {most} at most; the oldest goes first.",
            day = since.split('T').next().unwrap_or(since),
            size = size,
            most = most
        ),
        None => {
            tr!("What each device did takes {size} of {most} at most; the oldest goes first.", size = size, most = most)
        }
    }
}

pub(crate) fn cleared(report: &ClearReport) -> Vec<String> {
    if report.messages == 0 {
        return Vec::new();
    }
    let mut lines = vec![trn!(
        report.messages,
        "{n} message ({size}): removed from the mailbox",
        "{n} messages ({size}): removed from the mailbox",
        size = bytes(report.bytes)
    )];
    if report.lost_bytes > 0 {
        lines.push(tr!(
            "{size} of it cannot be put back: removed mail is kept up to a limit only",
            size = bytes(report.lost_bytes)
        ));
    }
    lines
}

/// How far administrators of a domain go.
#[must_use]
pub fn domain_limits(limits: DomainLimits) -> String {
    let DomainLimits { accounts, quota_bytes } = limits;
    match (accounts, quota_bytes.map(bytes)) {
        (None, None) => tr!("no limits of its own").to_owned(),
        (Some(accounts), None) => trn!(accounts, "{n} account at most", "{n} accounts at most"),
        (None, Some(bytes)) => tr!("{bytes} for each account at most", bytes = bytes),
        (Some(accounts), Some(bytes)) => {
            trn!(
                accounts,
                "{n} account at most, {bytes} for it at most",
                "{n} accounts at most, {bytes} for each at most",
                bytes = bytes
            )
        }
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
