//! `cargo xtask`: everything that a developer or CI runs on oxrtas.
//!
//! [`cli`] is the command line and [`defaults`] what it leaves out. [`setup`] installs programs on
//! the host, [`debian`] fetches what is only unpacked, [`build`] makes the image and [`check`]
//! looks at what came out. [`qemu`] describes machines and runs them, [`guest`] makes what runs in
//! them, [`kernel`] builds one with our patches. [`docs`] makes documents from the call table, [`binding`] tests the one that is a schema.
//! [`conformance`] asks firmwares what LoPAR asks for, [`mutants`] whether it would notice if one did
//! not do it, [`bench`] measures them.
//! [`users`] runs programs that others wrote to use RTAS.
//! [`suite`] is the list of all tests, [`matrix`] its QEMU cases, [`crash`] the kdump
//! scenarios, [`points`] kills processors at every instruction of RTAS, [`gdb`] drives QEMU's gdb stub
//! for both, [`partition`] divides long work, and [`report`] prints what came of them.
#![forbid(unsafe_code)]

mod bench;
mod binding;
mod build;
mod check;
mod cli;
mod conformance;
mod crash;
mod debian;
mod defaults;
mod digest;
mod docs;
mod error;
mod gdb;
mod guest;
mod kernel;
mod matrix;
mod mutants;
mod partition;
mod paths;
mod points;
mod process;
mod progress;
mod qemu;
mod report;
mod setup;
mod suite;
mod users;

use anyhow::Result;
use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprint!("{}", error::describe(&error));
            error::exit_code(&error)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Setup(arguments) => setup::run(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Docs(arguments) => docs::run(&arguments),
        Command::Kernel(arguments) => kernel::run(&arguments),
        Command::Qemu(arguments) => qemu::run(&arguments),
        Command::QemuCrash(arguments) => crash::run(&arguments),
        Command::CrashPoints(arguments) => points::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Conformance(arguments) => conformance::run(&arguments),
        Command::Mutants(arguments) => mutants::run(&arguments),
        Command::Users(arguments) => users::run(&arguments),
        Command::Test(arguments) => suite::run(&arguments),
    }
}
