//! The tests of fdt-gen, in one program: each further one would be linked on its own.

mod common;
mod damage;
mod facts;
mod golden;
mod live;
mod merge;
mod properties;
mod rtas_node;
