//! indicatif: the bar of hwm's own line, how wide it is, and what becomes of the line on a terminal when it is
//! cleared, drawn anew, or makes way for others.
//!
//! Refuses to compose (`display` does) and to decide when (`live` does). On a terminal that can move its
//! cursor this rests at the line's first column: a window that gets narrower folds the line into several
//! rows, or cuts it, as the terminal likes, and in both cases it begins where the cursor is and ends below.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};

use super::display::parts::{Line, visible};
use crate::sys::report_output::Descriptor;

/// Wipes the line, and what a narrower window made of it.
pub const WIPE: &str = "\r\x1b[J";

/// A share is told in so many parts.
const WHOLE: u64 = 1 << 20;

/// A line as it is drawn from its first column, where the cursor comes back to. It never becomes two:
/// the window may have got narrower than the line was made for.
pub fn in_one_row(line: &str) -> String {
    format!("\x1b[?7l{line}\x1b[?7h\r")
}

/// Draws lines in one place of a terminal.
pub struct Painter {
    bar: ProgressBar,
    shown: Arc<Mutex<Shown>>,
}

/// What is shown, and for how many columns.
#[derive(Debug, Default)]
struct Shown {
    line: Line,
    columns: u16,
}

impl Painter {
    /// On a terminal.
    pub fn on(terminal: Descriptor) -> Painter {
        Painter::of(Some(terminal), Arc::default())
    }

    fn of(terminal: Option<Descriptor>, frame: Arc<Mutex<String>>) -> Painter {
        let shown = Arc::<Mutex<Shown>>::default();
        let screen = Screen {
            terminal,
            shown: Arc::clone(&shown),
            frame,
        };
        let target = ProgressDrawTarget::term_like(Box::new(screen));
        Painter {
            bar: ProgressBar::with_draw_target(Some(WHOLE), target),
            shown,
        }
    }

    /// Shows the line instead of the one before.
    pub fn draw(&self, line: &Line, width: usize) {
        let columns = match line.bar {
            Some(_) => width,
            // Nothing stretches: it needs no more.
            None => visible(&line.left),
        };
        *locked(&self.shown) = Shown {
            line: line.clone(),
            columns: u16::try_from(columns).unwrap_or(u16::MAX),
        };
        let part = |of: fn(&Line) -> &str| {
            let shown = Arc::clone(&self.shown);
            move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = out.write_str(of(&locked(&shown).line));
            }
        };
        let template = match line.bar {
            Some(_) => "{left}[{wide_bar}]{right}",
            None => "{left}",
        };
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style
            .progress_chars("=> ")
            .with_key("left", part(|line| &line.left))
            .with_key("right", part(|line| &line.right));
        self.bar.set_style(style);
        let share = (line.bar.unwrap_or(0.0) * WHOLE as f64) as u64;
        self.bar.update(|state| state.set_pos(share));
    }

    /// Takes the line off the screen, lets `say` write whole lines, and shows it again below them.
    pub fn suspend(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }

    /// Takes the line off the screen for good.
    pub fn clear(self) {
        self.bar.finish_and_clear();
    }
}

/// The line as it would be drawn.
pub fn text(line: &Line, width: usize) -> String {
    if line.bar.is_none() {
        return line.left.clone();
    }
    let frame = Arc::<Mutex<String>>::default();
    let painter = Painter::of(None, Arc::clone(&frame));
    painter.draw(line, width);
    // Before the painter is dropped, which takes the line away.
    locked(&frame).clone()
}

/// indicatif's hands: collects a frame, and shows it by one write. Our own rather than console's,
/// which looks at stderr only, and does not ask who has the terminal.
#[derive(Debug)]
struct Screen {
    /// None where the frame is all that is asked for.
    terminal: Option<Descriptor>,
    shown: Arc<Mutex<Shown>>,
    frame: Arc<Mutex<String>>,
}

impl Screen {
    fn add(&self, piece: &str) -> io::Result<()> {
        locked(&self.frame).push_str(piece);
        Ok(())
    }

    fn move_cursor(&self, steps: usize, direction: char) -> io::Result<()> {
        match steps {
            0 => Ok(()), // As a parameter, 0 means 1.
            _ => self.add(&format!("\x1b[{steps}{direction}")),
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        locked(&self.shown).columns
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
        self.add(text)?;
        self.add("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        match &self.terminal {
            Some(_) if !text.is_empty() => self.add(&in_one_row(text)),
            _ => self.add(text),
        }
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add(WIPE)
    }

    fn flush(&self) -> io::Result<()> {
        let Some(terminal) = &self.terminal else {
            return Ok(());
        };
        let frame = std::mem::take(&mut *locked(&self.frame));
        // Also a bar that is cleared in the background must not touch the shell's line.
        match terminal.is_foreground() {
            true => terminal.clone().write_all(frame.as_bytes()),
            false => Ok(()),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_takes_what_the_texts_leave() {
        let line = |share| Line {
            left: "left \x1b[2m".to_owned(),
            bar: Some(share),
            right: "\x1b[m  50%".to_owned(),
        };
        let text = |share| super::text(&line(share), 22);
        assert_eq!(text(0.0), "left \x1b[2m[          ]\x1b[m  50%");
        assert_eq!(text(0.5), "left \x1b[2m[=====>    ]\x1b[m  50%");
        assert_eq!(text(1.0), "left \x1b[2m[==========]\x1b[m  50%");
    }

    #[test]
    fn columns_are_counted_as_a_terminal_does() {
        let line = Line {
            left: "日本: ".to_owned(),
            bar: Some(0.5),
            right: " ▁█".to_owned(),
        };
        assert_eq!(text(&line, 15), "日本: [==> ] ▁█");
    }
}
