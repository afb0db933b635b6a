//! A small terminal, for tests: what the bytes that hwm and a shell write leave on a screen.
//!
//! Knows just the sequences that they use, and refuses others. Everything that scrolls off stays to be
//! looked at.

/// See the module's header.
pub struct Emulator {
    width: usize,
    height: usize,
    /// Whether a change of the width folds the lines anew, as in tmux and most others, or cuts them, as in
    /// xterm.
    folds: bool,
    rows: Vec<Row>,
    row: usize,
    column: usize,
    /// The first row that is still on the screen.
    top: usize,
    /// DECAWM.
    wraps: bool,
    /// A sequence that is not complete yet, without its ESC.
    sequence: Option<String>,
    /// A character that is not complete yet.
    bytes: Vec<u8>,
}

#[derive(Clone, Default)]
struct Row {
    cells: Vec<char>,
    /// The line goes on in the next row.
    continues: bool,
}

impl Emulator {
    pub fn new(width: usize, height: usize, folds: bool) -> Self {
        Self {
            width,
            height,
            folds,
            rows: vec![Row::default()],
            row: 0,
            column: 0,
            top: 0,
            wraps: true,
            sequence: None,
            bytes: Vec::new(),
        }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let complete = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let rest = self.bytes.split_off(complete);
        let text = String::from_utf8(std::mem::replace(&mut self.bytes, rest)).unwrap();
        text.chars().for_each(|character| self.take(character));
    }

    /// The rows so far, from the first that ever was to the last with anything in it.
    pub fn rows(&self) -> Vec<String> {
        let text = |row: &Row| row.cells.iter().collect::<String>().trim_end().to_owned();
        let mut rows: Vec<String> = self.rows.iter().map(text).collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    /// The same, with lines that went on in the next row as one.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        for (row, text) in self.rows.iter().zip(self.rows()) {
            let line = lines.last_mut().unwrap();
            match row.continues {
                true => line.extend(&row.cells),
                false => {
                    *line += &text;
                    lines.push(String::new());
                }
            }
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// The row and the column where the cursor is, the row counted as in [`Emulator::rows`].
    pub fn cursor(&self) -> (usize, usize) {
        (self.row, self.column)
    }

    pub fn resize(&mut self, width: usize) {
        self.width = width;
        match self.folds {
            true => self.fold(),
            false => self
                .rows
                .iter_mut()
                .for_each(|row| row.cells.truncate(width)),
        }
        self.column = self.column.min(width - 1);
        self.scroll();
    }

    /// Folds all lines anew; the cursor stays at its character.
    fn fold(&mut self) {
        let mut lines: Vec<Vec<char>> = vec![Vec::new()];
        let mut at = (0, 0);
        for (index, row) in self.rows.iter().enumerate() {
            let last = lines.len() - 1;
            if index == self.row {
                at = (last, lines[last].len() + self.column);
            }
            lines[last].extend(&row.cells);
            if !row.continues {
                lines.push(Vec::new());
            }
        }
        if lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        self.rows.clear();
        for (index, line) in lines.iter().enumerate() {
            if index == at.0 {
                (self.row, self.column) = (self.rows.len() + at.1 / self.width, at.1 % self.width);
            }
            let mut pieces: Vec<&[char]> = line.chunks(self.width).collect();
            if pieces.is_empty() {
                pieces.push(&[]);
            }
            let last = pieces.len() - 1;
            let rows = pieces.iter().enumerate().map(|(piece, cells)| Row {
                cells: cells.to_vec(),
                continues: piece < last,
            });
            self.rows.extend(rows);
        }
    }

    fn take(&mut self, character: char) {
        if let Some(mut sequence) = self.sequence.take() {
            sequence.push(character);
            match sequence.len() > 1 && character.is_ascii_alphabetic() {
                true => self.obey(&sequence),
                false => self.sequence = Some(sequence),
            }
            return;
        }
        match character {
            '\u{1b}' => self.sequence = Some(String::new()),
            '\r' => self.column = 0,
            '\n' => self.row += 1,
            '\u{7}' => {}
            '\u{8}' => self.column = self.column.saturating_sub(1),
            character => self.put(character),
        }
        self.scroll();
    }

    fn put(&mut self, character: char) {
        if self.column == self.width {
            match self.wraps {
                true => {
                    self.rows[self.row].continues = true;
                    (self.row, self.column) = (self.row + 1, 0);
                    self.scroll();
                }
                false => self.column -= 1,
            }
        }
        let column = self.column;
        let cells = &mut self.rows[self.row].cells;
        cells.resize(cells.len().max(column + 1), ' ');
        cells[column] = character;
        self.column += 1;
    }

    fn obey(&mut self, sequence: &str) {
        let known = sequence
            .strip_prefix('[')
            .unwrap_or_else(|| panic!("{sequence:?}"));
        let (parameter, command) = known.split_at(known.len() - 1);
        let count = parameter.parse::<usize>().unwrap_or(1);
        match (command, parameter) {
            ("A", _) => self.row = self.row.saturating_sub(count).max(self.top),
            ("B", _) => self.row = (self.row + count).min(self.top + self.height - 1),
            ("C", _) => self.column = (self.column + count).min(self.width - 1),
            ("D", _) => self.column = self.column.saturating_sub(count),
            ("K", "2") => self.rows[self.row] = Row::default(),
            ("K", "") => self.rows[self.row].cells.truncate(self.column),
            ("J", "") => {
                self.rows[self.row].cells.truncate(self.column);
                self.rows[self.row].continues = false;
                self.rows[self.row + 1..].fill(Row::default());
            }
            ("h" | "l", "?7") => self.wraps = command == "h",
            ("m", _) => {}
            _ => panic!("{sequence:?}"),
        }
        self.scroll();
    }

    /// Brings the cursor's row onto the screen.
    fn scroll(&mut self) {
        if self.rows.len() <= self.row {
            self.rows.resize(self.row + 1, Row::default());
        }
        self.top = self.top.max((self.row + 1).saturating_sub(self.height));
    }
}
