//! The `pillarbox` command: one file per subcommand in `cli/`.

mod cli;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// With the system's, 1,000 logins leave 3 GiB behind (docs/decisions/0007-mimalloc.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
