//! The rules, one by one, and the task with a Lease in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use mintage_sidecar::clock::SystemClock;
use tokio::time::{Instant, sleep, timeout};

use super::candidate::{Answer, Moment, Record, Request, Step, Stored, Wall};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: f64) -> Moment {
    Duration::from_secs_f64(seconds)
}

fn candidate() -> Candidate {
    Candidate::new("me".to_owned(), Settings::default())
}

fn record(holder: &str, transitions: i32, renewed: Wall) -> Record {
    Record {
        holder: (!holder.is_empty()).then(|| holder.to_owned()),
        duration: SECOND * 15,
        transitions,
        acquired: 1,
        renewed,
    }
}

fn stored(record: Record, version: u32) -> Answer {
    Answer::Is(Stored {
        record,
        version: version.to_string(),
    })
}

/// Has the candidate send its next request, and tells it what came of that at once.
fn answer(candidate: &mut Candidate, now: f64, answer: Answer) -> Request {
    let Step::Send(request) = candidate.next(at(now), micros(now)) else {
        panic!("it waits at {now}");
    };
    candidate.answered(&request, answer, at(now), at(now), 0.0);
    request
}

/// Lets the candidate write, with success.
fn write(candidate: &mut Candidate, now: f64, version: u32) -> Record {
    let Step::Send(request) = candidate.next(at(now), micros(now)) else {
        panic!("it waits at {now}");
    };
    let (Request::Create(record) | Request::Replace(record, _)) = &request else {
        panic!("{request:?}");
    };
    let record = record.clone();
    let is = stored(record.clone(), version);
    candidate.answered(&request, is, at(now), at(now), 0.0);
    record
}

fn waits_until(candidate: &mut Candidate, now: f64) -> Moment {
    match candidate.next(at(now), micros(now)) {
        Step::Wait(until) => until,
        Step::Send(request) => panic!("{request:?} at {now}"),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "small numbers")]
fn micros(seconds: f64) -> Wall {
    (seconds * 1e6) as Wall
}

/// One that leads since a moment, with version 1.
fn leader(now: f64) -> Candidate {
    let mut candidate = candidate();
    answer(&mut candidate, now, Answer::Absent);
    write(&mut candidate, now, 1);
    candidate
}

#[test]
fn the_first_one_creates_the_lease() {
    let mut candidate = candidate();
    assert_eq!(answer(&mut candidate, 0.0, Answer::Absent), Request::Get);
    let written = write(&mut candidate, 0.0, 1);
    assert_eq!(written.holder.as_deref(), Some("me"));
    assert_eq!(written.duration, SECOND * 15);
    assert_eq!(candidate.epoch(), Some(0));
    assert_eq!(waits_until(&mut candidate, 0.0), at(5.0));
    assert_eq!(candidate.held_until(), Some(at(10.0)));
}

#[test]
fn who_loses_the_race_to_create_it_looks_again() {
    let mut candidate = candidate();
    answer(&mut candidate, 0.0, Answer::Absent);
    answer(&mut candidate, 0.0, Answer::Conflict);
    assert!(candidate.turn().is_none());
    assert_eq!(waits_until(&mut candidate, 0.0), at(2.0));
    let others = stored(record("other", 0, 5), 1);
    assert_eq!(answer(&mut candidate, 2.0, others), Request::Get);
    assert_eq!(candidate.holder(), Some("other"));
}

#[test]
fn only_a_change_counts_and_only_by_the_own_clock() {
    // Renewed in the year 2100, or in 1970: wall clocks say nothing.
    for renewed in [4_102_444_800_000_000, 0] {
        let mut candidate = candidate();
        answer(&mut candidate, 1.0, stored(record("other", 3, renewed), 7));
        answer(&mut candidate, 15.9, stored(record("other", 3, renewed), 7));
        assert_eq!(waits_until(&mut candidate, 15.9), at(16.0));
        answer(&mut candidate, 16.0, stored(record("other", 3, renewed), 7));
        let taken = write(&mut candidate, 16.0, 8);
        assert_eq!(taken.transitions, 4);
        assert_eq!(candidate.epoch(), Some(4));
    }
}

