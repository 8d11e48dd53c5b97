//! Options that somebody has set so that mail is lost, refused or open to others.
//!
//! Each of them has its use, so the configuration takes it; but nobody should have it by a slip.

use mailflow::{Consequence, Enforcement, Greylist, SpfFail};
use scan::Down;
use session::Network;
use wording::{Later, tr_later};

use super::{Finding, State};
use crate::config::{Config, Security};
use crate::service::Service;

/// Relays and balancers of one's own are few and near each other; a network of more than this is a slip, or everybody.
const OWN_BITS_MIN: (u8, u8) = (20, 48);
/// Attachments of people have up to 25 MB, and a third more on their way.
const MESSAGE_BYTES_MIN: u64 = 35 * 1000 * 1000;
/// A host that is down over a weekend has its mail on Monday.
const LIFETIME_HOURS_MIN: u32 = 72;
/// Large senders use many connections of one network at once.
const SHARE_MIN: u32 = 20;
/// More than a person sends; a stolen password does.
const RECIPIENTS_PER_DAY_MAX: u32 = 100_000;

/// What an option is set to that is dangerous.
struct Danger {
    option: &'static str,
    is_so: fn(&Config) -> bool,
    state: State,
    /// What comes of it.
    why: Later,
    /// What to do.
    advice: Later,
}

/// Dangers of what is configured.
pub(super) fn options(config: &Config) -> Vec<Finding> {
    let dangers = DANGERS.iter().filter(|danger| (danger.is_so)(config));
    let finding = |danger: &Danger| {
        Finding::new(tr_later!("option {option}", option = danger.option), danger.why.clone())
            .found(tr_later!("it is set to what is dangerous"))
            .but(danger.state, danger.advice.clone())
    };
    dangers.map(finding).collect()
}

