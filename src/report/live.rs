//! The live line on its screen: drawn anew in place, and out of the way for other lines.
//!
//! Draws only when told to, on the reporter's thread. On a terminal indicatif moves the cursor;
//! where the user forced a display on something else, or the terminal is dumb, a carriage return
//! and padding do. A display of pv's form is drawn as pv does it, and with `-c` several processes
//! share a terminal by rows.
//!
//! On a terminal that can move its cursor this rests at the line's first column, and what is drawn
//! begins there: a window that gets narrower folds the line into several rows, or cuts it, as the
//! terminal likes, and in both cases it begins where the cursor is and ends below.

use std::io::{self, Write};
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::bar::DEFAULT_WIDTH;
use super::format::{clipped, visible};
use super::output::{Descriptor, say};
use super::rows::Rows;
use crate::config::{ReportMode, ScreenConfig};
use crate::sys::Files;

/// Wipes the line, and what a narrower window made of it.
pub const WIPE: &str = "\r\x1b[J";

/// A line as it is drawn from its first column, where the cursor comes back to. It never becomes two:
/// the window may have got narrower than the line was made for.
pub fn in_one_row(line: &str) -> String {
    format!("\x1b[?7l{line}\x1b[?7h\r")
}

/// The live line and what is on its screen now.
pub struct Live {
    terminal: Option<Descriptor>,
    style: Style,
    /// `-w`: so many columns, whatever the terminal says.
    width: Option<usize>,
    /// Draw also while another job has the terminal.
    force: bool,
}

enum Style {
    /// Painted by indicatif; a bar exists while something is on the screen.
    Painted(Option<ProgressBar>),
    /// A return, the line, and blanks; so many columns are to be covered.
    Overwritten(usize),
    /// The line, blanks, and a return, as in pv; so many columns are to be covered, if there is a line.
    Returned(Option<usize>),
    /// The same on a terminal that can be wiped; whether there is a line.
    Wiped(bool),
    /// One line below the other, as with pv's `-n`.
    Listed,
    /// In a row of its own among those of others.
    Row(Rows),
}

impl Live {
    /// A line for `terminal`, or for something else (None) because the user forced it; `dumb` is
    /// a terminal that cannot move its cursor.
    pub fn new(
        terminal: Option<Descriptor>,
        dumb: bool,
        mode: ReportMode,
        screen: &ScreenConfig,
        files: &Files,
    ) -> Live {
        let is_pv = mode == ReportMode::Pv;
        let is_numeric = screen.display.as_ref().is_some_and(|pv| pv.numeric);
        let moves = terminal.as_ref().filter(|_| !dumb);
        let row = moves
            .filter(|_| screen.rows)
            .and_then(|terminal| Rows::on(terminal.clone(), files));
        let style = match (row, moves) {
            _ if is_pv && is_numeric => Style::Listed,
            (Some(row), _) => Style::Row(row),
            (None, Some(_)) if is_pv => Style::Wiped(false),
            (None, Some(_)) => Style::Painted(None),
            (None, None) if is_pv => Style::Returned(None),
            (None, None) => Style::Overwritten(0),
        };
        Live {
            terminal,
            style,
            width: screen.width,
            force: is_pv && (screen.force || is_numeric),
        }
    }

    /// Takes its place on the screen, where places are shared. Like all that draws, it may be stuck.
    pub fn begin(&mut self, out: &mut dyn Write) {
        if let Style::Row(rows) = &mut self.style {
            rows.draw("", out);
        }
    }

    /// The columns that a line may have.
    pub fn width(&self) -> usize {
        let columns = || self.terminal.as_ref().and_then(Descriptor::columns);
        self.width.or_else(columns).unwrap_or(DEFAULT_WIDTH)
    }

    /// Shows the line, unless another job has the terminal.
    pub fn draw(&mut self, line: &str, out: &mut dyn Write) {
        let width = self.width();
        let is_seen = |terminal: &Descriptor| self.force || terminal.is_foreground();
        if self.terminal.as_ref().is_some_and(|at| !is_seen(at)) {
            return;
        }
        match &mut self.style {
            Style::Painted(bar) => {
                if let Some(terminal) = &self.terminal {
                    bar.get_or_insert_with(|| painted_on(terminal.clone()))
                        .set_message(line.to_owned());
                }
            }
            Style::Overwritten(covered) => {
                let columns = visible(line);
                // Not beyond the margin, which may have moved.
                let padding = (*covered).min(width).saturating_sub(columns);
                let _ = out.write_all(format!("\r{line}{}", " ".repeat(padding)).as_bytes());
                *covered = columns;
            }
            Style::Returned(covered) => {
                let columns = visible(line);
                let padding = covered.unwrap_or(0).saturating_sub(columns);
                let _ = out.write_all(format!("{line}{}\r", " ".repeat(padding)).as_bytes());
                *covered = Some(columns);
            }
            Style::Wiped(is_there) => {
                // What -w asks for may be more than there is.
                let columns = self.terminal.as_ref().and_then(Descriptor::columns);
                let line = in_one_row(&clipped(line, columns.map_or(width, |at| at.min(width))));
                let _ = out.write_all(format!("{WIPE}{line}").as_bytes());
                *is_there = true;
            }
            Style::Listed => say(out, line.to_owned()),
            Style::Row(rows) => rows.draw(&clipped(line, width), out),
        }
    }

