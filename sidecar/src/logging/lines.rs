//! Where log lines go: a bounded buffer that one thread empties. Who logs never waits for whoever reads the log; lines
//! that find the buffer full are counted and dropped.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What may wait to be written, in bytes.
const MAX_WAITING: usize = 1024 * 1024;

/// Lines are gathered for so long: a busy process then writes many at once.
const GATHER: Duration = Duration::from_millis(5);

/// How many lines were dropped since the process started.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines were dropped, because nobody read those before them.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// The buffer.
#[derive(Debug, Default)]
pub struct Lines {
    waiting: Mutex<Waiting>,
    /// Told when the buffer is no longer empty, and at the end.
    news: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    dropped: u64,
    ended: bool,
}

impl Lines {
    /// Starts the thread that writes to `target`.
    pub fn start(target: impl Write + Send + 'static) -> io::Result<(Arc<Self>, Flush)> {
        let lines = Arc::new(Self::default());
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
            drop(waiting);
            // A log that cannot be written has nowhere to say so.
            drop(target.write_all(&taken).and_then(|()| target.flush()));
            taken.clear();
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
        let (lines, flush) = Lines::start(Slow { begin, taken }).unwrap();
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
        let (lines, flush) = Lines::start(Slow { begin, taken }).unwrap();
        lines.add(b"nobody reads this\n");
        drop(flush);
        drop(go);
    }
}