const DANGERS: &[Danger] = &[
    Danger {
        option: "sender.trusted_relays",
        is_so: |config| is_wide(&config.sender.trusted_relays),
        state: State::Wrong,
        why: tr_later!(
            "whoever is in that network says who a message comes from, is held to no limit, and nothing of it is refused"
        ),
        advice: tr_later!("name the addresses of your relays, not a network that others are in"),
    },
    Danger {
        option: "listen.proxy_from",
        is_so: |config| is_wide(&config.proxies),
        state: State::Wrong,
        why: tr_later!(
            "whoever is in that network connects as whatever address they like: no limit and no list holds for them"
        ),
        advice: tr_later!("name the addresses of your balancers, not a network that others are in"),
    },
    Danger {
        option: "sender.check",
        is_so: |config| !config.sender.check,
        state: State::Warning,
        why: tr_later!(
            "nobody looks at who mail comes from: what is forged arrives as if it were true, and nothing of it is reported"
        ),
        advice: tr_later!("take the option out, unless something in front of this server looks"),
    },
    Danger {
        option: "sender.dmarc",
        is_so: |config| config.sender.dmarc == Enforcement::Off,
        state: State::Warning,
        why: tr_later!(
            "mail in the names of banks and of your own domain arrives, though those domains ask to have it refused"
        ),
        advice: tr_later!("set it to \"follow\", or to \"junk\" where you fear for good mail"),
    },
    Danger {
        option: "sender.spf_fail",
        is_so: |config| config.sender.spf_fail == SpfFail::Reject,
        state: State::Warning,
        why: tr_later!(
            "mail that somebody has forwarded here is refused: it comes from a host that its domain does not know"
        ),
        advice: tr_later!("set it to \"dmarc\": then a signature still helps"),
    },
    Danger {
        option: "sender.bad_helo",
        is_so: |config| config.sender.doubts.bad_helo == Consequence::Reject,
        state: State::Warning,
        why: tr_later!("good hosts with an odd name are refused, which RFC 5321 §4.1.4 forbids"),
        advice: tr_later!("set it to \"hint\": the junk filters learn what it says"),
    },
    Danger {
        option: "sender.no_reverse_name",
        is_so: |config| config.sender.doubts.no_reverse_name == Consequence::Reject,
        state: State::Warning,
        why: tr_later!(
            "small hosts that cannot have a name are refused, and mail of all while their name servers say nothing of it"
        ),
        advice: tr_later!("set it to \"hint\" or \"junk\""),
    },
    Danger {
        option: "sender.greylist",
        is_so: |config| config.sender.greylist == Greylist::All,
        state: State::Warning,
        why: tr_later!(
            "every first mail is late, codes to log in elsewhere among them; some large hosts come again from other addresses for hours"
        ),
        advice: tr_later!("set it to \"suspicious\""),
    },
    Danger {
        option: "sender.wait_for_dns",
        is_so: |config| config.sender.wait_for_dns,
        state: State::Warning,
        why: tr_later!(
            "while the name servers of a domain are down its mail does not arrive, and comes back after some days"
        ),
        advice: tr_later!("take the option out: then such mail is taken, and says that its sender is not known"),
    },
    Danger {
        option: "junk.filters_down",
        is_so: |config| config.junk.filters_down == Down::Later && config.junk.filters().is_some(),
        state: State::Warning,
        why: tr_later!(
            "while a filter does not answer no mail arrives, and what waits elsewhere comes back after some days"
        ),
        advice: tr_later!("watch the filter, or set the option to \"accept\""),
    },
    Danger {
        option: "smarthost.security",
        is_so: |config| {
            config.smarthost.as_ref().is_some_and(|host| host.security == Security::None && !is_here(&host.host))
        },
        state: State::Wrong,
        why: tr_later!("all mail, and the password if there is one, goes to that host in the clear"),
        advice: tr_later!("set it to \"starttls\" or \"tls\""),
    },
    Danger {
        option: "delivery.by",
        is_so: |config| config.delivery.by.is_none() && config.smarthost.is_none(),
        state: State::Warning,
        why: tr_later!("mail for others is refused: there is no way out"),
        advice: tr_later!("set it to \"mx\", or name a [smarthost]"),
    },
    Danger {
        option: "delivery.port",
        is_so: |config| config.uses_mx() && config.delivery.port != 25,
        state: State::Wrong,
        why: tr_later!("no host of others takes mail on another port than 25"),
        advice: tr_later!("take the option out"),
    },
    Danger {
        option: "delivery.mta_sts",
        is_so: |config| config.uses_mx() && !config.delivery.mta_sts,
        state: State::Warning,
        why: tr_later!(
            "whoever is between this server and another one reads mail along, though that domain asks for proof"
        ),
        advice: tr_later!("take the option out"),
    },
    Danger {
        option: "queue.hold_strangers",
        is_so: |config| config.hold_strangers == 0,
        state: State::Warning,
        why: tr_later!("who steals a password sends junk in your name until your address is on lists: nobody is asked"),
        advice: tr_later!("take the option out; owners let their own mail go with one click"),
    },
    Danger {
        option: "queue.recipients_per_day",
        is_so: |config| config.recipients_per_day > RECIPIENTS_PER_DAY_MAX,
        state: State::Warning,
        why: tr_later!("who steals a password sends as much before anything stops it"),
        advice: tr_later!("set it to what your largest sender needs"),
    },
    Danger {
        option: "queue.lifetime_hours",
        is_so: |config| config.queue_lifetime_hours < LIFETIME_HOURS_MIN,
        state: State::Warning,
        why: tr_later!("mail for a host that is down for a weekend comes back"),
        advice: tr_later!("set it to 120"),
    },
    Danger {
        option: "retention_days",
        is_so: |config| config.retention_days == 0,
        state: State::Warning,
        why: tr_later!("what a device removes by a slip, or with a stolen password, is gone for good within the hour"),
        advice: tr_later!("set it to 30"),
    },
    Danger {
        option: "limits.message_bytes_max",
        is_so: |config| config.message_bytes_max < MESSAGE_BYTES_MIN,
        state: State::Warning,
        why: tr_later!("mail with the attachments that people send each other is refused"),
        advice: tr_later!("set it to 52428800"),
    },
    Danger {
        option: "limits.mx_connections_per_network_max",
        is_so: |config| config.networks.connections_per_network_max < SHARE_MIN,
        state: State::Warning,
        why: tr_later!("large senders, whose hosts are near each other, are put off, and their mail is late"),
        advice: tr_later!("set it to 100"),
    },
    Danger {
        option: "limits.tarpit_millis_max",
        is_so: |config| config.tarpit_millis_max == 0,
        state: State::Warning,
        why: tr_later!("who tries names and passwords tries as many as the line carries"),
        advice: tr_later!("take the option out"),
    },
    Danger {
        option: "listen.smtp",
        is_so: |config| {
            let is_off = |service| config.listen.get(&service).is_none_or(Vec::is_empty);
            is_off(Service::Smtp) && is_off(Service::Lmtp)
        },
        state: State::Wrong,
        why: tr_later!("no mail comes in from others: neither port 25 nor LMTP is open"),
        advice: tr_later!("take the option out, or let a mail system in front of this server use listen.lmtp"),
    },
];

