//! The part of a filter that names forbidden calls, instruction by instruction (seccomp(2), bpf(4)).
//!
//! The library that compiles the other filters knows no answer that tells, and no two answers beside the one for everything else.

use seccompiler::{BpfProgram, TargetArch, sock_filter};
use std::io;

/// What a forbidden call is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `SECCOMP_RET_KILL_PROCESS`.
    Kill,
    /// `SECCOMP_RET_USER_NOTIF`; `ENOSYS` where nobody listens. No other listener can be had beside it.
    Tell,
}

impl Answer {
    const fn value(self) -> u32 {
        match self {
            Self::Kill => KILL,
            Self::Tell => 0x7fc0_0000,
        }
    }
}

const KILL: u32 = 0x8000_0000;
const ALLOW: u32 = 0x7fff_0000;
const REFUSE: u32 = 0x0005_0000;

/// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JEQ`, `BPF_JMP | BPF_JGE`, `BPF_JMP | BPF_JSET`, `BPF_RET | BPF_K`.
const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// Places in `struct seccomp_data`: the number, the architecture, and the low half of the second argument.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const SECOND: u32 = 24;

/// `AUDIT_ARCH_*` of linux/audit.h.
const fn known_as(architecture: TargetArch) -> u32 {
    match architecture {
        TargetArch::x86_64 => 0xc000_003e,
        TargetArch::aarch64 => 0xc000_00b7,
        TargetArch::riscv64 => 0xc000_00f3,
    }
}

/// The first number of the second set that x86-64 has for programs with short pointers.
const SHORT: u32 = 0x4000_0000;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`
const NEW_LISTENER: u32 = 1 << 3;

const fn step(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

const fn jump(code: u16, k: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code, jt: yes, jf: no, k }
}

/// Answers the calls of `numbers` with `answer`; what is neither is left to what is put behind it.
pub(super) fn rows(numbers: &[i64], answer: Answer) -> io::Result<BpfProgram> {
    let value = answer.value();
    let mut rows = vec![step(LOAD, NUMBER)];
    for number in numbers {
        rows.push(jump(EQUAL, u32::try_from(*number).map_err(io::Error::other)?, 0, 1));
        rows.push(step(RETURN, value));
    }
    if super::filter::architecture()? == TargetArch::x86_64 {
        // The same calls by other numbers; nobody needs them.
        rows.push(jump(AT_LEAST, SHORT, 0, 1));
        rows.push(step(RETURN, REFUSE | u32::try_from(libc::ENOSYS).map_err(io::Error::other)?));
    }
    let mut program = vec![step(LOAD, ARCHITECTURE), jump(EQUAL, known_as(super::filter::architecture()?), 1, 0), step(RETURN, KILL)];
    program.append(&mut rows);
    Ok(program)
}

/// `rows` as a filter of its own, which lets everything else through, but no listener that would be asked in place of ours.
pub(super) fn whole(mut rows: BpfProgram) -> io::Result<BpfProgram> {
    rows.extend([
        jump(EQUAL, u32::try_from(libc::SYS_seccomp).map_err(io::Error::other)?, 0, 3),
        step(LOAD, SECOND),
        jump(ANY_BIT, NEW_LISTENER, 0, 1),
        step(RETURN, REFUSE | u32::try_from(libc::EBUSY).map_err(io::Error::other)?),
        step(RETURN, ALLOW),
    ]);
    Ok(rows)
}
