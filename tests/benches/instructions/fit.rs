//! Least squares for three unknowns.

/// One count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) calls: f64,
    /// Of all calls together.
    pub(crate) rows: f64,
    pub(crate) counted: f64,
}

/// `counted = constant + call * calls + row * rows`, as well as it goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Costs {
    pub(crate) constant: f64,
    pub(crate) call: f64,
    pub(crate) row: f64,
    /// The largest relative distance of a count from what the costs say.
    pub(crate) worst: f64,
}

/// `None` if the points do not determine the costs.
pub(crate) fn fit(points: &[Point]) -> Option<Costs> {
    // The normal equations, the right-hand side as the fourth column.
    let mut system = [[0.0; 4]; 3];
    for point in points {
        let factors = [1.0, point.calls, point.rows];
        for (row, factor) in system.iter_mut().zip(factors) {
            for (cell, other) in row.iter_mut().zip(factors) {
                *cell += factor * other;
            }
            row[3] += factor * point.counted;
        }
    }
    let [constant, call, row] = solve(system)?;
    let said = |point: &Point| constant + call * point.calls + row * point.rows;
    let off = points
        .iter()
        .map(|point| ((said(point) - point.counted) / point.counted).abs());
    Some(Costs {
        constant,
        call,
        row,
        worst: off.fold(0.0, f64::max),
    })
}

/// Gauss-Jordan elimination with the largest pivot.
fn solve(mut system: [[f64; 4]; 3]) -> Option<[f64; 3]> {
    for column in 0..3 {
        let largest = (column..3).max_by(|&a, &b| {
            let (a, b): (f64, f64) = (system[a][column], system[b][column]);
            a.abs().total_cmp(&b.abs())
        })?;
        system.swap(column, largest);
        let pivot = system[column];
        if pivot[column].abs() < 1e-9 {
            return None;
        }
        for (index, row) in system.iter_mut().enumerate() {
            let factor = row[column] / pivot[column];
            if index != column {
                for (cell, of_pivot) in row.iter_mut().zip(pivot) {
                    *cell -= factor * of_pivot;
                }
            }
        }
    }
    Some(std::array::from_fn(|index| {
        system[index][3] / system[index][index]
    }))
}
