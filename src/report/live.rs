//! The live line on its screen: drawn anew in place, and out of the way for other lines.
//!
//! Draws only when told to, on the reporter's thread. On a terminal indicatif moves the cursor;
//! where the user forced a display on something else, or the terminal is dumb, a carriage return
//! and padding do, as in pv.

use std::io::{self, Write};
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::bar::{self, DEFAULT_WIDTH};
use super::output::Descriptor;
use crate::config::ReportConfig;
use crate::core::snapshot::Snapshot;

/// The live line and what is on its screen now.
pub struct Live {
    terminal: Option<Descriptor>,
    style: Style,
    before: Option<Snapshot>,
}

enum Style {
    /// Painted by indicatif; a bar exists while something is on the screen.
    Painted(Option<ProgressBar>),
    /// Written over; so many columns are to be covered.
    Overwritten(usize),
}

impl Live {
    /// A line for `terminal`, or for something else (None) because the user forced it; `dumb` is
    /// a terminal that cannot move its cursor.
    pub fn new(terminal: Option<Descriptor>, dumb: bool) -> Live {
        let style = match terminal.is_some() && !dumb {
            true => Style::Painted(None),
            false => Style::Overwritten(0),
        };
        Live {
            terminal,
            style,
            before: None,
        }
    }

    /// Shows the snapshot, unless another job has the terminal.
    pub fn draw(&mut self, snapshot: &Snapshot, config: &ReportConfig, out: &mut dyn Write) {
        let width = self.terminal.as_ref().and_then(Descriptor::columns);
        let width = width.unwrap_or(DEFAULT_WIDTH);
        let line = bar::line(snapshot, self.before.as_ref(), config, width);
        self.before = Some(snapshot.clone());
        let Some(terminal) = &self.terminal else {
            return overwrite(&mut self.style, &line, out);
        };
        if terminal.is_foreground() {
            match &mut self.style {
                Style::Painted(bar) => bar
                    .get_or_insert_with(|| painted_on(terminal.clone()))
                    .set_message(line),
                style => overwrite(style, &line, out),
            }
        }
    }

    /// Leaves the screen clean for others.
    pub fn clear(&mut self, out: &mut dyn Write) {
        match &mut self.style {
            Style::Painted(bar) => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            }
            Style::Overwritten(covered) => {
                if std::mem::take(covered) > 0 {
                    let _ = out.write_all(b"\n");
                }
            }
        }
    }

    /// Lets `say` write whole lines; a painted line stays below them.
    pub fn around(&mut self, out: &mut dyn Write, say: impl FnOnce(&mut dyn Write)) {
        match &self.style {
            Style::Painted(Some(bar)) => bar.suspend(|| say(out)),
            _ => {
                self.clear(out);
                say(out);
            }
        }
    }
}

fn overwrite(style: &mut Style, line: &str, out: &mut dyn Write) {
    if let Style::Overwritten(covered) = style {
        let columns = bar::columns(line);
        let padding = covered.saturating_sub(columns);
        let _ = out.write_all(format!("\r{line}{:padding$}", "").as_bytes());
        *covered = columns;
    }
}

