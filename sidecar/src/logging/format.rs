//! One line for each event, with the request it belongs to.

use std::fmt::{self, Debug};
use std::io;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::context;
use crate::options::LogFormat;

impl<S, N> FormatEvent<S, N> for LogFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = event.metadata().level();
        let mut line = Fields {
            json: matches!(self, Self::Json),
            writer: writer.by_ref(),
            outcome: Ok(()),
        };
        if line.json {
            line.writer.write_str("{\"timestamp\":\"")?;
            SystemTime.format_time(&mut line.writer)?;
            write!(line.writer, "\",\"level\":\"{level}\"")?;
        } else {
            SystemTime.format_time(&mut line.writer)?;
            write!(line.writer, " {level:>5}")?;
        }
        event.record(&mut line);
        context::with(|request| {
            line.text("request_id", request.id());
            if let Some(trace) = request.trace_id() {
                line.text("trace_id", trace);
            }
        });
        let end = if line.json { "}\n" } else { "\n" };
        line.outcome?;
        writer.write_str(end)
    }
}

/// Writes fields as they come; visitors cannot fail, so the first failure is kept.
struct Fields<'a> {
    json: bool,
    writer: Writer<'a>,
    outcome: fmt::Result,
}

impl Fields<'_> {
    fn field(&mut self, name: &str, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.outcome.is_ok() {
            self.outcome = self.name(name).and_then(|()| write(&mut self.writer));
        }
    }

    fn name(&mut self, name: &str) -> fmt::Result {
        match (self.json, name) {
            (true, _) => write!(self.writer, ",\"{name}\":"),
            // In the text the event and the message speak for themselves.
            (false, "event" | "message") => self.writer.write_char(' '),
            (false, _) => write!(self.writer, " {name}="),
        }
    }

    fn text(&mut self, name: &str, value: &str) {
        let bare = !self.json && matches!(name, "event" | "message");
        self.field(name, |writer| {
            if bare {
                writer.write_str(value)
            } else {
                serde_json::to_writer(Utf8(writer), value).map_err(|_| fmt::Error)
            }
        });
    }
}

impl Visit for Fields<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field.name(), |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field.name(), |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field.name(), |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field.name(), &format!("{value:?}"));
    }
}

/// `serde_json` writes bytes, in pieces that each are text.
struct Utf8<'a, 'b>(&'a mut Writer<'b>);

impl io::Write for Utf8<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
