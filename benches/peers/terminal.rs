//! A terminal of 80 columns on which a relay may show what it likes, and somebody who reads it all.
//!
//! Refuses to understand what it is shown.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// See the module's header.
pub struct Terminal {
    path: PathBuf,
    /// Held, or the end would be read before the relay has opened it.
    user: File,
    reader: JoinHandle<usize>,
}

impl Terminal {
    pub fn open() -> std::io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        tcsetwinsize(
            &master,
            Winsize {
                ws_row: 24,
                ws_col: 80,
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )?;
        let name = ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        let user = File::options().write(true).open(&path)?;
        let reader = std::thread::spawn(move || {
            let mut master = File::from(master);
            let mut seen = 0;
            // It ends by an error when the last user is gone.
            while let Ok(count @ 1..) = master.read(&mut [0; 4096]) {
                seen += count;
            }
            seen
        });
        Ok(Self { path, user, reader })
    }

    /// By which a process can open it.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Waits until all users are gone; how many bytes were shown.
    pub fn finish(self) -> usize {
        drop(self.user);
        self.reader.join().expect("the reader of a terminal")
    }
}
