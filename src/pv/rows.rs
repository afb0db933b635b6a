//! `-c`: rows of a terminal for several processes of one pipeline.
//!
//! Every process takes a row at its start, in the order of their numbers, which is that of the pipeline.
//! What the rows say stands in a ledger that all share, a small file with a line for each, and whoever
//! draws draws them all. The cursor rests at the first column of the first: whatever a change of the window
//! made of the rows begins there. pv asks the terminal where its cursor is, for which it changes the
//! terminal's settings; here nobody needs to know.
//!
//! The last words of a process that ended take its row's place, as many rows as they need, and are
//! no rows any more as soon as those above have ended, too. A process that has left its row but has not said
//! them yet keeps the place: all of a pipeline may end at once.
//!
//! Refuses to fail: without a ledger there are no rows, and the line is drawn as without `-c`.

use std::io::Write;
use std::path::PathBuf;

use unicode_width::UnicodeWidthChar as _;

use crate::report::display::DEFAULT_WIDTH;
use crate::report::display::parts::{clipped, without_codes};
use crate::report::painter::{WIPE, in_one_row};
use crate::sys::Files;
use crate::sys::ledger::{Entry, Ledger, State, ledger_of, own_number};
use crate::sys::report_output::{Descriptor, say};

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
    /// A row on `terminal`, taken when it is first drawn in; None without a ledger, which is none of
    /// `files`. Nobody is waited for.
    pub fn on(terminal: Descriptor, files: &Files) -> Option<Rows> {
        let path = ledger_of(&terminal)?;
        let ledger = Ledger::open(&path, files).ok()?;
        Some(Rows {
            path,
            ledger,
            terminal,
            number: own_number(),
        })
    }

    /// Draws the line in the row.
    pub fn draw(&mut self, line: &str, out: &mut dyn Write) {
        let Some(mut page) = self.turn() else {
            return;
        };
        match page.iter_mut().find(|entry| entry.is_of(self.number)) {
            Some(entry) => *entry = self.entry(line.to_owned(), State::Runs),
            None => self.put(&mut page, vec![self.entry(line.to_owned(), State::Runs)]),
        }
        self.show(page, &[], out);
    }

    /// Lets `say` write lines that stay, above all rows.
    pub fn above(&mut self, out: &mut dyn Write, say: impl FnOnce(&mut dyn Write)) {
        let Some(page) = self.turn() else {
            return say(out);
        };
        let mut said = Vec::new();
        say(&mut said);
        self.show(page, &said, out);
    }

    /// Leaves the row, which `stays` as it is or not; its place is kept for last words.
    pub fn leave(&mut self, stays: bool, out: &mut dyn Write) {
        if let Some(mut page) = self.turn() {
            let mut entries = self.without_row(&mut page, stays);
            entries.push(self.entry(String::new(), State::Leaves));
            self.put(&mut page, entries);
            self.show(page, &[], out);
        }
    }

    /// Leaves these words in the row's place, and below what it says if that `stays`.
    pub fn end(&mut self, lines: Vec<String>, stays: bool, out: &mut dyn Write) {
        let Some(mut page) = self.turn() else {
            return lines.into_iter().for_each(|line| say(out, line));
        };
        let mut entries = self.without_row(&mut page, stays);
        let words = lines.into_iter();
        entries.extend(words.map(|line| self.entry(line, State::Ended)));
        self.put(&mut page, entries);
        self.show(page, &[], out);
    }

    /// Takes our row off the page, and returns what it says as last words if that `stays`.
    fn without_row(&self, page: &mut Vec<Entry>, stays: bool) -> Vec<Entry> {
        let row = page.iter().position(|entry| entry.is_of(self.number));
        let row = row.map(|row| page.remove(row));
        let row = row.filter(|row| stays && row.state == State::Runs);
        let words = row.map(|row| self.entry(row.text, State::Ended));
        words.into_iter().collect()
    }

    /// Takes the rows off the screen until somebody draws. Last words stay: nobody may ever say them
    /// again.
    pub fn wipe(&mut self, out: &mut dyn Write) {
        if let Some(page) = self.turn() {
            let (words, page): (Vec<_>, Vec<_>) = page.into_iter().partition(Entry::is_word);
            let _ = out.write_all(&frame(&[], words));
            self.ledger.close(&page);
        }
    }

    fn entry(&self, text: String, state: State) -> Entry {
        Entry {
            number: self.number,
            state,
            text,
        }
    }

    /// Puts entries of ours above those of the processes behind us in the pipeline.
    fn put(&self, page: &mut Vec<Entry>, entries: Vec<Entry>) {
        let is_behind = |entry: &Entry| entry.number > self.number;
        let place = page.iter().position(is_behind).unwrap_or(page.len());
        page.splice(place..place, entries);
    }

    /// Shows the page, below lines that stay, and puts it back.
    fn show(&mut self, mut page: Vec<Entry>, above: &[u8], out: &mut dyn Write) {
        let settled = page.iter().take_while(|entry| entry.is_word()).count();
        let mut frame = frame(above, page.drain(..settled));
        frame.extend_from_slice(self.block(&page).as_bytes());
        let _ = out.write_all(&frame);
        self.ledger.close(&page);
    }

    /// The rows, and the way back to the first; as many as the window has.
    fn block(&self, page: &[Entry]) -> String {
        let width = self.terminal.columns().unwrap_or(DEFAULT_WIDTH);
        let height = self.terminal.rows().unwrap_or(usize::MAX);
        let mut block = String::new();
        let mut used = 0;
        for entry in page {
            let rows = match entry.state {
                State::Runs => 1,
                State::Leaves => continue,
                State::Ended => rows_of(&entry.text, width),
            };
            if used + rows > height {
                break;
            }
            if used > 0 {
                block += "\n";
            }
            block += &match entry.is_word() {
                true => format!("{}\r", entry.text),
                false => in_one_row(&clipped(&entry.text, width)),
            };
            used += rows;
        }
        match used {
            0 | 1 => block,
            rows => block + &format!("\x1b[{}A", rows - 1),
        }
    }

    /// The ledger's page, while nobody else has it. None where another job has the terminal.
    fn turn(&mut self) -> Option<Vec<Entry>> {
        if !self.terminal.is_foreground() {
            return None;
        }
        let mut page = self.ledger.turn(&self.path).ok()?;
        page.retain(|entry| entry.is_word() || entry.is_alive());
        // Last words alone are of a pipeline whose last process was killed. They are on the screen.
        match page.iter().all(Entry::is_word) {
            true => Some(Vec::new()),
            false => Some(page),
        }
    }
}

