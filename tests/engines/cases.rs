//! What is done to each engine, and what hwm promises meanwhile.

use crate::common::wait_until;
use crate::judge::{Verdict, judge};
use crate::records::{ERRORS, MARK};
use crate::run::Run;
use crate::server::Server;

/// What the cases ask of an engine.
pub trait Engine {
    /// The client that reads lines, as in the man page.
    fn client(&self) -> String;

    /// A text as the client wants it, in one line.
    fn wrap(text: &str) -> String {
        text.to_owned()
    }

    /// Makes room for another run.
    fn empty(&mut self);

    /// The texts that the engine has now, in the order in which it took them.
    fn rows(&self) -> Vec<String>;

    /// Whether something has arrived.
    fn has_some(&self) -> bool {
        !self.rows().is_empty()
    }

    fn server(&mut self) -> &mut Server;
}

/// Where nothing may be lost: hwm holds little, so that the producer notices.
const BLOCK: [&str; 5] = ["-l", "-B", "64k", "--when-full", "block"];

/// Where records may be lost: what the producer writes while the server is stopped is more than this, and the
/// errors among it are less.
const LOSSY: [&str; 2] = ["-B", "512k"];

/// Less than is held by anybody.
const START: u64 = 300;

/// More than hwm holds.
const MORE: u64 = 2000;

fn start<E: Engine>(engine: &mut E, options: &[&str]) -> Run {
    engine.empty();
    let mut run = Run::start(options, &engine.client(), E::wrap);
    run.allow(START);
    wait_until("the engine has the first rows", || engine.has_some());
    run
}

/// The run ends well, and the engine has what it should. Errors come tenth, so the last record is one, which
/// no policy loses.
#[track_caller]
fn end<E: Engine>(engine: &E, mut run: Run) -> Verdict {
    run.allow(ERRORS);
    let (done, sent) = run.finish();
    let done = done.expect(0);
    assert!(sent.is_multiple_of(ERRORS));
    // Some engines show a row only a moment after their client has gone.
    let mut rows = Vec::new();
    let last = crate::records::text(sent);
    wait_until("the engine has the last row", || {
        rows = engine.rows();
        rows.last() == Some(&last)
    });
    judge(&rows, sent, &done.summary())
}

/// A server that stops for a while, with `block`: the producer waits for it, and nothing is lost.
pub fn a_pause_stalls_the_producer<E: Engine>(engine: &mut E) {
    let mut run = start(engine, &BLOCK);
    engine.server().pause();
    run.write_until_stalled();
    engine.server().resume();
    wait_until("the rest is written", || run.has_written_all());
    assert_eq!(end(engine, run).own, 0);
}

/// A server that stops for a while, with a policy that loses records: the producer is done before the server goes
/// on, and the engine has a mark wherever something is missing.
fn a_pause_loses<E: Engine>(engine: &mut E, policy: &[&str]) -> Verdict {
    let mark = format!("--mark={}", E::wrap(MARK));
    let options = [&LOSSY, policy, &[&mark]].concat();
    let mut run = start(engine, &options);
    engine.server().pause();
    // What the sockets still take may let it flow once more.
    while !run.is_pressured() {
        run.write_until("loss");
        run.allow(MORE);
        wait_until("all is written", || run.has_written_all());
    }
    engine.server().resume();
    wait_until("it flows", || !run.is_pressured());
    let verdict = end(engine, run);
    assert_eq!(verdict.own, 0);
    verdict
}

pub fn a_pause_loses_the_oldest<E: Engine>(engine: &mut E) {
    a_pause_loses(engine, &["--when-full", "drop-oldest"]);
}

pub fn a_pause_loses_no_error<E: Engine>(engine: &mut E) {
    let policy = ["--when-full", "priority", "--priority", "ERROR"];
    assert_eq!(a_pause_loses(engine, &policy).errors, 0);
}

/// All of these.
pub fn pauses<E: Engine>(engine: &mut E) {
    a_pause_stalls_the_producer(engine);
    a_pause_loses_the_oldest(engine);
    a_pause_loses_no_error(engine);
}
