//! The live line on its screen: drawn anew in place, and out of the way for other lines.
//!
//! Draws only when told to, on the reporter's thread, and only what changed: somebody else may be writing to
//! the same screen. On a terminal `painter` draws; where the user forced a display on something else, or the
//! terminal is dumb, a carriage return and padding do. A display of pv's form is drawn as pv does it, and
//! with `-c` several processes share a terminal by rows.

use std::io::Write;

use super::display::DEFAULT_WIDTH;
use super::display::parts::{Line, clipped, visible};
use super::painter::{self, Painter, WIPE, in_one_row};
use crate::config::{ReportMode, ScreenConfig};
use crate::pv::rows::Rows;
use crate::sys::Files;
use crate::sys::report_output::{Descriptor, say};

/// The live line and what is on its screen now.
pub struct Live {
    terminal: Option<Descriptor>,
    style: Style,
    /// `-w`: so many columns, whatever the terminal says.
    width: Option<usize>,
    /// Draw also while another job has the terminal.
    force: bool,
    /// What is on the screen, for how many columns; None where nothing of ours is.
    drawn: Option<(Line, usize)>,
}

enum Style {
    /// By indicatif; it is there while something is on the screen.
    Painted(Option<Painter>),
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
            drawn: None,
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

    /// Shows the line, unless it is there already, or another job has the terminal.
    pub fn draw(&mut self, line: &Line, out: &mut dyn Write) {
        let width = self.width();
        let is_seen = |terminal: &Descriptor| self.force || terminal.is_foreground();
        if self.terminal.as_ref().is_some_and(|at| !is_seen(at)) {
            return;
        }
        let drawn = Some((line.clone(), width));
        // pv writes a line for each interval, and who reads it from a file may count on that.
        let is_new = match self.style {
            Style::Returned(_) | Style::Listed => true,
            _ => self.drawn != drawn,
        };
        if !is_new {
            return;
        }
        self.drawn = drawn;
        if let (Style::Painted(painter), Some(terminal)) = (&mut self.style, &self.terminal) {
            let painter = painter.get_or_insert_with(|| Painter::on(terminal.clone()));
            return painter.draw(line, width);
        }
        let line = &painter::text(line, width);
        match &mut self.style {
            Style::Painted(_) => {}
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
        self.drawn = None;
        match &mut self.style {
            Style::Row(rows) => rows.wipe(out),
            _ => self.clear(out),
        }
    }

    /// Leaves the screen clean for others; a line of pv's form and a row stay.
    pub fn clear(&mut self, out: &mut dyn Write) {
        self.drawn = None;
        match &mut self.style {
            Style::Painted(painter) => {
                if let Some(painter) = painter.take() {
                    painter.clear();
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
            Style::Painted(Some(painter)) => painter.suspend(|| say(out)),
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
            Style::Row(rows) => rows.leave(stays, out),
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

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};

    use super::*;

    fn line(text: &str) -> Line {
        Line::from(text.to_owned())
    }

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
        live.draw(&line("first, and longer"), &mut out);
        assert_eq!(seen(&master), in_one_row("first, and longer"));
        live.draw(&line("\x1b[1;31msecond\x1b[m"), &mut out);
        // It is there already.
        live.draw(&line("\x1b[1;31msecond\x1b[m"), &mut out);
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
        live.draw(&line("the line"), &mut out);
        seen(&master);
        say_marker(&mut live, &mut out);
        let mut all = seen(&master);
        while !all.ends_with("h\r") {
            all += &seen(&master);
        }
        let again = in_one_row("the line");
        assert_eq!(all, format!("{WIPE}marker\r\n{again}"));
    }

    /// What two lines, one between and the end leave.
    fn drawn(mut live: Live) -> String {
        let mut out = Vec::new();
        live.draw(&line("longer"), &mut out);
        live.draw(&line("\x1b[1mline\x1b[m"), &mut out);
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
        live.draw(&line("the line"), &mut out);
        live.clear(&mut out);
        let mut all = seen(&master);
        while !all.ends_with('\n') {
            all += &seen(&master);
        }
        assert_eq!(all, "\rthe line\r\n");
    }
}
