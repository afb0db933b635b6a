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

    /// What hwm needs for that client.
    fn options(&self) -> Vec<String> {
        Vec::new()
    }

    /// A text as the client wants it, in one line.
    fn wrap(text: &str) -> String {
        text.to_owned()
    }

    /// Whether the client gives the engine again what that may not have taken, so that rows may be there twice.
    const REPEATS: bool = false;

    /// Makes room for another run.
    fn empty(&mut self);

    /// The texts that the engine has now, in the order in which it took them.
    fn rows(&self) -> Vec<String>;

    /// Whether something has arrived.
    fn has_some(&self) -> bool {
        !self.rows().is_empty()
    }

    fn server(&mut self) -> &mut Server;

    /// After the server was killed.
    fn start_again(&mut self) {
        self.server().start_again();
    }
}

/// Where nothing may be lost: hwm holds little, so that the producer notices.
const BLOCK: [&str; 5] = ["-l", "-B", "64k", "--when-full", "block"];

/// Where the client, or its connection, dies.
const RESPAWN: [&str; 2] = ["--respawn", "--respawn-delay=50ms"];

/// Where records may be lost: what the producer writes while the server is stopped is more than this, and the
/// errors among it are less.
const LOSSY: [&str; 2] = ["-B", "512k"];

/// Less than is held by anybody.
const START: u64 = 300;

/// More than hwm holds where nothing may be lost, so that a client has read some of it when it is written.
const SOME: u64 = 400;

/// More than it holds where records may be lost.
const MORE: u64 = 2000;

pub fn start<E: Engine>(engine: &mut E, options: &[&str]) -> Run {
    engine.empty();
    let own = engine.options();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let options = [options, &own].concat();
    let mut run = Run::start(&options, &engine.client(), E::wrap);
    run.allow(START);
    wait_until("the engine has the first rows", || engine.has_some());
    run
}

/// The run ends well, and the engine has what it should. Errors come tenth, so the last record is one, which
/// no policy loses.
#[track_caller]
pub fn end<E: Engine>(engine: &E, mut run: Run) -> Verdict {
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
    let verdict = judge(&rows, sent, &done.summary());
    assert!(E::REPEATS || verdict.repeated == 0, "{verdict:?}");
    verdict
}

/// A server that stops for a while, with `block`: the producer waits for it, and nothing is lost.
fn a_pause_stalls_the_producer<E: Engine>(engine: &mut E) {
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

fn a_pause_loses_the_oldest<E: Engine>(engine: &mut E) {
    a_pause_loses(engine, &["--when-full", "drop-oldest"]);
}

fn a_pause_loses_no_error<E: Engine>(engine: &mut E) {
    let policy = ["--when-full", "priority", "--priority", "ERROR"];
    assert_eq!(a_pause_loses(engine, &policy).errors, 0);
}

/// A client that is killed three times: the next one begins with the first record that the dead one had not wholly
/// read, so all that is missing is what that had taken into its own memory, or had not been told is safe.
fn a_client_is_killed<E: Engine>(engine: &mut E) {
    let mut run = start(engine, &[&BLOCK[..], &RESPAWN].concat());
    for deaths in 1..=3 {
        // It has read most of these by then, and reads the others.
        run.allow(SOME);
        wait_until("it is written", || run.has_written_all());
        run.allow(SOME);
        run.kill_client();
        wait_until("it is started again", || run.count("respawn") == deaths);
    }
    wait_until("all is written", || run.has_written_all());
    let verdict = end(engine, run);
    assert!(verdict.own_runs <= 3);
    eprintln!(
        "{} records died with three clients: {}",
        verdict.own,
        engine.client()
    );
}

/// A server that is killed and started again. Meanwhile the producer waits. The client waits too, or dies and is
/// started again.
pub fn a_server_is_killed<E: Engine>(engine: &mut E) -> Verdict {
    let mut run = start(engine, &[&BLOCK[..], &RESPAWN].concat());
    run.allow(SOME);
    engine.server().kill();
    run.write_until_stalled();
    engine.start_again();
    wait_until("all is written", || run.has_written_all());
    let verdict = end(engine, run);
    assert!(verdict.own_runs <= verdict.restarts + 1);
    tell(engine, &verdict, "the server killed");
    verdict
}

/// The same where records may be lost: the producer is done before the server comes back, and the engine has a mark
/// wherever hwm lost something.
fn a_server_is_killed_and_the_oldest_are_lost<E: Engine>(engine: &mut E) {
    let mark = format!("--mark={}", E::wrap(MARK));
    let policy = ["--when-full", "drop-oldest", &mark];
    let mut run = start(engine, &[&LOSSY, &RESPAWN, &policy[..]].concat());
    run.allow(SOME);
    engine.server().kill();
    while !run.is_pressured() {
        run.write_until("loss");
        run.allow(MORE);
        wait_until("all is written", || run.has_written_all());
    }
    engine.start_again();
    wait_until("it flows", || !run.is_pressured());
    let verdict = end(engine, run);
    assert!(verdict.own_runs <= verdict.restarts + 1);
    tell(engine, &verdict, "the server killed, the oldest lost");
}

/// For the recipes: what hwm cannot know.
pub fn tell(engine: &impl Engine, verdict: &Verdict, when: &str) {
    eprintln!("{when}: {verdict:?}: {}", engine.client());
}

/// What needs no return of the server's.
pub fn all_but_its_death<E: Engine>(engine: &mut E) {
    a_pause_stalls_the_producer(engine);
    a_pause_loses_the_oldest(engine);
    a_pause_loses_no_error(engine);
    a_client_is_killed(engine);
}

pub fn all<E: Engine>(engine: &mut E) {
    all_but_its_death(engine);
    a_server_is_killed(engine);
    a_server_is_killed_and_the_oldest_are_lost(engine);
}
