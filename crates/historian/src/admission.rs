//! Whether a batch is new, known or out of place, by the numbering of its source.

use types::BatchHeader;

use crate::{AppendError, SourceState};

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Store it; the source is then at `state`. `skipped` rows before it never came.
    New { state: SourceState, skipped: u64 },
    /// Acknowledge it: it is durable already.
    Duplicate,
}

/// Judges a batch of `rows` rows against what is known of its source. A gap forward is let through and counted: the
/// rows were lost before they came here, and holding back what follows would lose more.
pub(crate) fn admit(
    known: Option<SourceState>,
    header: &BatchHeader,
    rows: u64,
) -> Result<Admission, AppendError> {
    let (source_id, epoch, first) = (header.source, header.epoch, header.first_sequence);
    let next_sequence = first.checked_add(rows).ok_or(AppendError::SequenceExhausted { source_id })?;
    let state = SourceState { epoch, next_sequence };
    match known {
        Some(known) if epoch < known.epoch => {
            Err(AppendError::Stale { source_id, epoch, known: known.epoch })
        }
        Some(known) if epoch == known.epoch && first < known.next_sequence => {
            if next_sequence <= known.next_sequence {
                Ok(Admission::Duplicate)
            } else {
                Err(AppendError::Overlap { source_id, first, expected: known.next_sequence })
            }
        }
        Some(known) if epoch == known.epoch => {
            Ok(Admission::New { state, skipped: first - known.next_sequence })
        }
        _ => Ok(Admission::New { state, skipped: 0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Origin, SourceId, Time};

    #[test]
    fn numbering_decides() {
        let known = Some(SourceState { epoch: 3, next_sequence: 100 });
        let judge = |epoch, first_sequence, rows| {
            let header = BatchHeader {
                source: SourceId(1),
                epoch,
                first_sequence,
                recorded: Time(0),
                origin: Origin::Measured,
            };
            admit(known, &header, rows)
        };
        let new = |epoch, next_sequence, skipped| {
            Ok(Admission::New { state: SourceState { epoch, next_sequence }, skipped })
        };
        assert_eq!(judge(3, 100, 10), new(3, 110, 0));
        assert_eq!(judge(3, 105, 10), new(3, 115, 5));
        assert_eq!(judge(4, 0, 10), new(4, 10, 0));
        assert_eq!(judge(3, 90, 10), Ok(Admission::Duplicate));
        assert_eq!(judge(3, 0, 1), Ok(Admission::Duplicate));
        assert!(matches!(judge(3, 95, 10), Err(AppendError::Overlap { expected: 100, .. })));
        assert!(matches!(judge(2, 100, 10), Err(AppendError::Stale { known: 3, .. })));
        assert!(matches!(judge(3, u64::MAX, 1), Err(AppendError::SequenceExhausted { .. })));
    }
}
