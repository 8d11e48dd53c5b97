//! Options on the indexes that make searches quick.

use super::{COUNT, ConfigOption, put};

pub(super) const INDEX_BYTES_MAX: ConfigOption = ConfigOption {
    key: "search.index_bytes_max",
    kind: COUNT,
    default: Some("17179869184"),
    text: "How many octets the indexes of all accounts have at most. Where there is no room, the largest of them loses its oldest \
           part: searches read those messages again, and find the same. 0 makes no indexes.",
    set: |config, value| put(&mut config.search_index.bytes_max, value.number(0, u64::MAX / 2)?),
};

pub(super) const ACCOUNT_INDEX_BYTES_MAX: ConfigOption = ConfigOption {
    key: "search.account_index_bytes_max",
    kind: COUNT,
    default: Some("1073741824"),
    text: "How many octets the index of one account has at most; of a larger one the oldest part goes. An index of ordinary mail \
           has a tenth of its size, one of short messages about as much as they have.",
    set: |config, value| put(&mut config.search_index.account_bytes_max, value.number(1_048_576, u64::MAX / 2)?),
};

pub(super) const INDEX_MEMORY_BYTES_MAX: ConfigOption = ConfigOption {
    key: "search.index_memory_bytes_max",
    kind: COUNT,
    default: Some("268435456"),
    text: "How many octets of memory the indexes have that are in use: about 1 MiB for each account that searches and 17 octets for \
           each of its messages. Those of whoever has not searched for the longest time are closed first.",
    set: |config, value| put(&mut config.search_index.memory_bytes_max, value.number(1_048_576, u64::MAX / 2)?),
};

pub(super) const SORT_MEMORY_BYTES_MAX: ConfigOption = ConfigOption {
    key: "search.sort_memory_bytes_max",
    kind: COUNT,
    default: Some("67108864"),
    text: "How many octets of memory may have what messages are put in order and in threads by: some 20 octets for each message and each \
           of these, and subjects or addresses, each once; threads take 36, and 8 for each message that one refers to. What is used goes on being there, so that a mailbox that is sorted again \
           is not read again; where there is no room for all, those who have most and use it least give way. 0 keeps nothing.",
    set: |config, value| put(&mut config.sort_memory_bytes_max, value.number(0, u64::MAX / 2)?),
};
