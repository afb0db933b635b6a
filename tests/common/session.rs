//! Sessions on a terminal, for tests: a shell with job control, or a script, and somebody who types
//! and looks.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};

use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use super::emulator::Emulator;
use super::{can, command, terminal};

/// A terminal that somebody looks at.
pub struct Screen {
    pub keyboard: File,
    pub terminal: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
    before: String,
}

impl Screen {
    /// With `modes` on beside those of a new terminal.
    pub fn with(modes: LocalModes) -> Self {
        let (master, terminal) = terminal();
        let mut settings = tcgetattr(&terminal).unwrap();
        settings.local_modes |= modes;
        tcsetattr(&terminal, OptionalActions::Now, &settings).unwrap();
        let mut eye = File::from(master.try_clone().unwrap());
        let shown = Arc::<Mutex<Vec<u8>>>::default();
        let memory = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = eye.read(&mut piece) {
                memory.lock().unwrap().extend_from_slice(&piece[..count]);
            }
        });
        Self {
            keyboard: master.into(),
            before: settings_of(&terminal),
            terminal,
            shown,
        }
    }

    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// What was shown since `taken` bytes.
    fn since(&self, taken: usize) -> Vec<u8> {
        self.shown.lock().unwrap()[taken..].to_vec()
    }

    pub fn expect_no_change(&self) {
        assert_eq!(settings_of(&self.terminal), self.before);
    }
}

/// The settings, and the flags of the description.
fn settings_of(terminal: impl AsFd) -> String {
    let flags = rustix::fs::fcntl_getfl(&terminal).unwrap();
    format!("{flags:?} {:?}", tcgetattr(&terminal).unwrap())
}

/// A folder with a FIFO `in`, kept open so that it does not end between two writers.
pub fn folder_with_fifo() -> (tempfile::TempDir, File) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in");
    assert!(can(&["mkfifo", path.to_str().unwrap()]));
    let writer = File::options().read(true).write(true).open(path).unwrap();
    (folder, writer)
}

/// Starts `script` as a session that `terminal` controls, in `folder`.
pub fn session(terminal: &OwnedFd, script: &str, folder: &Path) -> Child {
    let stream = || terminal.try_clone().unwrap();
    command(&["setsid", "--ctty", "bash", "-c", script])
        .current_dir(folder)
        .env("TERM", "xterm")
        .stdin(stream())
        .stdout(stream())
        .stderr(stream())
        .spawn()
        .unwrap()
}

/// A screen of a certain size, and what is on it.
pub struct View {
    pub screen: Screen,
    emulator: Emulator,
    taken: usize,
}

impl View {
    /// `folds` as in [`Emulator::new`].
    pub fn new(width: usize, height: usize, folds: bool) -> Self {
        let screen = Screen::with(LocalModes::empty());
        let view = Self {
            screen,
            emulator: Emulator::new(width, height, folds),
            taken: 0,
        };
        view.tell(width, height);
        view
    }

    /// The emulator after everything that was shown so far.
    pub fn look(&mut self) -> &Emulator {
        let news = self.screen.since(self.taken);
        self.taken += news.len();
        self.emulator.write(&news);
        &self.emulator
    }

    /// As a window does it: first its own picture, then word to the processes. What they drew for the
    /// old width in between comes late, as in a window.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.look();
        self.emulator.resize(width);
        self.tell(width, height);
    }

    fn tell(&self, width: usize, height: usize) {
        let size = Winsize {
            ws_row: height as u16,
            ws_col: width as u16,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.screen.terminal, size).unwrap();
    }
}
