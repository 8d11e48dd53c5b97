use super::*;
use crate::config::Config;
use crate::lifecycle::DataDir;
use tempfile::TempDir;

struct Rig {
    admin: Admin,
    _data_dir: DataDir,
    _dir: TempDir,
}

fn rig() -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::trial(dir.path().join("data"));
    let data_dir = DataDir::open(&config.data_dir).unwrap();
    let stores = Stores::open(&data_dir, &config).unwrap();
    Rig { admin: Admin::new(stores, Clock::start()), _data_dir: data_dir, _dir: dir }
}

impl Rig {
    /// Over JSON and back, as the control socket has it.
    fn ask(&self, request: Request) -> Result<Vec<Item>, Failure> {
        let request = serde_json::from_str(&serde_json::to_string(&request).unwrap()).unwrap();
        let mut items = Vec::new();
        self.admin.handle(request, &mut |item: Item| {
            let text = serde_json::to_string(&item).unwrap();
            assert_eq!(serde_json::from_str::<Item>(&text).unwrap(), item);
            items.push(item);
            Ok(())
        })?;
        Ok(items)
    }

    fn refused(&self, request: Request, part: &str) {
        match self.ask(request) {
            Err(Failure::Refused(text)) => assert!(text.contains(part), "{text:?} lacks {part:?}"),
            other => panic!("not refused: {other:?}"),
        }
    }

    fn add(&self, address: &str, password: Option<&str>) -> Result<Vec<Item>, Failure> {
        let (name, password) = ("Alice".to_owned(), password.map(str::to_owned));
        self.ask(Request::Account(AccountRequest::Add { address: address.to_owned(), name, password }))
    }
}

fn domain(domain: &str) -> Request {
    Request::Domain(DomainRequest::Add { domain: domain.to_owned() })
}

fn alice() -> String {
    "alice@example.org".to_owned()
}

#[test]
fn an_account_from_its_beginning_to_its_end() {
    let rig = rig();
    assert!(matches!(rig.add("alice@example.org", None), Err(Failure::Refused(text)) if text.contains("domain add")));
    rig.ask(domain("example.org")).unwrap();
    let added = rig.add("Alice@Example.org", None).unwrap();
    let [Item::Account(account)] = &added[..] else { panic!("{added:?}") };
    assert_eq!((account.account.address.as_str(), account.account.disabled), ("alice@example.org", false));
    assert!(account.password.as_ref().is_some_and(|password| password.len() > 16));
    rig.refused(
        Request::Account(AccountRequest::Password { address: alice(), password: Some("short".to_owned()) }),
        "password",
    );
    let disable = Request::Account(AccountRequest::SetDisabled { address: alice(), disabled: true });
    assert!(matches!(&rig.ask(disable).unwrap()[..], [Item::Account(account)] if account.account.disabled));
    for admin in [true, false] {
        let set = Request::Account(AccountRequest::SetAdmin { address: alice(), admin });
        assert!(matches!(&rig.ask(set).unwrap()[..], [Item::Account(account)] if account.account.admin == admin));
    }
    rig.refused(Request::Account(AccountRequest::SecondFactorOff { address: alice() }), "has no second factor");
    let listed = rig.ask(Request::Account(AccountRequest::List)).unwrap();
    assert!(matches!(&listed[..], [Item::Account(account)] if account.account.disabled && account.password.is_none()));
    let alias = AliasRequest::Add { address: "@example.org".to_owned(), targets: vec![alice()] };
    assert_eq!(rig.ask(Request::Alias(alias)).unwrap(), []);
    let shown = rig.ask(Request::Account(AccountRequest::Show { address: alice() })).unwrap();
    let [Item::AccountDetails(details)] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!(details.aliases, ["@example.org"]);
    assert_eq!(details.mailboxes[0].name, "INBOX");
    assert_eq!(rig.ask(Request::Account(AccountRequest::Remove { address: alice() })).unwrap(), []);
    rig.refused(Request::Account(AccountRequest::Show { address: alice() }), "there is no account");
    assert_eq!(rig.ask(Request::Alias(AliasRequest::List)).unwrap(), [], "it led to that account only");
    rig.ask(Request::Domain(DomainRequest::Remove { domain: "example.org".to_owned() })).unwrap();
    assert_eq!(rig.ask(Request::Domain(DomainRequest::List)).unwrap(), []);
}

