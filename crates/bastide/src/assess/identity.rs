//! Probes of the group `identity`.

use super::ground::{A, B, Ground, Token};
use super::steps::{Finding, Probed, Steps, Trouble};
use http::Method;
use serde_json::json;
use std::time::Duration;

/// A session id of the right form that nobody has.
const NOBODY: &str = "00000000000000000000000000000000000000000000000000000000000000a1";
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}"#;

/// Good and bad tokens at the data listener.
pub async fn tokens(ground: &Ground, steps: &mut Steps) -> Probed {
    let short = ground.issue(A, Duration::from_secs(1), None).await?;
    let good = ground.issue(A, Duration::from_secs(120), None).await?;
    let stranger = ground.stranger().await?;
    let mut agent = stranger.with(Some(&good.text));
    let opened = agent.initialize("/mcp").await?;
    steps.note("opened a session with a good token", "200 and a session", opened.said(), opened.status == 200 && agent.session.is_some());

    let mut without = stranger.clone();
    let none = without.initialize("/mcp").await?;
    let challenged = none.header("www-authenticate").is_some_and(|challenge| challenge.contains("Bearer"));
    steps.note("presented no token", "401 with a challenge", none.said(), none.status == 401 && challenged);
    for (what, token) in forged(&good)? {
        let reply = stranger.with(Some(&token)).initialize("/mcp").await?;
        steps.note(format!("presented {what}"), "401", reply.said(), reply.status == 401);
    }

    let servers = ground.servers();
    let (own, foreign) = match servers.as_slice() {
        [own, foreign, ..] => (Some(std::slice::from_ref(own)), foreign.to_string()),
        _ => (None, "bastide-assess-nobody".to_owned()),
    };
    let narrow = ground.issue(A, Duration::from_secs(120), own).await?;
    let reply = stranger.with(Some(&narrow.text)).initialize(&format!("/mcp/{foreign}")).await?;
    steps.note("presented a good token to a server that it does not name", "401", reply.said(), reply.status == 401);

    ground.revoke(&good).await?;
    let reply = stranger.with(Some(&good.text)).initialize("/mcp").await?;
    steps.note("presented the good token after it was taken back", "401", reply.said(), reply.status == 401);
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    let reply = stranger.with(Some(&short.text)).initialize("/mcp").await?;
    steps.note("presented a token of one second after its end", "401", reply.said(), reply.status == 401);
    let long = ground.issue_for("work", A, Duration::from_secs(25 * 60 * 60), None).await;
    steps.note("asked for a token of 25 hours", "refused", if long.is_ok() { "issued" } else { "refused" }, long.is_err());
    Ok(Finding::Judged)
}

/// Tokens that only look good.
fn forged(good: &Token) -> Result<Vec<(&'static str, String)>, Trouble> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let parts: Vec<&str> = good.text.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        return Err(Trouble::new("took the token of the probe apart", "it is not of three parts"));
    };
    let read = |part: &str| URL_SAFE_NO_PAD.decode(part).ok().and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    let write = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (Some(head), Some(claims)) = (read(header), read(payload)) else {
        return Err(Trouble::new("took the token of the probe apart", "it is not JSON"));
    };
    let changed = |value: &serde_json::Value, key: &str, to: serde_json::Value| {
        let mut value = value.clone();
        if let Some(members) = value.as_object_mut() {
            members.insert(key.to_owned(), to);
        }
        write(&value)
    };
    let none = write(&json!({"alg": "none", "typ": "at+jwt"}));
    let turned: String =
        signature.chars().enumerate().map(|(at, letter)| if at == 10 { if letter == 'A' { 'B' } else { 'A' } } else { letter }).collect();
    // Each is good but for its signature: what else is wrong with a forgery would hide that nobody looks at that.
    let later = claims.get("exp").and_then(serde_json::Value::as_u64).unwrap_or(0) + 60;
    Ok(vec![
        ("a static key", "bastide-static-key-0123456789abcdef".to_owned()),
        ("a token with one letter of the signature turned", format!("{header}.{payload}.{turned}")),
        ("an unsigned token with the algorithm none", format!("{none}.{payload}.")),
        ("a token with the algorithm swapped", format!("{}.{payload}.{signature}", changed(&head, "alg", json!("HS256")))),
        ("a token of an unknown key", format!("{}.{payload}.{signature}", changed(&head, "kid", json!("bastide-assess-nobody")))),
        ("a token whose end was moved", format!("{header}.{}.{signature}", changed(&claims, "exp", json!(later)))),
        ("a token whose agent was changed", format!("{header}.{}.{signature}", changed(&claims, "sub", json!("root")))),
        ("a token whose purpose was changed", format!("{header}.{}.{signature}", changed(&claims, "purpose", json!("work")))),
    ])
}

/// A session of one principal in the hands of another.
pub async fn session_binding(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut owner = ground.agent(A).await?;
    let other = ground.issue(B, Duration::from_secs(120), None).await?;
    let second = ground.issue(A, Duration::from_secs(120), None).await?;
    let thief = owner.with(Some(&other.text));
    let mut lost = thief.clone();
    lost.session = Some(NOBODY.to_owned());
    for (method, body) in [(Method::POST, PING), (Method::GET, ""), (Method::DELETE, "")] {
        let stolen = thief.send(method.clone(), "/mcp", body, &[]).await?;
        let unknown = lost.send(method.clone(), "/mcp", body, &[]).await?;
        steps.note(format!("{method} by probe b in the session of probe a"), "404", stolen.said(), stolen.status == 404);
        let same = stolen.face() == unknown.face();
        let said = if same { "the same".to_owned() } else { format!("{} and {}", stolen.said(), unknown.said()) };
        steps.note(format!("compared it with {method} in a session that nobody has"), "the same", said, same);
    }
    let again = owner.with(Some(&second.text)).send(Method::POST, "/mcp", PING, &[]).await?;
    steps.note("used the session with another token of probe a", "404", again.said(), again.status == 404);
    let kept = owner.ask("ping", json!({})).await?;
    steps.note("used the session as its owner", "200", kept.said(), kept.status == 200);
    let bare = owner.with(None).send(Method::POST, "/mcp", PING, &[]).await?;
    steps.note("used the session without a token", "401", bare.said(), bare.status == 401);

    let holder = owner.token_id().unwrap_or_default();
    let bound = ground.recorded(1, |record| {
        let text = |at: &str| record.pointer(at).and_then(serde_json::Value::as_str);
        text("/principal/agent") == Some(A) && text("/session/binding") == Some(holder.as_str())
    });
    let bound = bound.await?;
    let found = bound.first().and_then(|record| record.pointer("/session/id")?.as_str()).unwrap_or("none");
    steps.note("looked for the binding in the log", "a session bound to the token of probe a", found, !bound.is_empty());
    owner.close().await;
    Ok(Finding::Judged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    #[test]
    fn every_forgery_differs_from_the_good_token() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let text = format!("{}.{}.{}", part(r#"{"alg":"EdDSA","kid":"k"}"#), part(r#"{"exp":1,"sub":"a"}"#), part("0123456789abcdef"));
        let good = Token { id: "T-1".into(), text };
        let forged = forged(&good).unwrap();
        assert_eq!(forged.len(), 8);
        let distinct: std::collections::BTreeSet<&String> = forged.iter().map(|(_, token)| token).collect();
        assert!(distinct.len() == 8 && !distinct.contains(&good.text));
    }
}
