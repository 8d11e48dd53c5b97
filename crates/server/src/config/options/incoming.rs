//! Options on mail from other servers: who it comes from, and what filters beside ours say of it.

use super::super::parse::Value;
use super::{COUNT, ConfigOption, TEXT, list, put};
use mailflow::{Consequence, Enforcement, Greylist, SpfFail};
use scan::Down;

pub(super) const CHECK: ConfigOption = ConfigOption {
    key: "sender.check",
    kind: "true or false",
    default: Some("true"),
    text: "Whether it is looked at who mail from other servers comes from: SPF, DKIM, DMARC, ARC and the name of the address. \
           What is found stands on top of each message (`Authentication-Results`). Mail from this machine, over LMTP and of \
           own users is not looked at.",
    set: |config, value| put(&mut config.sender.check, value.boolean()?),
};

pub(super) const SPF_FAIL: ConfigOption = ConfigOption {
    key: "sender.spf_fail",
    kind: "\"unused\", \"dmarc\" or \"reject\"",
    default: Some("\"unused\""),
    text: "Which hosts are refused before a message is there, of those that SPF does not let send for the domain of the envelope's \
           sender: those that send for a domain which sends no mail and takes none (`\"unused\"`: a policy that is `-all` and \
           nothing else, and a null MX), none (`\"dmarc\"`), or all. For those that are let in, DMARC decides with the message. \
           `\"reject\"` loses mail that others pass on to here, also where a signature proves where it comes from.",
    set: |config, value| {
        let choices = [("unused", SpfFail::Unused), ("dmarc", SpfFail::Dmarc), ("reject", SpfFail::Reject)];
        put(&mut config.sender.spf_fail, value.choice(&choices)?)
    },
};

const CONSEQUENCES: &str = "\"ignore\", \"hint\", \"junk\" or \"reject\"";

fn consequence(value: &Value<'_>) -> Result<Consequence, String> {
    value.choice(&[
        ("ignore", Consequence::Ignore),
        ("hint", Consequence::Hint),
        ("junk", Consequence::Junk),
        ("reject", Consequence::Reject),
    ])
}

pub(super) const BAD_HELO: ConfigOption = ConfigOption {
    key: "sender.bad_helo",
    kind: CONSEQUENCES,
    default: Some("\"hint\""),
    text: "What follows where another server calls itself what is neither a name of a host nor its own address: nothing, the junk \
           filters of the recipients are told (what it says, people teach them), into Junk, or refused before the message is there.",
    set: |config, value| put(&mut config.sender.doubts.bad_helo, consequence(value)?),
};

pub(super) const OWN_HELO: ConfigOption = ConfigOption {
    key: "sender.own_helo",
    kind: CONSEQUENCES,
    default: Some("\"junk\""),
    text: "The same where it calls itself by the name of this server. Servers of your own that do so belong to \
           `sender.trusted_relays`.",
    set: |config, value| put(&mut config.sender.doubts.own_helo, consequence(value)?),
};

pub(super) const NO_REVERSE_NAME: ConfigOption = ConfigOption {
    key: "sender.no_reverse_name",
    kind: CONSEQUENCES,
    default: Some("\"hint\""),
    text: "The same where its address has no name in the DNS that leads back to it. Large hosts refuse such mail; servers at home \
           often cannot have a name.",
    set: |config, value| put(&mut config.sender.doubts.no_reverse_name, consequence(value)?),
};

pub(super) const GREYLIST: ConfigOption = ConfigOption {
    key: "sender.greylist",
    kind: "\"off\", \"suspicious\" or \"all\"",
    default: Some("\"suspicious\""),
    text: "Which servers that have brought no mail yet are answered with 450 and have to come again after a minute, which programs \
           that send to many at once seldom do: none, those whom something speaks against (their address has no name that leads \
           back to it, what they call themselves is none, SPF says that they may not send), or all. Who has brought mail is known \
           for 90 days; who is on one of `sender.allow_lists`, or answers mail from here, does not wait.",
    set: |config, value| {
        let choices = [("off", Greylist::Off), ("suspicious", Greylist::Suspicious), ("all", Greylist::All)];
        put(&mut config.sender.greylist, value.choice(&choices)?)
    },
};

pub(super) const DMARC: ConfigOption = ConfigOption {
    key: "sender.dmarc",
    kind: "\"follow\", \"junk\" or \"off\"",
    default: Some("\"follow\""),
    text: "What becomes of mail that the domain in From does not vouch for: as the domain asks (refused, or into Junk), into \
           Junk at most, or nothing.",
    set: |config, value| {
        let choices = [("follow", Enforcement::Follow), ("junk", Enforcement::Junk), ("off", Enforcement::Off)];
        put(&mut config.sender.dmarc, value.choice(&choices)?)
    },
};

pub(super) const TRUSTED_SEALERS: ConfigOption = ConfigOption {
    key: "sender.trusted_sealers",
    kind: "list of domains",
    default: Some("[]"),
    text: "Domains of mailing lists and forwarders whose word counts on what they passed on and changed (ARC).",
    set: |config, value| put(&mut config.sender.trusted_sealers, list(value)?),
};

