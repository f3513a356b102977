//! Takes every capability away, for ever (capabilities(7)).

use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};
use std::io;

/// Capabilities that a kernel may know; those that it does not know end the list.
const MOST: u32 = 64;

/// Empties all five sets, locks what could fill them, and forbids privileges by executing.
pub(super) fn drop_all() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    let able = !rustix::thread::capabilities(None)?.effective.is_empty();
    if able {
        for number in 0..MOST {
            let Some(one) = CapabilitySet::from_bits(1 << number) else { continue };
            match rustix::thread::remove_capability_from_bounding_set(one) {
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
        rustix::thread::set_capabilities_secure_bits(bits)?;
    }
    match rustix::thread::clear_ambient_capability_set() {
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(cause) => return Err(cause.into()),
    }
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}
