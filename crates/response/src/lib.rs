//! kill epochs, playbooks, drills