#[test]
fn a_renewal_that_is_seen_starts_the_wait_anew() {
    let mut candidate = candidate();
    answer(&mut candidate, 0.0, stored(record("other", 3, 1), 7));
    answer(&mut candidate, 14.0, stored(record("other", 3, 2), 8));
    answer(&mut candidate, 28.0, stored(record("other", 3, 2), 8));
    assert_eq!(waits_until(&mut candidate, 28.0), at(29.0));
    // What others write beside the record is no renewal.
    answer(&mut candidate, 29.0, stored(record("other", 3, 2), 9));
    let Step::Send(Request::Replace(_, version)) = candidate.next(at(29.0), 0) else {
        panic!("it does not take over");
    };
    assert_eq!(version, "9");
}

#[test]
fn a_released_lease_is_taken_at_once() {
    let mut candidate = candidate();
    answer(&mut candidate, 0.0, stored(record("", 3, 1), 7));
    assert_eq!(write(&mut candidate, 0.0, 8).transitions, 4);
}

#[test]
fn a_lease_under_the_own_name_is_somebody_elses() {
    // The container has been restarted, or somebody gave two processes one name.
    let mut candidate = candidate();
    answer(&mut candidate, 0.0, stored(record("me", 3, 1), 7));
    assert_eq!(waits_until(&mut candidate, 0.0), at(2.0));
}

#[test]
fn a_turn_counts_from_when_its_request_was_sent() {
    let mut candidate = leader(0.0);
    let Step::Send(renewal) = candidate.next(at(5.0), micros(5.0)) else {
        panic!("it does not renew");
    };
    let Request::Replace(record, version) = &renewal else {
        panic!("{renewal:?}");
    };
    assert_eq!(version, "1");
    let is = stored(record.clone(), 2);
    candidate.answered(&renewal, is, at(5.0), at(9.0), 0.0);
    assert_eq!(candidate.held_until(), Some(at(15.0)));
    assert_eq!(waits_until(&mut candidate, 9.0), at(10.0));
}

#[test]
fn without_answers_the_turn_ends_at_the_deadline() {
    let mut candidate = leader(0.0);
    for now in [5.0, 7.0, 9.0] {
        answer(&mut candidate, now, Answer::Unknown);
        assert!(candidate.turn().is_some());
    }
    assert_eq!(waits_until(&mut candidate, 9.0), at(10.0));
    candidate.next(at(10.0), 0);
    assert!(candidate.turn().is_none());
}

#[test]
fn who_was_stopped_past_the_deadline_finds_the_turn_over() {
    let mut candidate = leader(0.0);
    assert_eq!(candidate.next(at(3600.0), 0), Step::Send(Request::Get));
    assert!(candidate.turn().is_none());
}

#[test]
fn a_renewal_whose_answer_was_lost_is_recognised() {
    let mut candidate = leader(0.0);
    let Step::Send(Request::Replace(renewed, _)) = candidate.next(at(5.0), micros(5.0)) else {
        panic!("it does not renew");
    };
    let request = Request::Replace(renewed.clone(), "1".to_owned());
    candidate.answered(&request, Answer::Unknown, at(5.0), at(6.0), 0.0);
    answer(&mut candidate, 8.0, Answer::Conflict);
    assert_eq!(
        answer(&mut candidate, 8.0, stored(renewed, 2)),
        Request::Get
    );
    let Step::Send(Request::Replace(_, version)) = candidate.next(at(8.0), 0) else {
        panic!("it does not renew");
    };
    assert_eq!(version, "2");
}

#[test]
fn somebody_elses_record_ends_the_turn() {
    let mut candidate = leader(0.0);
    answer(&mut candidate, 5.0, Answer::Conflict);
    assert!(candidate.turn().is_some());
    answer(&mut candidate, 5.0, stored(record("other", 1, 9), 3));
    assert!(candidate.turn().is_none());
    assert_eq!(waits_until(&mut candidate, 5.0), at(7.0));
}

#[test]
fn a_deleted_lease_is_made_again_under_the_same_epoch() {
    let mut candidate = candidate();
    answer(&mut candidate, 0.0, stored(record("", 3, 1), 7));
    write(&mut candidate, 0.0, 8);
    answer(&mut candidate, 5.0, Answer::Absent);
    let Step::Send(Request::Create(record)) = candidate.next(at(5.0), micros(5.0)) else {
        panic!("it does not create");
    };
    assert_eq!(record.transitions, 4);
    // Unless somebody was first.
    let request = Request::Create(record);
    candidate.answered(&request, Answer::Conflict, at(5.0), at(5.0), 0.0);
    answer(&mut candidate, 5.0, stored(self::record("other", 0, 9), 9));
    assert!(candidate.turn().is_none());
}

