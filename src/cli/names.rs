//! The names that more than the definition of the options must know.

use clap::ValueEnum;

/// `--when-full POLICY`: the names that are built. The aliases are those of other tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PolicyName {
    /// stop reading until there is space; nothing is lost
    #[value(aliases = ["suspend", "backpressure"])]
    Block,
    /// lose the arriving record
    #[value(aliases = ["drop-new", "tail-drop"])]
    DropNewest,
    /// lose the records that waited longest
    #[value(alias = "drop-head")]
    DropOldest,
    /// lose everything that waits and start over
    DropBuffer,
    /// let only the newest record wait
    #[value(alias = "conflate")]
    Latest,
    /// while pressured let only some records pass
    Sample,
    /// lose more arrivals the more is held on average
    Red,
    /// lose what --priority says is worth least
    Priority,
    /// stop reading, write what was accepted, exit 4
    #[value(alias = "error")]
    Fail,
}

/// `--monitor SIDE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SideName {
    /// hwm before the command's input
    In,
    /// hwm behind the command's output
    Out,
    /// one hwm on each side
    Both,
}

/// `--report MODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportName {
    /// a live line, and a summary at the end
    Bar,
    /// a line of key=value each interval, and a summary
    Plain,
    /// a JSON object a line: each interval, each kind of event once an interval, a summary
    Json,
    /// a line while records are being lost, and a summary
    Summary,
    /// nothing but errors
    None,
}
