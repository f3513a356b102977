//! one YAML to one immutable snapshot; schema, reload, accepted risks
