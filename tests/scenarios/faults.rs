//! Faults: a device that goes away, a disk that fills.