pub(super) const TRUSTED_RELAYS: ConfigOption = ConfigOption {
    key: "sender.trusted_relays",
    kind: "list of addresses and networks",
    default: Some("[]"),
    text: "Relays of your own in front of port 25, such as `[\"10.0.0.5\", \"192.0.2.0/24\"]`. Mail that they bring is looked at as \
           what the last host before them sent, by the `Received` fields that they put on top; it is never refused for its \
           sender, but goes to Junk where it would be. A proxy that passes on connections and writes no such field is no \
           relay: list it as `listen.proxy_from`, and never put one that hides the addresses of its clients in front of port 25, \
           because what seems to come from this machine itself is not looked at.",
    set: |config, value| put(&mut config.sender.trusted_relays, value.networks()?),
};

pub(super) const WAIT_FOR_DNS: ConfigOption = ConfigOption {
    key: "sender.wait_for_dns",
    kind: "true or false",
    default: Some("false"),
    text: "Whether mail is answered with 451, and comes again, as long as the DNS does not say who it comes from. Otherwise it \
           is taken, and what is not known stands on top of it as `temperror`.",
    set: |config, value| put(&mut config.sender.wait_for_dns, value.boolean()?),
};

pub(super) const GREETING_PAUSE_MILLIS: ConfigOption = ConfigOption {
    key: "sender.greeting_pause_millis",
    kind: COUNT,
    default: Some("1000"),
    text: "How long another server waits for the greeting on port 25, in milliseconds. Programs that send to many at once often \
           do not wait, and have to go. 0: no pause.",
    set: |config, value| put(&mut config.sender.greeting_pause_millis, value.number(0, 30_000)?),
};

pub(super) const BLOCK_LISTS: ConfigOption = ConfigOption {
    key: "sender.block_lists",
    kind: "list of domains",
    default: Some("[]"),
    text: "Lists in the DNS of addresses from which mail is refused, such as `[\"zen.spamhaus.org\"]`. Mind their terms, and ask \
           them by a name server of your own: many do not answer public ones.",
    set: |config, value| put(&mut config.sender.lists.block, list(value)?),
};

pub(super) const ALLOW_LISTS: ConfigOption = ConfigOption {
    key: "sender.allow_lists",
    kind: "list of domains",
    default: Some("[]"),
    text: "Lists in the DNS of addresses that are known to be good, such as `[\"list.dnswl.org\"]`: `sender.block_lists` are not \
           asked for these.",
    set: |config, value| put(&mut config.sender.lists.allow, list(value)?),
};

pub(super) const RSPAMD: ConfigOption = ConfigOption {
    key: "junk.rspamd",
    kind: TEXT,
    default: None,
    text: "Where a worker of Rspamd listens, such as `\"http://127.0.0.1:11333\"` or `\"unix:/run/rspamd/worker.sock\"`. Mail from \
           other servers is shown to it before it is answered: what it would reject is refused, what it would mark goes to Junk, what it puts off comes again. Its \
           score and what led to it stand on top of the message (`X-Rspamd-Score`, `X-Rspamd-Symbols`).",
    set: |config, value| put(&mut config.junk.rspamd, Some(value.rspamd()?)),
};

pub(super) const RSPAMD_CONTROLLER: ConfigOption = ConfigOption {
    key: "junk.rspamd_controller",
    kind: TEXT,
    default: None,
    text: "Where the controller of Rspamd listens, such as `\"http://127.0.0.1:11334\"` or `\"unix:/run/rspamd/controller.sock\"`. \
           It is told what people say: each message that they move into Junk or out of it, mark, or file away. It must take lessons from this machine without a password.",
    set: |config, value| put(&mut config.junk.rspamd_controller, Some(value.rspamd()?)),
};

pub(super) const MILTERS: ConfigOption = ConfigOption {
    key: "junk.milters",
    kind: "list of sockets",
    default: Some("[]"),
    text: "Milters that mail from other servers is shown to, after Rspamd and in this order, such as \
           `[\"inet:127.0.0.1:8891\", \"unix:/run/clamav/milter.ctl\"]`. They may refuse a message or put it off, add, change and \
           remove fields of its header, and keep it apart (in Junk, as what they would throw away); not change its text or its \
           recipients.",
    set: |config, value| put(&mut config.junk.milters, value.milters()?),
};

pub(super) const FILTERS_DOWN: ConfigOption = ConfigOption {
    key: "junk.filters_down",
    kind: "\"accept\" or \"later\"",
    default: Some("\"accept\""),
    text: "What becomes of mail while Rspamd or a milter does not answer, or too much mail waits for them: it is taken as if they \
           did not exist, or answered with 451 and comes again.",
    set: |config, value| {
        put(&mut config.junk.filters_down, value.choice(&[("accept", Down::Accept), ("later", Down::Later)])?)
    },
};
