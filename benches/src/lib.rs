//! Benchmarks of the Corelane runtime.
