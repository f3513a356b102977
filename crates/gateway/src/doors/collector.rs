//! The door to the collector of telemetry: what is sent there goes out like everything else, and shows a credential only to it.

use super::{Closed, Servers, papers};
use crate::report::{Collector, Untaken};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use std::time::Duration;
use terms::Code;

/// The most bytes of its answer.
const ANSWER: usize = 64 << 10;
/// How long it may take to connect, to answer, and to end its answer, each.
const PATIENCE: Duration = Duration::from_secs(5);

impl Servers {
    /// Sends `body` to a path of the collector over `client`, which is made where there is none; gives the answer.
    ///
    /// # Errors
    /// [`Untaken`].
    pub(crate) async fn collect(
        &self,
        collector: &Collector,
        client: &mut Option<egress::Client>,
        path: &str,
        body: Bytes,
    ) -> Result<Bytes, Untaken> {
        let now = |cause: &dyn std::fmt::Display| Untaken::Now(cause.to_string());
        let way = match client {
            Some(way) => way,
            None => client.insert(self.way_to(collector).await.map_err(|closed| now(&closed))?),
        };
        let fields = self.shown(collector).map_err(|closed| now(&closed))?;
        let at = format!("{}/{path}", collector.url.path().trim_end_matches('/'));
        let at = at.try_into().map_err(|cause: http::uri::InvalidUri| now(&cause))?;
        let mut answer = way.send(Method::POST, at, fields, body).await.map_err(|cause| now(&cause))?;
        let status = answer.status();
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Err(Untaken::Now(format!("the collector answered with the status {}", status.as_u16())))
            }
            StatusCode::OK => answer.collect(ANSWER, PATIENCE).await.map_err(|cause| now(&cause)),
            // A redirect is an answer like any other: nothing is sent anywhere but where the file says.
            other => Err(Untaken::Ever(other.as_u16())),
        }
    }

    async fn way_to(&self, collector: &Collector) -> Result<egress::Client, Closed> {
        let entry = |cause: egress::Error| Closed::Entry(cause.to_string());
        let bounds =
            egress::Bounds { connect: PATIENCE, answer: PATIENCE, connections: 2, idle_connections: 1, ..egress::Bounds::default() };
        let mut target = egress::ServerTarget::new(collector.url.clone()).map_err(entry)?.bounds(bounds);
        if let Some(path) = &collector.authorities {
            let read = tokio::fs::read(path).await.map_err(|cause| Closed::Entry(format!("{} cannot be read: {cause}", path.display())))?;
            target = target.roots(papers::certificates("tls.ca", &read)?);
        }
        self.egress.client(target).map_err(entry)
    }

    /// The head of a request, with what the collector wants to see of the vault.
    fn shown(&self, collector: &Collector) -> Result<HeaderMap, Closed> {
        let mut fields = HeaderMap::with_capacity(2 + collector.headers.len());
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        for (name, place) in &collector.headers {
            let lease = self.lease(place)?;
            let value = lease.open().map_err(|cause| super::credential(place, cause.to_string(), Code::VaultLocked))?;
            let value = HeaderValue::from_bytes(value);
            let mut value = value.map_err(|_| super::credential(place, "it cannot be a header".to_owned(), Code::VaultAbsent))?;
            value.set_sensitive(true);
            fields.insert(name.clone(), value);
        }
        Ok(fields)
    }
}
