//! What pv's display switches ask for: which parts, in which order and in which units.
//!
//! Plain values, like all of `config`: `cli` reads the format, `report` fills it in.

/// A display of pv's form: text and parts, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Display {
    /// Text and parts; none where all that was asked for is unknown, such as the time left.
    pub pieces: Vec<Piece>,
    /// `-n`: plain numbers, a line for each report.
    pub numeric: bool,
    /// `-k`: count in 1000 rather than in 1024.
    pub decimal: bool,
    /// `-8`: count in bits rather than in bytes.
    pub bits: bool,
    /// `-g`: without a known size the bar shows the rate as a share of the highest so far.
    pub gauge: bool,
    /// `-u`: how a bar is drawn where the format does not say.
    pub style: BarStyle,
    /// `-m`: seconds that the average rate looks back on; at least 1.
    pub window: u64,
}

impl Display {
    /// How many of the bytes last written are shown at most, and whether the last line is.
    pub fn output_tail(&self) -> TailNeeds {
        let mut output_tail = TailNeeds::default();
        for piece in &self.pieces {
            match piece {
                Piece::Part {
                    part: Part::LastWritten,
                    width,
                } => output_tail.last_written = output_tail.last_written.max(*width),
                Piece::Part {
                    part: Part::PreviousLine,
                    ..
                } => output_tail.previous_line = true,
                _ => {}
            }
        }
        output_tail
    }
}

/// A piece of a display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is; the user may have put control characters there.
    Text(String),
    /// To be filled in.
    Part {
        /// With what.
        part: Part,
        /// The number typed in front of it, at most [`Piece::WIDEST`]; 0 for none.
        width: usize,
    },
}

impl Piece {
    /// No part is asked to be wider, or to show more bytes.
    pub const WIDEST: usize = 1024;
}

/// What a display can show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A bar between brackets, with the share done or the highest rate behind it.
    Progress,
    /// The bar alone, in this style or in that of `-u`.
    Bar(Option<BarStyle>),
    /// What stands behind the bar, alone.
    Amount,
    /// The time since the start.
    Timer,
    /// The time left.
    Eta,
    /// The time of day at the end.
    FinEta,
    /// The rate since the last report.
    Rate,
    /// The rate over the last while.
    AverageRate,
    /// How much was transferred.
    Bytes,
    /// How many times the other side's amount is this one's, which there is only with `-M both`.
    Ratio,
    /// How full the buffer is, in percent.
    BufferPercent,
    /// The bytes last written.
    LastWritten,
    /// The line last written.
    PreviousLine,
    /// The name of `-N`.
    Name,
    /// Colours and the like: codes of ECMA-48's SGR.
    Sgr(Vec<u8>),
    /// hwm's own: the gauge of the buffer.
    Buffer,
    /// hwm's own: what was lost.
    Lost,
    /// hwm's own: the slow side.
    Bottleneck,
    /// hwm's own: the rate of the input.
    RateIn,
    /// hwm's own: the rate of the output.
    RateOut,
    /// hwm's own: flowing or pressured.
    State,
}

impl Part {
    /// Whether the part takes what space is left, where no width is given.
    pub fn stretches(&self) -> bool {
        matches!(self, Part::Progress | Part::Bar(_) | Part::PreviousLine)
    }
}

/// How a bar is drawn. All but the plain one need a terminal that shows UTF-8.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BarStyle {
    /// `====>`
    #[default]
    Plain,
    /// Full blocks.
    Block,
    /// Full blocks, and eighths of one at the end.
    Granular,
    /// Full blocks on a shade.
    Shaded,
}

/// What of the output has to be remembered for a display.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TailNeeds {
    /// So many of the last bytes, at most [`Piece::WIDEST`].
    pub last_written: usize,
    /// The beginning of the last whole line.
    pub previous_line: bool,
}

impl TailNeeds {
    /// Whether anything is to be remembered. If not, bytes need not be looked at.
    pub fn is_wanted(self) -> bool {
        self.last_written > 0 || self.previous_line
    }
}