#[test]
fn the_holder_of_a_lease_that_was_deleted_still_leads_for_a_while() {
    let mut candidate = candidate();
    answer(&mut candidate, 0.0, stored(record("other", 3, 1), 7));
    answer(&mut candidate, 2.0, Answer::Absent);
    assert_eq!(candidate.holder(), None);
    assert_eq!(waits_until(&mut candidate, 2.0), at(4.0));
    answer(&mut candidate, 15.0, Answer::Absent);
    assert_eq!(write(&mut candidate, 15.0, 8).transitions, 4);
}

#[test]
fn the_next_turn_of_one_process_has_a_number_of_its_own() {
    let mut candidate = leader(0.0);
    let last = write(&mut candidate, 5.0, 2);
    assert_eq!(candidate.next(at(60.0), 0), Step::Send(Request::Get));
    // Nobody has led meanwhile, so it need not wait.
    answer(&mut candidate, 60.0, stored(last, 2));
    write(&mut candidate, 60.0, 3);
    assert_eq!(candidate.epoch(), Some(1));
}

#[test]
fn a_seized_turn_begins_when_the_others_has_ended() {
    let mut candidate = Candidate::seizing("me".to_owned(), Settings::default());
    answer(&mut candidate, 0.0, stored(record("other", 3, 1), 7));
    write(&mut candidate, 1.0, 8);
    assert_eq!(candidate.turn().unwrap().begins, at(16.0));
    let mut free = Candidate::seizing("me".to_owned(), Settings::default());
    answer(&mut free, 0.0, Answer::Absent);
    write(&mut free, 1.0, 8);
    assert_eq!(free.turn().unwrap().begins, at(1.0));
}

#[test]
fn an_epoch_is_raised_by_a_write() {
    let mut candidate = leader(0.0);
    candidate.raise_above(41);
    assert_eq!(candidate.epoch(), Some(0), "not before it is written");
    assert_eq!(write(&mut candidate, 1.0, 2).transitions, 42);
    assert_eq!(candidate.epoch(), Some(42));
    candidate.raise_above(7);
    assert_eq!(waits_until(&mut candidate, 1.0), at(6.0));
}

#[test]
fn a_renewal_always_changes_the_record() {
    let mut candidate = leader(0.0);
    let first = write(&mut candidate, 5.0, 2);
    // The wall clock stands still.
    let Step::Send(Request::Replace(second, _)) = candidate.next(at(10.0), first.renewed) else {
        panic!("it does not renew");
    };
    assert_ne!(first, second);
}

#[test]
fn settings_that_let_two_lead_are_refused() {
    assert_eq!(Settings::default().check(), Ok(()));
    for wrong in [
        Settings {
            deadline: SECOND * 15,
            ..Settings::default()
        },
        Settings {
            duration: Duration::from_millis(15_500),
            ..Settings::default()
        },
        Settings {
            retry: SECOND * 6,
            ..Settings::default()
        },
        Settings {
            retry: Duration::ZERO,
            ..Settings::default()
        },
    ] {
        assert!(wrong.check().is_err(), "{wrong:?}");
    }
}

/// A Lease in memory, at an API server that may be away.
#[derive(Default)]
pub struct Memory {
    lease: Mutex<Option<Stored>>,
    away: AtomicBool,
}

impl Store for Arc<Memory> {
    async fn ask(&self, request: &Request) -> Answer {
        if self.away.load(Ordering::SeqCst) {
            return Answer::Unknown;
        }
        let mut lease = self.lease.lock().unwrap();
        let version = lease.as_ref().map(|stored| stored.version.clone());
        let record = match (request, &version) {
            (Request::Get, _) => return lease.clone().map_or(Answer::Absent, Answer::Is),
            (Request::Create(record), None) => record,
            (Request::Replace(record, known), Some(version)) if known == version => record,
            (Request::Replace(..), None) => return Answer::Absent,
            (Request::Create(_) | Request::Replace(..), Some(_)) => return Answer::Conflict,
        };
        let number: u32 = version.map_or(0, |version| version.parse().unwrap());
        let stored = Stored {
            record: record.clone(),
            version: (number + 1).to_string(),
        };
        *lease = Some(stored.clone());
        Answer::Is(stored)
    }
}

impl Memory {
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub fn holder(&self) -> Option<String> {
        self.lease.lock().unwrap().as_ref()?.record.holder.clone()
    }
}

