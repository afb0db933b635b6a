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
    let mut reporter = match report::start(&config) {
        Ok(reporter) => reporter,
        Err(error) => give_up(&error.to_string()),
    };
    let patience = match config.relay.may_lose() {
        true => sys::Patience::NeverWaits,
        false => sys::Patience::WaitsForDisk,
    };
    let demand = config.demand.map(|path| sys::DemandSource {
        path,
        parse: cli::grant::parse,
    });
    let (sources, capacity) = (config.sources, config.relay.capacity);
    let system = sys::RealSystem::new(sources, &config.transfer, capacity, patience, demand);
    let mut system = match system {
        Ok(system) => system,
        Err(error) => give_up(&error.to_string()),
    };
    let pid_file = config.transfer.pid_file.map(|path| {
        sys::PidFile::write(&path)
            .unwrap_or_else(|error| give_up(&format!("cannot write {}: {error}", path.display())))
    });
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
