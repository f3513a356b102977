//! The part of the attacks that is over soon, against the program as it was built for the tests. `cargo xtask hostile` runs all of them.

use hostile::{Class, Selection, all, run};

/// Cases that wait for nothing, of every class.
const SOON: [&str; 12] = [
    "pings",
    "streams that are taken back at once",
    "fields that go on and on",
    "fields that grow when they are read",
    "a field that does not end",
    "chunks of one byte",
    "tokens that are guessed",
    "sessions by the hundred",
    "connections beyond the bound of an address",
    "a byte of the request line now and then",
    "a hello, and no word after the server's",
    "tls",
];

#[test]
fn each_has_its_end_while_a_good_client_goes_on() {
    let report = run(&Selection { only: SOON.map(str::to_owned).to_vec() });
    assert!(report.holds(), "{report}");
}

#[test]
fn there_are_enough_kinds_and_no_name_twice() {
    let cases = all();
    for class in Class::ALL {
        let count = cases.iter().filter(|case| case.class == class).count();
        assert!(count >= class.least(), "{}: {count}", class.name());
    }
    let names: std::collections::HashSet<_> = cases.iter().map(|case| (case.class.name(), case.name)).collect();
    assert_eq!(names.len(), cases.len());
}
