//! Two candidates in every order of events: requests that arrive late, answers that are lost, processes that are stopped
//! or start anew, wall clocks far apart. Time goes in thirds of the Lease's duration.
//!
//! A process that has something to do does it, and a request is answered, before time goes on; or else the delay is taken
//! from a store of delays, with enough in it to stop a process past its turn. Requests that take no time follow each other
//! in every order. In each world at most one leads, and each turn has a higher number than all before it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::Settings;
use super::candidate::{Answer, Candidate, Moment, Request, Step, Stored, Wall};

const TICK: Duration = Duration::from_secs(1);

/// The deadline lies a tick below the duration.
const SETTINGS: Settings = Settings {
    duration: Duration::from_secs(3),
    deadline: Duration::from_secs(2),
    retry: TICK,
};

/// What may happen.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Until when time goes.
    ticks: u32,
    /// How often a process or a request is late by a tick.
    delays: u8,
    /// How many answers are lost, before or after the request had its effect.
    faults: u8,
    /// How often a process ends and starts anew.
    restarts: u8,
    /// Whether the second candidate seizes the Lease.
    seizes: bool,
}

/// Everything at one moment.
#[derive(Clone, Eq, Hash, PartialEq)]
struct World {
    now: u32,
    server: Option<Stored>,
    writes: u32,
    sides: [Side; 2],
    delays: u8,
    faults: u8,
    restarts: u8,
    /// The highest epoch that led.
    epoch: Option<i32>,
}

#[derive(Clone, Eq, Hash, PartialEq)]
struct Side {
    candidate: Candidate,
    /// When its process started.
    born: u32,
    flight: Option<Flight>,
    /// The epoch of the turn that has been counted.
    counted: Option<i32>,
}

/// A request that takes time: it arrives later, or its answer does.
#[derive(Clone, Eq, Hash, PartialEq)]
struct Flight {
    request: Request,
    sent: u32,
    answer: Option<Answer>,
    /// When it goes on, at the earliest.
    due: u32,
}

impl World {
    fn new(bounds: Bounds) -> Self {
        Self {
            now: 0,
            server: None,
            writes: 0,
            sides: [0, 1].map(|number| Side {
                candidate: candidate(number, bounds),
                born: 0,
                flight: None,
                counted: None,
            }),
            delays: bounds.delays,
            faults: bounds.faults,
            restarts: bounds.restarts,
            epoch: None,
        }
    }

    fn moment(&self, side: &Side) -> Moment {
        TICK * (self.now - side.born)
    }

    /// Wall clocks are a day apart.
    fn wall(&self, number: usize) -> Wall {
        let day = 86_400_000_000 * i64::try_from(number).unwrap();
        i64::from(self.now) * 1_000_000 - day
    }

    /// Every world that one event can make of this one.
    fn successors(&self, bounds: Bounds) -> Vec<Self> {
        let mut all: Vec<Self> = self.tick(bounds).into_iter().collect();
        for number in 0..2 {
            if let Some(world) = self.sent(number) {
                let has_flight = world.sides[number].flight.is_some();
                all.extend(if has_flight {
                    world.fly(number)
                } else {
                    vec![world]
                });
            }
            all.extend(self.restart(number, bounds));
        }
        all
    }

    /// With the request of a process under way, if it has one to go on with at this moment.
    fn sent(&self, number: usize) -> Option<Self> {
        let mut next = self.clone();
        let (now, wall) = (self.moment(&self.sides[number]), self.wall(number));
        let side = &mut next.sides[number];
        if let Some(flight) = &side.flight {
            return (flight.due <= self.now).then_some(next);
        }
        match side.candidate.next(now, wall) {
            Step::Send(request) => {
                side.flight = Some(Flight {
                    request,
                    sent: self.now,
                    answer: None,
                    due: self.now,
                });
            }
            // It may have found that its turn is over.
            Step::Wait(_) => {}
        }
        (next != *self).then_some(next)
    }

    /// Time goes on. Whoever has not done by then what could be done is late.
    fn tick(&self, bounds: Bounds) -> Option<Self> {
        let late = [0, 1]
            .into_iter()
            .filter(|number| self.sent(*number).is_some());
        let late = u8::try_from(late.count()).unwrap();
        let mut next = self.clone();
        next.delays = self.delays.checked_sub(late)?;
        next.now += 1;
        (next.now <= bounds.ticks).then_some(next)
    }

    /// What can become of a request, or of its answer.
    fn fly(&self, number: usize) -> Vec<Self> {
        if self.flight(number).answer.is_some() {
            return vec![self.deliver(number)];
        }
        let arrived = self.arrive(number);
        let mut all = vec![arrived.deliver(number)];
        all.extend(self.delay(number));
        all.extend(arrived.delay(number));
        all.extend(self.lose(number));
        all.extend(arrived.lose(number));
        all
    }

    fn flight(&self, number: usize) -> &Flight {
        self.sides[number].flight.as_ref().expect("there is one")
    }

    fn flight_mut(&mut self, number: usize) -> &mut Flight {
        self.sides[number].flight.as_mut().expect("there is one")
    }

