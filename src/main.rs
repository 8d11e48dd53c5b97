//! The `pillarbox` command: one file per subcommand in `cli/`.

fn main() {}
