//! the signed lock, registry, pins, provenance, review, bills of materials, advisories, inventory
