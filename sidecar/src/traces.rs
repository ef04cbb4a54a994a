//! One span for each request to the workload API, and for each plan of the operator, sent to a collector (OTLP over
//! HTTP). Only where it is asked for.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use axum::body::Bytes;
use axum::http;
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, Tracer as _, TracerProvider as _,
};
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Checks the URL of a collector.
pub fn endpoint(text: &str) -> Result<String, String> {
    let is_http = text.parse::<http::Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("http") && uri.host().is_some() && uri.query().is_none()
    });
    if is_http {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(format!(
            "{text} is not the http:// URL of a collector, as http://127.0.0.1:4318; for one that wants TLS, send to an agent on the node"
        ))
    }
}

/// Sends spans.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
}

impl Traces {
    /// Spans go to `<endpoint>/v1/traces`, gathered, from a thread of their own, under the name of a service unless
    /// `OTEL_SERVICE_NAME` gives another. A collector that does not answer costs spans and nothing else. To be called on
    /// a tokio runtime.
    pub fn start(endpoint: &str, service: &'static str) -> Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client {
                runtime: Handle::current(),
            })
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_timeout(PATIENCE)
            .build()
            .context("traces cannot be sent")?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(service);
        }
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.with_attribute(version).build())
            .build();
        Ok(Self {
            tracer: provider.tracer("mintage"),
            propagator: TraceContextPropagator::new(),
            provider,
        })
    }

    /// Begins the span of a request: under the caller's, if it sends a `traceparent`.
    pub fn begin(&self, route: &'static str, method: &str, headers: &HeaderMap) -> Traced {
        let parent = self.propagator.extract(&HeaderExtractor(headers));
        // Any text can be a method.
        let method = match method {
            known @ ("GET" | "HEAD" | "POST" | "OPTIONS" | "PUT" | "DELETE" | "PATCH") => {
                known.to_owned()
            }
            _ => "_OTHER".to_owned(),
        };
        let span = SpanBuilder::from_name(format!("{method} {route}"))
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", method),
                KeyValue::new("http.route", route),
            ]);
        Traced(self.tracer.build_with_context(span, &parent))
    }

    /// Sends a span of something that the process did by itself and that has just ended, with numbers that tell of it.
    pub fn did(&self, name: &'static str, took: Duration, counts: &[(&'static str, usize)]) {
        let ended = opentelemetry::time::now();
        let counts = counts.iter().map(|(name, count)| {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            KeyValue::new(*name, count)
        });
        let span = SpanBuilder::from_name(name)
            .with_start_time(ended.checked_sub(took).unwrap_or(ended))
            .with_attributes(counts);
        self.tracer.build(span).end_with_timestamp(ended);
    }

    /// Sends what waits; for a thread that may wait.
    pub fn finish(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(event = "traces-lost", %error, "the last spans were not sent");
        }
    }
}

/// A request that is being traced.
#[derive(Debug)]
pub struct Traced(Span);

impl Traced {
    /// The trace, for the log.
    pub fn trace_id(&self) -> String {
        self.0.span_context().trace_id().to_string()
    }

    /// Ends the span with what came of the request.
    pub fn end(mut self, status: StatusCode, refused_by: Option<&'static str>) {
        let code = i64::from(status.as_u16());
        self.0
            .set_attribute(KeyValue::new("http.response.status_code", code));
        if let Some(rule) = refused_by {
            self.0.set_attribute(KeyValue::new("mintage.rule", rule));
        }
        if status.is_server_error() {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

/// The exporter's thread has no runtime; its requests are made on the process's own.
#[derive(Debug)]
struct Client {
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        self.runtime
            .spawn(async { timeout(PATIENCE, send(request)).await? })
            .await?
    }
}

/// What a collector may answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// One request on a connection of its own: there is one every few seconds.
async fn send(mut request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
    let authority = request.uri().authority().cloned().ok_or("no authority")?;
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.ok_or("no path")?.into();
    request
        .headers_mut()
        .insert(HOST, authority.as_str().try_into()?);
    let (parts, body) = sender
        .send_request(request.map(Full::new))
        .await?
        .into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    Ok(http::Response::from_parts(parts, body))
}
