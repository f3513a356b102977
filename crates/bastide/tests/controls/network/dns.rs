//! `network.dns`: names are answered by the gateway, nothing is forwarded, and the address that was judged is the one that is connected to.

use super::{Names, Outside, refused, run, world, world_with};
use serde_json::json;

#[test]
fn listed_names_have_an_address_each_and_nothing_leaves_by_a_question() {
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

#[test]
fn a_listed_name_that_leads_inwards_is_refused_unless_that_is_listed_too() {
    let code = r#"said = json.dumps(tried(lambda: say(ask('localhost')[1], PORT, get % 'localhost:PORT')).endswith('outside'))"#;
    let outside = Outside::new();
    let held = world(code, &outside, &format!("\"http://localhost:{}\"", outside.port));
    assert_eq!((run(&held), outside.came()), (json!(false), 0));
    let record = refused(&held, "inner-address");
    assert_eq!(
        (&record["decision"]["control"], &record["severity"], &record["detail"]["name"]),
        (&json!("tools.http"), &json!("high"), &json!("localhost"))
    );
    let listed = world(code, &outside, &outside.listed());
    assert_eq!((run(&listed), outside.came()), (json!(true), 1));
}

#[test]
fn a_name_that_changes_its_address_is_judged_anew_and_held() {
    // It leads to a listed address when it is looked at, and to another one the next time.
    let code = r#"said = json.dumps([tried(lambda: say(ask('web.example')[1], PORT, get % 'web.example:PORT')).endswith('outside') for _ in range(2)])"#;
    let outside = Outside::new();
    let names = Names::new(|_, asked| if asked == 0 { [127, 0, 0, 1] } else { [127, 0, 0, 2] });
    let list = format!("\"http://web.example:{0}\", \"http://127.0.0.1:{0}\"", outside.port);
    let world = world_with(&names, code, &outside, &list);
    assert_eq!((run(&world), outside.came()), (json!([true, false]), 1));
    let record = refused(&world, "inner-address");
    assert_eq!((&record["detail"]["name"], &record["detail"]["address"]), (&json!("web.example"), &json!("127.0.0.2")), "{record}");
}
