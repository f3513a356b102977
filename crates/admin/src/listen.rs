//! The two ways in: the admin socket, and the admin listener.

use crate::guard::{Guard, guarded};
use crate::{Admin, Key, Operator, Side, Way, router};
use axum::body::Body;
use axum::response::Response;
use axum::{Extension, Router};
use gateway::line::Door;
use http::header::{CONNECTION, STRICT_TRANSPORT_SECURITY};
use http::{HeaderValue, StatusCode};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use terms::{Code, Name};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transport::accept;
use transport::http::{Connections, Flaw, Found, Most, Stream};
use transport::local::Listener;
use transport::tls::{HSTS, Shaken, Tls};

/// Connections at once, of one way in.
const CONNECTIONS: usize = 64;
/// The longest time until the head of a request is complete.
const HEADER: Duration = Duration::from_secs(10);
/// The longest time in which a peer may take nothing of what is written.
const WRITE: Duration = Duration::from_secs(30);
const HEAD_BYTES: usize = 16 * 1024;
const HEAD_FIELDS: usize = 64;
/// Of these, how many may come from one source that is not this machine: nobody keeps the others from a kill.
const OF_A_SOURCE: usize = 16;
/// How long open connections may finish after `stop`.
const GRACE: Duration = Duration::from_secs(2);

/// Serves the admin socket until `stop`. Whoever may open it is an operator, called `owner`: the socket lets in only the gateway's own account.
pub async fn serve_local(admin: Arc<Admin>, listener: Listener, owner: Name, stop: CancellationToken) {
    let router = router(admin);
    let (permits, tracker) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    while let Some((stream, peer)) = accept::next(&stop, || listener.accept()).await {
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
        let operator = Operator { name: owner.clone(), way: Way::Socket { uid: peer.uid } };
        let router = router.clone().layer(Extension(operator));
        let stop = stop.clone();
        tracker.spawn(async move {
            connection(stream, router, Came::Local, stop).await;
            drop(permit);
        });
    }
    tracker.close();
    let _ = tokio::time::timeout(GRACE, tracker.wait()).await;
}

/// The admin listener, open.
pub struct Opened {
    /// Where connections come in.
    pub listener: TcpListener,
    /// Its TLS, where there is any.
    pub tls: Option<Arc<Tls>>,
    /// Hosts that requests may name beside its own address.
    pub hosts: Vec<String>,
}

/// Serves the admin listener until `stop`: the key is demanded for all but `/metrics`, `/health` and `/ready`.
///
/// # Errors
/// Those of the system, when the listener has no address.
pub async fn serve_tcp(admin: Arc<Admin>, opened: Opened, key: Arc<Key>, owner: Name, stop: CancellationToken) -> std::io::Result<()> {
    let Opened { listener, tls, hosts } = opened;
    let router =
        guarded(Arc::clone(&admin), Guard::new(key, owner, listener.local_addr()?, if tls.is_some() { "https" } else { "http" }, &hosts));
    let most = Most { total: CONNECTIONS, source: OF_A_SOURCE, loopback: CONNECTIONS };
    let (connections, tracker) = (Arc::new(Connections::new(most)), TaskTracker::new());
    while let Some((stream, address, permit)) = connections.next(&listener, &stop, |full| admin.turned_away(full)).await {
        let (router, stop, tls, admin) = (router.clone().layer(Extension(address)), stop.clone(), tls.clone(), Arc::clone(&admin));
        tracker.spawn(async move {
            match tls {
                None => connection(stream, router, Came::Clear(&admin, address), stop).await,
                Some(tls) => match tls.shake(stream, HEADER).await {
                    Ok(Shaken { stream, mut lapse, .. }) => {
                        if lapse.guard(connection(stream, router, Came::Secured(&admin, address), stop)).await.is_none() {
                            tracing::debug!("an operator's certificate is no longer good");
                        }
                    }
                    Err(fault) => {
                        if let Side::Running { gate, .. } = &admin.side {
                            gateway::line::unshaken(gate, Door::Admin, fault, address).await;
                        }
                    }
                },
            }
            drop(permit);
        });
    }
    tracker.close();
    let _ = tokio::time::timeout(GRACE, tracker.wait()).await;
    Ok(())
}

/// How a connection came.
#[derive(Clone, Copy)]
enum Came<'a> {
    /// By the socket.
    Local,
    /// From there, in the clear.
    Clear(&'a Arc<Admin>, SocketAddr),
    /// From there, inside TLS.
    Secured(&'a Arc<Admin>, SocketAddr),
}

/// Serves one connection. What is no request is on record where it does not come by the socket.
async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    came: Came<'_>,
    stop: CancellationToken,
) {
    let (found, service) = (Found::default(), TowerToHyperService::new(router));
    let stream = Stream::new(stream, WRITE, found.clone());
    let service = service_fn(move |request| {
        let answered = match found.of(&request) {
            None => Ok(service.call(request)),
            Some(flaw) => Err(flaw),
        };
        async move {
            let mut response = match answered {
                Ok(answered) => answered.await?,
                Err(flaw) => {
                    if let Came::Clear(admin, address) | Came::Secured(admin, address) = came {
                        admin.refused(Code::MessageMalformed, &flaw, address).await;
                    }
                    malformed(flaw)
                }
            };
            if let Came::Secured(..) = came {
                response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HSTS);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_FIELDS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(cause) = ended {
        tracing::debug!(%cause, "connection ended early");
    }
}

/// The answer to what is no request.
fn malformed(flaw: Flaw) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(flaw.status()).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