#[test]
fn devices_are_meant_by_number_or_name() {
    let rig = rig();
    rig.ask(domain("example.org")).unwrap();
    rig.add("alice@example.org", None).unwrap();
    let pop = |policy: &str| PopChoice { policy: Some(policy.to_owned()), ..PopChoice::default() };
    let add = |policy: &str| {
        Request::Device(DeviceRequest::Add { account: alice(), name: "old PC".to_owned(), pop: pop(policy) })
    };
    let added = rig.ask(add("keep-when-shared")).unwrap();
    let [Item::Device(device)] = &added[..] else { panic!("{added:?}") };
    assert!(device.password.as_ref().is_some_and(|password| password.len() > 28));
    rig.refused(add("burn"), "a removal policy is one of keep-when-shared, keep, mark-read");
    rig.refused(add("keep"), "already");
    let policy = |device: &str| {
        let (account, device, pop) = (alice(), device.to_owned(), pop("expunge"));
        Request::Device(DeviceRequest::Policy { account, device, pop })
    };
    for name in ["old PC", &device.id.to_string()] {
        let changed = rig.ask(policy(name)).unwrap();
        assert!(matches!(&changed[..], [Item::Device(now)] if now.policy == "expunge" && now.password.is_none()));
    }
    rig.refused(policy("phone"), "device list alice@example.org");
    let sent = |saved| Request::Device(DeviceRequest::Sent { account: alice(), device: "old PC".to_owned(), saved });
    for saved in [false, true] {
        assert!(matches!(&rig.ask(sent(saved)).unwrap()[..], [Item::Device(now)] if now.saves_sent == saved));
    }
    let revoke = || Request::Device(DeviceRequest::Revoke { account: alice(), device: "old PC".to_owned() });
    assert!(matches!(&rig.ask(revoke()).unwrap()[..], [Item::Device(now)] if now.revoked_at.is_some()));
    rig.refused(revoke(), "revoked");
    let list = |revoked| Request::Device(DeviceRequest::List { account: alice(), revoked });
    assert_eq!(rig.ask(list(false)).unwrap().len(), 0);
    assert_eq!(rig.ask(list(true)).unwrap().len(), 1);
}

#[test]
fn a_damaged_message_is_listed_among_the_others_and_removed() {
    let rig = rig();
    let new = || ::queue::NewEntry {
        reverse_path: smtp_proto::ReversePath::Null,
        recipients: vec![smtp_proto::ForwardPath::Postmaster],
        content: std::sync::Arc::new(b"Subject: x\r\n\r\nx\r\n".to_vec()),
        smtputf8: false,
        account: None,
        handover: None,
    };
    let [first, second] = [(); 2].map(|()| rig.admin.stores.queue.enqueue(new(), rig.admin.now()).unwrap().id.0);
    let damaged = rig.admin.stores.store.table(store::TableId::Queue).change::<_, store::Error>(|tx| {
        tx.put(&[&b"e"[..], &first.to_be_bytes()].concat(), b"?".to_vec());
        Ok(())
    });
    damaged.unwrap();
    let list = || rig.ask(Request::Queue(QueueRequest::List)).unwrap();
    let items = list();
    let [Item::Queue(sound), Item::Queue(damaged)] = &items[..] else { panic!("{items:?}") };
    assert_eq!((sound.id, &sound.damaged, damaged.id, damaged.damaged.is_some()), (second, &None, first, true));
    rig.refused(Request::Queue(QueueRequest::Show { id: first }), "queue remove");
    rig.ask(Request::Queue(QueueRequest::Remove { id: first })).unwrap();
    assert_eq!(list().len(), 1);
}