impl Drop for Rows {
    /// The last to leave takes the ledger along.
    fn drop(&mut self) {
        let Ok(mut page) = self.ledger.turn(&self.path) else {
            return;
        };
        page.retain(|entry| !entry.is_of(self.number));
        if !page.iter().any(Entry::is_alive) {
            Ledger::remove(&self.path);
        }
        self.ledger.close(&page);
    }
}

/// Wipes the rows and says, in their place, what is no row.
fn frame(above: &[u8], words: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    let mut frame = [WIPE.as_bytes(), above].concat();
    for entry in words {
        say(&mut frame, entry.text);
    }
    frame
}

/// How many rows a text takes where it may wrap.
fn rows_of(text: &str, width: usize) -> usize {
    let (mut rows, mut used) = (1, 0);
    for columns in without_codes(text).chars().filter_map(char::width) {
        if used + columns > width {
            (rows, used) = (rows + 1, 0);
        }
        used += columns;
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::sync::Arc;

    use rustix::fs::{FlockOperation, flock};
    use rustix::termios::{Winsize, tcsetwinsize};

    use super::*;
    use crate::report::emulator::Emulator;

    /// Rows with a ledger of the test's own, of a process that runs.
    fn rows(path: &Path, terminal: &Descriptor, number: u32) -> Rows {
        Rows {
            path: path.to_owned(),
            ledger: Ledger::open(path, &Files::default()).unwrap(),
            terminal: terminal.clone(),
            number,
        }
    }

    /// A folder for a ledger, and a terminal of so many columns.
    fn place(columns: u16) -> (tempfile::TempDir, PathBuf, OwnedFd, Descriptor) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (master, terminal) = crate::sys::testing::pty();
        let terminal = Descriptor::Own(Arc::new(terminal));
        resize(&terminal, columns);
        (folder, path, master, terminal)
    }

    fn resize(terminal: &Descriptor, columns: u16) {
        let size = Winsize {
            ws_row: 6,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(terminal, size).unwrap();
    }

    /// What is on the screen after what was written since.
    fn seen(screen: &mut Emulator, out: &mut Vec<u8>) -> Vec<String> {
        let written = String::from_utf8(std::mem::take(out)).unwrap();
        screen.write(written.replace('\n', "\r\n").as_bytes());
        screen.rows()
    }

    /// Numbers that are taken for as long as the test runs; in a pipeline, the first is in front.
    fn numbers() -> [u32; 2] {
        let own = std::process::id();
        assert!(own > 1);
        [1, own]
    }

    #[test]
    fn rows_are_in_the_order_of_the_pipeline_and_lines_for_people_above_them() {
        let (_folder, path, _master, terminal) = place(20);
        let [one, own] = numbers();
        let mut screen = Emulator::new(20, 6, true);
        let mut out = b"before\n".to_vec();
        // The second process comes first.
        let mut second = rows(&path, &terminal, own);
        let mut first = rows(&path, &terminal, one);
        second.draw("b", &mut out);
        first.draw("a", &mut out);
        second.draw("c", &mut out);
        assert_eq!(seen(&mut screen, &mut out), ["before", "a", "c"]);
        assert_eq!(screen.cursor(), (1, 0));
        first.above(&mut out, |out| out.write_all(b"said\n").unwrap());
        second.draw("d", &mut out);
        assert_eq!(seen(&mut screen, &mut out), ["before", "said", "a", "d"]);
        // Stopped, and continued.
        first.wipe(&mut out);
        assert_eq!(seen(&mut screen, &mut out), ["before", "said"]);
        first.draw("e", &mut out);
        assert_eq!(seen(&mut screen, &mut out), ["before", "said", "e", "d"]);
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn summaries_are_whole_in_their_place_and_the_cursor_ends_below_them() {
        let words = |who: &str| vec![format!("{who}: so many words for twenty columns")];
        let whole = |who: &str| {
            [
                format!("{who}: so many words f"),
                "or twenty columns".to_owned(),
            ]
        };
        for is_first in [true, false] {
            let (_folder, path, _master, terminal) = place(20);
            let [one, own] = numbers();
            let mut screen = Emulator::new(20, 6, true);
            let mut out = b"1\n2\n3\n4\n".to_vec();
            let mut first = rows(&path, &terminal, one);
            let mut second = rows(&path, &terminal, own);
            first.draw("a", &mut out);
            second.draw("b", &mut out);
            let before = ["1", "2", "3", "4"].map(str::to_owned);
            let (ends, goes_on) = match is_first {
                true => (&mut first, &mut second),
                false => (&mut second, &mut first),
            };
            ends.end(words("one"), false, &mut out);
            goes_on.draw("two", &mut out);
            goes_on.draw("2", &mut out);
            let (row, last) = (["2".to_owned()], whole("one"));
            let between = match is_first {
                true => [&before[..], &last, &row].concat(),
                false => [&before[..], &row, &last].concat(),
            };
            assert_eq!(seen(&mut screen, &mut out), between);
            goes_on.end(words("two"), true, &mut out);
            let end = match is_first {
                true => [&before[..], &whole("one"), &row, &whole("two")].concat(),
                false => [&before[..], &row, &whole("two"), &whole("one")].concat(),
            };
            assert_eq!(seen(&mut screen, &mut out), end);
            assert_eq!(screen.cursor(), (end.len(), 0));
        }
    }

    #[test]
    fn summaries_are_in_the_order_of_the_pipeline_whichever_comes_first() {
        let words = |who: &str| vec![format!("{who}: words")];
        let row = |who: &str| format!("{who} row");
        // As wide as the window, and with codes, which take no space.
        let drawn = |who: &str| format!("\x1b[1;31m{:<20}\x1b[m", row(who));
        for stays in [false, true] {
            for order in ["ABab", "ABba", "BAab", "BAba", "AaBb", "BbAa", "ABb-"] {
                let (_folder, path, _master, terminal) = place(20);
                let [one, own] = numbers();
                let mut screen = Emulator::new(20, 6, true);
                let mut out = Vec::new();
                let mut first = Some(rows(&path, &terminal, one));
                let mut second = Some(rows(&path, &terminal, own));
                first.as_mut().unwrap().draw(&drawn("a"), &mut out);
                second.as_mut().unwrap().draw(&drawn("b"), &mut out);
                // Capitals leave, and small letters say their last words.
                for who in order.chars() {
                    let process = match who {
                        'a' | 'A' | '-' => &mut first,
                        _ => &mut second,
                    };
                    match who {
                        'A' | 'B' => process.as_mut().unwrap().leave(stays, &mut out),
                        '-' => drop(process.take()),
                        _ => {
                            let lines = words(&who.to_string());
                            process.as_mut().unwrap().end(lines, stays, &mut out);
                            drop(process.take());
                        }
                    }
                }
                let mut expected = Vec::new();
                for who in ["a", "b"] {
                    expected.extend(stays.then(|| row(who)));
                    expected.extend(order.contains(who).then(|| words(who)[0].clone()));
                }
                let now = seen(&mut screen, &mut out);
                assert_eq!(now, expected, "{order}");
                let has_ended = !order.contains('-');
                assert!(
                    !has_ended || screen.cursor() == (expected.len(), 0),
                    "{order}"
                );
            }
        }
    }

    #[test]
    fn a_window_that_changes_its_width_leaves_nothing_behind() {
        for folds in [true, false] {
            let (_folder, path, _master, terminal) = place(20);
            let [one, own] = numbers();
            let mut screen = Emulator::new(20, 6, folds);
            let mut out = b"above\n".to_vec();
            let mut first = rows(&path, &terminal, one);
            let mut second = rows(&path, &terminal, own);
            first.draw("a line of twenty col", &mut out);
            second.draw("b line of twenty col", &mut out);
            seen(&mut screen, &mut out);
            resize(&terminal, 8);
            screen.resize(8);
            first.draw("a line", &mut out);
            let now = seen(&mut screen, &mut out);
            assert_eq!(now, ["above", "a line", "b line o"], "folds: {folds}");
            resize(&terminal, 20);
            screen.resize(20);
            second.draw("b again of twenty co", &mut out);
            let now = seen(&mut screen, &mut out);
            assert_eq!(now, ["above", "a line", "b again of twenty co"]);
        }
    }

    #[test]
    fn no_more_rows_are_drawn_than_the_window_has() {
        let (_folder, path, _master, terminal) = place(20);
        let [one, own] = numbers();
        let mut screen = Emulator::new(20, 6, true);
        let mut out = Vec::new();
        rows(&path, &terminal, one).draw("a", &mut out);
        let mut second = rows(&path, &terminal, own);
        let lines: String = (1..=8).map(|number| format!("1 runs {number}\n")).collect();
        std::fs::write(&path, lines).unwrap();
        for _ in 0..3 {
            second.draw("b", &mut out);
        }
        assert_eq!(seen(&mut screen, &mut out), ["1", "2", "3", "4", "5", "6"]);
    }

    #[test]
    fn rows_of_processes_that_are_gone_are_removed() {
        let (_folder, path, _master, terminal) = place(20);
        // No process has so high a number.
        std::fs::write(&path, "999999999 runs a\n999999999 ended b\n0\n").unwrap();
        let mut screen = Emulator::new(20, 6, true);
        let mut out = Vec::new();
        let [_, own] = numbers();
        rows(&path, &terminal, own).draw("c", &mut out);
        assert_eq!(seen(&mut screen, &mut out), ["c"]);
    }

    #[test]
    fn a_peer_that_was_stopped_while_it_held_the_ledger_is_not_waited_for() {
        let (_folder, path, _master, terminal) = place(20);
        let [one, own] = numbers();
        let mut rows = rows(&path, &terminal, one);
        let mut out = Vec::new();
        rows.draw("a", &mut out);
        let peer = File::open(&path).unwrap();
        flock(&peer, FlockOperation::LockExclusive).unwrap();
        out.clear();
        rows.draw("b", &mut out);
        assert_eq!(out, b"", "the page is the peer's");
        rows.end(vec!["the end".to_owned()], false, &mut out);
        assert_eq!(out, b"the end\n");
        drop(rows);
        drop(peer);
        let mut rows = self::rows(&path, &terminal, own);
        out.clear();
        rows.draw("c", &mut out);
        assert!(String::from_utf8(out).unwrap().contains('c'));
    }
}
