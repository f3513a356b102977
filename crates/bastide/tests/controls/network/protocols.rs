//! `network.protocols`: mail, file transfer and peer-to-peer traffic from servers is refused unless listed, and recorded.

use super::{Outside, refused, run, world};
use serde_json::json;

#[test]
fn what_is_not_expected_on_a_port_is_not_said_there() {
    if !testkit::layers::are_there() {
        return;
    }
    let code = r#"
address = ask('localhost')[1]
said = json.dumps([tried(lambda: say(address, PORT, text)) for text in ['EHLO me\r\n', 'SSH-2.0-me\r\n', 'USER me\r\n', '\x13BitTorrent protocol' + 48 * 'x', '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00', 'GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n']])"#;
    let outside = Outside::new();
    let world = world(code, &outside, &outside.listed());
    let said = run(&world);
    assert!(said.as_array().unwrap().iter().all(|one| one == "failed" || one == "nothing"), "{said}");
    assert_eq!(outside.came(), 0);
    for (reason, severity) in [("unlisted-protocol", "high"), ("protocol", "medium"), ("malformed", "medium")] {
        let record = refused(&world, reason);
        assert_eq!((&record["decision"]["control"], &record["severity"]), (&json!("network.protocols"), &json!(severity)), "{record}");
    }
}

#[test]
fn a_port_for_anything_is_none_for_mail() {
    if !testkit::layers::are_there() {
        return;
    }
    let code = r#"
address = ask('localhost')[1]
said = json.dumps([tried(lambda: say(address, PORT, text)).endswith('outside') for text in ['whatever\r\n', 'HELO me\r\n']])"#;
    let outside = Outside::new();
    let list = outside.listed().replace("http://", "tcp://");
    let world = world(code, &outside, &list);
    assert_eq!(run(&world), json!([true, false]));
    refused(&world, "unlisted-protocol");
}

#[test]
fn tls_names_who_is_meant_and_hides_no_mail() {
    if !testkit::layers::are_there() {
        return;
    }
    // The first flight of a handshake, as the library of the language writes it.
    let code = r#"
import ssl
def hello(name, *inside):
    context = ssl.create_default_context(); context.check_hostname = False
    if inside: context.set_alpn_protocols(list(inside))
    out = ssl.MemoryBIO()
    try: context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError: pass
    return out.read().decode('latin-1')
flights = [hello('localhost', 'h2', 'http/1.1'), hello('evil.example'), hello(None), hello('localhost', 'smtp')]
said = json.dumps([tried(lambda: say(ask('localhost')[1], PORT, flight)).endswith('outside') for flight in flights])"#;
    let outside = Outside::new();
    let world = world(code, &outside, &outside.listed().replace("http://", "tls://"));
    assert_eq!((run(&world), outside.came()), (json!([true, false, false, false]), 1));
    for (reason, control) in
        [("other-server-name", "network.egress"), ("no-server-name", "network.egress"), ("unlisted-protocol", "network.protocols")]
    {
        assert_eq!(refused(&world, reason)["decision"]["control"], control, "{reason}");
    }
}