fn painted_on(terminal: Descriptor) -> ProgressBar {
    let screen = Screen {
        terminal,
        frame: Mutex::default(),
    };
    let target = ProgressDrawTarget::term_like(Box::new(screen));
    let style = ProgressStyle::with_template("{msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::with_draw_target(None, target).with_style(style)
}

/// indicatif's hands: collects a frame and shows it by one write. Our own rather than console's,
/// which looks at stderr only, and does not ask who has the terminal.
#[derive(Debug)]
struct Screen {
    terminal: Descriptor,
    frame: Mutex<Vec<u8>>,
}

impl Screen {
    fn add(&self, piece: &[u8]) -> io::Result<()> {
        if let Ok(mut frame) = self.frame.lock() {
            frame.extend_from_slice(piece);
        }
        Ok(())
    }

    fn move_cursor(&self, steps: usize, direction: char) -> io::Result<()> {
        match steps {
            0 => Ok(()), // As a parameter, 0 means 1.
            _ => self.add(format!("\x1b[{steps}{direction}").as_bytes()),
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        let columns = self.terminal.columns().unwrap_or(DEFAULT_WIDTH);
        u16::try_from(columns).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, steps: usize) -> io::Result<()> {
        self.move_cursor(steps, 'A')
    }

    fn move_cursor_down(&self, steps: usize) -> io::Result<()> {
        self.move_cursor(steps, 'B')
    }

    fn move_cursor_right(&self, steps: usize) -> io::Result<()> {
        self.move_cursor(steps, 'C')
    }

    fn move_cursor_left(&self, steps: usize) -> io::Result<()> {
        self.move_cursor(steps, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text.as_bytes())?;
        self.add(b"\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // indicatif pads to the width. The line is cleared already, and padding would wrap when
        // the window gets narrower, and after characters that are wider than indicatif thinks.
        match text.bytes().all(|byte| byte == b' ') {
            true => Ok(()),
            false => self.add(text.as_bytes()),
        }
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add(b"\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let frame = self
            .frame
            .lock()
            .map(|mut frame| std::mem::take(&mut *frame));
        match frame {
            // Also a bar that is cleared in the background must not touch the shell's line.
            Ok(frame) if self.terminal.is_foreground() => self.terminal.clone().write_all(&frame),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};

    use super::*;
    use crate::report::testing::{config, lossy, quiet};

    /// A terminal of so many columns that is not ours to control, and the side that sees it.
    fn terminal(columns: u16) -> (OwnedFd, Descriptor) {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&slave, size).unwrap();
        (master, Descriptor::Own(Arc::new(slave)))
    }

    /// What is on the screen side now; there must be something.
    fn seen(master: &OwnedFd) -> String {
        let mut bytes = [0; 4096];
        let count = rustix::io::read(master, &mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[test]
    fn a_painted_line_replaces_the_one_before_and_leaves_no_trace() {
        let (master, screen) = terminal(40);
        let mut live = Live::new(Some(screen.clone()), false);
        let mut out = screen;
        live.draw(&quiet(), &config(), &mut out);
        assert_eq!(seen(&master), "     0B 0:00:00 [        -] [------]");
        live.draw(&lossy(), &config(), &mut out);
        assert_eq!(
            seen(&master),
            "\r\x1b[2K3.00MiB [49.3KiB/s] [###-|-] lost 200"
        );
        live.clear(&mut out);
        assert_eq!(seen(&master), "\r\x1b[2K");
        say_marker(&mut live, &mut out);
        assert_eq!(seen(&master), "marker\r\n");
    }

    fn say_marker(live: &mut Live, out: &mut dyn Write) {
        live.around(out, |out| out.write_all(b"marker\n").unwrap());
    }

    #[test]
    fn a_line_for_people_goes_above_a_painted_one() {
        let (master, screen) = terminal(40);
        let mut live = Live::new(Some(screen.clone()), false);
        let mut out = screen;
        live.draw(&quiet(), &config(), &mut out);
        seen(&master);
        say_marker(&mut live, &mut out);
        let mut all = seen(&master);
        while !all.ends_with("[------]") {
            all += &seen(&master);
        }
        assert_eq!(
            all,
            "\r\x1b[2Kmarker\r\n     0B 0:00:00 [        -] [------]"
        );
    }

    #[test]
    fn a_forced_line_is_written_over_and_ends_before_other_lines() {
        let mut live = Live::new(None, false);
        let mut out = Vec::new();
        let mut wide = config();
        wide.name = Some("a longer name".to_owned());
        live.draw(&quiet(), &wide, &mut out);
        live.draw(&quiet(), &config(), &mut out);
        say_marker(&mut live, &mut out);
        live.clear(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\ra longer name:      0B 0:00:00 [        -] in         - [------]   0%\
             \r     0B 0:00:00 [        -] in         - [------]   0%               \nmarker\n"
        );
    }

    #[test]
    fn a_dumb_terminal_gets_no_escape_sequences() {
        let (master, screen) = terminal(40);
        let mut live = Live::new(Some(screen.clone()), true);
        let mut out = screen;
        live.draw(&lossy(), &config(), &mut out);
        live.clear(&mut out);
        let mut all = seen(&master);
        while !all.ends_with('\n') {
            all += &seen(&master);
        }
        assert_eq!(all, "\r3.00MiB [49.3KiB/s] [###-|-] lost 200\r\n");
    }
}
