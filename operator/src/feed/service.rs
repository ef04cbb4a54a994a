//! One stream: who asks, what is sent, what is heard, and when it ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use mintage_core::{TenantRef, UnixTime};
use mintage_sidecar::feed::{MAX_REPORT, News, PATH, Report};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::book::{Newest, Standing, Wanted};
use super::review::{Caller, check_lives, review};
use super::{Feed, Served};

/// How long a sidecar may take to begin, and to take what it is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// A sidecar reports so often at most: what comes faster is not read.
const PACE: Duration = Duration::from_millis(50);

/// What a stream is answered with.
type Sent = Result<News, Status>;

/// Answers one HTTP/2 request.
pub async fn answer<B>(
    served: Arc<Served>,
    stage: Arc<watch::Sender<Stage>>,
    request: http::Request<B>,
) -> http::Response<Body>
where
    B: hyper::body::Body<Data = hyper::body::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    if request.uri().path() != PATH {
        return Status::unimplemented(format!("there is {PATH}")).into_http();
    }
    let caller = match timeout(PATIENCE, served.admit(&request)).await {
        Ok(Ok(caller)) => caller,
        Ok(Err(status)) => {
            served.refused(&status);
            return status.into_http();
        }
        Err(_) => return Status::unavailable("too many ask at once").into_http(),
    };
    stage.send_replace(Stage::Follows);
    let mut grpc =
        Grpc::new(ProstCodec::<News, Report>::default()).max_decoding_message_size(MAX_REPORT);
    let follow = Follow {
        served,
        caller,
        stage,
    };
    grpc.streaming(follow, request).await
}

impl Served {
    /// The pod that asks, if it may follow.
    async fn admit<B>(&self, request: &http::Request<B>) -> Result<Caller, Status> {
        let token = request.headers().get(AUTHORIZATION);
        let token = token.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| Status::unauthenticated("there is no token"))?;
        let turn = self.reviews.acquire().await;
        // It is never closed.
        let _turn = turn.map_err(|_| Status::unavailable("the operator is ending"))?;
        let caller = review(&self.client, token, self.clock.now()).await?;
        let snapshot = self.snapshots.borrow().clone();
        let snapshot = snapshot.ok_or_else(|| Status::unavailable("the operator is starting"))?;
        check_lives(&snapshot, &caller)?;
        Ok(caller)
    }

    fn refused(&self, status: &Status) {
        self.metrics.count_feed_refusal(status.code());
        if self.refused.is_to_be_said(Instant::now()) {
            tracing::warn!(event = "feed-refused", code = ?status.code(), reason = status.message());
        }
    }
}

/// When a refusal was last logged: whoever asks again and again is not to fill the log.
#[derive(Debug, Default)]
pub struct Refused(Mutex<Option<Instant>>);

/// A refusal is logged so often at most; the metric counts all.
const SAY_EVERY: Duration = Duration::from_secs(5);

impl Refused {
    fn is_to_be_said(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.duration_since(last) >= SAY_EVERY);
        if due {
            *last = Some(now);
        }
        due
    }
}

/// Reviews that are under way at once, at most.
pub fn reviews() -> Semaphore {
    Semaphore::new(16)
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// It has shown nothing yet.
    New,
    /// Its pod follows.
    Follows,
    /// Its stream has ended.
    Over,
}

/// A caller that follows.
struct Follow {
    served: Arc<Served>,
    caller: Caller,
    stage: Arc<watch::Sender<Stage>>,
}

impl StreamingService<Report> for Follow {
    type Response = News;
    type ResponseStream = ReceiverStream<Sent>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Report>>) -> Self::Future {
        let (send, answers) = mpsc::channel(1);
        let follower = Follower::enter(self);
        // It ends with its connection: then nothing can be read or sent.
        tokio::spawn(follower.follow(request.into_inner(), send));
        let answers = ReceiverStream::new(answers);
        Box::pin(std::future::ready(Ok(Response::new(answers))))
    }
}

