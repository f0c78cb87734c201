//! What every comparison needs: options, a quiet machine, processes under /proc, alternate rounds, a report.

pub(crate) mod contest;
pub(crate) mod figures;
pub(crate) mod machine;
pub(crate) mod options;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod report;
