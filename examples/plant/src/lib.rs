//! example-plant
