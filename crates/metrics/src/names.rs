//! Every metric by its name (Prometheus' conventions: the unit last, `_total` after what is only counted up).

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// As it is read, without the `_bucket`, `_sum` and `_count` of a histogram.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub text: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up, from 0 at the start.
    Counter,
    /// As it is now.
    Gauge,
    /// How often something took how long, or had which size.
    Histogram,
}

impl Kind {
    /// As Prometheus calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! metrics {
    ($($ident:ident $kind:ident $name:literal [$($label:literal),*] $text:literal)*) => {
        $(
            #[doc = $text]
            pub const $ident: Name = Name { name: $name, kind: Kind::$kind, labels: &[$($label),*], text: $text };
        )*
        /// All of them, in the order of the documentation.
        pub const ALL: &[Name] = &[$($ident),*];
    };
}

metrics! {
    BUILD Gauge "pillarbox_build_info" ["version"]
        "Always 1; which version runs."
    CONNECTIONS_OPEN Gauge "pillarbox_connections_open" ["service"]
        "Connections that are open."
    CONNECTIONS_MAX Gauge "pillarbox_connections_max" []
        "How many connections may be open, all services together."
    CONNECTIONS_ACCEPTED Counter "pillarbox_connections_accepted_total" ["service"]
        "Connections that were let in."
    CONNECTIONS_REFUSED Counter "pillarbox_connections_refused_total" ["service", "reason"]
        "Connections that were sent away before anything was said: server_full, address_full, network_full or too_fast."
    COMMANDS Histogram "pillarbox_command_seconds" ["protocol", "command"]
        "How long commands took, from when one was read to when its answer was made; of IDLE, until it idled; of `web`, requests by what they are."
    LOGINS Counter "pillarbox_logins_total" ["protocol", "outcome"]
        "Logins: ok, or why somebody was not let in, as the log says it."
    LOGINS_PAST_THROTTLE Counter "pillarbox_logins_past_throttle_total" ["protocol"]
        "Of the logins that were ok, those that passed while nothing else was tried from there, after too many failures."
    COMMITS Counter "pillarbox_store_commits_total" ["outcome"]
        "Commits of one account each: ok, conflict, full, damaged, read_only or failed."
    COMMIT_OPERATIONS Histogram "pillarbox_store_commit_operations" []
        "How many operations shared a commit."
    COMMIT_SECONDS Histogram "pillarbox_store_commit_seconds" []
        "How long a commit took, with its wait for the others of its group."
    FLUSH_COMMITS Histogram "pillarbox_store_flush_commits" []
        "How many commits shared a flush of the disk."
    FLUSH_SECONDS Histogram "pillarbox_store_flush_seconds" []
        "How long a group of commits took to be written and flushed."
    STEPS Histogram "pillarbox_step_seconds" []
        "How long a session held its thread at a time."
    WORST_STEP Gauge "pillarbox_worst_step_seconds" []
        "The longest that a session held its thread in the last one or two minutes."
    PLACE_WAITS Histogram "pillarbox_place_wait_seconds" []
        "How long long work waited for one of the few places for it, where none was free."
    HINT_LAG Histogram "pillarbox_hint_lag_seconds" []
        "From when a session was woken (a commit of an account that it watches, a job that is done) until it went on."
    JOBS Gauge "pillarbox_jobs" ["kind"]
        "Jobs that run or stand in line: long, passwords, or waiting for somebody else (the DNS, a filter)."
    JOBS_REFUSED Counter "pillarbox_jobs_refused_total" ["kind"]
        "Jobs that were refused because there were too many."
    DELIVERIES Counter "pillarbox_deliveries_total" ["mailbox"]
        "Messages that came into a mailbox here, one for each account: inbox, or junk."
    REFUSALS Counter "pillarbox_refusals_total" ["protocol", "what", "class"]
        "Refusals of a connection, message or recipient: temporary (4xx) or permanent (5xx)."
    JUNK_JUDGED Counter "pillarbox_junk_judged_total" ["verdict"]
        "What the junk filters of accounts said of mail: junk or good. What nothing is known of is not judged."
    JUNK_LEARNT Counter "pillarbox_junk_learnt_total" []
        "Messages that junk filters have learnt from what their owners did."
    ATTEMPTS Counter "pillarbox_queue_attempts_total" ["outcome"]
        "Attempts to hand a message over to another server, one for each recipient: delivered, deferred or failed."
    QUEUE_MESSAGES Gauge "pillarbox_queue_messages" ["state"]
        "Messages in the outbound queue: waiting, held or scheduled."
    QUEUE_DESTINATION_MESSAGES Gauge "pillarbox_queue_destination_messages" ["destination", "state"]
        "Of those, waiting and held ones by the domain they are for: the ten with most, the rest as `(others)`."
    QUEUE_OLDEST Gauge "pillarbox_queue_oldest_age_seconds" []
        "How long the oldest message has waited that is not held and has no time of its own; 0 if none."
    DNS Histogram "pillarbox_dns_lookup_seconds" ["outcome"]
        "Look-ups in the DNS, also those that memory answers: found, nothing (no such name or record), or failed."
    INDEX_COMPLETE Gauge "pillarbox_search_index_complete_timestamp_seconds" []
        "When all search indexes had all that they are to have, in seconds since 1970; left out until then."
    DISK_FREE Gauge "pillarbox_disk_free_bytes" []
        "Room on the disk of the data directory."
    DISK_SIZE Gauge "pillarbox_disk_size_bytes" []
        "Size of the disk of the data directory."
    DISK_FREE_FILES Gauge "pillarbox_disk_free_files" []
        "How many more files (inodes) that disk can have; left out where it has no bound."
    DISK_RESERVE Gauge "pillarbox_disk_reserve_bytes" []
        "Room that is kept in reserve for a full disk; 0 once it was given up."
    MAIL_REFUSED Gauge "pillarbox_disk_refuses_mail" []
        "1 while new mail is refused because the disk is nearly full, or takes nothing."
    WAL Gauge "pillarbox_store_wal_bytes" []
        "Length of the write-ahead logs of the embedded engine."
    HINTS_COME Gauge "pillarbox_hints_come" []
        "1 while hints of all other servers of the same mail come, else 0; left out where there are none to come."
    HINTS Counter "pillarbox_hints_total" ["what"]
        "Messages with hints between servers: said, heard (own ones too), or malformed."
    LOOKS Counter "pillarbox_looks_total" ["why"]
        "Looks at what other servers have done: poll, or hint."
    STANDBY_BEHIND Gauge "pillarbox_standby_behind_commits" []
        "Commits that the standby does not have yet; left out where none has asked."
    STANDBY_LAG Gauge "pillarbox_standby_lag_seconds" []
        "Since when the standby lacks the oldest commit that it does not have, in seconds; left out where none has asked."
    STANDBY_ASKED Gauge "pillarbox_standby_asked_seconds" []
        "How long ago the standby asked last, in seconds: about 1 is usual; left out where none has asked."
    BACKUP Gauge "pillarbox_last_backup_timestamp_seconds" []
        "When the last backup that came to its end began, in seconds since 1970; left out if there was none."
    CERTIFICATE_EXPIRY Gauge "pillarbox_certificate_expiry_timestamp_seconds" []
        "When the certificate in use ends, in seconds since 1970."
    START_TIME Gauge "process_start_time_seconds" []
        "When the process began, in seconds since 1970."
    RESIDENT Gauge "process_resident_memory_bytes" []
        "Memory of the process that is in use."
    OPEN_FDS Gauge "process_open_fds" []
        "File descriptors that are open."
    MAX_FDS Gauge "process_max_fds" []
        "How many file descriptors may be open."
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_keep_to_the_conventions() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len(), "each once");
        for metric in ALL {
            let Name { name, kind, text, .. } = metric;
            assert!(name.starts_with("pillarbox_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(text.ends_with('.') && !text.contains('|'), "{name}");
        }
    }
}
