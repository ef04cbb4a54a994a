//! Where log lines go: straight to their reader while it keeps up, else to a bounded buffer that one thread empties. Who
//! logs never waits for whoever reads the log; lines that find the buffer full are counted and dropped.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What may wait to be written, in bytes.
const MAX_WAITING: usize = 1024 * 1024;

/// Lines that have to wait are gathered for so long, and written together.
const GATHER: Duration = Duration::from_millis(5);

/// How many lines were dropped since the process started.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines were dropped, because nobody read those before them.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Writes a line at once if that is sure not to wait; says whether it did.
pub type Direct = fn(&[u8]) -> bool;

/// What a pipe that is ready takes without waiting (`PIPE_BUF`, pipe(7)).
const SURE: usize = 4096;

/// Standard error, if it is ready.
pub fn to_stderr(line: &[u8]) -> bool {
    let stderr = io::stderr();
    let is_ready = || {
        let mut polled = [PollFd::new(&stderr, PollFlags::OUT)];
        let at_once = Timespec::default();
        poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready == 1)
    };
    if line.len() > SURE || !is_ready() {
        return false;
    }
    // A log that cannot be written has nowhere to say so.
    stderr.lock().write_all(line).ok();
    true
}

/// The buffer, and the way past it.
#[derive(Debug)]
pub struct Lines {
    direct: Direct,
    waiting: Mutex<Waiting>,
    /// Told when the buffer is no longer empty, and at the end.
    news: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    dropped: u64,
    ended: bool,
    /// The thread has taken lines that are not written yet.
    writing: bool,
}

impl Lines {
    /// Starts the thread that writes to `target` what could not be written directly.
    pub fn start(
        direct: Direct,
        target: impl Write + Send + 'static,
    ) -> io::Result<(Arc<Self>, Flush)> {
        let lines = Arc::new(Self {
            direct,
            waiting: Mutex::default(),
            news: Condvar::new(),
        });
        let source = Arc::clone(&lines);
        let writer = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || source.write_all_to(target))?;
        let flush = Flush {
            lines: Arc::clone(&lines),
            writer: Some(writer),
        };
        Ok((lines, flush))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here panics half-way, so what a poisoned lock holds is whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8]) {
        let mut waiting = self.lock();
        let is_first = waiting.bytes.is_empty() && !waiting.writing;
        if is_first && (self.direct)(line) {
            return;
        }
        if waiting.bytes.len() + line.len() > MAX_WAITING {
            waiting.dropped += 1;
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // The writer waits only while there is nothing.
        let was_empty = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        drop(waiting);
        if was_empty {
            self.news.notify_one();
        }
    }

    fn write_all_to(&self, mut target: impl Write) {
        let mut taken = Vec::new();
        loop {
            let waiting = self
                .news
                .wait_while(self.lock(), |waiting| {
                    waiting.bytes.is_empty() && !waiting.ended
                })
                .unwrap_or_else(PoisonError::into_inner);
            let ended = waiting.ended;
            drop(waiting);
            if !ended {
                thread::sleep(GATHER);
            }
            let mut waiting = self.lock();
            mem::swap(&mut taken, &mut waiting.bytes);
            let dropped = mem::take(&mut waiting.dropped);
            waiting.writing = true;
            drop(waiting);
            // A log that cannot be written has nowhere to say so.
            drop(target.write_all(&taken).and_then(|()| target.flush()));
            taken.clear();
            self.lock().writing = false;
            if dropped > 0 {
                tracing::warn!(
                    event = "log-lines-dropped",
                    lines = dropped,
                    "the log was not read fast enough"
                );
            } else if ended {
                return;
            }
        }
    }
}

/// Takes one line, in one piece.
#[derive(Debug)]
pub struct Line(pub Arc<Lines>);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what waits when it goes; the log's owner holds it to the end.
#[derive(Debug)]
#[must_use = "without it the last lines are lost"]
pub struct Flush {
    lines: Arc<Lines>,
    writer: Option<JoinHandle<()>>,
}

/// How long the end of a process waits for whoever reads its log.
const LAST_WAIT: Duration = Duration::from_secs(2);

impl Drop for Flush {
    fn drop(&mut self) {
        self.lines.lock().ended = true;
        self.lines.news.notify_one();
        let Some(writer) = self.writer.take() else {
            return;
        };
        // A reader that has stalled must not keep the process from ending.
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while !writer.is_finished() && waited < LAST_WAIT {
            thread::sleep(step);
            waited += step;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader of the log that takes a piece when it is told to.
    struct Slow {
        begin: Receiver<()>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.begin.recv().map_err(io::Error::other)?;
            self.taken.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_never_waits_and_what_is_too_much_is_dropped_whole() {
        let (go, begin) = channel();
        let (taken, pieces) = channel();
        let (lines, flush) = Lines::start(|_| false, Slow { begin, taken }).unwrap();
        let before = dropped();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        // The reader stands still: this returns only because nobody waits for it.
        for _ in 0..4096 {
            lines.add(&line);
        }
        assert!(dropped() - before >= 2048, "{}", dropped() - before);
        // Lets it read on for good.
        for _ in 0..100 {
            go.send(()).unwrap();
        }
        let is_full = || {
            let before = dropped();
            lines.add(b"the last\n");
            dropped() > before
        };
        while is_full() {
            thread::sleep(GATHER);
        }
        drop(flush);
        let text = pieces.try_iter().flatten().collect::<Vec<u8>>();
        assert_eq!(text.len() % 1024, b"the last\n".len(), "only whole lines");
        assert!(text.ends_with(b"the last\n"));
    }

    #[test]
    fn a_stalled_reader_does_not_keep_the_process_from_ending() {
        let (go, begin) = channel();
        let (taken, _pieces) = channel();
        let (lines, flush) = Lines::start(|_| false, Slow { begin, taken }).unwrap();
        lines.add(b"nobody reads this\n");
        drop(flush);
        drop(go);
    }

    /// Stands in for a reader that is ready.
    fn ready(line: &[u8]) -> bool {
        line.starts_with(b"ready")
    }

    #[test]
    fn a_line_waits_for_those_before_it() {
        let (go, begin) = channel();
        let (taken, pieces) = channel();
        let (lines, flush) = Lines::start(ready, Slow { begin, taken }).unwrap();
        lines.add(b"ready 1\n");
        lines.add(b"slow 2\n");
        lines.add(b"ready 3\n");
        // The thread has taken what waits, and its reader stands still.
        while !lines.lock().writing {
            thread::sleep(GATHER);
        }
        lines.add(b"ready 4\n");
        go.send(()).unwrap();
        go.send(()).unwrap();
        drop(flush);
        let text = pieces.try_iter().flatten().collect::<Vec<u8>>();
        assert_eq!(text, b"slow 2\nready 3\nready 4\n");
    }
}
