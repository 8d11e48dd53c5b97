//! What an operator may choose, and the limits.

/// How the directory behaves. The default is what a server wants.
#[derive(Clone, Debug)]
pub struct DirectoryOptions {
    /// The address that gets mail to `postmaster@` and `abuse@` of every local domain that has no such account or alias.
    /// Without it: all administrators who may log in; without any, the catch-all, the first account of that domain, or the
    /// first account of all (by number, disabled ones last).
    pub postmaster: Option<String>,
    /// What hashing a new password costs. Passwords that are already hashed keep the cost they were hashed with.
    pub cost: PasswordCost,
    /// Whether keys for SCRAM are made of main passwords.
    pub scram: bool,
    /// So many days after an account was ended it is removed; until then it can stay. 0: at once.
    pub removal_days: u16,
    /// How much the directory holds.
    pub limits: Limits,
}

/// The parameters of argon2id (RFC 9106 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB, at least 8.
    pub memory_kib: u32,
    /// Passes over the memory, at least 1.
    pub passes: u32,
    /// Lanes, at least 1.
    pub lanes: u32,
}

/// How much the directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Local domains.
    pub domains: u32,
    /// Accounts.
    pub accounts: u32,
    /// Aliases, of all domains together.
    pub aliases: u32,
    /// Accounts that one alias leads to.
    pub alias_targets: usize,
}

impl PasswordCost {
    /// OWASP's first choice for argon2id where memory is not plenty: 19 MiB, 2 passes, 1 lane.
    pub(crate) const OWASP: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
    /// The least that argon2 knows. Protects nothing: for tests that log in often.
    pub const LEAST: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };
}

impl Limits {
    /// What [`DirectoryOptions::default`] uses. The whole directory is held in memory, some 300 bytes an account.
    pub const DEFAULT: Self = Self { domains: 10_000, accounts: 1_000_000, aliases: 1_000_000, alias_targets: 1000 };
}

impl Default for DirectoryOptions {
    fn default() -> Self {
        let (cost, limits) = (PasswordCost::OWASP, Limits::DEFAULT);
        Self { postmaster: None, cost, scram: false, removal_days: 30, limits }
    }
}
