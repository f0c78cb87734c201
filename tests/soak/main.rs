//! Long runs. Placeholder replaced below.