#[test]
fn a_queued_message_is_held_released_and_removed() {
    let rig = rig();
    let new = ::queue::NewEntry {
        reverse_path: smtp_proto::ReversePath::Null,
        recipients: vec![smtp_proto::ForwardPath::Postmaster],
        content: std::sync::Arc::new(b"Subject: x\r\n\r\nx\r\n".to_vec()),
        smtputf8: false,
        account: None,
        handover: None,
    };
    let id = rig.admin.stores.queue.enqueue(new, rig.admin.now()).unwrap().id.0;
    let check = |request: QueueRequest, held: bool| {
        let items = rig.ask(Request::Queue(request)).unwrap();
        let [Item::Queue(item)] = &items[..] else { panic!("{items:?}") };
        assert_eq!((item.id, item.held, item.next_at.is_none(), item.bytes), (id, held, held, 17));
        assert_eq!(item.recipients[0].state, "waiting");
    };
    check(QueueRequest::List, false);
    check(QueueRequest::Hold { id }, true);
    rig.refused(Request::Queue(QueueRequest::Retry { id }), "queue release");
    check(QueueRequest::Release { id }, false);
    check(QueueRequest::Retry { id }, false);
    check(QueueRequest::Show { id }, false);
    assert_eq!(rig.ask(Request::Queue(QueueRequest::Remove { id })).unwrap(), []);
    rig.refused(Request::Queue(QueueRequest::Show { id }), "queue list");
    assert_eq!(rig.ask(Request::Queue(QueueRequest::List)).unwrap(), []);
}

#[test]
fn brakes_are_switched_and_nothing_is_held_yet() {
    let rig = rig();
    rig.ask(domain("example.org")).unwrap();
    rig.add("alice@example.org", None).unwrap();
    let (name, pop) = ("phone".to_owned(), PopChoice::default());
    rig.ask(Request::Device(DeviceRequest::Add { account: alice(), name, pop })).unwrap();
    for (device, on) in [(None, false), (Some("phone".to_owned()), false), (Some("phone".to_owned()), true)] {
        let brake = HeldRequest::Brake { account: alice(), device: device.clone(), on };
        assert_eq!(rig.ask(Request::Held(brake)).unwrap(), [Item::Brake(BrakeItem { device, on })]);
    }
    let list = HeldRequest::List { account: alice(), answered: true };
    assert_eq!(rig.ask(Request::Held(list)).unwrap(), []);
    let ask = HeldAsk { id: 7, answer: HeldAnswer::Keep, then: HeldThen::Stays };
    rig.refused(Request::Held(HeldRequest::Answer { account: alice(), ask }), "there is no hold of that number");
    let brake = HeldRequest::Brake { account: alice(), device: Some("watch".to_owned()), on: true };
    rig.refused(Request::Held(brake), "no device “watch”");
}

#[test]
fn a_check_tells_how_far_it_is_and_finds_nothing() {
    let rig = rig();
    rig.ask(domain("example.org")).unwrap();
    rig.add("alice@example.org", None).unwrap();
    let check = |account: Option<String>| rig.ask(Request::Check(CheckRequest { account, bodies: true })).unwrap();
    let checked = |place: &str, done, total| Item::Checked(CheckedItem { place: place.to_owned(), done, total });
    let all = [checked("files", 1, 3), checked("directory", 2, 3), checked("alice@example.org", 3, 3)];
    assert_eq!(check(None), all);
    assert_eq!(check(Some(alice())), [checked("alice@example.org", 1, 1)]);
}

#[test]
fn a_stranger_asks_and_an_operator_answers() {
    let rig = rig();
    let ask = |request| rig.ask(Request::People(request));
    rig.ask(domain("example.org")).unwrap();
    let now = rig.admin.now();
    let requests = rig.admin.stores.auth.clone();
    let asks = |name: &'static str, from: &str| {
        let from = from.parse().unwrap();
        let request = auth::NewRequest {
            name,
            address: "carol@example.org",
            reason: "I sing\nin the choir",
            contact: "carol@example.com",
            from,
            now,
        };
        requests.requests().ask(&request).unwrap().number
    };
    let [first, second] = [asks("Carol", "192.0.2.1"), asks("Eve", "192.0.2.2")];
    let accept = |number, address: Option<&str>| PeopleRequest::Accept { number, address: address.map(str::to_owned) };
    let accepted = ask(accept(first, None)).unwrap();
    let [Item::Link(link)] = &accepted[..] else { panic!("{accepted:?}") };
    assert_eq!(
        (link.contact.as_deref(), link.address.as_deref()),
        (Some("carol@example.com"), Some("carol@example.org"))
    );
    assert!(link.url.as_ref().is_some_and(|url| url.starts_with("https://localhost:8443/password/")), "{link:?}");
    rig.refused(Request::People(accept(first, None)), "answered already");
    rig.refused(Request::People(accept(second, None)), "is an account already");
    let listed = ask(PeopleRequest::Requests).unwrap();
    let [Item::PersonRequest(eve), Item::PersonRequest(carol)] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((eve.state.as_str(), eve.taken, carol.state.as_str()), ("pending", true, "accepted"));
    let (number, reason) = (second, "Only one Carol".to_owned());
    assert_eq!(ask(PeopleRequest::Decline { number, reason }).unwrap(), []);
    let listed = ask(PeopleRequest::Requests).unwrap();
    assert!(matches!(&listed[..], [Item::PersonRequest(eve), _] if eve.answer.as_deref() == Some("Only one Carol")));
}