/// One stream; it leaves the book with this value.
struct Follower {
    served: Arc<Served>,
    caller: Caller,
    stage: Arc<watch::Sender<Stage>>,
    number: u64,
    newest: Newest,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.feed().book().leave(&self.caller.uid, self.number);
        self.feed().reported.notify_one();
        self.served.count_streams();
        self.stage.send_replace(Stage::Over);
    }
}

impl Follower {
    fn enter(follow: &Follow) -> Self {
        let Follow {
            served,
            caller,
            stage,
        } = follow;
        let (number, newest) = served.feed.book().enter(&caller.uid, &caller.pod.namespace);
        served.count_streams();
        Self {
            served: Arc::clone(served),
            caller: caller.clone(),
            stage: Arc::clone(stage),
            number,
            newest,
        }
    }

    fn feed(&self) -> &Feed {
        &self.served.feed
    }

    async fn follow(mut self, mut reports: Streaming<Report>, send: mpsc::Sender<Sent>) {
        let served = Arc::clone(&self.served);
        let ended = tokio::select! {
            status = self.exchange(&mut reports, &send) => status,
            () = served.ended() => Status::unavailable("the operator is ending"),
        };
        tracing::debug!(event = "feed-ended", pod = %self.caller.pod, reason = ended.message());
        // Whoever does not take it has gone.
        timeout(PATIENCE, send.send(Err(ended))).await.ok();
    }

    /// Sends and hears until there is a reason to end.
    async fn exchange(
        &mut self,
        reports: &mut Streaming<Report>,
        send: &mpsc::Sender<Sent>,
    ) -> Status {
        let left = self.caller.expires_at - self.served.clock.now();
        let expired = sleep(Duration::from_secs(u64::try_from(left).unwrap_or(0)));
        tokio::pin!(expired);
        let first = Instant::now() + PATIENCE;
        let mut quiet_until = Instant::now();
        let mut has_reported = false;
        loop {
            let heard = async {
                tokio::time::sleep_until(quiet_until).await;
                reports.message().await
            };
            tokio::select! {
                report = heard => match report {
                    Ok(Some(report)) => {
                        quiet_until = Instant::now() + PACE;
                        has_reported = true;
                        if let Err(status) = self.hear(report) {
                            return status;
                        }
                    }
                    Ok(None) => return Status::cancelled("the sidecar left"),
                    Err(status) => return status,
                },
                changed = self.newest.changed() => {
                    if changed.is_err() {
                        return Status::aborted("the pod is gone, or follows by another stream");
                    }
                    let news = self.newest.borrow_and_update().clone();
                    let Some(news) = news else { continue };
                    if timeout(PATIENCE, send.send(Ok((*news).clone()))).await.is_err() {
                        return Status::deadline_exceeded("the sidecar takes nothing");
                    }
                }
                () = &mut expired => return Status::unauthenticated("the token has expired"),
                () = tokio::time::sleep_until(first), if !has_reported => {
                    return Status::deadline_exceeded("the sidecar reports nothing");
                }
            }
        }
    }

    fn hear(&self, report: Report) -> Result<(), Status> {
        let tenant = TenantRef::parse(&report.tenant)
            .map_err(|_| Status::invalid_argument("a report names a tenant, <namespace>/<name>"))?;
        let refused = Some(report.refused).filter(|reason| !reason.is_empty());
        // It is shown to people, and comes from a pod.
        let refused = refused.map(|reason| {
            let shown = reason.chars().filter(|letter| !letter.is_control());
            shown.take(200).collect()
        });
        let standing = Standing {
            tenant,
            version: report.version,
            renewed_at: UnixTime(report.renewed_at),
            refused,
        };
        let feed = self.feed();
        let wanted = feed
            .book()
            .report(&self.caller.uid, self.number, standing, Instant::now());
        if wanted == Wanted::Plan {
            feed.wanted.notify_one();
        }
        feed.reported.notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_do_not_fill_the_log() {
        let (refused, begun) = (Refused::default(), Instant::now());
        assert!(refused.is_to_be_said(begun));
        assert!(!refused.is_to_be_said(begun + SAY_EVERY - Duration::from_millis(1)));
        assert!(refused.is_to_be_said(begun + SAY_EVERY));
    }
}
