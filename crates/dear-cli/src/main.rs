//! The command `dear`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dear_cli::run(std::env::args_os())
}
