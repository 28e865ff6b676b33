//! Assigns parallel tracks, so that no two lines overlap.

/// Gives each interval the first track on which nothing overlaps it, short intervals first; also says how many tracks
/// there are. Ends that touch count as overlapping.
pub(super) fn colour(intervals: &[(usize, usize)]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..intervals.len()).collect();
    order.sort_by_key(|&i| (intervals[i].1 - intervals[i].0, intervals[i].0, i));
    let mut tracks: Vec<Vec<(usize, usize)>> = vec![];
    let mut found = vec![0; intervals.len()];
    for i in order {
        let (low, high) = intervals[i];
        let free = |track: &Vec<(usize, usize)>| track.iter().all(|&(l, h)| h < low || high < l);
        let track = tracks.iter().position(free).unwrap_or_else(|| {
            tracks.push(vec![]);
            tracks.len() - 1
        });
        tracks[track].push((low, high));
        found[i] = track;
    }
    (found, tracks.len())
}

/// A horizontal stretch that leaves or enters a box at its side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) low: usize,
    pub(super) high: usize,
    pub(super) height: i32,
    pub(super) turn: Turn,
    /// How far into its channel it reaches, for those that end in the same one.
    pub(super) lane: usize,
}

/// Where a stretch goes at its far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    Up,
    Loop,
    Down,
}

/// Stacks the stretches of one row so that overlapping ones lie at different heights and, where the graph allows,
/// cross nothing: those that turn up above those that turn down, nested by length. Gives each one's offset from the
/// middle of the row, and the height that all of them need.
pub(super) fn stack(stretches: &[Stretch]) -> (Vec<i32>, i32) {
    let mut by_low: Vec<usize> = (0..stretches.len()).collect();
    by_low.sort_by_key(|&i| (stretches[i].low, i));
    let mut offsets = vec![0; stretches.len()];
    let mut tallest = 0;
    let mut rest = by_low.as_slice();
    while let Some(&first) = rest.first() {
        // One component: a run of stretches that touch each other.
        let mut reach = stretches[first].high;
        let mut size = 1;
        while let Some(&next) = rest.get(size)
            && stretches[next].low <= reach
        {
            reach = reach.max(stretches[next].high);
            size += 1;
        }
        let (component, others) = rest.split_at(size);
        rest = others;
        let mut component = component.to_vec();
        component.sort_by_key(|&i| {
            let length = (stretches[i].high - stretches[i].low, stretches[i].lane);
            let down = stretches[i].turn == Turn::Down;
            let nested = if down { (usize::MAX - length.0, usize::MAX - length.1) } else { length };
            (stretches[i].turn, nested, i)
        });
        let mut height = 0;
        for (position, &i) in component.iter().enumerate() {
            let mut top = 0;
            for &earlier in &component[..position] {
                let (a, b) = (stretches[i], stretches[earlier]);
                if a.low <= b.high && b.low <= a.high {
                    top = top.max(offsets[earlier] + b.height);
                }
            }
            offsets[i] = top;
            height = height.max(top + stretches[i].height);
        }
        for &i in &component {
            offsets[i] += stretches[i].height / 2 - height / 2;
        }
        tallest = tallest.max(height);
    }
    (offsets, tallest)
}
