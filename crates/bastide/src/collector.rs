//! The collector of telemetry that the configuration names.

use crate::outcome::Failure;
use config::Telemetry;
use gateway::report::Collector;
use http::HeaderName;

/// The collector of `telemetry`.
///
/// # Errors
/// [`Failure`] for a header that cannot be one.
pub fn collector(telemetry: &Telemetry) -> Result<Collector, Failure> {
    let header =
        |name: &String| name.parse::<HeaderName>().map_err(|_| Failure::usage(format!("telemetry.headers: {name:?} is no header")));
    let headers = telemetry.headers.iter().map(|(name, place)| Ok((header(name)?, place.to_string())));
    Ok(Collector {
        url: telemetry.otlp.clone(),
        headers: headers.collect::<Result<_, Failure>>()?,
        authorities: telemetry.tls.as_ref().map(|tls| tls.ca.clone()),
        sample: telemetry.sample.millionths(),
        every: telemetry.every.duration(),
    })
}
