//! `-c`: rows of a terminal for several processes of one pipeline.
//!
//! Every process takes a row at its start, in the order of their numbers, which is that of the pipeline,
//! and the cursor rests below the last of them. Who draws goes up to his row and comes back, and knows how far that is from a ledger
//! that all share: a small file with a line for each row. pv asks the terminal where its cursor is,
//! for which it changes the terminal's settings; here nobody needs to know.
//!
//! Refuses to fail: without a ledger there are no rows, and the line is drawn as without `-c`.

use std::env;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

use super::output::Descriptor;

/// A row that was left, or that a line took which stays.
const TAKEN: &str = "0";

/// A row among those of a terminal.
#[derive(Debug)]
pub struct Rows {
    path: PathBuf,
    ledger: Ledger,
    terminal: Descriptor,
    /// What stands in the ledger for us.
    number: u32,
}

impl Rows {
    /// A row on `terminal`, taken when it is first drawn in; None without a ledger. Nobody is waited
    /// for.
    pub fn on(terminal: Descriptor) -> Option<Rows> {
        let path = ledger_of(&terminal)?;
        let ledger = Ledger::open(&path).ok()?;
        Some(Rows {
            path,
            ledger,
            terminal,
            number: std::process::id(),
        })
    }

    /// Draws the line in the row.
    pub fn draw(&mut self, line: &str, out: &mut dyn Write) {
        let Some(mut page) = self.turn() else {
            return;
        };
        let mut frame = String::new();
        let row = self.row_in(&page).unwrap_or_else(|| {
            let row = self.place_in(&page);
            page.insert(row, self.number.to_string());
            frame.push('\n');
            row
        });
        // Cleared first: at the margin, what clears the rest would take the last character. Without
        // wrapping there, so that no row ever becomes two.
        let up = page.len() - row;
        frame += &format!("\x1b[{up}A\r\x1b[2K\x1b[?7l{line}\x1b[?7h\x1b[{up}B\r");
        let _ = out.write_all(frame.as_bytes());
        self.ledger.close(&page);
    }

    fn row_in(&self, page: &[String]) -> Option<usize> {
        let number = self.number.to_string();
        page.iter().position(|line| *line == number)
    }

    /// Above those with higher numbers, which move on when they draw next; but what stays in its place
    /// is not drawn over.
    fn place_in(&self, page: &[String]) -> usize {
        let is_behind = |line: &String| line.parse().is_ok_and(|number: u32| number > self.number);
        let place = page.iter().position(is_behind).unwrap_or(page.len());
        match page.iter().any(|line| line == TAKEN) {
            true => page.len(),
            false => place,
        }
    }

    /// Lets `say` write lines that stay, below all rows.
    pub fn below(&mut self, out: &mut dyn Write, say: impl FnOnce(&mut dyn Write)) {
        let Some(mut page) = self.turn() else {
            return say(out);
        };
        let mut said = Vec::new();
        say(&mut said);
        let lines = said.iter().filter(|byte| **byte == b'\n').count();
        page.extend(std::iter::repeat_n(TAKEN.to_owned(), lines));
        let _ = out.write_all(&said);
        self.ledger.close(&page);
    }

    /// The ledger's page, while nobody else has it. None where another job has the terminal.
    fn turn(&mut self) -> Option<Vec<String>> {
        if !self.terminal.is_foreground() {
            return None;
        }
        let page = self.ledger.turn(&self.path).ok()?;
        match page.iter().any(|line| is_alive(line)) {
            true => Some(page),
            // All are gone that ever drew here.
            false => Some(Vec::new()),
        }
    }
}

impl Drop for Rows {
    /// The row stays on the screen. The last to leave takes the ledger along.
    fn drop(&mut self) {
        let Ok(mut page) = self.ledger.turn(&self.path) else {
            return;
        };
        if let Some(row) = self.row_in(&page) {
            TAKEN.clone_into(&mut page[row]);
        }
        if !page.iter().any(|line| is_alive(line)) {
            let _ = std::fs::remove_file(&self.path);
        }
        self.ledger.close(&page);
    }
}

/// Whether a line of the ledger is a process that still runs.
fn is_alive(line: &str) -> bool {
    line != TAKEN && Path::new("/proc").join(line).exists()
}