#[test]
fn links_are_made_listed_and_taken_back() {
    let rig = rig();
    let ask = |request| rig.ask(Request::People(request));
    rig.ask(domain("example.org")).unwrap();
    rig.add("alice@example.org", None).unwrap();
    ask(PeopleRequest::Invite { address: Some("carol@example.org".to_owned()), domains: vec![], days: 3 }).unwrap();
    rig.refused(Request::People(PeopleRequest::Invite { address: Some(alice()), domains: vec![], days: 3 }), "already");
    let made = ask(PeopleRequest::PasswordLink { address: alice() }).unwrap();
    let [Item::Link(link)] = &made[..] else { panic!("{made:?}") };
    assert!(link.url.is_some() && link.purpose == "password");
    let listed = ask(PeopleRequest::Links).unwrap();
    assert!(listed.len() == 2 && listed.iter().all(|item| matches!(item, Item::Link(link) if link.url.is_none())));
    ask(PeopleRequest::TakeBack { id: link.id.clone() }).unwrap();
    rig.refused(Request::People(PeopleRequest::TakeBack { id: link.id.clone() }), "there is no link");
    assert_eq!(ask(PeopleRequest::Links).unwrap().len(), 1);
}

#[test]
fn a_quota_is_set_and_shown_and_what_every_pop_device_has_is_cleared() {
    let rig = rig();
    rig.ask(domain("example.org")).unwrap();
    rig.add("alice@example.org", None).unwrap();
    let set = |bytes| Request::Account(AccountRequest::SetQuota { address: alice(), bytes });
    let account = |items: Vec<Item>| match items.as_slice() {
        [Item::Account(account)] => account.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(account(rig.ask(set(Some(5_000))).unwrap()).account.quota_bytes, Some(5_000));
    let listed = rig.ask(Request::Account(AccountRequest::List)).unwrap();
    assert_eq!((account(listed.clone()).account.used_bytes, account(listed).account.quota_bytes), (0, Some(5_000)));
    let usage = rig.ask(Request::Account(AccountRequest::Usage { address: "alice".to_owned() })).unwrap();
    assert!(matches!(usage.as_slice(), [Item::Usage(card)] if card.text == "The mailbox holds 0 B of 4.9 KiB (0 %)."));
    let ask = ClearAsk { older_than_days: Some(30), dry_run: false };
    let cleared = rig.ask(Request::Account(AccountRequest::Clear { address: alice(), ask })).unwrap();
    assert!(matches!(cleared.as_slice(), [Item::Cleared(answer)] if answer.messages == 0 && answer.entry.is_none()));
    assert_eq!(account(rig.ask(set(None)).unwrap()).account.quota_bytes, None);
    let nobody = AccountRequest::SetQuota { address: "bob@example.org".to_owned(), bytes: None };
    rig.refused(Request::Account(nobody), "there is no account");
}

#[test]
fn the_records_of_a_domain_are_those_of_what_listens() {
    let Rig { admin, _data_dir, _dir } = rig();
    let addresses = [(crate::service::Service::Imaps, "[::]:993".parse().unwrap())];
    let admin = admin.offering(crate::services::offered("mail.example.org", &addresses));
    let rig = Rig { admin, _data_dir, _dir };
    rig.ask(domain("example.org")).unwrap();
    let records = |domain: &str| Request::Domain(DomainRequest::Records { domain: domain.to_owned() });
    let items = rig.ask(records("Example.org")).unwrap();
    let value = |name: &str| {
        let name = format!("{name}.example.org.");
        items.iter().find_map(|item| match item {
            Item::DnsRecord(record) if record.name == name => Some(record.value.clone()),
            _ => None,
        })
    };
    assert_eq!(value("_imaps._tcp").as_deref(), Some("0 1 993 mail.example.org."));
    assert_eq!(value("_pop3s._tcp").as_deref(), Some("0 0 0 ."));
    rig.refused(records("elsewhere.example"), "no local domain");
}