const QUICK: Settings = Settings {
    duration: Duration::from_millis(600),
    deadline: Duration::from_millis(450),
    retry: Duration::from_millis(50),
};

pub fn election(memory: &Arc<Memory>, identity: &str) -> Election {
    let candidate = Candidate::new(identity.to_owned(), QUICK);
    Election::start(Arc::clone(memory), candidate, QUICK, Arc::new(SystemClock))
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(SECOND * 20, future)
        .await
        .expect("it takes too long")
}

#[tokio::test]
async fn a_turn_lasts_while_it_is_renewed_and_is_handed_over_at_once() {
    let memory = Arc::new(Memory::default());
    let (first, second) = (election(&memory, "a"), election(&memory, "b"));
    let turn = soon(first.lead()).await;
    let other = tokio::spawn(async move { (second.lead().await, second) });
    sleep(QUICK.duration * 3).await;
    assert!(turn.is_held());
    assert!(!other.is_finished());
    assert_eq!(memory.holder().as_deref(), Some("a"));
    turn.release().await;
    assert!(!turn.is_held());
    let released = Instant::now();
    let (next, second) = soon(other).await.unwrap();
    assert!(
        released.elapsed() < QUICK.duration,
        "it waited for the end of the Lease"
    );
    assert!(next.is_held());
    assert!(next.epoch() > turn.epoch());
    drop(next);
    soon(second.finish()).await;
    assert_eq!(
        memory.holder(),
        None,
        "dropping the turn releases the Lease"
    );
}

#[tokio::test]
async fn a_turn_that_cannot_be_renewed_is_lost_and_can_be_had_again() {
    let memory = Arc::new(Memory::default());
    let election = election(&memory, "a");
    let turn = soon(election.lead()).await;
    memory.set_away(true);
    soon(turn.lost()).await;
    assert!(!turn.is_held());
    assert!(timeout(QUICK.duration, election.lead()).await.is_err());
    memory.set_away(false);
    let next = soon(election.lead()).await;
    assert!(next.is_held() && next.epoch() > turn.epoch());
    assert!(!turn.is_held(), "a guard of an earlier turn stays shut");
}

#[tokio::test]
async fn a_guard_shuts_by_itself_though_nothing_runs() {
    let memory = Arc::new(Memory::default());
    let turn = soon(election(&memory, "a").lead()).await;
    // On a runtime with one thread: nothing else runs meanwhile, as when the process is stopped.
    std::thread::sleep(QUICK.deadline);
    assert!(!turn.is_held());
}

#[tokio::test]
async fn who_no_longer_waits_holds_nothing() {
    let memory = Arc::new(Memory::default());
    let (first, second) = (election(&memory, "a"), election(&memory, "b"));
    let turn = soon(first.lead()).await;
    assert!(timeout(QUICK.retry, second.lead()).await.is_err());
    soon(second.finish()).await;
    turn.release().await;
    sleep(QUICK.retry * 4).await;
    assert_eq!(memory.holder(), None);
}

#[tokio::test]
async fn the_epoch_is_raised_above_what_was_met() {
    let memory = Arc::new(Memory::default());
    let turn = soon(election(&memory, "a").lead()).await;
    assert!(soon(turn.raise_above(41)).await);
    assert_eq!(turn.epoch(), 42);
    assert!(soon(turn.raise_above(7)).await);
    assert_eq!(turn.epoch(), 42);
    let stored = memory.lease.lock().unwrap().clone().unwrap();
    assert_eq!(stored.record.transitions, 42);
}

#[tokio::test]
async fn a_turn_that_is_left_keeps_others_out_for_the_duration() {
    let memory = Arc::new(Memory::default());
    let election = election(&memory, "a");
    let turn = soon(election.lead()).await;
    turn.leave().await;
    assert!(!turn.is_held());
    assert_eq!(memory.holder().as_deref(), Some("a"));
}

#[tokio::test]
async fn seizing_waits_until_the_other_has_stopped() {
    let memory = Arc::new(Memory::default());
    let first = election(&memory, "a");
    let turn = soon(first.lead()).await;
    let candidate = Candidate::seizing("b".to_owned(), QUICK);
    let second = Election::start(Arc::clone(&memory), candidate, QUICK, Arc::new(SystemClock));
    let seized = soon(second.lead()).await;
    assert!(!turn.is_held());
    assert!(seized.is_held());
    soon(turn.lost()).await;
}
