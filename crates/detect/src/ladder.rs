//! The decoding ladder: every way in which text may read differently from how it is written, nested, within an allowance.

mod run;
mod soft;

use crate::budget::Allowance;
use crate::scan;
use crate::view::{Piece, Place, View};
use terms::Span;

/// Buffers of one rung, kept between inspections.
#[derive(Default)]
pub(crate) struct Rung {
    runs: Vec<Span>,
    soft: Vec<u8>,
    pieces: Vec<Piece>,
    decoded: Vec<u8>,
    inflated: Vec<u8>,
}

/// Shows `view` and everything that it decodes to, rung by rung, to `visit`.
///
/// Escapes of all sorts, invisible characters and look-alike forms of ASCII are undone together, once a rung; a run in base64,
/// base32 or hex, compressed or not, is a view of its own. What the allowance or the number of rungs does not reach is noted
/// in the allowance.
pub(crate) fn climb(view: &View<'_>, rungs: &mut [Rung], allowance: &mut Allowance, visit: &mut dyn FnMut(&View<'_>, &mut Allowance)) {
    visit(view, allowance);
    let Some((rung, above)) = rungs.split_first_mut() else { return };
    let Rung { runs, soft, pieces, decoded, inflated } = rung;
    let whole = Span::new(0, view.bytes.len());
    if above.is_empty() {
        if soft::layered(view.bytes) {
            allowance.miss("depth", view.trace(whole));
        }
    } else if soft::needed(view.bytes) {
        if allowance.take(view.bytes.len()) {
            soft::unfold(view.bytes, soft, pieces);
            climb(&View { bytes: soft, place: Place::Pieces(pieces, view) }, above, allowance, visit);
        } else {
            allowance.miss("bytes", view.trace(whole));
        }
    }
    runs.clear();
    scan::runs(view.bytes, runs);
    for found in runs.iter().copied() {
        if view.carried(found) {
            continue;
        }
        let place = view.trace(found);
        if !allowance.take(found.len()) {
            allowance.miss("bytes", place);
            continue;
        }
        let text = view.bytes.get(found.start..found.end).unwrap_or_default();
        run::each(text, decoded, |decoded| {
            let bytes = if run::packed(decoded) {
                if !run::inflate(decoded, allowance, inflated) {
                    allowance.miss("bytes", place);
                }
                &*inflated
            } else {
                decoded
            };
            if above.is_empty() {
                allowance.miss("depth", place);
            } else {
                climb(&View { bytes, place: Place::Whole(place) }, above, allowance, visit);
            }
        });
    }
}
