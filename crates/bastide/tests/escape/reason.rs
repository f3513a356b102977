//! Why an attempt failed: the kernel's word, or the gateway's, as the table of reasons has it.

use std::collections::BTreeMap;
use testkit::Answer;

/// A line for each attempt: its class, what it does, and the reasons that may be given, first that of a gateway that is root.
const TABLE: &str = include_str!("reasons.txt");

/// What programs say for errors of the kernel.
const WORDS: [(&str, &str); 31] = [
    ("No such file or directory", "ENOENT"),
    ("Permission denied", "EACCES"),
    ("Operation not permitted", "EPERM"),
    ("Function not implemented", "ENOSYS"),
    ("Read-only file system", "EROFS"),
    ("No such process", "ESRCH"),
    ("Connection refused", "ECONNREFUSED"),
    ("Network is unreachable", "ENETUNREACH"),
    ("Address family not supported by protocol", "EAFNOSUPPORT"),
    ("Too many open files", "EMFILE"),
    ("Resource temporarily unavailable", "EAGAIN"),
    ("Invalid argument", "EINVAL"),
    ("No space left on device", "ENOSPC"),
    ("Invalid cross-device link", "EXDEV"),
    ("Bad file descriptor", "EBADF"),
    ("File too large", "EFBIG"),
    ("Inappropriate ioctl for device", "ENOTTY"),
    ("Cannot assign requested address", "EADDRNOTAVAIL"),
    ("Not a directory", "ENOTDIR"),
    ("File exists", "EEXIST"),
    ("No such device or address", "ENXIO"),
    ("Protocol not supported", "EPROTONOSUPPORT"),
    ("Protocol not available", "ENOPROTOOPT"),
    ("Socket type not supported", "ESOCKTNOSUPPORT"),
    ("Operation not supported", "EOPNOTSUPP"),
    ("Device or resource busy", "EBUSY"),
    ("Bad address", "EFAULT"),
    ("Illegal seek", "ESPIPE"),
    ("Transport endpoint is not connected", "ENOTCONN"),
    ("No message of desired type", "ENOMSG"),
    ("timed out", "ETIMEDOUT"),
];

/// The first reason in an answer; `nothing` where the server found nothing and was told nothing.
pub(crate) fn of(answer: &Answer) -> String {
    if let Some(refused) = answer.refusal().and_then(|refusal| refusal["code"].as_str()) {
        return refused.to_owned();
    }
    let text = answer.0.to_string();
    let names = WORDS.iter().flat_map(|(words, name)| [(text.find(words), *name), (text.find(name), *name)]);
    let first = names.filter_map(|(at, name)| Some((at?, name))).min();
    first.map_or("nothing", |(_, name)| name).to_owned()
}

/// The reasons that may be given, by class and attempt.
pub(crate) fn table() -> BTreeMap<(&'static str, &'static str), Vec<&'static str>> {
    let fields = |line: &'static str| line.split(" | ").map(str::trim).collect::<Vec<_>>();
    TABLE
        .lines()
        .map(fields)
        .map(|fields| {
            let [class, what, reasons] = fields[..] else { panic!("three fields: {fields:?}") };
            ((class, what), reasons.split(" or ").collect())
        })
        .collect()
}
