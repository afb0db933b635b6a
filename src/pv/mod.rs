//! What only those need who know pv: its switches and formats, its form of the live line, several displays on one
//! terminal.
//!
//! ```text
//! args           the switches, as clap reads them         switches   what they come to
//! format         -F                                        bar        the styles of a bar
//! abbreviation   long options cut short           
//! display        pv's form of the live line                rows   -c (with sys/ledger)
//! ```
//!
//! Refuses to know more than pv: where hwm means more by an option, `cli` says so, and what hwm shows of its own is
//! `report`'s.

pub(crate) mod abbreviation;
pub(crate) mod args;
mod bar;
pub(crate) mod display;
pub(crate) mod format;
pub(crate) mod rows;
pub(crate) mod switches;
