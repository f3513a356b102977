//! the line, server handles, doors, trail, snapshot
