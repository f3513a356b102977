//! judges argument values: JSON Schema, path, URL, SQL, argv
