//! fakes: clock, entropy, memory ports and wires, good and evil agents and servers
