//! The probe of `transport.bounds`: requests that are too much in one thing each, and one that is not.
//!
//! A head beyond its bounds is not sent: it is refused before anybody reads that it is a probe's.

use super::agent::Agent;
use super::ground::{A, Ground};
use super::steps::{Finding, Probed, Steps, Trouble};
use http::header::CONTENT_ENCODING;
use http::{HeaderName, Method};
use serde_json::json;

/// The largest message that a probe sends.
const MOST: usize = 16 << 20;

/// Sizes and depth beyond their bounds, and a body that is compressed.
pub async fn bounds(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    let mut agent = ground.agent(A).await?;
    let bounds = &ground.file().bounds;
    let good = ping("");
    let answered = send(&agent, &good, &[]).await?;
    steps.note("sent a message within the bounds", "200", &answered.1, answered.0 == 200);
    let message = usize::try_from(bounds.message.bytes()).unwrap_or(usize::MAX);
    let nesting = bounds.nesting as usize;
    if message < MOST {
        let long = ping(&format!(r#""x":"{}""#, "a".repeat(message)));
        told(steps, "sent a message of more bytes than one may have", &[413], send(&agent, &long, &[]).await);
    } else {
        steps.note("looked for the largest message that is taken", format!("below {MOST} bytes, to be tried"), message, false);
    }
    let deep = ping(&format!(r#""x":{}0{}"#, "[".repeat(nesting + 1), "]".repeat(nesting + 1)));
    told(steps, "sent a message that is nested deeper than one may be", &[400, 413], send(&agent, &deep, &[]).await);
    let packed = send(&agent, &good, &[(CONTENT_ENCODING, "gzip")]).await;
    told(steps, "sent a message that says it is compressed", &[415], packed);
    let answered = send(&agent, &good, &[]).await?;
    steps.note("sent the first message again", "200", &answered.1, answered.0 == 200);
    agent.close().await;
    Ok(Finding::Judged)
}

/// A question that changes nothing, with `more` in its `_meta`.
fn ping(more: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{{{more}}}}}}}"#)
}

/// The status, and what was said.
async fn send(agent: &Agent, body: &str, more: &[(HeaderName, &str)]) -> Result<(u16, String), Trouble> {
    let reply = agent.send(Method::POST, "/mcp", body, more).await?;
    Ok((reply.status, reply.said()))
}

/// Whoever sends too much is told so, or is cut off while it still sends.
fn told(steps: &mut Steps, did: &str, wanted: &[u16], answered: Result<(u16, String), Trouble>) {
    let expected = json!(wanted).to_string();
    match answered {
        Ok((status, said)) => steps.note(did, expected, said, wanted.contains(&status)),
        Err(Trouble { why, .. }) => {
            steps.note(did, expected, format!("cut off: {why}"), why.contains("lost") || why.contains("could not be sent"))
        }
    }
}
