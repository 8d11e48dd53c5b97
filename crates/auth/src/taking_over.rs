//! Passwords that another server hashed: once their owner has said one, its hash is ours.

use crate::error::LoginError;
use crate::login::{Auth, Known};
use crate::throttle::Source;
use store::Timestamp;

impl Auth {
    /// The account whose password was verified just now, as it is from here on. That its hash cannot be kept keeps nobody from
    /// their mail. Two logins may come at the same moment: then the hash that the other one made is verified, too.
    pub(crate) fn taken_over(
        &self,
        known: Option<Known>,
        password: &str,
        source: Source,
        now: Timestamp,
    ) -> Result<Option<Known>, LoginError> {
        let Some((id, record)) = known else { return Ok(None) };
        if !record.has_imported_password() || self.directory().take_over_password(&record, password).is_err() {
            return Ok(Some((id, record)));
        }
        let Some(record) = self.directory().record(id)? else { return Ok(None) };
        if !self.directory().verify_password(password, Some(&record.password))? {
            return Ok(None);
        }
        self.verified().add(&self.verified().proof(id, &record.password, password), source.address, now);
        Ok(Some((id, record)))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{NOW, attempt, log_in, server, server_with, start};
    use crate::{AuthOptions, LoginError, Scram};
    use directory::{Added, NewAccount, NewPassword, ToHash};
    use std::thread;
    use store::sim::ReadOnly;
    use store::{Actor, DeviceId, Protocol};

    const CAROL: &str = "carol@example.org";
    /// Of `correct horse`, made with `doveadm pw`.
    const HASH: &str = "{SHA512-CRYPT}$6$LkgW6/Kof36wAQms$CmgdmtBtAkSGSHD65LZJn8JOKZJpFVI5ODAgtsNAdzdpK6vjZE4oHPMbGIDnqpiRGZNQhuXaGjJf/pUov05uq/";
    const PASSWORD: &str = "correct horse";

    fn bring_carol(auth: &crate::Auth) {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
        let carol = NewAccount {
            address: CAROL,
            display: "",
            password: NewPassword::Hash(HASH),
            quota_bytes: None,
            aliases: Vec::new(),
        };
        assert_eq!(auth.directory().add_accounts(&[carol], &ToHash::hash, actor), [Ok(Added::New)]);
    }

    fn is_imported(auth: &crate::Auth) -> bool {
        auth.directory().who_logs_in(CAROL).unwrap().unwrap().1.has_imported_password()
    }

    #[test]
    fn the_first_login_replaces_the_hash_and_goes_on_to_count() {
        let (_, auth, _) = server_with(AuthOptions { scram: Scram::On, ..crate::testing::options() });
        bring_carol(&auth);
        assert!(matches!(log_in(&auth, CAROL, "wrong horse"), Err(LoginError::Rejected { .. })));
        assert!(is_imported(&auth));
        let first = log_in(&auth, CAROL, PASSWORD).unwrap();
        assert!(!is_imported(&auth));
        let record = auth.directory().record(first.account).unwrap().unwrap();
        assert!(auth.directory().scram_keys(&record).is_some(), "keys were made as for others");
        assert!(
            auth.enter_by_word(first.clone()).still_counts(NOW).unwrap(),
            "it was let in with the hash that there is now"
        );
        let verified = auth.directory().passwords_verified();
        assert!(auth.log_in(&crate::Attempt { turn: None, ..attempt(CAROL, PASSWORD) }).is_ok());
        assert_eq!(auth.directory().passwords_verified(), verified, "the second one costs nothing");
        assert!(matches!(log_in(&auth, CAROL, "wrong horse"), Err(LoginError::Rejected { .. })));
    }

    #[test]
    fn of_logins_that_come_at_once_none_is_refused() {
        let (_, auth, _) = server();
        bring_carol(&auth);
        let logins: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (0..8).map(|_| scope.spawn(|| log_in(&auth, CAROL, PASSWORD))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        assert!(logins.iter().all(Result::is_ok), "{logins:?}");
        assert!(!is_imported(&auth));
    }

    #[test]
    fn a_disk_that_takes_nothing_lets_in_with_the_old_hash() {
        let (engine, auth, _) = server();
        bring_carol(&auth);
        drop(auth);
        engine.set_read_only(Some(ReadOnly::Now));
        let auth = start(&engine);
        assert!(log_in(&auth, CAROL, PASSWORD).is_ok());
        assert!(is_imported(&auth));
    }
}
