//! The API as a stranger and as an operator.

use super::*;
use crate::guard::{Guard, guarded};
use crate::perform::tests::{Log, admin, operator};
use crate::{Key, Way};
use axum::body::Body;
use http::Request as Plain;
use http_body_util::BodyExt as _;
use serde_json::Value;
use terms::Name;
use testkit::SeededEntropy;
use tower::ServiceExt as _;

async fn ask(router: &Router, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let mut request = Plain::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store", "{method} {path}");
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// Every method of every path of the description, with the parameters filled in.
fn described() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let filled = |path: &str| path.replace("{server}", "files").replace("{id}", "T-000000000001").replace("{name}", "token");
    paths
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), filled(path))))
        .collect()
}

#[tokio::test]
async fn every_path_that_is_described_is_there_and_closed_to_strangers() {
    let (admin, log, _) = admin().await;
    let router = router(admin);
    for (method, path) in described() {
        let (status, body) = ask(&router, &method, &path, "{}", &[]).await;
        if path.starts_with("/api/") {
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
        } else {
            assert_ne!(status, StatusCode::NOT_FOUND, "{method} {path}: {body}");
        }
    }
    assert!(log.records.lock().unwrap().is_empty());
}

#[tokio::test]
async fn every_path_that_is_described_answers_an_operator() {
    let (admin, _, _) = admin().await;
    let router = router(admin).layer(Extension(operator()));
    for (method, path) in described() {
        let (status, body) = ask(&router, &method, &path, "{}", &[]).await;
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert!(!body.contains("there is nothing here"), "{method} {path}");
    }
}

#[tokio::test]
async fn an_operator_kills_and_issues() {
    let (admin, log, _) = admin().await;
    let router = router(admin).layer(Extension(operator()));
    let (status, body) = ask(&router, "POST", "/api/v1/kill", r#"{"scope":"agent:x","reason":"drill"}"#, &[]).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["scope"], &body["ended_calls"]), (&json!("agent:x"), &json!(0)));
    let (status, body) = ask(&router, "POST", "/api/v1/tokens", r#"{"agent":"coder","life_seconds":90000}"#, &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let (status, body) = ask(&router, "POST", "/api/v1/tokens", r#"{"agent":"coder","life_seconds":60}"#, &[]).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let mut members: Vec<_> = serde_json::from_str::<Value>(&body).unwrap().as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["expires_at", "id", "token"]);
    assert_eq!(log.records.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_not_repeated() {
    let (admin, log, _) = admin().await;
    let router = router(admin).layer(Extension(operator()));
    for body in [r#"{"scope":"hunter2""#, r#"{"scope":"all"}"#, r#"{"scope":"all","reason":"x","more":"hunter2"}"#, "hunter2"] {
        let (status, answer) = ask(&router, "POST", "/api/v1/kill", body, &[]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(!answer.contains("hunter2"), "{answer}");
    }
    assert!(log.records.lock().unwrap().is_empty());
}

async fn listener(log: &mut Option<Arc<Log>>) -> (Router, String) {
    let (admin, records, _) = admin().await;
    *log = Some(records);
    let (key, file) = Key::draw(&SeededEntropy::new(5));
    let guard = Guard::new(Arc::new(key), Name::new("ana").unwrap(), ([127, 0, 0, 1], 8421).into(), "http", &[]);
    let shown = format!("Bearer {}", String::from_utf8(file.open().clone()).unwrap());
    (guarded(admin, guard), shown)
}

#[tokio::test]
async fn the_listener_wants_the_host_no_foreign_origin_and_the_key() {
    let mut log = None;
    let (router, key) = listener(&mut log).await;
    let host = ("host", "127.0.0.1:8421");
    let path = "/api/v1/tokens";
    let cases: &[(&[(&str, &str)], StatusCode)] = &[
        (&[host, ("authorization", &key)], StatusCode::OK),
        (&[("host", "LOCALHOST:8421"), ("authorization", &key)], StatusCode::OK),
        (&[host, ("authorization", &key), ("origin", "http://localhost:8421")], StatusCode::OK),
        (&[host], StatusCode::UNAUTHORIZED),
        (&[host, ("authorization", "Bearer ")], StatusCode::UNAUTHORIZED),
        (&[host, ("authorization", &key[..key.len() - 1])], StatusCode::UNAUTHORIZED),
        (&[host, ("authorization", &key), ("authorization", &key)], StatusCode::UNAUTHORIZED),
        (&[("authorization", &key)], StatusCode::FORBIDDEN),
        (&[("host", "evil.example:8421"), ("authorization", &key)], StatusCode::FORBIDDEN),
        (&[host, ("authorization", &key), ("origin", "http://evil.example")], StatusCode::FORBIDDEN),
        (&[host, ("authorization", &key), ("origin", "null")], StatusCode::FORBIDDEN),
        (&[host, ("authorization", &key), ("origin", "https://localhost:8421")], StatusCode::FORBIDDEN),
    ];
    for (headers, expected) in cases {
        assert_eq!(ask(&router, "GET", path, "", headers).await.0, *expected, "{headers:?}");
    }
    assert_eq!(ask(&router, "GET", "/health", "", &[host]).await.0, StatusCode::OK);
    assert_eq!(ask(&router, "GET", "/health", "", &[("host", "evil.example")]).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&router, "GET", "/nothing", "", &[host]).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_record_says_by_which_way_an_act_came() {
    let mut log = None;
    let (router, key) = listener(&mut log).await;
    let headers = [("host", "127.0.0.1:8421"), ("authorization", key.as_str())];
    let (status, _) = ask(&router, "POST", "/api/v1/kill", r#"{"scope":"all","reason":"drill"}"#, &headers).await;
    assert_eq!(status, StatusCode::OK);
    let by = Operator { name: Name::new("ana").unwrap(), way: Way::Key };
    assert_eq!(log.unwrap().records.lock().unwrap()[0]["act"]["operator"], by.to_string());
}
