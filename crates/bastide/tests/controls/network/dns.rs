//! `network.dns`: names are answered by the gateway, and nothing is forwarded. What becomes of an address that a name leads to is `tools.http`.

use super::{Outside, refused, run, world};
use serde_json::json;

#[test]
fn listed_names_have_an_address_each_and_nothing_leaves_by_a_question() {
    if !testkit::layers::are_there() {
        return;
    }
    let code = r#"
import base64
secret = base64.b32encode(b'the secret of this server').decode().strip('=').lower()
said = json.dumps([
    ask('localhost')[0], ask('localhost')[1].startswith('198.18.'), ask('localhost') == ask('LOCALHOST'), ask('a.wild.example') != ask('b.wild.example'),
    ask('localhost', 28), ask('localhost', 16), ask(secret + '.localhost'), ask('wild.example'), ask('localhost', 1, b'behind')[0],
    tried(lambda: say('127.0.0.53', 53, 'x')),
])"#;
    let outside = Outside::new();
    let world = world(code, &outside, &format!("{}, \"*.wild.example:443\"", outside.listed()));
    assert_eq!(run(&world), json!([0, true, true, true, [0, null], [0, null], [3, null], [3, null], 1, "failed"]));
    for (reason, control) in [("name", "network.egress"), ("question", "network.dns")] {
        let record = refused(&world, reason);
        assert_eq!((&record["detail"]["door"], &record["decision"]["control"]), (&json!("names"), &json!(control)), "{record}");
    }
}
