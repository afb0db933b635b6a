//! `hwm`: parse, run, exit. Everything else is the library's.

use std::io::{IsTerminal, Write};

use highwater::config::ReportMode;
use highwater::exit::{self, Exit};
use highwater::reporter::Reporter;
use highwater::{cli, engine, memory, report, sys, units};

fn main() {
    report::tell_panics();
    sys::outlive_size_limit();
    if !memory::is_enough_to_begin() {
        give_up(&std::io::Error::other("cannot get the memory to begin"));
    }
    let terminal = std::io::stderr().is_terminal();
    let config = match cli::parse(std::env::args_os(), terminal) {
        Ok(config) => config,
        Err(exit) => say(exit),
    };
    // Before other threads are started.
    let watchdog = sys::may_hang(&config).then(sys::watch).flatten();
    let files = sys::Files::of(&config).unwrap_or_else(|error| give_up(&error));
    let mut reporter = report::start(&config, &files).unwrap_or_else(|error| give_up(&error));
    let write_mode = match config.relay.may_lose() {
        true => sys::WriteMode::Offloaded,
        false => sys::WriteMode::Inline,
    };
    let demand = config.demand.map(|path| sys::DemandSource {
        path,
        parse: cli::grant::parse,
    });
    let (sources, capacity) = (config.sources, config.relay.capacity);
    let system = sys::RealSystem::new(
        sources,
        &config.transfer,
        capacity,
        write_mode,
        demand,
        &files,
        watchdog,
    );
    let mut system = system.unwrap_or_else(|error| give_up(&error));
    if config.report.mode != ReportMode::None
        && let Some(warning) = sys::too_large(capacity)
    {
        reporter.message(warning);
    }
    let exit = engine::run(&config.relay, &config.report, &mut system, &mut reporter);
    system.remove_pid_file();
    match exit {
        Exit::Status(status) => std::process::exit(status.into()),
        Exit::Signal(number) => {
            sys::die_by(number);
            // The signal is blocked, so it did not kill: the same status by hand.
            std::process::exit(Exit::Signal(number).as_shell());
        }
    }
}

/// Help, version, or wrong usage. A closed or broken stream is nobody's to tell: the status says it all.
fn say(exit: cli::Exit) -> ! {
    if exit.to_stdout {
        // Who reads help by pages may take the time.
        let mut stdout = std::io::stdout().lock();
        let text = exit.text.as_bytes();
        let _ = stdout.write_all(text).and_then(|()| stdout.flush());
    } else {
        report::say_and_end(exit.text);
    }
    std::process::exit(exit.status);
}

/// One line, for what went wrong before the first byte.
fn give_up(error: &dyn std::error::Error) -> ! {
    report::say_and_end(format!("hwm: {}\n", units::one_line(&error.to_string())));
    std::process::exit(exit::FAILED.into());
}
