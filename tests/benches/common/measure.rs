//! Measuring contenders against each other, and the table of what came out.
//!
//! A machine is never as fast as it was a minute ago, so no figure stands alone: contenders take turns within one loop, and what
//! is judged is the ratio of their medians.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::Result;

/// One thing to be measured; called once per round.
pub(crate) type Contender<'a> = &'a mut dyn FnMut() -> Result<()>;

/// The median time of each contender over `rounds` rounds, in which they take turns; a tenth as many rounds go before to warm up.
pub(crate) fn interleaved<const N: usize>(
    rounds: usize,
    mut contenders: [Contender<'_>; N],
) -> Result<[Duration; N]> {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    let warm_up = rounds.div_ceil(10);
    for round in 0..warm_up + rounds {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let start = Instant::now();
            contender()?;
            let took = start.elapsed();
            if round >= warm_up {
                times.push(took);
            }
        }
    }
    Ok(times.map(|mut times| {
        let middle = times.len() / 2;
        *times.select_nth_unstable(middle).1
    }))
}

/// What a ratio is to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// Ours takes at most so many times as long as the baseline.
    Slower(f64),
    /// Ours is at least so many times as fast as the baseline.
    Faster(f64),
}

/// One comparison.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// What is compared.
    pub(crate) name: String,
    /// With what, and how long that took.
    pub(crate) baseline: (&'static str, Duration),
    /// How long ours took.
    pub(crate) ours: Duration,
    /// What the ratio is to reach.
    pub(crate) target: Target,
}

/// The comparisons as a Markdown table.
pub(crate) fn report(comparisons: &[Comparison]) -> String {
    let mut table = String::from(
        "| what | baseline | its time | ours | ratio | target | met |\n\
         | --- | --- | ---: | ---: | ---: | ---: | --- |\n",
    );
    for comparison in comparisons {
        let Comparison {
            name,
            baseline: (baseline, its),
            ours,
            target,
        } = comparison;
        let longer = ours.as_secs_f64() / its.as_secs_f64();
        let (ratio, target, met) = match *target {
            Target::Slower(most) => (
                format!("{longer:.2}x as long"),
                format!("<= {most}x"),
                longer <= most,
            ),
            Target::Faster(least) => (
                format!("{:.2}x as fast", 1.0 / longer),
                format!(">= {least}x"),
                1.0 / longer >= least,
            ),
        };
        let met = if met { "yes" } else { "no" };
        let _ = writeln!(
            table,
            "| {name} | {baseline} | {its:.1?} | {ours:.1?} | {ratio} | {target} | {met} |"
        );
    }
    table
}
