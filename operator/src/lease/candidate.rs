//! The rules of the election, as a machine: it is asked what to do next and told what came of it. It reads no clock and
//! makes no request, so that tests can try every order of events.
//!
//! ```text
//!  Looking ──free, or not renewed for its duration──► Taking ──written──► Leading ──not renewed in time,──► Looking
//!     ▲                                                 │                         somebody else's
//!     └─────────────────somebody was first──────────────┘
//! ```
//!
//! A moment is the time since the machine was made, on this process's own monotonic clock. The times in a record are the
//! writer's wall clock, for people: nothing is decided by them but whether they have changed.

use std::time::Duration;

use super::Settings;

/// A moment on this process's own clock.
pub type Moment = Duration;

/// Microseconds since 1970.
pub type Wall = i64;

/// What a Lease says.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Record {
    /// Who holds it; nobody if it was released.
    pub holder: Option<String>,
    /// How long it is to be left alone after each change.
    pub duration: Duration,
    /// How often it has gone from one turn to the next.
    pub transitions: i32,
    /// When the turn began.
    pub acquired: Wall,
    /// When the holder last showed itself.
    pub renewed: Wall,
}

/// A record as the API server keeps it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Stored {
    /// What it says.
    pub record: Record,
    /// Its resourceVersion.
    pub version: String,
}

/// A request to the API server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Request {
    /// Makes the Lease.
    Create(Record),
    /// Reads it.
    Get,
    /// Writes over one version of it.
    Replace(Record, String),
}

/// What came of a request.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Answer {
    /// There is none.
    Absent,
    /// Somebody was first.
    Conflict,
    /// So it is now.
    Is(Stored),
    /// No answer, or none that says anything. A write may have been made all the same.
    Unknown,
}

/// What to do next.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// Send this, and tell what came of it.
    Send(Request),
    /// Nothing, until then.
    Wait(Moment),
}

/// A turn of leadership.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Turn {
    /// Which one it is, or is to be from its next renewal on.
    epoch: i32,
    /// From when on nobody before it can still believe to lead.
    pub begins: Moment,
    /// When the last request that renewed it was sent.
    renewed: Moment,
    acquired: Wall,
    next: Moment,
    how: How,
}

/// How a turn is to be renewed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum How {
    /// By making the Lease, which has been deleted.
    Create,
    /// By finding out which version to replace.
    Look,
    /// By replacing the last version.
    Replace,
}

/// The last record that was seen.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Seen {
    stored: Stored,
    /// Since when it has been as it is.
    since: Moment,
    /// Whether the Lease has been deleted since.
    gone: bool,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum State {
    Leading(Turn),
    Looking { at: Moment },
    Taking,
}

/// One who stands for election.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Candidate {
    identity: String,
    settings: Settings,
    /// Takes it from whoever holds it.
    seizes: bool,
    seen: Option<Seen>,
    /// What was last sent to be written.
    wrote: Option<Record>,
    /// For how long somebody else may believe to lead after that was written.
    owed: Duration,
    state: State,
}

impl Candidate {
    /// One that knows nothing yet.
    pub fn new(identity: String, settings: Settings) -> Self {
        Self {
            identity,
            settings,
            seizes: false,
            seen: None,
            wrote: None,
            owed: Duration::ZERO,
            state: State::Looking { at: Moment::ZERO },
        }
    }

    /// One that does not wait until the Lease is free: it writes over it, and its turn begins when the other's must have
    /// ended.
    pub fn seizing(identity: String, settings: Settings) -> Self {
        Self {
            seizes: true,
            ..Self::new(identity, settings)
        }
    }

    /// The turn, if it has one.
    pub fn turn(&self) -> Option<&Turn> {
        match &self.state {
            State::Leading(turn) => Some(turn),
            State::Looking { .. } | State::Taking => None,
        }
    }

    /// The epoch of the turn, as it is stored; a higher one may be about to be.
    pub fn epoch(&self) -> Option<i32> {
        self.turn()?;
        self.seen
            .as_ref()
            .map(|seen| seen.stored.record.transitions)
    }