/// One ledger for each terminal and job: what another job left has nothing to do with our rows.
fn ledger_of(terminal: &Descriptor) -> Option<PathBuf> {
    let stat = rustix::fs::fstat(terminal).ok()?;
    let group = rustix::process::getpgrp().as_raw_nonzero();
    let user = rustix::process::geteuid().as_raw();
    let folder = ["XDG_RUNTIME_DIR", "TMPDIR"]
        .iter()
        .filter_map(|variable| env::var_os(variable).map(PathBuf::from))
        .find(|folder| folder.is_absolute() && folder.is_dir())
        .unwrap_or_else(|| PathBuf::from("/tmp"));
    Some(folder.join(format!("hwm-{user}-{}-{group}.rows", stat.st_rdev)))
}

/// The file, and the lock on it.
#[derive(Debug)]
struct Ledger {
    file: File,
}

impl Ledger {
    fn open(path: &Path) -> io::Result<Ledger> {
        // Not by a link that somebody laid in a folder that all may write to.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file: OwnedFd = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?;
        let stat = rustix::fs::fstat(&file)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Ledger { file: file.into() })
    }

    /// Waits for the others to close it, and reads it. Where the last of them took it away, a new one
    /// is begun.
    fn turn(&mut self, path: &Path) -> io::Result<Vec<String>> {
        loop {
            flock(&self.file, FlockOperation::LockExclusive)?;
            if rustix::fs::fstat(&self.file)?.st_nlink > 0 {
                break;
            }
            *self = Ledger::open(path)?;
        }
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(0))?;
        Read::by_ref(&mut self.file)
            .take(1 << 16)
            .read_to_string(&mut text)?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn close(&mut self, page: &[String]) {
        let text: String = page.iter().map(|line| format!("{line}\n")).collect();
        let _ = self.file.set_len(0);
        let _ = self.file.seek(SeekFrom::Start(0));
        let _ = self.file.write_all(text.as_bytes());
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Rows with a ledger of the test's own, of a process that runs.
    fn rows(path: &Path, terminal: &Descriptor, number: u32) -> Rows {
        Rows {
            path: path.to_owned(),
            ledger: Ledger::open(path).unwrap(),
            terminal: terminal.clone(),
            number,
        }
    }

    fn frame(up: usize, line: &str) -> String {
        format!("\x1b[{up}A\r\x1b[2K\x1b[?7l{line}\x1b[?7h\x1b[{up}B\r")
    }

    #[test]
    fn each_goes_up_to_its_row_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (_master, terminal) = crate::sys::testing::pty();
        let terminal = Descriptor::Own(Arc::new(terminal));
        // Two numbers that are taken for as long as the test runs; the second process comes first.
        let (one, own) = (1, std::process::id());
        let mut second = rows(&path, &terminal, own);
        let mut first = rows(&path, &terminal, one);
        let mut out = Vec::new();
        second.draw("b", &mut out);
        first.draw("a", &mut out);
        second.draw("c", &mut out);
        first.below(&mut out, |out| out.write_all(b"said\n").unwrap());
        second.draw("d", &mut out);
        let expected = [
            "\n".to_owned() + &frame(1, "b"),
            "\n".to_owned() + &frame(2, "a"),
            frame(1, "c"),
            "said\n".to_owned(),
            frame(2, "d"),
        ];
        assert_eq!(String::from_utf8(out).unwrap(), expected.concat());
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
        let mut out = Vec::new();
        rows(&path, &terminal, own).draw("e", &mut out);
        assert_eq!(out, ("\n".to_owned() + &frame(1, "e")).as_bytes());
    }

    #[test]
    fn what_the_dead_left_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (_master, terminal) = crate::sys::testing::pty();
        let terminal = Descriptor::Own(Arc::new(terminal));
        // No process has so high a number.
        std::fs::write(&path, "0\n999999999\n").unwrap();
        let mut out = Vec::new();
        rows(&path, &terminal, std::process::id()).draw("a", &mut out);
        assert_eq!(out, ("\n".to_owned() + &frame(1, "a")).as_bytes());
    }

    #[test]
    fn a_ledger_behind_a_link_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("target"), &link).unwrap();
        assert!(Ledger::open(&link).is_err());
    }
}