    /// Leaves the screen clean while the process is stopped.
    pub fn suspend(&mut self, out: &mut dyn Write) {
        match &mut self.style {
            Style::Row(rows) => rows.wipe(out),
            _ => self.clear(out),
        }
    }

    /// Leaves the screen clean for others; a line of pv's form and a row stay.
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
            Style::Returned(covered) => {
                if covered.take().is_some() {
                    let _ = out.write_all(b"\n");
                }
            }
            Style::Wiped(is_there) => {
                if std::mem::take(is_there) {
                    let _ = out.write_all(b"\n");
                }
            }
            Style::Listed | Style::Row(_) => {}
        }
    }

    /// Lets `say` write whole lines; a painted line and rows stay below them.
    pub fn around(&mut self, out: &mut dyn Write, say: impl FnOnce(&mut dyn Write)) {
        match &mut self.style {
            Style::Painted(Some(bar)) => bar.suspend(|| say(out)),
            Style::Row(rows) => rows.above(out, say),
            _ => {
                self.clear(out);
                say(out);
            }
        }
    }

    /// Leaves the screen to others for good; the line stays on it or not.
    pub fn retire(&mut self, stays: bool, out: &mut dyn Write) {
        match &mut self.style {
            Style::Row(rows) => rows.end(Vec::new(), stays, out),
            _ => self.clear(out),
        }
    }

    /// Leaves the last lines of the run. In a row they take its place; a line of pv's form stays above
    /// them.
    pub fn end(&mut self, lines: Vec<String>, stays: bool, out: &mut dyn Write) {
        match &mut self.style {
            Style::Row(rows) => rows.end(lines, stays, out),
            _ => lines.into_iter().for_each(|line| say(out, line)),
        }
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
        // Our line has one row, however narrow the window is: indicatif need not count them.
        u16::MAX
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
        // indicatif pads to the width. The line is wiped already.
        match text.bytes().all(|byte| byte == b' ') {
            true => Ok(()),
            false => self.add(in_one_row(text).as_bytes()),
        }
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add(WIPE.as_bytes())
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

    fn live(terminal: Option<Descriptor>, dumb: bool, mode: ReportMode) -> Live {
        Live::new(
            terminal,
            dumb,
            mode,
            &ScreenConfig::default(),
            &Files::default(),
        )
    }

    #[test]
    fn a_painted_line_replaces_the_one_before_and_leaves_no_trace() {
        let (master, screen) = terminal(40);
        let mut live = live(Some(screen.clone()), false, ReportMode::Bar);
        let mut out = screen;
        assert_eq!(live.width(), 40);
        live.draw("first, and longer", &mut out);
        assert_eq!(seen(&master), in_one_row("first, and longer"));
        live.draw("\x1b[1;31msecond\x1b[m", &mut out);
        let second = in_one_row("\x1b[1;31msecond\x1b[m");
        assert_eq!(seen(&master), format!("{WIPE}{second}"));
        live.clear(&mut out);
        assert_eq!(seen(&master), WIPE);
        say_marker(&mut live, &mut out);
        assert_eq!(seen(&master), "marker\r\n");
    }

    fn say_marker(live: &mut Live, out: &mut dyn Write) {
        live.around(out, |out| out.write_all(b"marker\n").unwrap());
    }

    #[test]
    fn a_line_for_people_goes_above_a_painted_one() {
        let (master, screen) = terminal(40);
        let mut live = live(Some(screen.clone()), false, ReportMode::Bar);
        let mut out = screen;
        live.draw("the line", &mut out);
        seen(&master);
        say_marker(&mut live, &mut out);
        let mut all = seen(&master);
        while !all.ends_with("h\r") {
            all += &seen(&master);
        }
        let line = in_one_row("the line");
        assert_eq!(all, format!("{WIPE}marker\r\n{line}"));
    }

    /// What two lines, one between and the end leave.
    fn drawn(mut live: Live) -> String {
        let mut out = Vec::new();
        live.draw("longer", &mut out);
        live.draw("\x1b[1mline\x1b[m", &mut out);
        say_marker(&mut live, &mut out);
        live.clear(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_forced_line_is_written_over_and_ends_before_other_lines() {
        assert_eq!(
            drawn(live(None, false, ReportMode::Bar)),
            "\rlonger\r\x1b[1mline\x1b[m  \nmarker\n"
        );
    }

    #[test]
    fn a_line_of_pvs_form_is_drawn_as_by_pv() {
        assert_eq!(
            drawn(live(None, false, ReportMode::Pv)),
            "longer\r\x1b[1mline\x1b[m  \r\nmarker\n"
        );
    }

    #[test]
    fn a_dumb_terminal_gets_no_escape_sequences() {
        let (master, screen) = terminal(40);
        let mut live = live(Some(screen.clone()), true, ReportMode::Bar);
        let mut out = screen;
        live.draw("the line", &mut out);
        live.clear(&mut out);
        let mut all = seen(&master);
        while !all.ends_with('\n') {
            all += &seen(&master);
        }
        assert_eq!(all, "\rthe line\r\n");
    }
}
