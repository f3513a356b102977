//! starts, confines, supervises local servers
