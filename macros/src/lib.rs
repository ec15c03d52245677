//! Attribute macros of the Corelane runtime.
