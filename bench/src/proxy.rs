//! The null proxy: what it costs to pass a request on without reading it. Two threads, pooled connections, no delay on either leg.

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Serves on a free port of 127.0.0.1, after printing the address. Never returns but for a fault of the listener.
pub async fn serve(target: SocketAddr) -> anyhow::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<HttpConnector, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let client = client.clone();
        let pass = service_fn(move |request| forward(client.clone(), target, request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), pass));
    }
}

async fn forward(
    client: Client<HttpConnector, Incoming>,
    target: SocketAddr,
    mut request: Request<Incoming>,
) -> anyhow::Result<Response<Incoming>> {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(target.to_string())
        .path_and_query(path.map_or("/".into(), |path| path.to_string()))
        .build()?;
    Ok(client.request(request).await?)
}
