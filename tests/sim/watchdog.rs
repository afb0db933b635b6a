//! A scenario that never ends shall say which one it is: nothing inside can stop it.

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// The slowest scenario on the slowest machine takes a hundredth of this.
const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    /// One for each thread that runs scenarios: a thread for each scenario would cost as much as it.
    static WATCHDOG: Sender<Option<u64>> = {
        let (tell, told) = channel();
        std::thread::spawn(move || watch(&told));
        tell
    };
}

/// Runs the scenario of `seed`; ends the process, with how to repeat it, when it does not end.
pub fn watching<T>(seed: u64, scenario: impl FnOnce() -> T) -> T {
    let tell = |what| WATCHDOG.with(|watchdog| watchdog.send(what).expect("a watchdog"));
    tell(Some(seed));
    let result = scenario();
    tell(None);
    result
}

/// Is told of each scenario that begins, by its seed, and of its end.
fn watch(told: &Receiver<Option<u64>>) {
    while let Ok(what) = told.recv() {
        let Some(seed) = what else { continue };
        if told.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let how = super::how_to_repeat(seed);
            let line = format!("spin: seed {seed} does not end; repeat it by\n  {how}\n");
            // Past the capture of `cargo test`.
            let _ = std::io::stderr().write_all(line.as_bytes());
            std::process::abort();
        }
    }
}