fn is_wide(networks: &[Network]) -> bool {
    networks.iter().any(|network| network.is_wider_than(OWN_BITS_MIN))
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OPTIONS;
    use std::fs;

    #[test]
    fn each_dangerous_option_has_words_and_what_is_usual_has_none() {
        const USUAL: &str = "delivery.by = \"mx\"\n";
        let dir = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let file = dir.path().join("pillarbox.toml");
            fs::write(&file, text).unwrap();
            Config::load(&file).unwrap()
        };
        let found = |more: &str| {
            let config = read(&format!("{USUAL}{more}\n"));
            options(&config).into_iter().map(|finding| finding.check.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(found(""), Vec::<String>::new());
        let harmless = "sender.trusted_relays = [\"10.0.0.0/24\", \"2001:db8::1\"]\nlisten.proxy_from = [\"10.0.0.5\"]\n\
            sender.greylist = \"off\"\nsender.dmarc = \"junk\"";
        assert_eq!(found(harmless), Vec::<String>::new());
        let settings = [
            "sender.trusted_relays = [\"10.0.0.0/8\"]",
            "listen.proxy_from = [\"2001:db8::/32\"]",
            "sender.check = false",
            "sender.dmarc = \"off\"",
            "sender.spf_fail = \"reject\"",
            "sender.bad_helo = \"reject\"",
            "sender.no_reverse_name = \"reject\"",
            "sender.greylist = \"all\"",
            "sender.wait_for_dns = true",
            "junk.filters_down = \"later\"\njunk.rspamd = \"http://127.0.0.1:11333\"",
            "smarthost.security = \"none\"\nsmarthost.host = \"smtp.example.net\"",
            "delivery.port = 2525",
            "delivery.mta_sts = false",
            "queue.hold_strangers = 0",
            "queue.recipients_per_day = 1000000",
            "queue.lifetime_hours = 4",
            "retention_days = 0",
            "limits.message_bytes_max = 1000000",
            "limits.mx_connections_per_network_max = 2",
            "limits.tarpit_millis_max = 0",
            "listen.smtp = []",
        ];
        let mut seen: Vec<&str> = vec!["delivery.by"];
        for setting in settings {
            let option = setting.split(' ').next().unwrap();
            assert_eq!(found(setting), [format!("option {option}")], "{setting}");
            seen.push(option);
        }
        assert_eq!(options(&read(""))[0].check, "option delivery.by");
        for danger in DANGERS {
            assert!(seen.contains(&danger.option) && OPTIONS.iter().any(|option| option.key == danger.option));
            assert!(!danger.advice.is_empty() && danger.state > State::Unknown, "{}", danger.option);
        }
    }
}
