//! URLs for a real fetcher that may use inner addresses.

use super::Effect::Asked;
use super::{Attack, Class, attack, call};
use serde_json::json;

fn of(tool: &'static str, list: &[(&str, &'static str)]) -> Vec<Attack> {
    list.iter().map(|(url, code)| attack(call(tool, json!({"url": url})), code, Asked)).collect()
}

pub fn classes() -> Vec<Class> {
    const HOST: &str = "tools.http/host";
    const FORM: &str = "tools.http/form";
    const ADDRESS: &str = "tools.http/address";
    vec![
        Class {
            name: "fetch: other hosts and ports",
            attacks: of(
                "fetch__fetch",
                &[
                    ("http://127.0.0.1:{inner}/", HOST),
                    ("http://localhost:{inner}/", HOST),
                    ("http://127.0.0.1:{inner}/?http://127.0.0.1:{open}/", HOST),
                    ("http://127.0.0.1:{inner}/#127.0.0.1:{open}", HOST),
                    ("http://127.0.0.1:{open}@127.0.0.1:{inner}/", FORM),
                    ("http://127.0.0.1@localhost:{inner}/", FORM),
                    ("http://user:word@127.0.0.1:{inner}/", FORM),
                    ("http://localhost:{inner}/x/../y", HOST),
                    ("HTTP://LOCALHOST:{inner}/", HOST),
                    ("http://127.1:{inner}/", FORM),
                    ("http://127.0.0.1:0{inner}/", FORM),
                    ("http://127.0.0.1:{inner}//127.0.0.1:{open}/", HOST),
                    ("http://[::ffff:127.0.0.1]:{inner}/", HOST),
                ],
            ),
            benign: vec![
                (call("fetch__fetch", json!({"url": "http://127.0.0.1:{open}/"})), "the open page"),
                (call("fetch__fetch", json!({"url": "http://127.0.0.1:{open}/a/b?c=d#e"})), "the open page"),
                (call("fetch__fetch", json!({"url": "http://127.0.0.1:{open}/to?u=http://10.0.0.1/"})), "the open page"),
            ],
        },
        Class {
            name: "fetch: inner addresses",
            attacks: of(
                "web__fetch",
                &[
                    ("http://127.0.0.1:{inner}/", ADDRESS),
                    ("http://localhost:{inner}/", ADDRESS),
                    ("http://LocalHost:{inner}/a", ADDRESS),
                    ("http://127.0.0.1:{inner}/a?b=c", ADDRESS),
                    ("http://2130706433:{inner}/", FORM),
                    ("http://0x7f000001:{inner}/", FORM),
                    ("http://0x7f.1:{inner}/", FORM),
                    ("http://127.1:{inner}/", FORM),
                    ("http://0177.0.0.1:{inner}/", FORM),
                    ("http://017700000001:{inner}/", FORM),
                    ("http://127.0.1:{inner}/", FORM),
                    ("http://0:{inner}/", FORM),
                    ("http://0.0.0.0:{inner}/", ADDRESS),
                    ("http://[::ffff:127.0.0.1]:{inner}/", ADDRESS),
                    ("http://[::ffff:7f00:1]:{inner}/", ADDRESS),
                ],
            ),
            benign: vec![(call("fetch__fetch", json!({"url": "http://127.0.0.1:{open}/x"})), "the open page")],
        },
    ]
}
