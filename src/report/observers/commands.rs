//! `--on-pressure CMD`, `--on-flow CMD` and `--on-respawn CMD`: a shell command for each change of state, or of the
//! consumer, with the account in its environment.
//!
//! One command of a kind runs at a time. Of the changes that come meanwhile only the newest is kept; when the
//! command ends it is news if it differs from what the command was run for, as another consumer does. Refuses to kill: a
//! command that outlasts the run goes on alone.

use std::collections::VecDeque;
use std::env;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::config::{Observers, ReportConfig};
use crate::core::snapshot::{Snapshot, State};
use crate::memory;
use crate::report::end::End;
use crate::report::errors::StartError;
use crate::report::fields::{FIELDS, Value};
use crate::report::thread::event_name;
use crate::reporter::Event;
use crate::sys;
use crate::sys::error_channel::ErrorChannel;
use crate::sys::shell::{self, Environment};
use crate::units::{reason, seconds};

/// A command, and what it is run for.
pub struct Hook {
    event: Event,
    option: &'static str,
    words: String,
    /// What was last said of it: the same is said once.
    last_error: Option<String>,
}

/// Those for changes of state, and those for another consumer.
pub fn hooks(asked: &Observers) -> [Vec<Hook>; 2] {
    let hook = |event, option, words: &Option<String>| {
        let words = words.clone()?;
        Some(Hook {
            event,
            option,
            words,
            last_error: None,
        })
    };
    let pressure = hook(Event::Pressured, "--on-pressure", &asked.on_pressure);
    let flow = hook(Event::Flowing, "--on-flow", &asked.on_flow);
    let respawn = hook(Event::Respawn, "--on-respawn", &asked.on_respawn);
    [
        pressure.into_iter().chain(flow).collect(),
        respawn.into_iter().collect(),
    ]
}

/// The relay's side.
pub struct Commands {
    of_states: bool,
    mailbox: Arc<Mailbox>,
    end: End,
    /// The state that was last told.
    told: State,
}

impl Commands {
    /// Starts the thread that runs the commands; None where there are none.
    ///
    /// # Errors
    ///
    /// No thread can be had.
    pub fn start(
        hooks: Vec<Hook>,
        config: &ReportConfig,
        error_channel: ErrorChannel,
    ) -> Result<Option<Commands>, StartError> {
        let Some(first) = hooks.first() else {
            return Ok(None);
        };
        let of_states = first.event != Event::Respawn;
        sys::hear_children();
        let mailbox = Arc::new(Mailbox::default());
        let mut runner = Runner {
            hooks,
            name: config.name.clone(),
            error_channel,
            weight: weight(),
        };
        let their_desk = Arc::clone(&mailbox);
        let end = End::of("commands", move || {
            sys::allow_signals();
            runner.run(&their_desk);
        });
        let end = end.map_err(|error| StartError {
            what: "run commands".to_owned(),
            error,
        })?;
        Ok(Some(Commands {
            of_states,
            mailbox,
            end,
            told: State::Flowing,
        }))
    }

    /// Whether an event is one that commands are run for.
    pub fn tells(&self, event: Event) -> bool {
        match event {
            Event::Pressured | Event::Flowing => self.of_states,
            Event::Respawn => !self.of_states,
            _ => false,
        }
    }

    /// Leaves a change in the mailbox. The lock is held for no longer than it takes to move a pointer.
    pub fn tell(&mut self, event: Event, snapshot: &Snapshot) {
        if self.tells(event) {
            self.told = snapshot.state;
            let change = (event, Box::new(snapshot.clone()));
            self.mailbox.lock().put(change);
            self.mailbox.news.notify_one();
        }
    }

    /// Changes came that were not told: that of the state is news if it is not as was told last.
    pub fn catch_up(&mut self, snapshot: &Snapshot) {
        if self.of_states && snapshot.state != self.told {
            let event = match snapshot.state {
                State::Pressured => Event::Pressured,
                State::Flowing => Event::Flowing,
            };
            self.tell(event, snapshot);
        }
    }

    /// There is no more to come: what is in the mailbox is still attended to.
    pub fn close(self) -> End {
        self.mailbox.lock().is_closed = true;
        self.mailbox.news.notify_one();
        self.end
    }
}

type Change = (Event, Box<Snapshot>);

/// Where changes wait for the thread.
#[derive(Default)]
struct Mailbox {
    pending: Mutex<Pending>,
    news: Condvar,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest change, which is waited for; None when there will be none.
    fn next(&self) -> Option<Change> {
        let mut pending = self.lock();
        loop {
            let next = pending.changes.pop_front();
            if next.is_some() || pending.is_closed {
                return next;
            }
            pending = self
                .news
                .wait(pending)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The newest change, without waiting.
    fn newest(&self) -> Option<Change> {
        self.lock().changes.drain(..).next_back()
    }
}

#[derive(Default)]
struct Pending {
    /// The oldest, for a thread that has nothing to do, and the newest.
    changes: VecDeque<Change>,
    is_closed: bool,
}

impl Pending {
    fn put(&mut self, change: Change) {
        self.changes.truncate(1);
        self.changes.push_back(change);
    }
}

/// The thread's side.
struct Runner {
    hooks: Vec<Hook>,
    name: Option<String>,
    error_channel: ErrorChannel,
    /// What starting one may take.
    weight: usize,
}

/// Where memory is short each piece of an environment takes a page: name, value, both, and a place for them.
fn weight() -> usize {
    4096 * (4 * env::vars_os().count() + 256)
}

impl Runner {
    fn run(&mut self, mailbox: &Mailbox) {
        while let Some(mut change) = mailbox.next() {
            while self.attend(&change) {
                match mailbox.newest() {
                    Some(newest) if newest.0 != change.0 || newest.0 == Event::Respawn => {
                        change = newest;
                    }
                    _ => break,
                }
            }
        }
    }

    /// Runs the command for a change, to its end. Returns whether there is one.
    fn attend(&mut self, (event, snapshot): &Change) -> bool {
        let Some(hook) = self.hooks.iter_mut().find(|hook| hook.event == *event) else {
            return false;
        };
        let (option, words) = (hook.option, &hook.words);
        let run = match memory::is_there(self.weight) {
            true => shell::run(words, environment(*event, snapshot, self.name.as_deref())),
            false => Err(io::ErrorKind::OutOfMemory.into()),
        };
        let trouble = match run {
            Err(error) => Some(format!("cannot run {option} '{words}': {}", reason(&error))),
            Ok(failure) => failure.map(|how| format!("{option} '{words}' failed: {how}")),
        };
        if hook.last_error != trouble
            && let Some(trouble) = &trouble
        {
            self.error_channel.say(trouble.clone());
        }
        hook.last_error = trouble;
        true
    }
}

/// The account, for a command: what is not known is not there.
pub fn environment(event: Event, snapshot: &Snapshot, name: Option<&str>) -> Environment {
    let mut all = vec![
        ("HWM_EVENT".into(), event_name(event).map(str::to_owned)),
        ("HWM_NAME".into(), name.map(str::to_owned)),
    ];
    for field in FIELDS.iter().filter(|field| field.in_environment) {
        let name = format!("HWM_{}", field.key.to_ascii_uppercase());
        all.push((name, text((field.value)(snapshot).in_all())));
    }
    all
}

/// None where the value is not known.
fn text(value: Value) -> Option<String> {
    Some(match value {
        Value::Count(count) => count.to_string(),
        Value::Time(time) => seconds(time),
        Value::Name(name) => name.to_owned(),
        Value::State(state) => state.name().to_owned(),
        _ => return None,
    })
}
