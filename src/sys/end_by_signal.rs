//! The end of the process by a signal, so that who started it sees which.

use signal_hook::low_level::emulate_default_handler;

/// Ends the process by `signal`, as if it had never been handled: the parent sees a death by that
/// signal. Meant for SIGPIPE, SIGINT, SIGTERM and SIGHUP. Returns if that is impossible, as for
/// the first process of a container, to which the kernel delivers no deadly default; the caller
/// then exits with 128 + `signal`.
pub fn die_by(signal: i32) {
    if !rustix::process::getpid().is_init() {
        let _ = emulate_default_handler(signal);
    }
}
