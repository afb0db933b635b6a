//! Where the reports go: stderr, or what `--report-to` names.
//!
//! Whoever draws there need not look whether it can be written to: what went wrong is noted here, to be
//! told once. Of stderr nothing is noted, for there is nobody else to tell.

use std::io::{self, Write};

use crate::sys::log::Log;
use crate::sys::report_output::Descriptor;

/// See the module's header.
pub struct Reports {
    out: Box<dyn Write + Send>,
    /// The same, if it is a descriptor.
    descriptor: Option<Descriptor>,
    /// Whether they go elsewhere than to stderr, where the errors go.
    is_elsewhere: bool,
    /// Whether they go to a file of this machine, so that nobody has to be waited for.
    is_local_file: bool,
    trouble: Option<io::Error>,
}

impl Reports {
    /// On stderr.
    pub fn on_stderr() -> Reports {
        let descriptor = Some(Descriptor::Stderr);
        Reports {
            descriptor,
            ..Reports::onto(Box::new(Descriptor::Stderr))
        }
    }

    /// In what `--report-to` names.
    pub fn to(log: Log) -> Reports {
        Reports {
            descriptor: Some(log.descriptor().clone()),
            is_elsewhere: true,
            is_local_file: log.is_local_file(),
            ..Reports::onto(Box::new(log))
        }
    }

    /// Anything, in the place of stderr.
    pub fn onto(out: Box<dyn Write + Send>) -> Reports {
        Reports {
            out,
            descriptor: None,
            is_elsewhere: false,
            is_local_file: false,
            trouble: None,
        }
    }

    /// Whether they go elsewhere than to stderr.
    pub fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// The terminal that they go to, if it is one.
    pub fn terminal(&self) -> Option<&Descriptor> {
        self.descriptor.as_ref().filter(|at| at.is_terminal())
    }

    /// Writes a short text as a whole if nobody has to be waited for. Returns whether it is written, or
    /// lost for good.
    pub fn write_at_once(&mut self, text: &[u8]) -> bool {
        match &self.descriptor {
            _ if self.is_local_file => self.out.write_all(text).is_ok(),
            Some(descriptor) if !self.is_elsewhere => descriptor.write_at_once(text),
            _ => false,
        }
    }

    /// What went wrong since this was last asked.
    pub fn take_trouble(&mut self) -> Option<io::Error> {
        self.trouble.take().filter(|_| self.is_elsewhere)
    }
}

impl Write for Reports {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.out.write(text).inspect_err(|error| {
            // The error itself cannot be copied.
            self.trouble = Some(match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::other(error.to_string()),
            });
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
