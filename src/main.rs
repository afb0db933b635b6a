//! `hwm`: parse, run, exit. Everything else is the library's.

use std::io::{IsTerminal, Write};

use highwater::exit::{self, Exit};
use highwater::{cli, engine, report, sys, units};

fn main() {
    let terminal = std::io::stderr().is_terminal();
    let config = match cli::parse(std::env::args_os(), terminal) {
        Ok(config) => config,
        Err(exit) => {
            exit.print();
            std::process::exit(exit.status);
        }
    };
    let transfer = &config.transfer;
    let pid_file = transfer.pid_file.as_ref().map(|path| {
        sys::PidFile::write(path)
            .unwrap_or_else(|error| give_up(&format!("cannot write {}: {error}", path.display())))
    });
    let mut reporter = match report::start(&config.report) {
        Ok(reporter) => reporter,
        Err(error) => {
            drop(pid_file);
            give_up(&error.to_string())
        }
    };
    let patience = match config.relay.policy.is_lossy() {
        true => sys::Patience::NeverWaits,
        false => sys::Patience::WaitsForDisk,
    };
    let system = sys::RealSystem::new(config.sources, transfer, config.relay.capacity, patience);
    let mut system = match system {
        Ok(system) => system,
        Err(error) => {
            drop(pid_file);
            give_up(&error.to_string())
        }
    };
    let exit = engine::run(&config.relay, &config.report, &mut system, &mut reporter);
    drop(pid_file);
    match exit {
        Exit::Status(status) => std::process::exit(status.into()),
        Exit::Signal(number) => {
            sys::die_by(number);
            // The signal is blocked, so it did not kill: the same status by hand.
            std::process::exit(Exit::Signal(number).as_shell());
        }
    }
}

/// One line, for what went wrong before the first byte.
fn give_up(message: &str) -> ! {
    // Not eprintln, which panics where stderr is full or closed.
    let _ = writeln!(std::io::stderr(), "hwm: {}", units::one_line(message));
    std::process::exit(exit::FAILED.into());
}
