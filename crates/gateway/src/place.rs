//! Whether a request comes to a host and from a page that are ours: what keeps a browser's other pages away, on every path of the listener.
//!
//! Source: RFC 9110 §7.2 (Host), RFC 6454 §7 (Origin); MCP 2025-11-25, Transports, "Security Warning". Control: `transport.bounds`.

use crate::snapshot::Listen;
use http::HeaderValue;
use http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use http::request::Parts;

/// Why a request is out of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misplaced {
    /// There is not exactly one Host.
    Unclear,
    /// Host or Origin is not one of ours.
    Foreign,
}

impl Misplaced {
    /// The status that says so.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Unclear => 400,
            Self::Foreign => 403,
        }
    }
}

/// Demands exactly one Host, one of ours; that an absolute-form target names the same; and an Origin, if there is one, that may call.
///
/// # Errors
/// [`Misplaced`].
pub(crate) fn check(head: &Parts, listen: &Listen) -> Result<(), Misplaced> {
    let given = one(&head.headers, &HOST).ok_or(Misplaced::Unclear)?;
    let absolute_differs = head.uri.authority().is_some_and(|target| !target.as_str().eq_ignore_ascii_case(given));
    if absolute_differs || !listen.hosts.iter().any(|host| host.eq_ignore_ascii_case(given)) {
        return Err(Misplaced::Foreign);
    }
    if head.headers.contains_key(&ORIGIN) && origin(head, listen).is_none() {
        return Err(Misplaced::Foreign);
    }
    Ok(())
}

/// The Origin of the page that calls, if there is exactly one and it may.
pub(crate) fn origin<'a>(head: &'a Parts, listen: &Listen) -> Option<&'a HeaderValue> {
    let given = one(&head.headers, &ORIGIN)?;
    listen.origins.iter().any(|origin| origin.eq_ignore_ascii_case(given)).then(|| head.headers.get(&ORIGIN))?
}

/// The value of a header that stands there exactly once and is text.
pub(crate) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}