    /// A request has its effect.
    fn arrive(&self, number: usize) -> Self {
        let mut next = self.clone();
        let answer = match (&self.flight(number).request, &self.server) {
            (Request::Get | Request::Replace(..), None) => Answer::Absent,
            (Request::Get, Some(stored)) => Answer::Is(stored.clone()),
            (Request::Create(_), Some(_)) => Answer::Conflict,
            (Request::Replace(_, version), Some(stored)) if stored.version != *version => {
                Answer::Conflict
            }
            (Request::Create(record) | Request::Replace(record, _), _) => {
                next.writes += 1;
                let stored = Stored {
                    record: record.clone(),
                    version: next.writes.to_string(),
                };
                next.server = Some(stored.clone());
                Answer::Is(stored)
            }
        };
        next.flight_mut(number).answer = Some(answer);
        next
    }

    /// It takes until the next tick, at least.
    fn delay(&self, number: usize) -> Option<Self> {
        let mut next = self.clone();
        next.delays = self.delays.checked_sub(1)?;
        next.flight_mut(number).due = self.now + 1;
        Some(next)
    }

    /// The client is told nothing, whatever the effect.
    fn lose(&self, number: usize) -> Option<Self> {
        let mut next = self.clone();
        next.faults = self.faults.checked_sub(1)?;
        next.flight_mut(number).answer = Some(Answer::Unknown);
        Some(next.deliver(number))
    }

    fn deliver(&self, number: usize) -> Self {
        let mut next = self.clone();
        let now = self.moment(&self.sides[number]);
        let side = &mut next.sides[number];
        if let Some(Flight {
            request,
            sent,
            answer: Some(answer),
            ..
        }) = side.flight.take()
        {
            let sent = TICK * (sent - side.born);
            side.candidate.answered(&request, answer, sent, now, 0.0);
        }
        next
    }

    /// The process ends, and another one of the same name begins.
    fn restart(&self, number: usize, bounds: Bounds) -> Option<Self> {
        let mut next = self.clone();
        next.restarts = self.restarts.checked_sub(1)?;
        next.sides[number] = Side {
            candidate: candidate(number, bounds),
            born: self.now,
            flight: None,
            counted: None,
        };
        Some(next)
    }

    /// Whether a process believes to lead at this moment, as its guards do.
    fn leads(&self, number: usize) -> bool {
        let side = &self.sides[number];
        let now = self.moment(side);
        let begun = side.candidate.turn().is_some_and(|turn| turn.begins <= now);
        begun && side.candidate.held_until().is_some_and(|until| now < until)
    }

    /// Looks at who leads.
    fn judge(&mut self) {
        let both = self.leads(0) && self.leads(1);
        assert!(!both, "both lead at {}", self.now);
        for number in 0..2 {
            let epoch = self.sides[number].candidate.epoch();
            if self.leads(number) && self.sides[number].counted != epoch {
                assert!(epoch > self.epoch, "{epoch:?} leads after {:?}", self.epoch);
                self.epoch = epoch;
                self.sides[number].counted = epoch;
            }
        }
    }

    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        Hash::hash(self, &mut hasher);
        hasher.finish()
    }
}

fn candidate(number: usize, bounds: Bounds) -> Candidate {
    let identity = ["a", "b"][number].to_owned();
    if bounds.seizes && number == 1 {
        Candidate::seizing(identity, SETTINGS)
    } else {
        Candidate::new(identity, SETTINGS)
    }
}

/// Goes through every order, and gives the number of different worlds, and of those in which each one led.
fn explore(bounds: Bounds) -> (usize, [usize; 2]) {
    let mut seen = HashSet::new();
    let mut led = [0; 2];
    let mut waiting = vec![World::new(bounds)];
    while let Some(mut world) = waiting.pop() {
        world.judge();
        if !seen.insert(world.hash()) {
            continue;
        }
        for (number, led) in led.iter_mut().enumerate() {
            *led += usize::from(world.leads(number));
        }
        waiting.extend(world.successors(bounds));
    }
    (seen.len(), led)
}

/// Bounds, in the order of their fields.
fn check(ticks: u32, delays: u8, faults: u8, restarts: u8, seizes: bool) {
    let bounds = Bounds {
        ticks,
        delays,
        faults,
        restarts,
        seizes,
    };
    let (worlds, led) = explore(bounds);
    println!("{bounds:?}: {worlds} worlds, {led:?} with a leader");
    assert!(led.iter().all(|led| *led > 100), "{led:?} of {worlds}");
}

#[test]
fn never_two_at_once_though_processes_are_stopped() {
    check(6, 3, 0, 0, false);
}

#[test]
fn never_two_at_once_though_answers_are_lost() {
    check(5, 2, 1, 0, false);
}

#[test]
fn never_two_at_once_though_processes_start_anew() {
    check(5, 1, 0, 1, false);
}

#[test]
fn never_two_at_once_though_one_seizes_the_lease() {
    check(6, 2, 0, 0, true);
    check(5, 1, 1, 0, true);
}
