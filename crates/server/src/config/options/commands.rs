//! Options on how much one command of a mail program may be about.

use super::{COUNT, ConfigOption, put};
use std::num::NonZeroU32;

/// How many messages one IMAP command may be about; `None`: as many as there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerCommand {
    /// Whatever it does with them.
    pub messages_max: Option<NonZeroU32>,
    /// Where it brings them into a mailbox.
    pub messages_saved_max: Option<NonZeroU32>,
}

pub(super) const MESSAGES_PER_COMMAND_MAX: ConfigOption = ConfigOption {
    key: "limits.messages_per_command_max",
    kind: COUNT,
    default: None,
    text: "How many messages one IMAP command may be about, from 1000 on, for mailboxes of millions that must cost little at a time. \
           Programs are told (MESSAGELIMIT, RFC 9738): those that know of it ask for the others next. One that does not finds, \
           shows and changes the last messages of a larger mailbox only, and cannot sort it; few programs know of it. Without this \
           option a command is about as many as there are: a long one is done in slices and holds nobody up.",
    set: |config, value| put(&mut config.per_command.messages_max, Some(limit(value)?)),
};

pub(super) const MESSAGES_SAVED_PER_COMMAND_MAX: ConfigOption = ConfigOption {
    key: "limits.messages_saved_per_command_max",
    kind: COUNT,
    default: None,
    text: "How many messages one IMAP command may bring into a mailbox (COPY, APPEND), from 1000 on; of more none is copied, and \
           programs are told (SAVELIMIT, RFC 9738). Instead of `limits.messages_per_command_max`, which says it too.",
    set: |config, value| put(&mut config.per_command.messages_saved_max, Some(limit(value)?)),
};

/// RFC 9738 §3: not lower than 1000.
fn limit(value: &super::Value<'_>) -> Result<NonZeroU32, String> {
    let number = value.number(1000, u32::MAX.into())?;
    NonZeroU32::new(number).ok_or_else(String::new)
}
