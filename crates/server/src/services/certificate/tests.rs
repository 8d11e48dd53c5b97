//! Which names a certificate is ordered for.

use super::*;
use ::directory::{DirectoryOptions, PasswordCost};
use dns::fake::FakeServer;
use store::Store;
use store::sim::{SimEngine, SimObjects};

use crate::services::offered;
use crate::tls::CertificateSource;

fn keeper(server: &FakeServer, place: &std::path::Path) -> CertificateKeeper {
    let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
    let options = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
    let directory = Directory::open(store, &[7; 32], options).unwrap();
    directory.add_domain("example.org").unwrap();
    directory.add_domain("example.net").unwrap();
    let dns = Dns::new(&dns::Options { servers: vec![server.address()], dnssec: false, ..Default::default() }).unwrap();
    let config = Config { hostname: "mail.example.org".into(), ..Config::default() };
    let source = CertificateSource::Own { directory: place.to_owned(), names: vec!["localhost".into()] };
    let certificates = Certificates::load(source, 1_800_000_000).unwrap();
    let authority = Authority {
        directory: "https://authority.example/directory".into(),
        contact: None,
        external: None,
        dns,
        roots: Vec::new(),
    };
    let offered = offered(&config, &config.addresses());
    CertificateKeeper::new(&config, authority, directory, certificates, (offered, Clock::start()))
}

#[test]
fn names_that_lead_elsewhere_cost_no_order() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = FakeServer::start();
    let mut keeper = keeper(&server, dir.path());
    let names = |keeper: &CertificateKeeper| runtime.block_on(keeper.names()).map_err(|error| error.what);
    assert_eq!(names(&keeper), Err("mail.example.org has no address in the DNS yet".to_owned()));

    server.add("mail.example.org", "A", "192.0.2.25");
    server.add("mail.example.org", "AAAA", "2001:db8::25");
    server.add("autoconfig.example.org", "CNAME", "mail.example.org.");
    server.add("mta-sts.example.org", "A", "192.0.2.25");
    server.add("ua-auto-config.example.org", "A", "192.0.2.26");
    server.add("mta-sts.example.net", "CNAME", "mail.example.org.");
    let dns = Dns::new(&dns::Options { servers: vec![server.address()], dnssec: false, ..Default::default() }).unwrap();
    keeper.authority.dns = dns;
    let all = ["mail.example.org", "mta-sts.example.net", "autoconfig.example.org", "mta-sts.example.org"];
    assert_eq!(names(&keeper).unwrap(), all);

    // One that the authority could not reach does not keep the others from being renewed.
    keeper.left_out.insert("autoconfig.example.org".into(), keeper.now() + 60);
    assert_eq!(names(&keeper).unwrap().len(), 3);
    keeper.left_out.insert("autoconfig.example.org".into(), keeper.now() - 60);
    assert_eq!(names(&keeper).unwrap().len(), 4);
}
