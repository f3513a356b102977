//! A view: text as it reads after decoding, with the way back to the original bytes.

use terms::Span;

/// One stretch of a view that came from its parent in one manner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// Where it starts in the view.
    pub at: usize,
    /// Where it starts in the parent.
    pub from: usize,
    /// Whether its bytes are the parent's own.
    pub literal: bool,
}

/// How a view lies in what it came from.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// It is the original.
    Same,
    /// All of it stands for this span of the original.
    Whole(Span),
    /// Piece by piece.
    Pieces(&'a [Piece], &'a View<'a>),
}

/// Bytes and their place.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// What the view reads as.
    pub bytes: &'a [u8],
    /// Where it lies.
    pub place: Place<'a>,
}

impl<'a> View<'a> {
    /// The view that is the original.
    pub fn original(bytes: &'a [u8]) -> Self {
        Self { bytes, place: Place::Same }
    }

    /// The span of the original that `span` of this view stands for.
    pub fn trace(&self, span: Span) -> Span {
        match self.place {
            Place::Same => span,
            Place::Whole(whole) => whole,
            Place::Pieces(pieces, parent) => {
                let start = match piece(pieces, span.start) {
                    Some((piece, _)) if piece.literal => piece.from + (span.start - piece.at),
                    Some((piece, _)) => piece.from,
                    None => 0,
                };
                let last = span.end.saturating_sub(1).max(span.start);
                let end = match piece(pieces, last) {
                    Some((piece, _)) if piece.literal => piece.from + (last - piece.at) + 1,
                    Some((_, next)) => next.map_or(parent.bytes.len(), |next| next.from),
                    None => parent.bytes.len(),
                };
                parent.trace(Span::new(start, end))
            }
        }
    }

    /// Whether a decoder of a whole run lies between this view and the original.
    pub fn encoded(&self) -> bool {
        match self.place {
            Place::Same => false,
            Place::Whole(_) => true,
            Place::Pieces(_, parent) => parent.encoded(),
        }
    }

    /// Whether `span` and a byte on each side were taken over from the parent unchanged.
    pub fn carried(&self, span: Span) -> bool {
        match self.place {
            Place::Same | Place::Whole(_) => false,
            Place::Pieces(pieces, _) => piece(pieces, span.start).is_some_and(|(piece, next)| {
                piece.literal
                    && (span.start > piece.at || piece.from == 0)
                    && next.map_or(span.end <= self.bytes.len(), |next| span.end < next.at)
            }),
        }
    }
}

/// The last piece that starts at or before `at`, and the one after it.
fn piece(pieces: &[Piece], at: usize) -> Option<(Piece, Option<Piece>)> {
    let index = pieces.partition_point(|piece| piece.at <= at).checked_sub(1)?;
    pieces.get(index).map(|piece| (*piece, pieces.get(index + 1).copied()))
}
