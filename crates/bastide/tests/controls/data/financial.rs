//! `data.financial`: of cards no more than the last four digits come through, of accounts nothing that could be used.

use super::planted;
use serde_json::json;

const TEXT: &str = "card 4111 1111 1111 1111 exp 12/29, IBAN DE89 3704 0044 0532 0130 00";
const VALUES: [&str; 4] = ["4111", "3704 0044", "0532 0130", "4111111111111111"];

#[test]
fn no_card_or_account_comes_through_wherever_it_is_said() {
    let world = planted::setup(TEXT, "").start();
    for (place, said) in planted::everywhere(&world) {
        let said = said.to_string();
        for value in VALUES {
            assert!(!said.contains(value), "{place}: {value}: {said}");
        }
        assert!(said.contains("card •••• 1111 exp"), "the last four stay: {place}: {said}");
    }
    for value in ["4111 1111 1111", "4111111111111111", "3704 0044 0532"] {
        assert!(!world.holds("state/audit", value.as_bytes()), "{value} was kept");
    }
    planted::call(&world, "echo", "result");
    let found = planted::obligations(&world);
    assert!(found.iter().any(|(class, kind, action)| class == "financial" && kind == "card" && action == "mask"), "{found:?}");
}

#[test]
fn what_only_looks_like_a_card_passes() {
    let text = "order 4111 1111 1111 1112, build 20261122063031, trace 1234567890123456";
    let world = planted::setup(text, "").start();
    assert_eq!(planted::call(&world, "echo", "result").text(), text);
}

#[test]
fn a_card_in_a_text_of_json_leaves_json() {
    let text = r#"{"card": 4111111111111111, "items": [4012888888881881, 7]}"#;
    let world = planted::setup(text, "").start();
    let answer = planted::call(&world, "echo", "result").text();
    let value: serde_json::Value = serde_json::from_str(&answer).unwrap_or_else(|fault| panic!("{fault}: {answer}"));
    assert_eq!(value, json!({"card": "•••• 1111", "items": ["•••• 1881", 7]}));
}

#[test]
fn where_cards_are_blocked_neither_side_gets_one() {
    let world = planted::setup(TEXT, "").section("inspect", "financial: { action: block }").start();
    let answer = planted::call(&world, "echo", "result");
    assert_eq!(answer.refused(), "data.financial/blocked");
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "pay with 4111 1111 1111 1111"})).refused(), "data.financial/blocked");
    assert!(world.reached().is_empty());
}

#[test]
fn an_account_of_a_country_in_no_list_does_not_come_through() {
    let text = "creditor account ZW82 1234 5678 9012 3456 78, numer rachunku: 61 1090 1014 0000 0712 1981 2874";
    let world = planted::setup(text, "").start();
    let said = planted::call(&world, "echo", "result").text();
    for value in ["1234 5678", "ZW82", "1090 1014"] {
        assert!(!said.contains(value), "{said}");
    }
}

#[test]
fn one_whose_check_digits_are_wrong_passes() {
    let text = "serial ZW43 1234 5678 9012 3456 78, uuid 4539578763621486-0000";
    let world = planted::setup(text, "").start();
    assert_eq!(planted::call(&world, "echo", "result").text(), text);
}