    /// Until when the turn lasts if it is not renewed.
    pub fn held_until(&self) -> Option<Moment> {
        self.turn()
            .map(|turn| turn.renewed + self.settings.deadline)
    }

    /// Who holds the Lease, as far as is known.
    pub fn holder(&self) -> Option<&str> {
        let seen = self.seen.as_ref().filter(|seen| !seen.gone)?;
        seen.stored.record.holder.as_deref()
    }

    /// Looks at once, whatever it was waiting for.
    pub fn stand(&mut self) {
        self.state = State::Looking { at: Moment::ZERO };
    }

    /// What to do next. A turn that was not renewed in time ends here.
    pub fn next(&mut self, now: Moment, wall: Wall) -> Step {
        let ended = self.held_until().is_some_and(|until| now >= until);
        if ended {
            self.state = State::Looking { at: now };
        }
        let request = match &self.state {
            State::Looking { at } if now < *at => return Step::Wait(*at),
            State::Looking { .. } => Request::Get,
            State::Taking => self.take(wall),
            State::Leading(turn) if now < turn.next => {
                return Step::Wait(turn.next.min(turn.renewed + self.settings.deadline));
            }
            State::Leading(turn) => self.renew(turn, wall),
        };
        if let Request::Create(record) | Request::Replace(record, _) = &request {
            self.wrote = Some(record.clone());
        }
        Step::Send(request)
    }

    fn take(&self, wall: Wall) -> Request {
        let record = |transitions| Record {
            holder: Some(self.identity.clone()),
            duration: self.settings.duration,
            transitions,
            acquired: wall,
            renewed: wall,
        };
        match &self.seen {
            None => Request::Create(record(0)),
            Some(seen) => {
                let Stored {
                    record: last,
                    version,
                } = &seen.stored;
                // A number that grows with each turn, also when the same process has the next one.
                let record = record(last.transitions.saturating_add(1));
                if seen.gone {
                    Request::Create(record)
                } else {
                    Request::Replace(record, version.clone())
                }
            }
        }
    }

    fn renew(&self, turn: &Turn, wall: Wall) -> Request {
        let last = self.wrote.as_ref().map_or(0, |record| record.renewed);
        let record = Record {
            holder: Some(self.identity.clone()),
            duration: self.settings.duration,
            transitions: turn.epoch,
            acquired: turn.acquired,
            // Others look for a change.
            renewed: if wall == last { wall + 1 } else { wall },
        };
        match (turn.how, &self.seen) {
            (How::Replace, Some(seen)) => Request::Replace(record, seen.stored.version.clone()),
            (How::Create, _) => Request::Create(record),
            (How::Look | How::Replace, _) => Request::Get,
        }
    }

    /// Takes what came of a request that was sent at a moment. `jitter`, from 0 to 1, keeps candidates apart.
    pub fn answered(
        &mut self,
        request: &Request,
        answer: Answer,
        sent: Moment,
        now: Moment,
        jitter: f64,
    ) {
        let retry = now + self.settings.retry.mul_f64(1.0 + jitter / 2.0);
        match &self.state {
            State::Looking { .. } => self.state = self.looked(answer, now, retry),
            State::Taking => {
                self.state = match answer {
                    Answer::Is(stored) => self.won(stored, sent, now),
                    // The last one may have been written though no answer came: it is looked for.
                    Answer::Absent | Answer::Conflict | Answer::Unknown => {
                        State::Looking { at: retry }
                    }
                };
            }
            State::Leading(turn) => {
                let turn = turn.clone();
                self.state = match request {
                    Request::Get => self.looked_again(turn, answer, now, retry),
                    Request::Create(_) | Request::Replace(..) => {
                        self.renewed(turn, answer, sent, now, retry)
                    }
                };
            }
        }
    }

