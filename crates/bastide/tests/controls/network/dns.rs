//! `network.dns`: names are answered by the gateway, and nothing is forwarded. What becomes of an address that a name leads to is `tools.http`.

use super::{CLIENT, Outside, refused, run, world, world_with};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use std::process::Command;
use std::time::Duration;
use testkit::{Names, Running, World};

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

/// A resolver by DNS over TLS (RFC 7858): every name has the address 127.0.0.1.
const OVER_TLS: &str = r#"
import socket, ssl, struct, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[1], sys.argv[2]); context.set_alpn_protocols(['dot'])
listener = socket.create_server(('127.0.0.1', 0)); print(listener.getsockname()[1], flush=True)
while True:
    try:
        stream = context.wrap_socket(listener.accept()[0], server_side=True); asked = stream.makefile('rb')
        for _ in range(2):
            question = asked.read(struct.unpack('>H', asked.read(2))[0])
            is_a = question[-3] == 1
            answer = question[:2] + b'\x81\x80' + question[4:6] + bytes([0, is_a, 0, 0, 0, 0]) + question[12:]
            if is_a: answer += b'\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1'
            stream.sendall(struct.pack('>H', len(answer)) + answer)
    except (OSError, struct.error): pass
"#;

/// Whether a script reaches `outside` by a name that only a resolver over TLS knows, certified for `named` by an authority that the gateway trusts.
fn reached_over_tls(named: &str, outside: &Outside) -> (World, bool) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![named.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let code = "said = json.dumps(tried(lambda: say(ask('web.example')[1], PORT, get % 'web.example:PORT')).endswith('outside'))";
    let list = format!("\"http://web.example:{0}\", \"http://127.0.0.1:{0}\"", outside.port);
    let code = code.replace("PORT", &outside.port.to_string());
    let setup = crate::runtime::python("script", &code, &format!("sandbox: {{ egress: [{list}], memory: 1GiB }}"))
        .file("resolver.py", OVER_TLS)
        .file("authority.pem", &authority.pem())
        .file("leaf.pem", &leaf.pem())
        .file("key.pem", &key.serialize_pem());
    let root = setup.path();
    let mut resolver = Command::new("/usr/bin/python3");
    resolver.args(["resolver.py", "leaf.pem", "key.pem"]).current_dir(&root);
    let resolver = Running::start(&mut resolver, &root.join("resolver.log"));
    let port = resolver.line(Duration::from_secs(90)).unwrap();
    // The gateway trusts what the system trusts, which is this file.
    let trusting = format!("SSL_CERT_FILE='{}' exec", root.join("authority.pem").display());
    let mut world = setup.started_by(&trusting).section("dns", &format!("resolver: \"tls://127.0.0.1:{port}\"")).write();
    crate::runtime::prepend(&world, CLIENT);
    world.json(&["lock", "--yes"]);
    world.serve();
    let reached = run(&world) == json!(true);
    (world, reached)
}

#[test]
fn a_resolver_over_tls_is_asked_and_must_prove_who_it_is() {
    if !testkit::layers::are_there() {
        return;
    }
    let outside = Outside::new();
    let (_world, reached) = reached_over_tls("127.0.0.1", &outside);
    assert_eq!((reached, outside.came()), (true, 1));
    let (world, reached) = reached_over_tls("127.0.0.2", &outside);
    assert_eq!((reached, outside.came()), (false, 1));
    let unresolved = || super::events(&world, "network.failed").into_iter().find(|record| record["detail"]["reason"] == "unresolved");
    crate::runtime::until(|| unresolved().is_some());
    let record = unresolved().unwrap();
    assert!(record.to_string().contains("its certificate names another host"), "{record}");
}

#[test]
fn a_name_that_leads_to_ever_other_addresses_is_noticed() {
    if !testkit::layers::are_there() {
        return;
    }
    let code = r#"said = json.dumps([tried(lambda: say(ask('web.example')[1], PORT, get % 'web.example:PORT')) for _ in range(70)][0])"#;
    let outside = Outside::new();
    let names = Names::new(|_, asked| [127, 1, 0, u8::try_from(asked % 200).unwrap_or_default()]);
    let list = format!("\"http://web.example:{0}\", \"http://127.0.0.0/8:{0}\"", outside.port);
    let world = world_with(&names, code, &outside, &list);
    run(&world);
    crate::runtime::until(|| !super::events(&world, "network.fast-flux").is_empty());
    let event = super::events(&world, "network.fast-flux").remove(0);
    assert_eq!((&event["severity"], &event["detail"]["name"]), (&json!("medium"), &json!("web.example")), "{event}");
}
