//! Hostile attempts, each with its twin: with every check made it comes to nothing and is on record; with the one check taken out that should hold it, it has its
//! effect.

mod attacks;
mod bounds;
mod world;