    fn looked(&mut self, answer: Answer, now: Moment, retry: Moment) -> State {
        match answer {
            Answer::Is(stored) => self.see(stored, now),
            Answer::Absent => {
                if let Some(seen) = &mut self.seen {
                    seen.gone = true;
                }
            }
            Answer::Conflict | Answer::Unknown => return State::Looking { at: retry },
        }
        let Some(seen) = &self.seen else {
            return State::Taking;
        };
        let record = &seen.stored.record;
        let free_at = seen.since + self.leave_alone(record);
        if self.wrote.as_ref() == Some(record) {
            // What this process wrote last is still there, so nobody has led since.
            State::Taking
        } else if record.holder.is_none() || now >= free_at {
            self.owed = Duration::ZERO;
            State::Taking
        } else if self.seizes {
            self.owed = self.leave_alone(record);
            State::Taking
        } else {
            State::Looking {
                at: retry.min(free_at),
            }
        }
    }

    /// How long after its last change a record is somebody's.
    fn leave_alone(&self, record: &Record) -> Duration {
        if record.duration.is_zero() {
            self.settings.duration
        } else {
            record.duration
        }
    }

    fn won(&mut self, stored: Stored, sent: Moment, now: Moment) -> State {
        let turn = Turn {
            epoch: stored.record.transitions,
            begins: now + std::mem::take(&mut self.owed),
            renewed: sent,
            acquired: stored.record.acquired,
            next: sent + self.settings.renew(),
            how: How::Replace,
        };
        self.see(stored, sent);
        State::Leading(turn)
    }

    fn renewed(
        &mut self,
        mut turn: Turn,
        answer: Answer,
        sent: Moment,
        now: Moment,
        retry: Moment,
    ) -> State {
        match answer {
            Answer::Is(stored) => {
                self.see(stored, now);
                // From when it was sent: others may have seen it at any moment since.
                turn.renewed = sent;
                turn.next = sent + self.settings.renew();
                turn.how = How::Replace;
            }
            Answer::Absent => (turn.how, turn.next) = (How::Create, now),
            Answer::Conflict => (turn.how, turn.next) = (How::Look, now),
            Answer::Unknown => turn.next = retry,
        }
        State::Leading(turn)
    }

    fn looked_again(
        &mut self,
        mut turn: Turn,
        answer: Answer,
        now: Moment,
        retry: Moment,
    ) -> State {
        match answer {
            Answer::Is(stored) => {
                let is_own = self.is_of(&turn, &stored.record);
                self.see(stored, now);
                if !is_own {
                    return State::Looking { at: retry };
                }
                (turn.how, turn.next) = (How::Replace, now);
            }
            Answer::Absent => (turn.how, turn.next) = (How::Create, now),
            Answer::Conflict | Answer::Unknown => turn.next = retry,
        }
        State::Leading(turn)
    }

    /// Whether a record was written in this turn. The epoch may have been raised since.
    fn is_of(&self, turn: &Turn, record: &Record) -> bool {
        record.holder.as_ref() == Some(&self.identity)
            && record.acquired == turn.acquired
            && record.transitions <= turn.epoch
    }

    fn see(&mut self, stored: Stored, now: Moment) {
        match &mut self.seen {
            Some(seen) if seen.stored.record == stored.record => {
                seen.stored = stored;
                seen.gone = false;
            }
            seen => {
                *seen = Some(Seen {
                    stored,
                    since: now,
                    gone: false,
                });
            }
        }
    }

    /// Has the next renewal raise the epoch above a number that was met, at once.
    pub fn raise_above(&mut self, met: i32) {
        if let State::Leading(turn) = &mut self.state
            && turn.epoch <= met
        {
            turn.epoch = met.saturating_add(1);
            turn.next = Moment::ZERO;
        }
    }

    /// Ends the turn; what to write, so that the next candidate need not wait.
    pub fn release(&mut self, wall: Wall) -> Option<Request> {
        let State::Leading(turn) = &self.state else {
            return None;
        };
        let record = Record {
            holder: None,
            duration: self.settings.duration,
            transitions: turn.epoch,
            acquired: turn.acquired,
            renewed: wall,
        };
        let request = self
            .seen
            .as_ref()
            .map(|seen| Request::Replace(record, seen.stored.version.clone()));
        self.state = State::Looking { at: Moment::ZERO };
        request
    }
}
